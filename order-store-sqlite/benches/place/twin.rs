//! The bare driver: the rows that the engine writes for an order, written again by SQLite alone, in
//! as many grouped durable transactions, with nothing decided and nothing checked.
//!
//! What it writes is not copied from the engine's statements but learnt from its effect: one order
//! is placed with the engine, and what each of its commits left in the tables becomes the template.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use tokio::sync::oneshot;

const TABLES: [(&str, &[&str]); 8] = [
    ("orders", &["id"]),
    ("order_items", &["order_id", "n"]),
    ("order_addresses", &["order_id", "address_type"]),
    ("order_status_history", &["position"]),
    ("order_changesets", &["order_id", "first_seq"]),
    ("order_payment_transactions", &["order_id", "n"]),
    ("order_reservations", &["order_id", "n"]),
    ("order_work", &["order_id"]),
];

/// A row of a table, by column.
#[derive(Clone, PartialEq)]
struct Row {
    table: usize,
    columns: Vec<String>,
    values: Vec<Value>,
}

impl Row {
    fn key(&self) -> Vec<&Value> {
        let wanted = TABLES[self.table].1;
        wanted
            .iter()
            .filter_map(|k| self.columns.iter().position(|c| c == k))
            .map(|i| &self.values[i])
            .collect()
    }
}

/// Every row of the one order in the file.
pub struct Snapshot(Vec<Row>);

impl Snapshot {
    pub fn of(path: &Path) -> Self {
        let db = Connection::open(path).expect("the file opens");
        let mut rows = Vec::new();
        for (table, (name, _)) in TABLES.iter().enumerate() {
            let mut statement = db
                .prepare(&format!("SELECT * FROM {name}"))
                .expect("the table exists");
            let name_of = |nth| statement.column_name(nth).expect("there are so many");
            let columns: Vec<String> = (0..statement.column_count())
                .map(|nth| name_of(nth).to_owned())
                .collect();
            let mut found = statement.query([]).expect("it can be read");
            while let Some(row) = found.next().expect("it can be read") {
                let values = (0..columns.len())
                    .map(|i| row.get(i).expect("any value"))
                    .collect();
                rows.push(Row {
                    table,
                    columns: columns.clone(),
                    values,
                });
            }
        }
        Snapshot(rows)
    }
}

/// One statement of a transaction, as a template.
#[derive(Clone)]
struct Step {
    sql: String,
    values: Vec<Value>,
}

/// The rows that each transaction of an order writes.
pub struct Template(Vec<Vec<Step>>);

impl Template {
    /// From what the tables held after each commit.
    pub fn of(snapshots: &[Snapshot]) -> Self {
        let nothing = Snapshot(Vec::new());
        let before = std::iter::once(&nothing).chain(snapshots);
        Template(
            before
                .zip(snapshots)
                .map(|(before, after)| steps(before, after))
                .collect(),
        )
    }

    pub fn transactions(&self) -> usize {
        self.0.len()
    }

    /// The number of rows that an order changes.
    pub fn rows(&self) -> u64 {
        self.0.iter().map(|t| t.len() as u64).sum()
    }

    /// The statements' texts, with the values of a new order for each transaction.
    fn instance(&self, fresh: &mut Fresh) -> Vec<Vec<Vec<Value>>> {
        fresh.start();
        let of_step =
            |s: &Step, fresh: &mut Fresh| s.values.iter().map(|v| fresh.value(v)).collect();
        self.0
            .iter()
            .map(|t| t.iter().map(|s| of_step(s, fresh)).collect())
            .collect()
    }
}

fn steps(before: &Snapshot, after: &Snapshot) -> Vec<Step> {
    let mut steps = Vec::new();
    for row in &after.0 {
        let (table, key) = TABLES[row.table];
        match before
            .0
            .iter()
            .find(|r| r.table == row.table && r.key() == row.key())
        {
            None => {
                // SQLite gives positions itself, and the store asks for the last one given.
                let given = |column: &String| column == "position";
                let rows = row
                    .columns
                    .iter()
                    .zip(&row.values)
                    .find(|(column, _)| *column == "rows");
                let written = row
                    .columns
                    .iter()
                    .zip(&row.values)
                    .filter(|(column, _)| !given(column));
                let (mut columns, values): (Vec<&str>, Vec<Value>) =
                    written.map(|(c, v)| (c.as_str(), v.clone())).unzip();
                let mut marks: Vec<String> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
                if let (Some((_, Value::Integer(rows))), true) =
                    (rows, row.columns.iter().any(given))
                {
                    columns.push("position");
                    marks.push(format!("last_insert_rowid() - {rows} + 1"));
                }
                let sql = format!(
                    "INSERT INTO {table} ({}) VALUES ({})",
                    columns.join(", "),
                    marks.join(", ")
                );
                steps.push(Step { sql, values });
            }
            Some(old) if old != row => {
                let changed = (0..row.columns.len()).filter(|i| old.values[*i] != row.values[*i]);
                let mut values = Vec::new();
                let mut sets = Vec::new();
                for i in changed {
                    values.push(row.values[i].clone());
                    sets.push(format!("{} = ?{}", row.columns[i], values.len()));
                }
                steps.push(Step {
                    sql: format!(
                        "UPDATE {table} SET {}{}",
                        sets.join(", "),
                        keyed(key, row, &mut values)
                    ),
                    values,
                });
            }
            Some(_) => {}
        }
    }
    for row in &before.0 {
        if !after
            .0
            .iter()
            .any(|r| r.table == row.table && r.key() == row.key())
        {
            let (table, key) = TABLES[row.table];
            let mut values = Vec::new();
            steps.push(Step {
                sql: format!("DELETE FROM {table}{}", keyed(key, row, &mut values)),
                values,
            });
        }
    }
    steps
}

