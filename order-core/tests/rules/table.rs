//! The golden table: every command and every fact in every situation; and the transition table held against the code.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use order_core::machine::{Command, Fact, Transition, decide, evolve, record, settle, transitions};
use order_core::order::{Actor, Blocks, Event, Lifecycle, OperationState, Order, PaymentTerms};
use order_core::testkit::orders::text;
use order_core::time::Timestamp;

use super::golden;
use super::journey::{Journey, Reply};
use super::samples::{OUR_STATES, Sample, command_name, commands, fact_name, facts, records, samples};
use super::shop::{Shop, sample};
use super::steps::PROVIDER_STATES;

const HEAD: &str = "\
What the rules answer: every command and every fact in samples of every situation.

Under each situation, in columns: what comes; `->` and where the order goes, or `=` where it stays; what is written to the
journal, transitions that follow by themselves included. `refused` means that a command is, and leaves nothing; `no news`
that a fact or command changes nothing. r1 is a reservation, p1 a payment operation.
";

fn table() -> String {
    let mut out = HEAD.to_owned();
    for lifecycle in Lifecycle::ALL {
        for sample in samples().iter().filter(|s| s.journey.order.lifecycle == *lifecycle) {
            situation(&mut out, sample);
        }
    }
    out
}

fn situation(out: &mut String, Sample { name, journey }: &Sample) {
    let order = &journey.order;
    let env = journey.shop.env(journey.now);
    writeln!(out, "\n{}: {name}\n  {}", order.lifecycle, records(order)).unwrap();
    for command in commands(journey.now) {
        let answer = match decide(order, &command, &env) {
            Ok(events) => outcome(journey, events),
            Err(rejection) => format!("refused          {}", rejection.reason),
        };
        writeln!(out, "  {:<52} {answer}", command_name(&command, order, journey.now)).unwrap();
    }
    for fact in facts(order, journey.now) {
        let answer = outcome(journey, record(order, &fact, &env));
        writeln!(out, "  {:<52} {answer}", fact_name(&fact, order)).unwrap();
    }
}

/// Where events lead, with what settles by itself after them.
fn outcome(journey: &Journey, events: Vec<Event>) -> String {
    if events.is_empty() {
        return "no news".into();
    }
    let env = journey.shop.env(journey.now);
    let mut order = journey.order.clone();
    let mut names: Vec<String> = Vec::new();
    let mut apply = |order: &mut Order, event: Event| {
        names.push(match &event {
            Event::AttentionRaised { reason, .. } => format!("ATTENTION_RAISED {reason}"),
            event => event.name().into(),
        });
        evolve(order, &event, &Actor::System, journey.now);
    };
    for event in events {
        apply(&mut order, event);
    }
    while let Some(event) = settle(&order, &env) {
        apply(&mut order, event);
    }
    let arrow = if order.lifecycle == journey.order.lifecycle { "= " } else { "->" };
    format!("{arrow} {:<14} {}", order.lifecycle.as_str(), names.join(", "))
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
        pairs.extend(commands(journey.now).iter().map(|c| (order.lifecycle, c.name().to_owned())));
        // Numbers aside: which record it is about is the situation's matter.
        let bare =
            |name: String| name.split(' ').filter(|w| !w.starts_with(['r', 'p']) || w.len() > 3).collect::<Vec<_>>().join(" ");
        pairs.extend(facts(order, journey.now).iter().map(|f| (order.lifecycle, bare(fact_name(f, order)))));
    }
    let of = |lifecycle| pairs.iter().filter(|(l, _)| *l == lifecycle).map(|(_, name)| name.as_str()).collect::<BTreeSet<_>>();
    // Voids, refunds, authorizations exist only where they can.
    let everywhere = |name: &&str| !["authorize", "charge", "void", "refund", "report"].iter().any(|kind| name.starts_with(kind));
    let all: BTreeSet<&str> = pairs.iter().map(|(_, name)| name.as_str()).filter(everywhere).collect();
    for lifecycle in Lifecycle::ALL {
        let here = of(*lifecycle);
        assert!(!here.is_empty(), "no sample of {lifecycle}");
        assert_eq!(all.difference(&here).collect::<Vec<_>>(), Vec::<&&str>::new(), "missing for {lifecycle}");
        for state in PROVIDER_STATES {
            let told =
                |name: &&str| name.ends_with(state.as_str()) && (name.starts_with("charge") || name.starts_with("authorize"));
            assert!(here.iter().any(told), "no attempt is told {state} for {lifecycle}");
        }
        let reports: BTreeSet<_> =
            here.iter().filter(|name| name.starts_with("report by")).filter_map(|name| name.split(':').next()).collect();
        assert_eq!(reports.len(), 3, "{lifecycle}: {reports:?}");
    }
    let states: BTreeSet<OperationState> = PROVIDER_STATES.into_iter().chain(OUR_STATES).collect();
    assert_eq!(states, OperationState::ALL.iter().copied().collect(), "a provider reports it, or it is ours");
}

