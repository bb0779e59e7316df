//! Facts commute: in whatever order the same is heard, the order owes and has the same, and a
//! person is told the same.
//!
//! From each state of a walk every pair of facts is heard in both orders, each time once with a
//! commit for each, as the manager records them, and once in one commit. Nothing is called
//! meanwhile: what the engine does of its own accord is no fact.
//!
//! Excepted are, with the reason:
//!
//! - *Two words about one thing that contradict each other* (one operation captured and declined,
//!   more and less of it; one dispute won and lost; a void that succeeded, and what was captured of
//!   what it voids): of those the last word counts, or the first until the provider was asked. The
//!   same word twice, by another way, is no exception.
//! - *What is over stays over.* Where one of the facts ends an order or decides an edit (a decline
//!   ends the placing; the last of the money applies an edit), and it does so only if the other
//!   comes later, the order has decided on what was known. Then what is owed differs, and with it
//!   what goes back; what came in and what went back outside does not.
//! - *What was dropped stays dropped.* A payment that was asked for and not yet sent is dropped
//!   once nothing is missing. Where that is so only between the two, the order is short after one
//!   way, and says so, and has a payment under way after the other. In the same way one that is
//!   about to be sent is planned anew for less, and stays less.
//! - *CAPTURE_FAILED* tells that one capture was refused, and is over for good once what it was for
//!   is paid: which it may be only between the two. What is missing after that makes the order
//!   short, and is told as PAYMENT_SHORT.
//! - *MONEY_ON_DEAD_ORDER* tells that something was heard after the end, so that it is told of only
//!   if it was.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use order_core::money::Minor;
use order_core::order::{
    Attention, AttentionReason, Credit, CreditKind, DisputeState, EditState, Op, OperationKind,
    OperationOrigin, OperationState, Order, PaymentOperation,
};
use order_core::rules::{
    Command, DisputeReport, Fact, Finding, PaymentReport, Purpose, decide, key, record,
};
use order_core::testkit::orders::text;

use crate::journey::{answer, success};
use crate::shop::{Shop, small};
#[cfg(test)]
use crate::walk::SETTINGS;
use crate::walk::{Axis, Setting, State, Walk};

/// A fact that is heard.
#[derive(Debug, Clone)]
pub enum News {
    Fact(Fact),
    /// An operator's finding: a command by name, a fact by nature.
    Finding(Finding),
}

/// A piece of news: what it is about, and what it says of that.
#[derive(Debug, Clone)]
struct Heard {
    about: About,
    says: (OperationState, Minor),
    news: News,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// A payment operation; a void is about what it voids.
    Payment(u32),
    /// A dispute, or a movement of money, with that name.
    Named(&'static str),
}

/// By which way something is heard.
#[derive(Debug, Clone, Copy)]
enum Way {
    Answer,
    LookUp,
    Callback,
}

/// The end that an order comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    owed: Minor,
    kept: Minor,
    short: Minor,
    credits: Vec<(CreditKind, Option<u32>, Minor)>,
    open: BTreeSet<(AttentionReason, String, Option<Minor>)>,
    moved: Moved,
}

/// The money that came in and went back, whatever was decided upon it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moved {
    captured: Minor,
    went_back: Vec<(OperationOrigin, Minor)>,
    disputes: BTreeSet<(String, DisputeState, Minor)>,
    unmatched: BTreeSet<(String, OperationState, Minor)>,
}

