//! Shipments: planned and shipped by command, cancelled before they leave; and reports of what
//! became of them.

use super::check::{check_distinct, check_open};
use super::refusal::{illegal, no_such, not_now};
use super::stock::state::secured_units;
use super::{Command, Env, attention};
use crate::error::{Rejection, RejectionReason};
use crate::order::{
    AttentionReason, Blocks, Event, Lifecycle, Line, LineUnits, Numbered, Order, PaymentTerms,
    Shipment, ShipmentState,
};
use crate::time::Timestamp;

/// Returns a shipment of one unit of each line that has one open, and each step of the shipments
/// there are.
pub(super) fn samples(order: &Order) -> Vec<Command> {
    let open = |l: &&Line| l.requires_shipping && l.open() > 0;
    let one_of_each = || {
        let lines = order.lines.iter().filter(open);
        lines.map(|l| {
            vec![LineUnits {
                line: l.n,
                units: 1,
            }]
        })
    };
    let ship = |shipment, lines| Command::Ship {
        shipment,
        lines,
        carrier: None,
        tracking: None,
    };
    let with = |planned: bool| {
        let shipments = order.shipments.iter();
        let wanted = move |s: &&Shipment| (s.state == ShipmentState::Planned) == planned;
        shipments.filter(wanted).map(|s| s.n)
    };
    let mut samples: Vec<Command> = one_of_each()
        .map(|lines| Command::PlanShipment { lines })
        .collect();
    samples.extend(with(true).map(|n| ship(Some(n), Vec::new())));
    samples.extend(one_of_each().map(|lines| ship(None, lines)));
    samples.extend(with(true).map(|shipment| Command::CancelShipment { shipment }));
    samples.extend(
        planned_lines(order).map(|(shipment, line)| Command::SplitShipment {
            shipment,
            lines: vec![LineUnits { line, units: 1 }],
        }),
    );
    samples.extend(with(false).map(|n| Command::Deliver { shipment: Some(n) }));
    samples.extend(with(false).map(|shipment| Command::FailShipment { shipment }));
    samples.extend(with(false).map(|shipment| Command::LoseShipment { shipment }));
    samples.extend(with(false).map(|shipment| Command::ReturnToSender { shipment }));
    samples
}

/// Returns each line of each planned shipment.
fn planned_lines(order: &Order) -> impl Iterator<Item = (u32, u32)> {
    let planned = order.shipments.iter();
    planned
        .filter(|s| s.state == ShipmentState::Planned)
        .flat_map(|s| s.lines.iter().map(|l| (s.n, l.line)))
}

/// Plans a shipment of `lines`, or of all that is open; says which lines those are.
pub(super) fn plan(
    order: &Order,
    command: &Command,
    lines: &[LineUnits],
    env: &Env<'_>,
) -> Result<(Vec<LineUnits>, Vec<Event>), Rejection> {
    if order.lifecycle != Lifecycle::Confirmed {
        return Err(illegal(order, command));
    }
    let open = |l: &&Line| l.requires_shipping && l.open() > 0;
    let lines = match lines {
        [] => order
            .lines
            .iter()
            .filter(open)
            .map(|l| LineUnits {
                line: l.n,
                units: l.open(),
            })
            .collect(),
        some => some.to_vec(),
    };
    if lines.is_empty() {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotOpen,
            "nothing is left to be shipped",
        ));
    }
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for l in &lines {
        check_open(order, command, *l)?;
        if order
            .line(l.line)
            .is_some_and(|line| !line.requires_shipping)
        {
            let why = format!("line {} needs no shipping", l.line);
            return Err(not_now(order, command, RejectionReason::NotOpen, why));
        }
    }
    may_leave(order, command, &lines, env)?;
    let n = order.shipments.next_number();
    Ok((lines.clone(), vec![Event::ShipmentPlanned { n, lines }]))
}

