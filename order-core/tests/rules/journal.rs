//! The journal's payloads: what was once written is read for ever, and means the same.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use order_core::order::{
    AddressType, AttentionReason, Blocks, CancelCause, ClosingKind, Credit, CreditKind,
    DiscardCause, EditPlan, Event, Imported, ImportedLine, ImportedPayment, ImportedReturn,
    ImportedShipment, JOURNAL_FORMAT, Lifecycle, LineCredit, LineUnits, Lot, Op, OperationKind,
    OperationOrigin, OperationState, PaymentTerms, Placed, PlacedLine, RaisedLine, ReceivedUnits,
    RetaxedLine, ReturnLine, ShipmentState, ShippingPrice, Shortage, UnmatchedPayment,
    decode_event, encode_event,
};
use order_core::rules::{begin_imported, decide};
use order_core::testkit::orders::{at, full, placed_event, text};
use order_core::text::Private;

use super::golden;
use super::samples::{Sample, samples};

/// One event of every variant, and a second one where fields may be absent. The golden file has
/// them in this order: new ones go to the end, whatever they are about.
pub fn every_event() -> Vec<Event> {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    let all = || {
        let mut events = by_hand();
        let newer = newer_events(&events);
        events.extend(newer);
        events
    };
    EVENTS.get_or_init(all).clone()
}

/// Events of variants that are not among `known`, as the rules make them of their own sample
/// commands, in the order of [`Event::NAMES`].
fn newer_events(known: &[Event]) -> Vec<Event> {
    let mut newer: Vec<Event> = Vec::new();
    for Sample { journey, .. } in samples() {
        let env = journey.shop.env(journey.now);
        let commands = order_core::rules::samples(&journey.order);
        let decided = commands
            .iter()
            .flat_map(|c| decide(&journey.order, c, &env));
        for event in decided.flatten() {
            let is_known = |e: &Event| variant(e) == variant(&event);
            if !known.iter().any(is_known) && !newer.iter().any(is_known) {
                newer.push(event);
            }
        }
    }
    newer.sort_by_key(|e| Event::NAMES.iter().position(|name| *name == e.name()));
    newer
}

/// The variant of an event, as its payload names it.
fn variant(event: &Event) -> String {
    match serde_json::to_value(event).unwrap() {
        serde_json::Value::Object(o) => o.keys().next().unwrap().clone(),
        other => other.as_str().unwrap().to_owned(),
    }
}

fn by_hand() -> Vec<Event> {
    let mut events = vec![
        placed_with_everything(),
        Event::Armed {
            ops: vec![Op::Reservation(1), Op::Payment(2), Op::Notice(7)],
        },
    ];
    events.extend(stock_events());
    events.extend(payment_events());
    events.extend(order_events());
    events.extend(money_from_outside());
    events.extend(events_of_parts());
    events.extend(fulfilment_events());
    events.extend(return_and_credit_events());
    events.extend(edit_events());
    events.extend(operator_events());
    events.extend(imports());
    events.extend(verifications());
    events.push(Event::ShipmentLost { n: 1 });
    events.push(placed_with_holds());
    events.extend(other_operations());
    events.push(Event::ShipmentSplit {
        n: 3,
        from: 2,
        lines: vec![LineUnits { line: 1, units: 1 }],
    });
    events.push(Event::PaymentNeverHappened { n: 1 });
    events
}

/// Operations and outcomes whose names in the journal are no other sample's.
fn other_operations() -> Vec<Event> {
    let planned = |kind, parent| Event::PaymentPlanned {
        n: 2,
        kind,
        parent,
        method: text("card"),
        amount: 125,
        token: Private(None),
        return_url: Private(None),
    };
    let settled = |state| Event::PaymentSettled {
        n: 2,
        state,
        amount: 125,
        reference: Some(text("pay-2")),
        code: None,
        capture_before: None,
        verified: false,
    };
    vec![
        planned(OperationKind::Authorize, None),
        planned(OperationKind::Capture, Some(1)),
        planned(OperationKind::Void, Some(1)),
        settled(OperationState::Authorized),
        settled(OperationState::Refunded),
        settled(OperationState::Voided),
    ]
}

