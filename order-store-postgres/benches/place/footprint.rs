//! What a placed order costs the server: bytes of its log, rows, and bytes of tables and indexes; and what loading one takes.

use std::time::Instant;

use order_core::ids::OrderId;
use order_core::store::OrderStore as _;
use order_store_postgres::PostgresStore;
use sqlx::Row as _;

use crate::common::{Schema, connect_to};
use crate::shop::manager;
use crate::{at_rest, open, place_one};

const ORDERS: usize = 4_096;

pub async fn print() {
    let schema = Schema::new().await;
    let store = open(&schema).await;
    let manager = manager(store, false);
    let mut db = connect_to(&schema.name).await;
    futures_util::future::join_all((0..32).map(|_| place_one(&manager))).await;
    at_rest(&manager).await;
    let each = "FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'";
    let counted = "FROM pg_stat_user_tables WHERE schemaname = current_schema()";
    let sizes = format!(
        "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8, (SELECT sum(pg_table_size(c.oid))::float8 {each}), \
         (SELECT sum(pg_indexes_size(c.oid))::float8 {each}), (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::float8 {counted}), \
         (SELECT sum(n_tup_upd)::float8 {counted}), (SELECT sum(n_tup_hot_upd)::float8 {counted})"
    );
    let mut measure = async || {
        // What the server counts of a transaction shows a moment later.
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let row = sqlx::query(sqlx::AssertSqlSafe(sizes.as_str())).fetch_one(&mut db).await.expect("it is measured");
        (0..6).map(|at| row.get::<f64, _>(at)).collect::<Vec<_>>()
    };
    let before = measure().await;
    for _ in 0..ORDERS / 32 {
        futures_util::future::join_all((0..32).map(|_| place_one(&manager))).await;
    }
    at_rest(&manager).await;
    let after = measure().await;
    let each: Vec<f64> = before.iter().zip(&after).map(|(before, after)| (after - before) / ORDERS as f64).collect();
    println!(
        "an order: {:.0} bytes of log, {:.0} of tables, {:.0} of indexes; {:.1} rows written, of {:.1} updates {:.1} HOT",
        each[0], each[1], each[2], each[3], each[4], each[5]
    );
}

/// Loads a second, by the bare driver and by the store, one after the other.
pub async fn loads(schema: &Schema, store: &PostgresStore, ids: &[OrderId]) -> (f64, f64) {
    let mut db = connect_to(&schema.name).await;
    let sql = PostgresStore::load_statement();
    let (mut bare, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let started = Instant::now();
        for id in ids {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.bucket().number() as i16);
            let row = query.bind(Id(*id.as_bytes())).fetch_one(&mut db).await.expect("it is there");
            assert!(!row.is_empty());
        }
        bare.push(ids.len() as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        for id in ids {
            assert!(store.load((*id).into(), None).await.expect("it loads").is_some());
        }
        engine.push(ids.len() as f64 / started.elapsed().as_secs_f64());
    }
    (crate::median(&mut bare), crate::median(&mut engine))
}

/// A UUID as a parameter.
struct Id([u8; 16]);

impl sqlx::Type<sqlx::Postgres> for Id {
    fn type_info() -> sqlx::postgres::PgTypeInfo {
        sqlx::postgres::PgTypeInfo::with_oid(sqlx::postgres::types::Oid(2950))
    }
}

impl sqlx::Encode<'_, sqlx::Postgres> for Id {
    fn encode_by_ref(
        &self,
        buffer: &mut sqlx::postgres::PgArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        buffer.extend_from_slice(&self.0);
        Ok(sqlx::encode::IsNull::No)
    }
}
