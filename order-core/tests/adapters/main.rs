//! The suites for service clients, run against the services of the testkit, an adapter that speaks
//! HTTP, and liars.

mod acme;
mod liars;
mod memory;
mod provider;

/// The part of a text between two lines.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).expect("the first line is there");
    rest.split_once(to)
        .expect("the last line is there")
        .0
        .trim()
}

#[test]
fn the_chapter_on_adapters_shows_what_is_tested_here() {
    let (chapter, source) = (
        include_str!("../../../docs/adapters.md"),
        include_str!("acme.rs"),
    );
    let adapter = between(
        source,
        "// The adapter, as docs/adapters.md shows it.",
        "// The end of the adapter.",
    );
    let tests = between(
        source,
        "// Its tests, as docs/adapters.md shows them.",
        "// The end of its tests.",
    );
    for shown in [adapter, tests] {
        assert!(
            chapter.contains(&format!("```rust\n{shown}\n```")),
            "put it into docs/adapters.md:\n{shown}"
        );
    }
}