/// Returns true if nothing blocks the units, and what they need is held and covered.
fn may_leave(
    order: &Order,
    command: &Command,
    lines: &[LineUnits],
    env: &Env<'_>,
) -> Result<(), Rejection> {
    let on_capture = order.terms == PaymentTerms::Shipment;
    let blocking = |h: &&crate::order::OrderHold| {
        h.blocks == Blocks::Ship || (on_capture && h.blocks == Blocks::Capture)
    };
    if let Some(hold) = order.holds.iter().find(blocking) {
        let why = format!("hold {} blocks it", hold.kind);
        return Err(not_now(order, command, RejectionReason::OnHold, why));
    }
    let named = |l: &Line| {
        lines
            .iter()
            .filter(|u| u.line == l.n)
            .map(|u| u.units)
            .sum::<u32>()
    };
    // Without names it is about what is planned: that was held once, and may be no longer.
    let concerned = |l: &&Line| named(l) > 0 || (lines.is_empty() && l.counters.planned > 0);
    for line in order.lines.iter().filter(concerned) {
        let of_sku = order.lines.iter().filter(|l| l.sku == line.sku);
        let gone = |l: &Line| l.counters.shipped + l.counters.lost + l.counters.planned + named(l);
        let leaving: u32 = of_sku
            .map(|l| gone(l).saturating_sub(l.counters.restocked))
            .sum();
        let secured = secured_units(order, env, &line.sku);
        if leaving > secured {
            let why = format!(
                "of {} only {secured} units are held for it, {leaving} are needed",
                line.sku
            );
            return Err(not_now(order, command, RejectionReason::StockNotHeld, why));
        }
    }
    let short = order.short(env.now);
    if short > 0 {
        let why = format!(
            "{} are short: nothing leaves until they are paid or written off",
            order.in_currency(short)
        );
        return Err(not_now(order, command, RejectionReason::NotCovered, why));
    }
    let needed = match order.terms {
        // Of an order of which more was written off than it owed, as much less is needed.
        PaymentTerms::Confirm | PaymentTerms::Shipment => order
            .due_when_shipped(|l| l.counters.shipped + l.counters.planned + named(l))
            .min(order.least_kept()),
        PaymentTerms::Invoice | PaymentTerms::Delivery => return Ok(()),
    };
    let secured = order.secured(env.now);
    if secured < needed {
        let why = format!(
            "{} are paid or authorized, {} are needed",
            order.in_currency(secured),
            order.in_currency(needed)
        );
        return Err(not_now(order, command, RejectionReason::NotCovered, why));
    }
    Ok(())
}

/// Ships a planned shipment, or a new one of `lines` or all that is open.
pub(super) fn ship(
    order: &Order,
    command: &Command,
    shipment: Option<u32>,
    lines: &[LineUnits],
    (carrier, tracking): (&Option<String>, &Option<String>),
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    let shipped = |n| Event::ShipmentShipped {
        n,
        carrier: carrier.clone(),
        tracking: tracking.clone(),
    };
    let Some(n) = shipment else {
        let (_, mut events) = plan(order, command, lines, env)?;
        events.push(shipped(order.shipments.next_number()));
        return Ok(events);
    };
    let s = order
        .shipment(n)
        .ok_or_else(|| no_such(order, command, "shipment", n))?;
    match s.state {
        ShipmentState::Planned if order.lifecycle == Lifecycle::Confirmed => {
            may_leave(order, command, &[], env)?;
            Ok(vec![shipped(n)])
        }
        ShipmentState::Shipped | ShipmentState::Delivered
            if s.carrier == *carrier && s.tracking == *tracking =>
        {
            Ok(Vec::new())
        }
        ShipmentState::Planned => Err(illegal(order, command)),
        ShipmentState::Shipped
        | ShipmentState::Delivered
        | ShipmentState::Failed
        | ShipmentState::Lost
        | ShipmentState::Returned
        | ShipmentState::Cancelled => Err(is(order, command, s)),
    }
}

/// Ships whatever is planned; all that is open if nothing is.
pub(super) fn ship_all(
    order: &Order,
    command: &Command,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    let planned: Vec<&Shipment> = order
        .shipments
        .iter()
        .filter(|s| s.state == ShipmentState::Planned)
        .collect();
    if planned.is_empty() {
        return ship(order, command, None, &[], (&None, &None), env);
    }
    if order.lifecycle != Lifecycle::Confirmed {
        return Err(illegal(order, command));
    }
    may_leave(order, command, &[], env)?;
    Ok(planned
        .into_iter()
        .map(|s| Event::ShipmentShipped {
            n: s.n,
            carrier: None,
            tracking: None,
        })
        .collect())
}

