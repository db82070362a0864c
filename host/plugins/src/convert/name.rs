//! Names: plugins send texts, and what is no name of the wanted kind makes an answer invalid.

use std::str::FromStr;

use kleene_plan::NameError;

/// Parses a name of any kind.
pub(super) fn parse<T: FromStr<Err = NameError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}
