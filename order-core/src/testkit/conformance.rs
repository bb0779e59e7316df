//! The contract of [`OrderStore`] as tests, which any store can run.
//!
//! Every case stands in one list, under the number of the clause it tests, and
//! [`conformance_tests!`] makes one `#[test]` of each:
//!
//! ```text
//! struct Memory(Arc<ManualClock>);
//! impl StoreFactory for Memory { … }
//! order_core::conformance_tests!(Memory(Arc::default()));
//! ```
//!
//! [`conformance_tests!`]: crate::conformance_tests

/// As the standard library's, but of what is long it prints where the two part and not all of it:
/// an order has hundreds of lines.
macro_rules! assert_eq {
    ($left:expr, $right:expr $(,)?) => { assert_eq!($left, $right, "") };
    ($left:expr, $right:expr, $($said:tt)+) => {
        match (&$left, &$right) {
            (left, right) => {
                if *left != *right {
                    let said = format!($($said)+);
                    $crate::testkit::conformance::difference::differs(&format!("{left:#?}"), &format!("{right:#?}"), &said);
                }
            }
        }
    };
}

mod concurrency;
mod difference;
mod erasing;
mod keys;
mod leasing;
mod listing;
mod reading;
mod redemptions;
mod refusals;
mod support;
mod unreadable;
mod values;
mod whole;
mod work;
mod writing;

use std::future::Future;

use crate::ids::OrderId;
use crate::store::OrderStore;
use crate::time::Timestamp;

/// Access of the suite to a store.
pub trait StoreFactory: Sync {
    /// The store under test.
    type Store: OrderStore;
    /// Sets the clock by which its stores judge due and lease times.
    fn set_time(&self, to: Timestamp);
    /// A store without orders. The factory keeps what it needs, such as a directory, for as long as
    /// itself.
    fn fresh(&self) -> impl Future<Output = Self::Store>;
    /// Makes an order of the store unreadable, and the newest row of its journal: as damage does,
    /// or a value of a newer build.
    fn damage(&self, store: &Self::Store, order: OrderId) -> impl Future<Output = ()>;
    /// Runs a future of one of its stores to its end. For stores that need a certain runtime.
    fn run<F: Future>(&self, future: F) -> F::Output {
        crate::runtime::virtual_time::block_on(future)
    }
}

/// Makes of the one list of cases: the macro that tests a store, a function for each case, and
/// their names by clause. A case that is missing here is dead code; one that is here twice does not
/// compile.
macro_rules! suite {
    ($d:tt $($clause:literal $module:ident { $($case:ident,)* })*) => {
        /// Tests a store against every clause of the contract: one `#[test]` per case of
        /// [`testkit::conformance`].
        ///
        /// Takes an expression that makes a [`StoreFactory`]; it is evaluated anew in every test.
        ///
        /// [`testkit::conformance`]: crate::testkit::conformance
        /// [`StoreFactory`]: crate::testkit::conformance::StoreFactory
        #[macro_export]
        macro_rules! conformance_tests {
            ($d factory:expr) => {
                $($(
                    #[test]
                    fn $case() {
                        let factory = $d factory;
                        $d crate::testkit::conformance::run(&factory, $d crate::testkit::conformance::cases::$case(&factory));
                    }
                )*)*
            };
        }

        /// The cases. See [`conformance_tests!`](crate::conformance_tests).
        #[doc(hidden)]
        #[allow(missing_docs, reason = "the names are sentences")]
        pub mod cases {
            use super::StoreFactory;
            $($(
                pub async fn $case<F: StoreFactory>(factory: &F) {
                    super::$module::$case(factory).await;
                }
            )*)*
        }

        /// Every case with the number of the clause it tests.
        pub const CASES: &[(u8, &str)] = &[$($(($clause, stringify!($case)),)*)*];
    };
}

