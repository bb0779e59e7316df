//! Steps of a random walk. They name operations by a number that is taken modulo what there is, so
//! that every step means something on every order, and a failing walk shrinks to few steps.

use std::time::Duration;

use order_core::money::Money;
use order_core::order::{
    AttentionReason, Blocks, Closing, ClosingKind, CustomerAction, DisputeState, HoldEnd, Op,
    OperationState, Order, PaymentTerms,
};
use order_core::rules::{
    ClosingOutcome, Command, DisputeReport, Evidence, Fact, PaymentOutcome, PaymentReport,
    ProviderAnswer, Purpose, ReservationOutcome, key,
};
use order_core::testkit::orders::text;
use order_core::text::Private;
use proptest::prelude::*;

use super::journey::{Journey, Reply};
use super::shop::{added, lowered, raised};

/// Every status a provider can report.
pub const PROVIDER_STATES: [OperationState; 8] = [
    OperationState::Authorized,
    OperationState::Captured,
    OperationState::Pending,
    OperationState::ActionRequired,
    OperationState::Declined,
    OperationState::Voided,
    OperationState::Refunded,
    OperationState::Failed,
];

#[derive(Debug, Clone)]
pub enum Step {
    Command(CommandSeed),
    Fact(FactSeed),
    /// Time passes, in seconds.
    Wait(u64),
    /// A worker works until nothing is due, and the services answer like this, over and over.
    Work(Vec<Reply>),
    /// A worker works one round.
    Round(Reply),
}

#[derive(Debug, Clone)]
pub enum CommandSeed {
    Cancel,
    Retry(PaymentTerms),
    Hold {
        kind: u8,
        blocks: Blocks,
        seconds: Option<u64>,
    },
    Release {
        kind: u8,
    },
    Note,
    /// One of [`commands`](super::inputs::commands) that there are, by place.
    Any(usize),
    /// The course of most orders, by place.
    Life(usize),
    /// A change of what was ordered, by place and size.
    Edit {
        which: u8,
        line: u32,
        units: u32,
    },
}

