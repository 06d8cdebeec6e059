//! `schema/share.req`, from which the code is generated, is what the compiler makes of `schema/share.capnp`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use capnp::message::ReaderOptions;
use capnp::schema_capnp::code_generator_request;

use crate::support::install::{self, debian};

/// Byte for byte. A compiler of another version writes its number and perhaps more into it; then what counts is
/// everything about each declaration that our code generator can read, positions in the text left out.
#[test]
fn the_request_is_what_the_compiler_makes_of_the_schema() {
    let kept = std::fs::read("schema/share.req").unwrap();
    let made = compile(Path::new("schema"));
    if kept != made {
        let (kept, made) = (Request::read(&kept), Request::read(&made));
        assert_ne!(kept.compiler, made.compiler, "make schema/share.req anew, with the command in share.capnp");
        for (id, declaration) in &made.declarations {
            let kept = kept.declarations.get(id);
            assert_eq!(kept, Some(declaration), "make schema/share.req anew, with the command in share.capnp");
        }
        assert_eq!(
            kept.declarations.len(),
            made.declarations.len(),
            "share.req declares what is gone from share.capnp"
        );
    }
}

/// So that the comparison across versions is known to see something.
#[test]
fn a_changed_member_shows_in_the_request() {
    let schema = std::fs::read_to_string("schema/share.capnp").unwrap();
    let kept = Request::read(&std::fs::read("schema/share.req").unwrap());
    for (from, to) in [
        ("secret @2 :Text;", "secret @2 :Data;"),
        ("secret @2 :Text;", "sesame @2 :Text;"),
        ("remove @0 ()", "remove @0 (why :Text)"),
        ("const syncItemsMax :UInt32 = 2000", "const syncItemsMax :UInt32 = 2001"),
        ("later @1;", "later @1; never2 @2;"),
    ] {
        assert!(schema.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("share.capnp"), schema.replacen(from, to, 1)).unwrap();
        let made = Request::read(&compile(folder.path()));
        assert_ne!(kept.declarations, made.declarations, "{from} became {to}");
    }
    let again = Request::read(&compile(Path::new("schema")));
    assert_eq!(kept.declarations, again.declarations);
}

fn compile(folder: &Path) -> Vec<u8> {
    debian(&["capnp", "--version"], &["capnproto"]);
    install::run(
        Command::new("capnp")
            .arg("compile")
            .arg(format!("--src-prefix={}", folder.display()))
            .arg("-o-")
            .arg(folder.join("share.capnp")),
    )
}

/// A compiler's request, read.
struct Request {
    compiler: (u16, u8, u8),
    /// By id.
    declarations: BTreeMap<u64, String>,
}

impl Request {
    fn read(bytes: &[u8]) -> Self {
        let options = *ReaderOptions::new().traversal_limit_in_words(None);
        let message = capnp::serialize::read_message(bytes, options).expect("a message");
        let request: code_generator_request::Reader<'_> = message.get_root().expect("a request");
        let compiler = request.get_capnp_version().expect("a version");
        let nodes = request.get_nodes().expect("declarations");
        Self {
            compiler: (compiler.get_major(), compiler.get_minor(), compiler.get_micro()),
            declarations: nodes.iter().map(|node| (node.get_id(), format!("{node:?}"))).collect(),
        }
    }
}
