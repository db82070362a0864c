//! Listings as tables: one line of titles, a rule, one line per object.
//!
//! A table is as wide as its content. Only when it would not fit do columns move together and some give way, to a
//! shorter form of what they show or with an ellipsis: first what can be looked up by the others, at last names. Ids are
//! never cut, since they are there to be copied.

use std::fmt::Write;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::config::Theme;

const ELLIPSIS: char = '…';

/// As narrow as a column gets where there is no other way: three letters and an ellipsis.
const NARROWEST: usize = 4;

/// What a column is called and how wide it may be, in characters.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    min: usize,
    max: usize,
    centred: bool,
    way: Way,
}

/// What a column does where a line is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It stays as it is.
    Whole,
    /// It is cut down to so many characters, and further only before names are cut.
    Gives(usize),
    /// It is cut when all others are as narrow as they get.
    GivesLast,
}

impl Column {
    /// A column that is as wide as its content.
    pub const fn new(title: &'static str) -> Self {
        Self {
            title,
            min: 0,
            max: usize::MAX,
            centred: false,
            way: Way::Whole,
        }
    }

    /// At least `width` wide where there is room.
    pub const fn at_least(mut self, width: usize) -> Self {
        self.min = width;
        self
    }

    /// At most `width` wide; longer content is cut.
    pub const fn at_most(mut self, width: usize) -> Self {
        self.max = width;
        self
    }

    /// Cut where the line is too long, preferably not below `width`: what it shows can be looked up by what the other
    /// columns show.
    pub const fn giving_way_to(mut self, width: usize) -> Self {
        self.way = Way::Gives(width);
        self
    }

    /// Cut where the line is too long and nothing else is left to cut.
    pub const fn giving_way_last(mut self) -> Self {
        self.way = Way::GivesLast;
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
    brief: Option<String>,
    style: Style,
    is_whole: bool,
}

impl Cell {
    /// Coloured text; the colour is for terminals only.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            brief: None,
            style,
            is_whole: false,
        }
    }

    /// Text without colour.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::new())
    }

    /// Shown where there is no room for the text.
    pub fn or_briefly(mut self, text: impl Into<String>) -> Self {
        self.brief = Some(text.into());
        self
    }

    /// Never cut, even in a column that gives way.
    pub fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// The text, uncut.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How wide it is at its briefest, uncut.
    fn least_width(&self) -> usize {
        self.brief.as_ref().unwrap_or(&self.text).width()
    }

    /// As much of it as is at most `width` wide, on one line.
    fn at_most(&self, width: usize) -> String {
        match &self.brief {
            Some(brief) if self.text.width() > width => cut(brief, width),
            _ => cut(&self.text, width),
        }
    }
}

/// What separates and underlines columns.
#[derive(Clone, Copy)]
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
/// Where a line is too long.
const FANCY_AND_NARROW: Lines = Lines {
    between: "",
    rule: "─",
    crossing: "",
};
const SIMPLE: Lines = Lines {
    between: "|",
    rule: "-",
    crossing: "+",
};

impl Lines {
    /// How long a line is.
    fn length(&self, widths: &[usize]) -> usize {
        let between = self.between.width() * widths.len().saturating_sub(1);
        let padded: usize = widths.iter().map(|width| width + 2).sum();
        padded + between
    }
}

/// Draws a table of which no line is wider than `limit`, if that is possible, each line ending in a newline. Without
/// a limit nothing is cut.
pub fn draw(columns: &[Column], rows: &[Vec<Cell>], theme: Theme, limit: Option<usize>) -> String {
    let (wide, narrow) = match theme {
        Theme::Fancy => (FANCY, FANCY_AND_NARROW),
        Theme::Simple => (SIMPLE, SIMPLE),
    };
    let (widths, lines) = match limit {
        None => (natural_widths(columns, rows, |_| usize::MAX), wide),
        Some(limit) => {
            let widths = natural_widths(columns, rows, |column| column.max);
            if wide.length(&widths) <= limit {
                (widths, wide)
            } else {
                (fit(columns, rows, limit, narrow), narrow)
            }
        }
    };
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

fn natural_widths(columns: &[Column], rows: &[Vec<Cell>], max: impl Fn(&Column) -> usize) -> Vec<usize> {
    let mut widths = widths_of(columns, rows, |cell| cell.text.width(), max);
    for (width, column) in widths.iter_mut().zip(columns) {
        *width = (*width).max(column.min);
    }
    widths
}

fn widths_of(
    columns: &[Column],
    rows: &[Vec<Cell>],
    width: impl Fn(&Cell) -> usize,
    max: impl Fn(&Column) -> usize,
) -> Vec<usize> {
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let content = rows.iter().map(|row| width(&row[index])).max().unwrap_or(0);
            content.min(max(column)).max(column.title.width())
        })
        .collect()
}

