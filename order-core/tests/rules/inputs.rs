//! Every command and fact there is, and what each is called in the golden table.

use std::time::Duration;

use order_core::money::Minor;
use order_core::order::{
    AddressType, AttentionReason, Blocks, ClosingKind, DisputeState, EditPlan, HoldEnd, LineCredit,
    LineUnits, Op, OperationState, Order, PaymentTerms, ReceivedUnits, Status,
};
use order_core::rules::{
    ClosingOutcome, Command, DisputeReport, Fact, Finding, PaymentOutcome, PaymentReport,
    ProviderAnswer, Purpose, ReservationOutcome, key,
};
use order_core::testkit::orders::text;
use order_core::text::Private;
use order_core::time::Timestamp;

use super::journey::{answer, success};
use super::shop::{address, lowered, raised};
use super::steps::PROVIDER_STATES;

/// Every command, with every answer it can get.
pub fn commands(order: &Order, now: Timestamp) -> Vec<Command> {
    let mut commands = anywhere(order, now);
    // What is not tried everywhere is tried where the rules say that it may be possible.
    let here = |tag: &str| commands.iter().any(|c| c.spec().tag == tag);
    let tried = order_core::rules::samples(order);
    let others: Vec<Command> = (tried.into_iter())
        .filter(|c| !here(c.spec().tag))
        .collect();
    commands.extend(others);
    commands
}

/// The commands that are tried on every order.
pub fn anywhere(order: &Order, now: Timestamp) -> Vec<Command> {
    let hold = |kind, blocks, until: Option<Timestamp>| Command::PlaceHold {
        kind: text(kind),
        blocks: Some(blocks),
        until: until.map(HoldEnd::At),
    };
    let one = |line| vec![LineUnits { line, units: 1 }];
    let retry = |terms| Command::RetryPayment {
        amount: None,
        method: text("wallet"),
        terms,
        token: Private(None),
        return_url: Private(None),
    };
    let line_credit = |amount| Command::CreditLines {
        lines: vec![LineCredit { line: 1, amount }],
    };
    let mut commands = vec![
        Command::Cancel,
        Command::CancelLines { lines: one(1) },
        Command::CancelLines {
            lines: order
                .lines
                .iter()
                .map(|l| LineUnits {
                    line: l.n,
                    units: l.quantity,
                })
                .collect(),
        },
        Command::CancelRest,
        retry(PaymentTerms::Confirm),
        retry(PaymentTerms::Invoice),
        Command::WriteOff { amount: None },
        Command::WriteOff { amount: Some(1) },
        hold("review", Blocks::Confirm, None),
        hold(
            "review",
            Blocks::Confirm,
            Some(now.before(Duration::from_secs(1))),
        ),
        hold("fraud", Blocks::Capture, None),
        hold("fraud", Blocks::Ship, None),
        Command::ReleaseHold {
            kind: text("fraud"),
        },
        Command::ReleaseHold {
            kind: text("review"),
        },
        Command::PlanShipment { lines: one(1) },
        Command::PlanShipment { lines: one(2) },
        Command::Ship {
            shipment: None,
            lines: one(1),
            carrier: None,
            tracking: None,
        },
        Command::Ship {
            shipment: Some(1),
            lines: Vec::new(),
            carrier: Some("DHL".into()),
            tracking: None,
        },
        Command::Deliver { shipment: Some(1) },
        Command::Deliver { shipment: None },
        Command::FailShipment { shipment: 1 },
        Command::LoseShipment { shipment: 1 },
        Command::ReturnToSender { shipment: 1 },
        Command::CancelShipment { shipment: 1 },
        Command::Complete,
        Command::Credit { amount: 100 },
        Command::Credit {
            amount: order.amounts.total + 1,
        },
        line_credit(100),
        line_credit(order.amounts.total + 1),
        Command::RequestReturn { lines: one(1) },
        Command::RequestReturn { lines: one(2) },
        Command::ApproveReturn { number: 1 },
        Command::RejectReturn { number: 1 },
        Command::ReceiveReturn {
            number: 1,
            lines: vec![ReceivedUnits {
                line: 1,
                restock: 1,
                scrap: 0,
            }],
        },
        Command::ReceiveReturn {
            number: 1,
            lines: Vec::new(),
        },
        Command::CloseReturn { number: 1 },
        edit(raised(order, 1, 1)),
        edit(lowered(1, 1)),
        edit(lowered(1, 9)),
        Command::DiscardEdit,
        Command::ChangeAddress {
            which: AddressType::Shipping,
            address: Private(Some(address("2 Main Street", "US"))),
        },
        Command::ChangeAddress {
            which: AddressType::Shipping,
            address: Private(Some(address("2 Main Street", "DE"))),
        },
        Command::SetMetadata {
            key: text("erp"),
            value: Private(Some("4711".into())),
        },
        Command::SetMetadata {
            key: text("erp"),
            value: Private(None),
        },
        Command::Acknowledge {
            reason: AttentionReason::RefundFailed,
            about: None,
        },
        Command::RetryStuck,
        Command::Redact,
        Command::Note,
    ];
    commands.extend(
        findings(order)
            .into_iter()
            .map(|finding| Command::Resolve { finding }),
    );
    commands.extend(
        Status::ALL
            .iter()
            .map(|status| Command::SetStatus { status: *status }),
    );
    commands
}

