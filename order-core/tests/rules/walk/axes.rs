//! Events that may befall a small order, kept apart by subject.
//!
//! Commands are bounded by what there is to do: two shipments, one return, two credits, one edit
//! (two in a row where they are refused for want of stock), two attempts at paying. Facts would
//! never end, since a service, or a carrier, can contradict itself for ever. So those are counted
//! that do not answer what was asked as work hopes for (a no, a late answer that is news, a report
//! out of the blue), and a path has at most [`SURPRISES_MAX`] of them, of either axis. An answer
//! that is no news costs nothing, however late and often it comes.

use order_core::ids::Reference;
use order_core::order::{
    Blocks, Closing, DiscardCause, Dispute, DisputeState, LineCredit, LineUnits, OperationKind,
    OperationState, Order, ReceivedUnits, Reservation, ReservationState, ReturnState,
    ShipmentState,
};
use order_core::rules::{
    ClosingOutcome, Command, DisputeReport, Fact, PaymentOutcome, PaymentReport, ProviderAnswer,
    ReservationOutcome,
};
use order_core::testkit::orders::text;
use order_core::text::Private;

use super::explore::{State, held, later};
use crate::inputs::edit;
use crate::journey::{answer, success};
use crate::shop::{added, lowered, raised};

/// Facts of one path that are not what work hopes for.
pub const SURPRISES_MAX: u8 = 2;

/// Events that may befall an order, kept apart by subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Outcomes of payment operations, in any sequence; a second attempt.
    Payment,
    /// Outcomes of reservations, commits and releases.
    Stock,
    Shipment,
    Cancel,
    Return,
    Credit,
    Edit,
    Hold,
    /// Money that moves without the engine, and disputes.
    Outside,
}

pub const AXES: [Axis; 9] = [
    Axis::Payment,
    Axis::Stock,
    Axis::Shipment,
    Axis::Cancel,
    Axis::Return,
    Axis::Credit,
    Axis::Edit,
    Axis::Hold,
    Axis::Outside,
];

/// One thing that happens.
#[derive(Debug)]
pub enum Input {
    Command(Command),
    Fact(Fact),
}

impl Input {
    /// Returns true if it is not what work hopes for.
    pub fn surprises(&self, order: &Order) -> bool {
        match self {
            // Of what has become of a shipment, the first word is none.
            Input::Command(
                Command::Deliver { shipment: Some(n) }
                | Command::FailShipment { shipment: n }
                | Command::LoseShipment { shipment: n }
                | Command::ReturnToSender { shipment: n },
            ) => order
                .shipment(*n)
                .is_some_and(|s| s.state.has_left() && s.state != ShipmentState::Shipped),
            Input::Command(_) => false,
            Input::Fact(Fact::Payment { n, outcome }) => {
                order.payment(*n).is_some_and(|p| match outcome {
                    PaymentOutcome::Answer(ProviderAnswer { status, .. }) => {
                        !p.state.is_open() || *status != success(p.kind)
                    }
                    PaymentOutcome::Unknown { .. } => false,
                    PaymentOutcome::Absent => true,
                })
            }
            Input::Fact(Fact::Reservation { n, outcome }) => {
                order.reservation(*n).is_some_and(|r| match outcome {
                    ReservationOutcome::Held { .. } => !r.state.is_open(),
                    ReservationOutcome::Unknown { .. } => false,
                    _ => true,
                })
            }
            Input::Fact(Fact::Closing { n, outcome, .. }) => {
                order.reservation(*n).is_some_and(|r| match outcome {
                    ClosingOutcome::Done => r.closing.is_none(),
                    ClosingOutcome::Unknown { .. } => false,
                    ClosingOutcome::Refused { .. } => true,
                })
            }
            // How a dispute ends is no surprise; that it ends otherwise after all is one, and could
            // go on for ever.
            Input::Fact(Fact::Dispute(report)) => {
                let open =
                    |d: &Dispute| d.reference == report.reference && d.state == DisputeState::Open;
                !order.disputes.iter().any(open)
            }
            Input::Fact(_) => true,
        }
    }
}

impl Axis {
    /// Everything that may happen on this axis, whether or not it is news.
    pub fn inputs(self, with: Axis, state: &State, out: &mut Vec<Input>) {
        let order = &state.order;
        match self {
            Axis::Payment => payment(state, out),
            Axis::Stock => stock(state, out),
            Axis::Outside => outside(order, out),
            Axis::Shipment => out.extend(shipment(state).into_iter().map(Input::Command)),
            Axis::Cancel => out.extend(cancel().into_iter().map(Input::Command)),
            Axis::Return => out.extend(returns(order).into_iter().map(Input::Command)),
            Axis::Credit => out.extend(credit(order).into_iter().map(Input::Command)),
            Axis::Edit => out.extend(
                edits(order, matches!(with, Axis::Stock | Axis::Edit))
                    .into_iter()
                    .map(Input::Command),
            ),
            Axis::Hold => out.extend(holds().into_iter().map(Input::Command)),
        }
    }
}

