//! The auditor: tells whether an order and its journal keep what the engine promises.
//!
//! It recomputes sums, statuses and edges from the records in its own words rather than asking the
//! code it checks; only replaying the journal is, by definition, done with [`begin`] and
//! [`evolve`].

mod feed;
mod independent;
mod invariant;
pub mod ledgers;
mod replay;
mod whole;

use std::collections::BTreeMap;

pub use feed::FeedAudit;
pub use invariant::{Breach, Invariant};
pub use ledgers::Ledgers;
pub use replay::Replay;
pub use whole::{AuditError, Findings, check_store};

use crate::money::Minor;
use crate::order::{
    AttentionReason, Blocks, ClosingKind, CreditKind, DisputeState, EditState, JournalRow,
    Lifecycle, OperationKind, OperationOrigin, Order, PaymentTerms, Reservation, ReservationState,
    ShipmentState,
};
use independent::{Sums, Whereabouts};

#[cfg(doc)]
use crate::rules::{begin, evolve};

/// The invariants that [`check_order`] tests.
pub const CHECKED_ALWAYS: &[Invariant] = &[
    Invariant::LineTotals,
    Invariant::Subtotal,
    Invariant::Total,
    Invariant::MoneyWithinBounds,
    Invariant::Shares,
    Invariant::Transitions,
    Invariant::Journal,
    Invariant::Statuses,
    Invariant::Times,
    Invariant::Numbers,
    Invariant::UnitsInOnePlace,
    Invariant::Credits,
    Invariant::OneEdit,
    Invariant::ShippedCovered,
    Invariant::RefundsLeaveWhatIsDue,
    Invariant::ReportsKept,
    Invariant::CommandKeys,
];
/// The invariants that [`check_at_rest`] tests.
pub const CHECKED_AT_REST: &[Invariant] = &[
    Invariant::PaidAsDue,
    Invariant::WorkItem,
    Invariant::DeadHoldsNothing,
    Invariant::ConfirmedHasStock,
    Invariant::CommittedStock,
    Invariant::CancelledForGood,
];

/// Finds what is wrong with an order and its whole journal, whatever is under way.
pub fn check_order(order: &Order, journal: &[JournalRow]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut replay = Replay::default();
    for row in journal {
        replay.apply(row, &mut breaches);
    }
    replay.compare(order, &mut breaches);
    check_records(order, &mut breaches);
    breaches
}

/// Finds what is wrong with an order's records as they are, without its journal.
pub fn check_records(order: &Order, breaches: &mut Vec<Breach>) {
    let mut found = Found { breaches };
    prices(order, &mut found);
    units(order, &mut found);
    credits(order, &mut found);
    edits(order, &mut found);
    money(order, &mut found);
    let says = independent::statuses(order);
    found.expect(Invariant::Statuses, order.statuses == says, || {
        format!("stored {:?}, but the records say {says:?}", order.statuses)
    });
    let later = |t: crate::time::Timestamp| t > order.updated_at;
    let record_times = (order
        .reservations
        .iter()
        .map(|r| (r.created_at, r.updated_at)))
    .chain(order.payments.iter().map(|p| (p.created_at, p.updated_at)))
    .chain(order.shipments.iter().map(|s| (s.created_at, s.updated_at)))
    .chain(order.returns.iter().map(|r| (r.created_at, r.updated_at)))
    .chain(order.edits.iter().map(|e| (e.created_at, e.updated_at)))
    .chain(
        order
            .disputes
            .iter()
            .map(|d| (d.opened_at, d.closed_at.unwrap_or(d.opened_at))),
    )
    .chain(order.lines.iter().map(|l| (l.created_at, l.updated_at)));
    found.expect(
        Invariant::Times,
        order.created_at <= order.updated_at,
        || "the order changed before it was placed".into(),
    );
    for (created, updated) in record_times {
        found.expect(
            Invariant::Times,
            created <= updated && !later(updated) && created >= order.created_at,
            || {
                format!(
                    "a record was made at {created} and changed at {updated}, the order at {}",
                    order.updated_at
                )
            },
        );
    }
}

