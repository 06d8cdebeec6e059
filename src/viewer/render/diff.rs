//! Changes of files: patches made where only two texts are known.

use similar::TextDiff;

use crate::viewer::render::read::FileDiff;

/// Lines of two texts together that are compared: what comparing costs grows with their square where they differ much.
const LINES_MAX: usize = 4_000;

/// Bytes that two texts may have together to be compared.
const BYTES_MAX: usize = 256 << 10;

/// The patch between two texts; `None` where it would cost too much to find.
pub(super) fn between(before: &str, after: &str) -> Option<String> {
    if before.len() + after.len() > BYTES_MAX || before.lines().count() + after.lines().count() > LINES_MAX {
        return None;
    }
    let diff = TextDiff::from_lines(before, after);
    Some(diff.unified_diff().context_radius(3).missing_newline_hint(false).to_string())
}

impl FileDiff {
    /// Whether the item has the file's texts.
    pub(super) fn has_texts(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        self.file.as_deref().unwrap_or("a file")
    }

    /// The patch of the file; `None` if the item does not say what changed, or if that would cost too much to find.
    pub(super) fn to_patch(&self) -> Option<String> {
        match (&self.patch, &self.before, &self.after) {
            (Some(patch), _, _) => Some(patch.clone()),
            (None, None, None) => None,
            (None, before, after) => {
                between(before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default())
            }
        }
    }

    /// Numbers of lines that came and went: as the item says, else as its patch has them.
    pub(super) fn lines(&self) -> (u64, u64) {
        let said = |n: Option<f64>| n.map(|n| n.max(0.0) as u64);
        if let (Some(added), Some(removed)) = (said(self.additions), said(self.deletions)) {
            return (added, removed);
        }
        let patch = self.to_patch().unwrap_or_default();
        let count = |sign: char, head: &str| {
            patch.lines().filter(|line| line.starts_with(sign) && !line.starts_with(head)).count() as u64
        };
        let (added, removed) = (said(self.additions), said(self.deletions));
        (added.unwrap_or_else(|| count('+', "+++ ")), removed.unwrap_or_else(|| count('-', "--- ")))
    }

    /// Numbers of lines that came and went, such as `+3 −1`.
    pub(super) fn counts(&self) -> String {
        let (added, removed) = self.lines();
        format!("+{added} −{removed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::render::read::file_diffs;

    #[test]
    fn both_forms_become_a_patch_and_what_is_too_large_does_not() {
        let diffs = file_diffs(
            r#"[{"file":"a","before":"x\ny\n","after":"x\nz\n","additions":1,"deletions":1},
                {"file":"b","patch":"@@ -0,0 +1 @@\n+x\n","additions":1},"no diff",{"file":"c"}]"#,
        );
        assert_eq!(diffs[0].to_patch().unwrap(), "@@ -1,2 +1,2 @@\n x\n-y\n+z\n");
        assert_eq!(diffs[0].counts(), "+1 −1");
        assert_eq!(diffs[1].counts(), "+1 −0");
        assert_eq!(diffs[1].to_patch().unwrap(), "@@ -0,0 +1 @@\n+x\n");
        assert_eq!((diffs[2].name(), diffs[3].to_patch()), ("a file", None));
        assert_eq!(between(&"a\n".repeat(2_001), &"b\n".repeat(2_000)), None);
        assert_eq!(between(&"a".repeat(200 << 10), &"b".repeat(57 << 10)), None);
    }
}
