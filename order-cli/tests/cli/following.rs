//! A follower of the feed that is killed and begins again, and what it must have seen in the end.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::bench::Bench;

/// After how many rows a follower is killed.
const LIVES: [usize; 5] = [7, 150, 40, 1, 400];

/// One follower after another, each going on where the last one was killed.
pub struct Follower {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Value>>,
}

struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Follower {
    /// Begins before the first row.
    pub fn start(bench: &Bench) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (ends, dir) = (Arc::clone(&over), bench.dir().to_owned());
        let follow = move || {
            let mut seen: Vec<Value> = Vec::new();
            for life in LIVES.iter().cycle() {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let mut command = Command::new(env!("CARGO_BIN_EXE_order"));
                command.current_dir(&dir).env_remove("ORDER_STORE").arg("watch").args(after(&seen));
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
                let mut child = Watching(command.spawn().expect("it starts"));
                let out = BufReader::new(child.0.stdout.take().expect("it is piped"));
                // Killed in the middle of things: what it was about to print is printed by the next one.
                for row in out.lines().map_while(Result::ok).map_while(|line| serde_json::from_str(&line).ok()).take(*life) {
                    seen.push(row);
                    if ends.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
            seen
        };
        Follower { over, thread: std::thread::spawn(follow) }
    }

    /// Reads to the end, once nothing happens any more: nothing was missed, told twice or out of sequence. The rows.
    pub fn must_have_seen_all(self, bench: &Bench) -> Vec<Value> {
        self.over.store(true, Ordering::Relaxed);
        // What it waits for is a row, and there may be none any more.
        bench.run(&["note", &a_number(bench), "for the follower"]).must(0);
        let mut seen = self.thread.join().expect("the follower lives");
        let arguments = after(&seen);
        let arguments: Vec<&str> = ["watch", "--until-idle"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let rows = |arguments: &[&str]| -> Vec<Value> {
            let ran = bench.run(arguments).must(0);
            ran.out.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
        };
        seen.extend(rows(&arguments));
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for row in &seen {
            let (order, seq) = (row["order_id"].as_str().unwrap().to_owned(), row["seq"].as_u64().unwrap());
            let before = last.insert(order.clone(), seq).unwrap_or(0);
            assert_eq!(seq, before + 1, "of order {order}");
        }
        let all = rows(&["watch", "--until-idle"]);
        let told = |rows: &[Value]| rows.iter().map(|row| (row["order_id"].clone(), row["seq"].clone())).collect::<Vec<_>>();
        assert_eq!(told(&seen), told(&all), "whoever begins now sees the same");
        seen
    }
}

fn after(seen: &[Value]) -> Vec<String> {
    let cursor = seen.last().map(|row| row["cursor"].as_str().expect("a row has a cursor").to_owned());
    cursor.into_iter().flat_map(|cursor| ["--after".into(), cursor]).collect()
}

fn a_number(bench: &Bench) -> String {
    let page = bench.json(&["list", "--limit", "1"], 0);
    page["orders"][0]["order_number"].as_str().expect("there are orders").to_owned()
}
