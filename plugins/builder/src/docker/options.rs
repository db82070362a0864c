//! Options of an instruction, `--name=value`, which stand before its arguments.

use std::collections::BTreeMap;

use super::words;
use crate::problem::Problem;

/// An option that Docker has and Kleene has not, and what to do instead.
pub(super) type Missing = (&'static str, &'static str);

/// The options of an instruction by name, and what follows them. `flags` are those without a value.
///
/// # Errors
/// If one is not known, not supported, given twice or lacks its value.
pub(super) fn take<'a>(
    arguments: &'a str,
    known: &[&str],
    flags: &[&str],
    missing: &[Missing],
) -> Result<(BTreeMap<&'a str, &'a str>, &'a str), Problem> {
    let mut options = BTreeMap::new();
    let mut rest = arguments.trim();
    while rest.starts_with("--") {
        let (word, after) = words::first(rest);
        rest = after.trim_start();
        if word == "--" {
            break;
        }
        let option = word.trim_start_matches('-');
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        if let Some((_, instead)) = missing.iter().find(|(missing, _)| *missing == name) {
            return Err(Problem::words(
                word,
                format!("--{name} is not supported: {instead}"),
            ));
        }
        let value = match value {
            None if flags.contains(&name) => "true",
            Some(value @ ("true" | "false")) if flags.contains(&name) => value,
            Some(value) if known.contains(&name) && !value.is_empty() => value,
            _ if known.contains(&name) => {
                return Err(Problem::words(word, format!("write --{name}=value")));
            }
            _ if flags.contains(&name) => {
                return Err(Problem::words(word, format!("--{name} has no value")));
            }
            _ => return Err(Problem::words(word, unknown(known, flags))),
        };
        if options.insert(name, value).is_some() {
            return Err(Problem::words(word, format!("--{name} is given twice")));
        }
    }
    Ok((options, rest))
}

/// Arguments of an instruction that has no options.
///
/// # Errors
/// If it is given one.
pub(super) fn none(arguments: &str) -> Result<&str, Problem> {
    take(arguments, &[], &[], &[]).map(|(_, rest)| rest)
}

fn unknown(known: &[&str], flags: &[&str]) -> String {
    let all: Vec<_> = known
        .iter()
        .chain(flags)
        .map(|name| format!("--{name}"))
        .collect();
    if all.is_empty() {
        "this instruction has no options".to_owned()
    } else {
        format!("the options of this instruction are {}", all.join(", "))
    }
}
