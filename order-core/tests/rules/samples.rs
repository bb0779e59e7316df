//! A sample of every situation an order can be in, led there by the rules, and every command and fact there is.

use std::time::Duration;

use order_core::machine::{Call, ClosingOutcome, Command, Fact, HoldOutcome, PaymentOutcome, PaymentReport, Purpose, Verb, key};
use order_core::order::{
    AttentionReason, Blocks, ClosingKind, Lifecycle, Op, OperationKind, OperationState, Order, PaymentTerms,
};
use order_core::testkit::orders::text;
use order_core::text::Private;
use order_core::time::Timestamp;

use super::journey::{Journey, Reply, answer};
use super::shop::{Shop, sample};
use super::steps::PROVIDER_STATES;

/// Every command, with every answer it can get.
pub fn commands(now: Timestamp) -> Vec<Command> {
    let hold = |kind, blocks, until| Command::PlaceHold { kind: text(kind), blocks, until };
    vec![
        Command::Cancel,
        Command::RetryPayment {
            method: text("wallet"),
            terms: PaymentTerms::Confirm,
            token: Private(None),
            return_url: Private(None),
        },
        hold("review", Blocks::Confirm, None),
        hold("review", Blocks::Confirm, Some(now.before(Duration::from_secs(1)))),
        hold("fraud", Blocks::Capture, None),
        hold("fraud", Blocks::Ship, None),
        Command::ReleaseHold { kind: text("fraud") },
        Command::ReleaseHold { kind: text("review") },
        Command::Note,
    ]
}

/// What a command is called in the golden table. Exhaustive, so that a new command is thought of here.
pub fn command_name(command: &Command, order: &Order, now: Timestamp) -> String {
    match command {
        Command::Cancel | Command::RetryPayment { .. } | Command::Note => command.name().into(),
        Command::PlaceHold { kind, blocks, until } => {
            let placed = if order.holds.iter().any(|h| h.kind == *kind) { " again" } else { "" };
            let over = if until.is_some_and(|t| t <= now) { ", until the past" } else { "" };
            format!("{}{placed} ({kind}, blocks {blocks}{over})", command.name())
        }
        Command::ReleaseHold { kind } => format!("{} ({kind})", command.name()),
    }
}

pub fn hold_outcomes() -> Vec<HoldOutcome> {
    vec![
        HoldOutcome::Held { reference: Some(text("hold-1")), expires_at: None },
        HoldOutcome::Refused { available: Some(0), code: "OUT_OF_STOCK".into() },
        HoldOutcome::Unknown { malformed: false },
        HoldOutcome::Unknown { malformed: true },
        HoldOutcome::Absent,
        HoldOutcome::Undecidable,
        HoldOutcome::Committed,
        HoldOutcome::Released,
        HoldOutcome::Expired,
    ]
}

pub fn closing_outcomes() -> Vec<ClosingOutcome> {
    vec![
        ClosingOutcome::Done,
        ClosingOutcome::Refused { code: "NOT_NOW".into() },
        ClosingOutcome::Unknown { malformed: false },
        ClosingOutcome::Unknown { malformed: true },
    ]
}

/// Every fact, about reservation 1, about the first payment, and about the last if that is another.
pub fn facts(order: &Order, now: Timestamp) -> Vec<Fact> {
    let mut facts: Vec<Fact> = hold_outcomes().into_iter().map(|outcome| Fact::Hold { n: 1, outcome }).collect();
    for kind in ClosingKind::ALL {
        facts.extend(closing_outcomes().into_iter().map(|outcome| Fact::Closing { n: 1, kind: *kind, outcome }));
    }
    let last = order.payments.len() as u32;
    for n in if last > 1 { vec![1, last] } else { vec![1] } {
        let p = order.payment(n).expect("every sample has a payment");
        let told = |status, amount| Fact::Payment { n, outcome: answer(order, status, n, amount, later(now)) };
        facts.extend(PROVIDER_STATES.iter().map(|status| told(*status, p.amount)));
        facts.push(told(super::journey::success(p.kind), p.amount - 1));
        facts.push(Fact::Payment { n, outcome: PaymentOutcome::Unknown { malformed: false } });
        facts.push(Fact::Payment { n, outcome: PaymentOutcome::Unknown { malformed: true } });
        facts.push(Fact::Payment { n, outcome: PaymentOutcome::Absent });
    }
    let asked = order.payments[0].amount;
    let report = |key, reference: &str, amount| {
        let status = super::journey::success(order.payments[0].kind);
        Fact::Report(PaymentReport { key, reference: text(reference), status, amount: order.in_currency(amount) })
    };
    facts.push(report(Some(key(order.id, Purpose::Payment, 1)), "pay-1", asked));
    facts.push(report(None, "pay-1", asked));
    facts.push(report(None, "pay-elsewhere", asked));
    let about = Some(Op::Payment(1));
    facts.push(Fact::NeedsAttention { reason: AttentionReason::RetriesExhausted, about });
    facts.push(Fact::NoLongerNeedsAttention { reason: AttentionReason::RetriesExhausted, about });
    facts
}

