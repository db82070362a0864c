//! The schemas of the description: the types of `kleene-api`, with what validation knows better about requests.

use kleene_api as api;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

use crate::validation::{Described, Field};

#[derive(OpenApi)]
#[openapi(components(schemas(
    api::BuildDiagnosticFrame,
    api::Container,
    api::ContainerConfig,
    api::ContainerInspect,
    api::ContainerPlanConfig,
    api::ContainerSummary,
    api::ContainerUpdate,
    api::ContextUpload,
    api::EndPoint,
    api::EndPointConfig,
    api::ErrorResponse,
    api::ExecConfig,
    api::Diagnosis,
    api::ExecControl,
    api::ExecStartConfig,
    api::IdResponse,
    api::Image,
    api::ImageBuildConfig,
    api::ImageCommitConfig,
    api::ImageCreateConfig,
    api::ImageHistoryEntry,
    api::ImagePushConfig,
    api::MountPoint,
    api::Network,
    api::NetworkConfig,
    api::NetworkInspect,
    api::Plan,
    api::Repair,
    api::UploadControl,
    api::Volume,
    api::VolumeConfig,
    api::VolumeInspect,
    api::WebSocketMessage,
)))]
struct Types;

/// All schemas by name.
pub(super) fn all() -> Map<String, Value> {
    let components = Types::openapi().components.unwrap_or_default();
    let mut schemas: Map<String, Value> = components
        .schemas
        .iter()
        .map(|(name, schema)| (name.clone(), without_links(json!(schema))))
        .collect();
    let requests: [(&str, &[Field]); 12] = [
        ("ContainerConfig", api::ContainerConfig::FIELDS),
        ("ContainerPlanConfig", api::ContainerPlanConfig::FIELDS),
        ("ContainerUpdate", api::ContainerUpdate::FIELDS),
        ("EndPointConfig", api::EndPointConfig::FIELDS),
        ("ExecConfig", api::ExecConfig::FIELDS),
        ("ExecStartConfig", api::ExecStartConfig::FIELDS),
        ("ImageBuildConfig", api::ImageBuildConfig::FIELDS),
        ("ImageCommitConfig", api::ImageCommitConfig::FIELDS),
        ("ImageCreateConfig", api::ImageCreateConfig::FIELDS),
        ("ImagePushConfig", api::ImagePushConfig::FIELDS),
        ("NetworkConfig", api::NetworkConfig::FIELDS),
        ("VolumeConfig", api::VolumeConfig::FIELDS),
    ];
    for (name, fields) in requests {
        if let Some(schema) = schemas.get_mut(name) {
            tighten(schema, fields);
        }
    }
    schemas.insert("ValidationErrors".to_owned(), validation_errors());
    schemas
}

/// The query parameters of this type.
pub(super) fn parameters<T: Described + ToSchema>() -> Vec<Value> {
    let schema = without_links(json!(T::schema()));
    let parameter = |field: &Field| {
        let mut schema = schema["properties"][field.name()].clone();
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        json!({
            "name": field.name(),
            "in": "query",
            "required": field.is_required(),
            "description": description,
            "schema": schema,
        })
    };
    T::FIELDS.iter().map(parameter).collect()
}

/// What may be absent or null is decided by validation, not by the types, which have a default for it.
fn tighten(schema: &mut Value, fields: &[Field]) {
    let required: Vec<&str> = fields
        .iter()
        .filter(|f| f.is_required())
        .map(Field::name)
        .collect();
    for field in fields {
        let Some(property) = schema["properties"].get_mut(field.name()) else {
            continue;
        };
        if let Some(most) = field.longest() {
            property["maxLength"] = json!(most);
        }
        set_nullable(property, field.is_nullable());
    }
    match required.as_slice() {
        [] => {
            schema.as_object_mut().map(|schema| schema.remove("required"));
        }
        required => schema["required"] = json!(required),
    }
}

fn set_nullable(property: &mut Value, nullable: bool) {
    let null = json!("null");
    let types = match &property["type"] {
        Value::String(one) => Some(vec![json!(one)]),
        Value::Array(several) => Some(several.clone()),
        _ => None,
    };
    match types {
        Some(types) => {
            let mut types: Vec<Value> = types.into_iter().filter(|name| *name != null).collect();
            if nullable {
                types.push(null);
            }
            property["type"] = match types.as_slice() {
                [one] => one.clone(),
                several => json!(several),
            };
        }
        None if nullable && property.get("$ref").is_some() => {
            let description = property.as_object_mut().and_then(|p| p.remove("description"));
            *property = json!({"oneOf": [{"type": "null"}, property.clone()]});
            if let Some(description) = description {
                property["description"] = description;
            }
        }
        None => {}
    }
}