fn verifications() -> Vec<Event> {
    let verified = Event::PaymentSettled {
        n: 1,
        state: OperationState::Failed,
        amount: 0,
        reference: None,
        code: None,
        capture_before: None,
        verified: true,
    };
    let reference: order_core::ids::Reference = text("late-1");
    let short = Event::AttentionRaised {
        reason: AttentionReason::PaymentShort,
        about: None,
        amount: Some(125),
    };
    let unmatched = UnmatchedPayment {
        reference: reference.clone(),
        parent: Some(text("pay-9")),
        status: OperationState::Refunded,
        amount: 125,
        currency: text("EUR"),
    };
    vec![
        Event::PaymentQuestioned { n: 1 },
        Event::PaymentVerified { n: 1 },
        verified,
        Event::PaymentUnmatched(unmatched),
        Event::UnmatchedMatched {
            reference,
            status: OperationState::Refunded,
        },
        short,
    ]
}

fn placed_with_everything() -> Event {
    let Event::Placed(mut placed) = placed_event(&full(1)) else {
        unreachable!("it is a placing")
    };
    // Nothing is credited before there is an order.
    placed.lines.iter_mut().for_each(|l| l.lot.credit = 0);
    (placed.holds, placed.external_ref) = (Vec::new(), None);
    Event::Placed(placed)
}

/// With what an order may have from the start beside what is ordered.
fn placed_with_holds() -> Event {
    let Event::Placed(mut placed) = placed_with_everything() else {
        unreachable!("it is a placing")
    };
    placed.holds = full(1).holds;
    placed.external_ref = Some(text("channel/1001"));
    Event::Placed(placed)
}

fn stock_events() -> Vec<Event> {
    vec![
        Event::ReservationPlanned {
            n: 1,
            sku: text("SKU-1"),
            quantity: 3,
            replaces: None,
        },
        Event::StockHeld {
            n: 1,
            reference: Some(text("hold-1")),
            expires_at: Some(at(86_400)),
        },
        Event::StockHeld {
            n: 2,
            reference: None,
            expires_at: None,
        },
        Event::StockRefused {
            n: 1,
            available: Some(2),
            code: "OUT_OF_STOCK".into(),
        },
        Event::StockRefused {
            n: 1,
            available: None,
            code: "OUT_OF_STOCK".into(),
        },
        Event::StockUnknown { n: 1 },
        Event::StockAbsent { n: 1 },
        Event::StockSuspect { n: 1 },
        Event::StockDropped { n: 1 },
        Event::StockClosing {
            n: 1,
            kind: ClosingKind::Release,
            units: None,
            committed: false,
        },
        Event::StockClosing {
            n: 1,
            kind: ClosingKind::Commit,
            units: None,
            committed: false,
        },
        Event::StockClosingUnknown { n: 1 },
        Event::StockClosingRefused {
            n: 1,
            kind: ClosingKind::Release,
            code: "NOT_NOW".into(),
        },
        Event::StockReleased {
            n: 1,
            units: None,
            committed: false,
        },
        Event::StockCommitted { n: 1, units: None },
        Event::StockExpired { n: 1 },
        Event::StockLost { n: 1 },
    ]
}

