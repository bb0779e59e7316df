//! `order states`: which transitions there are, and when.

use order_core::machine::{Transition, transitions};
use serde::Serialize;

use crate::exit::Outcome;
use crate::output::Out;
use crate::output::table::Table;

/// A row of the transition table, as JSON shows it. `from` is null for an order that does not exist yet.
#[derive(Debug, Serialize)]
struct Row {
    from: Option<&'static str>,
    on: &'static str,
    to: &'static str,
    when: &'static str,
    then: &'static str,
    events: &'static [&'static str],
}

impl Row {
    fn of(transition: &Transition) -> Self {
        let Transition { from, trigger, to, events, guard, then } = transition;
        Row { from: from.map(|l| l.as_str()), on: trigger, to: to.as_str(), when: guard, then, events }
    }
}

/// Prints the transition table.
pub fn states(out: &Out) -> Outcome {
    let rows: Vec<Row> = transitions().iter().map(Row::of).collect();
    out.many(&rows, &rows, || render(&rows))
}

fn render(rows: &[Row]) -> String {
    let mut table = Table::new(&["FROM", "ON", "TO", "WHEN", "THEN"]);
    for r in rows {
        let to = if r.from == Some(r.to) { "same" } else { r.to };
        table.row([r.from.unwrap_or("-"), r.on, to, r.when, r.then].map(str::to_owned));
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in ARCHITECTURE.md, between its marks.
    #[test]
    fn the_documentation_shows_the_table_that_the_code_has() {
        let document = include_str!("../../../ARCHITECTURE.md");
        let shown = document.split("<!-- order states -->").nth(1).unwrap_or_default();
        let shown: Vec<&str> = shown.lines().filter(|l| !l.is_empty() && !l.starts_with("```")).map(str::trim_end).collect();
        let rows: Vec<Row> = transitions().iter().map(Row::of).collect();
        let table = render(&rows);
        let table: Vec<&str> = table.lines().map(str::trim_end).collect();
        assert!(shown == table, "put what `order states` prints between the marks in ARCHITECTURE.md");
    }
}
