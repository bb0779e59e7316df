//! The cost of a placed order to the server: bytes of its log, rows, and bytes of tables and
//! indexes; and what loading one takes.

use std::time::{Duration, Instant};

use order_core::ids::OrderId;
use order_core::store::OrderStore as _;
use order_store_postgres::PostgresStore;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use crate::common::{Schema, connect_to};
use crate::params::Id;
use crate::shop::{Manager, manager};
use crate::{at_rest, open, place_one};

const ORDERS: usize = 4_096;
/// The number of orders placed before anything is measured, so that tables and indexes are past
/// their beginnings.
const BEFORE: usize = 16_384;

/// The server's counts.
const COUNTED: [&str; 8] = [
    "(SELECT wal_bytes::float8 FROM pg_stat_wal)",
    "(SELECT wal_fpi::float8 FROM pg_stat_wal)",
    "(SELECT sum(pg_table_size(c.oid))::float8 FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r')",
    "(SELECT sum(pg_indexes_size(c.oid))::float8 FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r')",
    "(SELECT sum(n_tup_ins)::float8 FROM pg_stat_user_tables WHERE schemaname = current_schema())",
    "(SELECT sum(n_tup_upd)::float8 FROM pg_stat_user_tables WHERE schemaname = current_schema())",
    "(SELECT sum(n_tup_del)::float8 FROM pg_stat_user_tables WHERE schemaname = current_schema())",
    "(SELECT sum(n_tup_hot_upd)::float8 FROM pg_stat_user_tables WHERE schemaname = current_schema())",
];

async fn counted(db: &mut PgConnection) -> Vec<f64> {
    // What a session has counted shows a moment later.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let row = sqlx::query(AssertSqlSafe(format!("SELECT {}", COUNTED.join(", "))))
        .fetch_one(db)
        .await
        .expect("it is counted");
    (0..COUNTED.len()).map(|at| row.get(at)).collect()
}

async fn place(manager: &Manager<std::sync::Arc<PostgresStore>>, orders: usize) {
    for _ in 0..orders / 32 {
        futures_util::future::join_all((0..32).map(|_| place_one(manager))).await;
    }
    at_rest(manager).await;
}

/// The cost of an order, over [`ORDERS`] of them.
async fn each(db: &mut PgConnection, manager: &Manager<std::sync::Arc<PostgresStore>>) -> Vec<f64> {
    let before = counted(db).await;
    place(manager, ORDERS).await;
    let after = counted(db).await;
    before
        .iter()
        .zip(&after)
        .map(|(before, after)| (after - before) / ORDERS as f64)
        .collect()
}

pub async fn print() {
    let schema = Schema::new().await;
    let store = open(&schema).await;
    let manager = manager(store, false);
    let mut db = connect_to(&schema.name).await;
    place(&manager, BEFORE).await;
    let long_after = each(&mut db, &manager).await;
    sqlx::raw_sql("CHECKPOINT")
        .execute(&mut db)
        .await
        .expect("a checkpoint");
    let at_once = each(&mut db, &manager).await;
    let [log, pages, tables, indexes, new, changed, gone, hot] = long_after[..] else {
        unreachable!("eight are counted")
    };
    println!(
        "an order: {:.1} rows written ({new:.1} new, {changed:.1} changed, of these {hot:.1} HOT, {gone:.1} gone)",
        new + changed + gone
    );
    println!("an order: {tables:.0} bytes of tables and {indexes:.0} of indexes");
    println!(
        "an order: {log:.0} bytes of log long after a checkpoint ({pages:.2} whole pages), \
         {:.0} bytes ({:.2} whole pages) over the first {ORDERS} after one",
        at_once[0], at_once[1]
    );
    for (table, bytes) in largest(&mut db).await {
        println!("    {bytes:>6.0} {table}");
    }
}

/// The tables and indexes that take most, with their bytes for each order.
async fn largest(db: &mut PgConnection) -> Vec<(String, f64)> {
    let select = "SELECT c.relname::text, pg_relation_size(c.oid)::float8 / (SELECT count(*) FROM orders) FROM pg_class c \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'i') ORDER BY 2 DESC LIMIT 30";
    let rows = sqlx::query(select).fetch_all(db).await.expect("sizes");
    rows.iter()
        .map(|row| (row.get(0), row.get(1)))
        .filter(|(_, bytes)| *bytes >= 10.0)
        .collect()
}

/// Loads a second, by the bare driver and by the store, one after the other.
pub async fn loads(schema: &Schema, store: &PostgresStore, ids: &[OrderId]) -> (f64, f64) {
    let mut db = connect_to(&schema.name).await;
    let sql = PostgresStore::load_statement();
    let (mut bare, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let started = Instant::now();
        for id in ids {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(id.bucket().number() as i16);
            let row = query
                .bind(Id(*id.as_bytes()))
                .fetch_one(&mut db)
                .await
                .expect("it is there");
            assert!(!row.is_empty());
        }
        bare.push(ids.len() as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        for id in ids {
            assert!(
                store
                    .load((*id).into(), None)
                    .await
                    .expect("it loads")
                    .is_some()
            );
        }
        engine.push(ids.len() as f64 / started.elapsed().as_secs_f64());
    }
    (crate::median(&mut bare), crate::median(&mut engine))
}
