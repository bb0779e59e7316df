//! `order stuck`, `attention` and `resolve`: what a person must look at, and what they found.

use clap::{Args, ValueEnum};
use order_core::ids::{ParseIdError, Reference};
use order_core::manager::{Explanation, Principal};
use order_core::money::Minor;
use order_core::order::{AttentionReason, Op, OperationState, Order};
use order_core::rules::{Command, Finding, ReservationOutcome};
use order_core::store::{ListQuery, OrderRef};

use super::operator::{Asked, Change, money};
use super::options::{ById, How, Once};
use super::payment::reported_state;
use crate::engine::{Engine, Manager};
use crate::exit::{Failure, Outcome};
use crate::input::renamed::today;
use crate::output::stuck::{StuckView, reasons, stuck_table};
use crate::output::{Out, note};
use crate::settings::Settings;

/// Shows every order a person must look at, with the reasons.
pub async fn stuck(settings: &Settings, out: &Out) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let found = stuck_orders(&engine.manager, &engine.principal).await?;
    out.many(
        &StuckView::document(&found),
        &StuckView::rows(&found),
        || stuck_table(&found).render(),
    )?;
    if found.is_empty() {
        note("no order needs a person");
    }
    Ok(())
}

/// Returns every order with open attention or stuck work, each explained.
///
/// # Errors
///
/// Those of reading the store.
pub async fn stuck_orders(manager: &Manager, principal: &Principal) -> Outcome<Vec<Explanation>> {
    let mut found = Vec::new();
    let mut query = ListQuery {
        stuck: true,
        limit: 1000,
        ..ListQuery::default()
    };
    loop {
        let page = manager.list(principal, query.clone()).await?;
        for order in page.orders {
            let explanation = manager.explain(principal, order.id.into()).await?;
            // Listed a moment ago, and settled since; or all that is left has been seen by a
            // person.
            if !reasons(&explanation).is_empty() {
                found.push(explanation);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Options of `attention`.
#[derive(Debug, Args)]
pub struct Attention {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The reason that was seen, such as OUTSIDE_REFUND
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub ack: AttentionReason,
    /// Only about this operation, such as p2 or r1
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    pub about: Option<Op>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Attention {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::Acknowledge {
            reason: self.ack,
            about: self.about,
        }))
    }
}

/// Reads a reason of attention, perhaps by an older name.
pub fn reason(text: &str) -> Result<AttentionReason, ParseIdError> {
    today(text).parse()
}

fn operation(text: &str) -> Result<Op, String> {
    Op::try_from(text.to_owned())
        .map_err(|_| "expected an operation as `order get` shows it, such as p2 or r1".into())
}

/// The outcome of asking for a reservation, as an operator found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FoundReservation {
    /// The inventory holds the units
    Held,
    /// It never did
    Absent,
    /// It held them, and has them back
    Released,
    /// They have left the stock
    Committed,
    /// It knew the reservation, and no longer does
    Lost,
}

/// The way that money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Moved {
    /// The customer paid
    In,
    /// The customer got it back
    Out,
}

