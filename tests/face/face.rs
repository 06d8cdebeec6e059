//! The public face: what capshare promises to those that link or embed it, and nothing that it does not mean to promise.
//!
//! The face is read from the sources: `client`, `host`, `share`, `testing` and `transcripts`, and what they make public of other
//! modules, without what no documentation shows. It stands in `tests/face/face.txt`, so that a change of it is seen in a
//! review. After a change that is meant, write the file anew: `CAPSHARE_WRITE_FACE=1 cargo face`.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

mod reader;
mod source;
mod text;

use reader::Face;

const FILE: &str = "tests/face/face.txt";

/// The crates of others whose types the face names, each with why. A new version of one of them that breaks is a new version of
/// capshare that breaks.
const FOREIGN: [(&str, &str); 8] = [
    ("capnp", "the client turns its errors into its own by `?`, and such an `impl` cannot be private"),
    (
        "futures",
        "traits whose futures are boxed, so that there may be objects of them, and streams; the standard library has neither",
    ),
    ("object_store", "an embedder may bring a store that it opened itself, and is told what a bucket answered"),
    ("serde", "what a service sends and reads has types of its own"),
    ("serde_json", "a call's argument and answer are any JSON, as is a row of OpenCode's database"),
    ("tokio", "readers, writers and deadlines of a connection, and channels whose newest value is watched"),
    (
        "tokio_util",
        "the ends of a connection within the process are readers and writers of the futures crate, over those of tokio",
    ),
    ("tokio_rustls", "who has certificates of its own brings a configuration of TLS"),
];

#[test]
fn the_face_is_the_one_that_was_agreed_on() {
    let path = reader::root().join(FILE);
    let face = Face::read().lines();
    if std::env::var_os("CAPSHARE_WRITE_FACE").is_some() {
        std::fs::write(&path, face.join("\n") + "\n").unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap();
    let agreed: BTreeSet<&str> = agreed.lines().collect();
    let now: BTreeSet<&str> = face.iter().map(String::as_str).collect();
    let gone: Vec<_> = agreed.difference(&now).collect();
    let new: Vec<_> = now.difference(&agreed).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "the public face changed. Gone or changed, which breaks who uses it:\n{gone:#?}\nNew:\n{new:#?}\nIf that is meant, say so in \
         CHANGELOG.md, and write {FILE} anew: CAPSHARE_WRITE_FACE=1 cargo face"
    );
}

#[test]
fn each_crate_of_others_on_the_face_has_a_reason() {
    let named = Face::read().foreign();
    let known = BTreeMap::from(FOREIGN);
    let new: Vec<_> = named.iter().filter(|(name, _)| !known.contains_key(name.as_str())).collect();
    assert!(
        new.is_empty(),
        "the face names types of crates that it did not name before; say why, or hide them: {new:#?}"
    );
    let gone: Vec<_> = known.keys().filter(|name| !named.contains_key(**name)).collect();
    assert!(gone.is_empty(), "the face names these no more, so take them out of the list: {gone:?}");
}

#[test]
fn the_reader_sees_what_is_public_and_nothing_else() {
    let face = Face::of(&[
        (
            "lib",
            "pub mod host; mod hub; pub mod share; #[doc(hidden)] pub mod __internal { pub use crate::hub::Shown as Inside; }",
        ),
        (
            "host",
            "pub use crate::hub::Shown as Known; pub use self::inner::Part; mod inner; use bytes::Bytes;\n\
             pub fn takes(bytes: &Bytes, by: crate::hub::Unseen) -> std::io::Result<()> { todo!() }\n\
             #[doc(hidden)] pub fn hidden(x: axum::Router) {} fn private(x: hyper::Body) {} pub(crate) struct Near;",
        ),
        ("host/inner", "#[derive(Debug, Clone)] #[non_exhaustive] pub enum Part { A(u8), B { at: i64 } }"),
        (
            "hub",
            "pub struct Shown { pub of: http::Uri, inner: axum::Router, #[doc(hidden)] pub deep: hyper::Body } pub struct Unseen;\n\
             impl Shown { pub async fn go<'a>(&'a self) -> Option<&'a str> { None } pub(super) fn near(&self) {} fn far(&self) {} }\n\
             impl std::fmt::Display for Shown {} #[cfg(test)] mod tests { pub struct Never; }",
        ),
        ("share", "macro_rules! name_type { ($type:ident) => { pub struct $type(u8); } } name_type!(Id);"),
    ]);
    let lines = face.lines();
    for line in [
        "host::Known: struct, with private fields",
        "host::Known: pub of: http::Uri",
        "host::Known: pub async fn go<'a>(&'a self) -> Option<&'a str>",
        "host::Known: is Display",
        "share::Id: struct, with private fields",
        "host::Part: enum, non_exhaustive",
        "host::Part: A(u8)",
        "host::Part: B { at: i64 }",
        "host::Part: is Clone, Debug",
        "host: pub fn takes(bytes: &Bytes, by: crate::hub::Unseen) -> std::io::Result<()>",
    ] {
        assert!(lines.iter().any(|has| has == line), "{line}\n{lines:#?}");
    }
    let text = lines.join("\n");
    for absent in ["hidden", "private(", "Near", "near", "far", "deep", "Router", "Never", "tests", "Inside"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    assert_eq!(face.foreign().into_keys().collect::<Vec<_>>(), ["bytes", "http"]);
    assert_eq!(face.unseen(), ["host::takes names hub::Unseen"], "nobody can name it");
}

#[test]
fn what_the_face_names_can_be_named_by_who_uses_it() {
    let unseen = Face::read().unseen();
    assert!(unseen.is_empty(), "make these public where they are needed, or hide what names them: {unseen:#?}");
}
