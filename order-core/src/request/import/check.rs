//! Holding what a historic order says against itself: sums, ledger, units, times, status.

use std::collections::BTreeSet;

use super::read::{Stated, times};
use crate::error::Violation;
use crate::money::{Minor, Money};
use crate::order::{FulfilmentStatus, Imported, Lifecycle, Order, PaymentTerms, ShipmentState};
use crate::rules::begin_imported;
use crate::time::Timestamp;

/// The rules that hold of every order, in the order's own terms.
pub(super) fn check(stated: &Stated, now: Timestamp) -> Vec<Violation> {
    let imported = &*stated.import.imported;
    let mut found = Found {
        imported,
        problems: Vec::new(),
    };
    found.sums(stated);
    found.units();
    found.ledger();
    found.times(now);
    found.fits_its_end();
    // What has no sound records has no status to speak of.
    if found.problems.is_empty() {
        found.as_an_order(&begin_imported(imported, now), stated);
    }
    found.problems
}

struct Found<'a> {
    imported: &'a Imported,
    problems: Vec<Violation>,
}

impl Found<'_> {
    fn wrong(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.problems.push(Violation::new(field, problem));
    }

    fn expect(&mut self, holds: bool, field: impl Into<String>, problem: impl FnOnce() -> String) {
        if !holds {
            self.wrong(field, problem());
        }
    }

    fn money(&self, minor: Minor) -> Money {
        Money::new(minor, self.imported.currency)
    }

    /// I2, I3 and I8.
    fn sums(&mut self, stated: &Stated) {
        let a = self.imported.amounts;
        let sums = [
            (
                "subtotal",
                stated.subtotal,
                a.subtotal,
                "the lines add up to",
            ),
            ("tax", stated.tax, a.tax, "the lines and shipping add up to"),
            (
                "total",
                Some(stated.total),
                a.total,
                "subtotal + tax + shipping_amount − discount is",
            ),
        ];
        for (field, said, is, why) in sums {
            let Some(said) = said.filter(|said| *said != is) else {
                continue;
            };
            let (said, is) = (self.money(said), self.money(is));
            self.wrong(field, format!("is {said}, but {why} {is}"));
        }
        let (discount, subtotal) = (self.money(a.discount), self.money(a.subtotal));
        self.expect(a.discount <= a.subtotal, "discount", || {
            format!("is {discount}, more than the lines cost, {subtotal}")
        });
    }

    /// The units cancelled, shipped, delivered and returned of each line are at most those that
    /// there were.
    fn units(&mut self) {
        let Imported {
            lines,
            shipments,
            returns,
            lifecycle,
            ..
        } = self.imported;
        let live = |s: ShipmentState| s.is_live();
        for (l, (n, i)) in lines.iter().zip((1u32..).zip(0..)) {
            let field = |name: &str| format!("items[{i}].{name}");
            let of = |wanted: fn(ShipmentState) -> bool| -> u64 {
                let shipments = shipments.iter().filter(|s| wanted(s.state));
                let units = shipments.flat_map(|s| &s.lines).filter(|u| u.line == n);
                units.map(|u| u64::from(u.units)).sum()
            };
            let (sent, delivered) = (of(live), of(|s| s == ShipmentState::Delivered));
            let back: u64 = returns
                .iter()
                .flat_map(|r| &r.lines)
                .filter(|u| u.line == n)
                .map(|u| u64::from(u.received()))
                .sum();
            let (quantity, cancelled) = (u64::from(l.line.lot.units), u64::from(l.cancelled));
            self.expect(cancelled + sent <= quantity, field("quantity"), || {
                format!("is {quantity}, but {cancelled} were cancelled and {sent} are in shipments")
            });
            // What needs no shipping was given out when the order was confirmed.
            let given_out = if lifecycle.is_live() {
                quantity.saturating_sub(cancelled)
            } else {
                0
            };
            let delivered = if l.line.requires_shipping {
                delivered
            } else {
                given_out
            };
            self.expect(back <= delivered, field("quantity"), || {
                format!("{back} came back of {delivered} that were delivered")
            });
            self.expect(
                l.line.requires_shipping || of(|_| true) == 0,
                field("requires_shipping"),
                || "is false, but a shipment has units of it".into(),
            );
        }
        let lists = (shipments
            .iter()
            .map(|s| s.lines.iter().map(|u| u.line).collect::<Vec<_>>())
            .zip(0..))
        .map(|(lines, i)| (format!("shipments[{i}].lines"), lines));
        let returned = (returns
            .iter()
            .map(|r| r.lines.iter().map(|u| u.line).collect::<Vec<_>>())
            .zip(0..))
        .map(|(lines, i)| (format!("returns[{i}].lines"), lines));
        for (field, named) in lists.chain(returned).collect::<Vec<_>>() {
            self.expect(!named.is_empty(), field.clone(), || {
                "is empty: say what is in it".into()
            });
            let mut seen = BTreeSet::new();
            for line in named {
                self.expect(line as usize <= lines.len(), field.clone(), || {
                    format!(
                        "names line {line}, the order has {}: lines are numbered from 1",
                        lines.len()
                    )
                });
                self.expect(seen.insert(line), field.clone(), || {
                    format!("names line {line} twice: add its units up")
                });
            }
        }
    }

    /// I4: no more goes back than came in, and no movement of money stands there twice.
    fn ledger(&mut self) {
        let payments = &self.imported.payments;
        let mut seen = BTreeSet::new();
        for p in payments {
            let reference = p.reference.as_str();
            self.expect(seen.insert(reference), "payments", || {
                format!("reference {reference} stands there twice: use each once")
            });
        }
        let charges = payments
            .iter()
            .zip(1u32..)
            .filter(|(p, _)| p.refunds.is_none());
        for ((p, n), i) in charges.zip(0..) {
            let refunds: Minor = payments
                .iter()
                .filter(|r| r.refunds == Some(n))
                .map(|r| r.amount)
                .sum();
            let (refunds, amount) = (self.money(refunds), self.money(p.amount));
            self.expect(
                refunds.minor <= p.amount,
                format!("payments[{i}].refunds"),
                || format!("add up to {refunds}, more than the payment of {amount}"),
            );
            let early = payments.iter().any(|r| r.refunds == Some(n) && r.at < p.at);
            self.expect(!early, format!("payments[{i}].refunds"), || {
                "went back before the payment came in".into()
            });
        }
    }

    /// I13: nothing happened before the order was placed, after now, or before what it follows
    /// from.
    fn times(&mut self, now: Timestamp) {
        let placed = self.imported.placed_at;
        for (field, at) in times(self.imported) {
            self.expect(at <= now, field.clone(), || {
                format!("{at} is in the future")
            });
            self.expect(at >= placed, field, || {
                format!("{at} is before the order was placed, {placed}")
            });
        }
        for (s, i) in self.imported.shipments.iter().zip(0..) {
            if let (Some(left), Some(arrived)) = (s.shipped_at, s.delivered_at) {
                self.expect(
                    left <= arrived,
                    format!("shipments[{i}].delivered_at"),
                    || format!("{arrived} is before it was shipped, {left}"),
                );
            }
        }
        for (r, i) in self.imported.returns.iter().zip(0..) {
            self.expect(
                r.requested_at <= r.closed_at,
                format!("returns[{i}].closed_at"),
                || {
                    format!(
                        "{} is before it was asked for, {}",
                        r.closed_at, r.requested_at
                    )
                },
            );
        }
    }

    /// The things that may not be said of an order that is over, or not over.
    fn fits_its_end(&mut self) {
        let Imported {
            lifecycle,
            shipments,
            returns,
            credits,
            lines,
            confirmed_at,
            ended_at,
            addresses,
            ..
        } = self.imported;
        let lifecycle = *lifecycle;
        if lifecycle.is_live() {
            let kept = lines.iter().any(|l| l.cancelled < l.line.lot.units);
            self.expect(kept, "items", || {
                "are all cancelled: then the order is CANCELLED".into()
            });
        } else {
            let left = shipments.iter().any(|s| s.state.is_live());
            self.expect(!left, "shipments", || {
                format!("an order that is {lifecycle} never ships")
            });
            self.expect(returns.is_empty(), "returns", || {
                format!("an order that is {lifecycle} has none")
            });
            self.expect(credits.is_empty(), "credits", || {
                format!("an order that is {lifecycle} owes nothing: leave them out")
            });
        }
        if lifecycle == Lifecycle::Confirmed {
            self.expect(ended_at.is_none(), "ended_at", || {
                "is there, but the order is not over".into()
            });
            let wants_address = lines.iter().any(|l| l.line.requires_shipping);
            self.expect(
                addresses.get().is_some() || !wants_address,
                "shipping_address",
                || "is missing: an order that is not over needs it".into(),
            );
        }
        if let (Some(confirmed), Some(ended)) = (*confirmed_at, *ended_at) {
            self.expect(confirmed <= ended, "ended_at", || {
                format!("{ended} is before the order was confirmed, {confirmed}")
            });
        }
        let open = shipments.iter().any(|s| s.state == ShipmentState::Planned);
        self.expect(
            lifecycle != Lifecycle::Completed || !open,
            "shipments",
            || "one is planned, but the order is COMPLETED".into(),
        );
    }

    /// I5 and I11: the money is where the status says, and the records say the status.
    fn as_an_order(&mut self, order: &Order, stated: &Stated) {
        let money = order.money();
        let net = money.captured - money.refunded;
        let (kept, owed) = (self.money(net), self.money(money.owed));
        let completed = order.lifecycle == Lifecycle::Completed;
        let later =
            matches!(order.terms, PaymentTerms::Invoice | PaymentTerms::Delivery) && !completed;
        let fits = if later {
            net <= money.owed
        } else {
            net == money.owed
        };
        self.expect(fits, "payments", || match (order.lifecycle.is_live(), net > money.owed) {
            (false, _) => format!("{kept} is captured and not refunded of an order that is {}", order.lifecycle),
            (true, true) => format!("{kept} is captured and not refunded, but {owed} is owed: state a credit, or the refund"),
            (true, false) if completed => format!("{kept} is captured and not refunded, but {owed} is owed: state a credit"),
            (true, false) => {
                format!("{kept} is captured and not refunded, but {owed} is owed: state a credit, or payment_terms invoice or delivery")
            }
        });
        let goodwill: Minor = order.credits.iter().map(|c| c.amount).sum();
        let before = Order {
            credits: Vec::new(),
            ..order.clone()
        }
        .owed();
        let (goodwill, before) = (self.money(goodwill), self.money(before));
        self.expect(goodwill.minor <= before.minor, "credits", || {
            format!("add up to {goodwill}, more than is owed, {before}")
        });
        let arrived = matches!(
            order.statuses.fulfilment,
            FulfilmentStatus::Delivered | FulfilmentStatus::NotRequired
        );
        self.expect(!completed || arrived, "status", || {
            "is COMPLETED, but not everything is delivered or cancelled".into()
        });
        let (said, is) = (stated.status, order.statuses.status);
        self.expect(said == is, "status", || {
            format!("is {said}, but items and shipments say {is}")
        });
    }
}
