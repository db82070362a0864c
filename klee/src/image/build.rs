//! `klee image build`: hands a build context to the daemon, or the path of one, and shows its log.

mod diagnostic;
mod source;
mod upload;

use std::path::PathBuf;

use clap::Args;
use kleene_api::{
    BuildDiagnosticFrame, ContainerConfig, ContextUpload, Extension, ImageBuildConfig, MessageType,
    WebSocketMessage,
};

use crate::client::{Closing, Conversation, Event, Reason, Route};
use crate::container::SharedOptions;
use crate::failure::{Exit, Failure, Outcome};
use crate::screen::{self, Screen};
use crate::session::Session;
use crate::terminal;
use crate::values;

use diagnostic::Complaint;
use source::{Source, Upload, Wish};

/// Build an image from a context and a Dockerfile
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Build {
    #[command(flatten)]
    shared: SharedOptions,
    /// Image to start from, instead of the one that FROM names
    #[arg(long, value_name = "IMAGE")]
    from: Option<String>,
    /// Path of the Dockerfile, relative to the context; '-' reads it from standard input
    #[arg(short, long, value_name = "FILE", default_value = "Dockerfile")]
    file: String,
    /// Name of the image: name[:tag]
    #[arg(short, long, default_value = "", hide_default_value = true)]
    tag: String,
    /// Do not show the steps and their output
    #[arg(short, long)]
    quiet: bool,
    /// Remove the image of a failed build
    #[arg(long)]
    rm: bool,
    /// Do every step, even if an earlier build did the same
    #[arg(long)]
    no_cache: bool,
    /// Stage to build, by its name or number from 0, instead of the last one
    #[arg(long, value_name = "STAGE", default_value = "", hide_default_value = true)]
    target: String,
    /// Set a variable of an ARG instruction: VAR=value, or VAR to take the value from the environment
    #[arg(long, value_name = "ARG")]
    build_arg: Vec<String>,
    /// Send the context, even if the daemon seems to be on this host
    #[arg(long, conflicts_with = "no_upload")]
    upload: bool,
    /// Send nothing: PATH is a directory on the daemon's host
    #[arg(long)]
    no_upload: bool,
    /// Compress the context while it is sent
    #[arg(long)]
    compress: bool,
    /// Directory of the build context, or a tar archive; '-' reads an archive, or just a Dockerfile, from standard input
    path: PathBuf,
}

impl Build {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let mut config = self.config(&session.screen)?;
        let source = self.source(session, &config).await?;
        let mut conversation = session.client.dial(Route::new(["images", "build"])).await?;
        if !session.client.daemon_knows(Extension::BuildCache) {
            self.do_without_cache(&mut config)?;
        }
        config.diagnostics = session.client.daemon_knows(Extension::BuildDiagnostics);
        match self.sendable(session, source)? {
            Some(upload) => {
                config.upload = Some(ContextUpload {
                    dockerfile: upload.dockerfile.clone(),
                });
                conversation.send_message(&config).await?;
                upload::send(session, &mut conversation, upload, self.compress, self.quiet).await?;
            }
            None => conversation.send_message(&config).await?,
        }
        let image = match conversation.next().await? {
            Event::Data(bytes) => match serde_json::from_slice::<WebSocketMessage>(&bytes) {
                Ok(WebSocketMessage {
                    data,
                    msg_type: MessageType::Starting,
                    ..
                }) => data,
                _ => return Err(Failure::Refused(String::from_utf8_lossy(&bytes).into_owned())),
            },
            Event::Closed(closing) => return finish(session, "", closing, false),
        };
        if !image.is_empty() {
            session
                .screen
                .line(&format!("Started to build image with ID {image}"))?;
        }
        let (closing, is_explained) = self.show_log(session, &mut conversation).await?;
        finish(session, &image, closing, is_explained)
    }

    /// An older daemon does every step, and knows of no targets.
    fn do_without_cache(&self, config: &mut ImageBuildConfig) -> Result<(), Failure> {
        config.cache = false;
        if self.target.is_empty() {
            return Ok(());
        }
        Err(Failure::Refused(
            "this daemon knows nothing of stages: build without --target".to_owned(),
        ))
    }

    /// Where the context comes from.
    async fn source(&self, session: &Session, config: &ImageBuildConfig) -> Result<Source, Failure> {
        let wish = Wish {
            given: self.path.clone(),
            absolute: PathBuf::from(&config.context),
            dockerfile: self.file.clone(),
            upload: match (self.upload, self.no_upload) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
            daemon_is_here: session.client.daemon_is_here(),
        };
        // On a thread of its own, so that Ctrl-C still works.
        tokio::task::spawn_blocking(move || Source::find(&wish))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
    }

    /// What is to be sent to the daemon, if it takes it.
    fn sendable(&self, session: &Session, source: Source) -> Result<Option<Upload>, Failure> {
        match source {
            Source::There { note } => {
                if let Some(note) = note {
                    session.screen.note(&note);
                }
                Ok(None)
            }
            Source::Here { upload, .. } if session.client.daemon_knows(Extension::ContextUpload) => {
                Ok(Some(upload))
            }
            Source::Here { is_needed: true, .. } => Err(Failure::Refused(format!(
                "this daemon takes no build contexts from elsewhere: '{}' must be a directory on its host",
                self.path.display()
            ))),
            Source::Here { .. } => {
                let path = self.path.display();
                session.screen.note(&format!(
                    "This daemon takes no build contexts from elsewhere: {path} must be a directory on its host, too."
                ));
                Ok(None)
            }
        }
    }

    fn config(&self, screen: &Screen) -> Result<ImageBuildConfig, Failure> {
        let directory = std::env::current_dir().map_err(|error| {
            Failure::BadValue(format!("cannot make '{}' absolute: {error}", self.path.display()))
        })?;
        let context = values::absolute_path(&self.path, &directory);
        let context = context.to_str().ok_or_else(|| {
            Failure::BadValue(format!("the path '{}' is not valid UTF-8", context.display()))
        })?;
        Ok(ImageBuildConfig {
            buildargs: self
                .build_arg
                .iter()
                .map(|argument| values::build_argument(argument, |name| std::env::var(name).ok()))
                .collect::<Result<_, _>>()?,
            cache: !self.no_cache,
            cleanup: self.rm,
            container_config: ContainerConfig {
                image: self.from.clone(),
                ..self.shared.config()?
            },
            context: context.to_owned(),
            diagnostics: false,
            dockerfile: self.file.clone(),
            networks: self.shared.endpoint(screen, "").into_iter().collect(),
            quiet: self.quiet,
            tag: self.tag.clone(),
            target: self.target.clone(),
            upload: None,
        })
    }

    /// Shows what the daemon tells until it closes the conversation, and whether it has explained a failure.
    async fn show_log(
        &self,
        session: &Session,
        conversation: &mut Conversation,
    ) -> Result<(Closing, bool), Failure> {
        let mut progress = session.progress("Building");
        let mut ends_a_line = true;
        let mut is_explained = false;
        loop {
            match conversation.next().await? {
                Event::Data(bytes) => {
                    let text = String::from_utf8_lossy(&bytes);
                    let open_line = if ends_a_line { "" } else { "\n" };
                    if let Ok(frame) = serde_json::from_str::<BuildDiagnosticFrame>(&text) {
                        let complaint =
                            Complaint::new(&frame.diagnostic, self.shown_dockerfile(), terminal::width());
                        progress.aside(true, || {
                            session.screen.raw(open_line.as_bytes())?;
                            complaint.show(&session.screen);
                            Ok(())
                        })?;
                        (ends_a_line, is_explained) = (true, true);
                    } else if is_step(&text) && self.quiet {
                        progress.step(text.trim_end_matches('\n'));
                    } else if is_step(&text) {
                        let line = text.trim_end_matches('\n');
                        if line.starts_with("Step ") {
                            progress.step(line);
                        }
                        progress.aside(true, || {
                            session.screen.raw(open_line.as_bytes())?;
                            session.screen.styled_line(line, screen::MESSAGE)
                        })?;
                        ends_a_line = true;
                    } else {
                        ends_a_line = bytes.is_empty() && ends_a_line || bytes.ends_with(b"\n");
                        progress.aside(ends_a_line, || session.screen.raw(&bytes))?;
                    }
                }
                Event::Closed(closing) => {
                    progress.clear();
                    if !ends_a_line {
                        session.screen.line("")?;
                    }
                    return Ok((closing, is_explained));
                }
            }
        }
    }

    /// What a complaint calls the Dockerfile.
    fn shown_dockerfile(&self) -> &str {
        match self.file.as_str() {
            "-" => "Dockerfile",
            file => file,
        }
    }
}

