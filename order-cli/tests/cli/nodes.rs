//! Several servers on one PostgreSQL, their clocks wrong: killed, stopped for longer than their
//! leases, and the database with them. Where `ORDER_TEST_CITUS_URL` names a coordinator of Citus,
//! on that.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use order_core::time::Timestamp;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::watch;

use crate::bench::Bench;
use crate::cluster::{self, Cluster};
use crate::disorder::{Dice, WrongClocks, database, terminate_all};
use crate::following::Follower;
use crate::killing::{all_is_right, crowd};
use crate::served::Served;

const NODES: usize = 4;
/// By how many seconds the clock of each is wrong: two of them are 10 minutes apart.
const WRONG_BY: [&str; NODES] = ["0", "300", "-300", "0"];
/// At most so many answers are waited for between two blows.
const ANSWERS_MOST: usize = 30;
/// The longest they may take: a node that is stopped while it writes to the shop keeps all others
/// from it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(40);
/// Longer than a lease, which lasts 10 s.
const BEYOND_THE_LEASE: Duration = Duration::from_millis(11_500);

/// A blow to a node, or to all of them.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// It dies, and another takes its place.
    Kill,
    /// It stands still, and goes on as if nothing had happened.
    Stop(Duration),
    /// The database goes down as in a crash, for all of them, and comes up again.
    Crash,
    /// All connections to the database are ended.
    Terminate,
}

/// All that happens, in no order.
fn blows() -> Vec<Blow> {
    let stop = |millis| Blow::Stop(Duration::from_millis(millis));
    let mut blows = vec![Blow::Kill; 5];
    blows.extend([Blow::Stop(BEYOND_THE_LEASE); 3]);
    blows.extend([
        stop(1_000),
        stop(3_000),
        Blow::Crash,
        Blow::Crash,
        Blow::Terminate,
        Blow::Terminate,
    ]);
    blows
}

/// The database that all nodes share.
enum Database {
    /// A server of the test's own.
    Own(Cluster),
    /// A coordinator of Citus that was named, with a schema of the test's own.
    Citus {
        /// Of the database.
        url: String,
        /// The tables that are made in it.
        schema: String,
    },
}

impl Database {
    fn start() -> Self {
        if !cluster::is_citus() {
            return Database::Own(Cluster::start());
        }
        let schema = format!("order_nodes_{}", std::process::id());
        Database::Citus {
            url: cluster::shared().to_owned(),
            schema,
        }
    }

    /// The address of the database.
    fn url(&self) -> String {
        match self {
            Database::Own(cluster) => cluster.url(),
            Database::Citus { url, .. } => url.clone(),
        }
    }

    /// The store's address, with as few connections for each node as there can be: one for each
    /// kind of work.
    fn store(&self) -> String {
        match self {
            Database::Own(cluster) => format!("{}&connections=4", cluster.url()),
            Database::Citus { url, schema } => format!("{url}?schema={schema}&connections=4"),
        }
    }

    /// The way in which its schema is made.
    fn migrate(&self) -> &'static [&'static str] {
        match self {
            Database::Own(_) => &["migrate"],
            Database::Citus { .. } => &["migrate", "--citus", "--partitions", "8"],
        }
    }

    /// Goes down as in a crash, and comes up again; one that was named has only its connections
    /// ended.
    async fn crash(&self) {
        match self {
            Database::Own(cluster) => {
                cluster.crash();
                cluster.run();
            }
            Database::Citus { url, .. } => drop(terminate_all(url).await),
        }
    }

    /// Removes what the test made.
    async fn end(self) {
        if let Database::Citus { url, schema } = self {
            let mut database = database(&url).await;
            database
                .execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE")))
                .await
                .expect("it is the test's own");
            database.close().await.expect("it was open");
        }
    }
}

/// The nodes, and which of them stand still until when.
struct Nodes<'a> {
    bench: &'a Bench,
    clocks: &'a WrongClocks,
    nodes: Vec<Served>,
    still: Vec<(usize, Instant)>,
}

impl<'a> Nodes<'a> {
    fn start(bench: &'a Bench, clocks: &'a WrongClocks) -> Self {
        let nodes = (0..NODES).map(|node| serve(bench, clocks, node)).collect();
        Nodes {
            bench,
            clocks,
            nodes,
            still: Vec::new(),
        }
    }

