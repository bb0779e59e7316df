//! The places of an order's units. What was cancelled and what came back is recorded; the rest
//! follows from shipments and returns, whatever they say next, so that no unit is ever in two
//! places.

use super::numbered::place_of;
use super::{Counters, Lifecycle, Line, Order, ShipmentState};
use crate::time::Timestamp;

/// The units of one line, as the shipments and open returns of an order have them.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    planned: u32,
    on_the_way: u32,
    delivered: u32,
    lost: u32,
    /// Spoken for by returns that are open.
    in_return: u32,
}

/// The places of a line's units, and the number that are not where shipments and returns say, for
/// want of a place.
struct Placed {
    counters: Counters,
    misplaced: u32,
}

impl Order {
    /// Counts anew where the units of each line are.
    pub(crate) fn place_units(&mut self, at: Timestamp) {
        let told = self.told();
        let lifecycle = self.lifecycle;
        for (line, told) in self.lines.iter_mut().zip(told) {
            let Placed { counters, .. } = place(line, told, lifecycle);
            if counters != line.counters {
                line.counters = counters;
                line.updated_at = at;
            }
        }
    }

    /// Returns how many units are not where shipments and returns say they are, for want of a
    /// place; or were to be sent, on an order that is completed.
    pub fn misplaced_units(&self) -> u32 {
        let of_line = |(line, told): (&Line, Told)| {
            let stranded = if self.lifecycle == Lifecycle::Completed {
                line.open()
            } else {
                0
            };
            place(line, told, self.lifecycle).misplaced + stranded
        };
        self.lines.iter().zip(self.told()).map(of_line).sum()
    }

    /// Returns what is said of each line.
    fn told(&self) -> Vec<Told> {
        let mut told = vec![Told::default(); self.lines.len()];
        let mut add = |line: u32, change: &dyn Fn(&mut Told)| {
            if let Some(of) = place_of(line).and_then(|place| told.get_mut(place)) {
                change(of);
            }
        };
        for s in &self.shipments {
            for l in &s.lines {
                add(l.line, &|of| match s.state {
                    ShipmentState::Planned => of.planned += l.units,
                    ShipmentState::Shipped => of.on_the_way += l.units,
                    ShipmentState::Delivered => of.delivered += l.units,
                    ShipmentState::Lost => of.lost += l.units,
                    // Nothing more is said of them than that they are not there.
                    ShipmentState::Failed | ShipmentState::Returned | ShipmentState::Cancelled => {}
                });
            }
        }
        for l in self
            .returns
            .iter()
            .filter(|r| r.state.is_open())
            .flat_map(|r| &r.lines)
        {
            add(l.line, &|of| of.in_return += l.units);
        }
        told
    }
}

/// Places the units of a line: of those that were ordered and not cancelled, first what is planned,
/// then what has arrived, then what is on its way. What came back, or is to, has arrived before,
/// whatever is said of its shipment since. What has left and finds no place is as good as lost: it
/// is gone from the stock.
fn place(line: &Line, told: Told, lifecycle: Lifecycle) -> Placed {
    let c = line.counters;
    let wanted = line.quantity.saturating_sub(c.cancelled);
    if !line.requires_shipping {
        let given_out = if matches!(lifecycle, Lifecycle::Confirmed | Lifecycle::Completed) {
            wanted
        } else {
            0
        };
        return Placed {
            counters: Counters {
                shipped: given_out,
                delivered: given_out,
                ..c
            },
            misplaced: 0,
        };
    }
    let places = if lifecycle.is_live() {
        wanted.saturating_sub(told.planned)
    } else {
        0
    };
    let back = c.returned + told.in_return;
    let delivered = told.delivered.max(back).min(places);
    let shipped = (delivered + told.on_the_way).min(places);
    let surplus = (told.delivered + told.on_the_way).saturating_sub(shipped);
    let counters = Counters {
        planned: told.planned,
        shipped,
        delivered,
        lost: told.lost + surplus,
        ..c
    };
    Placed {
        counters,
        misplaced: surplus + delivered.saturating_sub(told.delivered),
    }
}