/// Says what became of a shipment: a fact, refused only of one that never left, whatever was taken
/// for true before.
pub(super) fn found(
    order: &Order,
    command: &Command,
    n: u32,
    (state, event): (ShipmentState, Event),
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    let s = order
        .shipment(n)
        .ok_or_else(|| no_such(order, command, "shipment", n))?;
    if s.state == state {
        return Ok(Vec::new());
    }
    if !s.state.has_left() {
        return Err(is(order, command, s));
    }
    Ok(told(order, vec![event], env))
}

/// The events, and that a person must look if units find no place after them that had one before.
fn told(order: &Order, mut events: Vec<Event>, env: &Env<'_>) -> Vec<Event> {
    let mut after = order.clone();
    for event in &events {
        apply(&mut after, event, env.now);
        after.place_units(env.now);
    }
    if after.misplaced_units() > order.misplaced_units() {
        events.extend(attention::raise(
            order,
            AttentionReason::UnexpectedDelivery,
            None,
        ));
    }
    events
}

pub(super) fn deliver_all(
    order: &Order,
    command: &Command,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    let on_its_way = order
        .shipments
        .iter()
        .filter(|s| s.state == ShipmentState::Shipped);
    let events: Vec<Event> = on_its_way
        .map(|s| Event::ShipmentDelivered { n: s.n })
        .collect();
    let nothing = || {
        not_now(
            order,
            command,
            RejectionReason::IllegalTransition,
            "nothing is on its way",
        )
    };
    match (events.is_empty(), order.lifecycle) {
        (false, _) => Ok(told(order, events, env)),
        (true, Lifecycle::Confirmed) => Err(nothing()),
        // What left before may yet turn out otherwise.
        (true, _) if order.has_left() => Err(nothing()),
        (true, _) => Err(illegal(order, command)),
    }
}

pub(super) fn cancel(order: &Order, command: &Command, n: u32) -> Result<Vec<Event>, Rejection> {
    let s = order
        .shipment(n)
        .ok_or_else(|| no_such(order, command, "shipment", n))?;
    match s.state {
        ShipmentState::Planned => Ok(vec![Event::ShipmentCancelled { n }]),
        ShipmentState::Cancelled => Ok(Vec::new()),
        ShipmentState::Shipped
        | ShipmentState::Delivered
        | ShipmentState::Failed
        | ShipmentState::Lost
        | ShipmentState::Returned => Err(is(order, command, s)),
    }
}

/// Splits a planned shipment: `named` units go into a new one, and at least one unit stays.
pub(super) fn split(
    order: &Order,
    command: &Command,
    n: u32,
    named: &[LineUnits],
) -> Result<Vec<Event>, Rejection> {
    let s = order
        .shipment(n)
        .ok_or_else(|| no_such(order, command, "shipment", n))?;
    if s.state != ShipmentState::Planned {
        return Err(is(order, command, s));
    }
    let refused = |why: String| not_now(order, command, RejectionReason::NotOpen, why);
    if named.is_empty() {
        return Err(refused("no units were named".into()));
    }
    check_distinct(order, command, named.iter().map(|l| l.line))?;
    for LineUnits { line, units } in named {
        let of = order
            .line(*line)
            .ok_or_else(|| no_such(order, command, "line", *line))?;
        let there = s
            .lines
            .iter()
            .find(|l| l.line == *line)
            .map_or(0, |l| l.units);
        if *units == 0 || *units > there {
            let sku = &of.sku;
            let why = format!(
                "{units} units of line {line} ({sku}) were named, {there} are in shipment {n}"
            );
            return Err(refused(why));
        }
    }
    let total = |lines: &[LineUnits]| lines.iter().map(|l| l.units).sum::<u32>();
    if total(named) == total(&s.lines) {
        let why = format!("at least one unit must stay in shipment {n}, and all were named");
        return Err(refused(why));
    }
    Ok(vec![Event::ShipmentSplit {
        n: order.shipments.next_number(),
        from: n,
        lines: named.to_vec(),
    }])
}

fn is(order: &Order, command: &Command, s: &Shipment) -> Rejection {
    let why = format!("shipment {} is {} since {}", s.n, s.state, s.updated_at);
    not_now(order, command, RejectionReason::IllegalTransition, why)
}

/// Nobody needs to look any more at shipments that turned out otherwise: every unit has its place.
pub(super) fn settle(order: &Order) -> Option<Event> {
    let told = order
        .attention
        .iter()
        .find(|a| a.reason == AttentionReason::UnexpectedDelivery)?;
    (order.misplaced_units() == 0).then_some(Event::AttentionCleared {
        reason: told.reason,
        about: told.about,
    })
}

