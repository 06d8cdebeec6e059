//! Generates code from what is checked in, with no program beside the Rust compiler.
//!
//! From `schema/share.req`, the Cap'n Proto compiler's own request for `schema/share.capnp`, the contract's code; after a
//! change of the schema, make the request anew with the command at the end of the essay in `share.capnp`. And from the
//! files of `src/viewer/page/dist`, which Node built, the table by which the host has them in itself. CI proves that the
//! request agrees with the schema, and the built files with their sources.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schema/share.req");
    println!("cargo::rerun-if-changed={DIST}");
    println!("cargo::rerun-if-changed=build.rs");
    let request = std::fs::File::open("schema/share.req").map_err(|error| format!("schema/share.req: {error}"))?;
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    capnpc::codegen::CodeGenerationCommand::new().output_directory(&out_dir).run(request)?;
    std::fs::write(out_dir.join("page_files.rs"), page_files()?)?;
    Ok(())
}

/// The built files of the web page.
const DIST: &str = "src/viewer/page/dist";

/// A Rust expression: each file's name below [`DIST`] with its bytes, in the order of the names.
fn page_files() -> Result<String, Box<dyn Error>> {
    let root = std::env::current_dir()?.join(DIST);
    let mut names = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { names.push(name(&root, &path)?) }
        }
    }
    names.sort();
    let mut table = String::from("&[\n");
    for name in names {
        let path = root.join(&name);
        writeln!(table, "    ({name:?}, include_bytes!({:?}).as_slice()),", path.display().to_string())?;
    }
    table.push(']');
    Ok(table)
}

fn name(root: &Path, path: &Path) -> Result<String, Box<dyn Error>> {
    let parts = path.strip_prefix(root)?.iter().map(|part| part.to_str().ok_or("a file's name is not text"));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join("/"))
}