/// The course of most orders after they are confirmed.
pub fn life(order: &Order) -> Vec<Command> {
    let one = |line| vec![LineUnits { line, units: 1 }];
    let all = Vec::new;
    let ship = |shipment, lines| Command::Ship {
        shipment,
        lines,
        carrier: None,
        tracking: None,
    };
    let received = |line, restock, scrap| {
        vec![ReceivedUnits {
            line,
            restock,
            scrap,
        }]
    };
    let mut commands = vec![
        ship(None, all()),
        Command::Deliver { shipment: None },
        Command::Complete,
        Command::Credit {
            amount: 1 + order.owed() / 3,
        },
        Command::CancelRest,
    ];
    for l in &order.lines {
        commands.extend([
            ship(None, one(l.n)),
            Command::PlanShipment { lines: one(l.n) },
            Command::CancelLines { lines: one(l.n) },
            Command::RequestReturn { lines: one(l.n) },
            Command::CreditLines {
                lines: vec![LineCredit {
                    line: l.n,
                    amount: 1 + l.owed() / 3,
                }],
            },
        ]);
    }
    for s in &order.shipments {
        commands.extend([
            ship(Some(s.n), all()),
            Command::Deliver {
                shipment: Some(s.n),
            },
            Command::FailShipment { shipment: s.n },
            Command::LoseShipment { shipment: s.n },
            Command::ReturnToSender { shipment: s.n },
            Command::CancelShipment { shipment: s.n },
        ]);
    }
    for r in &order.returns {
        commands.extend([
            Command::ApproveReturn { number: r.n },
            Command::RejectReturn { number: r.n },
            Command::ReceiveReturn {
                number: r.n,
                lines: Vec::new(),
            },
            Command::ReceiveReturn {
                number: r.n,
                lines: received(r.lines[0].line, 1, 0),
            },
            Command::ReceiveReturn {
                number: r.n,
                lines: received(r.lines[0].line, 0, 1),
            },
            Command::CloseReturn { number: r.n },
        ]);
    }
    commands
}

/// A finding of an operator.
fn findings(order: &Order) -> Vec<Finding> {
    let moved = |status| Finding::Moved {
        status,
        amount: 100,
        reference: text("bank-1"),
    };
    let mut findings = vec![
        Finding::Hold {
            n: 1,
            outcome: ReservationOutcome::Absent,
        },
        Finding::Closing { n: 1, done: true },
        moved(OperationState::Captured),
        moved(OperationState::Refunded),
        Finding::Unmatched {
            reference: text("pay-elsewhere"),
        },
    ];
    let last = order.payments.last();
    findings.extend(last.map(|p| Finding::Payment {
        n: p.n,
        status: success(p.kind),
        amount: p.amount,
        reference: None,
    }));
    findings
}

