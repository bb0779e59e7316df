//! The simulator finds every bug that is planted.

// The simulator's source, which finds the copy of order-core where it says `order_core`.
extern crate order_core_planted as order_core;

#[allow(dead_code, unused_imports, reason = "only the hunt is wanted of it")]
#[path = "../../src/lib.rs"]
mod sim;

use order_core::planted::{BUGS, with};
use sim::{hunt, run};

/// Demands a seed among the first so many in which something does not hold because of the bug: the
/// same seed without it holds.
fn finds(name: &str, seeds: u64) {
    let by_the_bug = |seed| {
        let broken = with(name, || hunt(seed));
        // A hunt is impatient: what it finds counts if patience finds it too, and finds nothing
        // without the bug.
        let found =
            !broken.is_sound() && run(seed).is_sound() && with(name, || !run(seed).is_sound());
        found.then_some(broken)
    };
    let found = (0..seeds).find_map(by_the_bug);
    let found = found.unwrap_or_else(|| panic!("{name} was not found in {seeds} seeds"));
    println!(
        "{name} was found with seed {}: {}",
        found.seed,
        found.violations().join("; ")
    );
}

macro_rules! planted {
    ($($test:ident: $bug:ident within $seeds:literal;)*) => {
        $(#[test] fn $test() { finds(stringify!($bug), $seeds); })*

        #[test]
        fn every_bug_there_is_is_planted_here() {
            let tested = [$(stringify!($bug)),*];
            let known: Vec<&str> = BUGS.iter().map(|bug| bug.name).collect();
            assert_eq!(tested[..], known[..]);
        }
    };
}

planted! {
    a_store_without_a_fence_is_found: NoFence within 3000;
    a_command_answered_as_another_is_found: AnyUseIsARepeat within 3000;
    a_new_key_for_a_retry_is_found: NewKeyOnRetry within 3000;
    money_before_stock_is_found: ChargeBeforeReserve within 3000;
    an_intent_after_its_call_is_found: IntentAfterCall within 3000;
    facts_lost_with_the_lease_are_found: FencedFactsDropped within 3000;
    a_coupon_that_is_not_given_back_is_found: CouponKept within 3000;
    a_late_capture_that_is_ignored_is_found: LateCaptureIgnored within 3000;
    an_absence_believed_too_early_is_found: EarlyAbsenceBelieved within 3000;
    a_call_that_takes_effect_too_late_is_found: LateCallsTakeEffect within 3000;
    stock_kept_by_a_declined_order_is_found: DeclinedKeepsStock within 3000;
    a_shipment_that_is_not_covered_is_found: ShipsUncovered within 3000;
    a_second_capture_of_the_same_is_found: CapturesTwice within 3000;
    a_refund_of_what_a_bank_questions_is_found: RefundsDisputed within 3000;
    units_restocked_twice_are_found: RestocksTwice within 3000;
    an_edit_applied_without_its_money_is_found: EditsUnpaid within 3000;
    notes_kept_by_a_redacted_order_are_found: RedactionKeepsNotes within 3000;
    parts_committed_under_one_key_are_found: CommitsUnderOneKey within 3000;
    stock_kept_by_cancelled_units_is_found: CancelledKeepsStock within 3000;
    a_named_attempt_that_is_not_looked_up_is_found: NamedAttemptsWait within 3000;
    a_short_order_that_nobody_is_told_of_is_found: ShortInSilence within 3000;
    a_refund_made_outside_that_forgives_is_found: OutsideRefundsForgive within 3000;
    a_later_report_that_is_dropped_is_found: LaterReportsDropped within 3000;
    an_authorization_that_covers_after_its_time_is_found: LapsedCovers within 3000;
    a_refund_made_outside_that_goes_back_again_is_found: OutsideRefundsIgnored within 3000;
    an_unmatched_report_that_is_forgotten_is_found: UnmatchedForgotten within 3000;
    a_look_up_that_does_not_count_is_found: LookUpsIgnored within 3000;
    a_dispute_that_turns_unheard_is_found: DisputesEndOnce within 3000;
    a_short_order_that_stays_pending_is_found: ShortStaysPending within 3000;
    a_cursor_that_goes_on_in_another_past_is_found: PositionIsEnough within 3000;
}