struct Found<'a> {
    breaches: &'a mut Vec<Breach>,
}

impl Found<'_> {
    fn expect(&mut self, invariant: Invariant, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.breaches.push(Breach {
                invariant,
                detail: detail(),
            });
        }
    }
}

fn prices(order: &Order, found: &mut Found<'_>) {
    let mut subtotal = 0;
    let (mut coupon, mut tax, mut contained) = (0, 0, 0);
    for line in &order.lines {
        let n = line.n;
        let total = i64::from(line.quantity) * line.unit_price - line.discount;
        found.expect(Invariant::LineTotals, line.subtotal == total, || {
            format!("line {n}: {} is not {total}", line.subtotal)
        });
        subtotal += line.subtotal;
        let (mut units, mut of_lots) = (0, 0);
        for lot in &line.lots {
            units += lot.units;
            of_lots += lot.subtotal;
            coupon += lot.coupon;
            tax += lot.tax;
            contained += lot.tax_included;
        }
        found.expect(
            Invariant::Shares,
            units == line.quantity && of_lots == line.subtotal,
            || {
                format!(
                    "line {n}: its lots are {units} units for {of_lots}, not {} for {}",
                    line.quantity, line.subtotal
                )
            },
        );
    }
    let a = order.amounts;
    found.expect(Invariant::Subtotal, a.subtotal == subtotal, || {
        format!("{} is not {subtotal}", a.subtotal)
    });
    let total = subtotal + a.tax + a.shipping - a.discount;
    found.expect(Invariant::Total, a.total == total, || {
        format!("{} is not {total}", a.total)
    });
    let parts = [
        a.subtotal,
        a.discount,
        a.tax,
        a.tax_included,
        a.shipping,
        a.shipping_tax,
        a.total,
    ];
    found.expect(Invariant::Total, parts.iter().all(|p| *p >= 0), || {
        format!("{a:?} has a part below 0")
    });
    found.expect(Invariant::Shares, coupon == a.discount, || {
        format!("shares of the discount are {coupon}, not {}", a.discount)
    });
    found.expect(
        Invariant::Shares,
        tax + a.shipping_tax == a.tax && contained <= a.tax_included,
        || {
            format!(
                "shares of the tax are {tax} and {} for shipping, not {}",
                a.shipping_tax, a.tax
            )
        },
    );
}

/// Every counter is what the shipments and returns say, and no unit is in two places.
fn units(order: &Order, found: &mut Found<'_>) {
    for line in &order.lines {
        let (n, c) = (line.n, line.counters);
        let (says, returned) = (
            independent::whereabouts(order, line),
            independent::came_back(order, n, true),
        );
        let counts = Whereabouts {
            planned: c.planned,
            left: c.shipped,
            there: c.delivered,
            lost: c.lost,
        };
        found.expect(Invariant::UnitsInOnePlace, (counts, c.returned) == (says, returned), || {
            format!("line {n} counts {c:?}, but shipments and returns say {says:?} and {returned} returned")
        });
        let sound = c.cancelled + c.planned + c.shipped <= line.quantity
            && c.delivered <= c.shipped
            && c.returned <= c.delivered
            && c.restocked <= independent::came_back(order, n, false);
        found.expect(Invariant::UnitsInOnePlace, sound, || {
            format!("line {n}: {c:?} of {} units", line.quantity)
        });
    }
    let numbered = order
        .shipments
        .iter()
        .map(|s| s.n)
        .eq(1..=order.shipments.len() as u32)
        && order
            .returns
            .iter()
            .map(|r| r.n)
            .eq(1..=order.returns.len() as u32)
        && order
            .credits
            .iter()
            .map(|c| c.n)
            .eq(1..=order.credits.len() as u32)
        && order
            .edits
            .iter()
            .map(|e| e.n)
            .eq(1..=order.edits.len() as u32)
        && order
            .lines
            .iter()
            .map(|l| l.n)
            .eq(1..=order.lines.len() as u32);
    found.expect(Invariant::Journal, numbered, || {
        "lines, shipments, returns, credits or edits are not numbered 1, 2, …".into()
    });
    for (what, n, lines) in (order.shipments.iter().map(|s| {
        (
            "shipment",
            s.n,
            s.lines.iter().map(|l| (l.line, l.units)).collect(),
        )
    }))
    .chain(order.returns.iter().map(|r| {
        (
            "return",
            r.n,
            r.lines
                .iter()
                .map(|l| (l.line, l.units))
                .collect::<Vec<_>>(),
        )
    })) {
        let distinct: std::collections::BTreeSet<u32> =
            lines.iter().map(|(line, _)| *line).collect();
        let sound = !lines.is_empty()
            && distinct.len() == lines.len()
            && lines.iter().all(|(_, units)| *units > 0);
        found.expect(Invariant::UnitsInOnePlace, sound, || {
            format!("{what} {n} has {lines:?} (line, units)")
        });
    }
    for s in &order.shipments {
        let sound = s.lost_at.is_some() || s.state != ShipmentState::Lost;
        found.expect(Invariant::UnitsInOnePlace, sound, || {
            format!("shipment {} is lost, but never was", s.n)
        });
    }
    for r in &order.returns {
        let sound = r.lines.iter().all(|l| l.restocked + l.scrapped <= l.units);
        found.expect(Invariant::UnitsInOnePlace, sound, || {
            format!(
                "more came back by return {} than was to: {:?}",
                r.n, r.lines
            )
        });
    }
}

