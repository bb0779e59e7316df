//! What shipments, cancelled units, returns and credits do to an order: the part of
//! [`super::evolve()`] that is about goods. Where the units of a line are then is worked out from
//! it after every event.

use crate::order::{
    Credit, CreditKind, Event, LineCredit, LineUnits, Order, ReceivedUnits, Return, ReturnLine,
    ReturnState, Shipment, ShipmentState,
};
use crate::time::Timestamp;

/// Applies one of the events that are about goods or give credit; any other changes nothing.
pub(super) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::LinesCancelled { lines, cause: _ } => {
            for LineUnits { line, units } in lines {
                order.with_line(*line, at, |l| l.counters.cancelled += units);
            }
        }

        Event::ShipmentPlanned { n, lines } => order.shipments.push(Shipment {
            n: *n,
            lines: lines.clone(),
            state: ShipmentState::Planned,
            carrier: None,
            tracking: None,
            shipped_at: None,
            delivered_at: None,
            lost_at: None,
            created_at: at,
            updated_at: at,
        }),
        Event::ShipmentShipped {
            n,
            carrier,
            tracking,
        } => with_shipment(order, *n, at, |s| {
            s.state = ShipmentState::Shipped;
            s.carrier.clone_from(carrier);
            s.tracking.clone_from(tracking);
            s.shipped_at = Some(at);
        }),
        Event::ShipmentDelivered { n } => with_shipment(order, *n, at, |s| {
            s.state = ShipmentState::Delivered;
            s.delivered_at = Some(at);
        }),
        Event::ShipmentFailed { n } => end(order, *n, ShipmentState::Failed, at),
        Event::ShipmentLost { n } => end(order, *n, ShipmentState::Lost, at),
        Event::ShipmentReturned { n } => end(order, *n, ShipmentState::Returned, at),
        Event::ShipmentCancelled { n } => end(order, *n, ShipmentState::Cancelled, at),

        Event::Credited {
            kind,
            amount,
            lines,
        } => {
            if *kind != CreditKind::Line {
                credit(order, *kind, None, *amount, at);
            }
            for LineCredit { line, amount } in lines {
                order.with_line(*line, at, |l| l.credit(*amount));
                credit(order, *kind, Some(*line), *amount, at);
            }
        }

        Event::ReturnRequested { n, lines } => {
            let asked = |l: &LineUnits| ReturnLine {
                line: l.line,
                units: l.units,
                restocked: 0,
                scrapped: 0,
            };
            order.returns.push(Return {
                n: *n,
                lines: lines.iter().map(asked).collect(),
                state: ReturnState::Requested,
                created_at: at,
                updated_at: at,
            });
        }
        Event::ReturnApproved { n } => {
            with_return(order, *n, at, |r| r.state = ReturnState::Approved)
        }
        Event::ReturnRejected { n } => {
            with_return(order, *n, at, |r| r.state = ReturnState::Rejected)
        }
        Event::ReturnReceived { n, lines } if order.return_numbered(*n).is_some() => {
            for ReceivedUnits {
                line,
                restock,
                scrap,
            } in lines
            {
                with_return(order, *n, at, |r| {
                    for l in r.lines.iter_mut().filter(|l| l.line == *line) {
                        l.restocked += restock;
                        l.scrapped += scrap;
                    }
                });
                order.with_line(*line, at, |l| l.counters.restocked += restock);
            }
        }
        Event::ReturnClosed { n } => {
            let received = order
                .return_numbered(*n)
                .map_or_else(Vec::new, |r| r.lines.clone());
            with_return(order, *n, at, |r| r.state = ReturnState::Closed);
            for l in received {
                order.with_line(l.line, at, |line| line.counters.returned += l.received());
            }
        }
        _ => {}
    }
}

/// Ends a shipment that did not arrive.
pub(super) fn end(order: &mut Order, n: u32, state: ShipmentState, at: Timestamp) {
    with_shipment(order, n, at, |s| {
        s.state = state;
        // It may have been taken for delivered before.
        s.delivered_at = None;
        if state == ShipmentState::Lost {
            s.lost_at = Some(at);
        }
    });
}

fn with_shipment(order: &mut Order, n: u32, at: Timestamp, change: impl FnOnce(&mut Shipment)) {
    if let Some(shipment) = n
        .checked_sub(1)
        .and_then(|i| order.shipments.get_mut(i as usize))
    {
        shipment.updated_at = at;
        change(shipment);
    }
}

fn with_return(order: &mut Order, n: u32, at: Timestamp, change: impl FnOnce(&mut Return)) {
    if let Some(r) = n
        .checked_sub(1)
        .and_then(|i| order.returns.get_mut(i as usize))
    {
        r.updated_at = at;
        change(r);
    }
}

fn credit(
    order: &mut Order,
    kind: CreditKind,
    line: Option<u32>,
    amount: crate::money::Minor,
    at: Timestamp,
) {
    let n = order.credits.len() as u32 + 1;
    order.credits.push(Credit {
        n,
        kind,
        line,
        amount,
        at,
    });
}
