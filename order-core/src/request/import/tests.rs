use serde_json::{Value, json};

use super::*;
use crate::order::{OperationOrigin, Order, ReservationState, Status};
use crate::rules::begin_imported;

const NOW: &str = "2026-01-01T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// Two lines: of the first one unit was cancelled and one came back; the second needs no shipping.
fn sample() -> Value {
    json!({
        "external_ref": "shop-1001",
        "user_id": "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33",
        "currency": "EUR",
        "status": "COMPLETED",
        "placed_at": "2024-03-01T10:00:00Z",
        "payment_method": "CREDIT_CARD",
        "shipping_method": "STANDARD",
        "items": [
            {"product_id": "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11", "sku": "MUG-01", "name": "Mug", "quantity": 4,
             "unit_price": "10.00", "tax": "4.00", "cancelled": 1},
            {"product_id": "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d12", "sku": "PDF-01", "name": "Book", "quantity": 1,
             "unit_price": "5.00", "discount": "1.00", "requires_shipping": false}
        ],
        "shipping_amount": "6.00",
        "discount": "4.40",
        "total": "49.60",
        "payments": [
            {"amount": "49.60", "reference": "ch_1", "captured_at": "2024-03-01T10:01:00Z", "refunds": [
                {"amount": "10.00", "reference": "re_1", "refunded_at": "2024-03-02T10:00:00Z"},
                {"amount": "10.00", "reference": "re_2", "refunded_at": "2024-03-20T10:00:00Z"}
            ]}
        ],
        "shipments": [
            {"lines": [{"line": 1, "quantity": 3}], "status": "DELIVERED", "carrier": "Post", "tracking": "RR 1",
             "shipped_at": "2024-03-03T10:00:00Z", "delivered_at": "2024-03-05T10:00:00Z"}
        ],
        "returns": [
            {"lines": [{"line": 1, "restocked": 1}], "requested_at": "2024-03-10T10:00:00Z", "closed_at": "2024-03-19T10:00:00Z"}
        ]
    })
}

/// The sample with `value` at a JSON pointer; `null` takes the field out.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut order = sample();
    for (path, value) in changes {
        let (parent, field) = path.rsplit_once('/').unwrap();
        let parent = order
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("{path}"));
        match parent {
            Value::Object(fields) => drop(fields.insert(field.into(), value.clone())),
            Value::Array(values) => values[field.parse::<usize>().unwrap()] = value.clone(),
            _ => panic!("{path}"),
        }
    }
    order
}

