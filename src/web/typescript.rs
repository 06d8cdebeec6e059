//! The declarations of TypeScript for what the door serves: `GET /rpc/share/web.d.ts`.

use std::fmt::Write as _;

use crate::web::give::{Named as _, Told};
use crate::web::interface::{Interface, Method, Methods as _};
use crate::web::names::{Full, Registered, Rpc, View, Watching, Writer};
use crate::web::typed::{Declared, Typed as _, comment};

/// What the declarations begin with.
const HEAD: &str = r#"// The types of what a capshare host serves at /rpc/share/web. Use them with the npm package capnweb:
//
//     import { newWebSocketRpcSession } from "capnweb";
//     import type { ShareRpc } from "./share";
//     using api = newWebSocketRpcSession<ShareRpc>("wss://host/rpc/share/web");
//
// A promise may be called, passed on and read from before it is awaited; all of that then takes one round trip. Functions and
// objects with methods stay alive until they are disposed of. What is refused rejects with an error that has a `code`.

import type { RpcTarget } from "capnweb";

"#;

/// The declarations, as a module.
#[must_use]
pub fn declarations() -> String {
    let interfaces = [
        Rpc::interface(),
        Full::interface(),
        Writer::interface(),
        View::interface(),
        Interface::without_methods(
            Watching::NAME,
            &["A running watch. Dispose of it to end it: the observer is released and called no more."],
        ),
        Interface::without_methods(
            Registered::NAME,
            &["A function that is registered with the host. Dispose of it to withdraw the function."],
        ),
    ];
    let mut declared = Declared::default();
    let mut out = HEAD.to_owned();
    for interface in &interfaces {
        put_interface(&mut out, interface);
        (interface.declare)(&mut declared);
    }
    Told::declare(&mut declared);
    out.push_str(&declared.text());
    out
}

fn put_interface(out: &mut String, interface: &Interface) {
    let Interface { name, docs, extends, methods, .. } = interface;
    comment(out, "", docs);
    let bases = if extends.is_empty() { "RpcTarget".to_owned() } else { extends.join(", ") };
    let _ = writeln!(out, "export interface {name} extends {bases} {{");
    for method in methods {
        put_method(out, method);
    }
    out.push_str("}\n\n");
}

fn put_method(out: &mut String, method: &Method) {
    let Method { name, docs, params, result } = method;
    comment(out, "  ", docs);
    let params = params.iter().map(|param| {
        let mark = if param.is_optional { "?" } else { "" };
        format!("{}{mark}: {}", param.name, param.kind)
    });
    let _ = writeln!(out, "  {name}({}): {result};", params.collect::<Vec<_>>().join(", "));
}
