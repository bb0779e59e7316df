//! The same sums and statuses as the engine's, worked out a second time from the rules as written
//! down.

use crate::money::Minor;
use crate::order::{
    CreditKind, DisputeState, FulfilmentStatus, Lifecycle, Line, OperationKind, OperationState,
    Order, PaymentOperation, PaymentStatus, PaymentTerms, ReturnState, ReturnStatus, Shipment,
    ShipmentState, Status, Statuses, Verification,
};

/// The sums of an order's payment records.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub captured: Minor,
    pub refunded: Minor,
    pub authorized: Minor,
    /// The part of it that could still be captured when the order last changed.
    pub usable: Minor,
    /// Planned refunds and those under way.
    pub refunding: Minor,
    /// For each authorization: its number, what it set aside, what was taken from it.
    pub taken_from_authorizations: Vec<(u32, Minor, Minor)>,
}

impl Sums {
    pub(super) fn of(order: &Order) -> Self {
        let mut sums = Sums::default();
        let taken = |n| -> Minor {
            let captures = order
                .payments
                .iter()
                .filter(|c| c.parent == Some(n) && c.kind == OperationKind::Capture);
            captures
                .filter(|c| c.state == OperationState::Captured)
                .map(counts)
                .sum()
        };
        for p in &order.payments {
            let counts = counts(p);
            match (p.kind, p.state) {
                (OperationKind::Refund, state) if is_open(state) => sums.refunding += p.amount,
                (OperationKind::Refund, OperationState::Refunded) => sums.refunded += counts,
                (OperationKind::Charge | OperationKind::Capture, OperationState::Captured) => {
                    sums.captured += counts
                }
                (OperationKind::Authorize, OperationState::Captured) => {
                    // What its provider says of it as a whole includes what was captured from it.
                    sums.captured += (counts - taken(p.n)).max(0);
                    sums.taken_from_authorizations
                        .push((p.n, counts, taken(p.n)));
                }
                (OperationKind::Authorize, OperationState::Authorized) => {
                    let rest = (counts - taken(p.n)).max(0);
                    sums.authorized += rest;
                    sums.usable += if can_be_taken(order, p) { rest } else { 0 };
                    sums.taken_from_authorizations
                        .push((p.n, counts, taken(p.n)));
                }
                _ => {}
            }
        }
        sums
    }
}

/// In the sums an operation counts at most what it asked for, unless the provider's records bear
/// out more.
fn counts(p: &PaymentOperation) -> Minor {
    if matches!(p.verification, Verification::Done | Verification::Again) {
        p.settled.max(0)
    } else {
        p.settled.min(p.amount).max(0)
    }
}

/// Returns whether an authorization had not lapsed, was not being given up, and no capture of it
/// had been refused for good.
fn can_be_taken(order: &Order, p: &PaymentOperation) -> bool {
    let lasts = p.capture_before.is_none_or(|t| t > order.updated_at);
    let asked_anew =
        |c: &PaymentOperation| order.stuck_retried_at.is_some_and(|t| t > c.updated_at);
    let ruined = order
        .payments
        .iter()
        .filter(|c| c.parent == Some(p.n))
        .any(|c| match c.kind {
            OperationKind::Void => is_open(c.state),
            OperationKind::Capture => c.state == OperationState::Failed && !asked_anew(c),
            _ => false,
        });
    lasts && !ruined
}

pub(super) fn is_open(state: OperationState) -> bool {
    use OperationState as S;
    matches!(
        state,
        S::Planned | S::Armed | S::Unknown | S::ActionRequired | S::Pending
    )
}

fn is_dead(lifecycle: Lifecycle) -> bool {
    use Lifecycle as L;
    matches!(
        lifecycle,
        L::Rejected | L::Expired | L::PaymentFailed | L::Cancelling | L::Cancelled
    )
}

/// Returns what the customer owes in all.
pub(super) fn owed(order: &Order) -> Minor {
    least_kept(order).max(0)
}

/// The least that must be kept: what is owed, or less than nothing where more was written off
/// than that.
pub(super) fn least_kept(order: &Order) -> Minor {
    if is_dead(order.lifecycle) {
        return 0;
    }
    let lines: Minor = order.lines.iter().map(|l| first_units(l, kept(l))).sum();
    let of = |kind| {
        let credits = order.credits.iter().filter(|c| c.kind == kind);
        credits.map(|c| c.amount).sum::<Minor>()
    };
    let price = (lines + for_shipping(order) - of(CreditKind::Goodwill)).max(0);
    price - of(CreditKind::WriteOff)
}

