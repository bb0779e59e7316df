//! Plain columns for people: a heading, aligned cells, no lines around them.

use std::fmt::Write as _;

use order_core::text::printable;

/// Rows to be aligned.
#[derive(Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
    indent: usize,
}

impl Table {
    /// A table with these headings; one that starts with `>` makes a column of numbers, aligned to
    /// the right.
    pub fn new(headings: &[&'static str]) -> Self {
        Table {
            headings: headings.iter().map(|h| h.trim_start_matches('>')).collect(),
            right: headings.iter().map(|h| h.starts_with('>')).collect(),
            rows: Vec::new(),
            indent: 0,
        }
    }

    /// The same, `by` spaces to the right.
    pub fn indented(mut self, by: usize) -> Self {
        self.indent = by;
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|c| printable(&c)).into());
    }

    /// The text, ending with a line break.
    pub fn render(&self) -> String {
        let mut widths: Vec<usize> = self.headings.iter().map(|h| h.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        let headings: Vec<String> = self.headings.iter().map(|h| (*h).to_owned()).collect();
        let heading = (!headings.iter().all(String::is_empty)).then_some(&headings);
        for row in heading.into_iter().chain(&self.rows) {
            let mut line = " ".repeat(self.indent);
            for (i, cell) in row.iter().enumerate() {
                let gap = if i == 0 { "" } else { "  " };
                let width = widths[i];
                let _ = if self.right[i] {
                    write!(line, "{gap}{cell:>width$}")
                } else {
                    write!(line, "{gap}{cell:<width$}")
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
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
    fn nothing_in_a_cell_can_disturb_a_terminal() {
        let mut table = Table::new(&["NOTE"]);
        table.row(["a\u{1b}[2Jb\nc".into()]);
        assert_eq!(table.render(), "NOTE\na [2Jb c\n");
    }
}
