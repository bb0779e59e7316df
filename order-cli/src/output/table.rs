//! Plain columns for people: a heading, aligned cells, no lines around them. On a terminal they are
//! fitted to its width; in a pipe or a file every row is one line, so that scripts may cut it.

use order_core::text::printable;
use unicode_width::UnicodeWidthStr;

use super::terminal;

/// The space between two columns.
const GAP: usize = 2;
/// No column is made narrower than this to fit a terminal.
const NARROWEST: usize = 12;

/// Rows to be aligned.
#[derive(Debug, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

/// A column, and how it may be shown.
#[derive(Debug)]
struct Column {
    heading: &'static str,
    /// Numbers stand at the right, and are never wrapped.
    is_number: bool,
    is_status: bool,
    /// It goes first where a terminal is too narrow.
    is_spare: bool,
}

impl Table {
    /// A table with these headings; one that starts with `>` makes a column of numbers, aligned to
    /// the right.
    pub fn new(headings: &[&'static str]) -> Self {
        let column = |heading: &&'static str| Column {
            heading: heading.trim_start_matches('>'),
            is_number: heading.starts_with('>'),
            is_status: false,
            is_spare: false,
        };
        Table {
            columns: headings.iter().map(column).collect(),
            ..Table::default()
        }
    }

    /// The same, `by` spaces to the right.
    pub fn indented(mut self, by: usize) -> Self {
        self.indent = by;
        self
    }

    /// The same, with the columns of these headings in the colours of the statuses they show.
    pub fn statuses(mut self, headings: &[&str]) -> Self {
        for column in self.named(headings) {
            column.is_status = true;
        }
        self
    }

    /// The same, with columns that are left out, the last of them first, where a terminal is too
    /// narrow for all.
    pub fn spare(mut self, headings: &[&str]) -> Self {
        for column in self.named(headings) {
            column.is_spare = true;
        }
        self
    }

    fn named(&mut self, headings: &[&str]) -> impl Iterator<Item = &mut Column> {
        self.columns
            .iter_mut()
            .filter(|column| headings.contains(&column.heading))
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.map(|c| printable(&c)).into());
    }

    /// The text as standard output shows it, ending with a line break.
    pub fn render(&self) -> String {
        self.fitted(terminal::columns())
    }

    /// The text in at most `limit` columns, as far as that can be.
    pub fn fitted(&self, limit: Option<usize>) -> String {
        let shown = self.layout(limit);
        let mut text = String::new();
        if self.columns.iter().any(|column| !column.heading.is_empty()) {
            let headings = shown
                .iter()
                .map(|(i, _)| vec![self.columns[*i].heading.to_owned()]);
            self.put(&mut text, &shown, &headings.collect::<Vec<_>>(), true);
        }
        for row in &self.rows {
            let cells = shown.iter().map(|(i, width)| wrapped(&row[*i], *width));
            self.put(&mut text, &shown, &cells.collect::<Vec<_>>(), false);
        }
        text
    }

    /// The columns that are shown and their widths.
    fn layout(&self, limit: Option<usize>) -> Vec<(usize, usize)> {
        let widest = |i: usize, of: fn(&str) -> usize| {
            let cells = self.rows.iter().map(|row| of(&row[i]));
            cells
                .max()
                .unwrap_or(0)
                .max(self.columns[i].heading.width())
        };
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len())
            .map(|i| (i, widest(i, UnicodeWidthStr::width)))
            .collect();
        let Some(limit) = limit else { return shown };
        let total = |shown: &[(usize, usize)]| {
            let gaps = GAP * shown.len().saturating_sub(1);
            self.indent + gaps + shown.iter().map(|(_, width)| width).sum::<usize>()
        };
        while total(&shown) > limit {
            let Some(spare) = shown.iter().rposition(|(i, _)| self.columns[*i].is_spare) else {
                break;
            };
            shown.remove(spare);
        }
        // The widest columns of text give way first, down to their longest word.
        let least: Vec<usize> = (0..self.columns.len())
            .map(|i| widest(i, longest_word).max(NARROWEST))
            .collect();
        while total(&shown) > limit {
            let can_give = shown
                .iter_mut()
                .filter(|(i, width)| !self.columns[*i].is_number && *width > least[*i]);
            let Some((_, width)) = can_give.max_by_key(|(_, width)| *width) else {
                break;
            };
            *width -= 1;
        }
        shown
    }

    /// Writes a row, of as many lines as its tallest cell has.
    fn put(&self, text: &mut String, shown: &[(usize, usize)], cells: &[Vec<String>], head: bool) {
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..height {
            // Spaces are written before what they lead to, so that no line ends with one.
            let mut spaces = self.indent;
            for ((i, width), lines) in shown.iter().zip(cells) {
                let cell = lines.get(at).map_or("", String::as_str);
                let column = &self.columns[*i];
                let rest = width.saturating_sub(cell.width());
                let (before, after) = if column.is_number {
                    (rest, 0)
                } else {
                    (0, rest)
                };
                spaces += before;
                if !cell.is_empty() {
                    text.extend(std::iter::repeat_n(' ', std::mem::take(&mut spaces)));
                    text.push_str(&match (head, column.is_status) {
                        (true, _) => terminal::heading(cell),
                        (false, true) => terminal::status(cell),
                        (false, false) => cell.to_owned(),
                    });
                }
                spaces += after + GAP;
            }
            text.push('\n');
        }
    }
}

