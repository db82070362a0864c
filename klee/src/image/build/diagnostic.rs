//! What is wrong with a Dockerfile, as it is shown:
//!
//! ```text
//! Dockerfile:3: RUNN apt-get update
//!               ^^^^ unknown instruction
//! hint: did you mean RUN?
//! ```

use kleene_api::BuildDiagnostic;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::screen::Screen;

/// How much of a long line is shown before the offending words, at least.
const CONTEXT: usize = 12;

/// A diagnostic in lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// The line of the Dockerfile.
    place: Option<String>,
    /// What is wrong; points to the words.
    message: String,
    hint: Option<String>,
}

impl Complaint {
    /// About a Dockerfile that the user calls `file`, or else about none of its lines. The line of the Dockerfile is cut to fit into `width`, messages never
    /// are.
    pub fn new(diagnostic: &BuildDiagnostic, file: &str, width: usize) -> Self {
        let message = diagnostic.message.trim_end().to_owned();
        let hint = diagnostic.hint.as_ref().map(|hint| format!("hint: {hint}"));
        if diagnostic.line == 0 {
            return Self {
                place: None,
                message,
                hint,
            };
        }
        let prefix = format!("{file}:{}: ", diagnostic.line);
        let room = width.saturating_sub(prefix.width()).max(2 * CONTEXT);
        let (before, words, after) = parts(diagnostic);
        let (before, words, after) = cut(&before, &words, &after, room);
        let place = format!("{prefix}{before}{words}{after}").trim_end().to_owned();
        let message = match words.width() {
            0 => message,
            carets => {
                let pointer = format!(
                    "{}{}",
                    " ".repeat(prefix.width() + before.width()),
                    "^".repeat(carets)
                );
                let beside = format!("{pointer} {message}");
                if message.contains('\n') || beside.width() > width {
                    format!("{pointer}\n{message}")
                } else {
                    beside
                }
            }
        };
        Self {
            place: Some(place),
            message,
            hint,
        }
    }

    /// On standard error.
    pub fn show(&self, screen: &Screen) {
        if let Some(place) = &self.place {
            screen.note(place);
        }
        screen.complain(&self.message);
        if let Some(hint) = &self.hint {
            screen.note(hint);
        }
    }
}

/// The line before, in and after the offending words. If it is not known which ones they are, all is before.
fn parts(diagnostic: &BuildDiagnostic) -> (String, String, String) {
    // A tab is as wide as the place where it stands wants.
    let shown = |text: String| text.replace('\t', " ").replace(char::is_control, "");
    let mut characters = diagnostic.source.trim_end().chars();
    let Some(begin) = diagnostic.column.checked_sub(1) else {
        return (shown(characters.collect()), String::new(), String::new());
    };
    let before: String = characters.by_ref().take(begin).collect();
    let words: String = characters
        .by_ref()
        .take(diagnostic.words.chars().count())
        .collect();
    (shown(before), shown(words), shown(characters.collect()))
}

/// Takes away of both ends of a line what does not fit into `room` columns.
fn cut(before: &str, words: &str, after: &str, room: usize) -> (String, String, String) {
    if before.width() + words.width() + after.width() <= room {
        return (before.to_owned(), words.to_owned(), after.to_owned());
    }
    if words.is_empty() {
        return (beginning(before, room), String::new(), String::new());
    }
    let before = ending(before, CONTEXT.max(room.saturating_sub(words.width() + CONTEXT)));
    let words = beginning(words, room - before.width());
    let after = beginning(after, room.saturating_sub(before.width() + words.width()));
    (before, words, after)
}

/// As much of the beginning as fits; `…` stands for the rest.
fn beginning(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut shown = String::new();
    for character in text.chars() {
        if shown.width() + character.width().unwrap_or(0) + 1 > room {
            break;
        }
        shown.push(character);
    }
    if room > 0 {
        shown.push('…');
    }
    shown
}

/// The same with the end.
fn ending(text: &str, room: usize) -> String {
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    backwards(&beginning(&backwards(text), room))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of a line, with `words` at `column`.
    fn shown(source: &str, column: usize, words: &str, message: &str, width: usize) -> String {
        let complaint = Complaint::new(
            &BuildDiagnostic {
                column,
                hint: Some("try something else".to_owned()),
                line: 3,
                message: message.to_owned(),
                source: source.to_owned(),
                words: words.to_owned(),
            },
            "Dockerfile",
            width,
        );
        let lines = [complaint.place, Some(complaint.message), complaint.hint];
        lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_offending_words_are_pointed_to() {
        insta::assert_snapshot!(shown("RUNN apt-get update", 1, "RUNN", "unknown instruction", 80), @r"
        Dockerfile:3: RUNN apt-get update
                      ^^^^ unknown instruction
        hint: try something else
        ");
        insta::assert_snapshot!(shown("\tRUN größe --x", 12, "--x", "unknown", 80), @r"
        Dockerfile:3:  RUN größe --x
                                 ^^^ unknown
        hint: try something else
        ");
    }

    #[test]
    fn a_long_message_stands_below() {
        insta::assert_snapshot!(shown("COPY a b", 6, "a", &"long ".repeat(14), 80), @r"
        Dockerfile:3: COPY a b
                           ^
        long long long long long long long long long long long long long long
        hint: try something else
        ");
        insta::assert_snapshot!(shown("RUN make", 0, "", "the command failed", 80), @r"
        Dockerfile:3: RUN make
        the command failed
        hint: try something else
        ");
    }

    #[test]
    fn a_long_line_is_cut_around_the_words() {
        let line = format!("RUN {} --bad {}", "x".repeat(90), "y".repeat(90));
        for (column, words) in [(96, "--bad"), (5, &line[4..94]), (0, "")] {
            let shown = shown(&line, column, words, "no", 60);
            let first = shown.lines().next().unwrap();
            assert!(first.width() <= 60, "{shown}");
        }
        insta::assert_snapshot!(shown(&line, 96, "--bad", "no", 60), @r"
        Dockerfile:3: …xxxxxxxxxxxxxxxxxxxxxxxxxxx --bad yyyyyyyyyy…
                                                   ^^^^^ no
        hint: try something else
        ");
        insta::assert_snapshot!(shown(&line, 0, "", "no", 60), @r"
        Dockerfile:3: RUN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        no
        hint: try something else
        ");
    }

    #[test]
    fn what_concerns_no_line_is_not_said_of_the_file() {
        let diagnostic = BuildDiagnostic {
            message: "there is none".to_owned(),
            ..BuildDiagnostic::default()
        };
        let complaint = Complaint::new(&diagnostic, "Dockerfile", 80);
        assert_eq!(complaint.place, None);
        assert_eq!(complaint.message, "there is none");
    }

    #[test]
    fn nothing_that_a_daemon_may_send_breaks_it() {
        for column in [0, 1, 2, 5, usize::MAX] {
            for width in [0, 1, 20, 80] {
                for words in ["", "日本", "longer than the line"] {
                    shown("RUN 日本語\u{7}", column, words, "no", width);
                }
            }
        }
    }
}