fn later(now: Timestamp) -> Timestamp {
    now.after(Duration::from_secs(600))
}

/// What a fact is called in the golden table. Exhaustive, so that a new fact or outcome is thought of here.
pub fn fact_name(fact: &Fact, order: &Order) -> String {
    let malformed = |malformed: &bool| if *malformed { "MALFORMED" } else { "UNKNOWN" };
    match fact {
        Fact::Hold { n, outcome } => {
            let outcome = match outcome {
                HoldOutcome::Held { .. } => "HELD",
                HoldOutcome::Refused { .. } => "REFUSED",
                HoldOutcome::Unknown { malformed: m } => malformed(m),
                HoldOutcome::Absent => "ABSENT",
                HoldOutcome::Undecidable => "UNDECIDABLE",
                HoldOutcome::Committed => "COMMITTED",
                HoldOutcome::Released => "RELEASED",
                HoldOutcome::Expired => "EXPIRED",
            };
            format!("hold r{n}: {outcome}")
        }
        Fact::Closing { n, kind, outcome } => {
            let outcome = match outcome {
                ClosingOutcome::Done => "DONE",
                ClosingOutcome::Refused { .. } => "REFUSED",
                ClosingOutcome::Unknown { malformed: m } => malformed(m),
            };
            format!("{} r{n}: {outcome}", kind.as_str().to_lowercase())
        }
        Fact::Payment { n, outcome } => {
            let p = order.payment(*n).expect("facts are about what exists");
            let kind = p.kind.as_str().to_lowercase();
            match outcome {
                PaymentOutcome::Answer { status, amount, .. } if amount.minor == p.amount => format!("{kind} p{n}: {status}"),
                PaymentOutcome::Answer { status, .. } => format!("{kind} p{n}: {status}, another amount"),
                PaymentOutcome::Unknown { malformed: m } => format!("{kind} p{n}: {}", malformed(m)),
                PaymentOutcome::Absent => format!("{kind} p{n}: ABSENT"),
            }
        }
        Fact::Report(report) => {
            let by = match (report.key, report.reference.as_str()) {
                (Some(_), _) => "our key",
                (None, "pay-elsewhere") => "an unheard-of reference",
                (None, _) => "its reference",
            };
            format!("report by {by}: {}", report.status)
        }
        Fact::NeedsAttention { reason, .. } => format!("needs attention: {reason}"),
        Fact::NoLongerNeedsAttention { reason, .. } => format!("no longer needs attention: {reason}"),
    }
}

/// An order in a situation worth a table of its own.
pub struct Sample {
    pub name: &'static str,
    pub journey: Journey,
}

fn lead(terms: PaymentTerms, name: &'static str, way: impl FnOnce(&mut Journey)) -> Sample {
    let mut journey = Journey::place(Shop::ideal(), &sample(terms));
    journey.advance(Duration::from_secs(1));
    way(&mut journey);
    journey.plan();
    Sample { name, journey }
}

fn work(journey: &mut Journey, reply: impl Fn(Call) -> Reply) {
    while journey.work(&mut |_, call| reply(call)).is_none() {}
}

/// Works round by round while `goes_on`, with every call answered yes.
fn work_while(journey: &mut Journey, goes_on: impl Fn(&Order) -> bool) {
    while goes_on(&journey.order) && journey.work(&mut |_, _| Reply::Yes).is_none() {}
}

/// The worker dies in the call that `verb` names.
fn dies_in(verb: Verb) -> impl Fn(Call) -> Reply {
    move |call| if call.verb == verb { Reply::Crash } else { Reply::Yes }
}

fn round(journey: &mut Journey, reply: impl Fn(Call) -> Reply) {
    journey.work(&mut |_, call| reply(call));
}

const CHARGE: Verb = Verb::Pay(OperationKind::Charge);
const AUTHORIZE: Verb = Verb::Pay(OperationKind::Authorize);
const REFUND: Verb = Verb::Pay(OperationKind::Refund);
const VOID: Verb = Verb::Pay(OperationKind::Void);