/// Runs a case on the factory's runtime.
#[doc(hidden)]
pub fn run<F: StoreFactory>(factory: &F, case: impl Future<Output = ()>) {
    factory.run(case);
}

suite! { $
    1 writing {
        c01_an_applied_changeset_is_visible_in_all_its_parts,
    }
    1 refusals {
        c01_a_refused_changeset_leaves_nothing_behind,
    }
    2 writing {
        c02_sending_a_changeset_again_answers_replayed_and_writes_nothing,
        c02_a_changeset_is_recognised_however_far_the_version_has_moved,
        c02_a_changeset_is_recognised_by_its_order_too,
        c02_another_changeset_at_the_same_version_is_no_replay,
    }
    2 refusals {
        c02_a_replay_is_noticed_before_anything_else,
    }
    3 refusals {
        c03_the_first_check_that_fails_is_the_answer,
    }
    4 writing {
        c04_the_version_rises_by_the_number_of_rows,
        c04_another_version_than_expected_is_a_conflict,
    }
    5 writing {
        c05_without_rows_only_work_and_the_notified_number_are_written,
        c05_without_rows_the_version_does_not_matter,
        c05_without_rows_the_revision_matters,
        c05_the_notified_number_never_comes_back_from_an_older_read,
    }
    6 keys {
        c06_a_taken_idempotency_key_answers_with_its_record,
        c06_idempotency_keys_are_told_apart_by_user_and_to_the_letter,
        c06_idempotency_keys_outlive_everything,
    }
    7 keys {
        c07_command_keys_are_unique_within_an_order,
        c07_the_first_key_that_is_taken_is_the_one_told_of,
        c07_command_keys_of_other_orders_are_free,
    }
    8 redemptions {
        c08_a_redemption_is_refused_once_all_uses_are_taken,
        c08_a_redemption_given_back_is_free_again,
        c08_an_order_holds_a_redemption_once_however_often_it_takes_it,
        c08_giving_back_what_is_not_held_frees_nothing,
        c08_redemptions_are_counted_by_name_and_held_against_the_takers_limit,
        c08_redemptions_of_one_changeset_are_taken_all_or_none,
    }
    9 keys {
        c09_order_numbers_are_unique,
        c09_order_numbers_never_change,
    }
    10 concurrency {
        c10_of_many_orders_with_one_key_one_is_made,
        c10_of_many_changesets_at_one_version_one_is_applied,
        c10_of_many_takers_as_many_succeed_as_there_are_uses,
        c10_of_many_orders_with_one_number_one_is_made,
        c10_a_refused_changeset_does_not_touch_those_beside_it,
        c10_one_changeset_sent_many_times_at_once_is_applied_once,
    }
    11 work {
        c11_only_the_holder_of_the_lease_may_change_the_item,
        c11_a_revision_other_than_the_one_seen_is_a_conflict,
        c11_a_lease_that_ran_out_counts_until_it_is_taken,
        c11_without_an_item_every_fence_is_stale,
    }
    12 work {
        c12_waking_creates_the_item,
        c12_waking_pulls_the_due_time_forward_and_never_back,
        c12_waking_keeps_the_lease_the_runs_and_the_tries,
        c12_waking_makes_a_stuck_item_due_again,
    }
    13 work {
        c13_every_change_raises_the_revision_by_one,
    }
    14 leasing {
        c14_due_items_are_given_soonest_first,
        c14_an_item_is_due_by_the_stores_clock,
        c14_a_lease_runs_out_by_the_stores_clock,
        c14_a_taker_is_told_what_the_stores_clock_says,
        c14_an_extended_lease_runs_from_then_on,
        c14_one_orders_item_is_given_before_it_is_due,
        c14_runs_are_counted_by_who_begins_and_forgotten_by_who_gives_back,
        c14_a_taker_is_told_whether_the_lease_was_taken_over,
        c14_the_placers_lease_keeps_others_away,
        c14_leased_orders_come_whole,
        c14_many_takers_get_each_item_once,
        c14_a_taker_is_told_in_how_long_there_is_more,
        c14_the_summary_counts_what_there_is,
    }
    15 leasing {
        c15_done_removes_the_item,
        c15_a_stuck_item_is_never_given_until_woken,
    }
    16 reading {
        c16_an_order_is_loaded_as_it_was_committed,
        c16_every_record_can_change_come_and_go,
        c16_what_an_order_comes_to_have_changes_record_by_record,
        c16_every_state_there_is_can_be_stored,
        c16_an_order_is_found_by_id_by_number_and_by_key,
        c16_only_its_owner_sees_an_order,
        c16_an_order_is_loaded_with_its_work_item,
    }
    17 listing {
        c17_pages_show_every_order_once_in_order,
        c17_filters_are_applied_by_the_store,
        c17_every_filter_finds_what_it_asks_for_and_nothing_else,
        c17_what_no_store_serves_is_refused,
        c17_what_somebody_has_seen_is_not_stuck,
        c17_some_orders_may_be_passed_over,
        c17_matches_are_counted_up_to_what_was_asked,
        c17_a_foreign_cursor_is_refused,
        c17_a_list_without_matches_is_empty,
    }
    18 reading {
        c18_the_journal_comes_in_sequence,
        c18_the_row_of_a_command_key_is_found,
        c18_the_journal_keeps_every_part_of_a_row,
        c18_the_journal_keeps_no_personal_data_of_events,
    }
    19 values {
        c19_texts_come_back_as_they_went_in,
        c19_texts_of_work_items_come_back_as_they_went_in,
        c19_keys_and_names_come_back_as_they_went_in,
        c19_times_come_back_to_the_microsecond,
        c19_amounts_and_counts_come_back_exactly,
    }
    20 whole {
        c20_every_row_is_fed_once_and_in_the_order_of_commits,
        c20_the_feed_goes_on_after_every_row,
        c20_an_end_of_the_feed_is_where_later_rows_begin,
        c20_only_what_was_applied_with_rows_is_fed,
        c20_who_follows_many_writers_misses_nothing,
        c20_a_page_without_room_or_beyond_all_bounds_is_refused,
    }
    21 whole {
        c21_another_stores_cursor_is_refused,
        c21_a_cursor_that_was_never_given_out_is_refused,
        c21_a_cursor_of_another_past_is_refused,
    }
    22 whole {
        c22_orders_are_dumped_with_their_journal_and_keys,
        c22_pages_of_a_dump_follow_each_other_by_id,
    }
    23 whole {
        c23_what_was_dumped_is_restored_as_it_is,
        c23_a_restored_order_recognises_the_changesets_it_was_made_by,
    }
    24 erasing {
        c24_redaction_erases_the_notes_of_all_rows_before_it,
        c24_redaction_takes_what_is_personal_off_the_order,
        c24_only_the_changeset_that_redacts_erases,
        c24_nothing_brings_back_what_was_erased,
        c24_a_refused_redaction_erases_nothing,
    }
    25 unreadable {
        c25_an_order_that_cannot_be_read_hides_no_other_from_a_list,
        c25_an_order_that_cannot_be_read_is_leased_and_set_aside_alone,
        c25_an_order_that_cannot_be_read_is_named_by_a_dump,
        c25_a_row_that_cannot_be_read_stands_in_its_place_in_the_feed,
        c25_loading_what_cannot_be_read_fails_and_writing_to_others_does_not,
    }
}

#[cfg(test)]
mod tests {
    use super::CASES;

    #[test]
    fn every_clause_has_a_case_and_every_case_its_number() {
        for clause in 1..=25u8 {
            assert!(
                CASES.iter().any(|(number, _)| *number == clause),
                "clause {clause} has no case"
            );
        }
        for (clause, name) in CASES {
            assert!(
                name.starts_with(&format!("c{clause:02}_")),
                "{name} stands under clause {clause}"
            );
        }
    }
}
