//! `klee image history`: where the files of an image come from.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use kleene_api::ImageHistoryEntry;

use super::bytes;
use crate::age;
use crate::client::Route;
use crate::failure::Outcome;
use crate::listing::Listing;
use crate::screen;
use crate::session::Session;
use crate::table::{Cell, Column};

/// Show how an image was made, the latest step first
#[derive(Debug, Args)]
#[command(mut_arg("format", |format| {
    format.help("table, json, or a template for each line: '{{.snapshot}} {{.created_by}}'")
}))]
pub struct History {
    #[command(flatten)]
    listing: Listing,
    /// name[:tag], id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    image: String,
}

const COLUMNS: &[Column] = &[
    Column::new("IMAGE"),
    Column::new("SNAPSHOT"),
    Column::new("CREATED").giving_way_to(7),
    Column::new("CREATED BY").giving_way_to(20),
    Column::new("SIZE"),
];

impl History {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let now = Timestamp::now();
        let row = |entry: ImageHistoryEntry| {
            vec![
                Cell::new(entry.image, screen::IMAGE_ID),
                Cell::plain(entry.snapshot),
                age::cell(&entry.created, now),
                Cell::plain(entry.created_by),
                Cell::plain(entry.size.map(bytes).unwrap_or_default()),
            ]
        };
        let route = Route::new(["images", &self.image, "history"]);
        self.listing.show(session, route, COLUMNS, row).await
    }
}
