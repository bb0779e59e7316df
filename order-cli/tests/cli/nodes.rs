//! Several servers on one PostgreSQL: killed, stopped for a while, and the database with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::cluster::Cluster;
use crate::killing::{ANSWERS_WITHIN, CLIENTS, Customer, LIVES, Told, all_is_right};
use crate::served::Served;

const NODES: usize = 4;
const BLOWS: usize = 16;
/// Shorter than a lease: what a process was about to ask of the shop within it when it was stopped, it asks when it goes on, however
/// late that is, and after the end of its lease somebody else may have found that it was never asked.
const STILL: Duration = Duration::from_secs(3);

/// What befalls a node.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// It dies, and another takes its place.
    Kill,
    /// It stands still, and goes on as if nothing had happened.
    Stop,
    /// The database goes down as in a crash, for all of them, and comes up again.
    Crash,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_on_one_database_lose_nothing_and_double_nothing() {
    let cluster = Cluster::start();
    let bench = Bench::with_shop();
    bench.write("order.toml", format!("store = \"{}\"\n", cluster.url()));
    bench.run(&["migrate"]).must(0);
    bench.run(&["shop", "restock", "MUG-01", "1000000"]).must(0);
    let start = || Served::start(&bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[]);
    let mut nodes: Vec<Served> = (0..NODES).map(|_| start()).collect();

    let (address, now_at) = watch::channel(None);
    let told = Arc::new(Told::default());
    let mut customers = JoinSet::new();
    for number in 0..CLIENTS {
        customers.spawn(Customer { address: now_at.clone(), told: Arc::clone(&told) }.shop(number));
    }
    drop(now_at);
    let mut still: Vec<(usize, Instant)> = Vec::new();
    for blow in 0..BLOWS {
        let enough = told.answers.load(Ordering::Relaxed) + LIVES[blow % LIVES.len()];
        let started = Instant::now();
        let mut turn = blow;
        while told.answers.load(Ordering::Relaxed) < enough {
            assert!(started.elapsed() < ANSWERS_WITHIN, "nobody answers before blow {blow}");
            // Customers come to one node after the other; those that stand still do not answer them.
            turn += 1;
            address.send_replace(Some(nodes[turn % NODES].address.clone()));
            tokio::time::sleep(Duration::from_millis(5)).await;
            still.retain(|(node, since)| {
                let over = since.elapsed() >= STILL;
                if over {
                    nodes[*node].signal("-CONT");
                }
                !over
            });
        }
        let victim = (blow * 5 + 1) % NODES;
        let kind = [Blow::Kill, Blow::Stop, Blow::Kill, Blow::Crash][blow % 4];
        match kind {
            Blow::Kill if !still.iter().any(|(node, _)| *node == victim) => {
                let dead = std::mem::replace(&mut nodes[victim], start());
                dead.end("-KILL");
            }
            Blow::Stop if still.is_empty() => {
                nodes[victim].signal("-STOP");
                still.push((victim, Instant::now()));
            }
            Blow::Crash => {
                cluster.crash();
                cluster.run();
            }
            Blow::Kill | Blow::Stop => {}
        }
    }
    for (node, _) in still {
        nodes[node].signal("-CONT");
    }
    let last = nodes.pop().expect("there are four");
    address.send_replace(Some(last.address.clone()));
    // The others keep working until the end, and share the orders with it.
    all_is_right(&bench, last, &told, customers).await;
}
