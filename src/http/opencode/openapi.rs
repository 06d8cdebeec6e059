//! The API as an OpenAPI 3.1 document. A test asks a host whether it serves what stands here, and nothing else.

use serde_json::{Map, Value, json};

use crate::http::opencode::intake::REQUEST_ITEMS_MAX;
use crate::http::settings::OpenCodeSettings;
use crate::share::limits::Limits;

/// The OpenAPI document of a host with these settings and limits.
#[must_use]
pub fn document(settings: &OpenCodeSettings, limits: &Limits) -> Value {
    let mut paths = Map::new();
    for (family, security) in [("share", json!([{}, { "token": [] }])), ("shares", json!([{ "token": [] }]))] {
        for (path, operations) in family_paths(settings, limits) {
            let mut operations = operations;
            if let Value::Object(operations) = &mut operations {
                for (method, operation) in operations {
                    // Whether a reader needs a credential, the share says.
                    let security = if method == "get" { json!([{}, { "token": [] }]) } else { security.clone() };
                    operation["security"] = security;
                    operation["operationId"] =
                        json!(format!("{family}.{}", operation["operationId"].as_str().unwrap_or("")));
                }
            }
            paths.insert(format!("/api/{family}{path}"), operations);
        }
    }
    paths.insert("/api/doc".to_owned(), doc_path());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "capshare: OpenCode's share API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Publishes OpenCode sessions as shares. Point OpenCode here by \
                {\"enterprise\": {\"url\": \"http://host:7420\"}}. Under /api/shares the same operations take the token of an \
                account; x-org-id is accepted and says nothing here: the account is the token's.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn family_paths(settings: &OpenCodeSettings, limits: &Limits) -> [(&'static str, Value); 4] {
    let id = json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^[a-z2-7]{26}$" } }]);
    let sync = format!(
        "Applies items in order. A body may have {} bytes, packed (content-encoding: gzip) or not, also when unpacked, and {} \
         items. It is applied as several syncs of at most {} items and {} bytes, one after the other; an error says with \
         `applied` how many items are in the share all the same. An item past a limit of items is left out, named in \
         `leftOut`, and the others are applied.",
        settings.request_bytes_max, REQUEST_ITEMS_MAX, limits.sync_items_max, limits.message_bytes_max
    );
    [
        (
            "",
            json!({ "post": {
                "operationId": "create",
                "summary": "Create the share of a session",
                "description": "By the same account again for the same session: the same share. Within ten seconds also the same secret, later a \
                    further one. Without a credential: a new share each time, but for the first create of a session, whose answer is \
                    given once more to the same address if it asks within ten seconds and before anything is synced. A sessionID \
                    of ~ and 26 characters of a-z and 2-7 is refused: the host makes such names itself.",
                "requestBody": body("Create"),
                "responses": responses("Created", &["400", "401", "403", "408", "413", "429", "503"]),
            } }),
        ),
        (
            "/{id}",
            json!({ "delete": {
                "operationId": "delete",
                "summary": "Delete a share for good",
                "parameters": id,
                "requestBody": body("Delete"),
                "responses": responses("Deleted", &["400", "401", "403", "404", "408", "413", "429", "503"]),
            } }),
        ),
        (
            "/{id}/sync",
            json!({ "post": {
                "operationId": "sync",
                "summary": "Apply items to a share",
                "description": sync,
                "parameters": id,
                "requestBody": body("Sync"),
                "responses": responses("Synced", &["400", "401", "403", "404", "408", "413", "429", "503"]),
            } }),
        ),
        (
            "/{id}/data",
            json!({ "get": {
                "operationId": "data",
                "summary": "The state of a share",
                "parameters": id,
                "responses": responses("State", &["401", "404", "429", "503"]),
            } }),
        ),
    ]
}

fn doc_path() -> Value {
    json!({ "get": {
        "operationId": "doc",
        "summary": "This document",
        "responses": { "200": { "description": "OK", "content": { "application/json": { "schema": { "type": "object" } } } } },
    } })
}

fn body(schema: &str) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } })
}

fn responses(schema: &str, errors: &[&str]) -> Value {
    let answer = |description: &str, schema: &str| json!({ "description": description, "content": { "application/json": { "schema": reference(schema) } } });
    let mut responses = Map::from_iter([("200".to_owned(), answer("OK", schema))]);
    for status in errors {
        let description = match *status {
            "400" => "The body is not what is asked for; `index` says which item",
            "401" => "A credential is missing or wrong",
            "403" => "The secret is another, or this web page may not",
            "404" => "There is no such share, or no longer",
            "408" => "The body did not arrive in time: send it faster, or in several requests",
            "413" => "Past a limit, which is named",
            "429" => "Too often, or too much at once: come back after Retry-After",
            _ => "Not now: come back after Retry-After",
        };
        responses.insert((*status).to_owned(), answer(description, "Error"));
    }
    Value::Object(responses)
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn schemas() -> Value {
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties });
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let success = json!({ "const": true });
    json!({
        "Create": object(&["sessionID"], json!({ "sessionID": { "type": "string", "pattern": "^[A-Za-z0-9_:@=+~-][A-Za-z0-9_.:@=+~-]{0,127}$" } })),
        "Created": object(&["id", "url", "secret"], json!({ "id": text, "url": { "type": "string", "format": "uri" }, "secret": text })),
        "Sync": object(&["secret", "data"], json!({ "secret": text, "data": reference("State") })),
        "Synced": object(&["success", "syncCount", "revision"], json!({ "success": success, "syncCount": number, "revision": number })),
        "Delete": object(&["secret"], json!({ "secret": text })),
        "Deleted": object(&["success"], json!({ "success": success })),
        "State": { "type": "array", "items": reference("SyncData") },
        "SyncData": {
            "type": "object",
            "description": "session, message {id}, part {id, messageID}, session_diff (a list), model (a list, or one), messages \
                {sessionID, messages}: all of a session of the newer form; remove (the key of an item, such as message/ID). \
                Any other type is kept as it is.",
            "required": ["type", "data"],
            "properties": { "type": text, "data": {} },
        },
        "Error": object(&["error"], json!({ "error": object(&["code", "message", "transient"], json!({
            "code": text,
            "message": text,
            "transient": { "type": "boolean", "description": "The same request may succeed later" },
            "index": number,
            "limit": text,
            "max": number,
            "got": number,
            "applied": { "type": "integer", "minimum": 0, "description": "Items of the request that are in the share" },
            "leftOut": { "type": "array", "items": number, "description": "Items past a limit, the first hundred" },
        })) })),
    })
}
