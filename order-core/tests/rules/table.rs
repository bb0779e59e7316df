//! The golden table: every command and every fact in every situation; and the transition table held
//! against the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use order_core::audit::Invariant;
use order_core::audit::Replay;
use order_core::order::{
    Actor, Blocks, Event, Imported, JournalRow, Lifecycle, Op, OperationState, Order, PaymentTerms,
};
use order_core::rules::{
    Command, Fact, Next, Transition, Verb, begin_imported, decide, evolve, next, record, settle,
    transitions,
};
use order_core::testkit::orders::{changeset_id, text};
use order_core::time::Timestamp;

use super::golden;
use super::inputs::{anywhere, command_name, commands, fact_name, facts};
use super::journey::{Journey, Reply};
use super::samples::{OUR_STATES, Sample, records, samples};
use super::shop::{Shop, sample};
use super::steps::PROVIDER_STATES;

const HEAD: &str = "\
What the rules answer: every command and every fact in samples of every situation.

Under each situation, in columns: what comes; `->` and where the order goes, or `=` where it stays; what is written to the
journal, transitions that follow by themselves included; after `|` what is due then: what is recorded without asking anybody,
calls, and how many seconds later the order is looked at again. Last come the commands that are refused, by reason, and leave
nothing; and the facts and commands that are no news and change nothing. r1 is a reservation, p1 a payment operation; amounts are
minor units.
";

fn table() -> String {
    let mut out = HEAD.to_owned();
    for lifecycle in Lifecycle::ALL {
        for sample in samples()
            .iter()
            .filter(|s| s.journey.order.lifecycle == *lifecycle)
        {
            situation(&mut out, sample);
        }
    }
    out
}

fn situation(out: &mut String, Sample { name, journey }: &Sample) {
    let order = &journey.order;
    let env = journey.shop.env(journey.now);
    writeln!(
        out,
        "\n{}: {name}\n  {} |{}",
        order.lifecycle,
        records(order),
        due(journey, order)
    )
    .unwrap();
    let mut without_effect: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut answered = |name: String, answer: Result<Vec<Event>, String>| match answer {
        Err(refused) => without_effect.entry(refused).or_default().push(name),
        Ok(events) if events.is_empty() => without_effect
            .entry("no news".into())
            .or_default()
            .push(name),
        Ok(events) => writeln!(out, "  {name:<52} {}", outcome(journey, events)).unwrap(),
    };
    for command in commands(order, journey.now) {
        let answer = decide(order, &command, &env)
            .map_err(|rejection| format!("refused, {}", rejection.reason));
        answered(command_name(&command, order, journey.now), answer);
    }
    for fact in facts(order, journey.now) {
        answered(fact_name(&fact, order), Ok(record(order, &fact, &env)));
    }
    for (why, names) in without_effect {
        writeln!(out, "  {why}:").unwrap();
        wrapped(out, &names);
    }
}

/// The names, as many to a line as fit.
fn wrapped(out: &mut String, names: &[String]) {
    let mut line = String::new();
    for name in names {
        if line.len() + name.len() > 118 {
            writeln!(out, "   {line}").unwrap();
            line.clear();
        }
        write!(line, " {name};").unwrap();
    }
    writeln!(out, "   {line}").unwrap();
}

/// The lifecycle to which events lead, with what settles by itself after them.
fn outcome(journey: &Journey, events: Vec<Event>) -> String {
    if events.is_empty() {
        return "no news".into();
    }
    let env = journey.shop.env(journey.now);
    let mut order = journey.order.clone();
    let mut names: Vec<String> = Vec::new();
    let apply = |names: &mut Vec<String>, order: &mut Order, event: Event| {
        names.push(told(&event));
        evolve(order, &event, &Actor::System, journey.now);
    };
    for event in events {
        apply(&mut names, &mut order, event);
    }
    for _ in 0..20 {
        for event in settle(&order, &env) {
            apply(&mut names, &mut order, event);
        }
    }
    assert_eq!(
        settle(&order, &env),
        Vec::new(),
        "settling does not come to an end: {names:?}"
    );
    let arrow = if order.lifecycle == journey.order.lifecycle {
        "= "
    } else {
        "->"
    };
    format!(
        "{arrow} {:<14} {} |{}",
        order.lifecycle.as_str(),
        names.join(", "),
        due(journey, &order)
    )
}

