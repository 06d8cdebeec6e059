//! The files of the web page, as they lie in the program: scripts, styles, the client module and its types.
//!
//! `src/viewer/page` has their sources, `src/viewer/page/dist` what Node built of them; that is checked in, so a build of
//! this crate needs no Node, and `build.rs` makes the table from it. [`crate::http::assets`] serves them, and the document of
//! a share links to [`entry`].
//!
//! A file below `assets/` has a hash of its content in its name: what has one name never changes. `client.js`,
//! `client.d.ts` and `favicon.svg` keep theirs, for those who name them from elsewhere, and change with the version of the host.

use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// The names and bytes of all files, in the order of the names.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

static ASSETS: LazyLock<Vec<Asset>> =
    LazyLock::new(|| FILES.iter().map(|(name, bytes)| Asset::new(name, bytes)).collect());

/// One file of the page.
#[derive(Debug)]
pub struct Asset {
    /// Its name below the root of the host, without a leading slash: `client.js`, `assets/app-1a2b3c4d.js`.
    pub name: &'static str,
    /// The content of the file.
    pub bytes: &'static [u8],
    /// The media type, with the charset.
    pub content_type: &'static str,
    /// The entity tag, with its quotes; weak, because packed and unpacked content have one.
    pub etag: String,
    gzip: OnceLock<Vec<u8>>,
}

impl Asset {
    fn new(name: &'static str, bytes: &'static [u8]) -> Self {
        let content_type = match name.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("ts") => "application/typescript; charset=utf-8",
            Some("svg") => "image/svg+xml; charset=utf-8",
            Some("png") => "image/png",
            _ => "application/octet-stream",
        };
        let hash = Sha256::digest(bytes);
        let etag = hash[..16].iter().fold(String::from("W/\""), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
        Self { name, bytes, content_type, etag, gzip: OnceLock::new() }
    }

    /// Whether the file's name has a hash of its content, so that a browser that has it need never ask again.
    #[must_use]
    pub fn is_immutable(&self) -> bool {
        self.name.starts_with("assets/")
    }

    /// The content packed with gzip, made when it is first asked for and kept: about a third of its bytes.
    #[must_use]
    pub fn gzip(&self) -> &[u8] {
        self.gzip.get_or_init(|| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::best());
            // Writing to memory cannot fail.
            let _ = packed.write_all(self.bytes);
            packed.finish().unwrap_or_default()
        })
    }
}

/// All files of the page, in the order of their names.
#[must_use]
pub fn assets() -> &'static [Asset] {
    &ASSETS
}

/// The file with this name, such as `client.js` or `assets/app-1a2b3c4d.js`.
#[must_use]
pub fn asset(name: &str) -> Option<&'static Asset> {
    let at = ASSETS.binary_search_by(|asset| asset.name.cmp(name)).ok()?;
    ASSETS.get(at)
}

/// The style sheet and the script that the document of a share names in its head, as paths from the root of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The style sheet: `/assets/app-HASH.css`.
    pub style: &'static str,
    /// The module that makes the page live: `/assets/app-HASH.js`. It imports `/client.js`.
    pub script: &'static str,
}

/// The page's own style sheet and script.
///
/// # Panics
/// The program was built without a built page, which its tests refuse.
#[must_use]
pub fn entry() -> Entry {
    static ENTRY: LazyLock<(String, String)> = LazyLock::new(|| {
        let path = |end: &str| {
            let found = ASSETS.iter().find(|asset| asset.name.starts_with("assets/app-") && asset.name.ends_with(end));
            format!("/{}", found.expect("src/viewer/page/dist is built and checked in").name)
        };
        (path(".css"), path(".js"))
    });
    Entry { style: &ENTRY.0, script: &ENTRY.1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_built_and_every_file_is_found_by_its_name() {
        let Entry { style, script } = entry();
        for name in ["client.js", "client.d.ts", "favicon.svg", &style[1..], &script[1..]] {
            let asset = asset(name).expect(name);
            assert!(!asset.bytes.is_empty() && asset.content_type != "application/octet-stream", "{name}");
            assert_eq!(asset.is_immutable(), name.starts_with("assets/"));
        }
        assert!(assets().iter().all(|one| asset(one.name).is_some_and(|found| found.etag == one.etag)));
        assert!(asset("assets/").is_none() && asset("../page.rs").is_none() && asset("").is_none());
    }

    #[test]
    fn a_packed_file_is_smaller_and_unpacks_to_itself() {
        let script = asset(&entry().script[1..]).unwrap();
        assert!(script.gzip().len() < script.bytes.len() / 2);
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(script.gzip()), &mut unpacked).unwrap();
        assert_eq!(unpacked, script.bytes);
    }
}