fn payment_events() -> Vec<Event> {
    let planned = |n, kind, parent| Event::PaymentPlanned {
        n,
        kind,
        parent,
        method: text("card"),
        amount: 4_800,
        token: Private(None),
        return_url: Private(None),
    };
    let captured = Event::PaymentSettled {
        n: 1,
        state: OperationState::Captured,
        amount: 4_800,
        reference: Some(text("pay_1")),
        code: None,
        capture_before: Some(at(604_800)),
        verified: false,
    };
    let declined = Event::PaymentSettled {
        n: 1,
        state: OperationState::Declined,
        amount: 0,
        reference: None,
        code: Some("NO_FUNDS".into()),
        capture_before: None,
        verified: false,
    };
    let waiting = |state, reference| Event::PaymentWaiting {
        n: 1,
        state,
        reference,
        deadline: at(1_800),
        action: Private(None),
    };
    let unmatched = UnmatchedPayment {
        parent: None,
        reference: text("pay_elsewhere"),
        status: OperationState::Captured,
        amount: 4_800,
        currency: text("EUR"),
    };
    vec![
        planned(1, OperationKind::Charge, None),
        planned(2, OperationKind::Refund, Some(1)),
        captured,
        declined,
        waiting(OperationState::Pending, Some(text("pay_1"))),
        waiting(OperationState::ActionRequired, None),
        Event::PaymentUnknown { n: 1 },
        Event::PaymentDropped { n: 1 },
        Event::PaymentReported {
            n: 1,
            status: OperationState::Captured,
            amount: 4_801,
            currency: text("USD"),
            reference: Some(text("pay_1")),
        },
        Event::PaymentUnmatched(unmatched),
    ]
}

fn order_events() -> Vec<Event> {
    let shortage = |available| Shortage {
        sku: text("SKU-1"),
        requested: 3,
        available,
    };
    vec![
        Event::Confirmed,
        Event::Rejected {
            shortages: vec![shortage(Some(2)), shortage(None)],
        },
        Event::PaymentFailed {
            retry_until: at(604_800),
        },
        Event::PaymentRetried {
            method: text("wallet"),
            terms: PaymentTerms::Shipment,
            placing_deadline: at(3_600),
            token: Private(None),
            return_url: Private(None),
        },
        Event::Expired,
        Event::CancelRequested {
            cause: CancelCause::Requested,
        },
        Event::CancelRequested {
            cause: CancelCause::StockLost,
        },
        Event::Cancelled,
        Event::HoldPlaced {
            kind: text("fraud"),
            blocks: Blocks::Ship,
            until: Some(at(900)),
        },
        Event::HoldPlaced {
            kind: text("fraud"),
            blocks: Blocks::Confirm,
            until: None,
        },
        Event::HoldReleased {
            kind: text("fraud"),
            lapsed: true,
        },
        Event::AttentionRaised {
            reason: AttentionReason::SuspectReservation,
            about: Some(Op::Reservation(1)),
            amount: None,
        },
        Event::AttentionRaised {
            reason: AttentionReason::StockLost,
            about: None,
            amount: None,
        },
        Event::AttentionCleared {
            reason: AttentionReason::SuspectReservation,
            about: Some(Op::Reservation(1)),
        },
        Event::Noted,
    ]
}

fn money_from_outside() -> Vec<Event> {
    let found = |kind, origin, parent| Event::PaymentFound {
        n: 3,
        kind,
        origin,
        parent,
        method: text("card"),
        amount: 700,
        reference: parent.map(|_| text("re_1")),
    };
    vec![
        found(OperationKind::Charge, OperationOrigin::Outside, None),
        found(OperationKind::Refund, OperationOrigin::Outside, Some(1)),
        found(OperationKind::Refund, OperationOrigin::Chargeback, Some(1)),
        Event::UnmatchedDismissed {
            reference: text("pay_elsewhere"),
        },
        Event::DisputeOpened {
            reference: text("dp_1"),
            payment: Some(1),
            amount: 4_800,
        },
        Event::DisputeOpened {
            reference: text("dp_2"),
            payment: None,
            amount: 4_800,
        },
        Event::DisputeClosed {
            reference: text("dp_1"),
            won: true,
        },
        Event::DisputeClosed {
            reference: text("dp_2"),
            won: false,
        },
    ]
}

