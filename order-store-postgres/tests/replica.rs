//! A replica serves lists and the feed, as far as it has come, and nothing by which anything is
//! decided.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::cluster::Cluster;
use common::{block_on, in_schema, options};
use order_core::ids::OrderId;
use order_core::order::{Event, Order};
use order_core::store::{
    Changeset, DumpQuery, FeedCursor, FeedPage, FeedQuery, ListQuery, OrderStore, StoreError,
    StoreErrorKind,
};
use order_core::testkit::orders::{amend, amend_in, full, place, plain};
use order_store_postgres::{PostgresOptions, PostgresStore, ReplicaStats, migrate};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

/// A primary with a store, and a standby that follows it.
struct Pair {
    primary: Cluster,
    standby: Cluster,
}

impl Pair {
    async fn start() -> Self {
        let primary = Cluster::start();
        migrate(&store_of(&primary), &options(None)).await.unwrap();
        let standby = primary.standby();
        Pair { primary, standby }
    }

    async fn open(&self) -> PostgresStore {
        // The replica's URL names no schema: the store's is meant.
        let options = PostgresOptions {
            replica: Some(self.standby.url()),
            ..options(None)
        };
        PostgresStore::open(&in_schema(&self.primary.url(), "shop"), options)
            .await
            .unwrap_or_else(|e| panic!("{e}: {:?}", e.source))
    }

