//! `klee image create`: base images, made from an archive, a dataset, or programs of the host.

use std::io::{self, IsTerminal};

use clap::{ArgAction, Args};
use kleene_api::{ImageCreateConfig, ImageCreateMethod, MessageType, WebSocketMessage};

use crate::client::{Closing, Event, Reason, Route};
use crate::failure::{Exit, Failure, Outcome};
use crate::progress::Progress;
use crate::screen;
use crate::session::Session;

const METHODS: &str = "\
Methods:
  fetch       an archive at a URL (SOURCE)
  fetch-auto  the FreeBSD release that fits the daemon's host
  zfs-copy    a copy of a dataset (SOURCE)
  zfs-clone   a clone of a dataset (SOURCE)
  host        programs of the daemon's host (--bin) and the libraries they need";

/// Create a base image
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = METHODS)]
pub struct Create {
    /// Name of the image: name[:tag]
    #[arg(short, long, default_value = "", hide_default_value = true)]
    tag: String,
    /// Do not copy the host's /etc/resolv.conf (--dns: copy it, the default)
    #[arg(long = "no-dns", action = ArgAction::SetFalse, overrides_with = "dns_flag")]
    dns: bool,
    #[arg(long = "dns", hide = true, overrides_with = "dns")]
    dns_flag: bool,
    /// Do not copy the host's /etc/localtime (--localtime: copy it, the default)
    #[arg(long = "no-localtime", action = ArgAction::SetFalse, overrides_with = "localtime_flag")]
    localtime: bool,
    #[arg(long = "localtime", hide = true, overrides_with = "localtime")]
    localtime_flag: bool,
    /// Bring the image up to date with freebsd-update (--no-update: do not, the default)
    #[arg(long, overrides_with = "no_update")]
    update: bool,
    #[arg(long, hide = true, overrides_with = "update")]
    no_update: bool,
    /// Do not name the image after the release with fetch-auto (-a, --autotag: do, the default)
    #[arg(long = "no-autotag", action = ArgAction::SetFalse, overrides_with = "autotag_flag")]
    autotag: bool,
    #[arg(short = 'a', long = "autotag", hide = true, overrides_with = "autotag")]
    autotag_flag: bool,
    /// A program to take, with the method host; an absolute path on the daemon's host
    #[arg(long, value_name = "PROGRAM")]
    bin: Vec<String>,
    /// Where the image comes from; see below
    method: String,
    /// URL or dataset
    source: Vec<String>,
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let config = self.config()?;
        let mut conversation = session
            .client
            .converse(Route::new(["images", "create"]), &config)
            .await?;
        let mut progress = session.progress("Creating image");
        loop {
            match conversation.next().await? {
                Event::Data(bytes) if is_starting(&bytes) => {}
                Event::Data(bytes) => show(session, &mut progress, &bytes)?,
                Event::Closed(closing) => {
                    progress.clear();
                    return finish(session, closing);
                }
            }
        }
    }

    fn config(self) -> Result<ImageCreateConfig, Failure> {
        let method = self.method.parse().map_err(|_| {
            Failure::BadValue(format!(
                "unknown method '{}'. Possible methods are: {}.",
                self.method,
                ImageCreateMethod::WORDS.join(", ")
            ))
        })?;
        if !self.bin.is_empty() && method != ImageCreateMethod::Host {
            return Err(Failure::BadValue(format!(
                "The '{method}' method has no '--bin' option."
            )));
        }
        let mut config = ImageCreateConfig {
            autotag: self.autotag,
            dns: self.dns,
            localtime: self.localtime,
            tag: self.tag,
            update: self.update,
            ..ImageCreateConfig::new(method)
        };
        match method {
            ImageCreateMethod::Fetch => config.url = single_source(method, self.source)?,
            ImageCreateMethod::ZfsCopy | ImageCreateMethod::ZfsClone => {
                config.zfs_dataset = single_source(method, self.source)?;
            }
            ImageCreateMethod::FetchAuto => {
                // A tag that the user chose wins; a SOURCE has no meaning here and never had.
                config.autotag = self.autotag && config.tag.is_empty();
            }
            ImageCreateMethod::Host => config.programs = programs(self.source, self.bin)?,
        }
        Ok(config)
    }
}

fn single_source(method: ImageCreateMethod, source: Vec<String>) -> Result<String, Failure> {
    let mut source = source.into_iter();
    let Some(first) = source.next() else {
        return Err(Failure::BadValue(format!(
            "The SOURCE argument is needed when creating images using the '{method}' method."
        )));
    };
    no_more(source)?;
    Ok(first)
}

fn programs(source: Vec<String>, programs: Vec<String>) -> Result<Vec<String>, Failure> {
    no_more(source.into_iter())?;
    if programs.is_empty() {
        return Err(Failure::BadValue(
            "At least one '--bin PROGRAM' is needed when creating images using the 'host' method.".to_owned(),
        ));
    }
    Ok(programs)
}

fn no_more(rest: impl Iterator<Item = String>) -> Result<(), Failure> {
    let rest: Vec<String> = rest.collect();
    if rest.is_empty() {
        return Ok(());
    }
    Err(Failure::BadValue(format!(
        "too many arguments: {}",
        rest.join(" ")
    )))
}

/// Shows a line of the daemon's. On a terminal the many lines that count files are one that changes.
fn show(session: &Session, progress: &mut Progress, bytes: &[u8]) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(bytes);
    match extracted(&text) {
        Some(files) if progress.is_watched() && io::stdout().is_terminal() => {
            let rate = files as f64 / progress.elapsed().as_secs_f64().max(0.001);
            progress.step(&format!("Extracted {files} files ({rate:.0} per second)"));
            Ok(())
        }
        _ => {
            progress.step(text.lines().last().unwrap_or_default());
            progress.aside(bytes.ends_with(b"\n"), || session.screen.raw(bytes))
        }
    }
}

/// How many files have been extracted, by `Extracted 1200 files...`.
fn extracted(text: &str) -> Option<u64> {
    text.trim_end()
        .strip_prefix("Extracted ")?
        .strip_suffix(" files...")?
        .parse()
        .ok()
}

fn is_starting(bytes: &[u8]) -> bool {
    matches!(
        serde_json::from_slice(bytes),
        Ok(WebSocketMessage {
            msg_type: MessageType::Starting,
            ..
        })
    )
}

fn finish(session: &Session, closing: Closing) -> Outcome {
    session.screen.line("")?;
    match closing.reason {
        Reason::Message(WebSocketMessage {
            data,
            message,
            msg_type: MessageType::Closing,
        }) => {
            session.screen.styled_line(&message, screen::MESSAGE)?;
            session.screen.styled_line(&data, screen::IMAGE_ID)?;
            Ok(Exit::SUCCESS)
        }
        Reason::Message(WebSocketMessage { message, .. }) => Err(Failure::Refused(message)),
        Reason::Other(_) => Err(Failure::Refused("Kleened returned an unknown error".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_count_files_are_told_from_others() {
        assert_eq!(extracted("Extracted 1200 files...\n"), Some(1200));
        assert_eq!(extracted("Unpacking contents and creating image...\n"), None);
        assert_eq!(extracted("Extracted all files...\n"), None);
    }
}
