//! Whatever happened to an order, once the services answer again it comes to rest, in a bounded
//! number of rounds.

use std::time::Duration;

use order_core::order::{
    AttentionReason, Blocks, DisputeState, Lifecycle, Op, OperationState, Order,
};
use order_core::rules::{Call, Command, Next, Verb};
use proptest::prelude::*;

use super::invariants;
use super::journey::{Journey, Reply};
use super::shop::{placed_orders, shops};
use super::steps::{Step, replies, walks};
use super::walks::cases;

/// Rounds of calls at one point in time, of which the longest walks need about a third.
const ROUNDS_MAX: usize = 60;
/// Times the clock is moved to the next due time. Growing pauses reach their longest after a dozen.
const WAKES_MAX: usize = 60;

/// The healed world: every call is answered. What earlier calls came to that nobody heard of is
/// found by look-ups, and was decided by `truth`.
fn healed(truth: &[Reply]) -> impl Fn(&Order, Call) -> Reply + '_ {
    |order, call| match (call.op, call.verb) {
        (Op::Payment(n), Verb::LookUpPayment) => {
            let p = order.payment(n).expect("it exists");
            let waits = matches!(
                p.state,
                OperationState::ActionRequired | OperationState::Pending
            );
            match truth.get(n as usize % truth.len().max(1)) {
                // A customer who does not act, and a provider that at last says no.
                Some(Reply::Action) if p.state == OperationState::ActionRequired => Reply::Action,
                Some(Reply::No | Reply::Action) => Reply::No,
                // What the provider knew of a moment ago it does not forget.
                Some(Reply::Unknown) if !waits => Reply::Unknown,
                _ => Reply::Yes,
            }
        }
        (Op::Reservation(n), Verb::LookUpReservation) => {
            match truth.get(n as usize % truth.len().max(1)) {
                Some(Reply::No | Reply::Unknown) => Reply::Unknown,
                _ => Reply::Yes,
            }
        }
        _ => Reply::Yes,
    }
}

/// Works until nothing is due, and lets time pass from one due time to the next, until the order
/// rests.
fn come_to_rest(journey: &mut Journey, truth: &[Reply]) -> Next {
    let reply = healed(truth);
    let mut wakes = 0;
    loop {
        let plan = work_all(journey, &reply);
        let waits = invariants::waits_only_for_time(&journey.order, &plan, journey.now);
        match plan.wake {
            Some(at) if !waits => {
                wakes += 1;
                assert!(
                    wakes < WAKES_MAX,
                    "it wakes again and again: {plan:?}\n{:#?}",
                    journey.order
                );
                journey.now = at;
            }
            _ => return plan,
        }
    }
}

fn work_all(journey: &mut Journey, reply: &dyn Fn(&Order, Call) -> Reply) -> Next {
    for _ in 0..ROUNDS_MAX {
        if let Some(plan) = journey.work(&mut |order, call| reply(order, call)) {
            return plan;
        }
    }
    panic!(
        "it does not come to rest: {:?}\n{:#?}",
        journey.plan(),
        journey.order
    );
}