/// Applies an event of a shipment to the order.
pub(super) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::ShipmentPlanned { n, lines } => order.shipments.push(planned(*n, lines.clone(), at)),
        Event::ShipmentSplit { n, from, lines } if order.shipment(*from).is_some() => {
            with_shipment(order, *from, at, |s| take_out(s, lines));
            order.shipments.push(planned(*n, lines.clone(), at));
        }
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
        _ => {}
    }
}

fn planned(n: u32, lines: Vec<LineUnits>, at: Timestamp) -> Shipment {
    Shipment {
        n,
        lines,
        state: ShipmentState::Planned,
        carrier: None,
        tracking: None,
        shipped_at: None,
        delivered_at: None,
        lost_at: None,
        created_at: at,
        updated_at: at,
    }
}

/// Takes units out of a shipment.
fn take_out(s: &mut Shipment, units: &[LineUnits]) {
    for l in &mut s.lines {
        let of_line = units.iter().filter(|u| u.line == l.line);
        l.units = l.units.saturating_sub(of_line.map(|u| u.units).sum());
    }
    s.lines.retain(|l| l.units > 0);
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
    if let Some(shipment) = order.shipments.numbered_mut(n) {
        shipment.updated_at = at;
        change(shipment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::orders::{at, full, plain};

    /// A confirmed order with a shipment of two units of line 1 and one of line 2 in that state.
    fn with_shipment_in(state: ShipmentState) -> Order {
        let units = |line, units| LineUnits { line, units };
        let shipment = Shipment {
            state,
            ..planned(1, vec![units(1, 2), units(2, 1)], at(1))
        };
        Order {
            lifecycle: Lifecycle::Confirmed,
            lines: full(1).lines,
            shipments: vec![shipment],
            ..plain(1)
        }
    }

    fn splitting(order: &Order, shipment: u32, units: &[(u32, u32)]) -> Result<Order, String> {
        let lines: Vec<LineUnits> = units
            .iter()
            .map(|&(line, units)| LineUnits { line, units })
            .collect();
        let command = Command::SplitShipment {
            shipment,
            lines: lines.clone(),
        };
        let events = split(order, &command, shipment, &lines).map_err(|r| r.message)?;
        let mut after = order.clone();
        for event in &events {
            apply(&mut after, event, at(2));
        }
        Ok(after)
    }

    #[test]
    fn some_units_of_a_planned_shipment_go_into_a_new_one() {
        let order = with_shipment_in(ShipmentState::Planned);
        let after = splitting(&order, 1, &[(1, 1), (2, 1)]).unwrap();
        let units = |s: &Shipment| {
            s.lines
                .iter()
                .map(|l| (l.line, l.units))
                .collect::<Vec<_>>()
        };
        let shipments: Vec<_> = (after.shipments.iter())
            .map(|s| (s.n, s.state, units(s), s.created_at, s.updated_at))
            .collect();
        assert_eq!(
            shipments,
            [
                (1, ShipmentState::Planned, vec![(1, 1)], at(1), at(2)),
                (
                    2,
                    ShipmentState::Planned,
                    vec![(1, 1), (2, 1)],
                    at(2),
                    at(2)
                ),
            ]
        );
    }

    #[test]
    fn a_split_is_refused_unless_units_go_and_units_stay() {
        let order = with_shipment_in(ShipmentState::Planned);
        for (shipment, units, why) in [
            (2, &[(1, 1)][..], "it has no shipment 2"),
            (1, &[], "no units were named"),
            (1, &[(9, 1)], "it has no line 9"),
            (1, &[(1, 1), (1, 1)], "line 1 is named twice"),
            (1, &[(1, 0)], "0 units of line 1"),
            (1, &[(1, 3)], "2 are in shipment 1"),
            (
                1,
                &[(1, 2), (2, 1)],
                "at least one unit must stay in shipment 1",
            ),
        ] {
            let refused = splitting(&order, shipment, units).expect_err(why);
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn only_a_planned_shipment_is_split() {
        for state in ShipmentState::ALL {
            let refused = splitting(&with_shipment_in(*state), 1, &[(1, 1)]).err();
            let why = format!("shipment 1 is {state} since");
            match state {
                ShipmentState::Planned => assert_eq!(refused, None),
                _ => assert!(refused.is_some_and(|r| r.contains(&why)), "{state}"),
            }
        }
    }
}