/// Holds that are committed and given back in parts, or replaced by smaller ones.
fn events_of_parts() -> Vec<Event> {
    vec![
        Event::ReservationPlanned {
            n: 2,
            sku: text("SKU-1"),
            quantity: 2,
            replaces: Some(1),
        },
        Event::StockClosing {
            n: 1,
            kind: ClosingKind::Commit,
            units: Some(2),
            committed: false,
        },
        Event::StockClosing {
            n: 1,
            kind: ClosingKind::Release,
            units: Some(1),
            committed: true,
        },
        Event::StockReleased {
            n: 1,
            units: Some(1),
            committed: true,
        },
        Event::StockCommitted {
            n: 1,
            units: Some(2),
        },
    ]
}

fn fulfilment_events() -> Vec<Event> {
    vec![
        Event::Completed,
        Event::LinesCancelled {
            lines: vec![LineUnits { line: 1, units: 2 }],
            cause: CancelCause::StockLost,
        },
        Event::ShipmentPlanned {
            n: 1,
            lines: vec![
                LineUnits { line: 1, units: 2 },
                LineUnits { line: 2, units: 1 },
            ],
        },
        Event::ShipmentShipped {
            n: 1,
            carrier: Some("DHL".into()),
            tracking: Some("00340434161094042557".into()),
        },
        Event::ShipmentShipped {
            n: 1,
            carrier: None,
            tracking: None,
        },
        Event::ShipmentDelivered { n: 1 },
        Event::ShipmentFailed { n: 1 },
        Event::ShipmentReturned { n: 1 },
        Event::ShipmentCancelled { n: 1 },
    ]
}

fn return_and_credit_events() -> Vec<Event> {
    let line = |amount| LineCredit { line: 1, amount };
    vec![
        Event::Credited {
            kind: CreditKind::Goodwill,
            amount: 500,
            lines: Vec::new(),
        },
        Event::Credited {
            kind: CreditKind::Line,
            amount: 300,
            lines: vec![line(300)],
        },
        Event::Credited {
            kind: CreditKind::WriteOff,
            amount: 700,
            lines: Vec::new(),
        },
        Event::ReturnRequested {
            n: 1,
            lines: vec![LineUnits { line: 1, units: 2 }],
        },
        Event::ReturnApproved { n: 1 },
        Event::ReturnRejected { n: 1 },
        Event::ReturnReceived {
            n: 1,
            lines: vec![
                ReceivedUnits {
                    line: 1,
                    restock: 1,
                    scrap: 0,
                },
                ReceivedUnits {
                    line: 2,
                    restock: 0,
                    scrap: 1,
                },
            ],
        },
        Event::ReturnClosed { n: 1 },
    ]
}

fn edit_events() -> Vec<Event> {
    let Event::Placed(placed) = placed_event(&full(1)) else {
        unreachable!("it is a placing")
    };
    let lot = Lot {
        units: 1,
        subtotal: 1_000,
        coupon: 100,
        tax: 72,
        tax_included: 0,
        credit: 0,
    };
    let added = PlacedLine {
        unit_price: 1_000,
        discount: 0,
        lot,
        ..placed.lines[0].clone()
    };
    let everything = EditPlan {
        added: vec![added],
        raised: vec![RaisedLine { line: 1, lot }],
        lowered: vec![LineUnits { line: 2, units: 1 }],
        coupon_ends: true,
        retaxed: vec![RetaxedLine {
            line: 1,
            units: 2,
            tax: 80,
            tax_included: 9,
        }],
        shipping: Some(ShippingPrice {
            shipping: 600,
            tax: 48,
            tax_included: 0,
        }),
        shipping_method: Some(text("courier")),
    };
    let lowered = EditPlan {
        lowered: vec![LineUnits { line: 1, units: 1 }],
        ..EditPlan::default()
    };
    let started = |plan, due| Event::EditStarted {
        n: 1,
        plan: Box::new(plan),
        due,
        method: text("card"),
        deadline: at(1_800),
        token: Private(None),
        return_url: Private(None),
        address: Private(None),
    };
    vec![
        started(everything, 1_700),
        started(lowered, 0),
        Event::EditApplied { n: 1 },
        Event::EditDiscarded {
            n: 1,
            cause: DiscardCause::OutOfDate,
        },
        Event::AddressChanged {
            which: AddressType::Shipping,
            address: Private(None),
        },
        Event::MetadataChanged {
            key: text("erp"),
            removed: false,
            value: Private(None),
        },
        Event::MetadataChanged {
            key: text("erp"),
            removed: true,
            value: Private(None),
        },
    ]
}

