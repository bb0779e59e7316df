//! The cost of an order on disk: rows, index entries and bytes at rest, and bytes of the
//! write-ahead log on the way.

use std::path::Path;
use std::sync::Arc;

use order_core::runtime::SystemClock;
use order_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;

use super::shop::manager;
use super::{at_rest, place_one, round};

const ORDERS: usize = 400;
/// As a server has them that is not busy: more share a transaction, and its log.
const CALLERS: usize = 4;

/// Entries of a b-tree: a table's rows stand in its leaves, and those of an index or of a table
/// without row ids in all its pages. (dbstat, <https://sqlite.org/dbstat.html>)
const TREES: &str = "SELECT s.name, s.tbl_name, s.type = 'index' AND s.sql IS NOT NULL OR s.name LIKE 'sqlite_autoindex%', \
     sum(CASE WHEN t.pagetype = 'leaf' OR s.type = 'index' OR s.sql LIKE '%WITHOUT ROWID%' THEN t.ncell ELSE 0 END), \
     sum(t.payload), sum(t.pgsize) \
     FROM sqlite_schema s JOIN dbstat t ON t.name = s.name WHERE s.tbl_name LIKE 'order%' GROUP BY s.name ORDER BY s.tbl_name, s.name";

/// A table or an index.
struct Tree {
    name: String,
    is_index: bool,
    entries: f64,
    payload: f64,
    bytes: f64,
}

/// Places orders in a new store and prints what they have left.
pub async fn print(folder: &Path, tells: bool) {
    let path = folder.join(format!("footprint-{tells}.db"));
    // So long that nothing is taken out of the log.
    let options = SqliteOptions {
        log_limit: 1 << 40,
        ..SqliteOptions::new(Arc::new(SystemClock))
    };
    let store = Arc::new(SqliteStore::open(&path, options).expect("the store opens"));
    let log = || std::fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len());
    let before = log();
    let manager = manager(Arc::clone(&store), tells);
    let one = manager.clone();
    round(CALLERS, ORDERS, move || {
        let one = one.clone();
        async move {
            place_one(&one).await;
        }
    })
    .await;
    at_rest(&manager).await;
    let logged = (log() - before) as f64 / ORDERS as f64;
    let rows_changed = store.stats().rows as f64 / ORDERS as f64;
    drop((manager, store));
    let trees = trees(&path);
    println!(
        "an order at rest, notifications {}:",
        if tells { "on" } else { "off" }
    );
    println!(
        "{:>40} {:>8} {:>10} {:>10}",
        "table or index", "entries", "payload", "bytes"
    );
    for Tree {
        name,
        entries,
        payload,
        bytes,
        ..
    } in trees.iter().filter(|tree| tree.entries >= 0.01)
    {
        println!("{name:>40} {entries:>8.2} {payload:>10.0} {bytes:>10.0}");
    }
    let sum = |of: fn(&Tree) -> f64| trees.iter().map(of).sum::<f64>();
    let rows = sum(|t| if t.is_index { 0.0 } else { t.entries });
    let entries = sum(|t| if t.is_index { t.entries } else { 0.0 });
    println!(
        "in all {rows:.1} rows, {entries:.1} index entries, {:.0} bytes; on the way {rows_changed:.1} rows written and {logged:.0} bytes of log \
         with {CALLERS} at a time\n",
        sum(|t| t.bytes)
    );
}

/// Each table and index, its figures divided by the orders.
fn trees(path: &Path) -> Vec<Tree> {
    let db = Connection::open(path).expect("the file opens");
    let mut statement = db.prepare(TREES).expect("it is sound");
    let per_order = |figure: i64| figure as f64 / ORDERS as f64;
    let trees = statement.query_map([], |row| {
        Ok(Tree {
            name: row.get(0)?,
            is_index: row.get(2)?,
            entries: row.get(3).map(per_order)?,
            payload: row.get(4).map(per_order)?,
            bytes: row.get(5).map(per_order)?,
        })
    });
    trees.and_then(Iterator::collect).expect("it can be read")
}