fn validation_errors() -> Value {
    let pointer = json!({
        "type": "object",
        "required": ["pointer"],
        "properties": {"pointer": {"type": "string", "description": "`/` and the way to the value, joined by `/`."}},
    });
    let error = json!({
        "type": "object",
        "required": ["title", "source", "detail"],
        "properties": {
            "title": {"type": "string", "const": "Invalid value"},
            "source": pointer,
            "detail": {"type": "string", "description": "What is wrong with the value."},
        },
    });
    json!({
        "type": "object",
        "description": "The body of answers with status 422: everything that is wrong with the shape of the request.",
        "required": ["errors"],
        "properties": {"errors": {"type": "array", "items": error}},
    })
}

/// Descriptions are documentation of Rust code: ``[`Type`](path)`` becomes `` `Type` ``.
fn without_links(mut value: Value) -> Value {
    match &mut value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let inner = std::mem::take(value);
                *value = match inner {
                    Value::String(text) if key == "description" => Value::String(plain(&text)),
                    inner => without_links(inner),
                };
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_links(std::mem::take(item));
            }
        }
        _ => {}
    }
    value
}

fn plain(text: &str) -> String {
    let mut pieces = text.split("[`");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once("`]") {
            Some((name, rest)) => {
                let target = rest.strip_prefix('(').and_then(|target| target.split_once(')'));
                let rest = target.map_or(rest, |(_, rest)| rest);
                plain += &format!("`{}`{rest}", value_of(name));
            }
            None => plain += &format!("[`{piece}"),
        }
    }
    plain
}

/// What stands on the wire for a constant; other names are what they are.
fn value_of(name: &str) -> &str {
    match name {
        "AUTO" => api::AUTO,
        "HOST_GATEWAY" => api::HOST_GATEWAY,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(schema: &Value) -> BTreeSet<&str> {
        schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn types_and_validation_know_the_same_fields() {
        let schemas = all();
        let same = |name: &str, fields: &[Field]| {
            let validated: BTreeSet<&str> = fields.iter().map(Field::name).collect();
            assert_eq!(names(&schemas[name]), validated, "{name}");
        };
        same("ContainerConfig", api::ContainerConfig::FIELDS);
        same("ContainerPlanConfig", api::ContainerPlanConfig::FIELDS);
        same("EndPointConfig", api::EndPointConfig::FIELDS);
        same("ExecConfig", api::ExecConfig::FIELDS);
        same("ExecStartConfig", api::ExecStartConfig::FIELDS);
        same("ImageBuildConfig", api::ImageBuildConfig::FIELDS);
        same("ImageCommitConfig", api::ImageCommitConfig::FIELDS);
        same("ImageCreateConfig", api::ImageCreateConfig::FIELDS);
        same("ImagePushConfig", api::ImagePushConfig::FIELDS);
        same("NetworkConfig", api::NetworkConfig::FIELDS);
        same("VolumeConfig", api::VolumeConfig::FIELDS);
    }

    #[test]
    fn every_schema_of_the_contract_has_its_name() {
        let schemas = all();
        for name in [
            "Container",
            "ContainerSummary",
            "ContainerInspect",
            "PublishedPort",
            "EndPoint",
            "MountPoint",
            "Image",
            "Network",
            "NetworkInspect",
            "Volume",
            "VolumeInspect",
            "WebSocketMessage",
            "ContainerConfig",
            "MountPointConfig",
            "PublishedPortConfig",
            "ExecConfig",
            "ExecStartConfig",
            "NetworkConfig",
            "EndPointConfig",
            "VolumeConfig",
            "ImageBuildConfig",
            "ImageCreateConfig",
            "IdResponse",
            "ErrorResponse",
        ] {
            assert!(schemas.contains_key(name), "{name}");
        }
    }

    #[test]
    fn null_is_allowed_where_validation_allows_it() {
        let config = &all()["ContainerConfig"]["properties"];
        assert_eq!(config["cmd"]["type"], json!(["array", "null"]));
        assert_eq!(config["restart_policy"]["oneOf"][0], json!({"type": "null"}));
        assert_eq!(
            config["network_driver"]["$ref"],
            "#/components/schemas/NetworkDriver"
        );
    }

    #[test]
    fn what_must_be_given_and_how_long_it_may_be_is_said() {
        let network = &all()["NetworkConfig"];
        assert_eq!(network["required"], json!(["name", "type"]));
        assert_eq!(network["properties"]["interface"]["maxLength"], 15);
    }

    #[test]
    fn links_of_the_documentation_become_plain_words() {
        assert_eq!(plain("empty, or [`AUTO`]."), "empty, or `<auto>`.");
        assert_eq!(
            plain("asked for [`control`](Config::control)"),
            "asked for `control`"
        );
        assert_eq!(plain("an `a` and [b]"), "an `a` and [b]");
    }
}