pub fn edit(plan: EditPlan) -> Command {
    Command::Edit {
        plan: Box::new(plan),
        method: text("card"),
        terms: PaymentTerms::Confirm,
        token: Private(None),
        return_url: Private(None),
        address: Private(None),
    }
}

/// The name of a command in the golden table.
pub fn command_name(command: &Command, order: &Order, now: Timestamp) -> String {
    let name = command.name();
    let units = |lines: &[LineUnits]| match lines {
        [] => "all".to_owned(),
        some => some
            .iter()
            .map(|l| format!("{} of line {}", l.units, l.line))
            .collect::<Vec<_>>()
            .join(", "),
    };
    match command {
        Command::Cancel
        | Command::Complete
        | Command::DiscardEdit
        | Command::RetryStuck
        | Command::Redact
        | Command::Note => name.into(),
        Command::CancelLines { lines } => format!("{name} ({})", units(lines)),
        Command::CancelRest => format!("{name} (the rest)"),
        Command::WriteOff { amount } => format!(
            "{name} ({})",
            amount.map_or_else(|| "all".into(), |a| a.to_string())
        ),
        Command::RetryPayment {
            terms,
            amount: None,
            ..
        } => format!("{name} ({terms})"),
        Command::RetryPayment {
            terms,
            amount: Some(_),
            ..
        } => format!("{name} ({terms}, part)"),
        Command::PlaceHold {
            kind,
            blocks,
            until,
        } => {
            let placed = if order.holds.iter().any(|h| h.kind == *kind) {
                " again"
            } else {
                ""
            };
            let over = if until.is_some_and(|end| end.for_one_placed(now) <= now) {
                ", until the past"
            } else {
                ""
            };
            let blocks = blocks.map_or("what comes next", |b| b.as_str());
            format!("{name}{placed} ({kind}, blocks {blocks}{over})")
        }
        Command::ReleaseHold { kind } => format!("{name} ({kind})"),
        Command::PlanShipment { lines } => format!("{name} ({})", units(lines)),
        Command::Ship {
            shipment: Some(n), ..
        } => format!("{name} (shipment {n})"),
        Command::Ship {
            shipment: None,
            lines,
            ..
        } => format!("{name} ({})", units(lines)),
        Command::Deliver {
            shipment: Some(shipment),
        }
        | Command::FailShipment { shipment }
        | Command::LoseShipment { shipment }
        | Command::ReturnToSender { shipment }
        | Command::CancelShipment { shipment } => format!("{name} (shipment {shipment})"),
        Command::Deliver { shipment: None } => format!("{name} (all on their way)"),
        Command::Credit { amount } => format!("{name} ({})", size(*amount, order)),
        Command::CreditLines { lines } => format!(
            "{name} (line {}, {})",
            lines[0].line,
            size(lines[0].amount, order)
        ),
        Command::RequestReturn { lines } => format!("{name} ({})", units(lines)),
        Command::ApproveReturn { number }
        | Command::RejectReturn { number }
        | Command::CloseReturn { number } => {
            format!("{name} {number}")
        }
        Command::ReceiveReturn { number, lines } => {
            format!(
                "{name} {number} ({})",
                if lines.is_empty() { "all" } else { "one unit" }
            )
        }
        Command::Edit { plan, .. } => match plan.lowered.first() {
            Some(l) => format!("{name} ({} less of line {})", l.units, l.line),
            None => format!("{name} (1 more of line 1)"),
        },
        Command::ChangeAddress { address, .. } => {
            let there = address.get().is_some_and(|a| a.country == "US");
            format!(
                "{name} ({})",
                if there {
                    "same country"
                } else {
                    "another country"
                }
            )
        }
        Command::SetMetadata { value, .. } => format!(
            "{name} ({})",
            if value.get().is_some() {
                "set"
            } else {
                "remove"
            }
        ),
        Command::Acknowledge { reason, .. } => format!("{name} ({reason})"),
        Command::SetStatus { status } => format!("{name} ({status})"),
        Command::Resolve { finding } => {
            let what = match finding {
                Finding::Hold { n, outcome: _ } => format!("r{n} absent"),
                Finding::Closing { n, done: _ } => format!("r{n} closed"),
                Finding::Payment { n, status, .. } => format!("p{n} {status}"),
                Finding::Moved { status, .. } => format!("{status} elsewhere"),
                Finding::Unmatched { .. } => "unmatched report".into(),
            };
            format!("{name} ({what})")
        }
        // A new one: by its fields, as Debug has them.
        other => {
            let debug = format!("{other:?}");
            let fields = debug.split_once(' ').map_or("", |(_, fields)| fields);
            format!("{name} {fields}")
        }
    }
}

