//! I34: what was told stands in the journal, or in the list of what fitted nothing.

use super::world::World;
use order_core::audit::Invariant;
use order_core::ids::{OrderId, Reference};
use order_core::money::Currency;
use order_core::order::{
    DisputeState, Event, OperationState, Order, PaymentOperation, UnmatchedPayment,
};
use order_core::rules::{DisputeReport, PaymentReport, Purpose, key};

/// A report was answered: either the order had it so already, as it was `before` or has become
/// meanwhile, or a row of the journal since then has it.
pub(super) fn check_report(world: &World, before: &Order, report: &PaymentReport) {
    let stands = world.store.inspect(before.id, |now, journal, _| {
        let rows = journal.get(before.version as usize..).unwrap_or_default();
        says(before, report)
            || says(now, report)
            || rows.iter().any(|row| tells(now, &row.event, report))
    });
    if stands != Some(true) {
        world.breach(
            Invariant::ReportsKept,
            format!(
                "order {} was told {report:?}, and has it nowhere",
                before.id
            ),
        );
    }
    if report.status == OperationState::Refunded && report.key.is_none() {
        check_asked(world, before.id, report.parent.as_ref());
    }
}

/// An attempt in flight of which a refund or a dispute tells was captured: its records are asked,
/// or have been.
fn check_asked(world: &World, order: OrderId, payment: Option<&Reference>) {
    let waits = world.store.inspect(order, |order, _, _| {
        let attempts = || order.payments.iter().filter(|p| p.is_attempt());
        let named =
            payment.and_then(|name| attempts().find(|p| p.reference.as_ref() == Some(name)));
        let asked = |p: &&PaymentOperation| p.state.is_open() && p.state != OperationState::Planned;
        attempts()
            .filter(asked)
            .any(|p| named.is_some_and(|n| n.n == p.n) && !p.verification.is_due())
    });
    if waits == Some(true) {
        world.breach(
            Invariant::ReportsKept,
            format!("order {order} was told what {payment:?} has become, and does not ask"),
        );
    }
}

/// The operation that a report is about.
fn about<'o>(
    order: &'o Order,
    report: &PaymentReport,
) -> impl Iterator<Item = &'o PaymentOperation> {
    let by_key = report.key.and_then(|k| {
        order
            .payments
            .iter()
            .find(|p| key(order.id, Purpose::Payment, p.n) == k)
    });
    let reference = report.reference.clone();
    let named =
        move |p: &&PaymentOperation| by_key.is_none() && p.reference.as_ref() == Some(&reference);
    by_key
        .into_iter()
        .chain(order.payments.iter().filter(named))
}

/// Reports whether the order has it as the report says.
fn says(order: &Order, report: &PaymentReport) -> bool {
    let same = |p: &PaymentOperation| {
        let money = order.in_currency(p.settled) == report.amount;
        p.state == status_of(p, report) && (money || !moves_money(report.status))
    };
    about(order, report).any(same) || order.unmatched.iter().any(|u| *u == unmatched(report))
}

/// Reports whether an event is what the report says.
fn tells(order: &Order, event: &Event, report: &PaymentReport) -> bool {
    let money = |amount| order.in_currency(amount) == report.amount || !moves_money(report.status);
    let of = |n: u32| about(order, report).find(|p| p.n == n);
    match event {
        Event::PaymentSettled {
            n, state, amount, ..
        } => of(*n).is_some_and(|p| *state == status_of(p, report)) && money(*amount),
        Event::PaymentWaiting { n, state, .. } => of(*n).is_some() && *state == report.status,
        Event::PaymentReported {
            n,
            status,
            amount,
            currency,
            ..
        } => {
            of(*n).is_some()
                && (*status, *amount, *currency)
                    == (report.status, report.amount.minor, report.amount.currency)
        }
        Event::PaymentFound {
            amount, reference, ..
        } => reference.as_ref() == Some(&report.reference) && money(*amount),
        Event::PaymentUnmatched(told) => *told == unmatched(report),
        _ => false,
    }
}

fn unmatched(report: &PaymentReport) -> UnmatchedPayment {
    let PaymentReport {
        key: _,
        reference,
        parent,
        status,
        amount,
    } = report.clone();
    UnmatchedPayment {
        reference,
        parent,
        status,
        amount: amount.minor,
        currency: amount.currency,
    }
}

/// Returns what a report means for an operation: what acts on another and was declined did not
/// happen.
fn status_of(p: &PaymentOperation, report: &PaymentReport) -> OperationState {
    match report.status {
        OperationState::Declined if !p.is_attempt() => OperationState::Failed,
        status => status,
    }
}

const fn moves_money(status: OperationState) -> bool {
    matches!(
        status,
        OperationState::Authorized | OperationState::Captured | OperationState::Refunded
    )
}

/// Demands that the journal has what was said of a dispute.
pub(super) fn check_dispute(world: &World, order: OrderId, report: &DisputeReport) {
    let DisputeReport {
        reference,
        payment: _,
        state,
        amount,
    } = report;
    let stands = world.store.inspect(order, |order, journal, _| {
        let any = |is: &dyn Fn(&Event) -> bool| journal.iter().any(|row| is(&row.event));
        let known = match state {
            DisputeState::Open => {
                any(&|e| matches!(e, Event::DisputeOpened { reference: r, .. } if r == reference))
            }
            DisputeState::Won | DisputeState::Lost => any(&|e| match e {
                Event::DisputeClosed { reference: r, won } => {
                    r == reference && *won == (*state == DisputeState::Won)
                }
                _ => false,
            }),
        };
        let lost = *state == DisputeState::Lost;
        let money = match amount.currency == order.currency {
            true => {
                !lost
                    || order
                        .payments
                        .iter()
                        .any(|p| p.reference.as_ref() == Some(reference))
            }
            false => {
                let told = |u: &UnmatchedPayment| {
                    (&u.reference, u.amount, u.currency)
                        == (reference, amount.minor, amount.currency)
                };
                !lost || any(&|e| matches!(e, Event::PaymentUnmatched(u) if told(u)))
            }
        };
        known && money
    });
    if stands != Some(true) {
        world.breach(
            Invariant::ReportsKept,
            format!("order {order} was told {report:?}, and has it nowhere"),
        );
    }
    if *state != DisputeState::Won && amount.currency == Currency::USD {
        check_asked(world, order, report.payment.as_ref());
    }
}
