//! Whole lives: the facts of one, heard in whatever order among themselves and among the commands
//! that take something off, come to the same sums and open reasons; so they do once all that is due
//! then has been done.

use std::time::Duration;

use order_core::ids::Reference;
use order_core::money::Minor;
use order_core::order::{DisputeState, LineUnits, OperationState, Order, ReceivedUnits};
use order_core::rules::{Call, Command, DisputeReport, Fact, Finding, PaymentReport};
use order_core::testkit::orders::text;
use proptest::prelude::*;

use crate::commuting::{News, Sums};
use crate::inputs::{edit, life};
use crate::journey::{Journey, Reply, answer};
use crate::shop::{Basket, Shop, lowered, placed_orders, raised};
use crate::walks::cases;

/// Something that is heard late in a life, in thousandths of what was ordered. Each is about
/// something of its own.
#[derive(Debug, Clone)]
enum Tale {
    Back {
        of: Option<u32>,
        per_mille: Minor,
    },
    Paid {
        of: Option<u32>,
        per_mille: Minor,
    },
    Dispute {
        of: Option<u32>,
        state: DisputeState,
        per_mille: Minor,
    },
    Moved {
        out: bool,
        per_mille: Minor,
    },
    /// Says again what is known of an operation.
    Again {
        n: u32,
    },
}

/// A command that takes something off what is owed; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Less {
    Cancel { line: u32 },
    Lower { line: u32 },
    Credit { per_mille: Minor },
    Return { line: u32 },
    All,
}

fn tales() -> impl Strategy<Value = Vec<Tale>> {
    let (of, part) = (|| prop::option::of(0..5u32), || 1..600i64);
    let tale = prop_oneof![
        3 => (of(), part()).prop_map(|(of, per_mille)| Tale::Back { of, per_mille }),
        1 => (of(), part()).prop_map(|(of, per_mille)| Tale::Paid { of, per_mille }),
        3 => (of(), prop::sample::select(DisputeState::ALL), part())
            .prop_map(|(of, state, per_mille)| Tale::Dispute { of, state, per_mille }),
        2 => (any::<bool>(), part()).prop_map(|(out, per_mille)| Tale::Moved { out, per_mille }),
        1 => (0..8u32).prop_map(|n| Tale::Again { n }),
    ];
    prop::collection::vec(tale, 2..6)
}

fn less() -> impl Strategy<Value = Vec<Less>> {
    let line = || 0..4u32;
    let less = prop_oneof![
        3 => line().prop_map(|line| Less::Cancel { line }),
        2 => line().prop_map(|line| Less::Lower { line }),
        2 => (1..300i64).prop_map(|per_mille| Less::Credit { per_mille }),
        2 => line().prop_map(|line| Less::Return { line }),
        1 => Just(Less::All),
    ];
    prop::collection::vec(less, 0..4)
}

fn work(journey: &mut Journey) {
    for _ in 0..80 {
        if journey.work(&mut |_: &Order, _: Call| Reply::Yes).is_some() {
            return;
        }
    }
    panic!("it does not come to rest: {:#?}", journey.order);
}

/// An order that was placed, and has gone through some of what most orders go through.
fn lived(placed: &Basket, steps: &[usize]) -> Journey {
    let mut journey = Journey::place(
        Shop {
            notify: false,
            ..Shop::ideal()
        },
        placed,
    );
    work(&mut journey);
    for step in steps {
        let order = &journey.order;
        let all = life(order);
        let line = 1 + *step as u32 % order.lines.len() as u32;
        let command = match step % 7 {
            0 => edit(raised(order, line, 1)),
            1 => edit(lowered(line, 1)),
            _ => all[step % all.len()].clone(),
        };
        let _ = journey.command(&command);
        journey.advance(Duration::from_secs(1));
        work(&mut journey);
    }
    journey
}

fn heard(order: &Order, tale: &Tale, i: usize) -> Vec<News> {
    let part =
        |per_mille: &Minor| order.in_currency((order.amounts.total / 1000 * per_mille).max(1));
    let named = |of: &Option<u32>| {
        of.map(|n| {
            text(&format!(
                "pay-{}",
                1 + n % (order.payments.len() as u32).max(1)
            ))
        })
    };
    let reference = |kind: &str| text::<Reference>(&format!("{kind}-{i}"));
    let report = |kind, parent, status, amount| {
        News::Fact(Fact::Report(PaymentReport {
            key: None,
            reference: reference(kind),
            parent,
            status,
            amount,
        }))
    };
    vec![match tale {
        Tale::Back { of, per_mille } => {
            report("back", named(of), OperationState::Refunded, part(per_mille))
        }
        Tale::Paid { of, per_mille } => {
            report("paid", named(of), OperationState::Captured, part(per_mille))
        }
        Tale::Dispute {
            of,
            state,
            per_mille,
        } => News::Fact(Fact::Dispute(DisputeReport {
            reference: reference("dispute"),
            payment: named(of),
            state: *state,
            amount: part(per_mille),
        })),
        Tale::Moved { out, per_mille } => {
            let status = if *out {
                OperationState::Refunded
            } else {
                OperationState::Captured
            };
            News::Finding(Finding::Moved {
                status,
                amount: part(per_mille).minor,
                reference: reference("bank"),
            })
        }
        Tale::Again { n } => {
            let Some(p) = order.payment(1 + n % (order.payments.len() as u32).max(1)) else {
                return Vec::new();
            };
            if p.state.is_open() || p.state == OperationState::Dropped {
                return Vec::new();
            }
            let outcome = answer(order, p.state, p.n, p.settled, order.updated_at);
            News::Fact(Fact::Payment { n: p.n, outcome })
        }
    }]
}

