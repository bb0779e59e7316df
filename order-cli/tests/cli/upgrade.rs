//! A rolling upgrade: a node of an older build beside newer ones, on one PostgreSQL.
//!
//! The older build does not know a value that stands in a row: the test writes it there as a newer
//! build would. Once the row has a value again that is known, every node is of the newer build as
//! far as that order is concerned.

use std::time::{Duration, Instant};

use order_grpc::proto::{CancelOrderRequest, ListOrdersRequest, Order, UpdateOrderStatusRequest};
use sqlx::{AssertSqlSafe, PgConnection};
use tonic::{Code, Request};

use crate::bench::Bench;
use crate::cluster::Cluster;
use crate::disorder::database;
use crate::served::{Served, by_id, mugs};

/// A lease lasts 10 s: the older node takes up what it cannot read more than once.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(12);
const MENDED_WITHIN: Duration = Duration::from_secs(40);

fn serve(bench: &Bench) -> Served {
    Served::start(bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[])
}

/// Places an order and waits until it is confirmed; again, where the node has not found out yet
/// that the shop is there.
async fn place(node: &Served) -> Order {
    let placed_by = Instant::now() + MENDED_WITHIN;
    loop {
        let mut request = Request::new(mugs(1));
        request.set_timeout(Duration::from_secs(5));
        match node.client().await.create_order(request).await {
            Ok(placed) => {
                let placed = placed.into_inner();
                assert_eq!(placed.status, "CONFIRMED");
                return placed;
            }
            Err(refused) => {
                assert!(
                    refused.code() == Code::Unavailable && Instant::now() < placed_by,
                    "{refused:?}"
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Changes exactly one row.
async fn in_database(database: &mut PgConnection, sql: String) {
    let changed = sqlx::raw_sql(AssertSqlSafe(sql.clone()))
        .execute(database)
        .await;
    assert_eq!(
        changed
            .unwrap_or_else(|e| panic!("{sql}: {e}"))
            .rows_affected(),
        1,
        "{sql}"
    );
}

/// Counts the rows of the order's journal.
async fn rows_of(database: &mut PgConnection, order: &str) -> i64 {
    let count = format!("SELECT count(*) FROM order_status_history WHERE order_id = '{order}'");
    sqlx::query_scalar(AssertSqlSafe(count))
        .fetch_one(database)
        .await
        .expect("it is counted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_an_older_node_cannot_read_is_left_to_the_newer_ones() {
    let (cluster, bench) = (Cluster::start(), Bench::with_shop());
    bench.write("order.toml", format!("store = \"{}\"\n", cluster.url()));
    bench.run(&["migrate"]).must(0);
    let older = serve(&bench);
    // Cancelled while the shop is away, so that something is left to do for it: the money is to go
    // back.
    let id = &place(&older).await.id;
    let (shop, away) = (bench.dir().join("shop.db"), bench.dir().join("away.db"));
    std::fs::rename(&shop, &away).unwrap();
    let mut cancel = Request::new(CancelOrderRequest {
        order_id: id.clone(),
        reason: "not wanted any more".into(),
    });
    cancel.set_timeout(Duration::from_secs(2));
    // Whatever it is answered while the money has not gone back.
    let _ = older.client().await.cancel_order(cancel).await;

    // As the newer build writes it, and leaves it due.
    let mut db = database(&cluster.url()).await;
    let refund = format!("order_id = '{id}' AND kind = 'REFUND'");
    let known = format!("SELECT status FROM order_payment_transactions WHERE {refund}");
    let known: String = sqlx::query_scalar(AssertSqlSafe(known))
        .fetch_one(&mut db)
        .await
        .expect("there is a refund");
    assert_ne!(known, "REFUNDED", "it is yet to be done");
    let set_to = |status: &str| {
        format!("UPDATE order_payment_transactions SET status = '{status}' WHERE {refund}")
    };
    in_database(&mut db, set_to("OF_A_NEWER_BUILD")).await;
    in_database(
        &mut db,
        format!("UPDATE order_work SET due_at = now() WHERE order_id = '{id}'"),
    )
    .await;
    let before = rows_of(&mut db, id).await;
    std::fs::rename(&away, &shop).unwrap();

    // It is that order's trouble only, whatever is asked of the older node and whatever its worker
    // takes up.
    let mut client = older.client().await;
    let refused = client.get_order(by_id(id)).await.unwrap_err();
    assert_eq!(refused.code(), Code::DataLoss, "{refused:?}");
    let ship = UpdateOrderStatusRequest {
        order_id: id.clone(),
        status: "SHIPPED".into(),
        notes: None,
    };
    let refused = client.update_order_status(ship).await.unwrap_err();
    assert_eq!(refused.code(), Code::DataLoss, "{refused:?}");
    let started = Instant::now();
    let mut others = Vec::new();
    while started.elapsed() < LONGER_THAN_A_LEASE {
        others.push(place(&older).await.id);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let listed = client
        .list_orders(ListOrdersRequest {
            page: 1,
            limit: 100,
            ..ListOrdersRequest::default()
        })
        .await;
    let listed = listed.unwrap().into_inner().orders;
    assert!(
        others
            .iter()
            .all(|other| listed.iter().any(|order| order.id == *other)),
        "lists go on with the others"
    );
    // Not set aside for a person, and not changed.
    let untouched = format!(
        "UPDATE order_work SET runs = runs WHERE taken_over AND due_at IS NOT NULL AND order_id = '{id}'"
    );
    in_database(&mut db, untouched).await;
    assert_eq!(rows_of(&mut db, id).await, before);

    // A newer node joins, which can read it.
    let newer = serve(&bench);
    in_database(&mut db, set_to(&known)).await;
    let mut client = newer.client().await;
    let mended_by = Instant::now() + MENDED_WITHIN;
    loop {
        let order = client.get_order(by_id(id)).await.unwrap().into_inner();
        if order.status == "CANCELLED" && order.payment_status == "REFUNDED" {
            break;
        }
        assert!(Instant::now() < mended_by, "{order:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(older.end("-TERM").0, Some(0));

    // A schema that a newer build has made its own is noticed by who may not write it any more: it
    // refuses, and reads on.
    in_database(&mut db, "UPDATE order_store SET min_writer = 99".into()).await;
    let refused = client.create_order(mugs(1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert_eq!(
        client
            .get_order(by_id(id))
            .await
            .unwrap()
            .into_inner()
            .status,
        "CANCELLED"
    );
    in_database(&mut db, "UPDATE order_store SET min_writer = 1".into()).await;
    place(&newer).await;

    assert_eq!(newer.end("-TERM").0, Some(0));
    bench.run(&["work"]).must(0);
    bench.run(&["check"]).must(0);
    let stuck = bench.run(&["stuck"]).must(0).out;
    assert!(
        !stuck.contains("ORD-"),
        "nobody need look at anything: {stuck}"
    );
}