/// Checks that the amounts that credits took off the lines are those that were recorded, but for
/// units that an edit has taken off since.
fn credits(order: &Order, found: &mut Found<'_>) {
    for c in &order.credits {
        let taken_back = c.kind == CreditKind::WriteOff && c.amount < 0;
        let sound =
            (c.amount > 0 || taken_back) && (c.kind == CreditKind::Line) == c.line.is_some();
        found.expect(Invariant::Credits, sound, || {
            format!("credit {} is {} for line {:?}", c.n, c.amount, c.line)
        });
    }
    for line in &order.lines {
        let n = line.n;
        let recorded: Minor = order
            .credits
            .iter()
            .filter(|c| c.line == Some(n))
            .map(|c| c.amount)
            .sum();
        let taken: Minor = line.lots.iter().map(|lot| lot.credit).sum();
        found.expect(Invariant::Credits, taken <= recorded, || {
            format!("line {n} has credits of {taken}, of {recorded} recorded")
        });
        for lot in &line.lots {
            let parts = [
                lot.subtotal,
                lot.coupon,
                lot.tax,
                lot.tax_included,
                lot.credit,
            ];
            let total = lot.subtotal - lot.coupon + lot.tax - lot.credit;
            let sound = lot.units > 0 && total >= 0 && parts.iter().all(|p| *p >= 0);
            found.expect(Invariant::Credits, sound, || {
                format!("line {n} has a lot {lot:?}, {total} in all")
            });
        }
    }
}

fn edits(order: &Order, found: &mut Found<'_>) {
    let open: Vec<u32> = order
        .edits
        .iter()
        .filter(|e| e.state == EditState::Open)
        .map(|e| e.n)
        .collect();
    let last = order.edits.last().map(|e| e.n);
    found.expect(
        Invariant::OneEdit,
        open.is_empty() || (open.len() == 1 && open.last().copied() == last),
        || format!("edits {open:?} are open, the last is {last:?}"),
    );
    for e in order.edits.iter().filter(|e| e.state != EditState::Open) {
        let sound = (e.state == EditState::Discarded) == e.cause.is_some();
        found.expect(Invariant::OneEdit, sound, || {
            format!("edit {} is {}, with cause {:?}", e.n, e.state, e.cause)
        });
    }
}

/// Returns whether a person has been asked to look for one of these reasons; that they have seen it
/// since changes nothing.
fn watched(order: &Order, reasons: &[AttentionReason]) -> bool {
    order.attention.iter().any(|a| reasons.contains(&a.reason))
}

