//! Generates the Rust code of `schema/share.capnp` from `schema/share.req`, the compiler's own request for it.
//!
//! So neither this crate nor any that links it needs the `capnp` program. After a change of the schema, make the request
//! anew with the command at the end of the essay in `share.capnp`; CI proves that the two agree.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=schema/share.req");
    println!("cargo::rerun-if-changed=build.rs");
    let request = std::fs::File::open("schema/share.req").map_err(|error| format!("schema/share.req: {error}"))?;
    let out_dir = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    capnpc::codegen::CodeGenerationCommand::new().output_directory(out_dir).run(request)?;
    Ok(())
}
