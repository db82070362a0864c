//! Execution instances: a command that runs, or will run, in a container.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::lenient;

/// The body of `POST /exec/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecConfig {
    /// The command; empty for the container's.
    #[serde(default)]
    pub cmd: Vec<String>,
    /// Width of the terminal in characters (ours; the daemon takes 80 when it is absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cols: Option<u16>,
    /// Id, beginning of an id, or name of the container. Absent: empty, which names none.
    #[serde(default)]
    pub container_id: String,
    /// `VAR=value`, laid over the container's environment.
    #[serde(default)]
    pub env: Vec<String>,
    /// Height of the terminal in lines (ours; the daemon takes 24 when it is absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u16>,
    /// Whether the process gets a terminal.
    #[serde(default, deserialize_with = "lenient::bool")]
    pub tty: bool,
    /// The user that the command runs as; empty for the container's.
    #[serde(default)]
    pub user: String,
}

/// The first frame of `/exec/start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecStartConfig {
    /// Whether output comes back and input goes in.
    #[serde(deserialize_with = "lenient::bool")]
    pub attach: bool,
    /// Ours: text frames from the client are [`ExecControl`] and binary frames are input. Without it every
    /// frame is input, as 0.1.1 has it.
    #[serde(default, deserialize_with = "lenient::bool", skip_serializing_if = "is_false")]
    pub control: bool,
    /// The instance.
    pub exec_id: String,
    /// Whether to start the container if it does not run.
    #[serde(deserialize_with = "lenient::bool")]
    pub start_container: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A text frame from a client that asked for [`control`](ExecStartConfig::control).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExecControl {
    /// The client's terminal has a new size: `{"resize":{"rows":24,"cols":80}}`.
    Resize(TerminalSize),
    /// No more input will come: `{"close_stdin":true}`.
    CloseStdin(Yes),
    /// The client leaves and the process goes on: `{"detach":true}`. Otherwise a client that leaves takes its process
    /// with it, unless that is the container's first.
    Detach(Yes),
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters per line.
    pub cols: u16,
}

/// The value of a key which has only one meaning: `true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yes;

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Yes {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        bool::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Yes {}

impl Serialize for Yes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Ok(Self),
            false => Err(de::Error::invalid_value(de::Unexpected::Bool(false), &"true")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_container_is_needed() {
        let config: ExecConfig = serde_json::from_str(r#"{"container_id":"web"}"#).unwrap();
        assert_eq!(
            config,
            ExecConfig {
                container_id: "web".into(),
                ..ExecConfig::default()
            }
        );
    }

    #[test]
    fn our_fields_are_not_sent_unless_they_say_something() {
        let config = ExecConfig {
            container_id: "x".into(),
            ..ExecConfig::default()
        };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            text,
            r#"{"cmd":[],"container_id":"x","env":[],"tty":false,"user":""}"#
        );

        let start = ExecStartConfig {
            attach: true,
            control: false,
            exec_id: "e".into(),
            start_container: true,
        };
        let text = serde_json::to_string(&start).unwrap();
        assert_eq!(text, r#"{"attach":true,"exec_id":"e","start_container":true}"#);
    }

    #[test]
    fn attach_must_be_said() {
        let error = serde_json::from_str::<ExecStartConfig>(r#"{"exec_id":"e","start_container":true}"#);
        assert!(error.unwrap_err().to_string().contains("attach"));
    }

    #[test]
    fn control_messages_have_one_key() {
        let resize = ExecControl::Resize(TerminalSize { rows: 24, cols: 80 });
        assert_eq!(
            serde_json::to_string(&resize).unwrap(),
            r#"{"resize":{"rows":24,"cols":80}}"#
        );
        let close = serde_json::to_string(&ExecControl::CloseStdin(Yes)).unwrap();
        assert_eq!(close, r#"{"close_stdin":true}"#);
        assert_eq!(
            serde_json::from_str::<ExecControl>(&close).unwrap(),
            ExecControl::CloseStdin(Yes)
        );
        assert!(serde_json::from_str::<ExecControl>(r#"{"close_stdin":false}"#).is_err());
        assert_eq!(
            serde_json::from_str::<ExecControl>(r#"{"detach":true}"#).unwrap(),
            ExecControl::Detach(Yes)
        );
    }
}