/// An event by its name, and by what else rules decide about it.
fn told(event: &Event) -> String {
    let about = match event {
        Event::AttentionRaised {
            reason,
            amount: Some(amount),
            ..
        } => format!("{reason} {amount}"),
        Event::AttentionRaised { reason, .. } => reason.to_string(),
        Event::Credited { kind, amount, .. } => format!("{kind} {amount}"),
        Event::PaymentPlanned { amount, .. } => amount.to_string(),
        Event::StockClosing {
            n,
            units: Some(units),
            ..
        } => format!("{units} of r{n}"),
        Event::StockClosing { n, .. } => format!("r{n}"),
        Event::ReservationPlanned { sku, quantity, .. } => format!("{quantity} of {sku}"),
        Event::LinesCancelled { lines, .. } => lines
            .iter()
            .map(|l| format!("{} of {}", l.units, l.line))
            .collect::<Vec<_>>()
            .join(" "),
        _ => return event.name().into(),
    };
    format!("{} {about}", event.name())
}

/// The calls that are due for the order, as a journey has led up to it.
fn due(journey: &Journey, order: &Order) -> String {
    let Next {
        events,
        calls,
        ahead,
        wake,
        stuck,
    } = next(order, &journey.tries, &journey.shop.env(journey.now));
    let op = |op: &Op| match op {
        Op::Reservation(n) => format!("r{n}"),
        Op::Payment(n) => format!("p{n}"),
        Op::Notice(seq) => format!("notice {seq}"),
    };
    let calls = calls.iter().map(|call| match call.verb {
        Verb::Pay(kind) => format!("{} {}", kind.as_str().to_lowercase(), op(&call.op)),
        Verb::Notify => "notify".into(),
        verb => format!("{} {}", format!("{verb:?}").to_lowercase(), op(&call.op)),
    });
    let ahead = ahead.iter().map(|o| format!("then {}", op(o)));
    let stuck = stuck.iter().map(|s| format!("{} is stuck", op(&s.op)));
    let wake = wake.map(|t| format!("+{}", t.since(journey.now).as_secs()));
    let due: Vec<String> = events
        .iter()
        .map(told)
        .chain(calls)
        .chain(ahead)
        .chain(stuck)
        .chain(wake)
        .collect();
    if due.is_empty() {
        String::new()
    } else {
        format!(" {}", due.join(", "))
    }
}

#[test]
fn every_command_and_fact_in_every_situation_is_answered_as_the_golden_table_says() {
    golden::check("transitions.txt", &table());
}

