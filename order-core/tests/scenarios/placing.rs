//! Placing and paying.

use std::sync::atomic::Ordering;
use std::time::Duration;

use order_core::error::{Error, RejectionReason};
use order_core::manager::{CommandOptions, PlaceOptions, RetryPayment};
use order_core::money::{Currency, Money};
use order_core::order::{Blocks, PaymentStatus, Status};
use order_core::rules::Command;
use order_core::services::InventoryCapabilities;

use super::world::*;

#[test]
fn an_order_of_three_products_is_confirmed_in_three_commits() {
    let world = World::new();
    let order = world.place(&[1, 2, 3], "CARD");
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Confirmed, PaymentStatus::Paid)
    );
    assert_eq!(order.amounts.total, 6000);
    world.work();
    // Accepted, concluded, told.
    assert_eq!(
        world.store.commits.load(Ordering::Relaxed) - 1,
        3,
        "one lease finds nothing left to do"
    );
    assert_eq!(world.books(), (6000, 6));
    assert_eq!(
        world.events(order.id),
        [
            "PLACED",
            "ARMED",
            "STOCK_HELD",
            "STOCK_HELD",
            "STOCK_HELD",
            "PAYMENT_CAPTURED",
            "CONFIRMED"
        ]
    );
    assert_eq!(world.notification.inner().with_log(|log| log.len()), 1);
    assert_eq!(
        world
            .runtime
            .block_on(world.manager.work_summary())
            .unwrap()
            .total,
        0
    );
}

#[test]
fn what_came_of_placing_is_a_success_only_while_the_order_may_be_confirmed() {
    let world = World::new();
    let outcome = |units, method| {
        let mut wanted = request(&[1], method);
        wanted.items[0].quantity = units;
        let placed = world.try_place(wanted, PlaceOptions::default()).unwrap();
        let order = placed.order.id;
        match placed.outcome() {
            Ok(accepted) => Ok((accepted.id == order, accepted.statuses.status)),
            Err(no) => {
                assert_eq!(no.order.map(|(id, _)| id), Some(order));
                Err(no.reason)
            }
        }
    };
    assert_eq!(outcome(1, "CARD"), Ok((true, Status::Confirmed)));
    assert_eq!(outcome(1, "PENDING"), Ok((true, Status::Pending)));
    assert_eq!(
        outcome(1, "DECLINED"),
        Err(RejectionReason::PaymentDeclined)
    );
    assert_eq!(outcome(11, "CARD"), Err(RejectionReason::OutOfStock));
}

#[test]
fn an_inventory_that_cannot_repeat_costs_one_commit_more_for_each_sku_but_the_first() {
    let world = World::with(InventoryCapabilities::PLATFORM, None, Default::default());
    let order = world.place(&[1, 2, 3], "CARD");
    assert_eq!(order.statuses.status, Status::Confirmed);
    world.work();
    assert_eq!(world.store.commits.load(Ordering::Relaxed) - 1, 5);
    assert_eq!(world.books(), (6000, 6));
}

#[test]
fn shipping_is_charged_below_the_threshold() {
    let order = World::new().place(&[1], "CARD");
    assert_eq!((order.amounts.shipping, order.amounts.total), (490, 2490));
}

#[test]
fn a_shortage_rejects_the_order_names_what_was_missing_and_charges_nothing() {
    let world = World::new();
    let mut wanted = request(&[1, 2], "CARD");
    wanted.items[1].quantity = 11;
    let order = world
        .try_place(wanted, PlaceOptions::default())
        .unwrap()
        .order;
    assert_eq!(order.statuses.status, Status::Rejected);
    world.work();
    assert_eq!(world.books(), (0, 0));
    let short = order.reservations.iter().find(|r| r.sku == sku(2)).unwrap();
    assert_eq!((short.quantity, short.available), (11, Some(10)));
    assert_eq!(order.redemptions, []);
}

#[test]
fn a_declined_payment_can_be_retried_with_another_method() {
    let world = World::new();
    let order = world.place(&[1], "DECLINED");
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::PaymentFailed, PaymentStatus::Failed)
    );
    world.work();
    assert_eq!(world.books(), (0, 0));
    let retry = RetryPayment {
        method: "CARD".into(),
        ..RetryPayment::default()
    };
    let operator = operator();
    let retried =
        world
            .manager
            .retry_payment(&operator, order.id.into(), retry, CommandOptions::default());
    let order = world.runtime.block_on(retried).unwrap().order;
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Confirmed, PaymentStatus::Paid)
    );
    assert_eq!(world.books(), (2490, 2));
}

#[test]
fn a_retry_after_the_window_is_refused() {
    let world = World::new();
    let order = world.place(&[1], "DECLINED");
    world.advance(Duration::from_secs(8 * 24 * 3600));
    let retry = RetryPayment {
        method: "CARD".into(),
        ..RetryPayment::default()
    };
    let operator = operator();
    let retried =
        world
            .manager
            .retry_payment(&operator, order.id.into(), retry, CommandOptions::default());
    match world.runtime.block_on(retried) {
        Err(Error::Rejected(r)) => assert_eq!(r.reason, RejectionReason::TooLate),
        other => panic!("{other:?}"),
    }
}

