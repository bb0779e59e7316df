use super::*;

#[test]
fn invariants_are_numbered_without_gaps_and_the_checked_ones_exist() {
    for (i, n) in INVARIANTS.iter().zip(1..) {
        assert_eq!(i.id, format!("I{n}"));
    }
    for id in CHECKED_ALWAYS.iter().chain(CHECKED_AT_REST) {
        assert!(INVARIANTS.iter().any(|i| i.id == *id), "{id}");
    }
}
