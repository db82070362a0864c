//! The help of a command: usage, description, and sections of arguments, options, commands and shortcuts, all from
//! the definition that clap parses by.
//!
//! The fancy theme draws a panel around each section, the simple one writes plain ASCII.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use clap::{Arg, Command};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Theme;
use crate::{shortcuts, usage};

/// Longer lines are hard to read, however wide the terminal is.
const WIDEST: usize = 110;
/// Names of options that are longer than this have their description on the lines below.
const WIDEST_TERM: usize = 30;

const HEADING: Style = Style::new().bold();
const TERM: Style = AnsiColor::Cyan.on_default().bold();
const USAGE: Style = AnsiColor::Yellow.on_default();

/// One section: terms and what they mean.
struct Section {
    title: &'static str,
    entries: Vec<(String, String)>,
}

/// The help of `command` (which has been built) in at most `width` columns.
pub fn render(command: &Command, theme: Theme, width: usize) -> String {
    let width = width.min(WIDEST);
    let style = |style: Style| match theme {
        Theme::Fancy => style,
        Theme::Simple => Style::new(),
    };
    let mut text = String::new();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim().strip_prefix("Usage: ").unwrap_or(usage.trim());
    let (heading, plain) = (style(HEADING), style(USAGE));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{heading}Usage:{heading:#} {plain}{usage}{plain:#}\n");
    if let Some(about) = command.get_about() {
        for line in wrapped(&about.to_string(), width.saturating_sub(2)) {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
    }
    for section in sections(command, theme) {
        match theme {
            Theme::Fancy => panel(&mut text, &section, width),
            Theme::Simple => list(&mut text, &section, width),
        }
    }
    if let Some(epilogue) = command.get_after_help() {
        let _ = writeln!(text, "{}", epilogue.to_string().trim_end());
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    text
}

fn sections(command: &Command, theme: Theme) -> Vec<Section> {
    let arguments = command
        .get_positionals()
        .filter_map(|argument| Some((usage::metavar(argument), argument.get_help()?.to_string())));
    let mut options: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_positional() && !argument.is_hide_set())
        .collect();
    options.sort_by_key(|option| matches!(option.get_id().as_str(), "help" | "version"));
    let options = options
        .into_iter()
        .map(|option| (spelling(option), meaning(option)));
    let mut commands: Vec<(String, String)> = command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
        .map(summary)
        .collect();
    commands.sort();
    let is_root = command.get_name() == "klee";
    let shortcuts = match theme {
        _ if !is_root => Vec::new(),
        Theme::Fancy => shortcuts::summary(),
        Theme::Simple => command
            .get_subcommands()
            .filter(|subcommand| shortcuts::is_one(subcommand.get_name()))
            .map(summary)
            .collect(),
    };
    let sections = [
        ("Arguments", arguments.collect()),
        ("Options", options.collect()),
        ("Commands", commands),
        ("Shortcuts", shortcuts),
    ];
    sections
        .into_iter()
        .filter(|(_, entries): &(_, Vec<_>)| !entries.is_empty())
        .map(|(title, entries)| Section { title, entries })
        .collect()
}

fn summary(command: &Command) -> (String, String) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    (command.get_name().to_owned(), about)
}

fn value_name(option: &Arg) -> String {
    match option.get_value_names() {
        Some(names) => {
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            names.join(" ")
        }
        None => option.get_id().to_string().to_uppercase(),
    }
}

fn takes_values(option: &Arg) -> bool {
    option.get_num_args().is_some_and(|range| range.takes_values())
}

/// `-e, --env ENV`.
fn spelling(option: &Arg) -> String {
    let short = option.get_short().map(|short| format!("-{short}"));
    let long = option.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let mut text = names.join(", ");
    if takes_values(option) {
        let is_optional = option.get_num_args().is_some_and(|range| range.min_values() == 0);
        let _ = match is_optional {
            true => write!(text, "[={}]", value_name(option)),
            false => write!(text, " {}", value_name(option)),
        };
    }
    text
}

/// The description, with the default and the words to choose from.
fn meaning(option: &Arg) -> String {
    let mut text = option.get_help().map(ToString::to_string).unwrap_or_default();
    if !takes_values(option) {
        return text;
    }
    if !option.is_hide_possible_values_set() && !option.get_possible_values().is_empty() {
        let words = option.get_possible_values();
        let words: Vec<&str> = words.iter().map(|word| word.get_name()).collect();
        let _ = write!(text, " [{}]", words.join("|"));
    }
    if !option.is_hide_default_value_set() && !option.get_default_values().is_empty() {
        let words = option.get_default_values().iter();
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        let _ = write!(text, " [default: {}]", words.join(" "));
    }
    text
}

fn panel(text: &mut String, section: &Section, width: usize) {
    let inside = width.saturating_sub(4);
    let title = format!("─ {} ", section.title);
    let rest = (inside + 2).saturating_sub(title.width());
    let _ = writeln!(text, "╭{title}{}╮", "─".repeat(rest));
    for (line, shown) in lines(section, inside, TERM) {
        let _ = writeln!(
            text,
            "│ {line}{:blanks$} │",
            "",
            blanks = inside.saturating_sub(shown)
        );
    }
    let _ = writeln!(text, "╰{}╯", "─".repeat(inside + 2));
}

fn list(text: &mut String, section: &Section, width: usize) {
    let _ = writeln!(text, "{}:", section.title);
    for (line, _) in lines(section, width.saturating_sub(2), Style::new()) {
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    text.push('\n');
}

/// The lines of a section and their widths on the screen: terms on the left, descriptions on the right.
fn lines(section: &Section, width: usize, style: Style) -> Vec<(String, usize)> {
    let terms = section.entries.iter().map(|(term, _)| term.width());
    let left = terms.filter(|&width| width <= WIDEST_TERM).max().unwrap_or(0);
    let right = width.saturating_sub(left + 2).max(10);
    let mut lines = Vec::new();
    for (term, description) in &section.entries {
        let mut description = wrapped(description, right).into_iter();
        let beside = match term.width() <= left {
            true => description.next().unwrap_or_default(),
            false => String::new(),
        };
        let shown = term.width().max(left) + 2 + beside.width();
        let blanks = left.saturating_sub(term.width()) + 2;
        lines.push((format!("{style}{term}{style:#}{:blanks$}{beside}", ""), shown));
        for more in description {
            let shown = left + 2 + more.width();
            lines.push((format!("{:indent$}{more}", "", indent = left + 2), shown));
        }
    }
    lines
}

/// `text` in lines of at most `width` columns, broken between words, and within a word only if it is longer than that.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.width());
        if line > 0 && line + 1 + word.width() > width {
            lines.push(String::new());
        }
        for char in (line_has_words(&lines))
            .then_some(' ')
            .into_iter()
            .chain(word.chars())
        {
            let line = lines.last().map_or(0, |line| line.width());
            if line > 0 && line + char.width().unwrap_or(0) > width {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(char);
            }
        }
    }
    lines
}

