//! Orders of many buckets, in stores of either layout: with one partition of the feed and groups
//! that mix buckets, and with several and groups of one.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use common::{Schema, block_on, cluster, connect_to, in_schema, options, schema_name};
use futures_util::future::join_all;
use order_core::ids::{Bucket, OrderId};
use order_core::number::OrderNumber;
use order_core::order::Order;
use order_core::store::{
    CommitError, FeedCursor, FeedQuery, FeedRow, LeaseRequest, ListQuery, OrderStore as _,
    StoreError, StoreErrorKind, WorkChange,
};
use order_core::testkit::ManualClock;
use order_core::testkit::orders::{
    With as _, amend_in, at, fence, place, place_in, plain, user_in,
};
use order_store_postgres::{Layout, PostgresStore, migrate, migrate_as};
use sqlx::Row as _;

/// The number of buckets that the orders of a test are of.
const BUCKETS: u64 = 40;

/// Layouts to be tried in: that of a single PostgreSQL, unless the tests run on Citus, and one of
/// several partitions.
fn layouts() -> [Layout; 2] {
    [
        common::layout(),
        Layout {
            partitions: Some(7),
            ..common::layout()
        },
    ]
}

/// The n-th order, whose bucket is one of [`BUCKETS`] that are far apart.
fn order(n: u64) -> Order {
    in_bucket(n, n % BUCKETS * 101)
}

/// The n-th order, of the bucket of that number.
fn in_bucket(n: u64, bucket: u64) -> Order {
    let bucket = Bucket::new(u16::try_from(bucket).unwrap()).unwrap();
    let order = plain(n);
    Order {
        id: OrderId::new(at(0), u128::from(n), bucket),
        number: OrderNumber::new(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), bucket),
        user: user_in(bucket, n),
        ..order
    }
}

async fn page(
    store: &PostgresStore,
    after: Option<FeedCursor>,
    limit: u32,
) -> (Vec<FeedRow>, FeedCursor) {
    let page = store.feed(&FeedQuery { after, limit }).await.unwrap();
    (page.rows, page.next)
}

/// All rows after a place, so many at a time.
async fn feed(store: &PostgresStore, mut after: Option<FeedCursor>, limit: u32) -> Vec<FeedRow> {
    let mut all = Vec::new();
    loop {
        let (rows, next) = page(store, after, limit).await;
        let is_last = rows.len() < limit as usize;
        all.extend(rows);
        after = Some(next);
        if is_last {
            return all;
        }
    }
}

/// Asserts that each order's rows come in sequence, and that there are `rows` of each of `orders`.
fn are_whole(fed: &[FeedRow], orders: u64, rows: u64) {
    let mut last = BTreeMap::<OrderId, u64>::new();
    for row in fed {
        let before = last.insert(row.order, row.seq).unwrap_or(0);
        assert_eq!(row.seq, before + 1, "{}", row.order);
    }
    assert!(last.values().all(|seq| *seq == rows));
    assert_eq!(last.len() as u64, orders);
}

#[test]
fn who_follows_writers_in_all_buckets_misses_nothing() {
    const ORDERS: u64 = 80;
    for layout in layouts() {
        block_on(async {
            let schema = Schema::laid_out(layout).await;
            let store = Arc::new(schema.open(None).await);
            let write = |n: u64| {
                let store = Arc::clone(&store);
                async move {
                    let placing = place_in(order(n), 2);
                    let placed = Arc::clone(&placing.after);
                    store.commit(placing).await.unwrap();
                    store
                        .commit(amend_in(&placed, 3, |order| order.round += 1))
                        .await
                        .unwrap();
                }
            };
            let follow = |limit: u32| {
                let store = Arc::clone(&store);
                async move {
                    let (mut seen, mut after) = (Vec::new(), None);
                    while (seen.len() as u64) < ORDERS * 5 {
                        let (rows, next) = page(&store, after, limit).await;
                        seen.extend(rows);
                        after = Some(next);
                    }
                    (seen, after.unwrap())
                }
            };
            let followers = join_all([20, 50, 1000].map(|limit| tokio::spawn(follow(limit))));
            let (followed, _) =
                futures_util::future::join(followers, join_all((0..ORDERS).map(write))).await;
            for (seen, end) in followed.into_iter().map(Result::unwrap) {
                are_whole(&seen, ORDERS, 5);
                assert_eq!(
                    end.places().len(),
                    usize::from(layout.partitions.unwrap_or(1))
                );
                assert!(
                    end.places().iter().all(|place| place.position > 0),
                    "every partition has some: {end}"
                );
                assert_eq!(page(&store, Some(end.clone()), 10).await, (Vec::new(), end));
            }
            // What lies still is merged in one way, whatever the size of pages and wherever they
            // begin.
            let all = feed(&store, None, 1000).await;
            for limit in [9, 64] {
                assert!(
                    feed(&store, None, limit).await == all,
                    "{limit} rows at a time"
                );
            }
            for row in all.iter().step_by(61) {
                let rest = feed(&store, Some(row.cursor.clone()), 40).await;
                assert!(all.ends_with(&rest) && all[all.len() - rest.len() - 1] == *row);
            }
        });
    }
}

