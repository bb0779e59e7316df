//! Placing through several processes on one database, each a copy of this program with its share of
//! the callers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use crate::common::{Schema, cluster};
use crate::shop::manager;
use crate::{at_rest, median, open, open_url, place_one, round};

/// The argument that makes this program one of them.
pub const CHILD: &str = "as-one-of-several";

const ROUNDS: usize = 3;
const PROCESSES: [usize; 3] = [1, 2, 4];
/// Callers, and how many orders a round places, over all processes.
const CALLERS: [(usize, usize); 2] = [(32, 3_200), (128, 6_400)];

pub async fn print() {
    println!(
        "{:>8} {:>10} {:>10} {:>8}",
        "callers", "processes", "orders/s", "÷ one"
    );
    for (callers, orders) in CALLERS {
        let mut rates = PROCESSES.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (processes, rates) in PROCESSES.into_iter().zip(&mut rates) {
                rates.push(place(processes, callers, orders).await);
            }
        }
        let [one, ..] = &mut rates;
        let one = median(one);
        for (processes, rates) in PROCESSES.into_iter().zip(&mut rates) {
            let rate = median(rates);
            println!(
                "{callers:>8} {processes:>10} {rate:>10.0} {:>8.2}",
                rate / one
            );
        }
    }
}

struct Process {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Process {
    fn heard(&mut self, word: &str) {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("the process speaks");
        assert_eq!(line.trim(), word, "from one of the processes");
    }
}

/// Orders a second that so many processes place in a fresh schema, until all are at rest.
async fn place(processes: usize, callers: usize, orders: usize) -> f64 {
    let schema = Schema::new().await;
    let program = std::env::current_exe().expect("this program");
    let start = |_| {
        let mut command = Command::new(&program);
        command.args([
            CHILD,
            &schema.url,
            &(callers / processes).to_string(),
            &(orders / processes).to_string(),
        ]);
        // It is to use this server, not to start one.
        command.env("ORDER_TEST_POSTGRES_URL", cluster::shared());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let says = BufReader::new(child.stdout.take().expect("a pipe"));
        Process { child, says }
    };
    let mut all: Vec<Process> = (0..processes).map(start).collect();
    all.iter_mut().for_each(|process| process.heard("ready"));
    let started = Instant::now();
    for process in &mut all {
        process
            .child
            .stdin
            .as_mut()
            .expect("a pipe")
            .write_all(b"go\n")
            .expect("it listens");
    }
    all.iter_mut().for_each(|process| process.heard("done"));
    at_rest(&manager(open(&schema).await, false)).await;
    let rate = (orders / processes * processes) as f64 / started.elapsed().as_secs_f64();
    for Process { mut child, .. } in all {
        drop(child.stdin.take());
        assert!(child.wait().expect("it ends").success());
    }
    rate
}

/// Runs one of the processes: it makes ready, and places its orders when it is told.
pub async fn child(url: &str, callers: usize, orders: usize) {
    let manager = manager(Arc::clone(&open_url(url).await), false);
    futures_util::future::join_all((0..callers).map(|_| place_one(&manager))).await;
    at_rest(&manager).await;
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("it is told");
    let placed = round(&manager, callers, orders).await;
    assert_eq!(placed.len(), orders / callers * callers);
    println!("done");
    // Not before it may, so that what it takes to end is no part of what is measured.
    std::io::stdin().read_line(&mut line).expect("it is told");
}
