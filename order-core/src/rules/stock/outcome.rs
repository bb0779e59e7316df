//! Outcomes of what was asked of the inventory. Never refused, whatever the order has become.

use crate::order::{AttentionReason, ClosingKind, Event, Op, Order, ReservationState};
use crate::rules::Env;
use crate::rules::attention::{clear, outcome_known, raise};
use crate::rules::fact::{ClosingCall, ClosingOutcome, ReservationOutcome};

/// Returns the events of what became of asking for reservation `n`.
pub(in crate::rules) fn reservation(
    order: &Order,
    n: u32,
    outcome: &ReservationOutcome,
) -> Vec<Event> {
    let Some(r) = order.reservation(n) else {
        return Vec::new();
    };
    let op = Op::Reservation(n);
    // What is settled stays: a late answer to an early question says nothing new. But a reservation
    // that turns up after all is the inventory's truth, whatever we believed, and is dealt with.
    let open = r.state.is_open() || r.state == ReservationState::Suspect;
    let believed_absent = matches!(
        r.state,
        ReservationState::Dropped | ReservationState::Refused
    );
    let mut events = match outcome {
        ReservationOutcome::Held {
            reference,
            expires_at,
        } if open || believed_absent => {
            vec![Event::StockHeld {
                n,
                reference: reference.clone(),
                expires_at: *expires_at,
            }]
        }
        ReservationOutcome::Refused { available, code } if open => {
            vec![Event::StockRefused {
                n,
                available: *available,
                code: code.clone(),
            }]
        }
        ReservationOutcome::Unknown { malformed } if r.state.is_open() => {
            let unknown =
                (r.state != ReservationState::Unknown).then_some(Event::StockUnknown { n });
            let look = malformed
                .then(|| raise(order, AttentionReason::Malformed, Some(op)))
                .flatten();
            return unknown.into_iter().chain(look).collect();
        }
        ReservationOutcome::Absent if open => vec![Event::StockAbsent { n }],
        ReservationOutcome::Undecidable if r.state.is_open() => {
            let look = raise(order, AttentionReason::SuspectReservation, Some(op));
            std::iter::once(Event::StockSuspect { n })
                .chain(look)
                .collect()
        }
        ReservationOutcome::Committed if open => vec![Event::StockCommitted { n, units: None }],
        ReservationOutcome::Released if open => vec![Event::StockReleased {
            n,
            units: None,
            committed: false,
        }],
        ReservationOutcome::Expired if open => vec![Event::StockExpired { n }],
        ReservationOutcome::Lost if open || r.state == ReservationState::Held => {
            vec![Event::StockLost { n }]
        }
        _ => return Vec::new(),
    };
    if !matches!(outcome, ReservationOutcome::Undecidable) {
        events.extend(clear(order, AttentionReason::SuspectReservation, Some(op)));
    }
    events.extend(outcome_known(order, op));
    events
}

/// Returns the events of what became of releasing or committing units of a reservation.
pub(in crate::rules) fn closing(
    order: &Order,
    about: &ClosingCall,
    outcome: &ClosingOutcome,
    env: &Env<'_>,
) -> Vec<Event> {
    let &ClosingCall {
        n,
        serial,
        kind,
        units,
        committed,
    } = about;
    let Some(r) = order.reservation(n) else {
        return Vec::new();
    };
    let op = Op::Reservation(n);
    let under_way = r.closing.filter(|c| c.serial == serial);
    match outcome {
        ClosingOutcome::Done => {
            // Done is done, also when somebody else who asked was refused meanwhile and wrote that
            // down first.
            let refused = r.closing.is_none() && r.closing_refused && serial + 1 == r.closings;
            if under_way.is_none() && !refused {
                return Vec::new();
            }
            let units = Some(units);
            let done = match kind {
                ClosingKind::Release => Event::StockReleased {
                    n,
                    units,
                    committed,
                },
                ClosingKind::Commit => Event::StockCommitted { n, units },
            };
            let settled = clear(order, AttentionReason::ReleaseRefused, Some(op));
            std::iter::once(done)
                .chain(settled)
                .chain(outcome_known(order, op))
                .collect()
        }
        ClosingOutcome::Refused { code } => {
            if under_way.is_none() {
                return Vec::new();
            }
            // Of a reservation whose time is over it means that there is nothing left to give back.
            if kind == ClosingKind::Release
                && !committed
                && r.expires_at.is_some_and(|t| t <= env.now)
            {
                return std::iter::once(Event::StockExpired { n })
                    .chain(outcome_known(order, op))
                    .collect();
            }
            let look = raise(order, AttentionReason::ReleaseRefused, Some(op));
            std::iter::once(Event::StockClosingRefused {
                n,
                kind,
                code: code.clone(),
            })
            .chain(look)
            .collect()
        }
        ClosingOutcome::Unknown { malformed } => {
            let unknown = under_way
                .filter(|c| !c.unknown)
                .map(|_| Event::StockClosingUnknown { n });
            let look = (*malformed && under_way.is_some())
                .then(|| raise(order, AttentionReason::Malformed, Some(op)))
                .flatten();
            unknown.into_iter().chain(look).collect()
        }
    }
}