#[test]
fn no_pair_of_lifecycle_and_command_or_fact_is_missing() {
    let mut pairs = BTreeSet::new();
    for Sample { journey, .. } in samples() {
        let order = &journey.order;
        pairs.extend(
            anywhere(order, journey.now)
                .iter()
                .map(|c| (order.lifecycle, c.name().to_owned())),
        );
        // Numbers aside: which record it is about is the situation's matter.
        let bare = |name: String| {
            name.split(' ')
                .filter(|w| !w.starts_with(['r', 'p']) || w.len() > 3)
                .collect::<Vec<_>>()
                .join(" ")
        };
        pairs.extend(
            facts(order, journey.now)
                .iter()
                .map(|f| (order.lifecycle, bare(fact_name(f, order)))),
        );
    }
    let of = |lifecycle| {
        pairs
            .iter()
            .filter(|(l, _)| *l == lifecycle)
            .map(|(_, name)| name.as_str())
            .collect::<BTreeSet<_>>()
    };
    // Voids, refunds, authorizations exist only where they can.
    let everywhere = |name: &&str| {
        !["authorize", "charge", "capture", "void", "refund", "report"]
            .iter()
            .any(|kind| name.starts_with(kind))
    };
    let all: BTreeSet<&str> = pairs
        .iter()
        .map(|(_, name)| name.as_str())
        .filter(everywhere)
        .collect();
    for lifecycle in Lifecycle::ALL {
        let here = of(*lifecycle);
        assert!(!here.is_empty(), "no sample of {lifecycle}");
        assert_eq!(
            all.difference(&here).collect::<Vec<_>>(),
            Vec::<&&str>::new(),
            "missing for {lifecycle}"
        );
        for state in PROVIDER_STATES {
            let told = |name: &&str| {
                name.ends_with(state.as_str())
                    && (name.starts_with("charge") || name.starts_with("authorize"))
            };
            assert!(
                here.iter().any(told),
                "no attempt is told {state} for {lifecycle}"
            );
        }
        let reports: BTreeSet<_> = here
            .iter()
            .filter(|name| name.starts_with("report by"))
            .filter_map(|name| name.split(':').next())
            .collect();
        assert_eq!(reports.len(), 4, "{lifecycle}: {reports:?}");
    }
    let states: BTreeSet<OperationState> = PROVIDER_STATES.into_iter().chain(OUR_STATES).collect();
    assert_eq!(
        states,
        OperationState::ALL.iter().copied().collect(),
        "a provider reports it, or it is ours"
    );
    assert!(PROVIDER_STATES.iter().all(|s| s.is_a_providers()));
    assert!(!OUR_STATES.iter().any(|s| s.is_a_providers()));
}

/// Returns true if some sample shows the row.
fn happens(row: &Transition) -> bool {
    let Some(from) = row.from else {
        if row.trigger == "import" {
            return imports(row.to);
        }
        return Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm))
            .order
            .lifecycle
            == row.to;
    };
    let here: Vec<Sample> = samples()
        .into_iter()
        .filter(|s| s.journey.order.lifecycle == from)
        .collect();
    let any = |happens: &dyn Fn(Journey) -> bool| here.iter().any(|s| happens(s.journey.clone()));
    let each = |happens: &dyn Fn(Journey, &str) -> bool| {
        row.events.iter().all(|event| any(&|j| happens(j, event)))
    };
    match row.trigger {
        "stock or payment fact" => any(&|j| by_fact(&j, row.to, |_| true, None)),
        "money moved outside" => row
            .events
            .iter()
            .any(|event| any(&|j| by_fact(&j, row.to, |_| true, Some(event)))),
        "payment declined" => {
            any(&|j| by_fact(&j, row.to, |fact| fact.ends_with("DECLINED"), None))
        }
        "stock refused" if row.to != from => {
            any(&|j| by_fact(&j, row.to, |fact| fact.ends_with("REFUSED"), None))
                || any(&|j| loses_stock(j, row.to, None))
        }
        "stock refused" => each(&|j, event| loses_stock(j, row.to, Some(event))),
        "settles" => each(&|j, event| match event {
            "HOLD_RELEASED" => lapses(j, row.to),
            event => follows(&j, row.to, event) || settles(j, row.to, event),
        }),
        commands => {
            let of = |j: &Journey, event: Option<&str>| {
                commands
                    .split(", ")
                    .any(|command| by_command(j.clone(), command, row.to, event))
            };
            match (row.events, commands) {
                ([], _) => any(&|j| of(&j, None)),
                // What there is to be resolved or acknowledged, or has left, depends on the
                // records, not on the lifecycle.
                (
                    events,
                    "resolve, retry stuck, acknowledge"
                    | "deliver, fail shipment, lose shipment, return to sender",
                ) => events.iter().any(|event| any(&|j| of(&j, Some(event)))),
                _ => each(&|j, event| of(&j, Some(event))),
            }
        }
    }
}

