//! Messages as close reasons. A control frame holds 125 bytes, two of which are the code (RFC 6455 §5.5); a longer
//! reason would break the connection instead of ending it.

use kleene_api::WebSocketMessage;

/// The most bytes that a close reason can have.
const LIMIT: usize = 123;

/// The message as JSON.
pub(super) fn json(message: &WebSocketMessage) -> String {
    #[allow(clippy::expect_used, reason = "three strings always serialise")]
    serde_json::to_string(message).expect("a message is plain text")
}

/// Whether a close frame can hold the whole message.
pub(super) fn fits(message: &WebSocketMessage) -> bool {
    json(message).len() <= LIMIT
}

/// The message as JSON of at most [`LIMIT`] bytes: its text is cut short at the end of a character.
pub(super) fn fit(message: &WebSocketMessage) -> String {
    let mut fitting = message.clone();
    let mut text = json(&fitting);
    while text.len() > LIMIT {
        // Escapes make the JSON longer than the text, never shorter, so this never cuts too much at once.
        let surplus = text.len() - LIMIT;
        let part = if fitting.message.is_empty() {
            &mut fitting.data
        } else {
            &mut fitting.message
        };
        let longest_escape = 6;
        let cut = surplus.div_ceil(longest_escape).max(1);
        let end = part.floor_char_boundary(part.len().saturating_sub(cut));
        part.truncate(end);
        text = json(&fitting);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn cut(text: &str) -> (usize, String) {
        let reason = fit(&WebSocketMessage::error("", text));
        let value: Value = serde_json::from_str(&reason).unwrap();
        assert_eq!(value["msg_type"], "error");
        (reason.len(), value["message"].as_str().unwrap().to_owned())
    }

    #[test]
    fn what_fits_is_left_alone() {
        let message = WebSocketMessage::closing("aabbccddeeff", "image created");
        assert_eq!(
            fit(&message),
            r#"{"data":"aabbccddeeff","message":"image created","msg_type":"closing"}"#
        );
    }

    #[test]
    fn the_longest_message_of_the_contract_is_left_alone() {
        let message = "executable 0123456789ab and its container exited with exit-code 137";
        let reason = fit(&WebSocketMessage::closing("", message));
        assert_eq!(reason.len(), 112);
        assert!(reason.contains(message));
    }

    #[test]
    fn a_long_message_is_cut_to_exactly_what_fits() {
        let text = "x".repeat(5000);
        let (length, message) = cut(&text);
        assert_eq!(length, 123);
        assert!(text.starts_with(&message));
    }

    #[test]
    fn the_contracts_room_for_variable_parts_is_kept() {
        let detail = "d".repeat(60);
        assert_eq!(
            cut(&format!("invalid parameters: {detail}")).1,
            format!("invalid parameters: {detail}")
        );
        let reason = "r".repeat(57);
        let text = format!("image creation failed: {reason}");
        assert_eq!(cut(&text).1, text);
    }

    #[test]
    fn characters_of_several_bytes_are_never_split() {
        for text in [
            "é".repeat(200),
            "日本".repeat(100),
            "🦀".repeat(60),
            format!("a{}", "🦀".repeat(60)),
        ] {
            let (length, message) = cut(&text);
            assert!((120..=123).contains(&length), "{length}");
            assert!(text.starts_with(&message));
        }
    }

    #[test]
    fn escaped_characters_count_as_what_they_become() {
        for text in ["\"".repeat(200), "\u{1}".repeat(200), "a\n".repeat(100)] {
            let (length, message) = cut(&text);
            assert!((118..=123).contains(&length), "{length}");
            assert!(text.starts_with(&message));
        }
    }

    #[test]
    fn long_data_is_cut_when_there_is_nothing_else_to_cut() {
        let reason = fit(&WebSocketMessage::error("d".repeat(300), "message"));
        assert_eq!(reason.len(), 123);
        assert!(serde_json::from_str::<Value>(&reason).is_ok());
    }
}
