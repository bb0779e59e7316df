//! The journal's payloads: what was once written is read for ever, and means the same.

use order_core::order::{
    AttentionReason, Blocks, CancelCause, ClosingKind, Event, JOURNAL_FORMAT, Op, OperationKind, OperationState, PaymentTerms,
    Placed, Shortage, UnmatchedPayment, decode_event, encode_event,
};
use order_core::testkit::orders::{at, full, placed_event, text};
use order_core::text::Private;

use super::golden;

/// Lists the variants once, for a match that does not compile when one is missing.
macro_rules! variants {
    ($($name:ident)*) => {
        const VARIANTS: &[&str] = &[$(stringify!($name)),*];
        fn variant(event: &Event) -> &'static str {
            match event { $(Event::$name { .. } => stringify!($name),)* }
        }
    };
}

variants! {
    Placed Armed
    ReservationPlanned StockHeld StockRefused StockUnknown StockAbsent StockSuspect StockDropped
    StockClosing StockClosingUnknown StockClosingRefused StockReleased StockCommitted StockExpired StockLost
    PaymentPlanned PaymentSettled PaymentWaiting PaymentUnknown PaymentDropped PaymentReported PaymentUnmatched
    Confirmed Rejected PaymentFailed PaymentRetried Expired CancelRequested Cancelled
    HoldPlaced HoldReleased AttentionRaised AttentionCleared Noted
}

/// One event of every variant, and a second one where fields may be absent. The golden file has them in this order: new ones
/// go to the end, whatever they are about.
pub fn every_event() -> Vec<Event> {
    let mut events =
        vec![placed_with_everything(), Event::Armed { ops: vec![Op::Reservation(1), Op::Payment(2), Op::Notice(7)] }];
    events.extend(stock_events());
    events.extend(payment_events());
    events.extend(order_events());
    events
}

fn placed_with_everything() -> Event {
    let Event::Placed(placed) = placed_event(&full(1)) else { unreachable!("it is a placing") };
    Event::Placed(placed)
}

fn stock_events() -> Vec<Event> {
    vec![
        Event::ReservationPlanned { n: 1, sku: text("SKU-1"), quantity: 3 },
        Event::StockHeld { n: 1, reference: Some(text("hold-1")), expires_at: Some(at(86_400)) },
        Event::StockHeld { n: 2, reference: None, expires_at: None },
        Event::StockRefused { n: 1, available: Some(2), code: "OUT_OF_STOCK".into() },
        Event::StockRefused { n: 1, available: None, code: "OUT_OF_STOCK".into() },
        Event::StockUnknown { n: 1 },
        Event::StockAbsent { n: 1 },
        Event::StockSuspect { n: 1 },
        Event::StockDropped { n: 1 },
        Event::StockClosing { n: 1, kind: ClosingKind::Release },
        Event::StockClosing { n: 1, kind: ClosingKind::Commit },
        Event::StockClosingUnknown { n: 1 },
        Event::StockClosingRefused { n: 1, kind: ClosingKind::Release, code: "NOT_NOW".into() },
        Event::StockReleased { n: 1 },
        Event::StockCommitted { n: 1 },
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
    };
    let declined = Event::PaymentSettled {
        n: 1,
        state: OperationState::Declined,
        amount: 0,
        reference: None,
        code: Some("NO_FUNDS".into()),
        capture_before: None,
    };
    let waiting = |state, reference| Event::PaymentWaiting { n: 1, state, reference, deadline: at(1_800), action: Private(None) };
    let unmatched = UnmatchedPayment {
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
    let shortage = |available| Shortage { sku: text("SKU-1"), requested: 3, available };
    vec![
        Event::Confirmed,
        Event::Rejected { shortages: vec![shortage(Some(2)), shortage(None)] },
        Event::PaymentFailed { retry_until: at(604_800) },
        Event::PaymentRetried {
            method: text("wallet"),
            terms: PaymentTerms::Shipment,
            placing_deadline: at(3_600),
            token: Private(None),
            return_url: Private(None),
        },
        Event::Expired,
        Event::CancelRequested { cause: CancelCause::Requested },
        Event::CancelRequested { cause: CancelCause::StockLost },
        Event::Cancelled,
        Event::HoldPlaced { kind: text("fraud"), blocks: Blocks::Ship, until: Some(at(900)) },
        Event::HoldPlaced { kind: text("fraud"), blocks: Blocks::Confirm, until: None },
        Event::HoldReleased { kind: text("fraud"), lapsed: true },
        Event::AttentionRaised { reason: AttentionReason::SuspectHold, about: Some(Op::Reservation(1)) },
        Event::AttentionRaised { reason: AttentionReason::StockLost, about: None },
        Event::AttentionCleared { reason: AttentionReason::SuspectHold, about: Some(Op::Reservation(1)) },
        Event::Noted,
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
            ..*placed
        })),
        other => other,
    }
}

#[test]
fn every_variant_of_an_event_is_in_the_golden_journal() {
    let events = every_event();
    for name in VARIANTS {
        assert!(events.iter().any(|e| variant(e) == *name), "no sample of {name}: append one to every_event()");
    }
}

#[test]
fn what_format_1_wrote_is_read_as_what_was_meant() {
    let events = every_event();
    // A released payload is never written anew: accepting only appends the lines of new samples.
    let lines = golden::appended("journal-v1.jsonl", &events.iter().map(encode_event).collect::<Vec<_>>());
    assert_eq!(lines.len(), events.len(), "a line was taken away from every_event(): it is only ever appended to");
    for (line, event) in lines.iter().zip(events) {
        let read = decode_event(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(read, without_personal(event), "{line}");
    }
}

#[test]
fn this_release_writes_format_1() {
    assert_eq!(JOURNAL_FORMAT, 1, "a new format needs a golden file of its own beside this one");
    let golden = golden::read("journal-v1.jsonl");
    let written: Vec<String> = every_event().iter().map(encode_event).collect();
    assert!(golden.lines().eq(written.iter().map(String::as_str)), "what is written has changed");
}

#[test]
fn what_cannot_be_read_says_whether_it_is_newer_or_damaged() {
    let newer = decode_event(r#"{"format":2,"event":"noted"}"#).unwrap_err().to_string();
    assert_eq!(newer, "journal format 2 is newer than this program reads (1): upgrade it");
    for damaged in ["", "{}", r#"{"format":1}"#, r#"{"format":1,"event":"unheard_of"}"#, r#"{"format":1,"event":{"armed":{}}}"#] {
        assert_eq!(decode_event(damaged).unwrap_err().to_string(), "journal payload is damaged", "{damaged:?}");
    }
}

#[test]
fn an_event_with_personal_data_is_written_without_it() {
    let mut order = full(1);
    order.notes = Private(Some("Please ring twice.".into()));
    let payload = encode_event(&placed_event(&order));
    for secret in ["ring twice", "tok_visa", "shop.example", "Lovelace", "ada@example.org"] {
        assert!(!payload.contains(secret), "{secret} is in {payload}");
    }
}