/// The reasons why the sums of an order's money may contradict each other: somebody outside moved
/// it, or a provider said so.
const MONEY_MOVED_OUTSIDE: [AttentionReason; 4] = [
    AttentionReason::OutsideRefund,
    AttentionReason::Chargeback,
    AttentionReason::UnexpectedReport,
    AttentionReason::AmountMismatch,
];

fn money(order: &Order, found: &mut Found<'_>) {
    let watched = watched(order, &MONEY_MOVED_OUTSIDE);
    let sums = Sums::of(order);
    found.expect(
        Invariant::MoneyWithinBounds,
        watched || (0..=sums.captured).contains(&sums.refunded),
        || {
            format!(
                "{} refunded of {} captured, and nobody was asked to look",
                sums.refunded, sums.captured
            )
        },
    );
    for p in &order.payments {
        let n = p.n;
        let Some(parent) = p.parent else {
            // Somebody outside may send back what never came in as far as we know.
            let sound = p.is_attempt()
                || (p.kind == OperationKind::Refund && p.origin != OperationOrigin::Engine);
            found.expect(Invariant::MoneyWithinBounds, sound, || {
                format!("payment {n} is a {} of nothing", p.kind)
            });
            continue;
        };
        let earlier = (parent >= 1 && parent < n).then(|| order.payments[parent as usize - 1].kind);
        let fits = match p.kind {
            OperationKind::Authorize | OperationKind::Charge => false,
            OperationKind::Capture => earlier == Some(OperationKind::Authorize),
            OperationKind::Void => matches!(
                earlier,
                Some(OperationKind::Authorize | OperationKind::Charge)
            ),
            OperationKind::Refund => {
                matches!(
                    earlier,
                    Some(OperationKind::Authorize | OperationKind::Charge | OperationKind::Capture)
                )
            }
        };
        found.expect(Invariant::MoneyWithinBounds, fits, || {
            format!(
                "payment {n} is a {} of payment {parent}, which is {earlier:?}",
                p.kind
            )
        });
    }
    for (n, amount, taken) in sums.taken_from_authorizations {
        found.expect(
            Invariant::MoneyWithinBounds,
            watched || taken <= amount,
            || format!("{taken} captured of payment {n}, which authorized {amount}"),
        );
    }
    for (i, (p, n)) in order.payments.iter().zip(1u32..).enumerate() {
        found.expect(Invariant::Journal, p.n == n, || {
            format!("payment at place {i} is numbered {}", p.n)
        });
    }
    for (r, n) in order.reservations.iter().zip(1u32..) {
        found.expect(Invariant::Journal, r.n == n, || {
            format!("reservation at place {n} is numbered {}", r.n)
        });
    }
}

/// Finds what is wrong with an order for which nothing is left to do: one without a work item.
pub fn check_at_rest(order: &Order) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut found = Found {
        breaches: &mut breaches,
    };
    let sums = Sums::of(order);
    let net = sums.captured - sums.refunded;
    let dead = matches!(
        order.lifecycle,
        Lifecycle::Rejected | Lifecycle::Expired | Lifecycle::Cancelled | Lifecycle::PaymentFailed
    );
    if dead {
        let invariant = if order.lifecycle == Lifecycle::Cancelled {
            Invariant::CancelledForGood
        } else {
            Invariant::PaidAsDue
        };
        // More can have gone back than came in, if somebody outside sent it.
        // Nothing goes back while a bank may take the same money.
        let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open);
        let settled =
            net == 0 || (net < 0 && watched(order, &MONEY_MOVED_OUTSIDE)) || (net > 0 && disputed);
        found.expect(invariant, settled && sums.authorized == 0, || {
            format!(
                "{} with {net} captured and not refunded, {} authorized",
                order.lifecycle, sums.authorized
            )
        });
        for p in &order.payments {
            let settled = !independent::is_open(p.state);
            found.expect(Invariant::PaidAsDue, settled, || {
                format!("{} with payment {} {}", order.lifecycle, p.n, p.state)
            });
        }
        for r in &order.reservations {
            let gone = match r.state {
                ReservationState::Refused
                | ReservationState::Dropped
                | ReservationState::Released
                | ReservationState::Expired
                | ReservationState::Lost
                | ReservationState::Suspect => true,
                // What has left the stock is no reservation; not every inventory can take it back.
                ReservationState::Committed => r.closing.is_none(),
                ReservationState::Planned
                | ReservationState::Armed
                | ReservationState::Unknown
                | ReservationState::Held => false,
            };
            found.expect(Invariant::DeadHoldsNothing, gone, || {
                format!("{} with reservation {} {}", order.lifecycle, r.n, r.state)
            });
        }
        lost_is_gone(order, &mut found);
    }
    if order.lifecycle == Lifecycle::Pending {
        let held = order.holds.iter().any(|h| h.blocks == Blocks::Confirm);
        // What cannot be found out is listed for a person.
        let unknown = order
            .payments
            .iter()
            .any(|p| independent::is_open(p.state) || p.verification.is_due());
        // Paid, and kept on backorder.
        let waits = watched(
            order,
            &[
                AttentionReason::StockLost,
                AttentionReason::SuspectReservation,
            ],
        );
        found.expect(Invariant::WorkItem, held || unknown || waits, || {
            "PENDING with nothing left to do, and no hold that keeps it from being confirmed".into()
        });
    }
    if matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed) {
        money_kept(order, &sums, &mut found);
        stock_kept(order, &mut found);
    }
    breaches
}

