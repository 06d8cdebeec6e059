//! What the papers at the root say of the tree is so: each file and folder that they name is there.

use std::collections::BTreeSet;
use std::path::Path;

const PAPERS: [&str; 6] =
    ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "findings/README.md", "tests/fuzz/README.md"];

/// What a path in the papers begins with: folders and files of the root that are checked in.
const ROOTS: [&str; 9] =
    ["src/", "schema/", "tests/", "findings/", ".ci/", "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The texts between backticks, and the targets of links.
fn named(text: &str) -> BTreeSet<&str> {
    let code = text.split('`').skip(1).step_by(2);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    code.chain(links).collect()
}

/// The paths among them: of this tree, and no pattern, place-holder or command.
fn paths(text: &str) -> BTreeSet<&str> {
    let is_path = |name: &&str| {
        ROOTS.iter().any(|root| name.starts_with(root)) && !name.contains(['*', ' ', '<', '{']) && !name.contains("ID")
    };
    named(text).into_iter().filter(is_path).collect()
}

#[test]
fn each_file_and_folder_that_the_papers_name_is_there() {
    let mut missing = Vec::new();
    let mut count = 0;
    for paper in PAPERS {
        let text = std::fs::read_to_string(root().join(paper)).unwrap();
        let folder = Path::new(paper).parent().unwrap();
        for path in paths(&text) {
            count += 1;
            // Links of a paper in a folder begin there.
            if !root().join(path).exists() && !root().join(folder).join(path).exists() {
                missing.push(format!("{paper} names {path}"));
            }
        }
    }
    assert!(count > 40, "the papers name {count} paths");
    assert!(missing.is_empty(), "name them as they are called now:\n{}", missing.join("\n"));
}

#[test]
fn each_finding_is_in_the_table() {
    let table = std::fs::read_to_string(root().join("findings/README.md")).unwrap();
    for entry in std::fs::read_dir(root().join("findings")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || table.contains(&format!("({name})")),
            "findings/README.md has no line for {name}"
        );
    }
}
