//! The HTML around a share: its head, for browsers and for those who preview links, and the pages that say no.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use axum::http::StatusCode;

use crate::share::error::{Refusal, StorageTrouble};
use crate::share::id::ShareId;
use crate::share::revision::Revision;
use crate::viewer::page::{Entry, entry};
use crate::viewer::render::html::escape;
use crate::viewer::render::{About, Document};

/// The part of entity tags that is not the revision: a page changes with the program, and with the script that it names.
pub(in crate::http) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let Entry { style, script } = entry();
        let mut names = DefaultHasher::new();
        (style, script).hash(&mut names);
        format!("{}-{:08x}", env!("CARGO_PKG_VERSION"), names.finish() as u32)
    });
    &VERSION
}

/// The page of a share.
pub(in crate::http) fn page(public_url: &str, id: &ShareId, revision: Revision, document: &Document) -> String {
    let about = About::of(document);
    let url = format!("{public_url}/share/{id}");
    let (title, description) = (escape(&about.title), about.description());
    let description = escape(&description);
    let mut meta = format!(
        "<title>{title} · capshare</title>\n\
         <meta name=\"description\" content=\"{description}\">\n\
         <meta property=\"og:type\" content=\"article\">\n\
         <meta property=\"og:site_name\" content=\"capshare\">\n\
         <meta property=\"og:title\" content=\"{title}\">\n\
         <meta property=\"og:description\" content=\"{description}\">\n\
         <meta property=\"og:url\" content=\"{url}\">\n",
        url = escape(&url),
    );
    if cfg!(feature = "card") {
        let _ = write!(
            meta,
            "<meta property=\"og:image\" content=\"{url}.png\">\n\
             <meta property=\"og:image:type\" content=\"image/png\">\n\
             <meta property=\"og:image:width\" content=\"1200\">\n\
             <meta property=\"og:image:height\" content=\"630\">\n\
             <meta property=\"og:image:alt\" content=\"{title}\">\n\
             <meta name=\"twitter:card\" content=\"summary_large_image\">\n",
            url = escape(&url),
        );
    }
    let path = format!("/share/{id}");
    let _ = write!(
        meta,
        "<link rel=\"alternate\" type=\"application/json\" href=\"{path}.json\">\n\
         <link rel=\"alternate\" type=\"text/markdown\" href=\"{path}.md\">\n"
    );
    let data = format!("{} data-revision=\"{revision}\"", data(public_url, id.as_str()));
    shell(&meta, true, &data, &document.html(&path))
}

/// The empty page of a share that is not for everybody: its script shows the share to those who may see it.
pub(in crate::http) fn private(public_url: &str, id: &str) -> String {
    let content = "<header class=\"share private\">\n<h1>A private share</h1>\n<p>Open it with the whole link that you were \
                   given, in a browser with JavaScript. Programs ask for it with <code>Authorization: Bearer TOKEN</code>.</p>\n\
                   </header>\n";
    shell("<title>A private share · capshare</title>\n", true, &data(public_url, id), content)
}

/// The page of the host itself: what it is, and how one shares a session to it.
pub(in crate::http) fn landing(public_url: &str) -> String {
    let url = escape(public_url);
    let content = format!(
        "<header class=\"share\">\n<h1>A capshare host</h1>\n<p>Sessions of coding agents are shared here, and followed as they happen. A share is \
         opened by its link.</p>\n<p>To share the newest session of a folder:</p>\n<pre><code>export CAPSHARE_TO={url}\n\
         capshare push --agent claude --latest --follow</code></pre>\n<p>A host that needs credentials takes a token in \
         <code>CAPSHARE_TOKEN</code>; <code>capshare ls</code> lists one's own shares.</p>\n</header>\n"
    );
    shell("<title>capshare</title>\n", false, "", &content)
}

/// Attributes that tell the script the id of the share and the public URL of the host.
fn data(public_url: &str, id: &str) -> String {
    format!(" data-share=\"{}\" data-host=\"{}\"", escape(id), escape(public_url))
}

/// A page that tells a refusal to a person. It has no script: there is nothing to follow.
pub(in crate::http) fn refused(status: StatusCode, refusal: &Refusal) -> String {
    let title = match refusal {
        Refusal::NotFound { .. } => "This share is gone",
        Refusal::Unauthorized { .. } | Refusal::InvalidSecret { .. } => "This share is not for everybody",
        Refusal::LimitExceeded { .. } => "Too many requests",
        Refusal::StorageFailure { trouble: StorageTrouble::Damaged, .. } => "This share is damaged",
        Refusal::StorageFailure { .. } | Refusal::Unavailable { .. } => "This share cannot be shown now",
        Refusal::RouteMismatch { .. }
        | Refusal::ProtocolMismatch { .. }
        | Refusal::UpgradeFailed { .. }
        | Refusal::InvalidInput { .. }
        | Refusal::StaleProducer { .. }
        | Refusal::NotYet { .. }
        | Refusal::Unspecified { .. } => "This request cannot be answered",
    };
    let message = refusal.to_string();
    let mut message = message.chars();
    // A sentence for people.
    let message: String = message.next().map(char::to_uppercase).into_iter().flatten().chain(message).collect();
    let content = format!(
        "<header class=\"share refused\">\n<h1>{title}</h1>\n<p>{}.</p>\n<p class=\"status\">{}</p>\n</header>\n",
        escape(&message),
        status.as_u16(),
    );
    shell(&format!("<title>{title} · capshare</title>\n"), false, "", &content)
}

fn shell(meta: &str, is_live: bool, data: &str, content: &str) -> String {
    let Entry { style, script } = entry();
    // The script imports the client module: a browser that is told so here need not wait for the one to ask for the other.
    let script = if is_live {
        format!(
            "<script type=\"module\" src=\"{script}\"></script>\n<link rel=\"modulepreload\" href=\"/client.js\">\n"
        )
    } else {
        String::new()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <link rel=\"icon\" type=\"image/svg+xml\" href=\"/favicon.svg\">\n\
         {meta}<link rel=\"stylesheet\" href=\"{style}\">\n{script}</head>\n\
         <body{data}>\n<main id=\"app\">\n{content}</main>\n</body>\n</html>\n"
    )
}
