//! Help and usage errors in the words that scripts and fingers know from 0.1.1.
//!
//! clap parses; here its errors become `Usage: …`, `Try '… --help' for help.`, `Error: …`, and asking for
//! nothing in particular becomes asking for help, which is no error. What 0.1.1 did not have needs its arguments.

use std::ffi::OsString;
use std::io::Write;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, FromArgMatches, ValueEnum};

use crate::cli::Cli;
use crate::config::Theme;
use crate::failure::Exit;
use crate::help;
use crate::terminal;
use crate::values;

/// Reads the command line, or says what is wrong with it and how to leave.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, Exit> {
    let arguments = join_booleans(arguments.collect());
    let mut command = definition();
    let parsed = command.try_get_matches_from_mut(&arguments);
    parsed
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| report(&error, &command, &arguments))
}

/// The command that `error` is about: the innermost one, unless it is about an option that only the root has.
fn concerned<'a>(root: &'a Command, arguments: &[OsString], error: &clap::Error) -> &'a Command {
    let deepest = deepest(root, arguments);
    let argument = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let option = option_name(&argument);
    let has_option = |command: &Command| option_of(command, option).is_some();
    match has_option(root) && !has_option(deepest) {
        true => root,
        false => deepest,
    }
}

/// The definition of all commands, from which parsing, help, completions and man pages are made.
pub fn definition() -> Command {
    with_usage(Cli::command(), "klee").version(env!("CARGO_PKG_VERSION"))
}

/// The innermost command that the words name.
fn deepest<'a>(root: &'a Command, arguments: &[OsString]) -> &'a Command {
    let mut command = root;
    let mut words = arguments.iter().skip(1).map_while(|word| word.to_str());
    while let Some(word) = words.next() {
        if word.starts_with("--") {
            let Some(option) = option_of(command, word) else {
                break;
            };
            if option.get_action().takes_values() && !word.contains('=') {
                words.next();
            }
        } else if let Some(subcommand) = command.find_subcommand(word) {
            command = subcommand;
        } else {
            break;
        }
    }
    command
}

/// The option that `word`, such as `--name` or `--name=value`, stands for.
fn option_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = option_name(word).strip_prefix("--")?;
    command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(name))
}

/// `--nat BOOL` and `--icc BOOL` of `network create` as `--nat=BOOL`: both may stand alone, and the word after
/// them may as well be the network's name.
fn join_booleans(arguments: Vec<OsString>) -> Vec<OsString> {
    let creates_network = arguments
        .windows(2)
        .position(|pair| pair[0] == "network" && pair[1] == "create");
    let Some(start) = creates_network else {
        return arguments;
    };
    let mut joined: Vec<OsString> = Vec::with_capacity(arguments.len());
    let mut arguments = arguments.into_iter().enumerate().peekable();
    while let Some((index, mut argument)) = arguments.next() {
        let takes_boolean = index > start && (argument == "--nat" || argument == "--icc");
        let value = arguments.next_if(|(_, next)| {
            takes_boolean && next.to_str().is_some_and(|word| values::boolean(word).is_ok())
        });
        if let Some((_, value)) = value {
            argument.push("=");
            argument.push(value);
        }
        joined.push(argument);
    }
    joined
}

/// Gives `command` and all below it the usage lines of 0.1.1.
fn with_usage(command: Command, path: &str) -> Command {
    let usage = if command.has_subcommands() {
        format!("{path} [OPTIONS] COMMAND [ARGS]...")
    } else {
        let positionals: Vec<String> = command.get_positionals().map(metavar).collect();
        format!("{path} [OPTIONS] {}", positionals.join(" "))
            .trim_end()
            .to_owned()
    };
    command.override_usage(usage).mut_subcommands(|subcommand| {
        let path = format!("{path} {}", subcommand.get_name());
        with_usage(subcommand, &path)
    })
}

/// `NAME`, `NAMES...`, `[NAMES]...`, or `IMAGE [COMMAND]...`.
pub fn metavar(argument: &Arg) -> String {
    let names: Vec<String> = match argument.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect(),
        None => vec![argument.get_id().to_string().to_uppercase()],
    };
    let many = argument
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1);
    match &names[..] {
        [first, rest @ ..] if !rest.is_empty() => format!("{first} [{}]...", rest.join(" ")),
        [name, ..] if argument.is_required_set() && many => format!("{name}..."),
        [name, ..] if argument.is_required_set() => name.clone(),
        [name, ..] if many => format!("[{name}]..."),
        [name, ..] => format!("[{name}]"),
        [] => String::new(),
    }
}

/// `IMAGE` of `IMAGE [COMMAND]...`, and of `IMAGE, REFERENCE`.
fn first_name(metavars: &str) -> &str {
    metavars.split([' ', ',']).next().unwrap_or(metavars)
}

