//! The configuration file: a YAML map from parameters to values.
//!
//! The first file that can be read counts; those before it that cannot are told and passed over.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_norway::Value as Yaml;

use super::{Parameters, expand_home};
use crate::failure::Failure;
use crate::values;

/// Where configuration files are looked for, in this order.
const CANDIDATES: [&str; 3] = [
    "./klee_config.yaml",
    "~/.klee/klee_config.yaml",
    if cfg!(target_os = "linux") {
        "/etc/klee/klee_config.yaml"
    } else {
        "/usr/local/etc/klee/klee_config.yaml"
    },
];

/// What a file says.
#[derive(Debug, Default)]
pub struct File {
    /// Its path, as searched.
    pub path: PathBuf,
    /// What it says about the daemon.
    pub parameters: Parameters,
    /// What it says about the theme.
    pub theme: Option<String>,
}

/// The outcome of a search.
#[derive(Debug, Default)]
pub struct Found {
    /// The file that counts.
    pub file: Option<File>,
    /// Those that could not be read, one complaint each.
    pub notices: Vec<String>,
}

/// Reads the file `named`, else the first of the usual ones. That there is none is fine.
///
/// # Errors
/// If the file that counts has a key that no parameter has, or a value that a parameter cannot have.
pub fn find(named: Option<&Path>) -> Result<Found, Failure> {
    let candidates = match named {
        Some(path) => vec![expand_home(path)],
        None => CANDIDATES.map(|path| expand_home(Path::new(path))).to_vec(),
    };
    let mut found = Found::default();
    for path in candidates {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => {
                found.notices.push(unparsable(&path, &error.to_string()));
                continue;
            }
        };
        match parse(&text) {
            Ok(entries) => {
                found.file = Some(interpret(path, entries)?);
                break;
            }
            Err(reason) => found.notices.push(unparsable(&path, &reason)),
        }
    }
    Ok(found)
}

fn unparsable(path: &Path, reason: &str) -> String {
    format!("Error! Could not parse config at {}\n{reason}", path.display())
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Boolean(bool),
    /// A list, a map or a number.
    Other,
}

/// The entries of a map; an entry without a value is none, and a file without content a map without entries.
fn parse(text: &str) -> Result<Vec<(String, Value)>, String> {
    let document: Yaml = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    if document.is_null() {
        return Ok(Vec::new());
    }
    let Some(map) = document.as_mapping() else {
        return Err("It is not a map with lines such as 'host: http:///var/run/kleened.sock'.".to_owned());
    };
    let mut entries = Vec::new();
    for (key, value) in map {
        let key = key.as_str().ok_or("A key is not a text.")?;
        if let Some(value) = value_of(value) {
            entries.push((key.to_owned(), value));
        }
    }
    Ok(entries)
}

fn value_of(value: &Yaml) -> Option<Value> {
    if value.is_null() {
        return None;
    }
    let text = value.as_str().map(|text| Value::Text(text.to_owned()));
    Some(text.unwrap_or_else(|| value.as_bool().map_or(Value::Other, Value::Boolean)))
}

fn interpret(path: PathBuf, entries: Vec<(String, Value)>) -> Result<File, Failure> {
    let invalid =
        |reason: String| Failure::BadConfig(format!("Config file {} is not valid: {reason}", path.display()));
    let mut file = File::default();
    for (key, value) in entries {
        let parameters = &mut file.parameters;
        match key.as_str() {
            "host" => parameters.host = Some(text(&key, value).map_err(invalid)?),
            "tlsverify" => parameters.tlsverify = Some(boolean(&key, value).map_err(invalid)?),
            "tlscert" => parameters.tlscert = Some(text(&key, value).map_err(invalid)?.into()),
            "tlskey" => parameters.tlskey = Some(text(&key, value).map_err(invalid)?.into()),
            "tlscacert" => parameters.tlscacert = Some(text(&key, value).map_err(invalid)?.into()),
            "theme" => file.theme = Some(text(&key, value).map_err(invalid)?),
            _ => return Err(invalid(format!("parameter name '{key}' unknown"))),
        }
    }
    file.path = path;
    Ok(file)
}

fn text(key: &str, value: Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(format!("parameter '{key}' must be a text")),
    }
}

/// `true`, and the words that YAML 1.1, which 0.1.1 read, knows beside it.
fn boolean(key: &str, value: Value) -> Result<bool, String> {
    let boolean = match value {
        Value::Boolean(boolean) => Some(boolean),
        Value::Text(word) => values::boolean(&word).ok(),
        Value::Other => None,
    };
    boolean.ok_or_else(|| format!("parameter '{key}' must be true or false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<File, String> {
        let entries = parse(text)?;
        interpret("/klee.yaml".into(), entries).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_parameter_can_be_set() {
        let file = read(
            "host: https://a:1\ntlsverify: true\ntlscert: /cert\ntlskey: '/key'\n\
             tlscacert: \"/ca\"\ntheme: simple # plain\n",
        )
        .unwrap();
        let expected = Parameters {
            host: Some("https://a:1".into()),
            tlsverify: Some(true),
            tlscert: Some("/cert".into()),
            tlskey: Some("/key".into()),
            tlscacert: Some("/ca".into()),
        };
        assert_eq!(file.parameters, expected);
        assert_eq!(file.theme.as_deref(), Some("simple"));
    }

    #[test]
    fn a_file_without_content_says_nothing() {
        for text in ["", "\n", "# nothing\n", "---\n", "{}", "host:\ntlsverify: ~\n"] {
            assert_eq!(read(text).unwrap().parameters, Parameters::default(), "{text:?}");
        }
    }

    #[test]
    fn booleans_may_be_written_as_yaml_1_1_has_them() {
        for (word, meaning) in [("yes", true), ("off", false), ("False", false), ("'true'", true)] {
            assert_eq!(
                read(&format!("tlsverify: {word}")).unwrap().parameters.tlsverify,
                Some(meaning),
                "{word}"
            );
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_told_with_its_parameter() {
        assert!(
            read("host: [a]")
                .unwrap_err()
                .ends_with("parameter 'host' must be a text")
        );
        assert!(
            read("tlsverify: 2")
                .unwrap_err()
                .ends_with("parameter 'tlsverify' must be true or false")
        );
    }

    #[test]
    fn what_is_no_map_cannot_be_parsed() {
        for text in [
            "- host",
            "just words",
            "a: [",
            "a: 1\n---\nb: 2",
            "1: x",
            "\t: x: y",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