#[test]
fn invoice_orders_are_confirmed_by_stock_alone_and_later_payment_is_only_authorized() {
    let world = World::new();
    let invoiced = world.place(&[1], "INVOICE");
    assert_eq!(
        (invoiced.statuses.status, invoiced.statuses.payment),
        (Status::Confirmed, PaymentStatus::None)
    );
    let later = world.place(&[1], "LATER");
    assert_eq!(
        (later.statuses.status, later.statuses.payment),
        (Status::Confirmed, PaymentStatus::Authorized)
    );
    assert_eq!(world.books(), (0, 4));
}

#[test]
fn the_same_key_gives_the_same_order_and_another_request_under_it_is_refused() {
    let world = World::new();
    let options = PlaceOptions {
        key: Some("k1".parse().unwrap()),
        ..PlaceOptions::default()
    };
    let first = world
        .try_place(request(&[1], "CARD"), options.clone())
        .unwrap();
    let again = world
        .try_place(request(&[1], "CARD"), options.clone())
        .unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.order.id, again.order.id);
    assert!(matches!(
        world.try_place(request(&[2], "CARD"), options),
        Err(Error::KeyReused { .. })
    ));
    assert_eq!(world.books(), (2490, 2));
}

#[test]
fn a_hundred_concurrent_requests_with_one_key_make_one_order() {
    let world = World::new();
    let options = PlaceOptions {
        key: Some("k1".parse().unwrap()),
        ..PlaceOptions::default()
    };
    let principal = operator();
    let places = (0..100).map(|_| {
        world
            .manager
            .place(&principal, request(&[1], "CARD"), options.clone())
    });
    let answers = world
        .runtime
        .block_on(futures_util::future::join_all(places));
    let mut ids: Vec<_> = answers
        .into_iter()
        .map(|a| a.unwrap().order)
        .map(|o| (o.id, o.statuses.status))
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(ids[0].1, Status::Confirmed);
    assert_eq!(world.books(), (2490, 2));
}

#[test]
fn a_hundred_concurrent_orders_for_the_last_units_give_as_many_as_there_are() {
    let world = World::new();
    let principal = operator();
    let places = (0..100).map(|_| {
        world
            .manager
            .place(&principal, request(&[1], "CARD"), PlaceOptions::default())
    });
    let answers = world
        .runtime
        .block_on(futures_util::future::join_all(places));
    let confirmed = answers
        .iter()
        .filter(|a| a.as_ref().unwrap().order.statuses.status == Status::Confirmed)
        .count();
    assert_eq!(confirmed, 5, "10 units, 2 each");
    world.work();
    assert_eq!(world.books(), (5 * 2490, 10));
}

#[test]
fn another_total_than_expected_is_refused_before_anything_is_accepted() {
    let world = World::new();
    let options = PlaceOptions {
        expected_total: Some(Money::new(2489, Currency::USD)),
        ..PlaceOptions::default()
    };
    match world.try_place(request(&[1], "CARD"), options) {
        Err(Error::Rejected(r)) => assert_eq!(r.reason, RejectionReason::TotalChanged),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.store.commits.load(Ordering::Relaxed), 0);
}

#[test]
fn a_coupons_last_use_goes_to_one_order_and_comes_back_when_it_dies() {
    let world = World::new();
    let with_coupon = || {
        let mut wanted = request(&[1], "CARD");
        wanted.coupon_code = Some("ONCE".into());
        wanted
    };
    let order = world
        .try_place(with_coupon(), PlaceOptions::default())
        .unwrap()
        .order;
    assert_eq!(order.amounts.total, 2390);
    match world.try_place(with_coupon(), PlaceOptions::default()) {
        Err(Error::Rejected(r)) => assert_eq!(r.reason, RejectionReason::CouponExhausted),
        other => panic!("{other:?}"),
    }
    world.cancel(order.id);
    assert_eq!(
        world
            .try_place(with_coupon(), PlaceOptions::default())
            .unwrap()
            .order
            .statuses
            .status,
        Status::Confirmed
    );
}

#[test]
fn a_hold_keeps_a_paid_order_from_being_confirmed_until_it_is_lifted_or_lapses() {
    let world = World::new();
    let order = world.place(&[1], "PENDING");
    assert_eq!(order.statuses.payment, PaymentStatus::Pending);
    let kind = || "FRAUD_REVIEW".parse().unwrap();
    let none = CommandOptions::default;
    let principal = operator();
    let held = world.manager.execute(
        &principal,
        order.id.into(),
        Command::PlaceHold {
            kind: kind(),
            blocks: Some(Blocks::Confirm),
            until: None,
        },
        none(),
    );
    world.runtime.block_on(held).unwrap();
    let key = world.payment.inner().with_ledger(|l| l[0].key);
    let report = world.payment.inner().settle(key, true).unwrap();
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
        (Status::Pending, PaymentStatus::Paid)
    );
    world.advance(Duration::from_secs(3600));
    assert_eq!(world.order(order.id).statuses.status, Status::Pending);
    world
        .runtime
        .block_on(world.manager.execute(
            &operator(),
            order.id.into(),
            Command::ReleaseHold { kind: kind() },
            none(),
        ))
        .unwrap();
    assert_eq!(world.order(order.id).statuses.status, Status::Confirmed);
}
