//! The disorder that tests bring over nodes: wrong clocks, ended connections, and blows drawn from
//! a seed.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};

use crate::bench::Bench;

/// Names a seed to draw from instead of one of the time.
const SEED: &str = "ORDER_TEST_SEED";

/// Numbers that follow from a seed.
pub struct Dice(u64);

impl Dice {
    /// From the seed that the environment names, or a new one; says which.
    pub fn new() -> Self {
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("it is after 1970")
                .as_micros() as u64
        };
        let seed = std::env::var(SEED).map_or_else(
            |_| now(),
            |seed| seed.parse().expect("ORDER_TEST_SEED is a number"),
        );
        println!("the same blows again: {SEED}={seed}");
        Dice(seed)
    }

    /// From this seed.
    pub const fn seeded(seed: u64) -> Self {
        Dice(seed)
    }

    /// Any number: SplitMix64 (Steele, Lea and Flood, 2014).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0 to `below` - 1.
    pub fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }

    /// Fewer than `most` bytes of any value.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    /// Puts them into another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}

/// Makes the clocks of processes wrong.
pub struct WrongClocks {
    preloaded: String,
}

impl WrongClocks {
    /// Builds it in the bench's directory.
    pub fn new(bench: &Bench) -> Self {
        let source = bench.write("clock.c", include_str!("clock.c"));
        let preloaded = bench
            .dir()
            .join("clock.so")
            .to_str()
            .expect("a plain name")
            .to_owned();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o", &preloaded, &source, "-ldl"])
            .output();
        let built = built.expect("a C compiler, as Rust's linker needs one: install cc");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        WrongClocks { preloaded }
    }

    /// The environment of a process whose clock is wrong by so many seconds.
    pub fn by<'a>(&'a self, seconds: &'a str) -> [(&'a str, &'a str); 2] {
        [("LD_PRELOAD", &self.preloaded), ("CLOCK_WRONG_BY", seconds)]
    }
}

/// A connection of one's own to the database at `url`, as an operator has it.
pub async fn database(url: &str) -> PgConnection {
    let options: sqlx::postgres::PgConnectOptions = url.parse().expect("a URL of PostgreSQL");
    options
        .options([("search_path", "orders")])
        .connect()
        .await
        .expect("the database can be reached")
}

/// Ends every other connection to the database at `url`, whatever it is at; how many those were.
pub async fn terminate_all(url: &str) -> u64 {
    let mut database = database(url).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let ended = database
        .execute(others)
        .await
        .expect("a superuser may")
        .rows_affected();
    database.close().await.expect("it was open");
    ended
}
