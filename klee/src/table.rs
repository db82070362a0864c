//! Listings as tables: one line of titles, a rule, one line per object.
//!
//! A table is as wide as its content. Only when it would not fit on a terminal do its widest columns give way,
//! with an ellipsis; into a pipe nothing is ever cut.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Theme;

const ELLIPSIS: char = '…';

/// What a column is called and how wide it may be, in characters.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    min: usize,
    max: usize,
    centred: bool,
    gives_way: bool,
}

impl Column {
    /// A column that is as wide as its content.
    pub const fn new(title: &'static str) -> Self {
        Self {
            title,
            min: 0,
            max: usize::MAX,
            centred: false,
            gives_way: false,
        }
    }

    /// At least `width` wide.
    pub const fn at_least(mut self, width: usize) -> Self {
        self.min = width;
        self
    }

    /// At most `width` wide; longer content is cut.
    pub const fn at_most(mut self, width: usize) -> Self {
        self.max = width;
        self
    }

    /// Narrower than the others where the terminal is: what it shows can be looked up by what they show.
    pub const fn giving_way(mut self) -> Self {
        self.gives_way = true;
        self
    }

    /// With its content in the middle.
    pub const fn centred(mut self) -> Self {
        self.centred = true;
        self
    }
}

/// One object's value in one column.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Coloured text; the colour is for terminals only.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }

    /// Text without colour.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::new())
    }
}

/// What separates and underlines columns.
struct Lines {
    between: &'static str,
    rule: &'static str,
    crossing: &'static str,
}

const FANCY: Lines = Lines {
    between: " ",
    rule: "─",
    crossing: "─",
};
const SIMPLE: Lines = Lines {
    between: "|",
    rule: "-",
    crossing: "+",
};

/// Draws a table of which no line is wider than `limit`, if that is possible, each line ending in a newline.
pub fn draw(columns: &[Column], rows: &[Vec<Cell>], theme: Theme, limit: Option<usize>) -> String {
    let lines = match theme {
        Theme::Fancy => FANCY,
        Theme::Simple => SIMPLE,
    };
    let widths = fit(columns, natural_widths(columns, rows), limit);
    let mut drawing = String::new();

    let titles: Vec<Cell> = columns
        .iter()
        .map(|column| Cell::new(column.title, Style::new().bold()))
        .collect();
    draw_row(&mut drawing, columns, &titles, &widths, &lines, theme);
    let rules: Vec<String> = widths.iter().map(|width| lines.rule.repeat(width + 2)).collect();
    drawing.push_str(&rules.join(lines.crossing));
    drawing.push('\n');
    for row in rows {
        draw_row(&mut drawing, columns, row, &widths, &lines, theme);
    }
    drawing
}

fn natural_widths(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<usize> {
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let content = rows.iter().map(|row| row[index].text.width()).max().unwrap_or(0);
            content.min(column.max).max(column.title.width()).max(column.min)
        })
        .collect()
}

/// Takes from the widest column, again and again, until a line fits into `limit` or nothing is left to take: first
/// from those that give way, then from any down to its own minimum.
fn fit(columns: &[Column], mut widths: Vec<usize>, limit: Option<usize>) -> Vec<usize> {
    const NARROWEST: usize = 4;
    let Some(limit) = limit else { return widths };
    let line = |widths: &[usize]| {
        widths
            .iter()
            .map(|width| width + 3)
            .sum::<usize>()
            .saturating_sub(1)
    };
    for anybody in [false, true] {
        while line(&widths) > limit {
            let shrinking = columns.iter().zip(&mut widths).filter(|(column, width)| {
                (anybody || column.gives_way) && **width > column.min.max(NARROWEST)
            });
            match shrinking.map(|(_, width)| width).max() {
                Some(widest) => *widest -= 1,
                None => break,
            }
        }
    }
    widths
}

fn draw_row(
    drawing: &mut String,
    columns: &[Column],
    cells: &[Cell],
    widths: &[usize],
    lines: &Lines,
    theme: Theme,
) {
    for (index, ((column, cell), &width)) in columns.iter().zip(cells).zip(widths).enumerate() {
        if index > 0 {
            drawing.push_str(lines.between);
        }
        let text = cut(&cell.text, width);
        let blanks = width - text.width();
        let left = if column.centred { blanks / 2 } else { 0 };
        let style = if theme == Theme::Fancy {
            cell.style
        } else {
            Style::new()
        };
        // Writing to a String cannot fail.
        let _ = write!(
            drawing,
            " {:left$}{style}{text}{style:#}{:right$} ",
            "",
            "",
            right = blanks - left
        );
    }
    drawing.push('\n');
}

