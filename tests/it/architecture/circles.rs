//! Inside a module nothing goes in a circle, and no file grows without end.
//!
//! A module's own file may use its parts and be used by them, as a whole and what it is made of; between the parts of one module, each
//! with all that is below it, the uses lead one way. Files that are too long are listed while there are any: one that is not any more has to
//! leave the list.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Module, sources, sources_below, uses};

/// Files above [`LINES_MAX`] that there still are, each with the lines that it must not exceed.
const LONG: [(&str, usize); 0] = [];

/// The most lines that a file may have.
const LINES_MAX: usize = 400;

#[test]
fn the_parts_of_a_module_use_each_other_in_no_circle() {
    let uses = uses(&sources());
    let wholes: BTreeSet<&[String]> = uses.keys().flat_map(|module| (1..module.len()).map(|n| &module[..n])).collect();
    let mut circles = Vec::new();
    for whole in wholes {
        let arrows = arrows(whole, &uses);
        circles.extend(circles_of(&arrows).into_iter().map(|circle| (whole.join("::"), circle.join(" "))));
    }
    assert!(
        circles.is_empty(),
        "these parts use each other: a type that several need wants a file of its own: {circles:?}"
    );
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let all = ["src", "tests"].into_iter().flat_map(sources_below);
    let long: BTreeMap<String, usize> = all
        .map(|source| (source.name(), source.text.lines().count()))
        .filter(|(name, lines)| *lines > LINES_MAX && !name.contains("bench/peers/"))
        .collect();
    let known = BTreeMap::from(LONG.map(|(name, lines)| (name.to_owned(), lines)));
    for (name, lines) in &long {
        let most = known.get(name).copied().unwrap_or(LINES_MAX);
        assert!(*lines <= most, "{name} has {lines} lines: split it by what its parts mean, {most} are the most");
    }
    let gone: Vec<_> = known.keys().filter(|name| !long.contains_key(*name)).collect();
    assert!(gone.is_empty(), "these are no exceptions any more, so take them out of the list: {gone:?}");
}

/// Which parts of a module use which others.
fn arrows<'a>(whole: &[String], uses: &'a BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let part = |module: &'a Module| module.strip_prefix(whole).and_then(|rest| rest.first()).map(String::as_str);
    let mut arrows = BTreeMap::<_, BTreeSet<_>>::new();
    for (module, used) in uses {
        let Some(from) = part(module) else { continue };
        arrows.entry(from).or_default().extend(used.iter().filter_map(part).filter(|to| *to != from));
    }
    arrows
}

/// Groups of at least two, each of which leads to each other; in alphabetical order.
fn circles_of<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<Vec<&'a str>> {
    let reached = |from: &'a str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            next.extend(arrows.get(at).into_iter().flatten().filter(|to| seen.insert(**to)));
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = arrows.keys().map(|part| (*part, reached(part))).collect();
    let mut circles = BTreeSet::new();
    for (part, seen) in &reach {
        if seen.contains(part) {
            circles.insert(seen.iter().filter(|other| reach[*other].contains(part)).copied().collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

#[test]
fn a_circle_is_seen_through_braces_and_supers_and_what_is_public_again() {
    let of = |files: &[(&str, &str)]| {
        let source = |(module, text): &(&str, &str)| super::sources::Source {
            module: module.split('/').map(str::to_owned).collect(),
            path: super::sources::root().join("src").join(module),
            text: (*text).to_owned(),
        };
        let uses = uses(&files.iter().map(source).collect::<Vec<_>>());
        circles_of(&arrows(&["m".to_owned()], &uses)).iter().map(|circle| circle.join(" ")).collect::<Vec<_>>()
    };
    let whole = ("m", "pub use self::b::B;\nuse self::a::A;");
    assert_eq!(
        of(&[whole, ("m/a", "use crate::{m::{b::B, c}, other};"), ("m/b", "use super::a::A;"), ("m/c", "")]),
        ["a b"]
    );
    assert_eq!(
        of(&[whole, ("m/a", "use crate::m::B;"), ("m/b", "use crate::m::\n    {c::C};"), ("m/c", "super::a::f()")]),
        ["a b c"]
    );
    assert_eq!(
        of(&[whole, ("m/a", "use super::B;"), ("m/b", "// crate::m::a\nuse super::M;"), ("m/b/c", "crate::m::b::f()")]),
        [""; 0]
    );
    assert_eq!(of(&[whole, ("m/a", "use super::B;"), ("m/b", ""), ("m/b/c", "super::super::a::f()")]), ["a b"]);
    for public in ["pub", "pub(crate)", "pub(super)", "pub(in crate)"] {
        let whole = format!("{public} use self::b::B;");
        let circles = of(&[("m", whole.as_str()), ("m/a", "use super::B;"), ("m/b", "use super::a::A;")]);
        assert_eq!(circles, ["a b"], "{public}");
    }
}