impl Sums {
    pub fn of(order: &Order, now: order_core::time::Timestamp) -> Sums {
        let mut credits: Vec<_> = order
            .credits
            .iter()
            .map(
                |Credit {
                     kind, line, amount, ..
                 }| (*kind, *line, *amount),
            )
            .collect();
        credits.sort_unstable_by_key(|(kind, line, amount)| (*kind as u8, *line, *amount));
        let path = [
            AttentionReason::MoneyOnDeadOrder,
            AttentionReason::CaptureFailed,
        ];
        let known = order.attention.iter().filter(|a| !path.contains(&a.reason));
        // Of captures that are more than was authorized together, the last that is heard of is too
        // much, whichever it is.
        let about = |a: &Attention| match a.about {
            Some(Op::Payment(n)) if a.reason == AttentionReason::UnexpectedReport => {
                let parent = order
                    .payment(n)
                    .filter(|p| p.kind == OperationKind::Capture)
                    .and_then(|p| p.parent);
                parent.map_or_else(
                    || named(order, a.about),
                    |n| format!("a capture of {}", named(order, Some(Op::Payment(n)))),
                )
            }
            about => named(order, about),
        };
        let open = known.map(|a: &Attention| (a.reason, about(a), a.amount));
        Sums {
            owed: order.owed(),
            kept: order.kept(),
            short: order.short(now),
            credits,
            open: open.collect(),
            moved: Moved::of(order),
        }
    }
}

impl Sums {
    /// The same without what is said of being short.
    fn but_for_short(&self) -> Sums {
        let open = self
            .open
            .iter()
            .filter(|(reason, ..)| *reason != AttentionReason::PaymentShort);
        Sums {
            open: open.cloned().collect(),
            ..self.clone()
        }
    }
}

impl Moved {
    fn of(order: &Order) -> Moved {
        let back = |origin| {
            order
                .payments
                .iter()
                .filter(|p| p.origin == origin)
                .map(PaymentOperation::went_back_outside)
                .sum()
        };
        Moved {
            captured: order.money().captured,
            went_back: [OperationOrigin::Outside, OperationOrigin::Chargeback]
                .map(|origin| (origin, back(origin)))
                .to_vec(),
            disputes: order
                .disputes
                .iter()
                .map(|d| (d.reference.to_string(), d.state, d.amount))
                .collect(),
            unmatched: order
                .unmatched
                .iter()
                .map(|u| (u.reference.to_string(), u.status, u.amount))
                .collect(),
        }
    }
}

/// An operation by what it is, since its number says when it was heard of.
fn named(order: &Order, op: Option<Op>) -> String {
    let Some(Op::Payment(n)) = op else {
        return format!("{op:?}");
    };
    let Some(p) = order.payment(n) else {
        return format!("payment {n}");
    };
    let of = p.parent.map(|n| named(order, Some(Op::Payment(n))));
    match &p.reference {
        Some(reference) if p.origin != OperationOrigin::Engine => format!("{reference}"),
        _ if p.is_attempt() => format!("attempt {n}"),
        _ => format!("{} {} of {of:?}", p.kind, p.amount),
    }
}

fn told(
    order: &Order,
    p: &PaymentOperation,
    way: Way,
    status: OperationState,
    amount: Minor,
    now: order_core::time::Timestamp,
) -> Heard {
    let n = p.n;
    let outcome = || {
        answer(
            order,
            status,
            n,
            amount,
            now.after(std::time::Duration::from_secs(600)),
        )
    };
    let fact = match way {
        Way::Answer => Fact::Payment {
            n,
            outcome: outcome(),
        },
        Way::LookUp => Fact::Payment {
            n,
            outcome: crate::journey::looked_up(outcome()),
        },
        Way::Callback => Fact::Report(PaymentReport {
            key: Some(key(order.id, Purpose::Payment, n)),
            reference: text(&format!("pay-{n}")),
            parent: None,
            status,
            amount: order.in_currency(amount),
        }),
    };
    let about = if p.kind == OperationKind::Void {
        p.parent.unwrap_or(n)
    } else {
        n
    };
    Heard {
        about: About::Payment(about),
        says: (status, amount),
        news: News::Fact(fact),
    }
}