#[test]
fn no_partition_of_the_feed_waits_for_another() {
    block_on(async {
        let schema = Schema::laid_out(Layout {
            partitions: Some(7),
            ..common::layout()
        })
        .await;
        let store = schema.open(None).await;
        // The busy bucket is in one partition; the quiet ones are in others, before and behind it.
        for n in 0..60 {
            store.commit(place(in_bucket(n, 3))).await.unwrap();
            if n % 20 == 10 {
                for quiet in 0..4 {
                    store
                        .commit(place(in_bucket(100 + n + quiet, 10 * quiet)))
                        .await
                        .unwrap();
                }
            }
        }
        let sent: Vec<OrderId> = feed(&store, None, 8)
            .await
            .iter()
            .map(|row| row.order)
            .collect();
        let expected = (0..60u64).flat_map(|n| {
            let quiet = (0..4)
                .filter(move |_| n % 20 == 10)
                .map(move |quiet| in_bucket(100 + n + quiet, 10 * quiet).id);
            [in_bucket(n, 3).id].into_iter().chain(quiet)
        });
        assert!(sent.into_iter().eq(expected), "as they were committed");
    });
}

#[test]
fn leases_are_given_soonest_first_over_all_buckets_and_each_once() {
    for layout in layouts() {
        block_on(async {
            let schema = Schema::laid_out(layout).await;
            let clock = Arc::new(ManualClock::default());
            clock.set(at(0));
            let store = schema.open(Some(clock.clone())).await;
            // Due in the opposite order of their ids.
            for n in 0..50 {
                store
                    .commit(place(order(n)).working(WorkChange::Wake {
                        due: at(100 - i64::try_from(n).unwrap()),
                    }))
                    .await
                    .unwrap();
            }
            let ask = |limit, n| LeaseRequest {
                fence: fence(n),
                ttl: Duration::from_secs(5),
                limit,
                order: None,
            };
            let early = store.lease(&ask(10, 1)).await.unwrap();
            assert_eq!(
                (early.leased.len(), early.next_in),
                (0, Some(Duration::from_secs(51)))
            );
            clock.set(at(70));
            let first = store.lease(&ask(8, 2)).await.unwrap();
            let ids = |leased: &[order_core::store::Leased]| {
                leased.iter().map(|l| l.order.id).collect::<Vec<_>>()
            };
            assert_eq!(
                ids(&first.leased),
                (42..50).rev().map(|n| order(n).id).collect::<Vec<_>>()
            );
            assert_eq!(first.next_in, Some(Duration::ZERO), "there is more");
            assert!(first.leased.iter().all(|l| l.work.fence == Some(fence(2))));
            let (one, other) =
                futures_util::future::join(store.lease(&ask(30, 3)), store.lease(&ask(30, 4)))
                    .await;
            let (one, other) = (ids(&one.unwrap().leased), ids(&other.unwrap().leased));
            let again = ids(&store.lease(&ask(30, 5)).await.unwrap().leased);
            let all: Vec<OrderId> = [one, other, again].concat();
            let each: BTreeSet<OrderId> = all.iter().copied().collect();
            assert_eq!(
                (all.len(), each),
                (12, (30..42).map(|n| order(n).id).collect())
            );
        });
    }
}

