//! What every command works with: a daemon to ask and a screen to show on.

use std::io;

use crate::client::{Client, Route};
use crate::failure::{Exit, Failure, Outcome};
use crate::format::Inspection;
use crate::progress::Progress;
use crate::screen::Screen;

/// The daemon and the screen of one run of `klee`.
#[derive(Debug)]
pub struct Session {
    /// The daemon.
    pub client: Client,
    /// The screen.
    pub screen: Screen,
}

impl Session {
    /// Does `act` to every object. That one is refused does not keep it from the others, but makes the command fail.
    pub async fn for_each(
        &self,
        objects: &[String],
        act: impl AsyncFn(&str) -> Result<(), Failure>,
    ) -> Outcome {
        let mut exit = Exit::SUCCESS;
        for object in objects {
            match act(object).await {
                Ok(()) => {}
                Err(Failure::Refused(message)) => {
                    self.screen.complain(&of(object, &message));
                    exit = Exit::FAILURE;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(exit)
    }

    /// Removes every object at the route of its name, and shows their ids.
    pub async fn remove(&self, objects: &[String], route: impl Fn(&str) -> Route) -> Outcome {
        self.for_each(objects, async |object| {
            self.screen.line(&self.client.delete(route(object)).await?)
        })
        .await
    }

    /// Shows that long work goes on, to whoever watches.
    pub fn progress(&self, step: &str) -> Progress {
        Progress::begin(self.screen.theme(), step)
    }

    /// Shows everything about the object at `route`, or what the user wants to know of it.
    pub async fn inspect(&self, route: Route, inspection: &Inspection) -> Outcome {
        let object = self.client.get(route).await?;
        inspection.format.show(self.screen, object)?;
        Ok(Exit::SUCCESS)
    }

    /// Removes `what` ("all unused images") by a request to `route`, after asking unless `force`, and shows the ids
    /// that were removed.
    pub async fn prune(&self, what: &str, force: bool, route: Route) -> Outcome {
        if !force {
            self.confirm_removal(what).await?;
        }
        let removed: Vec<String> = self.client.post(route).await?;
        self.screen.line(&removed.join("\n"))?;
        Ok(Exit::SUCCESS)
    }

    /// Asks whether to remove `what` ("all unused images").
    ///
    /// # Errors
    /// [`Failure::Aborted`] unless the answer is yes.
    async fn confirm_removal(&self, what: &str) -> Result<(), Failure> {
        self.screen
            .complain(&format!("WARNING! This will remove {what}."));
        loop {
            self.screen.ask("Are you sure you want to continue? [y/N]: ")?;
            let answer = read_line().await?.ok_or(Failure::Aborted)?;
            match answer.trim().to_lowercase().as_str() {
                "y" | "yes" => return Ok(()),
                "n" | "no" | "" => return Err(Failure::Aborted),
                _ => self.screen.complain("Error: invalid input"),
            }
        }
    }
}

/// What is said of `object`, in words that name it.
pub fn of(object: &str, message: &str) -> String {
    let what = message.lines().next().unwrap_or_default();
    let mut words = what
        .split(|char: char| !char.is_alphanumeric() && !"_.-:/@".contains(char))
        .map(|word| word.trim_end_matches(['.', ':']));
    match words.any(|word| word == object) {
        true => message.to_owned(),
        false => format!("{object}: {message}"),
    }
}

/// A line of standard input, or nothing at its end. Read on a thread of its own, so that Ctrl-C still works.
async fn read_line() -> io::Result<Option<String>> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let count = io::stdin().read_line(&mut line)?;
        Ok((count > 0).then_some(line))
    });
    read.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_object_once() {
        for (object, message, said) in [
            ("a", "container not found", "a: container not found"),
            (
                "nope",
                "Error: No such image: nope\n",
                "Error: No such image: nope\n",
            ),
            (
                "web",
                "container 'web' is already running",
                "container 'web' is already running",
            ),
            ("web", "no website", "web: no website"),
            ("x:1", "there is no x:1.", "there is no x:1."),
            ("x", "it runs\nTry 'stop x'.", "x: it runs\nTry 'stop x'."),
        ] {
            assert_eq!(of(object, message), said);
        }
    }
}
