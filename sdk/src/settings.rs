//! What the site configured for a plugin, read into the plugin's own types.
//!
//! `[plugins.config.<name>]` of `kleened.toml` reaches the plugin as JSON. Derive [`serde::Deserialize`] with
//! `deny_unknown_fields`, so that a mistyped key is a mistake that the administrator is told with its place.

use serde::de::DeserializeOwned;

use crate::Mistake;

/// The site's configuration; `None` where it has none for this plugin.
///
/// # Errors
/// What is wrong with it: give it back from `check_settings`.
pub fn read<T: DeserializeOwned>() -> Result<Option<T>, Mistake> {
    get().map(|text| parse(&text)).transpose()
}

/// A configuration from the JSON text which a plugin gets.
///
/// # Errors
/// The key and what is wrong with it.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, Mistake> {
    let mut source = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let key = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        Mistake {
            key,
            message: without_position(&error.into_inner().to_string()),
        }
    })
}

/// The lines and columns of the JSON mean nothing to who wrote TOML.
fn without_position(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

#[cfg(target_arch = "wasm32")]
fn get() -> Option<String> {
    crate::bindings::vocabulary::kleene::plugin::settings::get()
}

/// Natively a plugin is a library that nobody configured: its tests call [`parse`].
#[cfg(not(target_arch = "wasm32"))]
fn get() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        port: u16,
    }

    fn mistake(json: &str) -> (String, String) {
        let mistake = parse::<Outer>(json).unwrap_err();
        (mistake.key, mistake.message)
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let (key, message) = mistake(r#"{"inner": [{"port": 1}, {"port": "x"}]}"#);
        assert_eq!(
            (key.as_str(), message.as_str()),
            ("inner[1].port", "invalid type: string \"x\", expected u16")
        );
        let (key, message) = mistake(r#"{"iner": []}"#);
        assert_eq!(
            (key.as_str(), message.as_str()),
            ("iner", "unknown field `iner`, expected `inner`")
        );
        let (key, message) = mistake("{}");
        assert_eq!((key.as_str(), message.as_str()), ("", "missing field `inner`"));
    }

    #[test]
    fn what_is_right_is_read() {
        assert_eq!(
            parse::<Outer>(r#"{"inner": [{"port": 1}]}"#).unwrap(),
            Outer {
                inner: vec![Inner { port: 1 }]
            }
        );
    }
}
