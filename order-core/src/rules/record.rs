//! Facts: what a service answered, or a provider told us. Never refused, whatever the order has
//! become meanwhile.

use super::fact::{ClosingOutcome, Fact, ReservationOutcome};
use super::told::{record_payment, record_report};
use super::{Env, outside};
use crate::money::Minor;
use crate::order::{AttentionReason, ClosingKind, Event, Op, Order, ReservationState};

/// The events that a fact makes of the order as it is now. None: it was known already.
pub fn record(order: &Order, fact: &Fact, env: &Env<'_>) -> Vec<Event> {
    match fact {
        Fact::Reservation { n, outcome } => record_hold(order, *n, outcome),
        Fact::Closing {
            n,
            serial,
            kind,
            units,
            committed,
            outcome,
        } => {
            let about = About {
                n: *n,
                serial: *serial,
                kind: *kind,
                units: *units,
                committed: *committed,
            };
            record_closing(order, &about, outcome, env)
        }
        Fact::Payment { n, outcome } => match order.payment(*n) {
            Some(p) => record_payment(order, p, outcome, env),
            None => Vec::new(),
        },
        Fact::Report(report) => record_report(order, report, env),
        Fact::Dispute(report) => outside::dispute(order, report),
        Fact::NeedsAttention { reason, about } => {
            raise(order, *reason, *about).into_iter().collect()
        }
        Fact::NoLongerNeedsAttention { reason, about } => {
            clear(order, *reason, *about).into_iter().collect()
        }
    }
}

/// Raises attention, unless it is open and nobody has seen it yet: whoever has seen it has not seen
/// what is new.
pub(super) fn raise(order: &Order, reason: AttentionReason, about: Option<Op>) -> Option<Event> {
    raise_for(order, reason, about, None)
}

/// The same, for so much money.
pub(super) fn raise_for(
    order: &Order,
    reason: AttentionReason,
    about: Option<Op>,
    amount: Option<Minor>,
) -> Option<Event> {
    let unseen = order
        .attention_about(reason, about)
        .is_some_and(|a| !a.acknowledged && a.amount == amount);
    (!unseen).then_some(Event::AttentionRaised {
        reason,
        about,
        amount,
    })
}

/// Raises attention, unless a person has been told, or has seen it.
pub(super) fn raise_once(
    order: &Order,
    reason: AttentionReason,
    about: Option<Op>,
) -> Option<Event> {
    let told = order.attention_about(reason, about).is_some();
    (!told).then_some(Event::AttentionRaised {
        reason,
        about,
        amount: None,
    })
}

pub(super) fn clear(order: &Order, reason: AttentionReason, about: Option<Op>) -> Option<Event> {
    order
        .attention_about(reason, about)
        .map(|_| Event::AttentionCleared { reason, about })
}

/// The attention that an operation's outcome ends: what was only about not knowing it.
pub(super) fn outcome_known(order: &Order, op: Op) -> impl Iterator<Item = Event> + use<'_> {
    [
        AttentionReason::RetriesExhausted,
        AttentionReason::Malformed,
        AttentionReason::Undecidable,
    ]
    .into_iter()
    .filter_map(move |reason| clear(order, reason, Some(op)))
}

fn record_hold(order: &Order, n: u32, outcome: &ReservationOutcome) -> Vec<Event> {
    let Some(r) = order.reservation(n) else {
        return Vec::new();
    };
    let op = Op::Reservation(n);
    // What is settled stays: a late answer to an early question says nothing new. But a hold that
    // turns up after all is the inventory's truth, whatever we believed, and is dealt with.
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

/// Which closing of which reservation an answer is about.
struct About {
    n: u32,
    serial: u32,
    kind: ClosingKind,
    units: u32,
    committed: bool,
}

fn record_closing(
    order: &Order,
    about: &About,
    outcome: &ClosingOutcome,
    env: &Env<'_>,
) -> Vec<Event> {
    let &About {
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
            // Of a hold whose time is over it means that there is nothing left to give back.
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