fn keyed(key: &[&str], row: &Row, values: &mut Vec<Value>) -> String {
    let mut conditions = Vec::new();
    for (name, value) in key.iter().zip(row.key()) {
        values.push(value.clone());
        conditions.push(format!("{name} = ?{}", values.len()));
    }
    format!(" WHERE {}", conditions.join(" AND "))
}

/// New ids for each order: what is a version 7 or 5 UUID in the template is another one in the
/// copy, the same one wherever it stands; and so is the order's number. Everything else is written
/// as it is.
struct Fresh {
    random: u64,
    known: Vec<(Vec<u8>, Vec<u8>)>,
    number: String,
}

impl Fresh {
    fn start(&mut self) {
        self.known.clear();
        let bits = self.draw();
        self.number = format!(
            "ORD-{:04X}-{:04X}-{:04X}",
            bits & 0xFFFF,
            bits >> 16 & 0xFFFF,
            bits >> 32 & 0xFFFF
        );
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Blob(id) if id.len() == 16 && matches!(id[6] >> 4, 5 | 7) => {
                if let Some((_, copy)) = self.known.iter().find(|(known, _)| known == id) {
                    return Value::Blob(copy.clone());
                }
                let mut copy = [self.draw().to_be_bytes(), self.draw().to_be_bytes()].concat();
                if id[6] >> 4 == 7 {
                    // Version 7 ids are sorted by time, and stand side by side in an index.
                    let since = std::time::UNIX_EPOCH
                        .elapsed()
                        .unwrap_or_default()
                        .as_millis() as u64;
                    copy[..6].copy_from_slice(&since.to_be_bytes()[2..]);
                }
                copy[6] = copy[6] & 0x0F | id[6] & 0xF0;
                self.known.push((id.clone(), copy.clone()));
                Value::Blob(copy)
            }
            Value::Text(text) if text.starts_with("ORD-") => Value::Text(self.number.clone()),
            other => other.clone(),
        }
    }
}

/// One transaction of one order, and who waits for it.
struct Job {
    transaction: usize,
    values: Vec<Vec<Value>>,
    waiting: oneshot::Sender<()>,
}

/// SQLite behind one thread that groups what has queued up, as the store does.
pub struct Twin {
    template: Template,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<u64>>,
    seed: std::sync::atomic::AtomicU64,
}

impl Twin {
    /// On a file that has the store's schema.
    pub fn start(path: &Path, template: Template) -> Self {
        let db = Connection::open(path).expect("the file opens");
        db.pragma_update(None, "journal_mode", "WAL").expect("WAL");
        db.pragma_update(None, "synchronous", "FULL").expect("FULL");
        db.pragma_update(None, "foreign_keys", true)
            .expect("foreign keys");
        db.set_prepared_statement_cache_capacity(100);
        let texts: Vec<Vec<String>> = template
            .0
            .iter()
            .map(|t| t.iter().map(|s| s.sql.clone()).collect())
            .collect();
        let (jobs, queue) = channel();
        let thread = std::thread::spawn(move || run(&db, &texts, &queue));
        Twin {
            template,
            jobs: Some(jobs),
            thread: Some(thread),
            seed: 1.into(),
        }
    }

    pub fn transactions(&self) -> usize {
        self.template.transactions()
    }

    /// Writes one order.
    pub async fn place(&self) {
        let seed = self.seed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut fresh = Fresh {
            random: seed << 20,
            known: Vec::new(),
            number: String::new(),
        };
        for (transaction, values) in self.template.instance(&mut fresh).into_iter().enumerate() {
            let (waiting, done) = oneshot::channel();
            self.jobs
                .as_ref()
                .expect("it runs")
                .send(Job {
                    transaction,
                    values,
                    waiting,
                })
                .expect("it runs");
            done.await.expect("it is written");
        }
    }

    /// Ends it; says how many rows were changed.
    pub fn stop(mut self) -> u64 {
        self.jobs = None;
        self.thread
            .take()
            .expect("it runs")
            .join()
            .expect("it ends well")
    }
}

fn run(db: &Connection, texts: &[Vec<String>], queue: &Receiver<Job>) -> u64 {
    let mut group: Vec<Job> = Vec::new();
    let before = db.total_changes();
    while let Ok(job) = queue.recv() {
        group.push(job);
        while group.len() < 256
            && let Ok(job) = queue.try_recv()
        {
            group.push(job);
        }
        let execute = |sql: &str| {
            db.prepare_cached(sql)
                .and_then(|mut s| s.execute([]))
                .expect("it runs")
        };
        execute("BEGIN IMMEDIATE");
        for job in &group {
            for (sql, values) in texts[job.transaction].iter().zip(&job.values) {
                let mut statement = db.prepare_cached(sql).expect("it is sound");
                assert_eq!(
                    statement
                        .execute(params_from_iter(values))
                        .expect("it is written"),
                    1,
                    "one row: {sql}"
                );
            }
        }
        execute("COMMIT");
        for job in group.drain(..) {
            let _ = job.waiting.send(());
        }
    }
    db.total_changes() - before
}
