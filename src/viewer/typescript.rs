//! The manifest's types in TypeScript: what `capshare manifest --typescript` prints.
//!
//! Knows the part of JSON Schema that the manifest uses; anything else becomes `unknown`, which is true of everything.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The types of a manifest: its definitions, then `ShareCommands` and `ShareEvents`, each an interface by name.
#[must_use]
pub fn types(manifest: &Value) -> String {
    let mut out =
        String::from("// Written by `capshare manifest --typescript` from the manifest of the viewer channel.\n");
    for (name, schema) in entries(&manifest["$defs"]) {
        put_comment(&mut out, "", schema);
        if schema.get("properties").is_some() {
            let _ = writeln!(out, "export interface {name} {}\n", object(schema, ""));
        } else {
            let _ = writeln!(out, "export type {name} = {};\n", of(schema, ""));
        }
    }
    out.push_str("/** By name: what a command takes and what it gives. */\nexport interface ShareCommands {\n");
    for (name, command) in entries(&manifest["commands"]) {
        put_comment(&mut out, "  ", command);
        let (input, output) = (of(&command["input"], "  "), of(&command["output"], "  "));
        let _ = writeln!(out, "  \"{name}\": {{ input: {input}; output: {output} }};");
    }
    out.push_str("}\n\n/** By name: the payload of an event. */\nexport interface ShareEvents {\n");
    for (name, event) in entries(&manifest["events"]) {
        put_comment(&mut out, "  ", event);
        let _ = writeln!(out, "  {name}: {};", of(&event["payload"], "  "));
    }
    out.push_str("}\n");
    out
}

fn entries(of: &Value) -> impl Iterator<Item = (&String, &Value)> {
    of.as_object().into_iter().flatten()
}

fn put_comment(out: &mut String, indent: &str, schema: &Value) {
    if let Some(text) = schema["description"].as_str() {
        let text = text.replace("*/", "* /").lines().collect::<Vec<_>>().join(&format!("\n{indent} * "));
        let _ = writeln!(out, "{indent}/** {text} */");
    }
}

/// Writes a schema as a type.
fn of(schema: &Value, indent: &str) -> String {
    let union = |schemas: &Vec<Value>| schemas.iter().map(|one| of(one, indent)).collect::<Vec<_>>().join(" | ");
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(schemas) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        return union(schemas);
    }
    let kind = &schema["type"];
    let kinds = kind.as_array().map_or(std::slice::from_ref(kind), Vec::as_slice);
    kinds.iter().map(|kind| of_kind(kind, schema, indent)).collect::<Vec<_>>().join(" | ")
}

fn of_kind(kind: &Value, schema: &Value, indent: &str) -> String {
    match kind.as_str() {
        Some("string") => "string".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("null") => "null".to_owned(),
        Some("array") => {
            let item = of(&schema["items"], indent);
            if item.contains(' ') { format!("({item})[]") } else { format!("{item}[]") }
        }
        Some("object") => match schema.get("additionalProperties") {
            Some(values) if schema.get("properties").is_none() => format!("Record<string, {}>", of(values, indent)),
            _ => object(schema, indent),
        },
        _ => "unknown".to_owned(),
    }
}

fn object(schema: &Value, indent: &str) -> String {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    if properties.is_empty() {
        return "{}".to_owned();
    }
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let inner = format!("{indent}  ");
    let mut out = String::from("{\n");
    for (name, property) in properties {
        put_comment(&mut out, &inner, property);
        let mark = if required(name) { "" } else { "?" };
        let _ = writeln!(out, "{inner}{name}{mark}: {};", of(property, &inner));
    }
    out + indent + "}"
}
