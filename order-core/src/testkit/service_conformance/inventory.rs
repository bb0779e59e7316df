//! The contract of [`InventoryService`] as tests.

mod answers;
mod bench;
mod keys;
mod operations;

use std::future::Future;

use super::{Sandbox, suite};
use crate::ids::Sku;
use crate::services::InventoryService;

/// Access of the suite to an inventory.
pub trait InventoryFactory: Sandbox {
    /// The adapter under test.
    type Service: InventoryService;

    /// An adapter that nothing was asked of. The factory keeps what it needs, such as the mock's
    /// server, for as long as itself.
    fn fresh(&self) -> impl Future<Output = Self::Service>;

    /// Puts so many units of a SKU on the shelf of which there are no others, and says which:
    /// another one every time.
    fn stock(&self, service: &Self::Service, units: u32) -> impl Future<Output = Sku>;

    /// A SKU that the inventory has never heard of.
    fn unknown_sku(&self) -> Sku {
        "NO-SUCH-SKU".parse().expect("a sound SKU")
    }
}

use bench::offered;

suite! { $ inventory_conformance_tests inventory InventoryFactory,
    needs [
        repeat look_up partial release_committed lapse
        lose_next_answer refuse_next_connection answer_next pass
    ]
    1 answers {
        c01_a_lost_answer_is_unknown [lose_next_answer],
        c01_no_connection_is_never_a_refusal [refuse_next_connection],
        c01_a_failing_service_is_unknown [answer_next],
        c01_being_turned_away_is_never_a_refusal [answer_next],
        c01_an_answer_that_cannot_be_read_is_unknown [answer_next],
    }
    2 answers {
        c02_a_shortage_is_refused_and_holds_nothing [],
        c02_an_unknown_sku_is_refused [],
        c02_a_check_answers_every_sku_in_the_order_asked [],
    }
    3 keys {
        c03_a_repeated_reserve_is_one_hold_and_one_answer [repeat],
        c03_a_reserve_repeated_at_the_same_time_is_one_hold [repeat],
        c03_a_reserve_repeated_after_a_lost_answer_is_one_hold [repeat lose_next_answer],
        c03_a_commit_or_release_that_is_done_already_is_ok_again [],
        c03_a_commit_keeps_its_answer_whatever_happened_since [repeat partial],
        c03_another_key_is_another_hold [],
    }
    4 keys {
        c04_a_key_is_honoured_as_long_as_claimed [repeat pass],
    }
    5 keys {
        c05_a_hold_is_never_denied [],
        c05_a_hold_just_made_is_found_as_it_was_answered [look_up],
        c05_a_hold_that_was_never_answered_is_found [look_up lose_next_answer],
        c05_a_key_that_was_never_used_has_no_hold [look_up],
        c05_what_became_of_a_hold_is_told [look_up],
        c05_a_failed_look_up_is_an_error [look_up refuse_next_connection],
    }
    6 keys {
        c06_a_dropped_reserve_is_repeated_as_one_hold [repeat],
        c06_what_is_called_after_its_deadline_is_not_done [],
    }
    7 operations {
        c07_a_hold_has_a_reference_and_the_units_asked_for [],
    }
    8 operations {
        c08_committed_units_are_gone_for_good [],
        c08_more_than_is_held_is_not_committed [],
        c08_what_is_not_held_is_not_committed [],
    }
    9 operations {
        c09_released_units_are_available_again [],
        c09_more_than_is_held_is_not_released [],
    }
    10 operations {
        c10_parts_are_committed_and_given_back_until_nothing_is_left [partial],
    }
    11 operations {
        c11_committed_units_come_back [release_committed],
        c11_committed_units_come_back_in_parts [release_committed partial],
    }
    12 operations {
        c12_a_hold_stays_for_as_long_as_it_says [pass],
        c12_a_hold_lapses_when_it_says_so [lapse pass],
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::check;
    use super::{CASES, NEEDS};

    #[test]
    fn every_clause_has_a_case_and_every_case_its_number_and_known_needs() {
        check(CASES, NEEDS, 12);
    }
}
