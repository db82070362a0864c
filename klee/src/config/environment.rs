//! The variables `KLEE_…`. An empty variable says nothing.

use std::env::{self, VarError};
use std::path::PathBuf;

use super::{ContextName, Parameters};
use crate::failure::Failure;

/// What the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `KLEE_CONFIG`.
    pub config: Option<PathBuf>,
    /// `KLEE_THEME`.
    pub theme: Option<String>,
    /// `KLEE_CONTEXT`.
    pub context: Option<ContextName>,
    /// `KLEE_HOST` and `KLEE_TLS_…`.
    pub parameters: Parameters,
}

impl Environment {
    /// Asks `variable` for everything that klee knows.
    ///
    /// # Errors
    /// If a variable is not text, or names no possible context.
    pub fn read(variable: impl Fn(&str) -> Result<Option<String>, Failure>) -> Result<Self, Failure> {
        let path = |name| variable(name).map(|value| value.map(PathBuf::from));
        // 0.1.1 knew the key by a misspelt name only, so that name is in people's profiles.
        let key = match path("KLEE_TLS_KEY")? {
            Some(key) => Some(key),
            None => path("KLEE_TLS_KERY")?,
        };
        let context = variable("KLEE_CONTEXT")?.map(|name| {
            name.parse().map_err(|error: super::contexts::BadContextName| {
                Failure::Usage(format!("Invalid value for 'KLEE_CONTEXT': {error}."))
            })
        });
        Ok(Self {
            config: path("KLEE_CONFIG")?,
            theme: variable("KLEE_THEME")?,
            context: context.transpose()?,
            parameters: Parameters {
                host: variable("KLEE_HOST")?,
                tlsverify: variable("KLEE_TLS_VERIFY")?.map(|word| word.eq_ignore_ascii_case("true")),
                tlscert: path("KLEE_TLS_CERT")?,
                tlskey: key,
                tlscacert: path("KLEE_TLS_CACERT")?,
            },
        })
    }
}

/// The variable `name` of this process, unless it is empty.
pub fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok((!value.is_empty()).then_some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::Usage(format!(
            "Invalid value for '{name}': it is not valid UTF-8."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()))
        };
        Environment::read(find).unwrap()
    }

    #[test]
    fn the_client_certificate_is_no_authority() {
        let parameters = read(&[("KLEE_TLS_CERT", "/cert"), ("KLEE_TLS_CACERT", "/ca")]).parameters;
        assert_eq!(parameters.tlscert, Some("/cert".into()));
        assert_eq!(parameters.tlscacert, Some("/ca".into()));
    }

    #[test]
    fn the_key_has_a_misspelt_name_too_and_the_right_one_wins() {
        let key = |variables| read(variables).parameters.tlskey;
        assert_eq!(key(&[("KLEE_TLS_KERY", "/old")]), Some("/old".into()));
        assert_eq!(
            key(&[("KLEE_TLS_KERY", "/old"), ("KLEE_TLS_KEY", "/key")]),
            Some("/key".into())
        );
    }

    #[test]
    fn verification_is_asked_for_by_true_and_nothing_else() {
        for (word, asked) in [("true", true), ("True", true), ("1", false), ("false", false)] {
            assert_eq!(
                read(&[("KLEE_TLS_VERIFY", word)]).parameters.tlsverify,
                Some(asked),
                "{word}"
            );
        }
        assert_eq!(read(&[]).parameters.tlsverify, None);
    }
}
