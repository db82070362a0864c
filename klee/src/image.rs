//! `klee image`: the commands on images that are one request each. Building and creating have files of their
//! own below.

mod archive;
mod build;
mod commit;
mod create;
mod credentials;
mod follow;
mod history;
mod registry;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use indicatif::DecimalBytes;
use jiff::Timestamp;
use kleene_api::{IdResponse, Image};

use crate::age;
use crate::client::Route;
use crate::failure::{Exit, Outcome};
use crate::format::Inspection;
use crate::listing::Listing;
use crate::screen;
use crate::session::Session;
use crate::table::{Cell, Column};

pub use archive::{Load, Save};
pub use build::Build;
pub use commit::Commit;
pub use create::Create;
use history::History;
pub use registry::{Pull, Push};

/// Manage images.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    Build(Box<Build>),
    Commit(Commit),
    Create(Create),
    History(History),
    Inspect(Inspect),
    Load(Load),
    Ls(Ls),
    Prune(Prune),
    Pull(Pull),
    Push(Push),
    Rm(Rm),
    Save(Save),
    Tag(Tag),
}

impl ImageCommand {
    /// Does what the user asked for.
    pub async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Build(command) => command.run(session).await,
            Self::Commit(command) => command.run(session).await,
            Self::Create(command) => command.run(session).await,
            Self::History(command) => command.run(session).await,
            Self::Inspect(command) => command.run(session).await,
            Self::Load(command) => command.run(session).await,
            Self::Ls(command) => command.run(session).await,
            Self::Prune(command) => command.run(session).await,
            Self::Pull(command) => command.run(session).await,
            Self::Push(command) => command.run(session).await,
            Self::Rm(command) => command.run(session).await,
            Self::Save(command) => command.run(session).await,
            Self::Tag(command) => command.run(session).await,
        }
    }
}

/// Show everything about an image
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Inspect {
    #[command(flatten)]
    inspection: Inspection,
    /// name[:tag], id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    image: String,
}

impl Inspect {
    async fn run(self, session: &Session) -> Outcome {
        session
            .inspect(Route::new(["images", &self.image, "inspect"]), &self.inspection)
            .await
    }
}

/// List images
#[derive(Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    listing: Listing,
}

const COLUMNS: &[Column] = &[
    Column::new("ID"),
    Column::new("NAME").giving_way_last(),
    Column::new("TAG").giving_way_last(),
    Column::new("CREATED").giving_way_to(7),
    Column::new("SIZE"),
    Column::new("SHARED"),
];

impl Ls {
    async fn run(self, session: &Session) -> Outcome {
        let now = Timestamp::now();
        let row = |image: Image| {
            vec![
                Cell::new(image.id, screen::IMAGE_ID),
                Cell::new(image.name, screen::IMAGE_NAME),
                Cell::new(image.tag, screen::TAG),
                age::cell(&image.created, now),
                Cell::plain(image.size.map(|size| bytes(size.total)).unwrap_or_default()),
                Cell::plain(
                    image
                        .size
                        .map(|size| bytes(size.total - size.own.min(size.total)))
                        .unwrap_or_default(),
                ),
            ]
        };
        self.listing
            .show(session, Route::new(["images", "list"]), COLUMNS, row)
            .await
    }
}

/// A number of bytes for people: powers of 1000, as Docker shows sizes.
fn bytes(number: u64) -> String {
    DecimalBytes(number).to_string()
}

/// Remove images that no container uses
#[derive(Debug, Args)]
pub struct Prune {
    /// Remove tagged images as well
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Prune {
    async fn run(self, session: &Session) -> Outcome {
        let route = Route::new(["images", "prune"]).query("all", self.all);
        session.prune("all unused images", self.force, route).await
    }
}

/// Remove images
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Rm {
    /// name[:tag], id, or beginning of an id
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    images: Vec<String>,
}

impl Rm {
    async fn run(self, session: &Session) -> Outcome {
        session
            .remove(&self.images, |image| Route::new(["images", image]))
            .await
    }
}

/// Give an image a new name and tag
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Tag {
    /// name[:tag], id, or beginning of an id
    #[arg(value_name = "SOURCE_IMAGE", value_parser = NonEmptyStringValueParser::new())]
    source_image: String,
    /// name[:tag], or an empty text to take name and tag away
    nametag: String,
}

impl Tag {
    async fn run(self, session: &Session) -> Outcome {
        let route = Route::new(["images", &self.source_image, "tag"]).query("nametag", &self.nametag);
        let answer: IdResponse = session.client.post(route).await?;
        session.screen.line(&answer.id)?;
        Ok(Exit::SUCCESS)
    }
}
