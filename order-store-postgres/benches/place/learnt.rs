//! The rows that the engine writes for one order, commit by commit, as they stand in the tables
//! afterwards: what others write for a comparison.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::store::*;
use order_store_postgres::PostgresStore;
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, Row as _, ValueRef as _};

use crate::common::{Schema, connect_to};
use crate::shop::manager;
use crate::{at_rest, open, place_one};

/// The tables that placing writes to, with their keys beside the bucket.
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
pub const HEAD: &str = "order_feed_head";
pub const FEED: &str = "order_feed";

pub struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
    /// The places of the columns that find a row, the bucket among them where there is one.
    pub key: Vec<usize>,
}

pub struct Column {
    pub name: String,
    /// The names of its type and of arrays of it in PostgreSQL.
    pub element: Oid,
    pub array: Oid,
}

/// A value of the order that was watched, and where that of another order comes from.
#[derive(Clone)]
pub struct Cell {
    pub literal: String,
    pub bytes: Option<Vec<u8>>,
    pub made: Made,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Made {
    /// It is the same for every order.
    Fixed,
    Bucket,
    User,
    Number,
    /// One of the ids that are drawn anew for each order, by its number among them.
    Id(usize),
}

#[derive(Clone)]
pub struct Row {
    table: usize,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    New,
    Changed,
    Gone,
}

/// The change that a commit made to a row.
pub struct Change {
    pub table: usize,
    pub kind: Kind,
    /// The row as it is afterwards, or was before.
    pub row: Row,
    /// The columns that it changed in.
    pub changed: Vec<usize>,
}

pub struct Learnt {
    pub tables: Vec<Table>,
    /// Of each durable transaction, the changes of rows, by table.
    pub transactions: Vec<Vec<Change>>,
}

type Snapshot = Vec<Row>;

async fn tables(schema: &str) -> Vec<Table> {
    let mut db = connect_to(schema).await;
    let select = "SELECT a.attname::text, a.atttypid, t.typarray FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND a.attgenerated = '' AND NOT a.attisdropped ORDER BY a.attnum";
    let mut tables = Vec::new();
    for (name, keys) in TABLES {
        let rows = sqlx::query(select)
            .bind(name)
            .fetch_all(&mut db)
            .await
            .expect("columns");
        let column = |row: &sqlx::postgres::PgRow| Column {
            name: row.get(0),
            element: row.get(1),
            array: row.get(2),
        };
        let columns: Vec<Column> = rows.iter().map(column).collect();
        let key = columns
            .iter()
            .enumerate()
            .filter(|(_, c)| c.name == "bucket" || keys.contains(&c.name.as_str()));
        let key = key
            .filter(|(_, c)| name != FEED || c.name != "bucket")
            .map(|(at, _)| at)
            .collect();
        tables.push(Table { name, columns, key });
    }
    tables
}

async fn snapshot(schema: &str, tables: &[Table]) -> Snapshot {
    let mut db = connect_to(schema).await;
    let mut rows = Vec::new();
    for (table, Table { name, columns, .. }) in tables.iter().enumerate() {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let literals: Vec<String> = names
            .iter()
            .map(|column| format!("quote_nullable({column})"))
            .collect();
        let select = format!(
            "SELECT ARRAY[{}], {} FROM {name}",
            literals.join(", "),
            names.join(", ")
        );
        for row in sqlx::query(AssertSqlSafe(select))
            .fetch_all(&mut db)
            .await
            .expect("rows")
        {
            let cell = |(at, literal)| {
                let value = row.try_get_raw(at + 1).expect("a value");
                let bytes =
                    (!value.is_null()).then(|| value.as_bytes().expect("in binary").to_vec());
                Cell {
                    literal,
                    bytes,
                    made: Made::Fixed,
                }
            };
            let cells = row
                .get::<Vec<String>, _>(0)
                .into_iter()
                .enumerate()
                .map(cell)
                .collect();
            rows.push(Row { table, cells });
        }
    }
    rows
}

/// The store, with a look at its tables after each commit.
struct Watched {
    store: Arc<PostgresStore>,
    schema: String,
    tables: Arc<Vec<Table>>,
    snapshots: Mutex<Vec<Snapshot>>,
}

#[async_trait]
impl OrderStore for Watched {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let committed = self.store.commit(changeset).await?;
        let snapshot = snapshot(&self.schema, &self.tables).await;
        self.snapshots
            .lock()
            .expect("nobody panicked")
            .push(snapshot);
        Ok(committed)
    }
    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
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

impl Learnt {
    /// Places one order in the schema, which must be a fresh one, and looks at what each commit
    /// leaves.
    pub async fn of(schema: &Schema) -> Self {
        let store = open(schema).await;
        let tables = Arc::new(tables(&schema.name).await);
        let nothing = snapshot(&schema.name, &tables).await;
        let watched = Arc::new(Watched {
            store: Arc::clone(&store),
            schema: schema.name.clone(),
            tables: Arc::clone(&tables),
            snapshots: Mutex::default(),
        });
        let manager = manager(Arc::clone(&watched), false);
        place_one(&manager).await;
        at_rest(&manager).await;
        while (watched.snapshots.lock().expect("nobody panicked").len() as u64)
            < store.stats().groups
        {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let mut snapshots = watched.snapshots.lock().expect("nobody panicked").clone();
        mark(&tables, &mut snapshots);
        let before = std::iter::once(&nothing).chain(&snapshots);
        let transactions = before
            .zip(&snapshots)
            .map(|(before, after)| changes(&tables, before, after))
            .collect();
        drop((manager, watched));
        let tables = Arc::try_unwrap(tables).unwrap_or_else(|_| panic!("nobody watches any more"));
        Learnt {
            tables,
            transactions,
        }
    }

    pub fn rows(&self) -> usize {
        self.transactions.iter().map(Vec::len).sum()
    }
}

/// Says of each value where that of another order comes from.
fn mark(tables: &[Table], snapshots: &mut [Snapshot]) {
    const UUID: Oid = Oid(2950);
    let mut ids: Vec<Vec<u8>> = Vec::new();
    for row in snapshots.iter_mut().flatten() {
        for (column, cell) in tables[row.table].columns.iter().zip(&mut row.cells) {
            cell.made = match (column.name.as_str(), &cell.bytes) {
                (_, None) | ("product_id" | "variant_id", _) => Made::Fixed,
                ("bucket", _) => Made::Bucket,
                ("user_id", _) => Made::User,
                ("order_number", _) => Made::Number,
                (_, Some(id)) if column.element == UUID => {
                    let known = ids.iter().position(|known| known == id);
                    Made::Id(known.unwrap_or_else(|| {
                        ids.push(id.clone());
                        ids.len() - 1
                    }))
                }
                _ => Made::Fixed,
            };
        }
    }
}

fn changes(tables: &[Table], before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let key = |row: &Row| {
        tables[row.table]
            .key
            .iter()
            .map(|at| row.cells[*at].literal.clone())
            .collect::<Vec<_>>()
    };
    let find = |rows: &Snapshot, row: &Row| {
        rows.iter()
            .find(|r| r.table == row.table && key(r) == key(row))
            .cloned()
    };
    let mut changes = Vec::new();
    for row in after {
        let (kind, changed) = match find(before, row) {
            None => (Kind::New, Vec::new()),
            Some(old) => {
                let differs = |at: &usize| old.cells[*at].literal != row.cells[*at].literal;
                (
                    Kind::Changed,
                    (0..row.cells.len()).filter(differs).collect(),
                )
            }
        };
        if kind == Kind::New || !changed.is_empty() {
            changes.push(Change {
                table: row.table,
                kind,
                row: row.clone(),
                changed,
            });
        }
    }
    let gone = before.iter().filter(|row| find(after, row).is_none());
    changes.extend(gone.map(|row| Change {
        table: row.table,
        kind: Kind::Gone,
        row: row.clone(),
        changed: Vec::new(),
    }));
    // The head of the feed last, as the store has it, and then what takes its place from it.
    changes.sort_by_key(|change| (change.table, change.kind as u8));
    changes
}
