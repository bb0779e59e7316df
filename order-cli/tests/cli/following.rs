//! A follower of the feed that is killed and begins again, and what it must have seen in the end.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::bench::{self, Bench};

/// After how many rows a follower is killed.
const LIVES: [usize; 5] = [7, 150, 40, 1, 400];

/// One follower after another, each going on where the last one was killed.
pub struct Follower {
    life: Arc<Life>,
    thread: Option<JoinHandle<Vec<Value>>>,
}

/// The process that follows now, and whether there is to be another.
#[derive(Default)]
struct Life {
    over: AtomicBool,
    watching: Mutex<Option<Child>>,
}

impl Life {
    fn kill(&self) {
        if let Some(mut child) = self.watching.lock().expect("nobody panics with it").take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.kill();
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.life.end();
    }
}

impl Follower {
    /// Begins before the first row.
    pub fn start(bench: &Bench) -> Self {
        let (life, dir) = (Arc::new(Life::default()), bench.dir().to_owned());
        let own = Arc::clone(&life);
        let follow = move || {
            let mut seen: Vec<Value> = Vec::new();
            for rows in LIVES.iter().cycle() {
                if own.is_over() {
                    break;
                }
                let mut command = bench::order_in(&dir);
                command.arg("watch").args(after(&seen));
                command.stdout(Stdio::piped()).stderr(Stdio::null());
                let mut child = command.spawn().expect("it starts");
                let out = BufReader::new(child.stdout.take().expect("it is piped"));
                *own.watching.lock().expect("nobody panics with it") = Some(child);
                if own.is_over() {
                    own.kill();
                }
                // Killed in the middle of things: what it was about to print is printed by the next
                // one.
                for row in out
                    .lines()
                    .map_while(Result::ok)
                    .map_while(|line| serde_json::from_str(&line).ok())
                    .take(*rows)
                {
                    seen.push(row);
                }
                own.kill();
            }
            seen
        };
        Follower {
            life,
            thread: Some(std::thread::spawn(follow)),
        }
    }

    /// Reads to the end, once nothing happens any more: nothing was missed, told twice or out of
    /// sequence. The rows.
    pub fn must_have_seen_all(mut self, bench: &Bench) -> Vec<Value> {
        self.life.end();
        let mut seen = self
            .thread
            .take()
            .expect("it is joined once")
            .join()
            .expect("the follower lives");
        assert!(
            seen.len() > LIVES[0] + LIVES[1],
            "followers were killed, and others went on: {} rows",
            seen.len()
        );
        let arguments = after(&seen);
        let arguments: Vec<&str> = ["watch", "--until-idle"]
            .into_iter()
            .chain(arguments.iter().map(String::as_str))
            .collect();
        let rows = |arguments: &[&str]| -> Vec<Value> {
            let ran = bench.run(arguments).must(0);
            ran.out
                .lines()
                .map(|line| serde_json::from_str(line).expect("a row is JSON"))
                .collect()
        };
        seen.extend(rows(&arguments));
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for row in &seen {
            let (order, seq) = (
                row["order_id"].as_str().unwrap().to_owned(),
                row["seq"].as_u64().unwrap(),
            );
            let before = last.insert(order.clone(), seq).unwrap_or(0);
            assert_eq!(seq, before + 1, "of order {order}");
        }
        let all = rows(&["watch", "--until-idle"]);
        let told = |rows: &[Value]| {
            rows.iter()
                .map(|row| (row["order_id"].clone(), row["seq"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&seen), told(&all), "whoever begins now sees the same");
        seen
    }
}

fn after(seen: &[Value]) -> Vec<String> {
    let cursor = seen.last().map(|row| {
        row["cursor"]
            .as_str()
            .expect("a row has a cursor")
            .to_owned()
    });
    cursor
        .into_iter()
        .flat_map(|cursor| ["--after".into(), cursor])
        .collect()
}