/// Asserts that an order imported as `to` is that, and the auditor finds it in order; and as
/// nothing else.
fn imports(to: Lifecycle) -> bool {
    let events = super::journal::every_event();
    let Some(Event::Imported(imported)) = events
        .into_iter()
        .rev()
        .find(|e| matches!(e, Event::Imported(_)))
    else {
        return false;
    };
    let event = Event::Imported(Box::new(Imported {
        lifecycle: to,
        ..*imported
    }));
    let Event::Imported(imported) = &event else {
        return false;
    };
    let order = begin_imported(imported, imported.placed_at);
    let row = JournalRow {
        order: order.id,
        seq: 1,
        from: None,
        to: order.statuses.status,
        actor: Actor::System,
        cause: "import".into(),
        notes: None,
        command_key: None,
        changeset: changeset_id(),
        at: order.updated_at,
        event: event.clone(),
    };
    let mut breaches = Vec::new();
    Replay::default().apply(&row, &mut breaches);
    order.lifecycle == to
        && breaches
            .iter()
            .all(|b| b.invariant != Invariant::Transitions && b.invariant != Invariant::Journal)
}

fn by_fact(
    journey: &Journey,
    to: Lifecycle,
    named: impl Fn(&str) -> bool,
    event: Option<&str>,
) -> bool {
    let named = |fact: &&Fact| named(&fact_name(fact, &journey.order));
    facts(&journey.order, journey.now)
        .iter()
        .filter(named)
        .any(|fact| {
            let answer = outcome(
                journey,
                record(&journey.order, fact, &journey.shop.env(journey.now)),
            );
            let says = |event: &str| answer.split([' ', ',']).any(|word| word == event);
            answer
                .get(3..)
                .is_some_and(|rest| rest.split(' ').next() == Some(to.as_str()))
                && event.is_none_or(says)
        })
}

/// The command by itself, without what settles after it: that is a row of its own.
fn by_command(mut journey: Journey, name: &str, to: Lifecycle, event: Option<&str>) -> bool {
    if name == "release hold" {
        // Placed while it still could be.
        journey.push(brief_hold(None), &Actor::System);
    }
    let commands =
        commands(&journey.order, journey.now)
            .into_iter()
            .chain([Command::ReleaseHold {
                kind: text("brief"),
            }]);
    commands.filter(|c| c.name() == name).any(|command| {
        let events =
            decide(&journey.order, &command, &journey.shop.env(journey.now)).unwrap_or_default();
        let mut order = journey.order.clone();
        events
            .iter()
            .for_each(|event| evolve(&mut order, event, &Actor::System, journey.now));
        order.lifecycle == to
            && event.is_none_or(|event| events.iter().any(|e| e.name() == event))
            && (event.is_some() || events.is_empty())
    })
}

fn brief_hold(until: Option<Timestamp>) -> Event {
    Event::HoldPlaced {
        kind: text("brief"),
        blocks: Blocks::Ship,
        until,
    }
}

/// A hold on the order ends by itself.
fn lapses(mut journey: Journey, to: Lifecycle) -> bool {
    journey.push(
        brief_hold(Some(journey.now.after(Duration::from_secs(1)))),
        &Actor::System,
    );
    journey.advance(Duration::from_secs(1));
    journey.settle();
    journey.order.lifecycle == to
        && journey
            .order
            .holds
            .iter()
            .all(|h| h.kind.as_str() != "brief")
}

/// It follows by itself from some command.
fn follows(journey: &Journey, to: Lifecycle, event: &str) -> bool {
    commands(&journey.order, journey.now).iter().any(|command| {
        let env = journey.shop.env(journey.now);
        let Ok(events) = decide(&journey.order, command, &env) else {
            return false;
        };
        let mut after = journey.clone();
        events
            .into_iter()
            .for_each(|event| after.push(event, &Actor::Operator("eve".into())));
        let from = after.order.lifecycle;
        after.edges.clear();
        after.settle();
        after.edges.contains(&(from, event_name(event), to)) && from == journey.order.lifecycle
    })
}

