//! The simulator finds nothing wrong with the engine. That it finds what is wrong is tested in
//! `planted/`.

use order_sim::{Coverage, run};

#[test]
fn hundreds_of_seeds_hold_and_meet_every_fault() {
    let mut coverage = Coverage::default();
    let (mut choices, seeds) = (0, 800);
    for seed in 0..seeds {
        let outcome = run(seed);
        assert_eq!(
            outcome.violations(),
            Vec::<String>::new(),
            "replay with: cargo run -p order-sim --bin simulate -- --replay {seed}"
        );
        choices += outcome.choices;
        coverage.add(&outcome.coverage);
    }
    assert!(
        choices >= 60 * seeds,
        "{choices} choices are too few for {seeds} seeds"
    );
    let (met, kinds) = coverage.faults_met();
    assert_eq!(met, kinds, "{coverage}");
    assert!(coverage.states_reached() >= 30, "{coverage}");
}

#[test]
fn a_seed_decides_everything() {
    for seed in 10_000..10_050 {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(
            (one.hash, one.choices, one.orders),
            (other.hash, other.choices, other.orders),
            "seed {seed}"
        );
    }
}