/// Shipping is owed while goods that ship are kept, and once goods came back by a return or a
/// parcel was sent that nobody ever took for lost.
fn for_shipping(order: &Order) -> Minor {
    let goods_kept = order
        .lines
        .iter()
        .filter(|l| l.requires_shipping)
        .any(|l| kept(l) > 0);
    if goods_kept || was_sent(order) {
        order.amounts.shipping + order.amounts.shipping_tax
    } else {
        0
    }
}

fn was_sent(order: &Order) -> bool {
    let out = |s: &Shipment| !matches!(s.state, ShipmentState::Planned | ShipmentState::Cancelled);
    order
        .shipments
        .iter()
        .any(|s| out(s) && s.lost_at.is_none())
        || order
            .lines
            .iter()
            .any(|l| l.requires_shipping && came_back(order, l.n, true) > 0)
}

/// Returns what of it is to be captured by now where money is captured as goods leave: the shares
/// of what has left or needs no shipping, shipping from the first parcel on, and all once nothing
/// is left to be sent.
pub(super) fn due_as_shipped(order: &Order) -> Minor {
    let gone = |l: &Line| {
        let left = if l.requires_shipping {
            whereabouts(order, l).left - came_back(order, l.n, true)
        } else {
            l.quantity
        };
        left.min(kept(l))
    };
    if order.lines.iter().all(|l| gone(l) == kept(l)) {
        return owed(order);
    }
    let lines: Minor = order.lines.iter().map(|l| first_units(l, gone(l))).sum();
    let begun = was_sent(order)
        || order
            .lines
            .iter()
            .any(|l| l.requires_shipping && whereabouts(order, l).left > 0);
    let shipping = if begun { for_shipping(order) } else { 0 };
    (lines + shipping - taken_off(order))
        .max(0)
        .min(owed(order))
}

/// Credits for the order as a whole; those for lines are in the lines' lots.
fn taken_off(order: &Order) -> Minor {
    order
        .credits
        .iter()
        .filter(|c| matches!(c.kind, CreditKind::Goodwill | CreditKind::WriteOff))
        .map(|c| c.amount)
        .sum()
}

fn kept(line: &Line) -> u32 {
    line.quantity - line.counters.cancelled - line.counters.returned
}

/// The first k of a lot's n units carry ⌊T·k/n⌋ of what it costs; units leave the last lot first.
fn first_units(line: &Line, mut units: u32) -> Minor {
    let mut sum = 0;
    for lot in &line.lots {
        let k = units.min(lot.units);
        units -= k;
        let total = i128::from(lot.subtotal - lot.coupon + lot.tax - lot.credit);
        sum += (total * i128::from(k)).div_euclid(i128::from(lot.units.max(1))) as Minor;
    }
    sum
}

/// The places of the units of a line that are not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whereabouts {
    pub planned: u32,
    /// On their way or there; given out, where nothing is to be sent.
    pub left: u32,
    pub there: u32,
    /// Out of the stock without being on their way or there, as far as the order has room for them.
    pub lost: u32,
}

/// Counts where the units of a line are by its parcels and returns. A line has room for what was
/// ordered and not cancelled, a dead order for nothing: parcels being packed take theirs first,
/// then what has arrived, then what is on its way. Nothing can come back that was not there.
pub(super) fn whereabouts(order: &Order, line: &Line) -> Whereabouts {
    let ordered = line.quantity - line.counters.cancelled;
    if !line.requires_shipping {
        let out = if matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed) {
            ordered
        } else {
            0
        };
        return Whereabouts {
            planned: 0,
            left: out,
            there: out,
            lost: 0,
        };
    }
    let parcels = |state| -> u32 {
        let units = order
            .shipments
            .iter()
            .filter(|s| s.state == state)
            .flat_map(|s| &s.lines);
        units.filter(|l| l.line == line.n).map(|l| l.units).sum()
    };
    let awaited: u32 = (order.returns.iter())
        .filter(|r| matches!(r.state, ReturnState::Requested | ReturnState::Approved))
        .flat_map(|r| &r.lines)
        .filter(|l| l.line == line.n)
        .map(|l| l.units)
        .sum();
    let planned = parcels(ShipmentState::Planned);
    let (arrived, underway, lost) = (
        parcels(ShipmentState::Delivered),
        parcels(ShipmentState::Shipped),
        parcels(ShipmentState::Lost),
    );
    let mut room = if is_dead(order.lifecycle) {
        0
    } else {
        ordered.saturating_sub(planned)
    };
    let there = room.min(arrived.max(came_back(order, line.n, true) + awaited));
    room -= there;
    let left = there + room.min(underway);
    Whereabouts {
        planned,
        left,
        there,
        lost: lost + (arrived + underway).saturating_sub(left),
    }
}