fn operator_events() -> Vec<Event> {
    vec![
        Event::AttentionAcknowledged {
            reason: AttentionReason::RefundFailed,
            about: Some(Op::Payment(2)),
        },
        Event::AttentionAcknowledged {
            reason: AttentionReason::OutsideRefund,
            about: None,
        },
        Event::Resolved {
            about: Some(Op::Payment(2)),
        },
        Event::Resolved { about: None },
        Event::StuckRetried,
        Event::Redacted,
    ]
}

fn imports() -> Vec<Event> {
    let Event::Placed(placed) = placed_with_everything() else {
        unreachable!("it is a placing")
    };
    let Placed {
        id,
        number,
        user,
        currency,
        lines,
        amounts,
        shipping_method,
        payment_method,
        coupon,
        ..
    } = *placed;
    let with_cancelled = |(line, cancelled)| ImportedLine { line, cancelled };
    let payment = |refunds, reference, n| ImportedPayment {
        refunds,
        method: text("card"),
        amount: 4_800,
        reference: text(reference),
        at: at(n),
    };
    let back = vec![ReturnLine {
        line: 1,
        units: 1,
        restocked: 1,
        scrapped: 0,
    }];
    let shipment = ImportedShipment {
        lines: vec![LineUnits { line: 1, units: 2 }],
        state: ShipmentState::Delivered,
        carrier: Some("Post".into()),
        tracking: Some("RR 1".into()),
        shipped_at: Some(at(60)),
        delivered_at: Some(at(90)),
    };
    let everything = Imported {
        id,
        number,
        user,
        external_ref: text("old-shop/1001"),
        currency,
        lifecycle: Lifecycle::Completed,
        lines: lines
            .into_iter()
            .zip([1, 0, 0])
            .map(with_cancelled)
            .collect(),
        amounts,
        shipping_method,
        payment_method,
        terms: PaymentTerms::Confirm,
        coupon,
        payments: vec![payment(None, "pay_1", 5), payment(Some(1), "re_1", 120)],
        shipments: vec![shipment],
        returns: vec![ImportedReturn {
            lines: back,
            requested_at: at(100),
            closed_at: at(110),
        }],
        credits: vec![Credit {
            n: 1,
            kind: CreditKind::Goodwill,
            line: None,
            amount: 100,
            at: at(115),
        }],
        placed_at: at(0),
        confirmed_at: Some(at(6)),
        ended_at: Some(at(200)),
        addresses: Private(None),
        notes: Private(None),
        metadata: Private(None),
    };
    let bare = Imported {
        lifecycle: Lifecycle::Expired,
        shipping_method: None,
        coupon: None,
        payments: Vec::new(),
        shipments: Vec::new(),
        returns: Vec::new(),
        credits: Vec::new(),
        confirmed_at: None,
        ended_at: None,
        ..everything.clone()
    };
    vec![
        Event::Imported(Box::new(everything)),
        Event::Imported(Box::new(bare)),
    ]
}

/// As the journal keeps it.
fn without_personal(event: Event) -> Event {
    match event {
        Event::Placed(placed) => Event::Placed(Box::new(Placed {
            addresses: Private(None),
            notes: Private(None),
            token: Private(None),
            return_url: Private(None),
            metadata: Private(None),
            ..*placed
        })),
        other => other,
    }
}

