//! `order states`: which transitions there are, and when.

use std::collections::BTreeMap;

use order_core::order::Lifecycle;
use order_core::rules::{Transition, transitions};
use serde::Serialize;

use crate::exit::Outcome;
use crate::output::table::Table;
use crate::output::{Out, to_stdout};

/// A row of the transition table, as JSON shows it. `from` is null for an order that does not exist
/// yet.
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
        let Transition {
            from,
            trigger,
            to,
            events,
            guard,
            then,
        } = transition;
        Row {
            from: from.map(|l| l.as_str()),
            on: trigger,
            to: to.as_str(),
            when: guard,
            then,
            events,
        }
    }
}

/// Prints the transition table.
pub fn states(out: &Out) -> Outcome {
    let rows: Vec<Row> = transitions().iter().map(Row::of).collect();
    if out.is_diagram() {
        return to_stdout(&diagram());
    }
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

/// The lifecycle as a stateDiagram-v2: an arrow for each way from one status to another. What
/// leaves an order where it is stands in the table only.
pub fn diagram() -> String {
    let rows: Vec<Row> = transitions().iter().map(Row::of).collect();
    let mut arrows: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    let place = |name: &str| {
        Lifecycle::ALL
            .iter()
            .position(|l| l.as_str() == name)
            .map_or(0, |i| i + 1)
    };
    for r in rows.iter().filter(|r| r.from != Some(r.to)) {
        let on = arrows
            .entry((r.from.map_or(0, place), place(r.to)))
            .or_default();
        if !on.contains(&r.on) {
            on.push(r.on);
        }
    }
    let name = |i: usize| {
        i.checked_sub(1)
            .and_then(|i| Lifecycle::ALL.get(i))
            .map_or("[*]", |l| l.as_str())
    };
    let mut text = String::from("stateDiagram-v2\n");
    for ((from, to), on) in &arrows {
        text.push_str(&format!(
            "    {} --> {}: {}\n",
            name(*from),
            name(*to),
            on.join(", ")
        ));
    }
    for terminal in Lifecycle::ALL.iter().filter(|l| l.is_terminal()) {
        text.push_str(&format!("    {terminal} --> [*]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagram_has_an_arrow_for_every_change_of_status() {
        let rows: Vec<Row> = transitions().iter().map(Row::of).collect();
        let shown = diagram();
        assert!(
            shown.starts_with("stateDiagram-v2\n    [*] --> PENDING: place\n"),
            "{shown}"
        );
        for r in rows.iter().filter(|r| r.from != Some(r.to)) {
            let arrow = format!("    {} --> {}: ", r.from.unwrap_or("[*]"), r.to);
            assert!(
                shown
                    .lines()
                    .any(|l| l.starts_with(&arrow) && l.contains(r.on)),
                "{arrow}{}",
                r.on
            );
        }
        assert!(shown.contains("    CANCELLED --> [*]\n"), "{shown}");
    }

    /// The table in ARCHITECTURE.md, between its marks.
    #[test]
    fn the_documentation_shows_the_table_that_the_code_has() {
        let document = include_str!("../../../ARCHITECTURE.md");
        let shown = document
            .split("<!-- order states -->")
            .nth(1)
            .unwrap_or_default();
        let shown: Vec<&str> = shown
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with("```"))
            .map(str::trim_end)
            .collect();
        let rows: Vec<Row> = transitions().iter().map(Row::of).collect();
        let table = render(&rows);
        let table: Vec<&str> = table.lines().map(str::trim_end).collect();
        assert!(
            shown == table,
            "put what `order states` prints between the marks in ARCHITECTURE.md"
        );
    }
}
