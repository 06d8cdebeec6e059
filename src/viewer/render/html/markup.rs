//! Markdown as HTML, in which nothing runs and nothing is loaded.
//!
//! HTML in it is shown as the text that it is. Images are links, because a page may load none from elsewhere. Formulas stay as they
//! were written, and each block has the direction of its own text. What comes out of that is sanitised once more: only elements and links
//! that Markdown makes are left, to http, https and mailto.

mod formulas;

use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Alignment, CowStr, Event, Options, Parser, Tag, TagEnd};

use super::text::escape;

const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_FOOTNOTES);

/// Makes HTML of Markdown.
pub(super) fn markdown(text: &str) -> String {
    let text = formulas::kept(text, OPTIONS);
    let mut writer = Writer::default();
    let events = Parser::new_ext(&text, OPTIONS).flat_map(|event| writer.event(event));
    let mut html = String::with_capacity(text.len() + text.len() / 4);
    pulldown_cmark::html::push_html(&mut html, events.flatten());
    SANITISER.clean(&html).to_string()
}

/// The elements that are written otherwise than Markdown's own writer does.
#[derive(Default)]
struct Writer {
    depth: usize,
    lists: usize,
    /// How the columns of the table are aligned that is being written, and at which column it is.
    columns: Vec<Alignment>,
    column: usize,
    is_head: bool,
    /// A footnote's name that is to stand in front of its text.
    note: Option<String>,
}

impl Writer {
    /// What is written for an event.
    fn event<'a>(&mut self, event: Event<'a>) -> [Option<Event<'a>>; 2] {
        let one = match event {
            Event::Start(tag) => {
                self.depth += 1;
                return if self.depth <= DEPTH_MAX { self.start(tag) } else { [None, None] };
            }
            Event::End(end) => {
                self.depth -= 1;
                return [(self.depth < DEPTH_MAX).then(|| self.end(end)), None];
            }
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            Event::TaskListMarker(done) => Event::Text(CowStr::Borrowed(if done { "☑ " } else { "☐ " })),
            Event::FootnoteReference(name) => html(mark(&name)),
            // A line break that somebody wrote is one.
            Event::SoftBreak => Event::HardBreak,
            event @ (Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::HardBreak
            | Event::Rule) => event,
        };
        [Some(one), None]
    }

    fn start<'a>(&mut self, tag: Tag<'a>) -> [Option<Event<'a>>; 2] {
        if let Some(note) = self.note.take() {
            if tag == Tag::Paragraph {
                return [Some(html(format!("{}{note} ", self.paragraph()))), None];
            }
            return [Some(html(format!("<p>{note}</p>"))), Some(self.one(tag))];
        }
        [Some(self.one(tag)), None]
    }

    fn paragraph(&self) -> &'static str {
        // In a list the item has the direction, by which its mark stands on the right side.
        if self.lists == 0 { "<p dir=\"auto\">" } else { "<p>" }
    }

    fn one<'a>(&mut self, tag: Tag<'a>) -> Event<'a> {
        match tag {
            Tag::Paragraph => html(self.paragraph().to_owned()),
            Tag::Heading { level, .. } => html(format!("<{level} dir=\"auto\">")),
            Tag::List(_) => {
                self.lists += 1;
                Event::Start(tag)
            }
            Tag::Item => html("<li dir=\"auto\">".to_owned()),
            Tag::FootnoteDefinition(name) => {
                self.note = Some(mark(&name));
                html("<div class=\"footnote\">".to_owned())
            }
            Tag::Table(columns) => {
                self.columns = columns;
                html("<table dir=\"auto\">".to_owned())
            }
            Tag::TableHead => {
                (self.column, self.is_head) = (0, true);
                html("<thead><tr>".to_owned())
            }
            Tag::TableRow => {
                self.column = 0;
                html("<tr>".to_owned())
            }
            Tag::TableCell => {
                let align = match self.columns.get(self.column) {
                    Some(Alignment::Left) => " align=\"left\"",
                    Some(Alignment::Center) => " align=\"center\"",
                    Some(Alignment::Right) => " align=\"right\"",
                    Some(Alignment::None) | None => "",
                };
                self.column += 1;
                html(format!("<{}{align}>", self.cell()))
            }
            Tag::Image { link_type, dest_url, title, id } => Event::Start(Tag::Link { link_type, dest_url, title, id }),
            other @ (Tag::BlockQuote(_)
            | Tag::CodeBlock(_)
            | Tag::HtmlBlock
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::MetadataBlock(_)) => Event::Start(other),
        }
    }

    fn end<'a>(&mut self, end: TagEnd) -> Event<'a> {
        match end {
            TagEnd::Paragraph => html("</p>\n".to_owned()),
            TagEnd::List(_) => {
                self.lists = self.lists.saturating_sub(1);
                Event::End(end)
            }
            TagEnd::FootnoteDefinition => {
                let note = self.note.take().unwrap_or_default();
                html(format!("{note}</div>\n"))
            }
            TagEnd::Table => html("</tbody></table>\n".to_owned()),
            TagEnd::TableHead => {
                self.is_head = false;
                html("</tr></thead><tbody>\n".to_owned())
            }
            TagEnd::TableRow => html("</tr>\n".to_owned()),
            TagEnd::TableCell => html(format!("</{}>", self.cell())),
            TagEnd::Image => Event::End(TagEnd::Link),
            other @ (TagEnd::Heading(_)
            | TagEnd::BlockQuote(_)
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock
            | TagEnd::Item
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::MetadataBlock(_)) => Event::End(other),
        }
    }

    fn cell(&self) -> &'static str {
        if self.is_head { "th" } else { "td" }
    }
}

