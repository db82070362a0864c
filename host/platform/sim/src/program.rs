//! The programs of a simulated jail. What runs is decided by the arguments alone: no program of the host is ever
//! started.
//!
//! | arguments | what it does |
//! |---|---|
//! | `true`, `false`, `exit N` | ends with status 0, 1, N |
//! | `crash N` | ends by signal N |
//! | `echo WORDS…` | prints the words |
//! | `env` | prints its environment |
//! | `touch PATH…` | makes empty files in the jail |
//! | `cat` | prints what it reads, until its input ends |
//! | `sleep [SECONDS]` | sleeps, forever without a number |
//! | `stubborn` | sleeps forever and ignores all signals but KILL |
//! | `sh -c TEXT` | one of the above, split at blanks; no quotes, no substitution |
//!
//! A directory before the name does not matter: `/bin/true` is `true`. Everything else does not exist.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use kleene_plan::{ExitStatus, ProcessSpec};

/// What a process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// Prints and ends.
    Brief { output: Vec<u8>, status: ExitStatus },
    /// Makes files and ends.
    Touch(Vec<String>),
    /// Prints what it reads.
    Cat,
    /// Waits, `None`: forever.
    Sleep(Option<Duration>),
    /// Waits for a KILL signal.
    Stubborn,
}

impl Program {
    /// What a process does, or why it cannot be started.
    pub(crate) fn of(process: &ProcessSpec) -> Result<Self, String> {
        let argv: Vec<&str> = process.argv.iter().map(String::as_str).collect();
        match argv.as_slice() {
            [shell, "-c", text] if name(shell) == "sh" => {
                let words: Vec<&str> = text.split_whitespace().collect();
                Self::of_words(&words, &process.env)
            }
            words => Self::of_words(words, &process.env),
        }
    }

    fn of_words(words: &[&str], env: &[String]) -> Result<Self, String> {
        let Some((program, arguments)) = words.split_first() else {
            return Err("no program is given".to_owned());
        };
        Ok(match (name(program), arguments) {
            ("true", _) => silent(ExitStatus::Code(0)),
            ("false", _) => silent(ExitStatus::Code(1)),
            ("exit", [code]) => silent(ExitStatus::Code(number(program, code)?)),
            ("crash", [signal]) => silent(ExitStatus::Signal(number(program, signal)?)),
            ("echo", words) => printing(words.join(" ") + "\n"),
            ("env", []) => printing(env.iter().map(|line| format!("{line}\n")).collect()),
            ("touch", paths) => Self::Touch(paths.iter().map(ToString::to_string).collect()),
            ("cat", []) => Self::Cat,
            ("sleep", []) => Self::Sleep(None),
            ("sleep", [seconds]) => Self::Sleep(Some(Duration::from_secs(number(program, seconds)?))),
            ("stubborn", []) => Self::Stubborn,
            _ => return Err(format!("'{program}' was not found")),
        })
    }

    /// Whether a signal ends it.
    pub(crate) fn is_ended_by(&self, signal: u8) -> bool {
        const SIGKILL: u8 = 9;
        signal == SIGKILL || *self != Self::Stubborn
    }
}

/// Makes an empty file beneath a jail's root.
pub(crate) fn touch(root: &Path, path: &str) -> std::io::Result<()> {
    // `..` and the leading `/` are left out, so that the file is in the jail; simulated images hold no links.
    let place: PathBuf = Path::new(path)
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let file = root.join(place);
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(file, "")
}

fn name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn number<T: std::str::FromStr>(program: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("'{program}' needs a number, not '{text}'"))
}

fn silent(status: ExitStatus) -> Program {
    Program::Brief {
        output: Vec::new(),
        status,
    }
}

fn printing(text: String) -> Program {
    Program::Brief {
        output: text.into_bytes(),
        status: ExitStatus::Code(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(argv: &[&str]) -> Result<Program, String> {
        Program::of(&ProcessSpec {
            argv: argv.iter().map(ToString::to_string).collect(),
            env: vec!["A=1".to_owned()],
            user: String::new(),
            directory: None,
            terminal: None,
        })
    }

    #[test]
    fn arguments_decide() {
        assert_eq!(program(&["/bin/true"]), Ok(silent(ExitStatus::Code(0))));
        assert_eq!(program(&["exit", "7"]), Ok(silent(ExitStatus::Code(7))));
        assert_eq!(program(&["crash", "11"]), Ok(silent(ExitStatus::Signal(11))));
        assert_eq!(program(&["echo", "a", "b"]), Ok(printing("a b\n".to_owned())));
        assert_eq!(program(&["env"]), Ok(printing("A=1\n".to_owned())));
        assert_eq!(
            program(&["/bin/sh", "-c", "exit 3"]),
            Ok(silent(ExitStatus::Code(3)))
        );
        assert_eq!(
            program(&["sleep", "5"]),
            Ok(Program::Sleep(Some(Duration::from_secs(5))))
        );
    }

    #[test]
    fn what_does_not_exist_is_named() {
        assert_eq!(
            program(&["/bin/nginx"]),
            Err("'/bin/nginx' was not found".to_owned())
        );
        assert_eq!(
            program(&["exit", "x"]),
            Err("'exit' needs a number, not 'x'".to_owned())
        );
        assert_eq!(program(&[]), Err("no program is given".to_owned()));
    }
}
