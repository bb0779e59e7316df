//! Reading: whole orders among many, against the bare queries; and pages of lists at any depth.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use order_core::ids::OrderId;
use order_core::manager::Principal;
use order_core::order::Status;
use order_core::store::{ListQuery, OrderStore};
use order_store_sqlite::SqliteStore;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::shop::{Manager, USER};
use super::{ROUNDS, median};

/// The same rows as loading an order reads, every value looked at and none kept.
const BARE: [&str; 5] = [
    "SELECT * FROM orders o LEFT JOIN order_work w ON w.order_id = o.id WHERE o.id = ?1",
    "SELECT * FROM order_items WHERE order_id = ?1 ORDER BY n",
    "SELECT * FROM order_addresses WHERE order_id = ?1",
    "SELECT * FROM order_reservations WHERE order_id = ?1 ORDER BY n",
    "SELECT * FROM order_payment_transactions WHERE order_id = ?1 ORDER BY n",
];

fn bare_get(db: &Connection, id: OrderId) -> usize {
    let mut bytes = 0;
    for sql in BARE {
        let mut statement = db.prepare_cached(sql).expect("it is sound");
        let columns = statement.column_count();
        let mut rows = statement.query([id.as_bytes()]).expect("it runs");
        while let Some(row) = rows.next().expect("it runs") {
            for i in 0..columns {
                bytes += match row.get_ref(i).expect("any value") {
                    ValueRef::Text(t) | ValueRef::Blob(t) => t.len(),
                    _ => 8,
                };
            }
        }
    }
    bytes
}

/// Gets per second, median of the rounds: of the bare queries and of the engine.
pub async fn get(path: &Path, manager: &Manager<Arc<SqliteStore>>, ids: &[OrderId]) -> (f64, f64) {
    const GETS: usize = 20_000;
    let db = Connection::open(path).expect("the file opens");
    db.set_prepared_statement_cache_capacity(100);
    let principal = Principal::operator("bench");
    let (mut bare, mut engine) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let pick = |i: usize| ids[(i * 7919 + round * 104_729) % ids.len()];
        let started = Instant::now();
        for i in 0..GETS {
            assert!(bare_get(&db, pick(i)) > 0);
        }
        bare.push(GETS as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        for i in 0..GETS {
            manager
                .get(&principal, pick(i).into())
                .await
                .expect("it is there");
        }
        engine.push(GETS as f64 / started.elapsed().as_secs_f64());
    }
    (median(&mut bare), median(&mut engine))
}

/// Microseconds of a page of 20 at the start, in the middle and at the end of a list, median of
/// 101.
pub async fn pages(store: &Arc<SqliteStore>, by_user: bool) -> [f64; 3] {
    let query = |after| ListQuery {
        user: by_user.then(|| USER.parse().expect("a user")),
        statuses: (!by_user)
            .then_some(Status::Confirmed)
            .into_iter()
            .collect(),
        after,
        limit: 20,
        ..ListQuery::default()
    };
    let mut cursors = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .list(&ListQuery {
                limit: 1000,
                ..query(after.clone())
            })
            .await
            .expect("it lists");
        cursors.push(after);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut times = [0.0; 3];
    for (time, at) in times
        .iter_mut()
        .zip([0, cursors.len() / 2, cursors.len() - 1])
    {
        let mut samples = Vec::new();
        for _ in 0..101 {
            let started = Instant::now();
            let page = store
                .list(&query(cursors[at].clone()))
                .await
                .expect("it lists");
            samples.push(started.elapsed().as_secs_f64() * 1e6);
            assert!(!page.orders.is_empty());
        }
        *time = median(&mut samples);
    }
    times
}
