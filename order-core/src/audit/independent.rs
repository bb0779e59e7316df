//! The same sums and statuses as the engine's, worked out a second time from the rules as written down.

use crate::money::Minor;
use crate::order::{
    FulfilmentStatus, Lifecycle, Line, OperationKind, OperationState, Order, PaymentStatus, ReturnStatus, Status, Statuses,
};

/// What an order's payment records add up to.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub captured: Minor,
    pub refunded: Minor,
    pub authorized: Minor,
    /// For each authorization: its number, what it set aside, what was taken from it.
    pub taken_from_authorizations: Vec<(u32, Minor, Minor)>,
}

impl Sums {
    pub(super) fn of(order: &Order) -> Self {
        let mut sums = Sums::default();
        for p in &order.payments {
            // In the sums an operation counts at most what it asked for.
            let counts = p.settled.min(p.amount).max(0);
            match (p.kind, p.state) {
                (OperationKind::Refund, OperationState::Refunded) => sums.refunded += counts,
                (OperationKind::Charge | OperationKind::Capture | OperationKind::Authorize, OperationState::Captured) => {
                    sums.captured += counts;
                }
                (OperationKind::Authorize, OperationState::Authorized) => {
                    let taken: Minor = order
                        .payments
                        .iter()
                        .filter(|c| c.parent == Some(p.n) && c.kind == OperationKind::Capture)
                        .filter(|c| c.state == OperationState::Captured)
                        .map(|c| c.settled.min(c.amount).max(0))
                        .sum();
                    sums.authorized += (counts - taken).max(0);
                    sums.taken_from_authorizations.push((p.n, counts, taken));
                }
                _ => {}
            }
        }
        sums
    }
}

pub(super) fn is_open(state: OperationState) -> bool {
    use OperationState as S;
    matches!(state, S::Planned | S::Armed | S::Unknown | S::ActionRequired | S::Pending)
}

fn is_dead(lifecycle: Lifecycle) -> bool {
    use Lifecycle as L;
    matches!(lifecycle, L::Rejected | L::Expired | L::PaymentFailed | L::Cancelling | L::Cancelled)
}

/// What the customer owes in all.
pub(super) fn owed(order: &Order) -> Minor {
    if is_dead(order.lifecycle) {
        return 0;
    }
    order.lines.iter().map(line_owed).sum::<Minor>() + order.amounts.shipping + order.amounts.shipping_tax
}

/// The first k of a lot's n units carry ⌊T·k/n⌋ of each amount; units leave the last lot first.
fn line_owed(line: &Line) -> Minor {
    let mut kept = line.quantity - line.counters.cancelled - line.counters.returned;
    let mut owed = 0;
    for lot in &line.lots {
        let k = kept.min(lot.units);
        kept -= k;
        let part = |total: Minor| {
            if k == lot.units { total } else { (i128::from(total) * i128::from(k) / i128::from(lot.units)) as Minor }
        };
        owed += part(lot.subtotal) - part(lot.coupon) + part(lot.tax);
    }
    owed
}

/// The statuses that the records say.
pub(super) fn statuses(order: &Order) -> Statuses {
    let fulfilment = fulfilment(order);
    let status = match order.lifecycle {
        Lifecycle::Pending => Status::Pending,
        Lifecycle::Completed => Status::Completed,
        Lifecycle::Cancelling => Status::Cancelling,
        Lifecycle::Cancelled => Status::Cancelled,
        Lifecycle::PaymentFailed => Status::PaymentFailed,
        Lifecycle::Rejected => Status::Rejected,
        Lifecycle::Expired => Status::Expired,
        Lifecycle::Confirmed => match fulfilment {
            FulfilmentStatus::NotRequired | FulfilmentStatus::Unfulfilled => Status::Confirmed,
            FulfilmentStatus::InProgress => Status::Processing,
            FulfilmentStatus::PartiallyShipped => Status::PartiallyShipped,
            FulfilmentStatus::Shipped => Status::Shipped,
            FulfilmentStatus::PartiallyDelivered => Status::PartiallyDelivered,
            FulfilmentStatus::Delivered => Status::Delivered,
        },
    };
    Statuses { status, payment: payment(order), fulfilment, returned: returned(order) }
}

fn payment(order: &Order) -> PaymentStatus {
    use OperationState as S;
    let Sums { captured, refunded, authorized, .. } = Sums::of(order);
    let (net, owed) = (captured - refunded, owed(order));
    let any = |state| order.payments.iter().any(|p| p.state == state);
    let attempts: Vec<S> = (order.payments.iter())
        .filter(|p| matches!(p.kind, OperationKind::Authorize | OperationKind::Charge) && p.state != S::Dropped)
        .map(|p| p.state)
        .collect();
    // First match wins, in the order of the rules.
    let rules = [
        (any(S::Unknown), PaymentStatus::Unknown),
        (attempts.contains(&S::ActionRequired) && authorized + net < owed, PaymentStatus::ActionRequired),
        (captured > 0 && refunded > 0 && net <= 0, PaymentStatus::Refunded),
        (captured > 0 && net > owed, PaymentStatus::Overpaid),
        (captured > 0 && refunded > 0, PaymentStatus::PartiallyRefunded),
        (captured > 0 && net == owed, PaymentStatus::Paid),
        (captured > 0, PaymentStatus::PartiallyPaid),
        (authorized >= owed && owed > 0, PaymentStatus::Authorized),
        (authorized > 0, PaymentStatus::PartiallyAuthorized),
        (attempts.iter().any(|s| matches!(s, S::Planned | S::Armed | S::Pending)), PaymentStatus::Pending),
        (attempts.last() == Some(&S::Voided), PaymentStatus::Voided),
        (matches!(attempts.last(), Some(S::Declined | S::Failed)), PaymentStatus::Failed),
        (!is_dead(order.lifecycle) && owed == 0, PaymentStatus::Paid),
    ];
    rules.iter().find(|(holds, _)| *holds).map_or(PaymentStatus::None, |(_, status)| *status)
}

fn fulfilment(order: &Order) -> FulfilmentStatus {
    let (mut n, mut planned, mut shipped, mut delivered) = (0, 0, 0, 0);
    for line in order.lines.iter().filter(|l| l.requires_shipping) {
        n += line.quantity - line.counters.cancelled;
        planned += line.counters.planned;
        shipped += line.counters.shipped;
        delivered += line.counters.delivered;
    }
    let rules = [
        (n == 0, FulfilmentStatus::NotRequired),
        (delivered == n, FulfilmentStatus::Delivered),
        (delivered > 0, FulfilmentStatus::PartiallyDelivered),
        (shipped == n, FulfilmentStatus::Shipped),
        (shipped > 0, FulfilmentStatus::PartiallyShipped),
        (planned > 0, FulfilmentStatus::InProgress),
    ];
    rules.iter().find(|(holds, _)| *holds).map_or(FulfilmentStatus::Unfulfilled, |(_, status)| *status)
}

fn returned(order: &Order) -> ReturnStatus {
    let (mut back, mut arrived) = (0, 0);
    for line in &order.lines {
        back += line.counters.returned;
        arrived += line.counters.delivered;
    }
    match back {
        0 => ReturnStatus::None,
        n if n < arrived => ReturnStatus::PartiallyReturned,
        _ => ReturnStatus::Returned,
    }
}
