//! What the user sees: results on standard output, complaints on standard error.
//!
//! Text is printed as it is, never wrapped and never interpreted. Colours are for terminals only.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::config::Theme;
use crate::failure::Failure;
use crate::table::{self, Cell, Column};
use crate::terminal;

/// Ids.
pub const ID: Style = AnsiColor::Cyan.on_default();
/// Names of containers, networks and volumes.
pub const NAME: Style = AnsiColor::BrightCyan.on_default().bold();
/// Tags of images.
pub const TAG: Style = AnsiColor::BrightCyan.on_default();
/// Ids of images.
pub const IMAGE_ID: Style = AnsiColor::Magenta.on_default().bold();
/// Names of images.
pub const IMAGE_NAME: Style = AnsiColor::Blue.on_default().bold();
/// A container that runs.
pub const RUNNING: Style = AnsiColor::Green.on_default();
/// A container that does not.
pub const STOPPED: Style = AnsiColor::Red.on_default();
/// Messages of the daemon, steps of a build.
pub const MESSAGE: Style = Style::new().bold();
const COMPLAINT: Style = AnsiColor::Red.on_default().bold();

/// Standard output and standard error in a theme.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    theme: Theme,
}

impl Screen {
    /// A screen in `theme`.
    pub fn new(theme: Theme) -> Self {
        Self { theme }
    }

    /// The theme.
    pub fn theme(&self) -> Theme {
        self.theme
    }

    fn style(&self, style: Style) -> Style {
        match self.theme {
            Theme::Fancy => style,
            Theme::Simple => Style::new(),
        }
    }

    /// A line of a result.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        self.styled_line(text, Style::new())
    }

    /// A line of a result, in colour.
    pub fn styled_line(&self, text: &str, style: Style) -> Result<(), Failure> {
        let style = self.style(style);
        let mut stdout = anstream::stdout().lock();
        writeln!(stdout, "{style}{text}{style:#}")?;
        Ok(stdout.flush()?)
    }

    /// A process' output, byte for byte.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// A listing, cut to the width of the terminal.
    pub fn table(&self, columns: &[Column], rows: &[Vec<Cell>]) -> Result<(), Failure> {
        self.draw(&table::draw(columns, rows, self.theme, Some(terminal::width())))
    }

    /// A table of which nothing is cut.
    pub fn whole_table(&self, columns: &[Column], rows: &[Vec<Cell>]) -> Result<(), Failure> {
        self.draw(&table::draw(columns, rows, self.theme, None))
    }

    fn draw(&self, drawing: &str) -> Result<(), Failure> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(drawing.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// An object of the API: two blanks of indentation, keys in alphabetical order.
    pub fn json(&self, value: Value) -> Result<(), Failure> {
        let text = format!("{:#}", sorted(value));
        match self.theme {
            Theme::Fancy => self.line(&text),
            Theme::Simple => self.line(&ascii(&text)),
        }
    }

    /// Something that went wrong.
    pub fn complain(&self, text: &str) {
        let style = self.style(COMPLAINT);
        // Without standard error there is nobody left to tell.
        let _ = writeln!(anstream::stderr().lock(), "{style}{}{style:#}", text.trim_end());
    }

    /// Something to know besides the result, on standard error.
    pub fn note(&self, text: &str) {
        // Without standard error there is nobody left to tell.
        let _ = writeln!(anstream::stderr().lock(), "{text}");
    }

    /// A question, without a newline.
    pub fn ask(&self, question: &str) -> Result<(), Failure> {
        let mut stderr = anstream::stderr().lock();
        write!(stderr, "{question}")?;
        Ok(stderr.flush()?)
    }
}

/// `value` with the keys of every object in alphabetical order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// JSON in ASCII: outside of strings it is so already, inside of them escapes stand for everything else.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if char.is_ascii() {
            text.push(char);
        } else {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = sorted(json!({"b": [{"d": 1, "c": 2}], "a": null}));
        assert_eq!(value.to_string(), r#"{"a":null,"b":[{"c":2,"d":1}]}"#);
    }

    #[test]
    fn json_of_the_simple_theme_is_ascii_and_means_the_same() {
        let value = json!({"name": "grüße 🐡"});
        let text = ascii(&value.to_string());
        assert!(text.is_ascii());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
