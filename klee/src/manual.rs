//! What is generated from the definition of the commands besides help: completions for shells, and man pages.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::aot;

use crate::failure::{Exit, Failure, Outcome};
use crate::{shortcuts, usage};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

/// Print a script that completes commands and options in a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Try it:      source <(klee completion bash)
For good:    klee completion bash > /etc/bash_completion.d/klee
             klee completion zsh > /usr/share/zsh/site-functions/_klee
             klee completion fish > ~/.config/fish/completions/klee.fish")]
pub struct Completion {
    /// bash, fish or zsh
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub fn run(self) -> Outcome {
        let shell = match self.shell {
            Shell::Bash => aot::Shell::Bash,
            Shell::Fish => aot::Shell::Fish,
            Shell::Zsh => aot::Shell::Zsh,
        };
        let mut script = Vec::new();
        aot::generate(shell, &mut usage::definition(), "klee", &mut script);
        std::io::stdout().write_all(&script)?;
        Ok(Exit::SUCCESS)
    }
}

/// Write man pages, one for each command, into a directory
#[derive(Debug, Args)]
pub struct Man {
    /// Where to, such as /usr/local/share/man/man1; is made if it does not exist
    directory: PathBuf,
}

impl Man {
    /// Writes the pages.
    pub fn run(self) -> Outcome {
        let shortcuts = shortcuts::summary()
            .into_iter()
            .map(|(name, meaning)| format!("{name}: {meaning}"));
        let shortcuts: Vec<String> = std::iter::once("Shortcuts".to_owned()).chain(shortcuts).collect();
        let command = usage::definition().after_help(shortcuts.join("\n"));
        std::fs::create_dir_all(&self.directory)
            .and_then(|()| clap_mangen::generate_to(command, &self.directory))
            .map_err(|error| {
                Failure::BadValue(format!(
                    "cannot write man pages to '{}': {error}",
                    self.directory.display()
                ))
            })?;
        Ok(Exit::SUCCESS)
    }
}
