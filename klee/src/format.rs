//! `--format`: how listings and inspections are printed when the default does not suit.
//!
//! `json` prints the objects of the API; anything with `{{` in it is a template, printed once per object.

mod template;

use std::str::FromStr;

use clap::Args;
use serde_json::Value;

use crate::failure::Failure;
use crate::screen::Screen;

pub use template::Template;

/// Text made of objects of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The objects as they are.
    Json,
    /// A line for each.
    Template(Template),
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            _ if text.contains("{{") || text.contains("{%") => text.parse().map(Self::Template),
            _ => Err(format!(
                "'{text}' is neither 'json' nor a template such as '{{{{.id}}}}'"
            )),
        }
    }
}

impl Format {
    /// Prints a single object.
    pub fn show(&self, screen: Screen, object: Value) -> Result<(), Failure> {
        match self {
            Self::Json => screen.json(object),
            Self::Template(template) => screen.line(&template.fill(&object)?),
        }
    }

    /// Prints a list: one array, or one line for each object.
    pub fn show_all(&self, screen: Screen, objects: Vec<Value>) -> Result<(), Failure> {
        match self {
            Self::Json => screen.json(Value::Array(objects)),
            Self::Template(template) => objects
                .iter()
                .try_for_each(|object| screen.line(&template.fill(object)?)),
        }
    }
}

// Not a doc comment: clap would take it for the description of the commands that use it.
// How an inspected object is printed.
#[derive(Debug, Args)]
pub struct Inspection {
    // Commands whose object has other fields replace the examples.
    /// json, or a template such as '{{.name}}' or '{{json .env}}'
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "json",
        hide_default_value = true
    )]
    pub format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_format_is_refused() {
        assert_eq!(
            "yaml".parse::<Format>(),
            Err("'yaml' is neither 'json' nor a template such as '{{.id}}'".to_owned())
        );
    }
}
