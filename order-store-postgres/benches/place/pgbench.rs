//! pgbench, writing for each order the rows that the engine writes for one, in as many durable transactions, with nothing decided
//! and nothing checked.
//!
//! What it writes is learnt from what each of the engine's commits left in the tables.

use std::process::Command;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::store::*;
use order_store_postgres::PostgresStore;
use sqlx::{AssertSqlSafe, Row as _};

use crate::common::cluster;
use crate::common::{Schema, connect_to};
use crate::shop::manager;
use crate::{at_rest, open, place_one};

/// The tables that placing writes to, with their keys.
const TABLES: [(&str, &[&str]); 11] = [
    ("orders", &["id"]),
    ("order_state", &["order_id"]),
    ("order_updates", &["order_id"]),
    ("order_items", &["order_id", "n"]),
    ("order_addresses", &["order_id", "address_type"]),
    ("order_status_history", &["order_id", "seq"]),
    ("order_payment_transactions", &["order_id", "n"]),
    ("order_reservations", &["order_id", "n"]),
    ("order_work", &["order_id"]),
    ("order_feed_head", &["partition"]),
    ("order_feed", &["position"]),
];

/// A row as literals, by column.
#[derive(Clone, PartialEq)]
struct Row {
    table: usize,
    columns: Vec<(String, String)>,
}

impl Row {
    fn key(&self) -> Vec<&(String, String)> {
        TABLES[self.table].1.iter().filter_map(|key| self.columns.iter().find(|(column, _)| column == key)).collect()
    }
}

type Snapshot = Vec<Row>;

async fn snapshot(schema: &str) -> Snapshot {
    let mut db = connect_to(schema).await;
    let mut rows = Vec::new();
    for (table, (name, _)) in TABLES.iter().enumerate() {
        let columns = "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = $1::text::regclass AND attnum > 0 AND attgenerated = ''";
        let columns: Vec<String> = sqlx::query(columns).bind(*name).fetch_one(&mut db).await.expect("columns").get(0);
        let literals: Vec<String> = columns.iter().map(|column| format!("quote_nullable({column})")).collect();
        let select = format!("SELECT ARRAY[{}] FROM {name}", literals.join(", "));
        for row in sqlx::query(AssertSqlSafe(select)).fetch_all(&mut db).await.expect("rows") {
            let values = row.get::<Vec<String>, _>(0).into_iter().map(|literal| without_colons(&literal)).collect::<Vec<_>>();
            rows.push(Row { table, columns: columns.iter().cloned().zip(values).collect() });
        }
    }
    rows
}

/// The same literal for pgbench, which takes what follows a colon for a variable.
fn without_colons(literal: &str) -> String {
    match literal.strip_prefix(" E").or_else(|| literal.strip_prefix('E')) {
        _ if !literal.contains(':') => literal.to_owned(),
        Some(escaped) => format!("E{}", escaped.replace(':', "\\x3a")),
        None => format!("E{}", literal.replace(':', "\\x3a")),
    }
}

/// The store, with a look at its tables after each commit.
struct Watched {
    store: Arc<PostgresStore>,
    schema: String,
    snapshots: Mutex<Vec<Snapshot>>,
}

#[async_trait]
impl OrderStore for Watched {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let committed = self.store.commit(changeset).await?;
        let snapshot = snapshot(&self.schema).await;
        self.snapshots.lock().expect("nobody panicked").push(snapshot);
        Ok(committed)
    }
    async fn load(&self, order: Lookup, owner: Option<UserId>) -> Result<Option<Loaded>, StoreError> {
        self.store.load(order, owner).await
    }
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.store.list(query).await
    }
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        self.store.journal(query).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        self.store.lease(request).await
    }
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.store.feed(query).await
    }
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.store.peek(order).await
    }
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        self.store.work_summary().await
    }
}

/// One script with the feed's head row as the store has it, which everybody waits for, and one with a sequence in its place.
pub struct Scripts {
    pub transactions: usize,
    pub rows: usize,
    texts: [String; 2],
}

