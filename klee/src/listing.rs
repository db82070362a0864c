//! The options that all `ls` commands share.

use std::str::FromStr;

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Route;
use crate::failure::{Exit, Failure, Outcome};
use crate::format::Format;
use crate::session::Session;
use crate::table::{Cell, Column};

/// What a listing looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// A table for people.
    Table,
    /// Text for programs.
    Text(Format),
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            _ => text.parse().map(Self::Text).map_err(|error: String| {
                error.replace("neither 'json' nor", "neither 'table' nor 'json' nor")
            }),
        }
    }
}

// Not a doc comment: clap would take it for the description of the commands that use it.
// How a listing is printed.
#[derive(Debug, Args)]
pub struct Listing {
    // Commands whose objects have other fields replace the example.
    /// table, json, or a template for each line: '{{.id}} {{.name}}'
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Layout,
    /// Show the first column only, without a heading
    #[arg(short, long, conflicts_with = "format")]
    quiet: bool,
    /// Do not cut what is too long for the width of the terminal
    #[arg(long)]
    no_trunc: bool,
}

impl Listing {
    /// Asks for the list at `route` and prints it, one `row` per object. The first column is what other commands know
    /// the object by.
    pub async fn show<T: DeserializeOwned>(
        &self,
        session: &Session,
        route: Route,
        columns: &[Column],
        row: impl Fn(T) -> Vec<Cell>,
    ) -> Outcome {
        let objects: Vec<Value> = session.client.get(route).await?;
        match &self.format {
            _ if self.quiet => {
                for row in rows(objects, row)? {
                    if let Some(cell) = row.first() {
                        session.screen.line(cell.text())?;
                    }
                }
            }
            Layout::Text(format) => format.show_all(session.screen, objects)?,
            Layout::Table if self.no_trunc => session.screen.whole_table(columns, &rows(objects, row)?)?,
            Layout::Table => session.screen.table(columns, &rows(objects, row)?)?,
        }
        Ok(Exit::SUCCESS)
    }
}

fn rows<T: DeserializeOwned>(
    objects: Vec<Value>,
    row: impl Fn(T) -> Vec<Cell>,
) -> Result<Vec<Vec<Cell>>, Failure> {
    objects
        .into_iter()
        .map(|object| {
            serde_json::from_value(object)
                .map(&row)
                .map_err(|_| Failure::UnexpectedAnswer)
        })
        .collect()
}