fn problems(order: &Value) -> Vec<String> {
    match ValidImport::read(&order.to_string(), now()) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn valid(order: &Value) -> (ValidImport, Order) {
    assert_eq!(problems(order), [""; 0]);
    let valid = ValidImport::read(&order.to_string(), now()).unwrap();
    let order = begin_imported(&valid.imported, now());
    (valid, order)
}

/// Asserts that with these changes the sample has one problem.
#[track_caller]
fn refused(changes: &[(&str, Value)], problem: &str) {
    let found = problems(&with(changes));
    assert!(
        found.len() == 1 && found[0].contains(problem),
        "{found:#?} is not {problem}"
    );
}

#[test]
fn a_historic_order_becomes_one_with_its_past() {
    let (import, order) = valid(&sample());
    assert_eq!(import.external_ref().as_str(), "shop-1001");
    assert!(!import.own_number);
    assert_eq!(
        (order.statuses.status, order.created_at),
        (Status::Completed, "2024-03-01T10:00:00Z".parse().unwrap())
    );
    assert_eq!(
        order.completed_at,
        Some("2024-03-20T10:00:00Z".parse().unwrap()),
        "the last that is known of it"
    );
    let money = order.money();
    assert_eq!(
        (money.owed, money.captured, money.refunded),
        (2960, 4960, 2000)
    );
    assert!(
        order
            .payments
            .iter()
            .all(|p| p.origin == OperationOrigin::Outside)
    );
    let c = order.lines[0].counters;
    assert_eq!(
        (c.cancelled, c.shipped, c.delivered, c.returned, c.restocked),
        (1, 3, 3, 1, 1)
    );
    let gone: Vec<_> = order
        .reservations
        .iter()
        .map(|r| (r.sku.as_str(), r.committed, r.state, r.is_elsewhere()))
        .collect();
    assert_eq!(
        gone,
        [
            ("MUG-01", 2, ReservationState::Committed, true),
            ("PDF-01", 1, ReservationState::Committed, true)
        ]
    );
}

#[test]
fn what_needs_no_shipping_was_given_out_and_may_have_come_back() {
    let (_, order) = valid(&sample());
    let c = order.lines[1].counters;
    assert_eq!((c.shipped, c.delivered, order.lines[1].open()), (1, 1, 0));

    let back = json!({"lines": [{"line": 2, "restocked": 1}], "closed_at": "2024-03-19T10:00:00Z"});
    let books = json!([{"lines": [{"line": 1, "restocked": 1}], "closed_at": "2024-03-19T10:00:00Z"}, back]);
    let refund = json!("13.60");
    let (import, order) = valid(&with(&[
        ("/returns", books),
        ("/payments/0/refunds/1/amount", refund),
    ]));
    assert_eq!(order.lines[1].counters.returned, 1);
    keeps_the_invariants(import, &order);

    let twice =
        json!([{"lines": [{"line": 2, "restocked": 2}], "closed_at": "2024-03-19T10:00:00Z"}]);
    refused(
        &[("/returns", twice)],
        "items[1].quantity: 2 came back of 1 that were delivered",
    );
}

#[test]
fn a_shipment_that_was_lost_is_gone_from_the_stock_also_of_an_order_that_was_cancelled() {
    let lost = json!({"lines": [{"line": 1, "quantity": 2}], "status": "LOST", "shipped_at": "2024-03-02T10:00:00Z"});
    let sent = sample()["shipments"][0].clone();
    let (import, order) = valid(&with(&[("/shipments", json!([lost, sent]))]));
    assert_eq!(
        (
            order.lines[0].counters.lost,
            order.reservations[0].committed
        ),
        (2, 4)
    );
    keeps_the_invariants(import, &order);

    let none = json!([]);
    let cancelled = [
        ("/status", json!("CANCELLED")),
        ("/shipments", json!([lost])),
        ("/returns", none.clone()),
        ("/payments", none),
    ];
    let (import, order) = valid(&with(&cancelled));
    assert_eq!(
        (
            order.lines[0].counters.lost,
            order.reservations[0].committed
        ),
        (2, 2)
    );
    keeps_the_invariants(import, &order);
}

#[test]
fn an_imported_order_keeps_the_invariants() {
    let (import, order) = valid(&sample());
    keeps_the_invariants(import, &order);
}

#[track_caller]
fn keeps_the_invariants(import: ValidImport, order: &Order) {
    use crate::audit::{check_at_rest, check_order};
    use crate::order::{Actor, Event, JournalRow};
    let row = JournalRow {
        order: order.id,
        seq: 1,
        event: Event::Imported(import.imported),
        from: None,
        to: order.statuses.status,
        actor: Actor::System,
        cause: "import".into(),
        notes: None,
        command_key: None,
        changeset: crate::ids::ChangesetId::from_uuid(uuid::Uuid::nil()),
        at: now(),
    };
    assert_eq!(check_order(order, &[row]), []);
    assert_eq!(check_at_rest(order), []);
}

#[test]
fn every_status_at_rest_can_be_imported() {
    let refunded =
        json!({"amount": "29.60", "reference": "re_3", "refunded_at": "2024-03-20T10:00:00Z"});
    for status in ["CANCELLED", "EXPIRED", "REJECTED", "PAYMENT_FAILED"] {
        let none = ("/payments", json!([]));
        let (_, order) = valid(&with(&[
            ("/status", json!(status)),
            ("/shipments", json!([])),
            ("/returns", json!([])),
            none,
        ]));
        assert_eq!(order.statuses.status.as_str(), status);
        assert!(order.reservations.is_empty());
    }
    let mut cancelled = with(&[
        ("/status", json!("CANCELLED")),
        ("/shipments", json!([])),
        ("/returns", json!([])),
    ]);
    cancelled["payments"][0]["refunds"]
        .as_array_mut()
        .unwrap()
        .push(refunded);
    assert_eq!(valid(&cancelled).1.money().refunded, 4960);

    let address = json!({"first_name": "Ada", "last_name": "Lovelace", "address_line1": "1 Main Street", "city": "Springfield", "country": "US"});
    let open = [
        ("/shipping_address", address),
        ("/returns", json!([])),
        ("/payments/0/refunds/1", Value::Null),
    ];
    for (status, shipment, units) in [
        ("DELIVERED", "DELIVERED", 3),
        ("PARTIALLY_DELIVERED", "DELIVERED", 2),
        ("SHIPPED", "SHIPPED", 3),
        ("PARTIALLY_SHIPPED", "SHIPPED", 2),
        ("PROCESSING", "PLANNED", 2),
        ("CONFIRMED", "FAILED", 2),
    ] {
        let mut order = with(&open);
        order["payments"][0]["refunds"] = json!([{"amount": "10.00", "reference": "re_1", "refunded_at": "2024-03-02T10:00:00Z"}]);
        let mut sent = json!({"lines": [{"line": 1, "quantity": units}], "status": shipment});
        if shipment != "PLANNED" {
            sent["shipped_at"] = json!("2024-03-03T10:00:00Z");
        }
        if shipment == "DELIVERED" {
            sent["delivered_at"] = json!("2024-03-04T10:00:00Z");
        }
        order["shipments"] = json!([sent]);
        order["status"] = json!(status);
        let (_, order) = valid(&order);
        let shipped = if matches!(shipment, "PLANNED" | "FAILED") {
            0
        } else {
            units
        };
        let committed: u32 = order
            .reservations
            .iter()
            .filter(|r| r.sku.as_str() == "MUG-01")
            .map(|r| r.committed)
            .sum();
        assert_eq!(
            (order.statuses.status.as_str(), committed),
            (status, shipped)
        );
    }
    for status in ["PENDING", "CANCELLING"] {
        refused(
            &[("/status", json!(status))],
            "is under way where it comes from",
        );
    }
}

#[test]
fn each_mistake_is_named_with_its_field() {
    let cases: &[(&[(&str, Value)], &str)] = &[
        (
            &[("/total", json!("49.61"))],
            "total: is 49.61 EUR, but subtotal + tax + shipping_amount − discount is 49.60 EUR",
        ),
        (
            &[("/subtotal", json!("44.01"))],
            "subtotal: is 44.01 EUR, but the lines add up to 44.00 EUR",
        ),
        (&[("/tax", json!("3.00"))], "tax: is 3.00 EUR"),
        (
            &[("/total", json!(49.60))],
            "total: is 49.6: expected a text such as \"12.50\"",
        ),
        (
            &[("/total", json!("-49.60"))],
            "total: \"-49.60\" is less than 0",
        ),
        (
            &[("/items/0/unit_price", json!("10.001"))],
            "items[0].unit_price: 10.001 has more decimals",
        ),
        (
            &[("/items/0/quantity", json!(0))],
            "items[0].quantity: is 0: expected a whole number from 1 to 10000",
        ),
        (
            &[("/items/0/colour", json!("red"))],
            "items[0].colour: is unknown",
        ),
        (
            &[("/items/1/discount", json!("5.01"))],
            "items[1].discount: is more than the units cost",
        ),
        (&[("/items/0/sku", Value::Null)], "items[0].sku: is missing"),
        (&[("/items", json!([]))], "items: is empty"),
        (
            &[("/user_id", json!("bob"))],
            "user_id: \"bob\" is not a user id",
        ),
        (
            &[("/external_ref", json!("a b"))],
            "external_ref: \"a b\" is not an idempotency key",
        ),
        (
            &[("/order_number", json!("4711"))],
            "order_number: \"4711\" is not an order number",
        ),
        (
            &[("/placed_at", json!("yesterday"))],
            "placed_at: \"yesterday\" is not a time",
        ),
        (
            &[("/payment_terms", json!("shipment"))],
            "payment_terms: shipment needs an authorization of this engine",
        ),
        (
            &[("/shipments/0/delivered_at", Value::Null)],
            "shipments[0].delivered_at: is missing: the shipment is DELIVERED",
        ),
        (
            &[("/shipments/0/shipped_at", json!("2024-03-06T10:00:00Z"))],
            "shipments[0].delivered_at: 2024-03-05T10:00:00Z is before",
        ),
        (
            &[("/shipments/0/lines/0/line", json!(3))],
            "shipments[0].lines: names line 3, the order has 2",
        ),
        (
            &[("/shipments/0/lines/0/quantity", json!(4))],
            "items[0].quantity: is 4, but 1 were cancelled and 4 are in shipments",
        ),
        (
            &[
                ("/shipments/0/lines/0/line", json!(2)),
                ("/returns", json!([])),
            ],
            "items[1].requires_shipping: is false",
        ),
        (
            &[("/returns/0/lines/0/restocked", json!(4))],
            "items[0].quantity: 4 came back of 3 that were delivered",
        ),
        (
            &[("/returns/0/lines/0/restocked", json!(0))],
            "returns[0].lines[0].restocked: and scrapped are 0",
        ),
        (
            &[("/payments/0/refunds/1/amount", json!("9.99"))],
            "payments: 29.61 EUR is captured and not refunded, but 29.60 EUR is owed",
        ),
        (
            &[("/payments/0/refunds/1/amount", json!("40.00"))],
            "payments[0].refunds: add up to 50.00 EUR, more than",
        ),
        (
            &[("/payments/0/refunds/1/reference", json!("ch_1"))],
            "payments: reference ch_1 stands there twice",
        ),
        (
            &[(
                "/payments/0/refunds/0/refunded_at",
                json!("2024-03-01T10:00:30Z"),
            )],
            "payments[0].refunds: went back before",
        ),
        (
            &[("/payments/0/captured_at", json!("2024-02-01T10:00:00Z"))],
            "payments: 2024-02-01T10:00:00Z is before the order was placed",
        ),
        (
            &[
                ("/payments/0/captured_at", json!("2027-02-01T10:00:00Z")),
                ("/payments/0/refunds", json!([])),
                ("/ended_at", json!("2024-04-01T10:00:00Z")),
                (
                    "/credits",
                    json!([{"amount": "20.00", "at": "2024-04-01T10:00:00Z"}]),
                ),
            ],
            "is in the future",
        ),
        (
            &[
                ("/status", json!("SHIPPED")),
                (
                    "/shipping_address",
                    json!({"first_name": "A", "last_name": "B", "address_line1": "C", "city": "D", "country": "E"}),
                ),
            ],
            "status: is SHIPPED, but items and shipments say DELIVERED",
        ),
        (
            &[("/status", json!("DELIVERED"))],
            "shipping_address: is missing",
        ),
        (
            &[("/shipping_address", json!({"first_name": "A"}))],
            "shipping_address.last_name: is missing",
        ),
        (
            &[("/metadata", json!({"channel": 1}))],
            "metadata: has a value that is no text",
        ),
        (
            &[("/notes", json!("4111 1111 1111 1111"))],
            "notes: looks like it contains a payment card number",
        ),
    ];
    for (changes, problem) in cases {
        let found = problems(&with(changes));
        assert!(
            found.iter().any(|f| f.contains(problem)),
            "{changes:?}: {found:#?} has no {problem}"
        );
        // An address has five mistakes at once, and what is not owed is not owed after other
        // changes either.
        assert!(found.len() <= 6, "{found:#?}");
        assert!(!found.iter().any(|f| f.contains("4111")), "{found:#?}");
    }
    assert_eq!(
        problems(&json!([1])),
        ["line: is a list: expected an object"]
    );
    assert_eq!(
        ValidImport::read("{\"a\":", now()).unwrap_err()[0].to_string(),
        "line: is no JSON from character 5 on"
    );
}

#[test]
fn all_mistakes_of_an_order_are_named_at_once() {
    let found = problems(&with(&[
        ("/currency", json!("EURO")),
        ("/user_id", Value::Null),
        ("/items/0/quantity", json!("four")),
        ("/items/1/name", json!(7)),
        ("/payments/0/reference", Value::Null),
        ("/colour", json!("red")),
    ]));
    let fields: Vec<&str> = found
        .iter()
        .map(|f| f.split_once(": ").unwrap().0)
        .collect();
    let expected = [
        "user_id",
        "currency",
        "items[0].quantity",
        "items[1].name",
        "payments[0].reference",
        "colour",
    ];
    assert_eq!(fields, expected, "{found:#?}");
    let found = problems(&with(&[
        ("/total", json!("1.00")),
        ("/shipments/0/lines/0/quantity", json!(9)),
        ("/ended_at", json!("2023-01-01T00:00:00Z")),
    ]));
    assert!(found.len() >= 3, "{found:#?}");
}

#[test]
fn what_was_paid_otherwise_can_be_stated() {
    let unpaid = [("/payments", json!([])), ("/returns", json!([]))];
    refused(
        &unpaid,
        "0.00 EUR is captured and not refunded, but 39.60 EUR is owed: state a credit",
    );
    let credit = (
        "/credits",
        json!([{"amount": "39.60", "at": "2024-04-01T10:00:00Z"}]),
    );
    let (_, order) = valid(&with(&[unpaid[0].clone(), unpaid[1].clone(), credit]));
    assert_eq!(order.money().owed, 0);
    let too_much = (
        "/credits",
        json!([{"amount": "39.61", "at": "2024-04-01T10:00:00Z"}]),
    );
    refused(
        &[unpaid[0].clone(), unpaid[1].clone(), too_much],
        "credits: add up to 39.61 EUR, more than is owed, 39.60 EUR",
    );
}

#[test]
fn the_same_content_has_the_same_ids_and_hash_and_another_has_not() {
    let (a, b) = (valid(&sample()).0, valid(&sample()).0);
    assert_eq!((&a, a.request_hash()), (&b, b.request_hash()));
    let address = json!({"first_name": "Ada", "last_name": "Lovelace", "address_line1": "1 Main Street", "city": "Springfield", "country": "US"});
    let others = [
        ("/notes", json!("Ring twice")),
        ("/metadata", json!({"channel": "web"})),
        ("/shipping_address", address),
        ("/shipments/0/tracking", json!("RR 2")),
        ("/payments/0/reference", json!("ch_2")),
    ];
    for change in others {
        let (other, _) = valid(&with(std::slice::from_ref(&change)));
        assert_eq!(
            other.imported.id, a.imported.id,
            "the reference alone names it"
        );
        assert_ne!(other.request_hash(), a.request_hash(), "{change:?}");
    }
    let (other, _) = valid(&with(&[("/external_ref", json!("shop-1002"))]));
    assert!(other.imported.id != a.imported.id && other.imported.number != a.imported.number);
}

#[test]
fn what_must_be_unique_is_so_over_a_whole_file() {
    let mut once = ImportedOnce::default();
    assert_eq!(once.add(1, &valid(&sample()).0), []);
    let number = ("/order_number", json!("ORD-BD2F-P2D4-9CTA"));
    let payments = [
        ("/payments/0/reference", json!("ch_2")),
        ("/payments/0/refunds/0/reference", json!("re_3")),
    ];
    let second = [number.clone(), payments[0].clone(), payments[1].clone()];
    let problems: Vec<String> = once
        .add(2, &valid(&with(&second)).0)
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = [
        "external_ref: shop-1001 stands on line 1 already: use each once",
        "payments: re_2 stands on line 1 already: use each once",
    ];
    assert_eq!(problems, expected);
    let third = [
        number,
        ("/external_ref", json!("shop-3")),
        ("/payments", json!([])),
        ("/returns", json!([])),
        (
            "/credits",
            json!([{"amount": "39.60", "at": "2024-04-01T10:00:00Z"}]),
        ),
    ];
    let problems: Vec<String> = once
        .add(3, &valid(&with(&third)).0)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        problems,
        ["order_number: ORD-BD2F-P2D4-9CTA stands on line 2 already: use each once"]
    );
}
