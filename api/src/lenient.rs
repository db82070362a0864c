//! Reading what older clients send: booleans as the strings `"true"` and `"false"`, and null for "default".

use serde::{Deserialize, Deserializer, de};

#[derive(Deserialize)]
#[serde(untagged)]
enum BoolOrWord {
    Bool(bool),
    Word(String),
}

impl BoolOrWord {
    fn into_bool<E: de::Error>(self) -> Result<bool, E> {
        match self {
            Self::Bool(value) => Ok(value),
            Self::Word(word) => match word.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(E::invalid_value(de::Unexpected::Str(&word), &"a boolean")),
            },
        }
    }
}

/// A boolean, or `"true"` or `"false"`.
pub fn bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    BoolOrWord::deserialize(deserializer)?.into_bool()
}

/// A boolean as in [`bool`], or null for "not given".
pub fn optional_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Option::<BoolOrWord>::deserialize(deserializer)?
        .map(BoolOrWord::into_bool)
        .transpose()
}

/// A boolean as in [`bool`], or null for false.
pub fn bool_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(optional_bool(deserializer)?.unwrap_or_default())
}

/// A value, or null for its default.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The default of fields that are on unless switched off.
pub const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use crate::ExecStartConfig;

    #[test]
    fn booleans_may_be_strings() {
        let config: ExecStartConfig =
            serde_json::from_str(r#"{"exec_id":"e","attach":"false","start_container":"true"}"#).unwrap();
        assert!(config.start_container);
        assert!(!config.attach);
    }

    #[test]
    fn other_strings_are_no_booleans() {
        let text = r#"{"exec_id":"e","attach":"yes","start_container":true}"#;
        assert!(serde_json::from_str::<ExecStartConfig>(text).is_err());
    }
}