#[test]
fn a_limited_thing_is_counted_over_all_buckets() {
    const LIMIT: u32 = 5;
    for layout in layouts() {
        block_on(async {
            let schema = Schema::laid_out(layout).await;
            let store = schema.open(None).await;
            let takes =
                (0..20).map(|n| store.commit(place(order(n)).taking("coupon/SPRING10", LIMIT)));
            let taken = join_all(takes).await;
            let exhausted = |answer: &Result<_, CommitError>| {
                matches!(answer, Err(CommitError::RedemptionExhausted { .. }))
            };
            assert_eq!(
                taken.iter().filter(|answer| answer.is_ok()).count(),
                LIMIT as usize,
                "{taken:?}"
            );
            assert!(
                taken
                    .iter()
                    .all(|answer| answer.is_ok() || exhausted(answer)),
                "{taken:?}"
            );
            // What was refused left nothing, in its own bucket either.
            let listed = store
                .list(&ListQuery {
                    limit: 100,
                    count_up_to: 100,
                    ..ListQuery::default()
                })
                .await
                .unwrap();
            assert_eq!((listed.orders.len(), listed.total), (LIMIT as usize, LIMIT));
            assert_eq!(feed(&store, None, 100).await.len(), LIMIT as usize);
        });
    }
}

#[test]
fn a_head_stands_in_a_bucket_of_its_partition() {
    for layout in layouts() {
        block_on(async {
            let schema = Schema::laid_out(layout).await;
            let mut db = connect_to(&schema.name).await;
            let partition_of = "SELECT coalesce(partition_of, array_fill(0::smallint, ARRAY[4096])) FROM order_store";
            let partition_of: Vec<i16> = sqlx::query(partition_of)
                .fetch_one(&mut db)
                .await
                .unwrap()
                .get(0);
            let heads = sqlx::query("SELECT bucket, partition FROM order_feed_head")
                .fetch_all(&mut db)
                .await
                .unwrap();
            let partitions: BTreeSet<i16> = heads.iter().map(|head| head.get(1)).collect();
            assert_eq!(
                (heads.len(), partitions.len()),
                (usize::from(layout.partitions.unwrap_or(1)), heads.len())
            );
            assert_eq!(
                partition_of.iter().copied().collect::<BTreeSet<_>>(),
                partitions
            );
            assert!(heads.iter().all(|head| partition_of
                [usize::try_from(head.get::<i16, _>(0)).unwrap()]
                == head.get::<i16, _>(1)));
        });
    }
}

#[test]
fn a_layout_is_for_ever() {
    block_on(async {
        let name = schema_name();
        let url = in_schema(cluster::shared(), &name);
        let schema = Schema { name, url };
        let layout = Layout {
            partitions: Some(7),
            ..common::layout()
        };
        for partitions in [0, 257] {
            let layout = Layout {
                partitions: Some(partitions),
                ..layout
            };
            let error = migrate_as(&schema.url, &options(None), layout)
                .await
                .unwrap_err();
            assert!(
                error.kind == StoreErrorKind::Misconfigured
                    && error.message.contains(&partitions.to_string()),
                "{error}"
            );
        }
        assert!(
            !migrate_as(&schema.url, &options(None), layout)
                .await
                .unwrap()
                .is_empty()
        );
        for same in [
            layout,
            Layout {
                partitions: None,
                ..layout
            },
            Layout::default(),
        ] {
            assert_eq!(
                migrate_as(&schema.url, &options(None), same).await.unwrap(),
                Vec::<String>::new()
            );
        }
        let other = migrate_as(
            &schema.url,
            &options(None),
            Layout {
                partitions: Some(6),
                ..layout
            },
        )
        .await;
        let StoreError { kind, message, .. } = other.unwrap_err();
        assert!(
            kind == StoreErrorKind::Misconfigured && message.contains("7 partitions"),
            "{message}"
        );
        assert_eq!(
            migrate(&schema.url, &options(None)).await.unwrap(),
            Vec::<String>::new()
        );
    });
}

#[test]
fn citus_is_said_to_be_missing_where_it_is() {
    block_on(async {
        let name = schema_name();
        let url = in_schema(cluster::shared(), &name);
        let schema = Schema { name, url };
        let citus = Layout {
            citus: true,
            partitions: None,
        };
        let made = migrate_as(&schema.url, &options(None), citus).await;
        if cluster::is_citus() {
            return assert!(
                made.is_ok_and(|taken| !taken.is_empty()),
                "where it is, a store is made"
            );
        }
        let StoreError { kind, message, .. } = made.unwrap_err();
        assert!(
            kind == StoreErrorKind::Misconfigured && message.contains("no Citus"),
            "{message}"
        );
    });
}

