//! What the documentation shows of the rules is what the binary prints of them.

use crate::bench::Bench;

/// The part of a document after a mark, in the next fence.
fn fenced<'d>(document: &'d str, mark: &str) -> &'d str {
    let (_, rest) = document.split_once(mark).expect("the mark is there");
    let (_, rest) = rest.split_once("```").expect("a fence follows");
    let (_, rest) = rest.split_once('\n').expect("with a first line");
    rest.split_once("```").expect("and an end").0
}

#[test]
fn the_documentation_shows_the_rules_that_the_code_has() {
    let printed = Bench::empty().run(&["states"]).must(0).out;
    let shown = fenced(
        include_str!("../../../docs/transitions.md"),
        "<!-- order states -->",
    );
    assert!(
        shown == printed,
        "put what `order states` prints into docs/transitions.md:\n{printed}"
    );
}

#[test]
fn the_documentation_shows_the_diagram_that_the_code_draws() {
    let printed = Bench::empty()
        .run(&["states", "--format", "mermaid"])
        .must(0)
        .out;
    let mark = "<!-- order states --format mermaid -->";
    let shown = fenced(include_str!("../../../ARCHITECTURE.md"), mark);
    assert!(
        shown == printed,
        "put what `order states --format mermaid` prints into ARCHITECTURE.md"
    );
}