/// `text` in at most `width` characters, on one line.
fn cut(text: &str, width: usize) -> String {
    let text: String = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if text.width() <= width {
        return text;
    }
    let mut short = String::new();
    let mut used = 0;
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        short.push(char);
    }
    short.push(ELLIPSIS);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("ID"),
        Column::new("NAME"),
        Column::new("TAG"),
        Column::new("CREATED"),
    ];

    fn image_row() -> Vec<Cell> {
        ["aaaaaaaaaaaa", "FreeBSD", "latest", "6 years ago"]
            .map(Cell::plain)
            .to_vec()
    }

    fn draw_plain(columns: &[Column], rows: &[Vec<Cell>], theme: Theme, limit: Option<usize>) -> String {
        anstream::adapter::strip_str(&draw(columns, rows, theme, limit)).to_string()
    }

    #[test]
    fn a_fancy_table_is_the_one_in_the_contract() {
        assert_eq!(
            draw_plain(COLUMNS, &[image_row()], Theme::Fancy, None),
            concat!(
                " ID             NAME      TAG      CREATED     \n",
                "───────────────────────────────────────────────\n",
                " aaaaaaaaaaaa   FreeBSD   latest   6 years ago \n",
            )
        );
    }

    #[test]
    fn a_simple_table_is_ascii() {
        assert_eq!(
            draw(COLUMNS, &[image_row()], Theme::Simple, None),
            concat!(
                " ID           | NAME    | TAG    | CREATED     \n",
                "--------------+---------+--------+-------------\n",
                " aaaaaaaaaaaa | FreeBSD | latest | 6 years ago \n",
            )
        );
    }

    #[test]
    fn an_empty_table_has_titles_and_rule() {
        assert_eq!(
            draw_plain(&COLUMNS[..2], &[], Theme::Fancy, None),
            concat!(" ID   NAME \n", "───────────\n")
        );
    }

    #[test]
    fn long_content_is_cut_at_the_columns_maximum() {
        let columns = [Column::new("COMMAND").at_most(10)];
        let rows = [
            vec![Cell::plain("/bin/sh -c true")],
            vec![Cell::plain("exactly 10")],
        ];
        assert_eq!(
            draw_plain(&columns, &rows, Theme::Simple, None),
            concat!(
                " COMMAND    \n",
                "------------\n",
                " /bin/sh -… \n",
                " exactly 10 \n"
            )
        );
    }

    #[test]
    fn a_table_that_is_too_wide_for_the_terminal_shrinks_its_widest_columns() {
        let drawing = draw_plain(COLUMNS, &[image_row()], Theme::Fancy, Some(40));
        assert!(drawing.lines().all(|line| line.width() <= 40), "{drawing}");
        assert!(drawing.contains("FreeBSD"), "{drawing}");
    }

    #[test]
    fn columns_that_give_way_shrink_before_the_others() {
        let columns = [
            Column::new("ID").at_least(13),
            Column::new("COMMAND").giving_way(),
        ];
        let row = [Cell::plain("aaaaaaaaaaaa"), Cell::plain("/bin/sh -c true")];
        let drawing = draw_plain(&columns, &[row.to_vec()], Theme::Simple, Some(25));
        assert!(drawing.ends_with(" aaaaaaaaaaaa  | /bin/s… \n"), "{drawing}");
    }

    #[test]
    fn centred_columns_and_minimal_widths_are_honoured() {
        let columns = [
            Column::new("CONTAINER ID").at_least(13),
            Column::new("AUTORUN").centred(),
        ];
        assert_eq!(
            draw_plain(
                &columns,
                &[vec![Cell::plain("x"), Cell::plain("yes")]],
                Theme::Simple,
                None
            ),
            concat!(
                " CONTAINER ID  | AUTORUN \n",
                "---------------+---------\n",
                " x             |   yes   \n"
            )
        );
    }

    #[test]
    fn control_characters_cannot_break_a_line() {
        let drawing = draw_plain(
            &COLUMNS[..1],
            &[vec![Cell::plain("a\nb\x1bc")]],
            Theme::Simple,
            None,
        );
        assert!(drawing.ends_with(" a b c \n"), "{drawing:?}");
    }
}
