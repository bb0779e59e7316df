//! The key that tells states apart: the records, without journal, version, times and tries, and
//! without what no rule reads any more.

use std::hash::{Hash, Hasher};

use order_core::order::{
    Attention, AttentionReason, Closing, CreditKind, Edit, OperationState, Order, PaymentOperation,
    Reservation, ReservationState, Shipment, ShipmentState,
};

use super::explore::State;

/// 128 bits of a state: among millions of states, no two are taken for one.
pub type Key = u128;

/// Mixes what it is given into 128 bits, each step a bijection of them.
struct Wide(u128);

impl Wide {
    const fn mix(&mut self, word: u64) {
        let mixed = (self.0 ^ word as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = mixed ^ (mixed >> 67);
    }
}

impl Hasher for Wide {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.mix(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.mix(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.mix(n as u64);
    }

    fn write_i64(&mut self, n: i64) {
        self.mix(n.cast_unsigned());
    }

    fn write_isize(&mut self, n: isize) {
        self.mix(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0 as u64
    }
}

/// The key of a state; `late`: whether the inventory answers at any time.
pub fn key(state: &State, late: bool) -> Key {
    let order = &state.order;
    let mut h = Wide(1);
    (order.lifecycle as u8, order.round, order.terms as u8).hash(&mut h);
    for l in &order.lines {
        let c = l.counters;
        (
            l.quantity,
            c.cancelled,
            c.planned,
            c.shipped,
            c.delivered,
            c.returned,
            c.restocked,
            c.lost,
        )
            .hash(&mut h);
        l.lots.iter().for_each(|lot| {
            (lot.units, lot.subtotal, lot.coupon, lot.tax, lot.credit).hash(&mut h)
        });
    }
    reservations(state, late, &mut h);
    payments(order, &mut h);
    for u in &order.unmatched {
        (u.reference.as_str(), u.status as u8, u.amount).hash(&mut h);
    }
    shipments(order, &mut h);
    for r in &order.returns {
        (r.state as u8, r.lines.len()).hash(&mut h);
        r.lines
            .iter()
            .for_each(|l| (l.line, l.units, l.restocked, l.scrapped).hash(&mut h));
    }
    // Credits for a line are in its lots already.
    let goodwill: i64 = order
        .credits
        .iter()
        .filter(|c| c.kind != CreditKind::Line)
        .map(|c| c.amount)
        .sum();
    (order.credits.len(), goodwill).hash(&mut h);
    order
        .disputes
        .iter()
        .for_each(|d| (d.state as u8, d.payment, d.amount).hash(&mut h));
    for e in &order.edits {
        (
            e.state as u8,
            e.due,
            e.plan.added.len(),
            e.plan.raised.len(),
        )
            .hash(&mut h);
    }
    let mut held: Vec<&str> = order.holds.iter().map(|h| h.kind.as_str()).collect();
    held.sort_unstable();
    held.hash(&mut h);
    order
        .attention
        .iter()
        .fold(0u32, |seen, a| seen | 1 << told(a))
        .hash(&mut h);
    h.0
}

/// Returns true if an operation went back as a whole right after another of the same payment: then
/// all that counts is their sum.
fn adds_to(p: &PaymentOperation, before: Option<&PaymentOperation>) -> bool {
    let whole = |p: &PaymentOperation| p.state == OperationState::Refunded && p.settled == p.amount;
    before.is_some_and(|q| whole(p) && whole(q) && (p.parent, p.origin) == (q.parent, q.origin))
}

fn payments(order: &Order, h: &mut Wide) {
    let all = &order.payments;
    let before = |i: usize| i.checked_sub(1).and_then(|i| all.get(i));
    // Where those stand that count by themselves, counted among themselves.
    let place = |n: u32| {
        (0..n as usize)
            .filter(|i| all.get(*i).is_none_or(|p| !adds_to(p, before(*i))))
            .count()
    };
    let mut sum = 0;
    for (p, i) in all.iter().zip(0..) {
        sum = if adds_to(p, before(i)) {
            sum + p.amount
        } else {
            p.amount
        };
        if all.get(i + 1).is_some_and(|q| adds_to(q, Some(p))) {
            continue;
        }
        let settled = if p.settled == p.amount {
            sum
        } else {
            p.settled
        };
        (
            p.kind as u8,
            p.parent.map(place),
            asked(p.state) as u8,
            sum,
            settled,
            p.origin as u8,
        )
            .hash(h);
        (
            p.code.as_deref(),
            p.reference.is_some(),
            p.deadline.is_some(),
        )
            .hash(h);
    }
    order
        .edits
        .iter()
        .for_each(|e| e.payment.map(place).hash(h));
}

/// No rule tells what was armed from what was asked without an answer; only the status that is
/// derived of it does.
fn asked(state: OperationState) -> OperationState {
    if state == OperationState::Unknown {
        OperationState::Armed
    } else {
        state
    }
}

/// The reasons that a person has been told, whichever operation it is about: no rule reads more.
/// The reasons for which money may not add up are one, since whoever looks at one of them looks at
/// all, and none is ever cleared.
fn told(a: &Attention) -> u32 {
    match a.reason {
        AttentionReason::AmountMismatch
        | AttentionReason::OutsideRefund
        | AttentionReason::Chargeback => AttentionReason::UnexpectedReport as u32,
        reason => reason as u32,
    }
}

/// A hold that is over: nothing is there, nothing is under way, and no answer can change that any
/// more.
fn is_over(r: &Reservation, late: bool) -> bool {
    // One that was never asked for, or came to nothing, may turn up after all, where answers come
    // late.
    let ended = matches!(
        r.state,
        ReservationState::Released | ReservationState::Expired | ReservationState::Lost
    ) || (r.state == ReservationState::Dropped && !late);
    ended && r.closing.is_none() && !r.closing_refused && r.committed == 0
}

fn reservations(state: &State, late: bool, h: &mut Wide) {
    let order = &state.order;
    let all = &order.reservations;
    let is_over = |r: &Reservation| is_over(r, late);
    let same = |a: &Reservation, b: &Reservation| (&a.sku, a.round) == (&b.sku, b.round);
    // Where those stand that count, counted among themselves.
    let place = |n: u32| all.iter().take(n as usize).filter(|q| !is_over(q)).count();
    for (r, i) in all.iter().zip(0..) {
        if is_over(r) {
            // It counts only as the last of its SKU: what was refused before it is asked for again.
            let refused = all[..i]
                .iter()
                .any(|q| q.state == ReservationState::Refused && same(q, r));
            if refused && !all[i + 1..].iter().any(|q| same(q, r)) {
                (u8::MAX, r.sku.as_str(), r.round).hash(h);
            }
            continue;
        }
        let asked = if r.state == ReservationState::Unknown {
            ReservationState::Armed
        } else {
            r.state
        };
        (asked as u8, r.quantity, r.round, r.committed, r.released).hash(h);
        (
            r.replaces.map(place),
            r.closing_refused,
            r.refusals,
            r.available,
            r.sku.as_str(),
        )
            .hash(h);
        let for_edit = |e: &Edit| {
            (
                r.n >= e.reservation,
                e.reservation_end.is_some_and(|end| r.n < end),
            )
        };
        order.edits.iter().for_each(|e| for_edit(e).hash(h));
        let last = state
            .closings
            .get(i)
            .copied()
            .flatten()
            .filter(|_| r.closing_refused);
        for Closing {
            serial: _,
            kind,
            units,
            committed,
            unknown: _,
        } in [r.closing, last].iter().flatten()
        {
            (*kind as u8, units, committed).hash(h);
        }
    }
}

/// Shipments are alike but for what is in them and how they stand; of a cancelled one nothing comes
/// any more.
fn shipments(order: &Order, h: &mut Wide) {
    order.shipments.len().hash(h);
    let mut all: Vec<&Shipment> = order
        .shipments
        .iter()
        .filter(|s| s.state != ShipmentState::Cancelled)
        .collect();
    all.sort_by_cached_key(|s| {
        (
            s.state as u8,
            s.lines
                .iter()
                .map(|l| (l.line, l.units))
                .collect::<Vec<_>>(),
        )
    });
    for s in all {
        (s.state as u8, s.lines.len()).hash(h);
        s.lines.iter().for_each(|l| (l.line, l.units).hash(h));
    }
}
