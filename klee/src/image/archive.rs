//! `klee image save` and `klee image load`: images as archives on this side.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};
use kleene_api::IdResponse;
use tokio::io::{AsyncRead, AsyncWriteExt};

use crate::client::Route;
use crate::destination::Destination;
use crate::failure::{Exit, Failure, Outcome};
use crate::screen;
use crate::session::Session;

/// How often the line that tells how much was sent is drawn.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Write an image to an archive: an OCI layout that `docker load` and `podman load` take, too
#[derive(Debug, Args)]
pub struct Save {
    /// File to write, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// name[:tag], id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    image: String,
}

impl Save {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let route = Route::new(["images", &self.image, "export"]);
        let Some(path) = self.output else {
            return print(session, route).await;
        };
        let mut progress = session.progress("Saving image");
        let mut file = Destination::open(path).await?;
        let mut total = 0;
        session
            .client
            .download(route, async |piece| {
                total += piece.len() as u64;
                progress.step(&format!("Saving image: {:.1} MB", megabytes(total)));
                file.write(piece).await
            })
            .await?;
        file.finish().await?;
        progress.clear();
        Ok(Exit::SUCCESS)
    }
}

/// Writes the archive to standard output.
async fn print(session: &Session, route: Route) -> Outcome {
    if io::stdout().is_terminal() {
        return Err(Failure::BadValue(
            "an archive is nothing to look at: write it to a file with '--output', or to a pipe".to_owned(),
        ));
    }
    let mut out = tokio::io::stdout();
    session
        .client
        .download(route, async |piece| Ok(out.write_all(piece).await?))
        .await?;
    out.flush().await?;
    Ok(Exit::SUCCESS)
}

/// Make an image of an archive: an OCI layout, or one of `docker save`
#[derive(Debug, Args)]
pub struct Load {
    /// File to read, instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Name of the image: name[:tag], instead of the one that it has in the archive
    #[arg(short, long, default_value = "", hide_default_value = true)]
    tag: String,
    /// What the image shall run on, instead of the daemon's host: os/architecture[/variant]
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Do not copy the host's /etc/resolv.conf, nor add a missing /etc/hosts
    #[arg(long = "no-dns", action = ArgAction::SetFalse)]
    dns: bool,
    /// Do not copy the host's /etc/localtime
    #[arg(long = "no-localtime", action = ArgAction::SetFalse)]
    localtime: bool,
}

impl Load {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let content: Box<dyn AsyncRead + Send + Unpin> = match &self.input {
            Some(path) => {
                let file = tokio::fs::File::open(path).await;
                Box::new(file.map_err(|error| unreadable(path, &error))?)
            }
            None if io::stdin().is_terminal() => {
                return Err(Failure::BadValue(
                    "an archive is nothing to type: name a file with '--input', or use a pipe".to_owned(),
                ));
            }
            None => Box::new(tokio::io::stdin()),
        };
        let route = Route::new(["images", "load"])
            .query("dns", self.dns)
            .query("localtime", self.localtime)
            .query("platform", &self.platform)
            .query("tag", &self.tag);
        let mut progress = session.progress("Loading image");
        let sent = Arc::new(AtomicU64::new(0));
        let tell = {
            let sent = Arc::clone(&sent);
            move |bytes| sent.store(bytes, Ordering::Relaxed)
        };
        let loading = session.client.upload::<IdResponse>(route, content, tell);
        let mut loading = std::pin::pin!(loading);
        let mut looks = tokio::time::interval(TELL_EVERY);
        let answer = loop {
            tokio::select! {
                answer = &mut loading => break answer?,
                _ = looks.tick() => {
                    let megabytes = megabytes(sent.load(Ordering::Relaxed));
                    progress.step(&format!("Loading image: {megabytes:.1} MB sent"));
                }
            }
        };
        progress.clear();
        session.screen.styled_line("image loaded", screen::MESSAGE)?;
        session.screen.styled_line(&answer.id, screen::IMAGE_ID)?;
        Ok(Exit::SUCCESS)
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::BadValue(format!("cannot read '{}': {error}", path.display()))
}