/// A person lifts what only a person can lift.
fn lift_holds(journey: &mut Journey) {
    while let Some(hold) = journey.order.holds.first() {
        let kind = hold.kind.clone();
        journey
            .command(&Command::ReleaseHold { kind })
            .expect("a hold that is placed can be released");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_order_comes_to_rest_once_the_world_heals(
        shop in shops(), placed in placed_orders(), steps in walks(25), truth in prop::collection::vec(replies(), 1..5),
    ) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        let plan = come_to_rest(&mut journey, &truth);
        let env = journey.shop.env(journey.now);
        invariants::at_rest(&journey.order, &plan, &env);
        if journey.order.lifecycle == Lifecycle::Pending && plan.stuck.is_empty() {
            // For a hold on it to be lifted, be it one that keeps a payment from being asked for
            // again, or for stock.
            let blocks = [Blocks::Confirm, Blocks::Capture].into_iter().any(|step| journey.order.is_blocked(step));
            let waits = blocks || backordered(&journey.order);
            prop_assert!(waits, "it waits for nobody: {:#?}", journey.order);
        }

        lift_holds(&mut journey);
        let plan = come_to_rest(&mut journey, &truth);
        decided(&journey, &plan);

        // Months later.
        journey.advance(Duration::from_secs(100 * 24 * 60 * 60));
        let plan = come_to_rest(&mut journey, &truth);
        decided(&journey, &plan);
    }

    #[test]
    fn an_order_without_surprises_is_decided_in_few_rounds(shop in shops(), placed in placed_orders(), all in any::<bool>()) {
        let mut journey = Journey::place(shop, &placed);
        let mut rounds = 0;
        while journey.work(&mut |_, call| if all || call.verb == Verb::Reserve { Reply::Yes } else { Reply::No }).is_none() {
            rounds += 1;
            if journey.order.lifecycle == Lifecycle::Confirmed && all {
                break;
            }
            prop_assert!(rounds < 30);
        }
        if all {
            prop_assert_eq!(journey.order.lifecycle, Lifecycle::Confirmed);
            prop_assert!(rounds <= journey.order.reservations.len() + 1, "{} rounds", rounds);
        }
    }

    #[test]
    fn a_cancelled_order_gives_everything_back(shop in shops(), placed in placed_orders(), before in 0usize..8) {
        let mut journey = Journey::place(shop, &placed);
        for _ in 0..before {
            journey.work(&mut |_, _| Reply::Yes);
        }
        let given_out = journey.order.lines.iter().any(|l| l.counters.shipped > 0);
        prop_assert_eq!(journey.command(&Command::Cancel).is_ok(), !given_out);
        if given_out {
            return Ok(());
        }
        prop_assert_eq!(journey.order.owed(), 0);
        let plan = come_to_rest(&mut journey, &[Reply::Yes]);
        prop_assert!(plan.is_done() && journey.order.attention.is_empty());
        prop_assert_eq!(journey.order.lifecycle, Lifecycle::Cancelled);
        let money = journey.order.money();
        prop_assert_eq!((money.captured - money.refunded, money.authorized), (0, 0));
    }

    #[test]
    fn a_crash_at_any_call_costs_no_second_charge(shop in shops(), placed in placed_orders(), at in 0usize..6) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&[Step::Work(std::iter::repeat_n(Reply::Yes, at).chain([Reply::Crash]).collect())]);
        let plan = come_to_rest(&mut journey, &[Reply::Yes]);
        if plan.stuck.is_empty() {
            let money = journey.order.money();
            prop_assert!(money.captured <= journey.order.amounts.total && money.authorized <= journey.order.amounts.total);
        }
    }
}

/// The state in which an order is left when nothing and nobody is waited for.
fn decided(journey: &Journey, plan: &Next) {
    let order = &journey.order;
    invariants::at_rest(order, plan, &journey.shop.env(journey.now));
    let at_its_end = matches!(
        order.lifecycle,
        Lifecycle::Confirmed
            | Lifecycle::PaymentFailed
            | Lifecycle::Cancelled
            | Lifecycle::Rejected
            | Lifecycle::Expired
            | Lifecycle::Completed
    );
    assert!(
        at_its_end || !order.attention.is_empty(),
        "{plan:?}\n{order:#?}"
    );
    if !at_its_end {
        // What is left to a person is told to one; it does not look finished to the work queue
        // while it is not.
        let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open);
        let waits = match order.lifecycle {
            Lifecycle::Pending => backordered(order),
            _ => over_refunded(order) || disputed,
        };
        assert!(!plan.stuck.is_empty() || waits, "{plan:?}\n{order:#?}");
    }
}

/// Returns true if it waits for stock that was paid for, or that may be held without proof.
fn backordered(order: &Order) -> bool {
    [
        AttentionReason::StockLost,
        AttentionReason::SuspectReservation,
    ]
    .iter()
    .any(|r| order.has_attention(*r))
}

fn over_refunded(order: &Order) -> bool {
    let money = order.money();
    money.refunded > money.captured
}