/// The columns that a text needs at least, if it is broken between its words.
fn longest_word(text: &str) -> usize {
    let words = text.split(' ').map(UnicodeWidthStr::width);
    words.max().unwrap_or(0)
}

/// The lines of a text that is at most `width` columns wide, broken at spaces only.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.width() <= width {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let mut table = Table::new(&["SKU", ">ON HAND"]);
        table.row(["MUG-01".into(), "40".into()]);
        table.row(["M".into(), "1200".into()]);
        assert_eq!(
            table.render(),
            "SKU     ON HAND\nMUG-01       40\nM          1200\n"
        );
    }

    #[test]
    fn characters_of_two_columns_leave_the_next_column_where_it_is() {
        let mut table = Table::new(&["SKU", "NAME", ">QTY"]);
        table.row(["A".into(), "緑茶 煎茶".into(), "1".into()]);
        table.row(["B".into(), "Socks 🧦 x3".into(), "12".into()]);
        table.row(["C".into(), "Größe 42".into(), "2".into()]);
        assert_eq!(
            table.render(),
            "SKU  NAME         QTY\n\
             A    緑茶 煎茶      1\n\
             B    Socks 🧦 x3   12\n\
             C    Größe 42       2\n"
        );
    }

    #[test]
    fn nothing_in_a_cell_can_disturb_a_terminal() {
        let mut table = Table::new(&["NOTE"]);
        table.row(["a\u{1b}[2Jb\nc".into()]);
        assert_eq!(table.render(), "NOTE\na [2Jb c\n");
    }

    #[test]
    fn a_narrow_terminal_drops_spare_columns_and_wraps_text_between_words() {
        let mut table = Table::new(&["NUMBER", "WHAT IT IS", ">QTY", "ID"]).spare(&["ID"]);
        table.row([
            "ORD-1".into(),
            "money must be sent back by hand".into(),
            "7".into(),
            "01a214c4-bf0b".into(),
        ]);
        let whole = "NUMBER  WHAT IT IS                       QTY  ID\n\
                     ORD-1   money must be sent back by hand    7  01a214c4-bf0b\n";
        assert_eq!(table.fitted(None), whole);
        assert_eq!(table.fitted(Some(59)), whole);
        assert_eq!(
            table.fitted(Some(58)),
            "NUMBER  WHAT IT IS                       QTY\n\
             ORD-1   money must be sent back by hand    7\n"
        );
        assert_eq!(
            table.fitted(Some(30)),
            "NUMBER  WHAT IT IS         QTY\n\
             ORD-1   money must be        7\n        \
                     sent back by hand\n"
        );
    }

    #[test]
    fn what_cannot_be_broken_stays_whole_however_narrow_the_terminal() {
        let mut table = Table::new(&["REFERENCE", ">AMOUNT"]);
        table.row(["01a214c4-bf0b-7d5e".into(), "40.00".into()]);
        assert_eq!(table.fitted(Some(10)), table.fitted(None));
    }
}