impl Scripts {
    pub async fn learn(schema: &Schema) -> Self {
        let store = open(schema).await;
        let nothing = snapshot(&schema.name).await;
        let watched = Arc::new(Watched { store: Arc::clone(&store), schema: schema.name.clone(), snapshots: Mutex::default() });
        let manager = manager(Arc::clone(&watched), false);
        place_one(&manager).await;
        at_rest(&manager).await;
        while (watched.snapshots.lock().expect("nobody panicked").len() as u64) < store.stats().groups {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let snapshots = watched.snapshots.lock().expect("nobody panicked").clone();
        let before = std::iter::once(&nothing).chain(&snapshots);
        let steps: Vec<Vec<String>> = before.zip(&snapshots).map(|(before, after)| steps(before, after)).collect();
        let fresh = Fresh::of(snapshots.last().expect("a commit"));
        let rows = steps.iter().map(Vec::len).sum();
        sqlx::raw_sql("CREATE SEQUENCE bench_positions START 1000000000")
            .execute(&mut connect_to(&schema.name).await)
            .await
            .expect("a sequence");
        let texts = [true, false].map(|head| script(&steps, &fresh, head));
        Scripts { transactions: steps.len(), rows, texts }
    }

    /// Orders a second, and the latency of each order in milliseconds.
    pub async fn run(&self, schema: &Schema, clients: usize, orders: usize, head: bool) -> (f64, Vec<f64>) {
        let folder = std::env::temp_dir().join(format!("order-pgbench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("place.sql");
        std::fs::write(&file, &self.texts[usize::from(!head)]).expect("the script is written");
        static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let run = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let url = cluster::shared().replace('?', "?options=-csearch_path%3D").replacen(
            "search_path%3D",
            &format!("search_path%3D{}&", schema.name),
            1,
        );
        let mut command = Command::new("pgbench");
        command.args(["-n", "-M", "prepared", "-j", "2", "-l", "-D", "n=0", "-D", &format!("run={run}")]);
        command.arg("-f").arg(&file).args(["-c", &clients.to_string(), "-t", &(orders / clients).to_string()]).arg(url);
        command.current_dir(&folder);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it runs").expect("pgbench is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let rate =
            said.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok()).expect("a rate");
        let mut latencies = Vec::new();
        for entry in std::fs::read_dir(&folder).expect("the logs").flatten() {
            if entry.file_name().to_string_lossy().starts_with("pgbench_log") {
                let log = std::fs::read_to_string(entry.path()).expect("a log");
                latencies.extend(log.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok()).map(|us| us / 1e3));
            }
        }
        let _ = std::fs::remove_dir_all(&folder);
        (rate, latencies)
    }
}

/// Statements with literals in the place of values.
fn steps(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let find = |rows: &Snapshot, row: &Row| rows.iter().find(|r| r.table == row.table && r.key() == row.key()).cloned();
    let keyed = |row: &Row| {
        let key = row.key().into_iter().chain(row.columns.iter().filter(|(column, _)| column == "bucket"));
        key.map(|(column, value)| format!("{column} = {value}")).collect::<Vec<_>>().join(" AND ")
    };
    let mut steps = Vec::new();
    for row in after {
        let table = TABLES[row.table].0;
        match find(before, row) {
            None => {
                let (columns, values): (Vec<_>, Vec<_>) = row.columns.iter().cloned().unzip();
                steps.push(format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", ")));
            }
            Some(old) if old != *row => {
                let changed = row.columns.iter().filter(|column| !old.columns.contains(column));
                let set: Vec<String> = changed.map(|(column, value)| format!("{column} = {value}")).collect();
                steps.push(format!("UPDATE {table} SET {} WHERE {}", set.join(", "), keyed(row)));
            }
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|row| find(after, row).is_none());
    steps.extend(gone.map(|row| format!("DELETE FROM {} WHERE {}", TABLES[row.table].0, keyed(row))));
    // The head of the feed last, as the store has it.
    steps.sort_by_key(|step| (step.contains("order_feed "), step.contains("order_feed_head")));
    steps
}

/// What differs from order to order.
struct Fresh {
    ids: Vec<String>,
    number: String,
    user: String,
}

impl Fresh {
    fn of(snapshot: &Snapshot) -> Self {
        let value = |column: &str| {
            let of_orders = snapshot.iter().find(|row| row.table == 0).expect("an order");
            of_orders.columns.iter().find(|(name, _)| name == column).expect("a column").1.clone()
        };
        let is_uuid = |value: &str| value.len() == 38 && value.bytes().filter(|b| *b == b'-').count() == 4;
        let mut ids: Vec<String> = Vec::new();
        for (column, value) in snapshot.iter().flat_map(|row| &row.columns) {
            let own = !matches!(column.as_str(), "user_id" | "product_id" | "variant_id");
            if own && is_uuid(value) && !ids.contains(value) {
                ids.push(value.clone());
            }
        }
        Fresh { ids, number: value("order_number"), user: value("user_id") }
    }
}

/// Ids that rise with time, as the engine's do, of the run, the order's number within its client, and the client.
fn script(steps: &[Vec<String>], fresh: &Fresh, head: bool) -> String {
    let mut text = "\\set n :n + 1\n\\set high (:run * 10000000 + :n) * 65536\n\\set low :client_id * 4096\n".to_owned();
    for transaction in steps {
        text.push_str("\\startpipeline\nBEGIN;\n");
        for step in transaction.iter().filter(|step| head || !step.contains("order_feed_head")) {
            let mut step = step.replace(&fresh.number, "'ORD-' || :run::text || '-' || :client_id::text || '-' || :n::text");
            for (at, id) in fresh.ids.iter().enumerate() {
                let id_of =
                    format!("(lpad(to_hex(:high::bigint + {at}), 16, '0') || lpad(to_hex(:low::bigint + {at}), 16, '0'))::uuid");
                step = step.replace(id, &id_of);
            }
            step = step
                .replace(&fresh.user, "(lpad(to_hex(:n::bigint * 7919), 16, '0') || lpad(to_hex(:low::bigint), 16, '0'))::uuid");
            if step.contains("order_feed_head") {
                step = "UPDATE order_feed_head SET position = position + 1 WHERE partition = 0".to_owned();
            } else if step.starts_with("INSERT INTO order_feed ") {
                let (columns, values) = step.split_once(" VALUES ").expect("values");
                let mut values: Vec<&str> = values.splitn(3, ", ").collect();
                values[1] = if head {
                    "(SELECT position FROM order_feed_head WHERE partition = 0)"
                } else {
                    "nextval('bench_positions')"
                };
                step = format!("{columns} VALUES {}", values.join(", "));
            }
            text.push_str(&step);
            text.push_str(";\n");
        }
        text.push_str("COMMIT;\n\\endpipeline\n");
    }
    text
}
