#!/usr/bin/env bash
# async-nats 0.51.0 (Rust): of a credentials file without a newline at its end the seed is not found.
#
# A credentials file (`.creds`) holds a user's JWT and the seed of its key, each between two lines of dashes. Where its text goes through
# `$(cat user.creds)`, a trimmed secret or an editor that writes no last newline, the closing line of the seed ends with the text.
# async-nats wants a newline behind it: the JWT is found, the seed is not, and the error names neither. nats.js 3.4.0 looks for the
# newline too; Go's jwt library takes the end of the text as well. Here one user is given to the client with and without it.
#
# Output seen:
#     with a newline at the end: taken
#     without: cannot parse nkey from the credentials file
# Exits 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "credentials"
version = "0.0.0"
edition = "2024"

[dependencies]
async-nats = { version = "=0.51.0", default-features = false, features = ["ring", "nkeys"] }
nkeys = "=0.4.5"
TOML
cat > src/main.rs <<'RUST'
use async_nats::ConnectOptions;

fn main() {
    let seed = nkeys::KeyPair::new_user().seed().unwrap();
    // The client sends the JWT as it is: any three parts will do.
    let text = format!(
        "-----BEGIN NATS USER JWT-----\ne30.e30.e30\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    for (what, text) in [("with a newline at the end", text.as_str()), ("without", text.trim_end())] {
        match ConnectOptions::new().credentials(text) {
            Ok(_) => println!("{what}: taken"),
            Err(error) => println!("{what}: {error}"),
        }
    }
}
RUST
cargo build --quiet 2>build.log || { cat build.log; exit 2; }
seen=$(./target/debug/credentials)
echo "$seen"
expected='with a newline at the end: taken
without: cannot parse nkey from the credentials file'
[ "$seen" = "$expected" ] || { echo 'not as expected: see the head of this script' >&2; exit 1; }
