//! Checking requests against declared shapes, with the errors and pointers of contract §3 (status 422).
//!
//! Checks run on plain JSON before anything is deserialised, because the contract wants every mistake of a body
//! reported at once, each with its place. The shapes themselves stand in [`schemas`].

mod body;
mod query;
mod schemas;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use body::{Body, LARGEST_BODY};
pub use query::Query;
pub use schemas::{ExecStop, ListContainers, LoadImage, PruneImages, StopContainer, TagImage};

/// A type that arrives as a JSON object, or as query parameters, of a declared shape.
pub trait Described: DeserializeOwned {
    /// Its shape.
    const FIELDS: &'static [Field];
}

/// A key of an object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    name: &'static str,
    kind: Kind,
    required: bool,
    nullable: bool,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    String,
    /// A string of at most so many characters.
    Short(usize),
    /// `true`, `false`, `"true"` or `"false"`: older clients send strings.
    Boolean,
    /// 0 up to and including the number.
    Integer(u64),
    OneOf(&'static [&'static str]),
    List(&'static Kind),
    Object(&'static [Field]),
    /// An object with values of one kind under any keys.
    Map(&'static Kind),
    /// As the kind says, but a mistake is [deferred](Mistakes::deferred).
    Deferred(&'static Kind),
    Anything,
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            required: false,
            nullable: false,
        }
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Its key.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it must be given.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// Whether it may be null.
    #[must_use]
    pub const fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// The most characters that it may have.
    #[must_use]
    pub const fn longest(&self) -> Option<usize> {
        match self.kind {
            Kind::Short(most) => Some(most),
            _ => None,
        }
    }

    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// `/` and the way to the value, joined by `/`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// All that is wrong with a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// Against the declared shape: answered with 422.
    pub shape: Vec<Mistake>,
    /// In what the contract has looked at only later, with an answer of its own (items of `mounts`).
    pub deferred: Vec<Mistake>,
}

impl Mistakes {
    fn is_empty(&self) -> bool {
        self.shape.is_empty() && self.deferred.is_empty()
    }

    /// The one that conversations over a WebSocket report.
    #[must_use]
    pub fn first_detail(&self) -> &str {
        let first = self.shape.first().or(self.deferred.first());
        first.map_or("", |mistake| &mistake.detail)
    }

    fn one(pointer: &str, detail: impl Into<String>) -> Self {
        Self {
            shape: vec![Mistake {
                pointer: pointer.to_owned(),
                detail: detail.into(),
            }],
            deferred: Vec::new(),
        }
    }
}

/// 422 with every mistake, in the form of contract §3.
#[derive(Debug)]
pub struct UnprocessableBody(pub Vec<Mistake>);

#[derive(Serialize)]
struct Errors {
    errors: Vec<ErrorEntry>,
}

#[derive(Serialize)]
struct ErrorEntry {
    title: &'static str,
    source: Source,
    detail: String,
}

#[derive(Serialize)]
struct Source {
    pointer: String,
}

impl IntoResponse for UnprocessableBody {
    fn into_response(self) -> Response {
        let entry = |Mistake { pointer, detail }| ErrorEntry {
            title: "Invalid value",
            source: Source { pointer },
            detail,
        };
        let errors = self.0.into_iter().map(entry).collect();
        let mut response = (StatusCode::UNPROCESSABLE_ENTITY, Json(Errors { errors })).into_response();
        let content_type = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

/// Checks `value` against the shape of `T` and reads it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read<T: Described>(value: Value) -> Result<T, Mistakes> {
    let mut check = Check::default();
    check.value(&Kind::Object(T::FIELDS), &value);
    if !check.mistakes.is_empty() {
        return Err(check.mistakes);
    }
    serde_json::from_value(value).map_err(|error| Mistakes::one("/", error.to_string()))
}

/// A walk through a JSON value.
#[derive(Default)]
struct Check {
    path: Vec<String>,
    mistakes: Mistakes,
    deferring: bool,
}

impl Check {
    fn value(&mut self, kind: &Kind, value: &Value) {
        match (kind, value) {
            (Kind::Anything, _) => {}
            (Kind::Deferred(kind), value) => {
                let outer = std::mem::replace(&mut self.deferring, true);
                self.value(kind, value);
                self.deferring = outer;
            }
            (kind, Value::Null) => self.refuse(format!("null value where {} expected", type_name_of(kind))),
            (Kind::String, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => {}
            (Kind::Short(most), Value::String(text)) => {
                if text.chars().count() > *most {
                    self.refuse(format!("String length is larger than maxLength: {most}"));
                }
            }
            (Kind::Boolean, Value::String(text)) if text == "true" || text == "false" => {}
            (Kind::Integer(most), Value::Number(number)) if number.is_i64() || number.is_u64() => {
                match number.as_i64() {
                    Some(below) if below < 0 => self.refuse(format!("{below} is smaller than minimum: 0")),
                    _ if number.as_u64().is_some_and(|n| n > *most) => {
                        self.refuse(format!("{number} is larger than maximum: {most}"));
                    }
                    _ => {}
                }
            }
            (Kind::OneOf(words), Value::String(word)) => {
                if !words.contains(&word.as_str()) {
                    self.refuse("Invalid value for enum".to_owned());
                }
            }
            (Kind::List(kind), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(index.to_string(), |check| check.value(kind, item));
                }
            }
            (Kind::Object(fields), Value::Object(object)) => self.object(fields, object),
            (Kind::Map(kind), Value::Object(object)) => {
                for (key, value) in object {
                    self.below(key.clone(), |check| check.value(kind, value));
                }
            }
            (kind, value) => {
                self.refuse(format!(
                    "Invalid {}. Got: {}",
                    type_name_of(kind),
                    type_name(value)
                ));
            }
        }
    }

    /// Absent fields are checked before types: where one is missing, nothing else of the object is reported.
    fn object(&mut self, fields: &[Field], object: &Map<String, Value>) {
        let missing = fields
            .iter()
            .filter(|field| field.required && !object.contains_key(field.name));
        let mut complete = true;
        for field in missing {
            complete = false;
            self.below(field.name.to_owned(), |check| {
                check.refuse(format!("Missing field: {}", field.name))
            });
        }
        if !complete {
            return;
        }
        for field in fields {
            match object.get(field.name) {
                None => {}
                Some(Value::Null) if field.nullable => {}
                Some(value) => self.below(field.name.to_owned(), |check| check.value(&field.kind, value)),
            }
        }
    }

    fn below(&mut self, step: String, visit: impl FnOnce(&mut Self)) {
        self.path.push(step);
        visit(self);
        self.path.pop();
    }

    fn refuse(&mut self, detail: String) {
        let mistake = Mistake {
            pointer: format!("/{}", self.path.join("/")),
            detail,
        };
        if self.deferring {
            self.mistakes.deferred.push(mistake);
        } else {
            self.mistakes.shape.push(mistake);
        }
    }
}

fn type_name_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::String | Kind::Short(_) | Kind::OneOf(_) => "string",
        Kind::Boolean => "boolean",
        Kind::Integer(_) => "integer",
        Kind::List(_) => "array",
        Kind::Object(_) | Kind::Map(_) | Kind::Anything => "object",
        Kind::Deferred(kind) => type_name_of(kind),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use kleene_api::{
        ContainerConfig, ContainerUpdate, EndPointConfig, ExecConfig, ExecStartConfig, ImageBuildConfig,
        ImageCreateConfig, NetworkConfig, VolumeConfig,
    };

    use serde_json::json;

    use super::*;

    /// Pointer and detail of every mistake in the shape.
    fn mistakes<T: Described + std::fmt::Debug>(value: Value) -> Vec<(String, String)> {
        let mistakes = read::<T>(value).unwrap_err();
        assert_eq!(mistakes.deferred, []);
        mistakes
            .shape
            .into_iter()
            .map(|m| (m.pointer, m.detail))
            .collect()
    }

    fn only<T: Described + std::fmt::Debug>(value: Value) -> (String, String) {
        let mut all = mistakes::<T>(value);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn at(pointer: &str, detail: &str) -> (String, String) {
        (pointer.to_owned(), detail.to_owned())
    }

    #[test]
    fn each_absent_required_field_is_one_error_and_comes_before_types() {
        assert_eq!(
            mistakes::<NetworkConfig>(json!({"subnet": 5})),
            [
                at("/name", "Missing field: name"),
                at("/type", "Missing field: type")
            ]
        );
        assert_eq!(
            only::<VolumeConfig>(json!({})),
            at("/name", "Missing field: name")
        );
    }

    #[test]
    fn a_wrong_type_names_both_types() {
        let cases = [
            (json!({"user": 5}), at("/user", "Invalid string. Got: integer")),
            (json!({"user": 5.5}), at("/user", "Invalid string. Got: number")),
            (json!({"cmd": "ls"}), at("/cmd", "Invalid array. Got: string")),
            (
                json!({"cmd": [["ls"]]}),
                at("/cmd/0", "Invalid string. Got: array"),
            ),
            (
                json!({"env": ["A=1", true]}),
                at("/env/1", "Invalid string. Got: boolean"),
            ),
            (
                json!({"persist": "yes"}),
                at("/persist", "Invalid boolean. Got: string"),
            ),
            (json!({"name": {}}), at("/name", "Invalid string. Got: object")),
            (
                json!({"network_driver": []}),
                at("/network_driver", "Invalid string. Got: array"),
            ),
            (json!([]), at("/", "Invalid object. Got: array")),
            (json!("x"), at("/", "Invalid object. Got: string")),
        ];
        for (body, expected) in cases {
            assert_eq!(only::<ContainerConfig>(body), expected);
        }
    }

    #[test]
    fn every_mistake_of_a_body_is_reported() {
        let body = json!({"cmd": 1, "user": [], "env": [1, 2]});
        assert_eq!(mistakes::<ContainerConfig>(body).len(), 4);
    }

    #[test]
    fn null_is_refused_where_the_contract_has_it_so() {
        let refused = only::<ContainerConfig>(json!({"network_driver": null}));
        assert_eq!(refused, at("/network_driver", "null value where string expected"));
        let refused = only::<NetworkConfig>(json!({"name": "n", "type": "bridge", "icc": null}));
        assert_eq!(refused, at("/icc", "null value where boolean expected"));
        let refused = only::<ExecConfig>(json!({"container_id": "x", "cmd": null}));
        assert_eq!(refused, at("/cmd", "null value where array expected"));
    }

    #[test]
    fn null_is_accepted_in_every_nullable_field_of_a_container() {
        let nulls = json!({"name": null, "image": null, "cmd": null, "user": null, "env": null, "mounts": null,
            "jail_param": null, "public_ports": null, "restart_policy": null, "persist": null});
        assert!(read::<ContainerConfig>(nulls.clone()).is_ok());
        assert_eq!(
            read::<ContainerUpdate>(nulls).unwrap(),
            ContainerUpdate::default()
        );
    }

    #[test]
    fn words_outside_an_enum_are_refused() {
        let refused = only::<ContainerConfig>(json!({"restart_policy": "always"}));
        assert_eq!(refused, at("/restart_policy", "Invalid value for enum"));
        let refused = only::<NetworkConfig>(json!({"name": "n", "type": "vlan"}));
        assert_eq!(refused, at("/type", "Invalid value for enum"));
    }

    #[test]
    fn an_interface_has_at_most_fifteen_characters() {
        let network = |interface: &str| json!({"name": "n", "type": "bridge", "interface": interface});
        assert!(read::<NetworkConfig>(network("fifteen_letters")).is_ok());
        let refused = only::<NetworkConfig>(network("sixteen__letters"));
        assert_eq!(
            refused,
            at("/interface", "String length is larger than maxLength: 15")
        );
    }

    #[test]
    fn published_ports_are_checked_with_their_index() {
        let port = json!({"interfaces": [], "host_port": "80", "container_port": "80"});
        let bad = json!({"interfaces": [], "host_port": 80, "container_port": "80", "protocol": "sctp"});
        assert_eq!(
            mistakes::<ContainerConfig>(json!({"public_ports": [port, bad, {"interfaces": []}]})),
            [
                at("/public_ports/1/host_port", "Invalid string. Got: integer"),
                at("/public_ports/1/protocol", "Invalid value for enum"),
                at("/public_ports/2/container_port", "Missing field: container_port"),
                at("/public_ports/2/host_port", "Missing field: host_port"),
            ]
        );
    }

    #[test]
    fn mistakes_in_mounts_are_deferred_when_a_container_is_created() {
        let mistakes =
            read::<ContainerConfig>(json!({"mounts": [{"type": "zfs", "source": "", "destination": ""}]}));
        let mistakes = mistakes.unwrap_err();
        assert_eq!(mistakes.shape, []);
        assert_eq!(mistakes.first_detail(), "Invalid value for enum");
        let mistakes = read::<ContainerConfig>(json!({"mounts": [{"source": "v"}]})).unwrap_err();
        assert_eq!(mistakes.first_detail(), "Missing field: destination");
    }

    #[test]
    fn mounts_are_ignored_when_a_container_is_updated() {
        assert!(read::<ContainerUpdate>(json!({"mounts": [{"nonsense": 1}]})).is_ok());
    }

    #[test]
    fn unknown_fields_are_ignored() {
        assert!(read::<ContainerUpdate>(json!({"container": "x", "surprise": [1]})).is_ok());
    }

    #[test]
    fn booleans_may_be_strings() {
        let start = json!({"exec_id": "e", "attach": "true", "start_container": "false"});
        let start = read::<ExecStartConfig>(start).unwrap();
        assert!(start.attach);
        assert!(!start.start_container);
    }

    #[test]
    fn an_endpoint_needs_container_and_network() {
        assert_eq!(
            mistakes::<EndPointConfig>(json!({})),
            [
                at("/container", "Missing field: container"),
                at("/network", "Missing field: network")
            ]
        );
    }

    #[test]
    fn an_exec_without_a_container_is_left_to_the_engine() {
        assert_eq!(read::<ExecConfig>(json!({})).unwrap().container_id, "");
    }

    #[test]
    fn sizes_of_terminals_are_small_numbers() {
        let refused = only::<ExecConfig>(json!({"container_id": "x", "rows": 70000}));
        assert_eq!(refused, at("/rows", "70000 is larger than maximum: 65535"));
        let refused = only::<ExecConfig>(json!({"container_id": "x", "cols": -1}));
        assert_eq!(refused, at("/cols", "-1 is smaller than minimum: 0"));
    }

    #[test]
    fn nested_parts_of_a_build_are_checked() {
        let build = |container: Value| json!({"context": "/c", "container_config": container});
        assert!(read::<ImageBuildConfig>(build(json!({"image": null}))).is_ok());
        let refused = only::<ImageBuildConfig>(build(json!("x")));
        assert_eq!(refused, at("/container_config", "Invalid object. Got: string"));
        let refused = only::<ImageBuildConfig>(build(json!({"cmd": "ls"})));
        assert_eq!(refused, at("/container_config/cmd", "Invalid array. Got: string"));
        let refused = read::<ImageBuildConfig>(build(json!({"mounts": [{}]}))).unwrap_err();
        assert_eq!(refused.first_detail(), "Missing field: destination");
        let mut arguments = build(json!({}));
        arguments["buildargs"] = json!({"A": 1});
        let refused = only::<ImageBuildConfig>(arguments);
        assert_eq!(refused, at("/buildargs/A", "Invalid string. Got: integer"));
    }

    #[test]
    fn a_base_image_needs_a_known_method() {
        assert_eq!(
            only::<ImageCreateConfig>(json!({})),
            at("/method", "Missing field: method")
        );
        let refused = only::<ImageCreateConfig>(json!({"method": "git"}));
        assert_eq!(refused, at("/method", "Invalid value for enum"));
    }
}
