//! A server, schemas of their own for the stores under test, and the runtime that these run on.
#![allow(dead_code, reason = "each test file uses some of it")]

pub mod cluster;

use std::future::Future;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use order_core::runtime::Clock;
use order_store_postgres::{Layout, PostgresOptions, PostgresStore, migrate_as};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

/// The runtime of all stores of this process.
pub static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// A name for a schema that no other test has.
pub fn schema_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!(
        "test_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The URL of a schema of the server that `url` names.
pub fn in_schema(url: &str, schema: &str) -> String {
    let between = if url.contains('?') { '&' } else { '?' };
    format!("{url}{between}schema={schema}")
}

/// Small pools: there are many stores at a time, and few connections.
pub fn options(clock: Option<Arc<dyn Clock>>) -> PostgresOptions {
    PostgresOptions {
        readers: 4,
        long_readers: 1,
        workers: 1,
        clock,
        ..PostgresOptions::default()
    }
}

/// A fresh schema on the shared server, dropped with this.
pub struct Schema {
    pub name: String,
    pub url: String,
}

/// The layout of stores on the shared server; on Citus of few shards, for tables are made for each
/// test.
pub fn layout() -> Layout {
    Layout {
        citus: cluster::is_citus(),
        partitions: cluster::is_citus().then_some(4),
    }
}

impl Schema {
    pub async fn new() -> Self {
        Schema::laid_out(layout()).await
    }

    pub async fn laid_out(layout: Layout) -> Self {
        let name = schema_name();
        let url = in_schema(cluster::shared(), &name);
        migrate_as(&url, &options(None), layout)
            .await
            .unwrap_or_else(|e| panic!("{e}: {:?}", e.source));
        Schema { name, url }
    }

    pub async fn open(&self, clock: Option<Arc<dyn Clock>>) -> PostgresStore {
        PostgresStore::open(&self.url, options(clock))
            .await
            .unwrap_or_else(|e| panic!("{e}: {:?}", e.source))
    }
}

/// A connection beside the stores', which sees the schema.
pub async fn connect_to(schema: &str) -> PgConnection {
    let options: PgConnectOptions = cluster::shared().parse().expect("a URL");
    options
        .options([("search_path", schema)])
        .connect()
        .await
        .expect("a connection")
}

/// Runs statements without parameters.
pub async fn run_in(schema: &str, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connect_to(schema).await)
        .await
        .unwrap_or_else(|e| panic!("{e}: {sql}"));
}

impl Drop for Schema {
    fn drop(&mut self) {
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        // On a thread of its own: it may be dropped within the runtime.
        let dropping = std::thread::spawn(move || {
            block_on(async {
                let options: PgConnectOptions = cluster::shared().parse().expect("a URL");
                if let Ok(mut db) = options.options([("lock_timeout", "2s")]).connect().await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await;
                }
            });
        });
        let _ = dropping.join();
    }
}
