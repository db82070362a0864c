//! The options that all `ls` commands share.

use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::Route;
use crate::failure::{Exit, Failure, Outcome};
use crate::session::Session;
use crate::table::{Cell, Column};

/// How objects are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// The objects of the API, for programs.
    Json,
}

// Not a doc comment: clap would take it for the description of the commands that use it.
// How a listing is printed.
#[derive(Debug, Args)]
pub struct Listing {
    /// How to print the listing
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Listing {
    /// Asks for the list at `route` and prints it, one `row` per object.
    pub async fn show<T: DeserializeOwned>(
        &self,
        session: &Session,
        route: Route,
        columns: &[Column],
        row: impl Fn(T) -> Vec<Cell>,
    ) -> Outcome {
        let objects: Vec<Value> = session.client.get(route).await?;
        match self.format {
            Format::Json => session.screen.json(Value::Array(objects))?,
            Format::Table => {
                let rows = objects
                    .into_iter()
                    .map(|object| {
                        serde_json::from_value(object)
                            .map(&row)
                            .map_err(|_| Failure::UnexpectedAnswer)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                session.screen.table(columns, &rows)?;
            }
        }
        Ok(Exit::SUCCESS)
    }
}
