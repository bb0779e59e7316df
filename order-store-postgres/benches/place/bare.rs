//! The bare driver, writing the rows of orders in groups as large as the engine's, over as many
//! connections and in as many durable transactions: one statement for all tables, from arrays of
//! their columns, and one for the feed. It decides nothing and checks nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::common::{Schema, cluster};
use crate::cpu::{Meter, Spent};
use crate::learnt::{Change, FEED, HEAD, Kind, Learnt, Made, Table};
use crate::params::Array;

/// A statement, and the columns of rows that are its parameters.
struct Statement {
    sql: String,
    parameters: Vec<Parameter>,
}

/// A column of the rows that a transaction writes to a table for one order.
struct Parameter {
    table: usize,
    column: usize,
    /// The rows, by their place among the transaction's changes.
    changes: Vec<usize>,
}

/// Rows of one table that are written alike.
struct Part {
    table: usize,
    kind: Kind,
    changes: Vec<usize>,
}

pub struct Bare {
    learnt: Learnt,
    transactions: Vec<Vec<Statement>>,
}

impl Bare {
    /// With all tables but the feed written by one statement each transaction, which saves a round
    /// trip a table.
    pub fn new(learnt: Learnt) -> Self {
        let transactions = learnt
            .transactions
            .iter()
            .map(|changes| statements(&learnt.tables, changes))
            .collect();
        Bare {
            learnt,
            transactions,
        }
    }

    /// Orders a second and the processor time they took, in groups of so many, by so many
    /// connections.
    pub async fn run(
        &self,
        schema: &Schema,
        meter: &Meter,
        connections: usize,
        group: usize,
        orders: usize,
    ) -> (f64, Spent) {
        let groups = orders.div_ceil(group).max(connections);
        let mut open = Vec::new();
        for _ in 0..connections {
            let mut db = connect(schema).await;
            // What is prepared once is no part of what is measured; neither is it of the engine's.
            self.write(&mut db, group).await;
            open.push(db);
        }
        let left = AtomicU64::new(groups as u64);
        let before = meter.read();
        let started = Instant::now();
        let writers = open.iter_mut().map(async |db| {
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
            {
                self.write(db, group).await;
            }
        });
        futures_util::future::join_all(writers).await;
        let rate = (groups * group) as f64 / started.elapsed().as_secs_f64();
        // As for the others: for exactly so many orders.
        (
            rate,
            (meter.read() - before) * (orders as f64 / (groups * group) as f64),
        )
    }

    /// One group of orders: all of its transactions.
    async fn write(&self, db: &mut PgConnection, group: usize) {
        let orders: Vec<Order> = (0..group).map(|_| Order::new()).collect();
        for (statements, changes) in self.transactions.iter().zip(&self.learnt.transactions) {
            db.execute("BEGIN").await.expect("a transaction");
            for Statement { sql, parameters } in statements {
                let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
                for parameter in parameters {
                    query = query.bind(self.values(parameter, changes, &orders));
                }
                query
                    .execute(&mut *db)
                    .await
                    .unwrap_or_else(|e| panic!("{e}: {sql}"));
            }
            db.execute("COMMIT").await.expect("it is durable");
        }
    }

    fn values(&self, parameter: &Parameter, changes: &[Change], orders: &[Order]) -> Array {
        let column = &self.learnt.tables[parameter.table].columns[parameter.column];
        let mut array = Array::new(column.element, column.array);
        for order in orders {
            for change in &parameter.changes {
                let cell = &changes[*change].row.cells[parameter.column];
                match cell.made {
                    Made::Fixed => array.push(cell.bytes.as_deref()),
                    Made::Bucket => array.push(Some(&order.bucket.to_be_bytes())),
                    Made::User => array.push(Some(&id(
                        order.serial.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                        7,
                    ))),
                    Made::Number => array.push(Some(format!("ORD-{}", order.serial).as_bytes())),
                    Made::Id(at) => array.push(Some(&id(order.serial << 16, at as u64))),
                }
            }
        }
        array
    }
}

/// The values that differ from order to order: ids rise with time, as the engine's do, and buckets
/// are spread.
struct Order {
    serial: u64,
    bucket: i16,
}

impl Order {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let bucket = (serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as i16;
        Order { serial, bucket }
    }
}

fn id(high: u64, low: u64) -> [u8; 16] {
    *uuid::Uuid::from_u64_pair(high, low).as_bytes()
}

async fn connect(schema: &Schema) -> PgConnection {
    let options: sqlx::postgres::PgConnectOptions = cluster::shared().parse().expect("a URL");
    // As for the engine: what is written is found by keys, and planned once.
    let by_keys = [
        ("search_path", schema.name.as_str()),
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ];
    options
        .options(by_keys)
        .connect()
        .await
        .expect("a connection")
}

