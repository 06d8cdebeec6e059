//! `tests/bench/RESULTS.md`: what the last run that counted brought, scene by scene.
//!
//! Each scene stands between two comments that name it; a run writes the scenes that it ran anew and leaves the others.

use anyhow::Context as _;

use crate::context::Context;
use crate::scene::Scene;

/// Writes one scene's part anew; one that the page does not have yet goes to its end.
///
/// # Errors
///
/// The page is not there, or cannot be written.
pub(crate) fn refresh(context: &Context, scene: &Scene, machine: &str, body: &str) -> anyhow::Result<()> {
    let path = context.root.join("tests/bench/RESULTS.md");
    let page = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let part = format!("## {}\n\n{}\n\n{machine}\n\n{body}", scene.key, scene.question);
    std::fs::write(&path, replaced(&page, scene.key, &part))?;
    Ok(())
}

fn replaced(page: &str, key: &str, part: &str) -> String {
    let (begin, end) = (format!("<!-- {key} -->\n"), format!("<!-- end of {key} -->\n"));
    let part = format!("{begin}{}\n{end}", part.trim_end());
    let Some((before, rest)) = page.split_once(&begin) else {
        return format!("{}\n\n{part}", page.trim_end());
    };
    let after = rest.split_once(&end).map_or("", |(_, after)| after);
    format!("{before}{part}{after}")
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_part_is_replaced_where_it_stands_and_else_added() {
        let page = replaced("# Results\n", "calls", "one\n");
        let page = replaced(&page, "start", "two\n");
        let page = replaced(&page, "calls", "three\n\n");
        assert_eq!(
            page,
            "# Results\n\n<!-- calls -->\nthree\n<!-- end of calls -->\n\n<!-- start -->\ntwo\n<!-- end of start -->\n"
        );
    }
}