/// Whether some sample shows the row.
fn happens(row: &Transition) -> bool {
    let Some(from) = row.from else {
        return Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm)).order.lifecycle == row.to;
    };
    let event = row.events.first().copied();
    samples().into_iter().filter(|s| s.journey.order.lifecycle == from).any(|Sample { journey, .. }| match row.trigger {
        "stock or payment fact" => by_fact(&journey, row.to, |_| true),
        "payment declined" => by_fact(&journey, row.to, |fact| fact.ends_with("DECLINED")),
        "stock refused" if by_fact(&journey, row.to, |fact| fact.ends_with("REFUSED")) => true,
        "stock refused" => loses_stock(journey, row.to),
        "settles" if event == Some("HOLD_RELEASED") => lapses(journey, row.to),
        "settles" => settles(journey, row.to),
        command => by_command(journey, command, row.to, event),
    })
}

fn by_fact(journey: &Journey, to: Lifecycle, named: impl Fn(&str) -> bool) -> bool {
    let named = |fact: &&Fact| named(&fact_name(fact, &journey.order));
    facts(&journey.order, journey.now).iter().filter(named).any(|fact| {
        let answer = outcome(journey, record(&journey.order, fact, &journey.shop.env(journey.now)));
        answer.get(3..).is_some_and(|rest| rest.split(' ').next() == Some(to.as_str()))
    })
}

/// The command by itself, without what settles after it: that is a row of its own.
fn by_command(mut journey: Journey, name: &str, to: Lifecycle, event: Option<&str>) -> bool {
    if name == "release hold" {
        // Placed while it still could be.
        journey.push(brief_hold(None), &Actor::System);
    }
    let commands = commands(journey.now).into_iter().chain([Command::ReleaseHold { kind: text("brief") }]);
    commands.filter(|c| c.name() == name).any(|command| {
        let events = decide(&journey.order, &command, &journey.shop.env(journey.now)).unwrap_or_default();
        let mut order = journey.order.clone();
        events.iter().for_each(|event| evolve(&mut order, event, &Actor::System, journey.now));
        order.lifecycle == to && events.first().map(Event::name) == event
    })
}

fn brief_hold(until: Option<Timestamp>) -> Event {
    Event::HoldPlaced { kind: text("brief"), blocks: Blocks::Ship, until }
}

/// A hold on the order ends by itself.
fn lapses(mut journey: Journey, to: Lifecycle) -> bool {
    journey.push(brief_hold(Some(journey.now.after(Duration::from_secs(1)))), &Actor::System);
    journey.advance(Duration::from_secs(1));
    journey.settle();
    journey.order.lifecycle == to && journey.order.holds.iter().all(|h| h.kind.as_str() != "brief")
}

/// It gets there by work that succeeds, or by time.
fn settles(mut journey: Journey, to: Lifecycle) -> bool {
    let mut waiting = Journey { order: journey.order.clone(), ..Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm)) };
    waiting.now = journey.now.after(Duration::from_secs(3_600));
    waiting.settle();
    let from = journey.order.lifecycle;
    while journey.order.lifecycle == from && journey.work(&mut |_, _| Reply::Yes).is_none() {}
    journey.order.lifecycle == to || waiting.order.lifecycle == to
}

/// What is held lapses and cannot be had again.
fn loses_stock(mut journey: Journey, to: Lifecycle) -> bool {
    let expires = journey.now.after(Duration::from_secs(300));
    journey.order.reservations.iter_mut().for_each(|r| r.expires_at = Some(expires));
    journey.advance(Duration::from_secs(3_600));
    while journey.order.lifecycle != to && journey.work(&mut |_, _| Reply::No).is_none() {}
    journey.order.lifecycle == to
}

#[test]
fn every_row_of_the_transition_table_happens() {
    for row in transitions() {
        assert!(happens(&row), "{:?} --{}-> {}: no sample shows it", row.from, row.trigger, row.to);
    }
}

#[test]
fn a_command_that_no_row_names_is_refused() {
    for Sample { name, journey } in samples() {
        let from = journey.order.lifecycle;
        for command in commands(journey.now) {
            let listed = transitions().iter().any(|t| t.from == Some(from) && t.trigger == command.name());
            let refused = decide(&journey.order, &command, &journey.shop.env(journey.now)).is_err();
            assert!(listed || refused, "{from}, {name}: {} is accepted, but not in the table", command.name());
        }
    }
}

#[test]
fn every_lifecycle_has_a_row_and_only_placing_comes_from_nothing() {
    let rows = transitions();
    for lifecycle in Lifecycle::ALL {
        assert!(rows.iter().any(|t| t.from == Some(*lifecycle)), "{lifecycle}");
    }
    let first: Vec<&str> = rows.iter().filter(|t| t.from.is_none()).map(|t| t.trigger).collect();
    assert_eq!(first, ["place"]);
    let distinct: BTreeSet<_> = rows.iter().map(|t| (t.from, t.trigger, t.to, t.events)).collect();
    assert_eq!(distinct.len(), rows.len(), "no row is written twice");
}
