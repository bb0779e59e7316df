//! Archived orders come back as they were, whatever has happened to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use order_core::archive::{ArchiveError, read, restoring, write};
use order_core::order::*;
use order_core::rules::{begin, evolve};
use order_core::runtime::virtual_time::block_on;
use order_core::store::{DumpQuery, Dumped, MemoryStore, OrderStore, WorkChange};
use order_core::testkit::ManualClock;
use order_core::testkit::orders::*;
use order_core::text::Private;
use proptest::prelude::*;

fn private<T>(value: T) -> Private<T> {
    Private(Some(value))
}

/// Events of every kind that changes records, about records that may or may not exist.
fn events() -> Vec<Event> {
    use OperationKind as K;
    use OperationState as S;
    let lines = || vec![LineUnits { line: 1, units: 1 }];
    let plan = || Box::new(full(1).edits[0].plan.clone());
    let mut events = vec![
        Event::Confirmed,
        Event::Rejected {
            shortages: Vec::new(),
        },
        Event::PaymentFailed {
            retry_until: at(600),
        },
        Event::Expired,
        Event::CancelRequested {
            cause: CancelCause::Requested,
        },
        Event::Cancelled,
        Event::Completed,
        Event::Noted,
        Event::StuckRetried,
        Event::Redacted,
        Event::Resolved {
            about: Some(Op::Payment(1)),
        },
        Event::LinesCancelled {
            lines: lines(),
            cause: CancelCause::Requested,
        },
        Event::ShipmentPlanned {
            n: 1,
            lines: lines(),
        },
        Event::ShipmentShipped {
            n: 1,
            carrier: Some("Post".into()),
            tracking: None,
        },
        Event::ShipmentDelivered { n: 1 },
        Event::ShipmentReturned { n: 1 },
        Event::Credited {
            kind: CreditKind::Line,
            amount: 9,
            lines: vec![LineCredit { line: 1, amount: 9 }],
        },
        Event::Credited {
            kind: CreditKind::Goodwill,
            amount: 5,
            lines: Vec::new(),
        },
        Event::ReturnRequested {
            n: 1,
            lines: lines(),
        },
        Event::ReturnApproved { n: 1 },
        Event::ReturnReceived {
            n: 1,
            lines: vec![ReceivedUnits {
                line: 1,
                restock: 1,
                scrap: 0,
            }],
        },
        Event::ReturnClosed { n: 1 },
        Event::EditApplied { n: 1 },
        Event::EditDiscarded {
            n: 1,
            cause: DiscardCause::Requested,
        },
        Event::AddressChanged {
            which: AddressType::Billing,
            address: private(address(" (changed)")),
        },
        Event::MetadataChanged {
            key: text("channel"),
            removed: false,
            value: private("web ✓".into()),
        },
        Event::MetadataChanged {
            key: text("basket"),
            removed: false,
            value: private("42".into()),
        },
        Event::MetadataChanged {
            key: text("channel"),
            removed: true,
            value: Private(None),
        },
        Event::HoldPlaced {
            kind: text("fraud"),
            blocks: Blocks::Ship,
            until: Some(at(900)),
        },
        Event::HoldReleased {
            kind: text("fraud"),
            lapsed: false,
        },
        Event::AttentionRaised {
            reason: AttentionReason::Dispute,
            about: None,
            amount: None,
        },
        Event::AttentionAcknowledged {
            reason: AttentionReason::Dispute,
            about: None,
        },
        Event::DisputeOpened {
            reference: text("dp_1"),
            payment: Some(1),
            amount: 100,
        },
        Event::DisputeClosed {
            reference: text("dp_1"),
            won: true,
        },
        Event::PaymentRetried {
            method: text("wallet"),
            terms: PaymentTerms::Shipment,
            placing_deadline: at(7200),
            token: private("tok_2".into()),
            return_url: private("https://shop.example/2".into()),
        },
        Event::EditStarted {
            n: 1,
            plan: plan(),
            due: 2800,
            method: text("card"),
            deadline: at(1800),
            token: private("tok_3".into()),
            return_url: Private(None),
            address: private(address(" (edit)")),
        },
    ];
    for n in 1..=3 {
        events.extend([
            Event::Armed {
                ops: vec![Op::Reservation(n), Op::Payment(n)],
            },
            Event::StockHeld {
                n,
                reference: Some(text("hold")),
                expires_at: Some(at(86_400)),
            },
            Event::StockRefused {
                n,
                available: Some(0),
                code: "out_of_stock".into(),
            },
            Event::StockClosing {
                n,
                kind: ClosingKind::Commit,
                units: None,
                committed: false,
            },
            Event::StockCommitted { n, units: Some(1) },
            Event::StockReleased {
                n,
                units: None,
                committed: false,
            },
            Event::PaymentUnknown { n },
            Event::PaymentWaiting {
                n,
                state: S::ActionRequired,
                reference: Some(text("pay_1")),
                deadline: at(60),
                action: private(CustomerAction {
                    url: "https://bank.example/?a=\"1\"".into(),
                    data: None,
                }),
            },
            Event::PaymentSettled {
                n,
                state: S::Captured,
                amount: 2500,
                reference: Some(text("pay_1")),
                code: None,
                capture_before: None,
                verified: false,
            },
        ]);
    }
    events.extend(
        [(K::Refund, Some(1)), (K::Authorize, None)].map(|(kind, parent)| Event::PaymentPlanned {
            n: 2,
            kind,
            parent,
            method: text("card"),
            amount: 100,
            token: private("tok_4".into()),
            return_url: Private(None),
        }),
    );
    events
}