fn commands(order: &Order, less: &Less, returns: &mut u32) -> Vec<Command> {
    let nth = |line: &u32| 1 + line % order.lines.len() as u32;
    match less {
        Less::Cancel { line } => vec![Command::CancelLines {
            lines: vec![LineUnits {
                line: nth(line),
                units: 1,
            }],
        }],
        Less::Lower { line } => vec![edit(lowered(nth(line), 1))],
        Less::Credit { per_mille } => vec![Command::Credit {
            amount: (order.owed() / 1000 * per_mille).max(1),
        }],
        Less::Return { line } => {
            let line = nth(line);
            *returns += 1;
            let number = order.returns.len() as u32 + *returns;
            vec![
                Command::RequestReturn {
                    lines: vec![LineUnits { line, units: 1 }],
                },
                Command::ApproveReturn { number },
                Command::ReceiveReturn {
                    number,
                    lines: vec![ReceivedUnits {
                        line,
                        restock: 1,
                        scrap: 0,
                    }],
                },
                Command::CloseReturn { number },
            ]
        }
        Less::All => vec![Command::Cancel],
    }
}

/// Hears the tales in an order, each before as many commands as its place says; `None` if a command
/// is refused. Nothing is called before all is heard.
fn told(begun: &Journey, tales: &[(usize, Vec<News>)], commands: &[Command]) -> Option<Journey> {
    let mut journey = begun.clone();
    let hear = |journey: &mut Journey, at: usize| {
        for news in tales
            .iter()
            .filter(|(place, _)| *place == at)
            .flat_map(|(_, news)| news)
        {
            match news {
                News::Fact(fact) => journey.facts(std::slice::from_ref(fact)),
                News::Finding(finding) => {
                    let _ = journey.command(&Command::Resolve {
                        finding: finding.clone(),
                    });
                }
            }
            journey.plan();
        }
    };
    for (i, command) in commands.iter().enumerate() {
        hear(&mut journey, i);
        journey.command(command).ok()?;
        journey.plan();
    }
    hear(&mut journey, commands.len());
    Some(journey)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_life_comes_to_the_same_in_whatever_order_its_facts_are_heard(
        placed in placed_orders(), steps in prop::collection::vec(0..200usize, 0..8), tales in tales(), less in less(),
        shuffled in Just(()).prop_perturb(|(), mut rng| [rng.random::<u64>(), rng.random()]),
    ) {
        let begun = lived(&placed, &steps);
        let mut returns = 0;
        let commands: Vec<Command> = less.iter().flat_map(|less| commands(&begun.order, less, &mut returns)).collect();
        // Only those that are possible, whatever is heard.
        let mut possible = begun.clone();
        let commands: Vec<Command> = commands.into_iter().filter(|c| {
            let can = possible.command(c).is_ok();
            possible.plan();
            can
        }).collect();
        let news: Vec<Vec<News>> = tales.iter().enumerate().map(|(i, tale)| heard(&begun.order, tale, i)).collect();
        let in_order = |seed: Option<u64>| {
            let mut all: Vec<(usize, Vec<News>)> = news.iter().map(|n| (commands.len(), n.clone())).collect();
            if let Some(seed) = seed {
                // A shuffle, and a place among the commands for each.
                let mut draw = seed;
                let mut next = |below: usize| {
                    draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (draw >> 33) as usize % below
                };
                for i in (1..all.len()).rev() {
                    all.swap(i, next(i + 1));
                }
                all.iter_mut().for_each(|(place, _)| *place = next(commands.len() + 1));
            }
            told(&begun, &all, &commands)
        };
        let ways = [in_order(None), in_order(Some(shuffled[0])), in_order(Some(shuffled[1]))];
        let mut ends: Vec<Journey> = ways.into_iter().flatten().collect();
        for rested in [false, true] {
            if rested {
                ends.iter_mut().for_each(work);
            }
            let sums: Vec<Sums> = ends.iter().map(|j| Sums::of(&j.order, j.now)).collect();
            for (one, other) in sums.iter().zip(&ends).zip(sums.iter().zip(&ends).skip(1)) {
                prop_assert_eq!(one.0, other.0, "{} {:?}\n{:#?}\n{:#?}", if rested { "at rest" } else { "" }, commands, one.1.order, other.1.order);
            }
        }
    }
}