/// All that may be heard in a state.
fn news(state: &State) -> Vec<Heard> {
    use OperationState as S;
    let (order, now) = (&state.order, state.now);
    let mut out = Vec::new();
    for p in &order.payments {
        let asked = p.state.is_open() && p.state != S::Planned;
        let mut say = |way, status, amount| out.push(told(order, p, way, status, amount, now));
        let done = success(p.kind);
        if asked && p.is_attempt() {
            for way in [Way::Answer, Way::LookUp, Way::Callback] {
                say(way, done, p.amount);
                say(way, S::Declined, p.amount);
            }
            for (way, amount) in [
                (Way::Answer, -100),
                (Way::Callback, -100),
                (Way::Callback, 100),
                (Way::LookUp, 100),
            ] {
                say(way, done, p.amount + amount);
            }
            if p.kind == OperationKind::Authorize {
                say(Way::Callback, S::Captured, p.amount);
            }
        } else if asked {
            say(Way::Answer, done, p.amount);
            say(Way::Callback, done, p.amount);
            say(Way::Answer, S::Declined, p.amount);
        } else if p.is_attempt() && p.state == S::Declined {
            say(Way::Callback, done, p.amount);
        }
    }
    outside(order, &mut out);
    out
}

/// Money that moves without the engine.
fn outside(order: &Order, out: &mut Vec<Heard>) {
    use OperationState as S;
    let mut report = |reference: &'static str, parent: Option<u32>, status, amount| {
        let parent = parent.map(|n| text(&format!("pay-{n}")));
        let report = PaymentReport {
            key: None,
            reference: text(reference),
            parent,
            status,
            amount: order.in_currency(amount),
        };
        out.push(Heard {
            about: About::Named(reference),
            says: (status, amount),
            news: News::Fact(Fact::Report(report)),
        });
    };
    report("back", Some(1), S::Refunded, 400);
    report("back too", Some(1), S::Refunded, 300);
    report("nameless back", None, S::Refunded, 500);
    report("all back", Some(1), S::Refunded, order.amounts.total);
    report("paid", Some(1), S::Captured, 350);
    if let Some(p) =
        order.payments.iter().rev().find(|p| {
            p.n > 1 && p.kind != OperationKind::Void && p.origin == OperationOrigin::Engine
        })
    {
        report("back of another", Some(p.n), S::Refunded, 250);
    }
    let mut dispute = |reference: &'static str, payment: Option<u32>, state, amount| {
        let payment = payment.map(|n| text(&format!("pay-{n}")));
        let report = DisputeReport {
            reference: text(reference),
            payment,
            state,
            amount: order.in_currency(amount),
        };
        let says = (
            if state == DisputeState::Lost {
                S::Refunded
            } else {
                S::Pending
            },
            amount,
        );
        out.push(Heard {
            about: About::Named(reference),
            says,
            news: News::Fact(Fact::Dispute(report)),
        });
    };
    dispute("lost", Some(1), DisputeState::Lost, 700);
    dispute("lost nameless", None, DisputeState::Lost, 600);
    dispute("opened", Some(1), DisputeState::Open, 800);
    let mut moved = |reference: &'static str, status, amount| {
        let finding = Finding::Moved {
            status,
            amount,
            reference: text(reference),
        };
        out.push(Heard {
            about: About::Named(reference),
            says: (status, amount),
            news: News::Finding(finding),
        });
    };
    moved("moved out", S::Refunded, 200);
    moved("moved in", S::Captured, 450);
}

impl Walk {
    /// Writes down what is heard, without what follows from it.
    fn hear(&self, state: &mut State, heard: &Heard) {
        let env = self.env(state.now);
        let events = match &heard.news {
            News::Fact(fact) => record(&state.order, fact, &env),
            News::Finding(finding) => decide(
                &state.order,
                &Command::Resolve {
                    finding: finding.clone(),
                },
                &env,
            )
            .unwrap_or_default(),
        };
        events.iter().for_each(|event| state.evolve(event));
    }

    /// The same, with what follows.
    fn commit(&self, state: &State, all: &[&Heard]) -> Result<State, String> {
        let mut after = state.clone();
        all.iter().for_each(|heard| self.hear(&mut after, heard));
        self.come_to_rest(&mut after)?;
        Ok(after)
    }

    /// The end of the order once the provider has confirmed what it is asked about.
    fn sums(&self, mut state: State) -> Result<(Sums, State), String> {
        for _ in 0..3 {
            let Some(p) = state
                .order
                .payments
                .iter()
                .find(|p| p.verification.is_due() && !p.state.is_open())
            else {
                break;
            };
            let confirmed = told(&state.order, p, Way::LookUp, p.state, p.settled, state.now);
            state = self.commit(&state, &[&confirmed])?;
        }
        Ok((Sums::of(&state.order, state.now), state))
    }
}