/// An order to which all that has happened, as a store dumps it.
fn dumped(order: u64, happened: &[Event], notified: u64, keyed: bool) -> Dumped {
    let mut placed = Order {
        notes: private("Ring twice,\n\"please\"".into()),
        ..full(order)
    };
    if order.is_multiple_of(3) {
        placed = plain(order);
    }
    let Event::Placed(placing) = placed_event(&placed) else {
        unreachable!("it is placed")
    };
    let mut order = begin(&placing, at(1));
    // As a store keeps it: without personal data.
    let stored = |event: &Event| decode_event(&encode_event(event)).unwrap();
    let row = |order: &Order, event: &Event, from, seq: u64| JournalRow {
        order: order.id,
        seq,
        event: stored(event),
        from,
        to: order.statuses.status,
        actor: if seq.is_multiple_of(2) {
            Actor::System
        } else {
            Actor::Operator("éva".into())
        },
        cause: "test".into(),
        notes: seq.is_multiple_of(3).then(|| "said \u{2028} so".into()),
        command_key: seq
            .is_multiple_of(4)
            .then(|| command_key(&format!("command-{seq}"))),
        changeset: changeset_id(),
        at: at(seq as i64),
    };
    let mut journal = vec![row(&order, &Event::Placed(placing), None, 1)];
    for event in happened {
        // At most the last edit of an order is open.
        if matches!(event, Event::EditStarted { .. }) && order.open_edit().is_some() {
            continue;
        }
        let mut event = event.clone();
        if let Event::PaymentPlanned { n, .. } = &mut event {
            *n = order.payments.len() as u32 + 1;
        }
        let event = &event;
        let from = Some(order.statuses.status);
        let seq = order.version + 1;
        let actor = row(&order, event, from, seq).actor;
        evolve(&mut order, event, &actor, at(seq as i64));
        journal.push(row(&order, event, from, seq));
    }
    order.notified = notified.min(order.version);
    order.notices.retain(|n| n.seq > order.notified);
    let key = keyed.then(|| key_record(&order, "checkout-4711"));
    Dumped {
        order: Arc::new(order),
        journal,
        key,
    }
}

#[track_caller]
fn same(a: &Dumped, b: &Dumped) {
    let (left, right) = (format!("{a:?}"), format!("{b:?}"));
    let from = left
        .bytes()
        .zip(right.bytes())
        .position(|(l, r)| l != r)
        .unwrap_or(0)
        .saturating_sub(300);
    let part = |text: &str| text.chars().skip(from).take(600).collect::<String>();
    assert!(a == b, "…{}…\n…{}…", part(&left), part(&right));
    // What is private does not show in a failure.
    let hidden = |o: &Order| (o.addresses.clone(), o.notes.clone(), o.metadata.clone());
    assert!(
        hidden(&a.order) == hidden(&b.order),
        "personal data differs"
    );
}

async fn dump(store: &MemoryStore) -> Vec<Dumped> {
    store
        .dump(&DumpQuery {
            after: None,
            limit: 1000,
        })
        .await
        .unwrap()
        .orders
}

