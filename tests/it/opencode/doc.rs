//! The OpenAPI document says what is served, and nothing else.

use std::collections::BTreeSet;

use super::http::Api;
use crate::support::door::Served;

#[tokio::test]
async fn the_document_lists_the_operations_that_are_served() {
    let served = Served::open().await;
    let api = Api::at(served.address);
    let document = api.send("GET", "/api/doc", "").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let mut listed = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            listed.insert((method.to_uppercase(), path.clone()));
        }
    }
    let mut found = BTreeSet::new();
    for family in ["/api/share", "/api/shares"] {
        for path in ["", "/{id}", "/{id}/sync", "/{id}/data", "/{id}/metadata"] {
            found.insert(format!("{family}{path}"));
        }
    }
    found.extend(["/api/doc", "/api", "/api/session", "/api/sessions"].map(str::to_owned));
    found.extend(listed.iter().map(|(_, path)| path.clone()));
    let mut answered = BTreeSet::new();
    for path in found {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = api.send(method, &path.replace("{id}", "abcdefghijklmnopqrstuvwxyz"), "").await;
            if answer.status == 200 || answer.json()["error"]["code"] != "RouteMismatch" {
                answered.insert((method.to_owned(), path.clone()));
            }
        }
    }
    assert_eq!(answered, listed);
}

#[tokio::test]
async fn every_reference_of_the_document_is_there() {
    let served = Served::open().await;
    let document = Api::at(served.address).send("GET", "/api/doc", "").await;
    let (text, document) = (document.text.clone(), document.ok());
    let names: BTreeSet<_> =
        text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() > 5);
    for name in names {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    let ids: Vec<_> = text.split("\"operationId\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}
