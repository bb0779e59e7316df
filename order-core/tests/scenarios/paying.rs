//! Paying an order again while something else about it changes.

use std::time::Duration;

use order_core::ids::OrderId;
use order_core::manager::{CommandOptions, RetryPayment};
use order_core::money::{Currency, Minor, Money};
use order_core::order::{Event, LineUnits, OperationKind};
use order_core::policy::Policy;
use order_core::rules::Command;
use order_core::services::InventoryCapabilities;
use order_core::testkit::services::{Fault, Method};

use super::world::*;

/// An order by invoice, half of which has left; the stock for the other half is gone, and that is
/// found out just when it is paid by card, all or in part.
fn paid_while_its_stock_is_gone(amount: Option<Minor>) -> (World, OrderId) {
    let lifetime = Duration::from_secs(10 * 60);
    let world = World::with(
        InventoryCapabilities::IDEAL,
        Some(lifetime),
        Policy::default(),
    );
    let id = world.place(&[1, 2], "INVOICE").id;
    let ship = Command::Ship {
        shipment: None,
        lines: vec![LineUnits { line: 1, units: 2 }],
        carrier: None,
        tracking: None,
    };
    let options = CommandOptions::default;
    world
        .runtime
        .block_on(
            world
                .manager
                .execute(&operator(), id.into(), ship, options()),
        )
        .unwrap();
    world.work();
    world.inventory.set(Method::Reserve, Some(Fault::NotDone));
    for _ in 0..12 {
        world.advance(Duration::from_secs(60));
    }
    let out_of_stock = Fault::Decline("OUT_OF_STOCK".into());
    world.inventory.set(Method::Reserve, Some(out_of_stock));
    let retry = RetryPayment {
        amount: amount.map(|minor| Money::new(minor, Currency::USD)),
        method: "CARD".into(),
        ..RetryPayment::default()
    };
    let principal = operator();
    let paid = world
        .manager
        .retry_payment(&principal, id.into(), retry, options());
    world.runtime.block_on(paid).unwrap();
    for _ in 0..30 {
        world.advance(Duration::from_secs(60));
    }
    (world, id)
}

/// The requests to the provider, oldest first.
fn asked(world: &World) -> Vec<(OperationKind, Minor)> {
    let of = |ledger: &[order_core::testkit::services::LedgerPayment]| {
        ledger.iter().map(|p| (p.kind, p.amount.minor)).collect()
    };
    world.payment.inner().with_ledger(of)
}

#[test]
fn a_card_is_charged_for_what_is_left_of_the_order_when_its_stock_turns_out_to_be_gone() {
    let (world, id) = paid_while_its_stock_is_gone(None);
    assert!(world.events(id).contains(&"LINES_CANCELLED"));
    assert_eq!(world.order(id).owed(), 2_490);
    assert_eq!(asked(&world), [(OperationKind::Charge, 2_490)]);
}

#[test]
fn what_an_order_owes_is_written_down_before_money_is_asked_for() {
    let (world, id) = paid_while_its_stock_is_gone(Some(1_000));
    assert_eq!(asked(&world), [(OperationKind::Charge, 1_000)]);
    let journal = world.store.inner.journal_of(id);
    let changeset = |wanted: fn(&Event) -> bool| {
        let row = journal.iter().find(|row| wanted(&row.event));
        row.expect("it happened").changeset
    };
    assert_ne!(
        changeset(|event| matches!(event, Event::LinesCancelled { .. })),
        changeset(|event| matches!(event, Event::PaymentSettled { .. })),
        "the payment rests on what was committed before"
    );
}