pub fn samples() -> Vec<Sample> {
    use PaymentTerms::{Confirm, Shipment};
    let pending = |order: &Order| order.lifecycle == Lifecycle::Pending;
    let cancel = |j: &mut Journey| j.command(&Command::Cancel).expect("it can be cancelled");
    vec![
        lead(Confirm, "placed, nothing asked yet", |_| {}),
        lead(Confirm, "stock being asked for", |j| round(j, dies_in(Verb::Reserve))),
        lead(Confirm, "stock held, the charge under way", |j| {
            round(j, |_| Reply::Yes);
            round(j, dies_in(CHARGE));
        }),
        lead(Shipment, "stock held, the authorization under way", |j| {
            round(j, |_| Reply::Yes);
            round(j, dies_in(AUTHORIZE));
        }),
        lead(Confirm, "stock held, the charge waits for the customer", |j| {
            work(j, |call| if call.verb == CHARGE { Reply::Action } else { Reply::Yes });
        }),
        lead(Confirm, "paid, a hold blocks confirming", |j| {
            let hold = Command::PlaceHold { kind: text("fraud"), blocks: Blocks::Confirm, until: None };
            j.command(&hold).expect("a hold can be placed");
            work(j, |_| Reply::Yes);
        }),
        lead(Confirm, "paid", |j| {
            work_while(j, pending);
            work(j, |_| Reply::Yes);
        }),
        lead(Shipment, "authorized, with a hold that blocks shipping", |j| {
            work(j, |_| Reply::Yes);
            let hold = Command::PlaceHold { kind: text("fraud"), blocks: Blocks::Ship, until: None };
            j.command(&hold).expect("a hold can be placed");
        }),
        lead(Confirm, "paid and fulfilled", |j| {
            work(j, |_| Reply::Yes);
            // No rule leads here yet; what it answers is settled all the same.
            j.order.lifecycle = Lifecycle::Completed;
            j.order.statuses = order_core::order::derive(&j.order);
        }),
        lead(Confirm, "cancelled before anything was asked", |j| {
            round(j, dies_in(Verb::Reserve));
            cancel(j);
        }),
        lead(Confirm, "cancelled while the charge was under way", |j| {
            round(j, |_| Reply::Yes);
            round(j, dies_in(CHARGE));
            cancel(j);
        }),
        lead(Confirm, "being refunded and released", |j| {
            work(j, |_| Reply::Yes);
            cancel(j);
            round(j, |call| if matches!(call.verb, REFUND | Verb::Release) { Reply::Crash } else { Reply::Yes });
        }),
        lead(Shipment, "being voided", |j| {
            work(j, |_| Reply::Yes);
            cancel(j);
            round(j, dies_in(VOID));
        }),
        lead(Confirm, "refunded and released", |j| {
            work(j, |_| Reply::Yes);
            cancel(j);
            work(j, |_| Reply::Yes);
        }),
        lead(Confirm, "declined, stock released", |j| {
            work(j, |call| if call.verb == CHARGE { Reply::No } else { Reply::Yes });
        }),
        lead(Confirm, "out of stock", |j| {
            work(j, |call| if call.verb == Verb::Reserve { Reply::No } else { Reply::Yes });
        }),
        lead(Confirm, "never paid", |j| {
            work(j, |call| if call.verb == CHARGE { Reply::Action } else { Reply::Yes });
            j.advance(Duration::from_secs(3_600));
            work(j, |call| if call.verb == Verb::LookUpPayment { Reply::Action } else { Reply::Yes });
        }),
    ]
}

/// In a few words what the records of an order say.
pub fn records(order: &Order) -> String {
    let holds = order.reservations.iter().map(|r| match r.closing {
        Some(closing) => format!("r{} {} ({})", r.n, r.state, closing.kind),
        None => format!("r{} {}", r.n, r.state),
    });
    let payments = order.payments.iter().map(|p| format!("p{} {} {}", p.n, p.kind, p.state));
    let lifts = order.holds.iter().map(|h| format!("hold {} blocks {}", h.kind, h.blocks));
    holds.chain(payments).chain(lifts).collect::<Vec<_>>().join(", ")
}

/// The states that no provider reports: they are ours alone.
pub const OUR_STATES: [OperationState; 4] =
    [OperationState::Planned, OperationState::Armed, OperationState::Unknown, OperationState::Dropped];
