//! Clause 19: values at the edge of what is allowed.

use std::collections::BTreeMap;

use super::StoreFactory;
use super::support::*;
use crate::order::{
    Actor, Address, Addresses, Closing, ClosingKind, CustomerAction, Event, Op, OperationKind,
    OperationState, Order, PaymentOperation, Reservation, UnmatchedPayment,
};
use crate::store::{Lookup, OrderStore, Tries, Try, WorkChange};
use crate::testkit::orders::*;
use crate::text::Private;
use crate::time::Timestamp;

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "  spaces around  ",
        "O'Brien said \"hello\" and \\n",
        "'; DROP TABLE orders;--",
        "tab\there\nnew line\r\nand another",
        "🦀 👩‍👩‍👧‍👦 🇩🇪",
        "é is not e\u{301}",
        "漢字 العربية עברית ไทย",
        "NULL",
        "null",
        "0",
        "1e999",
        "{\"json\": [1, null, \"x\"]}",
        "\\x41 \\u0041 %41 &amp; <b>",
        "%s ? ?1 :name $1 @p",
        "\u{feff}\u{fffd}\u{10ffff}",
    ]
    .map(String::from)
    .into();
    texts.push("long ".repeat(400));
    texts.push("🦀".repeat(2000));
    texts
}

pub(super) async fn c19_texts_come_back_as_they_went_in<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    for (n, text) in (1..).zip(texts()) {
        let written = || text.clone();
        let address = Address {
            first_name: written(),
            last_name: written(),
            address_line1: written(),
            address_line2: Some(written()),
            city: written(),
            state: written(),
            postal_code: written(),
            country: written(),
            phone: Some(written()),
            email: Some(written()),
        };
        let mut order = full(n);
        order.addresses = Private(Some(Addresses {
            shipping: address.clone(),
            billing: address.clone(),
        }));
        order.notes = Private(Some(written()));
        order.lines[0].name = written();
        order.holds[0].placed_by = Actor::Operator(written());
        order.redemptions[0].name = written();
        order.shipments[1].carrier = Some(written());
        order.shipments[1].tracking = Some(written());
        order.edits[1].plan.added[0].name = written();
        order.edits[1].address = Private(Some(address.clone()));
        order
            .metadata
            .0
            .get_or_insert_default()
            .insert(crate::testkit::orders::text("written"), written());
        let payment = &mut order.payments[3];
        payment.code = Some(written());
        payment.token = Private(Some(written()));
        payment.return_url = Private(Some(written()));
        payment.action = Private(Some(CustomerAction {
            url: written(),
            data: Some(written()),
        }));
        let order = round_trips(&store, place_in(order, 2)).await;
        let mut changeset = amend(&order, |_| {});
        changeset.journal[0].notes = Some(written());
        changeset.journal[0].cause = written();
        changeset.journal[0].actor = Actor::Service(written());
        changeset.journal[0].event = Event::StockRefused {
            n: 1,
            available: None,
            code: written(),
        };
        round_trips(&store, changeset).await;
    }
}

pub(super) async fn c19_texts_of_work_items_come_back_as_they_went_in<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, mut revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(5)))).await;
    for text in texts() {
        let tried = |count, stuck| Try {
            count,
            next_at: at(-1),
            error: text.clone(),
            clear: count == 0,
            quiet_at: at(5),
            stuck,
        };
        let tries = Tries(BTreeMap::from([
            (
                Op::Reservation(u32::MAX),
                tried(u32::MAX, Some(text.clone())),
            ),
            (Op::Payment(1), tried(0, None)),
            (
                Op::Notice(u64::from(u32::MAX) + 1),
                tried(1, Some(String::new())),
            ),
        ]));
        let change = WorkChange::Extend {
            fence: fence(1),
            revision,
            ttl: seconds(10),
            tries: tries.clone(),
        };
        (_, revision) = commit(&store, work(&order, change)).await;
        assert_eq!(item(&store, order.id).await.tries, tries);
    }
}

pub(super) async fn c19_keys_and_names_come_back_as_they_went_in<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let printable = texts()
        .into_iter()
        .filter(|text| text.parse::<crate::ids::Name>().is_ok());
    for (n, name) in (1..).zip(printable.chain(["🦀".repeat(50)])) {
        let mut order = full(n);
        order.payment_method = text(&name);
        order.shipping_method = Some(text(&name));
        order.coupon = Some(text(&name));
        order.lines[0].sku = text(&name);
        order.reservations[0].sku = text(&name);
        order.reservations[0].reference = Some(text(&name));
        order.payments[0].method = text(&name);
        order.payments[0].reference = Some(text(&name));
        order.unmatched[0].reference = text(&name);
        order.holds[0].kind = text(&name);
        order.disputes[0].reference = text(&name);
        order.edits[1].plan.added[0].sku = text(&name);
        order.metadata = Private(Some(
            [(text(&name), "named".into()), (text("x"), String::new())].into(),
        ));
        round_trips(&store, place_in(order, 2)).await;
    }
}