    /// Waits until the standby has all that the primary has.
    async fn catch_up(&self) {
        let end = one(&self.primary, "SELECT pg_current_wal_insert_lsn()::text").await;
        let has = format!("SELECT (pg_last_wal_replay_lsn() >= '{end}')::text");
        while one(&self.standby, &has).await != "true" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stand_still(&self) {
        self.catch_up().await;
        run(&self.standby, "SELECT pg_wal_replay_pause()").await;
        while one(&self.standby, "SELECT pg_get_wal_replay_pause_state()").await != "paused" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn go_on(&self) {
        run(&self.standby, "SELECT pg_wal_replay_resume()").await;
        self.catch_up().await;
    }
}

fn store_of(cluster: &Cluster) -> String {
    in_schema(&cluster.url(), "shop")
}

async fn one(cluster: &Cluster, sql: &str) -> String {
    let server: PgConnectOptions = cluster.url().parse().unwrap();
    sqlx::query(AssertSqlSafe(sql))
        .fetch_one(&mut server.connect().await.unwrap())
        .await
        .unwrap()
        .get(0)
}

async fn run(cluster: &Cluster, sql: &str) {
    let server: PgConnectOptions = cluster.url().parse().unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut server.connect().await.unwrap())
        .await
        .unwrap();
}

async fn listed(store: &PostgresStore) -> Vec<Arc<Order>> {
    store.list(&ListQuery::default()).await.unwrap().orders
}

async fn fed(store: &PostgresStore, after: Option<FeedCursor>) -> Result<FeedPage, StoreError> {
    store.feed(&FeedQuery { after, limit: 100 }).await
}

fn ids(orders: &[Arc<Order>]) -> Vec<OrderId> {
    orders.iter().map(|order| order.id).collect()
}

fn stats(store: &PostgresStore) -> ReplicaStats {
    store.replica_stats().expect("it has a replica")
}

/// With a note on each of its rows.
fn noted(mut changeset: Changeset) -> Changeset {
    changeset
        .journal
        .iter_mut()
        .for_each(|row| row.notes = Some("Ada's".into()));
    changeset
}

fn redacting(before: &Arc<Order>) -> Changeset {
    let mut changeset = amend(before, |order| {
        let (notices, notified) = (order.notices.clone(), order.notified);
        *order = Order {
            notices,
            notified,
            redacted_at: Some(order.updated_at),
            ..order.without_personal()
        };
    });
    changeset.journal[0].event = Event::Redacted;
    changeset
}

#[test]
fn lists_and_the_feed_come_from_the_replica_and_all_else_from_the_primary() {
    block_on(async {
        let pair = Pair::start().await;
        let store = pair.open().await;
        store.commit(place(plain(1))).await.unwrap();
        pair.stand_still().await;
        let placing = place(plain(2));
        store.commit(placing.clone()).await.unwrap();
        // What decides sees the newest.
        assert!(
            store
                .load(plain(2).id.into(), None)
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(
            store
                .peek(plain(2).id)
                .await
                .unwrap()
                .map(|peek| peek.version),
            Some(1)
        );
        assert!(store.commit(placing).await.unwrap().replayed);
        assert_eq!(
            store
                .dump(&DumpQuery {
                    after: None,
                    limit: 10
                })
                .await
                .unwrap()
                .orders
                .len(),
            2
        );
        let decides = ListQuery {
            decides: true,
            ..ListQuery::default()
        };
        assert_eq!(
            ids(&store.list(&decides).await.unwrap().orders),
            [plain(1).id, plain(2).id]
        );
        // Lists are as old as the replica.
        assert_eq!(ids(&listed(&store).await), [plain(1).id]);
        assert_eq!(fed(&store, None).await.unwrap().rows.len(), 1);
        assert_eq!(
            stats(&store),
            ReplicaStats {
                served: 2,
                fell_back: 0,
                is_down: false
            }
        );
        pair.go_on().await;
        assert_eq!(ids(&listed(&store).await), [plain(1).id, plain(2).id]);
        assert_eq!(fed(&store, None).await.unwrap().rows.len(), 2);
        assert_eq!(
            stats(&store),
            ReplicaStats {
                served: 4,
                fell_back: 0,
                is_down: false
            }
        );
    });
}

#[test]
fn a_follower_that_is_ahead_of_the_replica_waits_and_misses_nothing() {
    block_on(async {
        let pair = Pair::start().await;
        let (store, direct) = (
            pair.open().await,
            PostgresStore::open(&store_of(&pair.primary), options(None))
                .await
                .unwrap(),
        );
        for n in 1..=3 {
            store.commit(place(plain(n))).await.unwrap();
        }
        pair.stand_still().await;
        for n in 4..=6 {
            store.commit(place(plain(n))).await.unwrap();
        }
        let ahead = fed(&direct, None).await.unwrap();
        assert_eq!(ahead.rows.len(), 6);
        let cursor = ahead.rows[4].cursor.clone();
        let page = fed(&store, Some(cursor.clone())).await.unwrap();
        assert_eq!(
            (page.rows.len(), &page.next),
            (0, &cursor),
            "it was given out, though the replica does not know it yet"
        );
        // One that nobody gave out is told from it, also now.
        let text = cursor.to_string();
        let (before, mark) = text.rsplit_once('.').unwrap();
        let forged: FeedCursor =
            format!("{before}.{:x}", u64::from_str_radix(mark, 16).unwrap() ^ 1)
                .parse()
                .unwrap();
        let error = fed(&store, Some(forged)).await.unwrap_err();
        assert!(
            error.kind == StoreErrorKind::InvalidQuery && error.message.contains("never given out"),
            "{error}"
        );
        for limit in [0, 1_001] {
            let error = store
                .feed(&FeedQuery {
                    after: Some(cursor.clone()),
                    limit,
                })
                .await
                .unwrap_err();
            assert!(
                error.kind == StoreErrorKind::InvalidQuery
                    && error.message.contains("expected 1 to 1000"),
                "{error}"
            );
        }
        pair.go_on().await;
        assert_eq!(
            fed(&store, Some(cursor)).await.unwrap().rows,
            ahead.rows[5..]
        );

        // A whole life of one who follows while the replica falls behind and catches up.
        let (mut after, mut seen) = (None, BTreeMap::new());
        for round in 0..6u64 {
            match round % 2 {
                0 => pair.stand_still().await,
                _ => pair.go_on().await,
            }
            store.commit(place(plain(100 + round))).await.unwrap();
            let page = fed(&store, after).await.unwrap();
            for row in page.rows {
                let again = seen.insert((row.order, row.seq), row.cursor);
                assert!(again.is_none(), "{again:?}");
            }
            after = Some(page.next);
        }
        pair.go_on().await;
        let rest = fed(&store, after).await.unwrap().rows;
        assert_eq!(seen.len() + rest.len(), 12);
        assert_eq!(stats(&store).fell_back, 0);
    });
}

#[test]
fn what_was_redacted_is_not_given_out_again_however_far_the_replica_is_behind() {
    block_on(async {
        let pair = Pair::start().await;
        let store = pair.open().await;
        let placing = noted(place(full(1)));
        let order = Arc::clone(&placing.after);
        store.commit(placing).await.unwrap();
        store.commit(place(plain(2))).await.unwrap();
        pair.stand_still().await;
        let shown = listed(&store).await;
        assert!(shown[0].addresses.get().is_some() && stats(&store).fell_back == 0);
        let notes = |page: &FeedPage| {
            page.rows
                .iter()
                .filter(|fed| fed.row.as_ref().unwrap().notes.is_some())
                .count()
        };
        assert_eq!(notes(&fed(&store, None).await.unwrap()), 1);

        store.commit(redacting(&order)).await.unwrap();
        let shown = listed(&store).await;
        assert!(
            shown.len() == 2
                && shown[0].addresses.get().is_none()
                && shown[0].redacted_at.is_some()
        );
        assert_eq!(notes(&fed(&store, None).await.unwrap()), 0);
        assert_eq!(stats(&store).fell_back, 2, "these pages were the primary's");
        pair.go_on().await;
        assert!(listed(&store).await[0].redacted_at.is_some());
        assert_eq!(notes(&fed(&store, None).await.unwrap()), 0);
        assert_eq!(stats(&store).fell_back, 2, "and these the replica's again");
    });
}

#[test]
fn the_primary_serves_while_the_replica_is_away() {
    block_on(async {
        let pair = Pair::start().await;
        let store = pair.open().await;
        store.commit(place(plain(1))).await.unwrap();
        pair.catch_up().await;
        assert_eq!(listed(&store).await.len(), 1);
        pair.standby.crash();
        store.commit(place(plain(2))).await.unwrap();
        assert_eq!(listed(&store).await.len(), 2);
        assert_eq!(fed(&store, None).await.unwrap().rows.len(), 2);
        assert_eq!(
            stats(&store),
            ReplicaStats {
                served: 1,
                fell_back: 2,
                is_down: true
            }
        );
        // A node starts without it too.
        let other = pair.open().await;
        assert!(listed(&other).await.len() == 2 && stats(&other).is_down);
        pair.standby.run();
        pair.catch_up().await;
        for store in [&store, &other] {
            let before = stats(store).served;
            while stats(store).served == before {
                assert_eq!(listed(store).await.len(), 2);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(!stats(store).is_down);
        }
    });
}

#[test]
fn another_store_is_no_replica_nor_is_one_with_a_history_of_its_own() {
    block_on(async {
        let pair = Pair::start().await;
        let store = pair.open().await;
        let placing = place(plain(1));
        let order = Arc::clone(&placing.after);
        store.commit(placing).await.unwrap();
        let refused = async |replica: String| {
            let options = PostgresOptions {
                replica: Some(replica),
                ..options(None)
            };
            let error = PostgresStore::open(&store_of(&pair.primary), options)
                .await
                .expect_err("it is refused");
            assert!(
                error.kind == StoreErrorKind::Misconfigured
                    && error.message.starts_with("replica: "),
                "{error:?}"
            );
            error.message
        };
        migrate(&in_schema(&pair.primary.url(), "other"), &options(None))
            .await
            .unwrap();
        assert!(
            refused(in_schema(&pair.primary.url(), "other"))
                .await
                .contains("another store than the primary")
        );
        assert!(
            refused(in_schema(&pair.primary.url(), "nothing_there"))
                .await
                .contains("it has no store")
        );
        let said = refused("postgres://me:secret@h/d?sslmode=sure".into()).await;
        assert!(
            said.contains("sslmode has no such value") && !said.contains("secret"),
            "{said}"
        );

        // Another became the primary, and this one does not know it: what it has not is not told of
        // it.
        pair.catch_up().await;
        pair.standby.promote();
        let elsewhere = PostgresStore::open(&store_of(&pair.standby), options(None))
            .await
            .unwrap();
        elsewhere
            .commit(amend_in(&order, 2, |order| order.round += 1))
            .await
            .unwrap();
        let theirs = fed(&elsewhere, None).await.unwrap();
        assert_eq!(theirs.rows.len(), 3);
        let page = fed(&store, None).await.unwrap();
        assert_eq!((page.rows.len(), stats(&store).fell_back), (1, 1));
        let error = fed(&store, Some(theirs.next)).await.unwrap_err();
        assert!(error.message.contains("never given out"), "{error}");
    });
}