/// Counts the units of a line that came back, by closed returns or by any.
pub(super) fn came_back(order: &Order, line: u32, closed: bool) -> u32 {
    let returns = order
        .returns
        .iter()
        .filter(|r| !closed || r.state == ReturnState::Closed);
    returns
        .flat_map(|r| &r.lines)
        .filter(|l| l.line == line)
        .map(|l| l.restocked + l.scrapped)
        .sum()
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
    Statuses {
        status,
        payment: payment(order),
        fulfilment,
        returned: returned(order),
    }
}

fn payment(order: &Order) -> PaymentStatus {
    use OperationState as S;
    let Sums {
        captured,
        refunded,
        usable: authorized,
        ..
    } = Sums::of(order);
    let (net, owed) = (captured - refunded, owed(order));
    let any = |state| order.payments.iter().any(|p| p.state == state);
    let attempts: Vec<S> = (order.payments.iter())
        .filter(|p| {
            matches!(p.kind, OperationKind::Authorize | OperationKind::Charge)
                && p.state != S::Dropped
        })
        .map(|p| p.state)
        .collect();
    let charged = matches!(order.terms, PaymentTerms::Confirm | PaymentTerms::Shipment);
    // First match wins, in the order of the rules.
    let rules = [
        (any(S::Unknown), PaymentStatus::Unknown),
        (
            order.disputes.iter().any(|d| d.state == DisputeState::Open),
            PaymentStatus::Disputed,
        ),
        (
            attempts.contains(&S::ActionRequired) && authorized + net < owed,
            PaymentStatus::ActionRequired,
        ),
        (
            captured > 0 && refunded > 0 && net <= 0,
            PaymentStatus::Refunded,
        ),
        (captured > 0 && net > owed, PaymentStatus::Overpaid),
        (captured > 0 && net < owed, PaymentStatus::PartiallyPaid),
        (
            captured > 0 && refunded > 0,
            PaymentStatus::PartiallyRefunded,
        ),
        (captured > 0, PaymentStatus::Paid),
        (authorized >= owed && owed > 0, PaymentStatus::Authorized),
        (authorized > 0, PaymentStatus::PartiallyAuthorized),
        (
            attempts
                .iter()
                .any(|s| matches!(s, S::Planned | S::Armed | S::Pending)),
            PaymentStatus::Pending,
        ),
        (
            charged && attempts.last() == Some(&S::Voided),
            PaymentStatus::Voided,
        ),
        (
            charged
                && matches!(
                    attempts.last(),
                    Some(S::Declined | S::Failed | S::NeverHappened)
                ),
            PaymentStatus::Failed,
        ),
        (!is_dead(order.lifecycle) && owed == 0, PaymentStatus::Paid),
    ];
    rules
        .iter()
        .find(|(holds, _)| *holds)
        .map_or(PaymentStatus::None, |(_, status)| *status)
}

fn fulfilment(order: &Order) -> FulfilmentStatus {
    let (mut n, mut planned, mut shipped, mut delivered) = (0, 0, 0, 0);
    for line in order.lines.iter().filter(|l| l.requires_shipping) {
        let units = whereabouts(order, line);
        n += line.quantity - line.counters.cancelled;
        planned += units.planned;
        shipped += units.left;
        delivered += units.there;
    }
    let rules = [
        (n == 0, FulfilmentStatus::NotRequired),
        (delivered == n, FulfilmentStatus::Delivered),
        (delivered > 0, FulfilmentStatus::PartiallyDelivered),
        (shipped == n, FulfilmentStatus::Shipped),
        (shipped > 0, FulfilmentStatus::PartiallyShipped),
        (planned > 0, FulfilmentStatus::InProgress),
    ];
    rules
        .iter()
        .find(|(holds, _)| *holds)
        .map_or(FulfilmentStatus::Unfulfilled, |(_, status)| *status)
}

fn returned(order: &Order) -> ReturnStatus {
    let (mut back, mut wanted) = (0, 0);
    for line in &order.lines {
        back += came_back(order, line.n, true);
        wanted += line.quantity - line.counters.cancelled;
    }
    match back {
        0 if order
            .returns
            .iter()
            .any(|r| matches!(r.state, ReturnState::Requested | ReturnState::Approved)) =>
        {
            ReturnStatus::Requested
        }
        0 => ReturnStatus::None,
        n if n < wanted => ReturnStatus::PartiallyReturned,
        _ => ReturnStatus::Returned,
    }
}