fn size(amount: Minor, order: &Order) -> &'static str {
    if amount > order.amounts.total {
        "too much"
    } else {
        "some"
    }
}

pub fn reservation_outcomes() -> Vec<ReservationOutcome> {
    vec![
        ReservationOutcome::Held {
            reference: Some(text("hold-1")),
            expires_at: None,
        },
        ReservationOutcome::Refused {
            available: Some(0),
            code: "OUT_OF_STOCK".into(),
        },
        ReservationOutcome::Unknown { malformed: false },
        ReservationOutcome::Unknown { malformed: true },
        ReservationOutcome::Absent,
        ReservationOutcome::Undecidable,
        ReservationOutcome::Committed,
        ReservationOutcome::Released,
        ReservationOutcome::Expired,
        ReservationOutcome::Lost,
    ]
}

pub fn closing_outcomes() -> Vec<ClosingOutcome> {
    vec![
        ClosingOutcome::Done,
        ClosingOutcome::Refused {
            code: "NOT_NOW".into(),
        },
        ClosingOutcome::Unknown { malformed: false },
        ClosingOutcome::Unknown { malformed: true },
    ]
}

/// Every fact, about reservation 1, about the first payment, and about the last if that is another.
pub fn facts(order: &Order, now: Timestamp) -> Vec<Fact> {
    let mut facts: Vec<Fact> = reservation_outcomes()
        .into_iter()
        .map(|outcome| Fact::Reservation { n: 1, outcome })
        .collect();
    for kind in ClosingKind::ALL {
        let about = |outcome| match order
            .reservation(1)
            .and_then(|r| r.closing)
            .filter(|c| c.kind == *kind)
        {
            Some(c) => Fact::Closing {
                n: 1,
                serial: c.serial,
                kind: c.kind,
                units: c.units,
                committed: c.committed,
                outcome,
            },
            None => Fact::Closing {
                n: 1,
                serial: 0,
                kind: *kind,
                units: 2,
                committed: false,
                outcome,
            },
        };
        facts.extend(closing_outcomes().into_iter().map(about));
    }
    let last = order.payments.len() as u32;
    for n in [1, last].into_iter().take(last.min(2) as usize) {
        let p = order.payment(n).expect("it exists");
        let told = |status, amount| Fact::Payment {
            n,
            outcome: answer(order, status, n, amount, later(now)),
        };
        facts.extend(PROVIDER_STATES.iter().map(|status| told(*status, p.amount)));
        facts.push(told(success(p.kind), p.amount - 1));
        facts.push(Fact::Payment {
            n,
            outcome: PaymentOutcome::Unknown { malformed: false },
        });
        facts.push(Fact::Payment {
            n,
            outcome: PaymentOutcome::Unknown { malformed: true },
        });
        facts.push(Fact::Payment {
            n,
            outcome: PaymentOutcome::Absent,
        });
    }
    let first = order.payments.first();
    let asked = first.map_or(order.amounts.total, |p| p.amount);
    let report = |key, reference: &str, amount| {
        let status = first.map_or(OperationState::Captured, |p| success(p.kind));
        Fact::Report(PaymentReport {
            key,
            reference: text(reference),
            parent: None,
            status,
            amount: order.in_currency(amount),
        })
    };
    facts.push(report(
        Some(key(order.id, Purpose::Payment, 1)),
        "pay-1",
        asked,
    ));
    facts.push(report(None, "pay-1", asked));
    facts.push(report(None, "pay-elsewhere", asked));
    let outside = |status, amount| {
        let parent = first.and_then(|p| p.reference.clone());
        Fact::Report(PaymentReport {
            key: None,
            reference: text("outside-1"),
            parent,
            status,
            amount: order.in_currency(amount),
        })
    };
    facts.push(outside(OperationState::Refunded, 100));
    facts.push(outside(OperationState::Captured, 100));
    facts.extend(DisputeState::ALL.iter().map(|state| {
        let amount = order.in_currency(asked);
        let payment = first.and_then(|p| p.reference.clone());
        Fact::Dispute(DisputeReport {
            reference: text("dispute-1"),
            payment,
            state: *state,
            amount,
        })
    }));
    let about = Some(Op::Payment(1));
    facts.push(Fact::NeedsAttention {
        reason: AttentionReason::RetriesExhausted,
        about,
    });
    facts.push(Fact::NoLongerNeedsAttention {
        reason: AttentionReason::RetriesExhausted,
        about,
    });
    facts
}