#[test]
fn every_name_of_an_event_is_in_the_golden_journal() {
    let events = every_event();
    let told: BTreeSet<&str> = events.iter().map(Event::name).collect();
    let names: BTreeSet<&str> = Event::NAMES.iter().copied().collect();
    assert_eq!(
        names.len(),
        Event::NAMES.len(),
        "a name stands twice in Event::NAMES"
    );
    assert_eq!(
        names.difference(&told).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "without a sample: append one to by_hand(), or have the rules' samples make it"
    );
    assert_eq!(
        told.difference(&names).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "not in Event::NAMES"
    );
}

#[test]
fn what_format_1_wrote_is_read_as_what_was_meant() {
    let events = every_event();
    // A released payload is never written anew: accepting only appends the lines of new samples.
    let lines = golden::appended(
        "journal-v1.jsonl",
        &events.iter().map(encode_event).collect::<Vec<_>>(),
    );
    assert_eq!(
        lines.len(),
        events.len(),
        "a line was taken away from every_event(): it is only ever appended to"
    );
    for (line, event) in lines.iter().zip(events) {
        let read = decode_event(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(read, without_personal(event), "{line}");
    }
}

#[test]
fn this_release_writes_format_1() {
    assert_eq!(
        JOURNAL_FORMAT, 1,
        "a new format needs a golden file of its own beside this one"
    );
    let golden = golden::read("journal-v1.jsonl");
    let written: Vec<String> = every_event().iter().map(encode_event).collect();
    assert!(
        golden.lines().eq(written.iter().map(String::as_str)),
        "what is written has changed"
    );
}

#[test]
fn what_cannot_be_read_says_whether_it_is_newer_or_damaged() {
    let newer = decode_event(r#"{"format":2,"event":"noted"}"#)
        .unwrap_err()
        .to_string();
    assert_eq!(
        newer,
        "journal format 2 is newer than this program reads (1): upgrade it"
    );
    for damaged in [
        "",
        "{}",
        r#"{"format":1}"#,
        r#"{"format":1,"event":"unheard_of"}"#,
        r#"{"format":1,"event":{"armed":{}}}"#,
    ] {
        assert_eq!(
            decode_event(damaged).unwrap_err().to_string(),
            "journal payload is damaged",
            "{damaged:?}"
        );
    }
}

#[test]
fn an_event_with_personal_data_is_written_without_it() {
    let mut order = full(1);
    order.notes = Private(Some("Please ring twice.".into()));
    let payload = encode_event(&placed_event(&order));
    for secret in [
        "ring twice",
        "tok_visa",
        "shop.example",
        "Lovelace",
        "ada@example.org",
    ] {
        assert!(!payload.contains(secret), "{secret} is in {payload}");
    }
}

#[test]
fn what_came_back_of_an_imported_order_is_counted_on_its_lines() {
    let imported = every_event().into_iter().find_map(|event| match event {
        Event::Imported(imported) if !imported.returns.is_empty() => Some(imported),
        _ => None,
    });
    let imported = imported.expect("one has returns");
    // Once more of the same, so that two returns are of one line.
    let returns: Vec<ImportedReturn> = imported
        .returns
        .iter()
        .chain(&imported.returns)
        .cloned()
        .collect();
    let of = |line: u32, count: &dyn Fn(&ReturnLine) -> u32| -> u32 {
        returns
            .iter()
            .flat_map(|r| &r.lines)
            .filter(|l| l.line == line)
            .map(count)
            .sum()
    };
    let order = begin_imported(
        &Imported {
            returns: returns.clone(),
            ..*imported
        },
        at(0),
    );
    let came_back = |l: &ReturnLine| l.received();
    assert!(order.lines.iter().any(|l| of(l.n, &came_back) > 1));
    for line in &order.lines {
        assert_eq!(line.counters.returned, of(line.n, &came_back));
        assert_eq!(line.counters.restocked, of(line.n, &|l| l.restocked));
    }
}
