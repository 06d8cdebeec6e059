//! README.md and the chapters in `src/docs`: what they point to is there, and the settings are complete.

use std::path::{Path, PathBuf};
use std::process::Command;

/// README.md and every chapter, with their texts.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapters = std::fs::read_dir(root.join("src/docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = chapters.chain([root.join("README.md"), root.join("schema/viewer.md"), root.join("schema/storage.md")]);
    pages.map(|page| (page.clone(), std::fs::read_to_string(page).unwrap())).collect()
}

/// A heading as the part of a link after `#`: lower case, without punctuation, spaces as hyphens.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The targets of a page's links, `](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn every_link_of_the_readme_and_its_chapters_leads_somewhere() {
    let mut followed = 0;
    for (page, text) in pages() {
        for link in links(&text).filter(|link| !link.starts_with("http")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: {link} leads to no file", page.display());
            if !heading.is_empty() {
                let target = std::fs::read_to_string(&file).unwrap();
                let mut headings = target.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == heading), "{}: {link} leads to no heading", page.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed}");
}

#[test]
fn the_readme_leads_to_every_chapter() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    for (page, _) in pages() {
        let path = page.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        assert!(path == "README.md" || readme.contains(&format!("]({path})")), "README.md does not name {path}");
    }
}

#[test]
fn the_settings_page_names_every_flag_of_serve() {
    let help = Command::new(env!("CARGO_BIN_EXE_capshare")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let settings = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/settings.md")).unwrap();
    let flags = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let flags = flags.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    let flags: Vec<_> = flags.map(|flag| flag.trim_end_matches(['=', ','])).collect();
    assert!(flags.len() > 25, "{flags:?}");
    for flag in flags {
        let known = ["--help", "--json", "--no-color", "--version"].contains(&flag);
        let named = [" ", "`", ":"].iter().any(|end| settings.contains(&format!("{flag}{end}")));
        assert!(known || named, "src/docs/settings.md does not name {flag}");
    }
}