pub(super) async fn c19_times_come_back_to_the_microsecond<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let times = [
        "0001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
    ];
    let times = times
        .into_iter()
        .chain(["2038-01-19T03:14:08.123457Z", "9999-12-31T23:59:59.999999Z"]);
    for (n, time) in (1..).zip(times.map(|time| time.parse::<Timestamp>().unwrap())) {
        let mut order = full(n);
        order.placing_deadline = time;
        order.retry_until = Some(time);
        order.created_at = time;
        order.updated_at = time;
        order.completed_at = Some(time);
        order.cancelled_at = Some(time);
        order.confirmed_at = Some(time);
        order.stuck_retried_at = Some(time);
        order.redacted_at = Some(time);
        order.holds[0].until = Some(time);
        order.attention[0].since = time;
        for line in &mut order.lines {
            (line.created_at, line.updated_at) = (time, time);
        }
        for reservation in &mut order.reservations {
            (
                reservation.created_at,
                reservation.updated_at,
                reservation.expires_at,
            ) = (time, time, Some(time));
        }
        for payment in &mut order.payments {
            (payment.created_at, payment.updated_at) = (time, time);
            (payment.capture_before, payment.deadline) = (Some(time), Some(time));
        }
        for shipment in &mut order.shipments {
            (shipment.created_at, shipment.updated_at) = (time, time);
            (shipment.shipped_at, shipment.delivered_at) = (Some(time), Some(time));
            shipment.lost_at = Some(time);
        }
        for returned in &mut order.returns {
            (returned.created_at, returned.updated_at) = (time, time);
        }
        order.credits[0].at = time;
        (order.disputes[0].opened_at, order.disputes[0].closed_at) = (time, Some(time));
        for edit in &mut order.edits {
            (edit.created_at, edit.updated_at, edit.deadline) = (time, time, time);
        }
        let order = round_trips(&store, place_in(order, 2).working(wake(time))).await;
        assert!(
            journal(&store, order.id)
                .await
                .iter()
                .all(|row| row.at == time)
        );
        assert_eq!(item(&store, order.id).await.due, Some(time));
    }
}

pub(super) async fn c19_amounts_and_counts_come_back_exactly<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    // The largest order there is: 100 lines of 10,000 units at 10^12 minor units each.
    let mut largest = plain(1);
    let line = largest.lines[0].clone();
    largest.lines.clear();
    for n in 1..=100 {
        let mut line = line.clone();
        line.n = n;
        line.id = plain(1000 + u64::from(n)).lines[0].id;
        line.quantity = 10_000;
        line.unit_price = 1_000_000_000_000;
        line.subtotal = 10_000 * line.unit_price;
        (line.lots[0].units, line.lots[0].subtotal) = (line.quantity, line.subtotal);
        largest.amounts.subtotal += line.subtotal;
        largest.lines.push(line);
    }
    largest.amounts.subtotal -= line.subtotal;
    largest.amounts.total = largest.amounts.subtotal;
    round_trips(&store, place(largest)).await;

    // What outside says is not ours to bound.
    let mut order = full(2);
    order.redemptions[0].limit = u32::MAX;
    order.round = u32::MAX;
    order.reservations[2].available = Some(u32::MAX);
    let closing = Closing {
        serial: u32::MAX,
        kind: ClosingKind::Commit,
        units: u32::MAX,
        committed: false,
        unknown: false,
    };
    order.reservations[1] = Reservation {
        quantity: u32::MAX,
        committed: u32::MAX,
        released: u32::MAX,
        replaces: Some(u32::MAX),
        closing: Some(closing),
        closings: u32::MAX,
        ..order.reservations[1].clone()
    };
    order.lines[0].counters.restocked = u32::MAX;
    order.lines[0].counters.lost = u32::MAX;
    order.lines[0].lots[0].credit = 9_007_199_254_740_993;
    order.shipments[0].lines[0].units = u32::MAX;
    order.returns[0].lines[0].scrapped = u32::MAX;
    order.credits[0].amount = i64::MAX;
    order.credits[1].line = Some(u32::MAX);
    (order.disputes[0].amount, order.disputes[0].payment) = (i64::MAX, Some(u32::MAX));
    (order.edits[1].due, order.edits[1].payment) = (i64::MAX, Some(u32::MAX));
    order.edits[1].plan.raised[0].lot.subtotal = 9_007_199_254_740_993;
    for (i, amount) in [i64::MAX, i64::MIN, 0, -1, 9_007_199_254_740_993]
        .into_iter()
        .enumerate()
    {
        let reference = text(&format!("pay_{i}"));
        let status = OperationState::Captured;
        order.unmatched.push(UnmatchedPayment {
            reference,
            parent: None,
            status,
            amount,
            currency: text("KWD"),
        });
    }
    order.payments.push(PaymentOperation {
        settled: 9_007_199_254_740_993,
        ..payment(6, OperationKind::Charge, OperationState::Captured)
    });
    let order = round_trips(&store, place_in(order, 2)).await;
    for amount in [i64::MAX, i64::MIN, 9_007_199_254_740_993] {
        let mut changeset = amend(&load(&store, order.id).await.order, |_| {});
        let status = OperationState::Captured;
        changeset.journal[0].event = Event::PaymentReported {
            n: 1,
            status,
            amount,
            currency: order.currency,
            reference: None,
        };
        round_trips(&store, changeset).await;
    }

    for (n, currency) in (10..).zip(["JPY", "KWD", "EUR"]) {
        let order = Order {
            currency: text(currency),
            id: order_id(u64::MAX - n),
            ..plain(n)
        };
        let order = round_trips(&store, place(order)).await;
        assert!(
            store
                .load(Lookup::Number(order.number), None)
                .await
                .unwrap()
                .is_some()
        );
    }
}
