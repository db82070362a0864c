//! The JSON messages that frame every WebSocket conversation.

use serde::{Deserialize, Serialize};

use crate::wire_enum::wire_enum;

wire_enum! {
    /// Which part of a conversation a message stands for.
    MessageType {
        /// The request was accepted and work begins; a text frame.
        Starting = "starting",
        /// The work is done; the reason of a close frame.
        Closing = "closing",
        /// The work failed; the reason of a close frame.
        Error = "error",
    }
}

/// The first text frame from the server and the reason of its close frame.
///
/// All three keys are always present, in exactly this order. As a close reason the whole JSON text must fit
/// into 123 bytes (RFC 6455, section 5.5); whoever sends it sees to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebSocketMessage {
    /// An id or a snapshot that belongs to the message; often empty.
    pub data: String,
    /// Text for a person; empty in starting messages.
    pub message: String,
    /// What the message stands for.
    pub msg_type: MessageType,
}

impl WebSocketMessage {
    /// The work on `data` begins.
    pub fn starting(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            message: String::new(),
            msg_type: MessageType::Starting,
        }
    }

    /// The work ended well with the result `data`.
    pub fn closing(data: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            message: message.into(),
            msg_type: MessageType::Closing,
        }
    }

    /// The work failed and left `data`.
    pub fn error(data: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            message: message.into(),
            msg_type: MessageType::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_compact_and_in_the_contracts_order() {
        let text = serde_json::to_string(&WebSocketMessage::starting("")).unwrap();
        assert_eq!(text, r#"{"data":"","message":"","msg_type":"starting"}"#);
        let text = serde_json::to_string(&WebSocketMessage::closing("aa", "image created")).unwrap();
        assert_eq!(
            text,
            r#"{"data":"aa","message":"image created","msg_type":"closing"}"#
        );
    }
}