    fn kill(&mut self, node: usize) {
        self.still.retain(|(still, _)| *still != node);
        let dead = std::mem::replace(&mut self.nodes[node], serve(self.bench, self.clocks, node));
        dead.end("-KILL");
    }

    fn stop(&mut self, node: usize, still: Duration) {
        self.nodes[node].signal("-STOP");
        self.still.push((node, Instant::now() + still));
    }

    /// Lets those go on that have stood still for long enough.
    fn go_on(&mut self, at: Instant) {
        let nodes = &self.nodes;
        self.still.retain(|(node, until)| {
            let over = *until <= at;
            if over {
                nodes[*node].signal("-CONT");
            }
            !over
        });
    }

    fn is_still(&self, node: usize) -> bool {
        self.still.iter().any(|(still, _)| *still == node)
    }
}

fn serve(bench: &Bench, clocks: &WrongClocks, node: usize) -> Served {
    Served::start(
        bench,
        &["--listen", "127.0.0.1:0", "--log", "off"],
        &clocks.by(WRONG_BY[node]),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_on_one_database_lose_nothing_and_double_nothing() {
    let (shared, bench, mut dice) = (Database::start(), Bench::with_shop(), Dice::new());
    let clocks = WrongClocks::new(&bench);
    bench.write("order.toml", format!("store = \"{}\"\n", shared.store()));
    bench.run(shared.migrate()).must(0);
    bench.run(&["shop", "restock", "MUG-01", "1000000"]).must(0);
    let mut nodes = Nodes::start(&bench, &clocks);
    let follower = Follower::start(&bench);

    let (address, now_at) = watch::channel(None);
    let (told, customers) = crowd(now_at, &[]);
    let mut blows = blows();
    dice.shuffle(&mut blows);
    for blow in blows {
        let enough = told.answers.load(Ordering::Relaxed) + 1 + dice.below(ANSWERS_MOST) as u32;
        let started = Instant::now();
        while told.answers.load(Ordering::Relaxed) < enough {
            assert!(
                started.elapsed() < ANSWERS_WITHIN,
                "nobody answers before {blow:?}"
            );
            // Customers come to one node after the other; those that stand still do not answer
            // them.
            address.send_replace(Some(nodes.nodes[dice.below(NODES)].address.clone()));
            tokio::time::sleep(Duration::from_millis(5)).await;
            nodes.go_on(Instant::now());
        }
        let victim = dice.below(NODES);
        println!(
            "{:?} befalls node {victim} after {} answers",
            blow,
            told.answers.load(Ordering::Relaxed)
        );
        match blow {
            Blow::Kill => nodes.kill(victim),
            Blow::Stop(still) => {
                // Where all stand still already, nothing more can befall them.
                if let Some(awake) = (0..NODES)
                    .map(|n| (victim + n) % NODES)
                    .find(|n| !nodes.is_still(*n))
                {
                    nodes.stop(awake, still);
                }
            }
            Blow::Crash => shared.crash().await,
            Blow::Terminate => assert!(
                terminate_all(&shared.url()).await > 0,
                "there are connections"
            ),
        }
    }
    let last_go_on = nodes.still.iter().map(|(_, until)| *until).max();
    tokio::time::sleep_until(last_go_on.unwrap_or_else(Instant::now).into()).await;
    nodes.go_on(Instant::now());
    let last = nodes.nodes.pop().expect("there are four");
    address.send_replace(Some(last.address.clone()));
    // The others keep working until the end, and share the orders with it.
    all_is_right(&bench, last, &told, customers).await;
    let seen = follower.must_have_seen_all(&bench);
    let at = |row: &serde_json::Value| {
        row["at"]
            .as_str()
            .and_then(|at| at.parse::<Timestamp>().ok())
            .expect("a row has a time")
    };
    let (first, last) = (
        seen.iter().map(at).min().unwrap(),
        seen.iter().map(at).max().unwrap(),
    );
    assert!(
        last.since(first) >= Duration::from_secs(600),
        "the clocks are wrong: {first} to {last}"
    );
    drop(nodes);
    shared.end().await;
}