/// The plan of a statement, line by line.
async fn explain(schema: &Schema, sql: &str) -> Vec<String> {
    let mut db = connect_to(&schema.name).await;
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN {sql}")))
        .fetch_all(&mut db)
        .await;
    rows.unwrap_or_else(|e| panic!("{e}: {sql}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// A call of a function for one bucket, with NULL for every other argument.
async fn call_in_a_bucket(schema: &Schema, function: &str) -> String {
    let arguments = "SELECT a.name, format_type(a.type, NULL) FROM pg_proc p, unnest(p.proargnames, p.proargtypes) AS a (name, type) \
         WHERE p.proname = $1 AND p.pronamespace = $2::regnamespace AND a.type IS NOT NULL";
    let mut db = connect_to(&schema.name).await;
    let found = sqlx::query(arguments)
        .bind(function)
        .bind(&schema.name)
        .fetch_all(&mut db)
        .await
        .unwrap();
    let argument = |row: &sqlx::postgres::PgRow| {
        let value = if row.get::<String, _>(0) == "p_bucket" {
            "7"
        } else {
            "NULL"
        };
        format!("{value}::{}", row.get::<String, _>(1))
    };
    let arguments: Vec<String> = found.iter().map(argument).collect();
    assert!(arguments.len() > 5);
    format!("SELECT * FROM {function}({})", arguments.join(", "))
}

#[test]
#[ignore = "needs Citus: ORDER_TEST_CITUS_URL names its coordinator"]
fn on_citus_commits_leases_and_loads_are_one_nodes_work() {
    assert!(
        cluster::is_citus(),
        "ORDER_TEST_CITUS_URL is to name the coordinator of Citus"
    );
    block_on(async {
        let schema = Schema::laid_out(common::layout()).await;
        let load = PostgresStore::load_statement().replace("$1", "7::smallint");
        let load = load.replace("$2", &format!("'{}'::uuid", order(1).id.uuid()));
        let (commit, lease) = (
            call_in_a_bucket(&schema, "order_commit_v1").await,
            call_in_a_bucket(&schema, "order_lease_v1").await,
        );
        for (name, sql) in [("load", &load), ("commit", &commit), ("lease", &lease)] {
            let plan = explain(&schema, sql).await;
            let has = |text: &str| plan.iter().any(|line| line.contains(text));
            assert!(
                has("Citus Adaptive") && has("Task Count: 1"),
                "{name}: {}",
                plan.join("\n")
            );
            assert_eq!(
                has("Function Scan on order_"),
                name != "load",
                "{name} is pushed down: {}",
                plan.join("\n")
            );
        }
        // Whatever changes beside an order is on its node.
        let mut db = connect_to(&schema.name).await;
        let shards = "SELECT count(DISTINCT get_shard_id_for_distribution_column(t, 7::smallint)) , count(DISTINCT n.nodename || n.nodeport) \
             FROM unnest(ARRAY['orders', 'order_state', 'order_work', 'order_status_history', 'order_feed']) t, \
             LATERAL (SELECT nodename, nodeport FROM pg_dist_shard_placement \
                WHERE shardid = get_shard_id_for_distribution_column(t, 7::smallint)) n";
        let row = sqlx::query(shards).fetch_one(&mut db).await.unwrap();
        assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (5, 1));
        let apart = "WITH s AS (SELECT logicalrelid AS of, shardid AS id, shardminvalue AS first FROM pg_dist_shard) \
             SELECT count(*) FROM order_store, unnest(partition_of) WITH ORDINALITY p (partition, n) \
             JOIN order_feed_head h ON h.partition = p.partition, \
             LATERAL (SELECT first FROM s WHERE id = get_shard_id_for_distribution_column('order_feed_head', h.bucket)) AS head, \
             LATERAL (SELECT first FROM s WHERE id = get_shard_id_for_distribution_column('orders', (p.n - 1)::smallint)) AS own \
             WHERE head.first <> own.first";
        assert_eq!(
            sqlx::query(apart)
                .fetch_one(&mut db)
                .await
                .unwrap()
                .get::<i64, _>(0),
            0,
            "heads stand beside their buckets"
        );
        let spread = "SELECT count(DISTINCT nodeport) FROM pg_dist_shard_placement p JOIN pg_dist_shard s USING (shardid) \
             WHERE s.logicalrelid = 'orders'::regclass";
        assert!(
            sqlx::query(spread)
                .fetch_one(&mut db)
                .await
                .unwrap()
                .get::<i64, _>(0)
                > 1,
            "over several nodes"
        );
    });
}