/// The number of pairs that were heard, and in how many of them one ended or decided something.
#[derive(Debug, Default, Clone, Copy)]
pub struct Pairs {
    pub all: usize,
    pub decided: usize,
}

impl AddAssign for Pairs {
    fn add_assign(&mut self, other: Pairs) {
        self.all += other.all;
        self.decided += other.decided;
    }
}

/// Hears every pair of facts in a state both ways.
fn every_pair(walk: &Walk, state: &State, pairs: &mut Pairs) -> Result<(), String> {
    let all = news(state);
    let first: Vec<State> = all
        .iter()
        .map(|heard| walk.commit(state, &[heard]))
        .collect::<Result<_, _>>()?;
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate().skip(i + 1) {
            if a.about == b.about && a.says != b.says {
                continue;
            }
            let ends = [
                walk.commit(&first[i], &[b])?,
                walk.commit(&first[j], &[a])?,
                walk.commit(state, &[a, b])?,
                walk.commit(state, &[b, a])?,
            ];
            pairs.all += 1;
            let decided = |s: &State| {
                (
                    s.order.lifecycle.is_live(),
                    s.order
                        .edits
                        .iter()
                        .map(|e| e.state)
                        .collect::<Vec<EditState>>(),
                )
            };
            let same = ends.iter().all(|s| decided(s) == decided(&ends[0]));
            pairs.decided += usize::from(!same);
            let asks = |s: &State| {
                let of = |wanted: fn(OperationState) -> bool| {
                    let all = s.order.payments.iter();
                    let attempts = all.filter(move |p| p.is_attempt() && wanted(p.state));
                    attempts.map(|p| p.amount).collect::<Vec<_>>()
                };
                (
                    of(|state| state == OperationState::Dropped),
                    of(OperationState::is_open),
                )
            };
            let drops = ends.iter().any(|s| asks(s) != asks(&ends[0]));
            let [one, others @ ..] = ends.map(|s| walk.sums(s));
            let (one, first) = one?;
            for other in others {
                let (other, second) = other?;
                let agree = match same {
                    true if drops => one.but_for_short() == other.but_for_short(),
                    true => one == other,
                    false => one.moved == other.moved,
                };
                if !agree {
                    return Err(format!(
                        "{a:?}\nand {b:?}\ncome to\n{one:?}\nor\n{other:?}\n{:#?}\n{:#?}",
                        first.order, second.order
                    ));
                }
            }
        }
    }
    Ok(())
}

/// The axes whose states are taken: money in flight, an edit under way, goods that leave; each with
/// money that moves outside.
pub const AXES: [[Axis; 2]; 3] = [
    [Axis::Payment, Axis::Outside],
    [Axis::Edit, Axis::Outside],
    [Axis::Shipment, Axis::Outside],
];

/// Hears every pair of facts in every `nth` state of the walk of two axes in a setting, up to so
/// many states.
pub fn hear(
    (_, terms, inventory): Setting,
    axes: [Axis; 2],
    states_max: usize,
    nth: usize,
) -> Pairs {
    let shop = Shop {
        inventory,
        notify: false,
        ..Shop::ideal()
    };
    let walk = Walk {
        shop,
        axes,
        states_max,
    };
    let (mut pairs, mut seen) = (Pairs::default(), 0);
    walk.visit(&small(terms), &mut |state| {
        seen += 1;
        if (seen - 1) % nth == 0 {
            every_pair(&walk, state, &mut pairs)
        } else {
            Ok(())
        }
    });
    pairs
}

#[test]
fn two_facts_come_to_the_same_in_either_order() {
    for setting in [SETTINGS[0], SETTINGS[1], SETTINGS[3]] {
        let mut pairs = Pairs::default();
        for axes in AXES {
            pairs += hear(setting, axes, 300, 29);
        }
        assert!(pairs.all > 1_000, "{}: only {pairs:?}", setting.0);
        assert!(pairs.decided * 10 < pairs.all, "{}: {pairs:?}", setting.0);
    }
}
