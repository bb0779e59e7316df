//! The rejection of an order that was accepted and came to nothing.

use super::{Env, possible};
use crate::error::{Rejection, RejectionReason};
use crate::order::{OperationState, Order, Reservation, ReservationState, Shortage, Status};
use crate::policy::Policy;
use crate::services::{InventoryCapabilities, PaymentCapabilities};

/// Returns why placing, or paying again, came to nothing: stock was refused, payment declined, or
/// nobody paid in time. `None` for every other order, a cancelled one included: that is what
/// somebody asked for.
///
/// A provider's reason is repeated only where it is a code, never where it is a text.
pub fn failure(order: &Order) -> Option<Rejection> {
    let mut shortages = Vec::new();
    let (reason, why) = match order.statuses.status {
        Status::Rejected => {
            let (refused, unsure) = (missing(order), unsure(order));
            let mut why = Vec::new();
            if !refused.is_empty() {
                why.push(format!("out of stock ({})", list(&refused)));
            }
            if !unsure.is_empty() {
                let what = "the inventory did not say for certain that it set stock aside";
                why.push(format!("{what} ({})", list(&unsure)));
            }
            shortages = [refused, unsure].concat();
            (
                RejectionReason::OutOfStock,
                format!("was rejected: {}", why.join(", and ")),
            )
        }
        Status::PaymentFailed => {
            let method = &order.payment_method;
            (
                RejectionReason::PaymentDeclined,
                format!(
                    "is not paid: payment by {method} {}",
                    what_became_of_it(order)
                ),
            )
        }
        Status::Expired => (
            RejectionReason::OrderExpired,
            "expired: nobody paid in time".to_owned(),
        ),
        Status::Pending
        | Status::Confirmed
        | Status::Processing
        | Status::PartiallyShipped
        | Status::Shipped
        | Status::PartiallyDelivered
        | Status::Delivered
        | Status::Completed
        | Status::Cancelling
        | Status::Cancelled => return None,
    };
    // Nothing that is possible on such an order depends on the shop's settings.
    let policy = Policy::default();
    let env = Env {
        now: order.updated_at,
        clock: order.updated_at,
        policy: &policy,
        inventory: InventoryCapabilities::PLATFORM,
        payment: PaymentCapabilities::IDEAL,
        notify: false,
    };
    Some(Rejection {
        order: Some((order.id, order.number)),
        shortages,
        possible: possible(order, &env),
        ..Rejection::new(reason, format!("order {} {why}", order.number))
    })
}

/// Says what became of the last attempt to pay.
fn what_became_of_it(order: &Order) -> String {
    let last = order.payments.iter().rev().find(|p| p.is_attempt());
    match last {
        Some(p) if p.state == OperationState::NeverHappened => "never happened".to_owned(),
        last => {
            let code = last
                .and_then(|p| p.code.as_deref())
                .filter(|code| is_code(code));
            format!("was declined ({})", code.unwrap_or("no reason given"))
        }
    }
}

fn missing(order: &Order) -> Vec<Shortage> {
    let refused = order
        .reservations
        .iter()
        .filter(|r| r.round == order.round && r.state == ReservationState::Refused);
    refused
        .map(|r| Shortage {
            sku: r.sku.clone(),
            requested: r.quantity,
            available: r.available,
        })
        .collect()
}

/// Returns the SKUs of which nobody knows whether they were set aside: asked for as often as the
/// shop allows, and never answered for certain.
fn unsure(order: &Order) -> Vec<Shortage> {
    let of_round = || order.reservations.iter().filter(|r| r.round == order.round);
    let is_last = |r: &Reservation| {
        of_round()
            .rfind(|last| last.sku == r.sku)
            .is_some_and(|last| last.n == r.n)
    };
    of_round()
        .filter(|r| r.state == ReservationState::Suspect && is_last(r))
        .map(|r| Shortage {
            sku: r.sku.clone(),
            requested: r.quantity,
            available: None,
        })
        .collect()
}

fn list(shortages: &[Shortage]) -> String {
    shortages
        .iter()
        .map(in_words)
        .collect::<Vec<_>>()
        .join("; ")
}

fn in_words(shortage: &Shortage) -> String {
    let Shortage {
        sku,
        requested,
        available,
    } = shortage;
    match available {
        Some(available) => format!("{sku} requested {requested}, available {available}"),
        None => format!("{sku} requested {requested}"),
    }
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "testkit")]
    #[test]
    fn a_failed_payment_is_told_with_the_providers_code_or_that_it_never_happened() {
        use crate::order::OperationKind;
        use crate::testkit::orders::{payment, plain};
        let told = |state, code: Option<&str>| {
            let mut charge = payment(1, OperationKind::Charge, state);
            charge.code = code.map(str::to_owned);
            let mut order = plain(1);
            order.payments = vec![charge];
            order.statuses.status = Status::PaymentFailed;
            let said = failure(&order).unwrap().message;
            said.split_once(" is not paid: ").unwrap().1.to_owned()
        };
        use OperationState as S;
        for (state, code, expected) in [
            (S::Declined, Some("NO_FUNDS"), "was declined (NO_FUNDS)"),
            (
                S::Declined,
                Some("Jane has no funds"),
                "was declined (no reason given)",
            ),
            (S::NeverHappened, None, "never happened"),
        ] {
            let told = told(state, code);
            assert!(told.ends_with(expected), "{told}");
        }
    }

    #[test]
    fn a_shortage_is_told_with_what_there_is_if_that_is_known() {
        let shortage = |available| Shortage {
            sku: "MUG-01".parse().unwrap(),
            requested: 3,
            available,
        };
        assert_eq!(
            in_words(&shortage(Some(1))),
            "MUG-01 requested 3, available 1"
        );
        assert_eq!(in_words(&shortage(None)), "MUG-01 requested 3");
    }

    #[test]
    fn a_providers_code_is_told_apart_from_its_words() {
        for code in ["DECLINED", "insufficient_funds", "51", "card.expired-2"] {
            assert!(is_code(code), "{code}");
        }
        for words in [
            "",
            "card of Jane Doe declined",
            "see https://bank.example",
            "Übertrag",
            &"x".repeat(65),
        ] {
            assert!(!is_code(words), "{words}");
        }
    }
}
