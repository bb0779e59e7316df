//! `order states`: which transitions there are, and when.

use std::collections::BTreeMap;

use order_core::order::Lifecycle;
use order_core::rules::{Transition, transitions};
use serde::Serialize;

use crate::exit::Outcome;
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

/// Columns of the text form.
const WIDTH: usize = 98;

/// The table by rule: what holds for several statuses alike is said once.
fn render(rows: &[Row]) -> String {
    let same = |a: &Row, b: &Row| {
        let stays = |r: &Row| r.from == Some(r.to);
        (a.on, a.when, a.then, a.events) == (b.on, b.when, b.then, b.events)
            && stays(a) == stays(b)
            && (stays(a) || a.to == b.to || a.from.is_none())
    };
    let mut text = String::new();
    for rule in rows.chunk_by(same) {
        let [first, ..] = rule else { continue };
        let list = |of: fn(&Row) -> Option<&'static str>| {
            let mut names: Vec<&str> = rule.iter().filter_map(of).collect();
            names.dedup();
            match names.len() == Lifecycle::ALL.len() {
                true => "any status".to_owned(),
                false => names.join(", "),
            }
        };
        let from = list(|r| r.from);
        let way = match first.from {
            None => format!("-> {}", list(|r| Some(r.to))),
            Some(status) if status == first.to => format!("in {from}"),
            Some(_) => format!("{from} -> {}", first.to),
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(first.on);
        text.push('\n');
        for (name, said) in [
            ("status", way.as_str()),
            ("when", first.when),
            ("then", first.then),
            ("journal", &first.events.join(", ")),
        ] {
            if !said.is_empty() {
                text.push_str(&wrapped(name, said));
            }
        }
    }
    text
}

/// A text beside its name, broken between words.
fn wrapped(name: &str, said: &str) -> String {
    let mut lines = vec![format!("  {name:<8}")];
    for word in said.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() <= WIDTH => line.push_str(word),
            _ => lines.push(format!("{:10}{word}", "")),
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
        }
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
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

    #[test]
    fn the_table_stays_within_its_width() {
        let rows: Vec<Row> = transitions().iter().map(Row::of).collect();
        let text = render(&rows);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }
}