/// Shows help on standard output, or an error on standard error. A reader that has gone missed it by choice.
fn report(error: &clap::Error, root: &Command, arguments: &[OsString]) -> Exit {
    let mut command = concerned(root, arguments, error).clone();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let help = help::render(&command, theme(root, arguments), terminal::width());
            let _ = write!(anstream::stdout(), "{help}");
            if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                && let Some(missing) = command.get_positionals().next()
            {
                // Commands of 0.1.1 leave with 0 then; whoever forgot something is told all the same.
                let _ = writeln!(
                    anstream::stderr(),
                    "Error: Missing argument '{}'.",
                    first_name(&metavar(missing))
                );
            }
            Exit::SUCCESS
        }
        ErrorKind::DisplayVersion => {
            let _ = writeln!(anstream::stdout(), "klee, version {}", env!("CARGO_PKG_VERSION"));
            Exit::SUCCESS
        }
        _ => {
            let _ = write!(anstream::stderr(), "{}", rendered(error, &mut command, arguments));
            Exit(2)
        }
    }
}

fn rendered(error: &clap::Error, command: &mut Command, arguments: &[OsString]) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.trim();
    let path = usage.strip_prefix("Usage: ").unwrap_or(usage);
    let path = path.split(" [").next().unwrap_or(path);
    format!(
        "{usage}\nTry '{path} --help' for help.\n\nError: {}\n",
        explanation(error, command, arguments)
    )
}

fn explanation(error: &clap::Error, command: &Command, arguments: &[OsString]) -> String {
    let invalid = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = context(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("No such command '{name}'.")
        }
        ErrorKind::UnknownArgument if invalid.starts_with('-') => {
            let suggestion = context(error, ContextKind::SuggestedArg);
            let suggestion = suggestion.map(|option| format!(" Did you mean {}?", option_name(&option)));
            format!("No such option: {invalid}{}", suggestion.unwrap_or_default())
        }
        ErrorKind::UnknownArgument => format!("Got unexpected extra argument ({invalid})"),
        ErrorKind::MissingRequiredArgument if invalid.starts_with('-') => {
            format!("Missing option '{}'.", option_name(&invalid))
        }
        ErrorKind::ArgumentConflict => {
            let prior = context(error, ContextKind::PriorArg).unwrap_or_default();
            format!(
                "'{}' and '{}' exclude each other.",
                option_name(&invalid),
                option_name(&prior)
            )
        }
        ErrorKind::MissingRequiredArgument => {
            format!(
                "Missing argument '{}'.",
                first_name(&invalid).replace(['<', '>'], "")
            )
        }
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::TooFewValues if value.is_empty() => {
            match invalid.starts_with('-') {
                true => format!(
                    "Option '{}' requires an argument.",
                    as_typed(command, option_name(&invalid), arguments)
                ),
                false => format!(
                    "Invalid value for '{}': it is empty.",
                    invalid.replace(['<', '>'], "")
                ),
            }
        }
        ErrorKind::InvalidValue => {
            let possible = context(error, ContextKind::ValidValue)
                .map(|words| format!(" is not one of {words}"))
                .unwrap_or_default();
            format!(
                "Invalid value for '{}': '{value}'{possible}.",
                option_name(&invalid)
            )
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("Invalid value for '{}': {why}.", option_name(&invalid))
        }
        // What clap has to say of the rest, without its own heading and usage.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

/// The theme that help is shown in: that of the command line, as far as it can be read, or of the environment.
fn theme(root: &Command, arguments: &[OsString]) -> Theme {
    let mut words = arguments.iter().skip(1).map_while(|word| word.to_str());
    let mut given = None;
    while let Some(word) = words.next().filter(|word| word.starts_with('-')) {
        if word == "--theme" {
            given = words.next().map(str::to_owned);
        } else if let Some(name) = word.strip_prefix("--theme=") {
            given = Some(name.to_owned());
        } else if !word.contains('=')
            && option_of(root, word).is_some_and(|option| option.get_action().takes_values())
        {
            words.next();
        }
    }
    given
        .or_else(|| std::env::var("KLEE_THEME").ok())
        .and_then(|name| Theme::from_str(&name, false).ok())
        .unwrap_or(Theme::Fancy)
}

/// The option `long`, which lacks its value, in the spelling that stands at the end of the command line.
fn as_typed(command: &Command, long: &str, arguments: &[OsString]) -> String {
    let last = arguments
        .last()
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    let short = last.chars().last().filter(|_| !last.starts_with("--"));
    let is_meant = |argument: &Arg| {
        argument.get_long() == long.strip_prefix("--") && short.is_some() && argument.get_short() == short
    };
    match short {
        Some(short) if command.get_arguments().any(is_meant) => format!("-{short}"),
        _ => long.to_owned(),
    }
}

/// `--env` of `--env <ENV>`, `NAME` of `<NAME>`.
fn option_name(option: &str) -> &str {
    let name = option.split([' ', '=', '[']).next().unwrap_or(option);
    name.trim_matches(['<', '>'])
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}
