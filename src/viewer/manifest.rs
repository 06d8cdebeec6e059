//! The viewer channel, told to machines: commands, events and frames with their JSON schemas, as `GET /manifest.json`.
//!
//! Made from the table that [reads commands](crate::viewer::command) and the types that [events](crate::viewer::shapes) are
//! written from, so it says what this very host does. Schemas are JSON Schema 2020-12; they refer to each other as
//! `#/$defs/NAME`, of the manifest itself.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::viewer::command::Command;
use crate::viewer::shapes::{Ask, ErrorShape, MovingShape, Presence, Ready, SettledShape, StepShape};

/// An event as the manifest describes it.
type EventRow = (&'static str, &'static str, fn(&mut SchemaGenerator) -> Schema);

/// All events: the name of each, when it comes, and its payload.
const EVENTS: [EventRow; 8] = [
    ("snapshot", "First, or when the viewer must forget what it holds: the state from nothing.", of::<StepShape>),
    ("changes", "What changed; also the further pieces of a large snapshot.", of::<StepShape>),
    ("ready", "Once, when the viewer has all there is.", of::<Ready>),
    ("presence", "After ready, and when it changes, at most once a second.", of::<Presence>),
    ("ask", "A question is open, or has other answers than this viewer was told.", of::<Ask>),
    ("settled", "A question is over.", of::<SettledShape>),
    ("moving", "The host lets this viewer go: connect to another host, and leave then.", of::<MovingShape>),
    ("__error", "Last: why the stream ends.", of::<ErrorShape>),
];

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// Makes the manifest of the viewer channel.
#[must_use]
pub fn manifest() -> Value {
    let mut schemas = SchemaSettings::draft2020_12().into_generator();
    let mut commands = Map::new();
    let mut uplinks = Vec::new();
    for command in Command::describe(&mut schemas) {
        uplinks.push(json!({
            "type": "object",
            "properties": {
                "id": { "type": ["string", "number"] },
                "procedure": { "const": command.name },
                "input": command.input.clone(),
                "channel": { "type": "string" },
            },
            "required": ["id", "procedure"],
        }));
        let described = json!({
            "description": command.description,
            "needs": command.needs.as_str(),
            "input": command.input,
            "output": command.output,
        });
        commands.insert(command.name.to_owned(), described);
    }
    let mut events = Map::new();
    let mut frames = Vec::new();
    for (name, description, payload) in EVENTS {
        let payload = payload(&mut schemas);
        frames.push(json!({
            "type": "object",
            "properties": { "event": { "const": name }, "payload": payload.clone() },
            "required": ["event", "payload"],
            "additionalProperties": false,
        }));
        events.insert(name.to_owned(), json!({ "description": description, "payload": payload }));
    }
    let error = schemas.subschema_for::<ErrorShape>();
    frames.push(json!({
        "type": "object",
        "properties": { "id": { "type": ["string", "number"] }, "ok": { "const": true }, "data": true },
        "required": ["id", "ok", "data"],
        "additionalProperties": false,
    }));
    frames.push(json!({
        "type": "object",
        "properties": { "id": { "type": ["string", "number", "null"] }, "ok": { "const": false }, "error": error },
        "required": ["id", "ok", "error"],
        "additionalProperties": false,
    }));
    frames.push(json!({
        "type": "object",
        "properties": { "heartbeat": { "const": true } },
        "required": ["heartbeat"],
        "additionalProperties": false,
    }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "name": "capshare",
        "version": env!("CARGO_PKG_VERSION"),
        "channels": {
            "share": {
                "webSocket": "/ws/{id}",
                "events": "/events/{id}",
                "query": {
                    "cursor": { "description": "Only what came after this revision.", "type": "integer", "minimum": 0 },
                    "input": { "description": "A JSON object: what each command's input begins with.", "type": "string" },
                    "values": { "description": "whole: values and never patches.", "enum": ["patched", "whole"] },
                },
                "commands": Command::NAMES,
                "events": EVENTS.map(|(name, ..)| name),
            },
        },
        "commands": commands,
        "events": events,
        "down": { "oneOf": frames },
        "up": { "oneOf": uplinks },
        "$defs": schemas.take_definitions(true),
    })
}
