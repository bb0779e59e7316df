//! The effects of stock events on the order's reservations.

use crate::order::{Closing, Event, Numbered, Order, Reservation, ReservationState};
use crate::time::Timestamp;

/// Applies an event of a reservation to the order.
pub(in crate::rules) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::ReservationPlanned {
            n,
            sku,
            quantity,
            replaces,
        } => {
            let planned = Reservation::planned(*n, sku.clone(), *quantity, order.round, at);
            order.reservations.push(Reservation {
                replaces: *replaces,
                ..planned
            });
        }
        Event::StockHeld {
            n,
            reference,
            expires_at,
        } => with_reservation(order, *n, at, |r| {
            r.state = ReservationState::Held;
            r.reference.clone_from(reference);
            r.expires_at = *expires_at;
        }),
        Event::StockRefused {
            n,
            available,
            code: _,
        } => with_reservation(order, *n, at, |r| {
            r.state = ReservationState::Refused;
            r.available = *available;
        }),
        Event::StockUnknown { n } => {
            with_reservation(order, *n, at, |r| r.state = ReservationState::Unknown)
        }
        Event::StockAbsent { n } | Event::StockDropped { n } => {
            with_reservation(order, *n, at, |r| r.state = ReservationState::Dropped)
        }
        Event::StockSuspect { n } => {
            with_reservation(order, *n, at, |r| r.state = ReservationState::Suspect)
        }
        Event::StockClosing {
            n,
            kind,
            units,
            committed,
        } => with_reservation(order, *n, at, |r| {
            let units = units.unwrap_or(if *committed || r.state == ReservationState::Committed {
                r.committed
            } else {
                r.held()
            });
            let committed = *committed || r.state == ReservationState::Committed;
            r.closing = Some(Closing {
                serial: r.closings,
                kind: *kind,
                units,
                committed,
                unknown: false,
            });
            r.closings += 1;
            r.closing_refused = false;
        }),
        Event::StockClosingUnknown { n } => with_reservation(order, *n, at, |r| {
            if let Some(closing) = &mut r.closing {
                closing.unknown = true;
            }
        }),
        Event::StockClosingRefused { n, .. } => with_reservation(order, *n, at, |r| {
            r.closing = None;
            r.closing_refused = true;
            r.refusals += 1;
        }),
        Event::StockReleased {
            n,
            units,
            committed,
        } => with_reservation(order, *n, at, |r| {
            let committed = *committed || r.state == ReservationState::Committed;
            let there = if committed {
                r.committed
            } else {
                r.quantity.saturating_sub(r.committed + r.released)
            };
            let units = units.unwrap_or(there).min(there);
            r.released += units;
            if committed {
                r.committed -= units;
            }
            after_closing(r, ReservationState::Released);
        }),
        Event::StockCommitted { n, units } => with_reservation(order, *n, at, |r| {
            let there = r.quantity.saturating_sub(r.committed + r.released);
            r.committed += units.unwrap_or(there).min(there);
            after_closing(r, ReservationState::Committed);
        }),
        Event::StockExpired { n } => end_reservation(order, *n, ReservationState::Expired, at),
        Event::StockLost { n } => end_reservation(order, *n, ReservationState::Lost, at),
        _ => {}
    }
}

/// Marks a reservation as handed to the workers: from now on it may have been asked for.
pub(in crate::rules) fn arm(order: &mut Order, n: u32, at: Timestamp) {
    with_reservation(order, n, at, |r| r.state = ReservationState::Armed);
}

fn with_reservation(
    order: &mut Order,
    n: u32,
    at: Timestamp,
    change: impl FnOnce(&mut Reservation),
) {
    if let Some(r) = order.reservations.numbered_mut(n) {
        r.updated_at = at;
        change(r);
    }
}

/// Returns what a reservation is once a closing is done: held while units are left, then what its
/// units have become.
fn after_closing(r: &mut Reservation, done: ReservationState) {
    r.closing = None;
    r.closing_refused = false;
    r.refusals = 0;
    let rest = r.quantity.saturating_sub(r.committed + r.released);
    let ended = matches!(r.state, ReservationState::Expired | ReservationState::Lost);
    if rest == 0 {
        r.state = if r.committed > 0 {
            ReservationState::Committed
        } else {
            ReservationState::Released
        };
    } else if !ended {
        r.state = if r.state.is_open() || r.state == ReservationState::Suspect {
            done
        } else {
            ReservationState::Held
        };
    }
}

fn end_reservation(order: &mut Order, n: u32, state: ReservationState, at: Timestamp) {
    with_reservation(order, n, at, |r| {
        r.state = state;
        r.closing = None;
    });
}