/// It gets there by work that succeeds or is refused, or by time, and says so by `event`.
fn settles(mut journey: Journey, to: Lifecycle, event: &str) -> bool {
    journey.edges.clear();
    let from = journey.order.lifecycle;
    let happened = |j: &Journey| j.edges.contains(&(from, event_name(event), to));
    let mut waiting = journey.clone();
    waiting.advance(Duration::from_secs(20 * 24 * 60 * 60));
    waiting.settle();
    let worked = |reply: Reply| {
        let mut working = journey.clone();
        for _ in 0..30 {
            if happened(&working) || working.work(&mut |_, _| reply).is_some() {
                break;
            }
        }
        happened(&working)
    };
    happened(&waiting) || worked(Reply::Yes) || worked(Reply::No)
}

/// As journeys name it.
fn event_name(name: &str) -> &'static str {
    let rows = transitions();
    let named = rows
        .iter()
        .flat_map(|t| t.events)
        .find(|event| **event == name);
    named.copied().expect("it is in the table")
}

/// The reservation lapses and cannot be had again.
fn loses_stock(mut journey: Journey, to: Lifecycle, event: Option<&str>) -> bool {
    journey.edges.clear();
    let from = journey.order.lifecycle;
    let expires = journey.now.after(Duration::from_secs(300));
    journey
        .order
        .reservations
        .iter_mut()
        .for_each(|r| r.expires_at = Some(expires));
    journey.advance(Duration::from_secs(3_600));
    for _ in 0..30 {
        if journey.work(&mut |_, _| Reply::No).is_some() {
            break;
        }
    }
    match event {
        Some(event) => journey.edges.contains(&(from, event_name(event), to)),
        None => journey.edges.iter().any(|(_, _, there)| *there == to),
    }
}

#[test]
fn every_row_of_the_transition_table_happens() {
    for row in transitions() {
        assert!(
            happens(&row),
            "{:?} --{}-> {}: no sample shows it",
            row.from,
            row.trigger,
            row.to
        );
    }
}

#[test]
fn a_command_that_no_row_names_is_refused() {
    for Sample { name, journey } in samples() {
        let from = journey.order.lifecycle;
        for command in commands(&journey.order, journey.now) {
            let listed = transitions()
                .iter()
                .any(|t| t.from == Some(from) && t.is_triggered_by(command.name()));
            // Another name for one of the others, which is listed.
            let sugar = matches!(command, Command::SetStatus { .. });
            // What holds already may be asked for again.
            let changes = decide(&journey.order, &command, &journey.shop.env(journey.now))
                .is_ok_and(|events| !events.is_empty());
            assert!(
                listed || sugar || !changes,
                "{from}, {name}: {} is accepted, but not in the table",
                command.name()
            );
        }
    }
}

#[test]
fn every_lifecycle_has_a_row_and_only_placing_and_importing_come_from_nothing() {
    let rows = transitions();
    for lifecycle in Lifecycle::ALL {
        assert!(
            rows.iter().any(|t| t.from == Some(*lifecycle)),
            "{lifecycle}"
        );
    }
    let first: Vec<&str> = rows
        .iter()
        .filter(|t| t.from.is_none())
        .map(|t| t.trigger)
        .collect();
    let (place, imports) = first.split_first().unwrap();
    assert!(
        *place == "place" && imports.iter().all(|t| *t == "import"),
        "{first:?}"
    );
    let distinct: BTreeSet<_> = rows
        .iter()
        .map(|t| (t.from, t.trigger, t.to, t.events))
        .collect();
    assert_eq!(distinct.len(), rows.len(), "no row is written twice");
}