/// Options of `resolve`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("finding").required(true))]
pub struct Resolve {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The reservation whose outcome was found, by its number
    #[arg(long, value_name = "N", group = "finding", requires = "state")]
    pub reservation: Option<u32>,
    /// The outcome of that reservation
    #[arg(long, value_enum, requires = "reservation")]
    pub state: Option<FoundReservation>,
    /// The reservation whose release or commit was looked into, by its number
    #[arg(long, value_name = "N", group = "finding")]
    pub closing: Option<u32>,
    /// It was done
    #[arg(long, requires = "closing", conflicts_with = "not_done")]
    pub done: bool,
    /// It was not done
    #[arg(long, requires = "closing")]
    pub not_done: bool,
    /// The payment operation whose outcome was found, by its number
    #[arg(long, value_name = "N", group = "finding", requires = "status")]
    pub payment: Option<u32>,
    /// The outcome of that payment: authorized, captured, declined, voided, refunded, failed
    #[arg(long, requires = "payment", value_parser = reported_state())]
    pub status: Option<OperationState>,
    /// Money came in, or went back, and no provider reported it
    #[arg(
        long,
        value_name = "WAY",
        value_enum,
        group = "finding",
        requires_all = ["amount", "reference"]
    )]
    pub moved: Option<Moved>,
    /// A report that fits no operation needs nothing to be done: its reference
    #[arg(long, value_name = "REFERENCE", group = "finding")]
    pub unmatched: Option<Reference>,
    /// The amount, in the order's currency; what was asked for if not given
    #[arg(long)]
    pub amount: Option<String>,
    /// The provider's name for it
    #[arg(long)]
    pub reference: Option<Reference>,
    /// The evidence for it, for the journal
    #[arg(long, value_name = "TEXT")]
    pub evidence: String,
    /// Show the events and the order after them, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The key and the version.
    #[command(flatten)]
    pub once: Once,
}

impl Change for Resolve {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        How {
            reason: self.evidence.clone(),
            once: self.once.clone(),
        }
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        if self.evidence.trim().is_empty() {
            return Err(Failure::bad_input(
                "--evidence is empty: say how it was found out",
            ));
        }
        let command = Command::Resolve {
            finding: finding(order, self)?,
        };
        Ok(match self.dry_run {
            true => Asked::Preview(command),
            false => Asked::Command(command),
        })
    }
}

/// Reads what an operator found out.
fn finding(order: &Order, r: &Resolve) -> Outcome<Finding> {
    let amount = r
        .amount
        .as_ref()
        .map(|a| money(order, "--amount", a))
        .transpose()?
        .map(|m| m.minor);
    if let (Some(n), Some(state)) = (r.reservation, r.state) {
        let outcome = match state {
            FoundReservation::Held => ReservationOutcome::Held {
                reference: r.reference.clone(),
                expires_at: None,
            },
            FoundReservation::Absent => ReservationOutcome::Absent,
            FoundReservation::Released => ReservationOutcome::Released,
            FoundReservation::Committed => ReservationOutcome::Committed,
            FoundReservation::Lost => ReservationOutcome::Lost,
        };
        return Ok(Finding::Hold { n, outcome });
    }
    if let Some(n) = r.closing {
        if r.done == r.not_done {
            return Err(Failure::bad_input("--closing needs --done or --not-done"));
        }
        return Ok(Finding::Closing { n, done: r.done });
    }
    if let (Some(n), Some(status)) = (r.payment, r.status) {
        if matches!(
            status,
            OperationState::Pending | OperationState::ActionRequired
        ) {
            return Err(Failure::bad_input(format!(
                "--status {status} is no outcome: find out what has become of it"
            )));
        }
        let moves = matches!(
            status,
            OperationState::Authorized | OperationState::Captured | OperationState::Refunded
        );
        let asked = order.payment(n).map_or(0, |p| p.amount);
        let amount = amount.unwrap_or(if moves { asked } else { 0 });
        return Ok(Finding::Payment {
            n,
            status,
            amount,
            reference: r.reference.clone(),
        });
    }
    match (&r.moved, &r.unmatched, amount, &r.reference) {
        (Some(way), _, Some(amount), Some(reference)) => {
            let status = if *way == Moved::In {
                OperationState::Captured
            } else {
                OperationState::Refunded
            };
            moved(status, amount, reference.clone())
        }
        (_, Some(reference), _, _) => Ok(Finding::Unmatched {
            reference: reference.clone(),
        }),
        _ => Err(Failure::bad_input(
            "say what was found out: --reservation, --closing, --payment, --moved or --unmatched",
        )),
    }
}

fn moved(status: OperationState, amount: Minor, reference: Reference) -> Outcome<Finding> {
    if amount <= 0 {
        return Err(Failure::bad_input("--amount must be more than 0"));
    }
    Ok(Finding::Moved {
        status,
        amount,
        reference,
    })
}