fn later(now: Timestamp) -> Timestamp {
    now.after(Duration::from_secs(600))
}

/// The name of a fact in the golden table. Exhaustive, so that a new fact or outcome is thought
/// of here.
pub fn fact_name(fact: &Fact, order: &Order) -> String {
    let malformed = |malformed: &bool| if *malformed { "MALFORMED" } else { "UNKNOWN" };
    match fact {
        Fact::Reservation { n, outcome } => {
            let outcome = match outcome {
                ReservationOutcome::Held { .. } => "HELD",
                ReservationOutcome::Refused { .. } => "REFUSED",
                ReservationOutcome::Unknown { malformed: m } => malformed(m),
                ReservationOutcome::Absent => "ABSENT",
                ReservationOutcome::Undecidable => "UNDECIDABLE",
                ReservationOutcome::Committed => "COMMITTED",
                ReservationOutcome::Released => "RELEASED",
                ReservationOutcome::Expired => "EXPIRED",
                ReservationOutcome::Lost => "LOST",
            };
            format!("hold r{n}: {outcome}")
        }
        Fact::Closing {
            n, kind, outcome, ..
        } => {
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
                PaymentOutcome::Answer(ProviderAnswer { status, amount, .. })
                    if amount.minor == p.amount =>
                {
                    format!("{kind} p{n}: {status}")
                }
                PaymentOutcome::Answer(ProviderAnswer { status, .. }) => {
                    format!("{kind} p{n}: {status}, another amount")
                }
                PaymentOutcome::Unknown { malformed: m } => {
                    format!("{kind} p{n}: {}", malformed(m))
                }
                PaymentOutcome::Absent => format!("{kind} p{n}: ABSENT"),
            }
        }
        Fact::Report(report) => {
            let by = match (report.key, report.reference.as_str()) {
                (Some(_), _) => "our key",
                (None, "pay-elsewhere") => "an unheard-of reference",
                (None, "outside-1") => "its parent",
                (None, _) => "its reference",
            };
            format!("report by {by}: {}", report.status)
        }
        Fact::Dispute(report) => format!("dispute: {}", report.state),
        Fact::NeedsAttention { reason, .. } => format!("needs attention: {reason}"),
        Fact::NoLongerNeedsAttention { reason, .. } => {
            format!("no longer needs attention: {reason}")
        }
    }
}