fn html<'a>(html: String) -> Event<'a> {
    Event::InlineHtml(html.into())
}

/// The name of a footnote, where it is named and in front of its text.
fn mark(name: &str) -> String {
    format!("<sup>{}</sup>", escape(name))
}

/// Elements within one another; deeper ones are left out, and their text is kept. Who parses HTML goes through all that are
/// open at each that ends, so that 32,000 quotations within one another would take a second; and nobody reads the tenth.
const DEPTH_MAX: usize = 32;

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    let tags =
        "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre strong sup table tbody td th thead tr ul";
    builder
        .tags(tags.split(' ').collect())
        .tag_attributes(
            [
                ("a", ["href", "title"].into()),
                ("ol", ["start"].into()),
                ("th", ["align"].into()),
                ("td", ["align"].into()),
            ]
            .into(),
        )
        .generic_attributes(HashSet::from(["dir"]))
        .allowed_classes([("div", HashSet::from(["footnote"]))].into())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        // A path in an agent's text is a file of its own, not one of this host.
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer ugc"));
    builder
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::render::html::text::typed;

    #[test]
    fn markdown_is_rendered() {
        let html = markdown(
            "# T\n\n- [x] a **b** `c<d>`\n\n[l](https://e.org/x)\n\n|a|\n|-|\n|1|\n\n```rust\nlet x = 1 < 2;\n```",
        );
        for part in [
            "<h1 dir=\"auto\">T</h1>",
            "☑ a <strong>b</strong> <code>c&lt;d&gt;</code>",
            "<td>1</td>",
            "let x = 1 &lt; 2;",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(html.contains(r#"<a href="https://e.org/x" rel="nofollow noopener noreferrer ugc">l</a>"#), "{html}");
    }

    /// S73: hostile content is escaped, in Markdown. (The page's other places: tests/it/documents.)
    #[test]
    fn nothing_in_markdown_runs_or_is_loaded() {
        for hostile in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "[x](vbscript:x)",
            "![x](https://evil.example/p.png)",
            "<svg onload=alert(1)>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "[x](//evil.example)",
            "[x](/share/other)",
            "<iframe src=x></iframe><style>*{display:none}</style>",
            "</article></main><form action=/x><input></form>",
            "[x]: javascript:alert(1)\n\n[x]",
            "<https://e.org/\" onclick=alert(1)>",
            "```\"><script>alert(1)</script>\nx\n```",
        ] {
            let html = markdown(hostile);
            for tag in html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap_or_default()) {
                let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
                assert!(["a", "p", "pre", "code"].contains(&name), "{hostile}: {html}");
                let attributes = tag.split(' ').skip(1).filter(|part| part.contains('='));
                for attribute in attributes {
                    let expected =
                        ["rel=", "dir=\"auto\"", "href=\"https://e"].iter().any(|own| attribute.starts_with(own));
                    assert!(expected, "{hostile}: {html}");
                }
            }
        }
    }

    /// Without the bound on depth this takes minutes.
    #[test]
    fn deep_nesting_costs_nothing_and_keeps_the_text() {
        for mark in [">", "- ", "[", "*a ", "`", "![", "<b>", "|\n|-", "1. ", "[x](", "~~a ", "_a*"] {
            let html = markdown(&format!("{}\nthe end", mark.repeat((32 << 10) / mark.len())));
            assert!(html.contains("the end"), "{mark}");
            let (mut depth, mut deepest) = (0_usize, 0);
            for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with("br") && !tag.starts_with("hr")) {
                depth = if tag.starts_with('/') { depth - 1 } else { depth + 1 };
                deepest = deepest.max(depth);
            }
            assert!(deepest <= DEPTH_MAX + 1, "{mark}: {deepest}");
        }
    }

    /// Up to the longest text that is shown.
    #[test]
    fn markdown_costs_what_its_length_says() {
        for mark in ["[", "[a](", "*a", "`$ ", "\\(", "$$ a\n", "> - a\nb\n", "[^1]: a\n"] {
            let text = |bytes: usize| mark.repeat(bytes / mark.len());
            is_linear(mark, &text(8 << 10), &text(32 << 10), |text| drop(markdown(text)));
        }
    }

    /// What somebody typed is looked through for code, of which the end may be far away.
    #[test]
    fn what_was_typed_costs_what_its_length_says() {
        for mark in ["`a` ", "`` ` ", "` `` ``` ```` "] {
            let text = |bytes: usize| mark.repeat(bytes / mark.len());
            is_linear(mark, &text(64 << 10), &text(256 << 10), |text| drop(typed(text)));
        }
    }

    /// Fails if reading a text of four times the length costs as much more as if it cost the square: sixteen times.
    #[expect(
        clippy::disallowed_methods,
        reason = "it measures work, for which the clock that tests may pause stands still"
    )]
    fn is_linear(what: &str, short: &str, long: &str, read: impl Fn(&str)) {
        let cost = |text: &str| {
            let began = std::time::Instant::now();
            read(text);
            began.elapsed()
        };
        let (once, four_times) = (cost(short).min(cost(short)), cost(long).min(cost(long)));
        let most = once * 9 + std::time::Duration::from_millis(200);
        assert!(four_times < most, "{what:?}: {once:?}, and of four times the length {four_times:?}");
    }

    /// S114: formulas, footnotes, tables and text that is read from right to left are what was written.
    #[test]
    fn formulas_footnotes_and_tables_are_what_was_written() {
        let html = markdown(
            "Inline \\(a_1 + b_2\\), $x_i^2$ and $5 or $6.\n\n\\[ \\int_0^1 x\\,dx = *y* \\\\ \n - 1. \\]\n\n`\\(code\\)`\n\n    \\(block\\)\n",
        );
        for part in [
            "\\(a_1 + b_2\\)",
            "$x_i^2$ and $5 or $6.",
            "\\[ \\int_0^1 x\\,dx = *y* \\\\<br>\n- 1. \\]",
            "<code>\\(code\\)</code>",
            "<pre><code>\\(block\\)",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        // No sign of a formula is in code, and what Markdown shows as it is gets no escapes.
        for (text, part) in [
            ("it costs $a, see `b$` and `$c`", "it costs $a, see <code>b$</code> and <code>$c</code>"),
            ("$a`*b*`$ *c*", "$a<code>*b*</code>$ <em>c</em>"),
            ("\\( ` \\) *a* x", "( ` ) <em>a</em> x"),
            ("<https://e.org/$a_1$>", ">https://e.org/$a_1$</a>"),
            ("<div>\n$x_1$\n</div>", "&lt;div&gt;\n$x_1$\n&lt;/div&gt;"),
            ("a <b title=\"$x$\">$y_1$</b>", "a &lt;b title=\"$x$\"&gt;$y_1$&lt;/b&gt;"),
        ] {
            let html = markdown(text);
            assert!(html.contains(part), "{part}: {html}");
        }
        let html = markdown("a[^1] b[^x] [^none]\n\n[^1]: https://example.org\n[^x]: two *words*\n");
        for part in [
            "a<sup>1</sup> b<sup>x</sup> [^none]",
            "<sup>1</sup> https://example.org</p>",
            "<sup>x</sup> two <em>words</em></p>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let html = markdown("|a|b|c|\n|:-|:-:|-:|\n|1|2|3|\n\n- a\n\n  b\n\nc");
        for part in [
            "<table dir=\"auto\"><thead><tr><th align=\"left\">a</th><th align=\"center\">b</th><th align=\"right\">c</th></tr></thead>",
            "<td align=\"right\">3</td>",
            "<li dir=\"auto\"><p>a</p>",
            "<p dir=\"auto\">c</p>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