/// Every outcome of every operation that was ever asked for, whatever is known of it by now.
fn payment(state: &State, out: &mut Vec<Input>) {
    use OperationState as S;
    let order = &state.order;
    for p in order
        .payments
        .iter()
        .filter(|p| !matches!(p.state, S::Planned | S::Dropped))
    {
        let n = p.n;
        let told = |status| Fact::Payment {
            n,
            outcome: answer(order, status, n, p.amount, later(state.now)),
        };
        let mut facts = vec![
            told(success(p.kind)),
            Fact::Payment {
                n,
                outcome: PaymentOutcome::Unknown { malformed: false },
            },
        ];
        if state.may_surprise() {
            facts.extend([
                told(S::Declined),
                Fact::Payment {
                    n,
                    outcome: PaymentOutcome::Absent,
                },
            ]);
            if p.kind == OperationKind::Authorize {
                facts.push(told(S::Captured));
            }
            if n == 1 && p.state.is_open() {
                facts.extend([told(S::ActionRequired), told(S::Voided)]);
            }
        }
        out.extend(facts.into_iter().map(Input::Fact));
    }
    let attempts = order.payments.iter().filter(|p| p.is_attempt()).count();
    if attempts < 2 {
        let (method, terms) = (text("wallet"), order.terms);
        let retry = Command::RetryPayment {
            amount: None,
            method,
            terms,
            token: Private(None),
            return_url: Private(None),
        };
        out.push(Input::Command(retry));
    }
}

fn stock(state: &State, out: &mut Vec<Input>) {
    let order = &state.order;
    // The other line's stock is the same as this one's.
    let first = |r: &&Reservation| {
        order.lines[0].sku == r.sku
            && !matches!(
                r.state,
                ReservationState::Planned | ReservationState::Dropped
            )
    };
    for r in order.reservations.iter().filter(first) {
        let n = r.n;
        let mut outcomes = vec![held(n), ReservationOutcome::Unknown { malformed: false }];
        if state.may_surprise() {
            let refused = ReservationOutcome::Refused {
                available: None,
                code: "OUT_OF_STOCK".into(),
            };
            outcomes.extend([
                refused,
                ReservationOutcome::Absent,
                ReservationOutcome::Lost,
            ]);
        }
        out.extend(
            outcomes
                .into_iter()
                .map(|outcome| Input::Fact(Fact::Reservation { n, outcome })),
        );
        out.extend(
            closings(r, state.closings.get(n as usize - 1).copied().flatten())
                .into_iter()
                .map(Input::Fact),
        );
    }
}

/// Every answer to the closing that is under way, or a late one to the last.
fn closings(r: &Reservation, last: Option<Closing>) -> Vec<Fact> {
    let Some(Closing {
        serial,
        kind,
        units,
        committed,
        unknown: _,
    }) = last
    else {
        return Vec::new();
    };
    let no = ClosingOutcome::Refused {
        code: "NOT_NOW".into(),
    };
    let outcomes = [
        ClosingOutcome::Done,
        no,
        ClosingOutcome::Unknown { malformed: false },
    ];
    outcomes
        .into_iter()
        .map(|outcome| Fact::Closing {
            n: r.n,
            serial,
            kind,
            units,
            committed,
            outcome,
        })
        .collect()
}

fn one(line: u32) -> Vec<LineUnits> {
    vec![LineUnits { line, units: 1 }]
}