fn statements(tables: &[Table], changes: &[Change]) -> Vec<Statement> {
    let mut parts: Vec<Part> = Vec::new();
    for (at, Change { table, kind, .. }) in changes
        .iter()
        .enumerate()
        .filter(|(_, change)| tables[change.table].name != HEAD)
    {
        match parts
            .iter_mut()
            .find(|part| part.table == *table && part.kind == *kind)
        {
            Some(part) => part.changes.push(at),
            None => parts.push(Part {
                table: *table,
                kind: *kind,
                changes: vec![at],
            }),
        }
    }
    let (feed, rows): (Vec<Part>, Vec<Part>) = parts
        .into_iter()
        .partition(|part| tables[part.table].name == FEED);
    let (mut with, mut parameters) = (Vec::new(), Vec::new());
    for (n, part) in rows.iter().enumerate() {
        let statement = statement(tables, changes, part, parameters.len());
        with.push(format!("w{n} AS ({})", statement.sql));
        parameters.extend(statement.parameters);
    }
    let mut statements = vec![Statement {
        sql: format!("WITH {} SELECT", with.join(", ")),
        parameters,
    }];
    statements.extend(feed.iter().map(|part| feed_statement(tables, part)));
    statements
}

fn parameters(part: &Part, columns: impl IntoIterator<Item = usize>) -> Vec<Parameter> {
    let parameter = |column| Parameter {
        table: part.table,
        column,
        changes: part.changes.clone(),
    };
    columns.into_iter().map(parameter).collect()
}

/// `unnest($1, …)` of so many parameters after those before them.
fn unnest(parameters: &[Parameter], before: usize) -> String {
    let places: Vec<String> = (1..=parameters.len())
        .map(|n| format!("${}", before + n))
        .collect();
    format!("unnest({})", places.join(", "))
}

fn statement(tables: &[Table], changes: &[Change], part: &Part, before: usize) -> Statement {
    let table = &tables[part.table];
    let name = |at: &usize| table.columns[*at].name.as_str();
    let key = || {
        table
            .key
            .iter()
            .map(|at| format!("t.{0} = u.{0}", name(at)))
            .collect::<Vec<_>>()
            .join(" AND ")
    };
    let named = |columns: &[usize]| columns.iter().map(name).collect::<Vec<_>>().join(", ");
    let of = |columns: &[usize]| {
        let parameters = parameters(part, columns.iter().copied());
        (unnest(&parameters, before), parameters)
    };
    match part.kind {
        Kind::New => {
            let columns: Vec<usize> = (0..table.columns.len()).collect();
            let (unnest, parameters) = of(&columns);
            let sql = format!(
                "INSERT INTO {} ({}) SELECT * FROM {unnest}",
                table.name,
                named(&columns)
            );
            Statement { sql, parameters }
        }
        Kind::Changed => {
            let mut set: Vec<usize> = part
                .changes
                .iter()
                .flat_map(|at| changes[*at].changed.clone())
                .collect();
            set.sort_unstable();
            set.dedup();
            let columns: Vec<usize> = table
                .key
                .iter()
                .copied()
                .chain(set.iter().copied())
                .collect();
            let (unnest, parameters) = of(&columns);
            let set = set
                .iter()
                .map(|at| format!("{0} = u.{0}", name(at)))
                .collect::<Vec<_>>()
                .join(", ");
            let (table, names, key) = (table.name, named(&columns), key());
            Statement {
                sql: format!("UPDATE {table} t SET {set} FROM {unnest} AS u ({names}) WHERE {key}"),
                parameters,
            }
        }
        Kind::Gone => {
            let (unnest, parameters) = of(&table.key);
            let (table, names, key) = (table.name, named(&table.key), key());
            Statement {
                sql: format!("DELETE FROM {table} t USING {unnest} AS u ({names}) WHERE {key}"),
                parameters,
            }
        }
    }
}

/// Takes as many positions from the head as there are rows, and writes the rows there.
fn feed_statement(tables: &[Table], part: &Part) -> Statement {
    let table = &tables[part.table];
    let columns = (0..table.columns.len())
        .filter(|at| !["partition", "position"].contains(&table.columns[*at].name.as_str()));
    let parameters = parameters(part, columns);
    let names: Vec<&str> = parameters
        .iter()
        .map(|p| table.columns[p.column].name.as_str())
        .collect();
    let (names, unnest) = (names.join(", "), unnest(&parameters, 0));
    let sql = format!(
        "WITH head AS (UPDATE {HEAD} SET position = position + cardinality($1) WHERE partition = 0 RETURNING position) \
         INSERT INTO {FEED} (partition, position, {names}) SELECT 0, head.position - cardinality($1) + u.n, {} \
         FROM head, {unnest} WITH ORDINALITY AS u ({names}, n)",
        parameters
            .iter()
            .map(|p| format!("u.{}", table.columns[p.column].name))
            .collect::<Vec<_>>()
            .join(", "),
    );
    Statement { sql, parameters }
}