/// Takes from the widest column, again and again, until a line fits into `limit` or nothing is left to take.
fn fit(columns: &[Column], rows: &[Vec<Cell>], limit: usize, lines: Lines) -> Vec<usize> {
    let uncut: Vec<usize> = (0..columns.len())
        .map(|index| {
            let whole = rows.iter().map(|row| &row[index]).filter(|cell| cell.is_whole);
            whole.map(|cell| cell.text.width()).max().unwrap_or(0)
        })
        .collect();
    let mut widths = widths_of(columns, rows, Cell::least_width, |column| column.max);
    for (width, &uncut) in widths.iter_mut().zip(&uncut) {
        *width = (*width).max(uncut);
    }
    for least in [comfortable, tight, desperate] {
        while lines.length(&widths) > limit {
            let shrinking = columns
                .iter()
                .zip(&uncut)
                .zip(&mut widths)
                .filter(|((column, uncut), width)| {
                    least(column.way).is_some_and(|least| **width > least.max(**uncut))
                });
            match shrinking.map(|(_, width)| width).max() {
                Some(widest) => *widest -= 1,
                None => break,
            }
        }
    }
    widths
}

fn comfortable(way: Way) -> Option<usize> {
    match way {
        Way::Gives(width) => Some(width.max(NARROWEST)),
        Way::Whole | Way::GivesLast => None,
    }
}

fn tight(way: Way) -> Option<usize> {
    matches!(way, Way::Gives(_)).then_some(NARROWEST)
}

fn desperate(way: Way) -> Option<usize> {
    (way != Way::Whole).then_some(NARROWEST)
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
        let text = cell.at_most(width);
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
        Column::new("NAME").giving_way_last(),
        Column::new("TAG").giving_way_to(5),
        Column::new("CREATED").giving_way_to(7),
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
            draw_plain(&columns, &rows, Theme::Simple, Some(80)),
            concat!(
                " COMMAND    \n",
                "------------\n",
                " /bin/sh -… \n",
                " exactly 10 \n"
            )
        );
    }

    #[test]
    fn a_table_that_is_too_wide_cuts_what_gives_way_and_at_last_names() {
        let drawing = |limit| draw_plain(COLUMNS, &[image_row()], Theme::Simple, Some(limit));
        let last = |limit| drawing(limit).lines().last().unwrap().to_owned();
        assert_eq!(last(47), " aaaaaaaaaaaa | FreeBSD | latest | 6 years ago ");
        assert_eq!(last(43), " aaaaaaaaaaaa | FreeBSD | latest | 6 year… ");
        assert_eq!(last(42), " aaaaaaaaaaaa | FreeBSD | late… | 6 year… ");
        assert_eq!(last(38), " aaaaaaaaaaaa | FreeBSD | lat… | 6 y… ");
        assert_eq!(last(37), " aaaaaaaaaaaa | FreeB… | lat… | 6 y… ");
        for limit in 35..50 {
            assert!(
                drawing(limit).lines().all(|line| line.width() <= limit),
                "{limit}"
            );
        }
    }

    #[test]
    fn ids_are_never_cut_however_narrow_the_terminal() {
        let drawing = draw_plain(COLUMNS, &[image_row()], Theme::Simple, Some(10));
        assert!(drawing.contains(" aaaaaaaaaaaa | Fre… |"), "{drawing}");
        let columns = [Column::new("IMAGE").giving_way_to(4)];
        let rows = [
            vec![Cell::plain("a-long-name:latest")],
            vec![Cell::plain("bbbbbbbbbbbb").whole()],
        ];
        let drawing = draw_plain(&columns, &rows, Theme::Simple, Some(10));
        assert!(drawing.contains(" a-long-name… \n bbbbbbbbbbbb "), "{drawing}");
    }

    #[test]
    fn where_there_is_no_room_columns_move_together_and_say_briefly_what_can_be_said_so() {
        let rows = [vec![
            Cell::plain("aaaaaaaaaaaa"),
            Cell::plain("FreeBSD"),
            Cell::plain("latest"),
            Cell::plain("6 years ago").or_briefly("6y"),
        ]];
        let last = |limit| {
            let drawing = draw_plain(COLUMNS, &rows, Theme::Fancy, Some(limit));
            drawing.lines().last().unwrap().to_owned()
        };
        assert_eq!(last(47), " aaaaaaaaaaaa   FreeBSD   latest   6 years ago ");
        assert_eq!(last(46), " aaaaaaaaaaaa  FreeBSD  latest  6y      ");
        assert_eq!(last(37), " aaaaaaaaaaaa  FreeBSD  late…  6y    ");
    }

    #[test]
    fn without_a_limit_nothing_is_cut() {
        let columns = [Column::new("COMMAND").at_most(4).giving_way_to(4)];
        let drawing = draw_plain(&columns, &[vec![Cell::plain("sleep 1000")]], Theme::Simple, None);
        assert!(drawing.ends_with(" sleep 1000 \n"), "{drawing}");
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