/// Checks that a live order at rest has taken what is due by its terms, or less and a person was
/// told; more only while a bank may take it.
fn money_kept(order: &Order, sums: &Sums, found: &mut Found<'_>) {
    let net = sums.captured - sums.refunded;
    let (owed, needed) = (independent::owed(order), independent::least_kept(order));
    let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open);
    let told = watched(order, &[AttentionReason::PaymentShort]);
    let enough = match order.terms {
        PaymentTerms::Confirm => net >= needed,
        PaymentTerms::Shipment => {
            let held_back = order.holds.iter().any(|h| h.blocks == Blocks::Capture);
            let due = independent::due_as_shipped(order);
            // Until something is due nothing is captured; unless nothing is owed any more, so that
            // nothing ever will be.
            let waits = held_back || (due == 0 && owed > 0);
            net + sums.usable >= needed && (waits || net >= due.min(needed))
        }
        // Nothing is taken, but the customer pays by and by.
        PaymentTerms::Invoice | PaymentTerms::Delivery => true,
    };
    found.expect(
        Invariant::PaidAsDue,
        (enough || told) && (net <= owed || disputed),
        || {
            format!(
                "{} owes {owed}, with {net} captured and kept, {} authorized",
                order.lifecycle, sums.usable
            )
        },
    );
}

/// The reasons why a live order at rest may hold other stock than it wants.
const STOCK_WATCHED: [AttentionReason; 4] = [
    AttentionReason::StockLost,
    AttentionReason::SuspectReservation,
    AttentionReason::ReservationTooLarge,
    AttentionReason::ReleaseRefused,
];

/// An order has what was not cancelled and did not come back; one that is completed, what was sent.
/// Either has besides what was lost on the way: nobody puts that back on the shelf.
fn stock_kept(order: &Order, found: &mut Found<'_>) {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &order.lines {
        let units = independent::whereabouts(order, line);
        let completed = order.lifecycle == Lifecycle::Completed;
        let wanted = if completed {
            units.left
        } else {
            line.quantity - line.counters.cancelled
        };
        *balance.entry(line.sku.as_str()).or_default() +=
            i64::from(line.counters.restocked) - i64::from(wanted) - i64::from(units.lost);
    }
    for r in &order.reservations {
        *balance.entry(r.sku.as_str()).or_default() += i64::from(units_of(r));
    }
    for (sku, surplus) in balance {
        found.expect(
            Invariant::ConfirmedHasStock,
            surplus == 0 || watched(order, &STOCK_WATCHED),
            || {
                format!(
                    "{} with {surplus:+} units of {sku} held or committed",
                    order.lifecycle
                )
            },
        );
    }
}