#[derive(Debug, Clone)]
pub enum FactSeed {
    /// Money that moved without the engine asking, in thousandths of what was ordered.
    Outside {
        status: OperationState,
        per_mille: i64,
        of: Option<u32>,
        reference: u8,
    },
    Dispute {
        state: DisputeState,
        per_mille: i64,
        of: Option<u32>,
        reference: u8,
    },
    Hold {
        n: u32,
        outcome: ReservationOutcome,
        lives: Option<u64>,
    },
    /// About the closing under way, if it is of that kind; else about one that never was, or is
    /// over.
    Closing {
        n: u32,
        kind: ClosingKind,
        outcome: ClosingOutcome,
    },
    Payment {
        n: u32,
        told: ToldSeed,
    },
    PaymentUnknown {
        n: u32,
        malformed: bool,
    },
    PaymentAbsent {
        n: u32,
    },
    Report {
        by: ReportBy,
        n: u32,
        told: ToldSeed,
    },
    Exhausted {
        n: u32,
    },
    NotExhausted {
        n: u32,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum ReportBy {
    Key,
    Reference,
    Nothing,
}

#[derive(Debug, Clone)]
pub struct ToldSeed {
    pub status: OperationState,
    pub amount: AmountSeed,
    /// In seconds from now, or ago.
    pub deadline: i64,
    pub evidence: Evidence,
}

#[derive(Debug, Clone, Copy)]
pub enum AmountSeed {
    Asked,
    Less,
    More,
    Nothing,
    OtherCurrency,
}

fn tolds() -> impl Strategy<Value = ToldSeed> {
    let amount = prop_oneof![
        6 => Just(AmountSeed::Asked),
        1 => Just(AmountSeed::Less),
        1 => Just(AmountSeed::More),
        1 => Just(AmountSeed::Nothing),
        1 => Just(AmountSeed::OtherCurrency),
    ];
    let deadline = prop_oneof![3 => 60..7_200i64, 1 => -60..=0i64];
    let evidence = prop::sample::select(vec![Evidence::Answer, Evidence::LookUp]);
    (
        prop::sample::select(&PROVIDER_STATES[..]),
        amount,
        deadline,
        evidence,
    )
        .prop_map(|(status, amount, deadline, evidence)| ToldSeed {
            status,
            amount,
            deadline,
            evidence,
        })
}

pub fn facts() -> impl Strategy<Value = FactSeed> {
    let hold = prop_oneof![
        4 => Just(ReservationOutcome::Held { reference: None, expires_at: None }),
        2 => prop::option::of(0..3u32)
            .prop_map(|available| ReservationOutcome::Refused { available, code: "OUT_OF_STOCK".into() }),
        1 => any::<bool>().prop_map(|malformed| ReservationOutcome::Unknown { malformed }),
        1 => Just(ReservationOutcome::Absent),
        1 => Just(ReservationOutcome::Undecidable),
        1 => Just(ReservationOutcome::Committed),
        1 => Just(ReservationOutcome::Released),
        1 => Just(ReservationOutcome::Expired),
    ];
    let closing = prop_oneof![
        Just(ClosingOutcome::Done),
        Just(ClosingOutcome::Refused {
            code: "NOT_NOW".into()
        }),
        any::<bool>().prop_map(|malformed| ClosingOutcome::Unknown { malformed }),
    ];
    let kind = prop_oneof![Just(ClosingKind::Release), Just(ClosingKind::Commit)];
    let by = prop_oneof![3 => Just(ReportBy::Key), 2 => Just(ReportBy::Reference), 1 => Just(ReportBy::Nothing)];
    let lives =
        prop_oneof![2 => Just(None), 1 => (0..200u64).prop_map(Some), 1 => Just(Some(3_000_000))];
    let n = || 0..8u32;
    prop_oneof![
        5 => (n(), hold, lives).prop_map(|(n, outcome, lives)| FactSeed::Hold { n, outcome, lives }),
        2 => (n(), kind, closing).prop_map(|(n, kind, outcome)| FactSeed::Closing { n, kind, outcome }),
        6 => (n(), tolds()).prop_map(|(n, told)| FactSeed::Payment { n, told }),
        1 => (n(), any::<bool>()).prop_map(|(n, malformed)| FactSeed::PaymentUnknown { n, malformed }),
        2 => n().prop_map(|n| FactSeed::PaymentAbsent { n }),
        3 => (by, n(), tolds()).prop_map(|(by, n, told)| FactSeed::Report { by, n, told }),
        1 => (prop::bool::ANY, 0..1_500i64, prop::option::of(n()), 0..4u8).prop_map(|(back, per_mille, of, reference)| {
            let status = if back { OperationState::Refunded } else { OperationState::Captured };
            FactSeed::Outside { status, per_mille, of, reference }
        }),
        1 => (prop::sample::select(DisputeState::ALL), 0..1_500i64, prop::option::of(n()), 0..3u8)
            .prop_map(|(state, per_mille, of, reference)| FactSeed::Dispute { state, per_mille, of, reference }),
        1 => n().prop_map(|n| FactSeed::Exhausted { n }),
        1 => n().prop_map(|n| FactSeed::NotExhausted { n }),
    ]
}

fn commands() -> impl Strategy<Value = CommandSeed> {
    let terms = prop_oneof![
        3 => Just(PaymentTerms::Confirm),
        3 => Just(PaymentTerms::Shipment),
        1 => Just(PaymentTerms::Invoice),
        1 => Just(PaymentTerms::Delivery),
    ];
    let blocks = prop::sample::select(Blocks::ALL);
    let seconds = prop::option::of(prop_oneof![Just(0), 1..7_200u64]);
    prop_oneof![
        2 => Just(CommandSeed::Cancel),
        3 => terms.prop_map(CommandSeed::Retry),
        2 => (0..3u8, blocks, seconds).prop_map(|(kind, blocks, seconds)| CommandSeed::Hold { kind, blocks, seconds }),
        2 => (0..3u8).prop_map(|kind| CommandSeed::Release { kind }),
        1 => Just(CommandSeed::Note),
        4 => (0..200usize).prop_map(CommandSeed::Any),
        12 => (0..200usize).prop_map(CommandSeed::Life),
        2 => (0..3u8, 0..4u32, 1..3u32).prop_map(|(which, line, units)| CommandSeed::Edit { which, line, units }),
    ]
}

pub fn replies() -> impl Strategy<Value = Reply> {
    prop_oneof![
        12 => Just(Reply::Yes),
        3 => Just(Reply::No),
        1 => Just(Reply::Odd),
        1 => Just(Reply::Pending),
        1 => Just(Reply::Action),
        2 => Just(Reply::Unknown),
        1 => Just(Reply::Malformed),
        2 => Just(Reply::NotDone),
        2 => Just(Reply::Crash),
    ]
}

pub fn walks(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![
        4 => 1..120u64,
        2 => Just(1_800),
        1 => Just(90_000),
        1 => Just(8 * 24 * 60 * 60),
        1 => Just(31 * 24 * 60 * 60),
    ];
    let step = prop_oneof![
        2 => commands().prop_map(Step::Command),
        4 => facts().prop_map(Step::Fact),
        2 => wait.prop_map(Step::Wait),
        3 => prop::collection::vec(replies(), 1..6).prop_map(Step::Work),
        5 => replies().prop_map(Step::Round),
    ];
    prop::collection::vec(step, 0..steps)
}

impl CommandSeed {
    pub fn on(&self, journey: &Journey) -> Command {
        let kind = |n: &u8| text(["fraud", "address", "stock check"][usize::from(*n)]);
        match self {
            CommandSeed::Cancel => Command::Cancel,
            CommandSeed::Retry(terms) => Command::RetryPayment {
                amount: None,
                method: text("wallet"),
                terms: *terms,
                token: Private(Some("tok_wallet".into())),
                return_url: Private(None),
            },
            CommandSeed::Hold {
                kind: n,
                blocks,
                seconds,
            } => Command::PlaceHold {
                kind: kind(n),
                blocks: Some(*blocks),
                until: seconds.map(|s| HoldEnd::After(Duration::from_secs(s))),
            },
            CommandSeed::Release { kind: n } => Command::ReleaseHold { kind: kind(n) },
            CommandSeed::Note => Command::Note,
            CommandSeed::Any(place) => {
                let mut all = super::inputs::commands(&journey.order, journey.now);
                all.swap_remove(place % all.len())
            }
            CommandSeed::Life(place) => {
                let mut all = super::inputs::life(&journey.order);
                all.swap_remove(place % all.len())
            }
            CommandSeed::Edit { which, line, units } => {
                let order = &journey.order;
                let line = 1 + line % order.lines.len() as u32;
                super::inputs::edit(match which {
                    0 => raised(order, line, *units),
                    1 => lowered(line, *units),
                    _ => added(order, 1 + line, *units),
                })
            }
        }
    }
}

impl FactSeed {
    /// One operation in eight does not exist.
    pub fn on(&self, journey: &Journey) -> Fact {
        let order = &journey.order;
        let reservation =
            |n: u32| 1 + n % (order.reservations.len() as u32 + u32::from(n == 7)).max(1);
        let payment = |n: u32| 1 + n % (order.payments.len() as u32 + u32::from(n == 7)).max(1);
        let part =
            |per_mille: &i64| order.in_currency((order.amounts.total / 1000 * per_mille).max(1));
        let named = |n: &Option<u32>| n.map(|n| text(&format!("pay-{}", payment(n))));
        match self {
            FactSeed::Outside {
                status,
                per_mille,
                of,
                reference,
            } => Fact::Report(PaymentReport {
                key: None,
                reference: text(&format!("outside-{reference}")),
                parent: named(of),
                status: *status,
                amount: part(per_mille),
            }),
            FactSeed::Dispute {
                state,
                per_mille,
                of,
                reference,
            } => Fact::Dispute(DisputeReport {
                reference: text(&format!("dispute-{reference}")),
                payment: named(of),
                state: *state,
                amount: part(per_mille),
            }),
            FactSeed::Hold { n, outcome, lives } => {
                let n = reservation(*n);
                let outcome = match outcome {
                    ReservationOutcome::Held { .. } => ReservationOutcome::Held {
                        reference: Some(text(&format!("hold-{n}"))),
                        expires_at: lives.map(|s| journey.now.after(Duration::from_secs(s))),
                    },
                    other => other.clone(),
                };
                Fact::Reservation { n, outcome }
            }
            FactSeed::Closing { n, kind, outcome } => {
                let n = reservation(*n);
                let r = order.reservation(n);
                match r.and_then(|r| r.closing).filter(|c| c.kind == *kind) {
                    Some(Closing {
                        serial,
                        kind,
                        units,
                        committed,
                        unknown: _,
                    }) => Fact::Closing {
                        n,
                        serial,
                        kind,
                        units,
                        committed,
                        outcome: outcome.clone(),
                    },
                    None => {
                        let serial = r.map_or(0, |r| r.closings.saturating_sub(1));
                        let units = r.map_or(1, |r| r.quantity);
                        Fact::Closing {
                            n,
                            serial,
                            kind: *kind,
                            units,
                            committed: false,
                            outcome: outcome.clone(),
                        }
                    }
                }
            }
            FactSeed::Payment { n, told } => {
                let n = payment(*n);
                let deadline = match told.deadline {
                    s if s < 0 => journey.now.before(Duration::from_secs(s.unsigned_abs())),
                    s => journey.now.after(Duration::from_secs(s.unsigned_abs())),
                };
                let outcome = PaymentOutcome::Answer(ProviderAnswer {
                    status: told.status,
                    reference: Some(text(&format!("pay-{n}"))),
                    amount: told.amount.of(order, n),
                    code: None,
                    deadline,
                    action: Private(Some(CustomerAction {
                        url: "https://bank.example/".into(),
                        data: None,
                    })),
                    capture_before: None,
                    evidence: told.evidence,
                });
                Fact::Payment { n, outcome }
            }
            FactSeed::PaymentUnknown { n, malformed } => Fact::Payment {
                n: payment(*n),
                outcome: PaymentOutcome::Unknown {
                    malformed: *malformed,
                },
            },
            FactSeed::PaymentAbsent { n } => Fact::Payment {
                n: payment(*n),
                outcome: PaymentOutcome::Absent,
            },
            FactSeed::Report { by, n, told } => {
                let n = payment(*n);
                Fact::Report(PaymentReport {
                    key: matches!(by, ReportBy::Key).then(|| key(order.id, Purpose::Payment, n)),
                    reference: if matches!(by, ReportBy::Nothing) {
                        text("pay-elsewhere")
                    } else {
                        text(&format!("pay-{n}"))
                    },
                    parent: None,
                    status: told.status,
                    amount: told.amount.of(order, n),
                })
            }
            FactSeed::Exhausted { n } => Fact::NeedsAttention {
                reason: AttentionReason::RetriesExhausted,
                about: Some(Op::Payment(payment(*n))),
            },
            FactSeed::NotExhausted { n } => Fact::NoLongerNeedsAttention {
                reason: AttentionReason::RetriesExhausted,
                about: Some(Op::Payment(payment(*n))),
            },
        }
    }
}

impl AmountSeed {
    fn of(self, order: &Order, n: u32) -> Money {
        let asked = order.payment(n).map_or(1, |p| p.amount);
        match self {
            AmountSeed::Asked => order.in_currency(asked),
            AmountSeed::Less => order.in_currency(asked - 1),
            AmountSeed::More => order.in_currency(asked + 1),
            AmountSeed::Nothing => order.in_currency(0),
            AmountSeed::OtherCurrency => Money::new(asked, text("CHF")),
        }
    }
}

impl Journey {
    pub fn walk(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Command(seed) => {
                let command = seed.on(self);
                let before = self.order.clone();
                if let Err(rejection) = self.command(&command) {
                    assert_eq!(self.order, before, "a refused command leaves nothing");
                    assert_eq!(rejection.order, Some((before.id, before.number)));
                }
            }
            Step::Fact(seed) => {
                let fact = seed.on(self);
                self.facts(&[fact]);
            }
            Step::Wait(seconds) => {
                self.advance(Duration::from_secs(*seconds));
                self.settle();
            }
            Step::Work(replies) => {
                let mut replies = replies.iter().cycle().copied();
                // A service that says no for ever keeps its caller waiting, not working: the pauses
                // end every run.
                for _ in 0..40 {
                    if self
                        .work(&mut |_, _| replies.next().unwrap_or(Reply::Yes))
                        .is_some()
                    {
                        break;
                    }
                }
            }
            Step::Round(reply) => drop(self.work(&mut |_, _| *reply)),
        }
    }
}
