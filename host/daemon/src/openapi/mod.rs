//! The description of the interface in OpenAPI form (version 3.1), for people and for generators of clients.
//!
//! Nothing in it is written twice: schemas come from the types of `kleene-api`, what a request may leave out from
//! [`validation`](crate::validation), statuses from [`Operation`](crate::operation::Operation). A copy is committed as
//! `api/openapi.json`, so that every change of the interface shows in review.

mod endpoint;
mod endpoints;
mod schemas;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// The description as JSON, ready to be sent or written to a file.
#[must_use]
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", sorted(description())));
    &DOCUMENT
}

fn description() -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints::all() {
        let (method, path) = endpoint.place();
        let operations = paths.entry(path).or_default();
        operations.insert(method.as_str().to_ascii_lowercase(), endpoint.describe());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kleene",
            "description": "Containers, images, networks and volumes of one host. Paths and schemas of Kleene 0.1.1 \
                keep their names. Booleans in bodies may also be sent as the strings \"true\" and \"false\". \
                Unknown fields of bodies are ignored. Requests to anywhere else are answered with 404 and the plain \
                text `not found`.",
            "license": {"name": "BSD-2-Clause", "identifier": "BSD-2-Clause"},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {"schemas": schemas::all()},
    })
}

/// Objects with their keys in alphabetical order, whatever order the JSON library was built for.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let object: BTreeMap<String, Value> = object
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            object.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::http::Method;

    use super::*;
    use crate::routes;

    fn parsed() -> Value {
        serde_json::from_str(document()).unwrap()
    }

    /// Every reference below `value`.
    fn references(value: &Value) -> Vec<&str> {
        match value {
            Value::Object(object) => {
                let own = object.get("$ref").and_then(Value::as_str);
                own.into_iter()
                    .chain(object.values().flat_map(references))
                    .collect()
            }
            Value::Array(items) => items.iter().flat_map(references).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_committed_document_is_the_current_one() {
        let committed = include_str!("../../../../api/openapi.json");
        assert!(
            committed == document(),
            "the interface has changed: run `cargo xtask openapi`, and look at the difference in api/openapi.json"
        );
    }

    #[test]
    fn it_is_understood_as_openapi() {
        let specification = oas3::from_json(document()).unwrap();
        specification.validate_version().unwrap();
        assert_eq!(specification.operations().count(), routes::endpoints().len());
    }

    #[test]
    fn exactly_the_endpoints_that_are_served_are_described() {
        let served: BTreeSet<(String, &str)> = routes::endpoints()
            .into_iter()
            .map(|(method, path)| (method.to_string(), path))
            .collect();
        let described: BTreeSet<(String, &str)> = endpoints::all()
            .iter()
            .map(|endpoint| endpoint.place())
            .map(|(method, path): (Method, &str)| (method.to_string(), path))
            .collect();
        assert_eq!(served, described);
    }

    #[test]
    fn every_schema_that_is_referred_to_exists_and_every_one_is_used() {
        let document = parsed();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let referred: BTreeSet<&str> = references(&document)
            .into_iter()
            .map(|reference| reference.strip_prefix("#/components/schemas/").unwrap())
            .collect();
        assert_eq!(referred, schemas.keys().map(String::as_str).collect());
    }

    #[test]
    fn variable_parts_of_paths_are_parameters() {
        let document = parsed();
        let parameters =
            &document["paths"]["/networks/{network_id}/disconnect/{container_id}"]["post"]["parameters"];
        assert_eq!(
            (&parameters[0]["name"], &parameters[0]["in"]),
            (&json!("network_id"), &json!("path"))
        );
        assert_eq!(parameters[1]["name"], "container_id");
    }

    #[test]
    fn names_of_operations_are_unique() {
        let document = parsed();
        let operations: Vec<&Value> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .collect();
        let names: BTreeSet<&str> = operations
            .iter()
            .map(|o| o["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), operations.len());
    }
}
