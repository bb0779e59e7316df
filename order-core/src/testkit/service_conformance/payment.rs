//! The contract of [`PaymentService`] as tests.

mod answers;
mod bench;
mod keys;
mod operations;

use std::future::Future;

use uuid::Uuid;

use super::{Sandbox, suite};
use crate::ids::Name;
use crate::money::{Currency, Money};
use crate::services::PaymentService;
use crate::testkit::services::Outcome;
use crate::text::Private;

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    /// The payment method.
    pub method: Name,
    /// The token that the customer's browser would have got for it, if one is needed.
    pub token: Private<String>,
}

/// Access of the suite to a payment service.
pub trait PaymentFactory: Sandbox {
    /// The adapter under test.
    type Service: PaymentService;

    /// An adapter that nothing was asked of. The factory keeps what it needs, such as the mock's
    /// server, for as long as itself.
    fn fresh(&self) -> impl Future<Output = Self::Service>;

    /// A way to pay that comes out as wanted; there must be one that is approved.
    fn means(&self, wanted: Outcome) -> Option<Means>;

    /// Currencies that the provider takes; the first serves where only one is needed.
    fn currencies(&self) -> Vec<Currency> {
        ["USD", "JPY", "KWD"]
            .iter()
            .filter_map(|code| code.parse().ok())
            .collect()
    }

    /// The provider's own books, not the adapter's: the amount that was moved or set aside under a
    /// key each time that something took effect under it. Two entries are a customer who paid
    /// twice. `None` if the books cannot be read.
    fn books(&self, key: Uuid) -> impl Future<Output = Option<Vec<Money>>> {
        let _ = key;
        async { None }
    }
}

use bench::offered;

suite! { $ payment_conformance_tests payment PaymentFactory,
    needs [
        repeat look_up authorize capture_window decline pending action_required
        lose_next_answer refuse_next_connection answer_next pass books
    ]
    1 answers {
        c01_a_lost_answer_is_unknown [lose_next_answer],
        c01_a_lost_answer_to_a_capture_or_a_void_is_unknown [authorize lose_next_answer],
        c01_no_connection_is_never_a_refusal [refuse_next_connection],
        c01_a_failing_service_is_unknown [answer_next],
        c01_being_turned_away_is_never_a_refusal [answer_next],
        c01_an_answer_that_cannot_be_read_is_unknown [answer_next],
    }
    2 answers {
        c02_a_decline_says_why_and_moves_nothing [decline],
    }
    3 keys {
        c03_a_repeated_charge_has_one_effect_and_one_answer [repeat],
        c03_a_repeated_refund_has_one_effect_and_one_answer [repeat],
        c03_a_repeated_capture_or_void_has_one_effect_and_one_answer [repeat authorize],
        c03_a_charge_repeated_at_the_same_time_has_one_effect [repeat],
        c03_a_charge_repeated_after_a_lost_answer_has_one_effect [repeat lose_next_answer books],
        c03_a_key_with_another_amount_is_refused [repeat],
        c03_another_key_is_another_charge [],
    }
    4 keys {
        c04_a_key_is_honoured_as_long_as_claimed [repeat pass books],
    }
    5 keys {
        c05_what_just_happened_is_found [look_up],
        c05_what_just_happened_to_an_authorization_is_found [look_up authorize],
        c05_what_was_never_answered_is_found [look_up lose_next_answer],
        c05_a_key_that_was_never_used_is_not_found [look_up],
        c05_a_failed_look_up_is_an_error [look_up refuse_next_connection],
        c05_looking_changes_nothing [look_up books],
    }
    6 keys {
        c06_a_dropped_charge_is_repeated_with_one_effect [repeat books],
        c06_what_is_called_after_its_deadline_is_not_done [],
    }
    7 operations {
        c07_references_are_usable_and_no_two_attempts_share_one [],
    }
    8 operations {
        c08_amounts_come_back_in_minor_units [],
        c08_the_provider_books_what_was_asked [books],
    }
    9 operations {
        c09_a_charge_is_captured [],
        c09_an_authorization_sets_aside_and_takes_nothing [authorize],
        c09_a_pending_attempt_says_so [pending],
        c09_an_action_has_an_url [action_required],
    }
    10 operations {
        c10_captures_add_up_to_the_authorization [authorize],
        c10_more_than_was_authorized_is_refused_and_moves_nothing [authorize],
        c10_what_is_not_authorized_is_not_captured [authorize],
        c10_a_capture_after_its_time_is_declined [authorize capture_window pass],
    }
    11 operations {
        c11_a_voided_authorization_is_not_captured [authorize],
        c11_a_void_gives_up_the_rest_and_what_was_captured_stays [authorize],
        c11_what_was_all_captured_is_not_voided [authorize],
        c11_a_charge_is_not_voided_once_captured [],
        c11_a_pending_attempt_is_voided [pending],
    }
    12 operations {
        c12_refunds_add_up_to_the_charge [],
        c12_refunds_add_up_to_a_capture [authorize],
        c12_more_than_was_captured_is_refused_and_moves_nothing [],
        c12_what_was_not_captured_is_not_refunded [],
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