/// Checks that the units that a dead order lost on the way have left the stock, or a person has
/// been asked to look.
fn lost_is_gone(order: &Order, found: &mut Found<'_>) {
    let mut lost: BTreeMap<&str, u32> = BTreeMap::new();
    for line in &order.lines {
        *lost.entry(line.sku.as_str()).or_default() += independent::whereabouts(order, line).lost;
    }
    for (sku, lost) in lost {
        let of_sku = order.reservations.iter().filter(|r| r.sku.as_str() == sku);
        let committed: u32 = of_sku.map(|r| r.committed).sum();
        found.expect(
            Invariant::CommittedStock,
            committed >= lost || watched(order, &STOCK_WATCHED),
            || {
                format!(
                    "{} with {lost} units of {sku} lost on the way, {committed} committed",
                    order.lifecycle
                )
            },
        );
    }
}

/// The units that the inventory has set aside or given out because of a reservation.
fn units_of(r: &Reservation) -> u32 {
    if r.state == ReservationState::Held {
        r.quantity - r.released
    } else {
        r.committed
    }
}

/// Checks that what has left was paid for when it left, or could still be captured.
fn shipped_covered(order: &Order, found: &mut Found<'_>) {
    let sums = Sums::of(order);
    let kept = sums.captured - sums.refunded - sums.refunding;
    let there = match order.terms {
        PaymentTerms::Confirm => kept,
        PaymentTerms::Shipment => kept + sums.usable,
        PaymentTerms::Invoice | PaymentTerms::Delivery => return,
    };
    let left = independent::due_as_shipped(order).min(independent::least_kept(order));
    found.expect(Invariant::ShippedCovered, there >= left, || {
        format!("{left} have left, {there} were paid or could be captured")
    });
}

/// Checks that as much is kept as is due after a refund that the engine has planned.
fn refunded_rightly(order: &Order, found: &mut Found<'_>) {
    let sums = Sums::of(order);
    let kept = sums.captured - sums.refunded - sums.refunding;
    let due = match order.terms {
        PaymentTerms::Shipment => independent::due_as_shipped(order),
        PaymentTerms::Confirm | PaymentTerms::Invoice | PaymentTerms::Delivery => {
            independent::owed(order)
        }
    };
    found.expect(Invariant::RefundsLeaveWhatIsDue, kept >= due, || {
        format!("a refund leaves {kept} of {due} that are due")
    });
}

/// Checks that an order that says it is confirmed was right to say so at that moment: paid as
/// its terms ask, in stock, not blocked.
fn confirmed_rightly(order: &Order, found: &mut Found<'_>) {
    let sums = Sums::of(order);
    let needed = independent::least_kept(order);
    let net = sums.captured - sums.refunded;
    let paid = match order.terms {
        PaymentTerms::Confirm => net >= needed,
        PaymentTerms::Shipment => net + sums.usable >= needed,
        PaymentTerms::Invoice | PaymentTerms::Delivery => true,
    };
    found.expect(Invariant::Transitions, paid, || {
        format!("confirmed with {net} captured and kept of {needed}")
    });
    let blocked = order.holds.iter().any(|h| h.blocks == Blocks::Confirm);
    found.expect(Invariant::Transitions, !blocked, || {
        "confirmed while a hold blocks confirmation".into()
    });
    for line in &order.lines {
        let wanted: u32 = order
            .lines
            .iter()
            .filter(|l| l.sku == line.sku)
            .map(|l| l.quantity - l.counters.cancelled)
            .sum();
        let held: u32 = order
            .reservations
            .iter()
            .filter(|r| r.sku == line.sku && r.round == order.round)
            .map(|r| {
                units_of(r).saturating_sub(
                    r.closing
                        .filter(|c| c.kind == ClosingKind::Release)
                        .map_or(0, |c| c.units),
                )
            })
            .sum();
        found.expect(Invariant::ConfirmedHasStock, held >= wanted, || {
            format!(
                "confirmed with {held} of {wanted} units of {} held",
                line.sku
            )
        });
    }
}

#[cfg(test)]
mod tests;
