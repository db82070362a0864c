//! `klee image commit`: an image of a container's files.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use kleene_api::{IdResponse, ImageCommitConfig};

use crate::client::Route;
use crate::failure::{Exit, Outcome};
use crate::screen;
use crate::session::Session;
use crate::values;

/// Make an image of a container's files as they are now
#[derive(Debug, Args)]
pub struct Commit {
    /// Note something about the image: KEY=VALUE, or KEY
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// What the image is for; `klee image history` shows it
    #[arg(
        short,
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    message: String,
    /// Name, id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    container: String,
    /// Name of the image: name[:tag]
    #[arg(default_value = "", hide_default_value = true)]
    tag: String,
}

impl Commit {
    pub async fn run(self, session: &Session) -> Outcome {
        let config = ImageCommitConfig {
            container: self.container,
            labels: self.label.iter().map(|label| values::label(label)).collect(),
            message: self.message,
            tag: self.tag,
        };
        let IdResponse { id } = session
            .client
            .send(Route::new(["images", "commit"]), &config)
            .await?;
        session.screen.styled_line(&id, screen::IMAGE_ID)?;
        Ok(Exit::SUCCESS)
    }
}
