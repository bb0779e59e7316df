//! Placing: (a) pgbench, (b) the bare driver and (c) the engine, taking turns.

use std::sync::Arc;
use std::time::Instant;

use order_store_postgres::PostgresOptions;

use crate::bare::Bare;
use crate::common::{Schema, connect_to};
use crate::cpu::{Meter, Spent};
use crate::learnt::Learnt;
use crate::pgbench::Scripts;
use crate::shop::manager;
use crate::{at_rest, median, open, percentile, round};

const ROUNDS: usize = 3;
/// Callers, and how many orders a round places with them.
const CALLERS: [(usize, usize); 4] = [(1, 300), (8, 2_000), (32, 4_800), (128, 6_400)];
/// More clients only stand in one another's way.
const PGBENCH_CLIENTS_MAX: usize = 32;

/// The measurements of one of them with so many callers, over all rounds.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    ms: Vec<f64>,
    orders: usize,
    /// Processor time of the server, and of who writes to it.
    server: f64,
    client: f64,
}

impl Side {
    fn took(&mut self, rate: f64, ms: Vec<f64>, orders: usize, spent: Spent) {
        self.rates.push(rate);
        self.ms.extend(ms);
        self.orders += orders;
        self.server += spent.server;
        self.client += spent.own + spent.children;
    }

    /// The median of the rounds; none where it was not run.
    fn rate(&mut self) -> Option<f64> {
        (!self.rates.is_empty()).then(|| median(&mut self.rates))
    }

    fn latencies(&mut self) -> String {
        if self.ms.is_empty() {
            return "-".into();
        }
        format!(
            "{:.1} / {:.1}",
            percentile(&mut self.ms, 50),
            percentile(&mut self.ms, 99)
        )
    }

    /// Seconds of the server's and of the client's processor time for 1,000 orders.
    fn processor(&self) -> String {
        if self.orders == 0 {
            return "-".into();
        }
        let of_thousand = self.orders as f64 / 1e3;
        format!(
            "{:.2} + {:.2}",
            self.server / of_thousand,
            self.client / of_thousand
        )
    }

    fn orders_a_core(&self) -> String {
        rounded((self.orders > 0).then(|| self.orders as f64 / self.server))
    }
}

fn rounded(number: Option<f64>) -> String {
    number.map_or("-".into(), |number| format!("{number:.0}"))
}

/// With one number of callers.
#[derive(Default)]
struct Sides {
    /// pgbench with the feed's head row, which everybody waits for, and with a sequence in its
    /// place.
    head: Side,
    headless: Side,
    bare: Side,
    engine: Side,
    group: f64,
}

pub async fn print() {
    let [theirs, bares, ours] = [
        Schema::new().await,
        Schema::new().await,
        Schema::new().await,
    ];
    let meter = Meter::new(&mut connect_to(&theirs.name).await).await;
    let learnt = Learnt::of(&theirs).await;
    println!(
        "placing 3 lines, 2 addresses, 1 payment: {} durable transactions and {} rows an order",
        learnt.transactions.len(),
        learnt.rows()
    );
    let scripts = Scripts::new(&theirs, &learnt).await;
    let bare = Bare::new(learnt);
    let store = open(&ours).await;
    let manager = manager(Arc::clone(&store), false);
    let mut sides = CALLERS.map(|_| Sides::default());
    for _ in 0..ROUNDS {
        for ((callers, orders), sides) in CALLERS.into_iter().zip(&mut sides) {
            if callers <= PGBENCH_CLIENTS_MAX {
                for (head, side) in [(true, &mut sides.head), (false, &mut sides.headless)] {
                    let before = meter.read();
                    let (rate, ms) = scripts.run(&theirs, callers, orders, head).await;
                    side.took(rate, ms, orders, meter.read() - before);
                }
            }
            let (stats, before, started) = (store.stats(), meter.read(), Instant::now());
            let ms = round(&manager, callers, orders).await;
            at_rest(&manager).await;
            let placed = ms.len();
            sides.engine.took(
                placed as f64 / started.elapsed().as_secs_f64(),
                ms,
                placed,
                meter.read() - before,
            );
            let (groups, changesets) = (
                store.stats().groups - stats.groups,
                store.stats().changesets - stats.changesets,
            );
            sides.group = changesets as f64 / groups as f64;
            let connections = PostgresOptions::default().writers.min(callers);
            let group = (sides.group.round() as usize).max(1);
            let (rate, spent) = bare.run(&bares, &meter, connections, group, orders).await;
            sides.bare.took(rate, Vec::new(), orders, spent);
        }
    }
    let best = |side: fn(&mut Sides) -> &mut Side, sides: &mut [Sides]| {
        sides
            .iter_mut()
            .filter_map(|sides| side(sides).rate())
            .fold(0.0, f64::max)
    };
    let best_head = best(|sides| &mut sides.head, &mut sides);
    let best_headless = best(|sides| &mut sides.headless, &mut sides);
    println!(
        "(a) pgbench at its best: {best_head:.0}/s; with a sequence in place of the head of the feed, (a') {best_headless:.0}/s"
    );
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>7}",
        "callers", "(a)/s", "(a')/s", "(b)/s", "(c)/s", "c / a", "c / a'", "c / b", "group"
    );
    for ((callers, _), sides) in CALLERS.into_iter().zip(&mut sides) {
        let (head, headless) = (rounded(sides.head.rate()), rounded(sides.headless.rate()));
        let (bare, engine) = (
            sides.bare.rate().expect("it was run"),
            sides.engine.rate().expect("it was run"),
        );
        println!(
            "{callers:>8} {head:>8} {headless:>8} {bare:>8.0} {engine:>8.0} {:>7.2} {:>7.2} {:>7.2} {:>7.1}",
            engine / best_head,
            engine / best_headless,
            engine / bare,
            sides.group
        );
    }
    println!(
        "latency in ms, p50 / p99\n{:>8} {:>18} {:>18} {:>18}",
        "callers", "(a)", "(a')", "(c)"
    );
    for ((callers, _), sides) in CALLERS.into_iter().zip(&mut sides) {
        let each = [&mut sides.head, &mut sides.headless, &mut sides.engine].map(Side::latencies);
        println!(
            "{callers:>8} {:>18} {:>18} {:>18}",
            each[0], each[1], each[2]
        );
    }
    println!(
        "processor time for 1,000 orders in s, server + client; and orders for each second of the server's"
    );
    println!(
        "{:>8} {:>14} {:>14} {:>14} {:>14} {:>7} {:>7} {:>7}",
        "callers", "(a)", "(a')", "(b)", "(c)", "(a')", "(b)", "(c)"
    );
    for (
        (callers, _),
        Sides {
            head,
            headless,
            bare,
            engine,
            ..
        },
    ) in CALLERS.into_iter().zip(&sides)
    {
        let each = [head, headless, bare, engine].map(Side::processor);
        let a_core = [headless, bare, engine].map(Side::orders_a_core);
        print!(
            "{callers:>8} {:>14} {:>14} {:>14} {:>14}",
            each[0], each[1], each[2], each[3]
        );
        println!(" {:>7} {:>7} {:>7}", a_core[0], a_core[1], a_core[2]);
    }
    println!("{:?}", store.stats());
}