fn in_new_store(dumped: &[Dumped]) -> Vec<Dumped> {
    block_on(async {
        let store = MemoryStore::new(Arc::new(ManualClock::new(at(0))));
        for d in dumped {
            store
                .commit(restoring(d.clone(), WorkChange::Keep).unwrap())
                .await
                .unwrap();
        }
        let mut in_use = BTreeMap::new();
        for d in dumped.iter().filter(|d| d.order.lifecycle.is_live()) {
            d.order
                .redemptions
                .iter()
                .for_each(|c| *in_use.entry(c.name.clone()).or_insert(0) += 1);
        }
        assert_eq!(
            store.redemptions_in_use(),
            in_use,
            "what is alive holds its redemptions, and nothing else does"
        );
        dump(&store).await
    })
}

proptest! {
    #[test]
    fn whatever_happened_to_orders_they_are_restored_as_they_were(
        lives in prop::collection::vec((prop::collection::vec(prop::sample::select(events()), 0..25), 0u64..6, any::<bool>()), 1..4)
    ) {
        let orders: Vec<Dumped> = (1u64..).zip(&lives).map(|(n, (events, told, keyed))| dumped(n, events, *told, *keyed)).collect();
        let before = in_new_store(&orders);
        for (sent, kept) in orders.iter().zip(&before) {
            same(sent, kept);
        }
        let lines: Vec<String> = before.iter().map(write).collect();
        let read: Vec<Dumped> = lines.iter().map(|line| read(line).unwrap()).collect();
        let after = in_new_store(&read);
        for (b, a) in before.iter().zip(&after) {
            same(b, a);
        }
        prop_assert_eq!(after.iter().map(write).collect::<Vec<_>>(), lines);
    }
}

fn sample() -> String {
    let events: Vec<Event> = events()
        .into_iter()
        .filter(|e| *e != Event::Redacted)
        .collect();
    write(&dumped(1, &events, 3, true))
}

#[test]
fn a_line_is_one_line_and_holds_its_whole_order() {
    let line = sample();
    assert!(!line.contains('\n'));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["journal"][0]["event"]["format"], JOURNAL_FORMAT);
    assert_eq!(
        json["journal"][0]["event"]["event"]["placed"]["number"],
        json["order_number"]
    );
    assert_eq!(json["key"]["key"], "checkout-4711");
}

#[track_caller]
fn refused(line: &str, with: &str) {
    let Err(error) = read(line) else {
        panic!("it was read: {line}")
    };
    assert!(error.to_string().contains(with), "{error}");
}

#[test]
fn a_line_that_was_changed_is_refused_with_the_place() {
    let line = sample();
    let changed = |from: &str, to: &str| {
        assert!(line.contains(from), "{from} is not in {line}");
        line.replacen(from, to, 1)
    };
    refused(
        &changed("\"status\":\"", "\"status\":\"REJECTED\",\"x\":\""),
        "not an archived order",
    );
    refused(&changed("\"version\":", "\"version\":1"), "version: is 1");
    refused(
        &changed("\"notified\":3", "\"notified\":9999"),
        "notified: is 9999",
    );
    refused(
        &changed("{\"seq\":3,", "{\"seq\":4,"),
        "journal[2].seq: is 4, expected 3",
    );
    refused(
        &changed("\"to\":\"CONFIRMED\"", "\"to\":\"EXPIRED\""),
        "].to: is EXPIRED, but CONFIRMED leads to CONFIRMED",
    );
    refused(
        &changed("\"from\":\"PENDING\"", "\"from\":\"EXPIRED\""),
        "].from: is EXPIRED, the row before leads to PENDING",
    );
    refused(
        &changed("\"journal\":[", "\"journal\":[],\"rows\":["),
        "not an archived order",
    );
    refused(&changed("\"placed\":{", "\"noted\":{"), "journal[0].event");
    refused(&line[..line.len() / 2], "it breaks off at character");
    refused("", "it breaks off");
    refused("[1, 2]", "not an archived order");
    let id = order_id(1).to_string();
    refused(&changed(&id, &order_id(2).to_string()), "order_id: is ");
    for name in ["shipping_address", "billing_address"] {
        refused(&changed(name, "address"), "not an archived order");
    }
    let newer = changed("{\"format\":1", "{\"format\":2");
    assert!(matches!(read(&newer), Err(ArchiveError::NewerFormat(2))));
}

#[test]
fn what_is_refused_quotes_nothing_personal() {
    let line = sample();
    for cut in (0..line.len())
        .step_by(7)
        .filter(|at| line.is_char_boundary(*at))
    {
        let error = read(&line[..cut]).unwrap_err().to_string();
        assert!(
            !error.contains("Lovelace") && !error.contains("Ring twice") && !error.contains("tok_"),
            "{error}"
        );
    }
}