/// Whether a frame is a status line of the daemon, which come without a newline, and not a program's output.
fn is_step(text: &str) -> bool {
    text.contains("--> Snapshot created: @")
        || text.starts_with("--> Using cache: @")
        || text.starts_with("Skipping stage ")
        || text == "Stopped, because another stage failed"
        || (text.contains("Step ") && text.contains(" : "))
        || text.contains("Using user-supplied parent image:")
}

fn finish(session: &Session, image: &str, closing: Closing, is_explained: bool) -> Outcome {
    match closing.reason {
        Reason::Message(WebSocketMessage {
            data,
            message,
            msg_type: MessageType::Closing,
        }) => {
            session.screen.line("")?;
            session.screen.styled_line(&message, screen::MESSAGE)?;
            session.screen.styled_line(&data, screen::IMAGE_ID)?;
            Ok(Exit::SUCCESS)
        }
        // No step was reached, and it was said why.
        Reason::Message(_) if image.is_empty() && is_explained => Ok(Exit::FAILURE),
        Reason::Message(message) => Err(Failure::Refused(failed(image, &message))),
        Reason::Other(_) => {
            session.screen.line("")?;
            Err(Failure::Refused(
                "ERROR! Some unexpected error occured".to_owned(),
            ))
        }
    }
}

fn failed(image: &str, message: &WebSocketMessage) -> String {
    if image.is_empty() {
        // No step was reached; the log has said why.
        return message.message.clone();
    }
    match message.data.as_str() {
        "" => format!("Failed to build image {image}."),
        snapshot => format!("Failed to build image {image}. Most recent snapshot is {snapshot}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_snapshots_are_told_from_output() {
        assert!(is_step("Step 1/3 : FROM base"));
        assert!(is_step("--> Snapshot created: @0123456789ab"));
        assert!(is_step("--> Using cache: @0123456789ab"));
        assert!(is_step("Using user-supplied parent image: x"));
        assert!(!is_step("Step by step\n"));
        assert!(!is_step("a : b\n"));
    }

    #[test]
    fn a_failed_build_names_its_image_and_last_snapshot() {
        let error = |data: &str| WebSocketMessage::error(data, "image build failed");
        assert_eq!(
            failed("aa", &error("@bb")),
            "Failed to build image aa. Most recent snapshot is @bb"
        );
        assert_eq!(failed("aa", &error("")), "Failed to build image aa.");
        assert_eq!(failed("", &error("")), "image build failed");
    }
}