fn shipment(state: &State) -> Vec<Command> {
    let order = &state.order;
    let ship = |shipment, lines| Command::Ship {
        shipment,
        lines,
        carrier: None,
        tracking: None,
    };
    let mut commands = vec![Command::Complete];
    if order.shipments.len() < 2 {
        commands.extend([
            ship(None, one(1)),
            ship(None, Vec::new()),
            Command::PlanShipment { lines: one(1) },
        ]);
    }
    for s in &order.shipments {
        let n = s.n;
        let deliver = Command::Deliver { shipment: Some(n) };
        let lose = Command::LoseShipment { shipment: n };
        let fail = Command::FailShipment { shipment: n };
        let send_back = Command::ReturnToSender { shipment: n };
        commands.extend(match s.state {
            ShipmentState::Planned => vec![
                ship(Some(n), Vec::new()),
                Command::CancelShipment { shipment: n },
            ],
            ShipmentState::Shipped if n == 1 => vec![deliver, fail, send_back, lose],
            ShipmentState::Shipped => vec![deliver, fail],
            // Something else is found out later of the first: each of the three places its units
            // can be in leads to the others, once, and with no other surprise before; else there
            // are millions of ways.
            ShipmentState::Delivered if n == 1 && state.surprises == 0 => vec![fail, lose],
            ShipmentState::Failed | ShipmentState::Returned if n == 1 && state.surprises == 0 => {
                vec![deliver, lose]
            }
            ShipmentState::Lost if n == 1 && state.surprises == 0 => vec![deliver, fail],
            ShipmentState::Delivered
            | ShipmentState::Failed
            | ShipmentState::Returned
            | ShipmentState::Lost
            | ShipmentState::Cancelled => Vec::new(),
        });
    }
    commands
}

fn cancel() -> Vec<Command> {
    vec![
        Command::Cancel,
        Command::CancelLines { lines: one(1) },
        Command::CancelLines { lines: one(2) },
        Command::CancelRest,
    ]
}

/// A return, with what it takes for goods to be there.
fn returns(order: &Order) -> Vec<Command> {
    let mut commands = Vec::new();
    if order.shipments.is_empty() {
        commands.push(Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        });
    }
    commands.push(Command::Deliver { shipment: None });
    if order.returns.is_empty() {
        commands.extend([1, 2].map(|units| Command::RequestReturn {
            lines: vec![LineUnits { line: 1, units }],
        }));
    }
    let received = |number, restock, scrap| Command::ReceiveReturn {
        number,
        lines: vec![ReceivedUnits {
            line: 1,
            restock,
            scrap,
        }],
    };
    for r in order
        .returns
        .iter()
        .filter(|r| r.state != ReturnState::Closed)
    {
        let number = r.n;
        commands.extend([
            Command::ApproveReturn { number },
            Command::RejectReturn { number },
            received(number, 1, 0),
            received(number, 0, 1),
            Command::CloseReturn { number },
        ]);
    }
    commands
}

fn credit(order: &Order) -> Vec<Command> {
    let mut commands = Vec::new();
    if order.credits.len() < 2 {
        commands.push(Command::Credit { amount: 333 });
        commands.push(Command::CreditLines {
            lines: vec![LineCredit {
                line: 1,
                amount: 501,
            }],
        });
        commands.push(Command::Credit {
            amount: order.owed(),
        });
    }
    commands
}

fn edits(order: &Order, twice: bool) -> Vec<Command> {
    let mut commands = vec![Command::DiscardEdit];
    match order.edits.as_slice() {
        [] => commands.extend([
            edit(raised(order, 1, 1)),
            edit(lowered(1, 1)),
            edit(added(order, 3, 1)),
        ]),
        // The same question, asked again in the same moment.
        [refused] if twice && refused.cause == Some(DiscardCause::StockRefused) => {
            commands.push(edit(raised(order, 1, 1)))
        }
        _ => {}
    }
    commands
}

fn holds() -> Vec<Command> {
    let place = |kind, blocks| Command::PlaceHold {
        kind: text(kind),
        blocks: Some(blocks),
        until: None,
    };
    vec![
        place("confirm", Blocks::Confirm),
        place("capture", Blocks::Capture),
        place("ship", Blocks::Ship),
        Command::ReleaseHold {
            kind: text("confirm"),
        },
        Command::ReleaseHold {
            kind: text("capture"),
        },
        Command::ReleaseHold { kind: text("ship") },
    ]
}

fn outside(order: &Order, out: &mut Vec<Input>) {
    let parent: Option<Reference> = order.payments.first().and_then(|p| p.reference.clone());
    let report = |reference, status, amount| {
        let amount = order.in_currency(amount);
        Fact::Report(PaymentReport {
            key: None,
            reference: text(reference),
            parent: parent.clone(),
            status,
            amount,
        })
    };
    let dispute = |state| {
        let (payment, amount) = (parent.clone(), order.in_currency(700));
        Fact::Dispute(DisputeReport {
            reference: text("dispute"),
            payment,
            state,
            amount,
        })
    };
    out.extend(
        [
            report("refund", OperationState::Refunded, 400),
            report("all back", OperationState::Refunded, order.amounts.total),
            report("payment", OperationState::Captured, 300),
            dispute(DisputeState::Open),
            dispute(DisputeState::Won),
            dispute(DisputeState::Lost),
        ]
        .map(Input::Fact),
    );
}
