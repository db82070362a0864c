//! One endpoint of the description: what it takes and what it answers.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::schemas;
use crate::operation::Operation;
use crate::validation::Described;

/// A schema by its name.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Any bytes.
fn binary() -> Value {
    json!({"type": "string", "format": "binary"})
}

/// A list of a schema by its name.
fn list_of(name: &str) -> Value {
    json!({"type": "array", "items": reference(name)})
}

/// What is told about an endpoint.
pub(super) struct Endpoint {
    method: Method,
    path: &'static str,
    name: String,
    summary: &'static str,
    query: Vec<Value>,
    body: Option<&'static str>,
    stream: Option<&'static str>,
    responses: Map<String, Value>,
    conversation: Option<Value>,
}

impl Endpoint {
    /// An operation of the REST interface; what it answers if all goes well is still missing.
    pub(super) fn new(
        method: Method,
        path: &'static str,
        operation: Operation,
        summary: &'static str,
    ) -> Self {
        let mut endpoint = Self::bare(method, path, format!("{operation:?}"), summary);
        for status in operation.failures() {
            endpoint.answer(status, Some(reference("ErrorResponse")));
        }
        endpoint
    }

    /// A conversation over a WebSocket, which the client opens with a text frame of this schema.
    pub(super) fn conversation(
        path: &'static str,
        name: &str,
        opening: &'static str,
        summary: &'static str,
        frames: Value,
    ) -> Self {
        let mut endpoint = Self::bare(Method::GET, path, name.to_owned(), summary);
        endpoint.answer(StatusCode::SWITCHING_PROTOCOLS, None);
        endpoint.answer(StatusCode::UPGRADE_REQUIRED, Some(reference("ErrorResponse")));
        endpoint.conversation = Some(json!({
            "opening": reference(opening),
            "client": frames["client"],
            "server": frames["server"],
            "closeReason": reference("WebSocketMessage"),
        }));
        endpoint
    }

    /// In the conversation, the client may say more in text frames of this schema.
    pub(super) fn controlled_by(mut self, schema: &str) -> Self {
        if let Some(conversation) = &mut self.conversation {
            conversation["control"] = reference(schema);
        }
        self
    }

    /// In the conversation, the daemon may say more in text frames of this schema.
    pub(super) fn telling(mut self, schema: &str) -> Self {
        if let Some(conversation) = &mut self.conversation {
            conversation["told"] = reference(schema);
        }
        self
    }

    /// Anything else: it cannot fail.
    pub(super) fn bare(method: Method, path: &'static str, name: String, summary: &'static str) -> Self {
        Self {
            method,
            path,
            name,
            summary,
            query: Vec::new(),
            body: None,
            stream: None,
            responses: Map::new(),
            conversation: None,
        }
    }

    /// It takes these parameters.
    pub(super) fn query<T: Described + ToSchema>(mut self) -> Self {
        self.query = schemas::parameters::<T>();
        self.answer(
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(reference("ValidationErrors")),
        );
        self
    }

    /// It takes a body of this schema.
    pub(super) fn body(mut self, schema: &'static str) -> Self {
        self.body = Some(schema);
        let malformed = [
            StatusCode::BAD_REQUEST,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ];
        for status in malformed {
            self.answer(status, Some(reference("ErrorResponse")));
        }
        self.answer(
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(reference("ValidationErrors")),
        );
        self
    }

    /// It answers 200 with one object.
    pub(super) fn shows(mut self, schema: &str) -> Self {
        self.answer(StatusCode::OK, Some(reference(schema)));
        self
    }

    /// It answers 200 with any JSON.
    pub(super) fn shows_anything(mut self) -> Self {
        self.answer(StatusCode::OK, Some(json!({"type": "object"})));
        self
    }

    /// It answers 200 with a stream of this media type.
    pub(super) fn streams(mut self, media_type: &str) -> Self {
        let response = json!({"description": "OK", "content": {media_type: {"schema": binary()}}});
        self.responses
            .insert(StatusCode::OK.as_str().to_owned(), response);
        self
    }

    /// It takes a stream of this media type as body.
    pub(super) fn takes_stream(mut self, media_type: &'static str) -> Self {
        self.stream = Some(media_type);
        self
    }

    /// It answers 200 with a list of objects.
    pub(super) fn lists(mut self, schema: &str) -> Self {
        self.answer(StatusCode::OK, Some(list_of(schema)));
        self
    }

    /// It answers 201 with an id.
    pub(super) fn creates(mut self) -> Self {
        self.answer(StatusCode::CREATED, Some(reference("IdResponse")));
        self
    }

    /// It answers 200 with an id.
    pub(super) fn names(self) -> Self {
        self.shows("IdResponse")
    }

    /// It answers 200 with a list of ids.
    pub(super) fn names_several(mut self) -> Self {
        let ids = json!({"type": "array", "items": {"type": "string"}});
        self.answer(StatusCode::OK, Some(ids));
        self
    }

    /// It answers 204.
    pub(super) fn says_nothing(mut self) -> Self {
        self.answer(StatusCode::NO_CONTENT, None);
        self
    }

    fn answer(&mut self, status: StatusCode, schema: Option<Value>) {
        let description = status.canonical_reason().unwrap_or_default();
        let response = match schema {
            Some(schema) => {
                json!({"description": description, "content": {"application/json": {"schema": schema}}})
            }
            None => json!({"description": description}),
        };
        self.responses.insert(status.as_str().to_owned(), response);
    }

    /// Where it is.
    pub(super) fn place(&self) -> (Method, &'static str) {
        (self.method.clone(), self.path)
    }

    /// The operation object.
    pub(super) fn describe(&self) -> Value {
        let group = self.path.split('/').nth(1).unwrap_or_default();
        let parameters: Vec<Value> = path_parameters(self.path)
            .chain(self.query.iter().cloned())
            .collect();
        let mut operation = json!({
            "operationId": self.name,
            "summary": self.summary,
            "tags": [group],
            "parameters": parameters,
            "responses": self.responses,
        });
        if let Some(schema) = self.body {
            let content = json!({"application/json": {"schema": reference(schema)}});
            operation["requestBody"] = json!({"required": true, "content": content});
        }
        if let Some(media_type) = self.stream {
            let content = json!({media_type: {"schema": binary()}});
            operation["requestBody"] = json!({"required": true, "content": content});
        }
        if let Some(conversation) = &self.conversation {
            operation["x-websocket"] = conversation.clone();
        }
        operation
    }
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
}
