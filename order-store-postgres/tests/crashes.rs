//! Every answered change is there, whatever happens to the server: restarted as after a crash,
//! under load, and its connections cut.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::cluster::Cluster;
use common::{Schema, block_on, connect_to, in_schema, run_in};
use order_core::ids::OrderId;
use order_core::store::{
    Changeset, CommitError, Committed, FeedQuery, JournalQuery, Loaded, OrderStore, StoreError,
    StoreErrorKind,
};
use order_core::testkit::orders::{amend_in, place, place_in, plain};
use order_store_postgres::{PostgresOptions, PostgresStore, migrate};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};

/// Sends the changeset until it is answered; whether it had been applied by a call that was not.
async fn insist(store: &PostgresStore, changeset: Changeset) -> Committed {
    loop {
        match store.commit(changeset.clone()).await {
            Ok(committed) => return committed,
            Err(CommitError::Store(StoreError {
                kind: StoreErrorKind::Unknown | StoreErrorKind::Unavailable,
                ..
            })) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

async fn load(store: &PostgresStore, id: OrderId) -> Option<Loaded> {
    loop {
        match store.load(id.into(), None).await {
            Ok(loaded) => return loaded,
            Err(StoreError {
                kind: StoreErrorKind::Unavailable,
                ..
            }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_answered_is_lost_when_the_server_crashes_under_load() {
    let cluster = Arc::new(Cluster::start());
    let url = in_schema(&cluster.url(), "orders");
    let (next, over, replayed) = (AtomicU64::new(1), AtomicBool::new(false), AtomicU64::new(0));
    let answered = block_on(async {
        let options = PostgresOptions {
            connect_timeout: Duration::from_secs(2),
            ..PostgresOptions::default()
        };
        migrate(&url, &options).await.unwrap();
        let store = PostgresStore::open(&url, options).await.unwrap();
        let writes = async || {
            let mut answered = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let placing = place_in(plain(next.fetch_add(1, Ordering::Relaxed)), 2);
                let placed = Arc::clone(&placing.after);
                let changing = amend_in(&placed, 3, |order| order.round += 1);
                let changed = Arc::clone(&changing.after);
                for changeset in [placing, changing] {
                    replayed.fetch_add(
                        insist(&store, changeset).await.replayed.into(),
                        Ordering::Relaxed,
                    );
                }
                let loaded = load(&store, changed.id).await;
                assert_eq!(loaded.map(|loaded| loaded.order).as_ref(), Some(&changed));
                answered.push(changed);
            }
            answered
        };
        let harm = async {
            for round in 0..6 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                if round % 2 == 0 {
                    let cluster = Arc::clone(&cluster);
                    let restart = move || {
                        cluster.crash();
                        cluster.run();
                    };
                    tokio::task::spawn_blocking(restart).await.unwrap();
                } else {
                    let server: PgConnectOptions = cluster.url().parse().unwrap();
                    let mut db = server.connect().await.unwrap();
                    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'order'";
                    sqlx::query(cut).execute(&mut db).await.unwrap();
                }
            }
            over.store(true, Ordering::Relaxed);
        };
        let all = futures_util::future::join_all((0..16).map(|_| writes()));
        let (answered, ()) = futures_util::future::join(all, harm).await;
        let answered: Vec<_> = answered.into_iter().flatten().collect();
        let mut rows = BTreeMap::<OrderId, u64>::new();
        let mut after = None;
        loop {
            let page = store.feed(&FeedQuery { after, limit: 1000 }).await.unwrap();
            for row in &page.rows {
                let before = rows.insert(row.order, row.seq).unwrap_or(0);
                assert_eq!(row.seq, before + 1, "{}", row.order);
            }
            after = Some(page.next);
            if page.rows.is_empty() {
                break;
            }
        }
        for order in &answered {
            assert_eq!(load(&store, order.id).await.unwrap().order, *order);
            assert_eq!(
                store
                    .journal(&JournalQuery::of(order.id, 0, 10))
                    .await
                    .unwrap()
                    .len(),
                5
            );
            assert_eq!(rows.get(&order.id), Some(&5));
        }
        assert_eq!(rows.len(), answered.len());
        answered.len()
    });
    eprintln!(
        "{answered} orders, {} changesets were applied by a call without an answer",
        replayed.into_inner()
    );
    assert!(answered > 100);
}

#[test]
fn what_met_others_is_sent_again_until_it_is_written() {
    block_on(async {
        let schema = Schema::new().await;
        // Three transactions in a row, whoever's, fail as one of several that met would. A sequence
        // is not set back with them.
        for (at, state) in (0..).zip(["40001", "40P01", "55P03"]) {
            let fail = format!(
                "DROP SEQUENCE IF EXISTS fails; CREATE SEQUENCE fails;
                 CREATE OR REPLACE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF nextval('fails') <= 3 THEN RAISE EXCEPTION 'met' USING ERRCODE = '{state}'; END IF; RETURN NULL; END $$;
                 CREATE OR REPLACE TRIGGER meets AFTER INSERT ON order_feed FOR EACH STATEMENT EXECUTE FUNCTION meet()"
            );
            run_in(&schema.name, &fail).await;
            let store = schema.open(None).await;
            let of = |n: u64| place(plain(100 * at + n));
            let sent: Vec<Changeset> = (1..=8).map(of).collect();
            let answers = futures_util::future::join_all(
                sent.iter().map(|changeset| store.commit(changeset.clone())),
            )
            .await;
            for (changeset, answer) in sent.iter().zip(answers) {
                assert!(!answer.unwrap().replayed, "{state}");
                let rows = store
                    .journal(&JournalQuery::of(changeset.after.id, 0, 10))
                    .await
                    .unwrap();
                assert_eq!(rows.len(), changeset.journal.len());
            }
            let mut db = connect_to(&schema.name).await;
            let fails: i64 = sqlx::query("SELECT last_value FROM fails")
                .fetch_one(&mut db)
                .await
                .unwrap()
                .get(0);
            assert!(
                fails > 3 && store.stats().collisions > 0,
                "{state}: {fails} groups, {:?}",
                store.stats()
            );
        }
    });
}
