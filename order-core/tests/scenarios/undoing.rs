//! Cancelling, expiring, and money that arrives too late.

use std::time::Duration;

use order_core::manager::CommandOptions;
use order_core::money::{Currency, Money};
use order_core::order::{AttentionReason, OperationState, PaymentStatus, Status};
use order_core::rules::{Command, PaymentReport};
use order_core::runtime::Runtime;
use order_core::testkit::services::{Fault, Method};

use super::world::*;

#[test]
fn cancelling_a_confirmed_order_gives_back_stock_and_money_and_twice_is_a_success() {
    let world = World::new();
    let order = world.place(&[1, 2], "CARD");
    let order = world.cancel(order.id);
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Cancelled, PaymentStatus::Refunded)
    );
    let version = world.cancel(order.id).version;
    assert_eq!(version, order.version);
    world.work();
    assert_eq!(world.books(), (0, 0));
}

#[test]
fn cancelling_an_authorized_order_voids() {
    let world = World::new();
    let order = world.place(&[1], "LATER");
    let order = world.cancel(order.id);
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Cancelled, PaymentStatus::Voided)
    );
    assert_eq!(world.books(), (0, 0));
}

#[test]
fn a_refund_that_is_refused_is_tried_again_and_shown() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world
        .payment
        .push(Method::Refund, Fault::Decline("TRY_LATER".into()));
    world.cancel(order.id);
    world.advance(Duration::from_secs(60));
    let order = world.order(order.id);
    assert_eq!(order.statuses.status, Status::Cancelled);
    assert!(order.has_attention(AttentionReason::RefundFailed));
    assert_eq!(world.books(), (0, 0));
}

#[test]
fn an_action_that_the_customer_never_takes_is_given_up_and_the_order_expires() {
    let world = World::new();
    let order = world.place(&[1], "ACTION");
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Pending, PaymentStatus::ActionRequired)
    );
    world.advance(Duration::from_secs(31 * 60));
    world.advance(Duration::from_secs(60));
    let order = world.order(order.id);
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Expired, PaymentStatus::Voided)
    );
    assert_eq!(world.books(), (0, 0));
}

#[test]
fn a_capture_that_arrives_on_a_cancelled_order_goes_back() {
    let world = World::new();
    let order = world.place(&[1], "PENDING");
    let key = world.payment.inner().with_ledger(|l| l[0].key);
    // The provider had captured it already, and says so only after our void was answered.
    world.payment.set(
        Method::Void,
        Some(Fault::Decline("ALREADY_CAPTURED".into())),
    );
    world.payment.set(Method::LookUp, Some(Fault::NotDone));
    world.cancel(order.id);
    assert_eq!(world.order(order.id).statuses.status, Status::Cancelling);
    let report = world.payment.inner().settle(key, true).unwrap();
    world.payment.clear();
    world
        .runtime
        .block_on(
            world
                .manager
                .record_payment(&operator(), order.id.into(), report),
        )
        .unwrap();
    world.advance(Duration::from_secs(3600));
    let order = world.order(order.id);
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Cancelled, PaymentStatus::Refunded)
    );
    assert_eq!(world.books(), (0, 0));
}

#[test]
fn a_report_that_fits_nothing_is_kept_and_a_repeat_of_it_is_not_news() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let report = PaymentReport {
        key: None,
        reference: "someone-elses".parse().unwrap(),
        parent: None,
        status: OperationState::Captured,
        amount: Money::new(5, Currency::USD),
    };
    let tell = || {
        world
            .runtime
            .block_on(
                world
                    .manager
                    .record_payment(&operator(), order.id.into(), report.clone()),
            )
            .unwrap()
    };
    let first = tell();
    assert_eq!(first.unmatched.len(), 1);
    assert!(first.has_attention(AttentionReason::UnexpectedReport));
    assert_eq!(tell().version, first.version);
}

#[test]
fn what_only_the_engine_says_of_a_payment_is_refused_as_a_providers_report() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    for status in OperationState::ALL.iter().filter(|s| !s.is_a_providers()) {
        let report = PaymentReport {
            key: None,
            reference: order.payments[0].reference.clone().unwrap(),
            parent: None,
            status: *status,
            amount: Money::new(0, Currency::USD),
        };
        let principal = operator();
        let told = world
            .manager
            .record_payment(&principal, order.id.into(), report);
        let refused = world.runtime.block_on(told).unwrap_err().to_string();
        let why = format!("{status} is not a provider's");
        assert!(refused.contains(&why), "{refused}");
    }
    assert_eq!(world.order(order.id).version, order.version);
}

#[test]
fn a_late_failure_never_hides_a_success() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let reference = order.payments[0].reference.clone().unwrap();
    let amount = order.in_currency(order.amounts.total);
    let report = PaymentReport {
        key: None,
        reference,
        parent: None,
        status: OperationState::Declined,
        amount,
    };
    let order = world
        .runtime
        .block_on(
            world
                .manager
                .record_payment(&operator(), order.id.into(), report),
        )
        .unwrap();
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Confirmed, PaymentStatus::Paid)
    );
    assert!(order.has_attention(AttentionReason::UnexpectedReport));
}

#[test]
fn a_caller_who_hangs_up_does_not_stop_a_cancellation() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world
        .payment
        .push(Method::Refund, Fault::Late(Duration::from_secs(3)));
    let principal = operator();
    let cancelled = world.manager.execute(
        &principal,
        order.id.into(),
        Command::Cancel,
        CommandOptions::default().with_notes("changed my mind"),
    );
    let hang_up = world.runtime.sleep(Duration::from_secs(1));
    world
        .runtime
        .block_on(futures_util::future::select(Box::pin(cancelled), hang_up));
    assert_eq!(world.order(order.id).statuses.status, Status::Cancelling);
    // Less than a lease: nobody else could have taken it over.
    world.runtime.advance(Duration::from_secs(3));
    world.runtime.run_until_idle();
    assert_eq!(world.order(order.id).statuses.status, Status::Cancelled);
    assert_eq!(world.books(), (0, 0));
}