fn line_has_words(lines: &[String]) -> bool {
    lines.last().is_some_and(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let mut command = Command::new("x")
            .about("Do x.")
            .disable_help_flag(true)
            .arg(
                Arg::new("env")
                    .short('e')
                    .long("env")
                    .value_name("ENV")
                    .help("Set a variable which has quite a long description"),
            )
            .arg(Arg::new("name").required(true).help("Its name"));
        command.build();
        command
    }

    #[test]
    fn the_simple_theme_has_plain_sections() {
        assert_eq!(
            render(&command(), Theme::Simple, 44),
            "Usage: x [OPTIONS] <name>\n\n  Do x.\n\nArguments:\n  NAME  Its name\n\nOptions:\n  \
             -e, --env ENV  Set a variable which has\n                 quite a long description\n"
        );
    }

    #[test]
    fn panels_are_as_wide_as_the_terminal() {
        for width in [40, 60, 80] {
            let help = render(&command(), Theme::Fancy, width);
            let help = anstream::adapter::strip_str(&help).to_string();
            let drawn = help.lines().filter(|line| line.starts_with(['╭', '│', '╰']));
            assert!(drawn.clone().count() > 4, "{help}");
            assert!(drawn.clone().all(|line| line.width() == width), "{help}");
        }
    }

    #[test]
    fn words_that_are_too_long_are_broken() {
        assert_eq!(wrapped("ab abcdefgh c", 4), ["ab", "abcd", "efgh", "c"]);
    }
}
