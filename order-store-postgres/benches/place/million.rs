//! Measures placing and lists while orders grow in number.

use std::sync::Arc;
use std::time::Instant;

use order_core::ids::{OrderId, UserId};
use order_core::order::{AttentionReason, Status};
use order_core::store::{ListQuery, OrderStore as _, SortKey};
use order_store_postgres::PostgresStore;
use sqlx::Row as _;

use crate::common::{Schema, connect_to};
use crate::cpu::{Meter, resident};
use crate::shop::manager;
use crate::{at_rest, median, open, percentile, place_one, round};

const CALLERS: usize = 128;
/// The time between two lines with the rate.
const STEPS: usize = 10;

pub async fn print(orders: usize) {
    let schema = Schema::new().await;
    let store = open(&schema).await;
    let manager = manager(Arc::clone(&store), false);
    let mut db = connect_to(&schema.name).await;
    let meter = Meter::new(&mut db).await;
    println!("placing {orders} orders with {CALLERS} callers");
    println!(
        "{:>10} {:>10} {:>17} {:>14} {:>11} {:>13} {:>13}",
        "orders",
        "orders/s",
        "p50 / p99 ms",
        "a core-second",
        "memory MiB",
        "server's MiB",
        "on disk MiB"
    );
    let sizes = "SELECT sum(pg_total_relation_size(c.oid))::float8 / 1048576 FROM pg_class c \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'";
    let mut placed = 0;
    for _ in 0..STEPS {
        let (before, started) = (meter.read(), Instant::now());
        let mut ms = round(&manager, CALLERS, orders / STEPS).await;
        at_rest(&manager).await;
        placed += ms.len();
        let on_disk: f64 = sqlx::query(sizes)
            .fetch_one(&mut db)
            .await
            .expect("sizes")
            .get(0);
        println!(
            "{placed:>10} {:>10.0} {:>17} {:>14.0} {:>11.0} {:>13.0} {on_disk:>13.0}",
            ms.len() as f64 / started.elapsed().as_secs_f64(),
            format!(
                "{:.1} / {:.1}",
                percentile(&mut ms, 50),
                percentile(&mut ms, 99)
            ),
            ms.len() as f64 / (meter.read() - before).server,
            resident("self", "VmRSS:").unwrap_or(f64::NAN),
            meter.server_memory(),
        );
    }
    sqlx::raw_sql("ANALYZE")
        .execute(&mut db)
        .await
        .expect("it is analysed");
    let known = place_one(&manager).await;
    at_rest(&manager).await;
    loads(&store, &mut db).await;
    lists(&store, known).await;
}

/// Loads of orders from all over.
async fn loads(store: &PostgresStore, db: &mut sqlx::postgres::PgConnection) {
    let some = "SELECT id::text FROM orders TABLESAMPLE SYSTEM (1) LIMIT 2000";
    let ids: Vec<OrderId> = sqlx::query(some)
        .fetch_all(db)
        .await
        .expect("orders")
        .iter()
        .map(|row| row.get::<String, _>(0).parse().expect("an id"))
        .collect();
    let mut ms = Vec::new();
    for id in ids {
        let started = Instant::now();
        assert!(
            store
                .load(id.into(), None)
                .await
                .expect("it loads")
                .is_some()
        );
        ms.push(started.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "loading one order: p50 / p99 {:.2} / {:.2} ms",
        percentile(&mut ms, 50),
        percentile(&mut ms, 99)
    );
}

/// The median time of a page of each list, and how the database reads it.
async fn lists(store: &PostgresStore, known: OrderId) {
    let order = store
        .load(known.into(), None)
        .await
        .expect("it loads")
        .expect("it is there")
        .order;
    for (name, query) in offered(
        order.user,
        order.statuses.payment,
        order.statuses.fulfilment,
    ) {
        let mut ms = Vec::new();
        for _ in 0..9 {
            let started = Instant::now();
            store.list(&query).await.expect("it lists");
            ms.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let plan = store
            .explain_list(&query, true)
            .await
            .expect("it is explained");
        let scans = plan
            .iter()
            .filter_map(|line| line.split_once(" using "))
            .map(|(_, rest)| rest);
        let mut indexes: Vec<&str> = scans
            .filter_map(|rest| rest.split_whitespace().next())
            .collect();
        indexes.sort_unstable();
        indexes.dedup();
        let sequential = plan.iter().any(|line| line.contains("Seq Scan"));
        println!(
            "{:>8.2} ms {name}: {}{}",
            median(&mut ms),
            indexes.join(", "),
            if sequential { ", SEQUENTIAL" } else { "" }
        );
    }
}

fn offered(
    user: UserId,
    payment: order_core::order::PaymentStatus,
    fulfilment: order_core::order::FulfilmentStatus,
) -> Vec<(&'static str, ListQuery)> {
    let query = || ListQuery {
        limit: 20,
        ..ListQuery::default()
    };
    let confirmed = || ListQuery {
        statuses: vec![Status::Confirmed],
        ..query()
    };
    vec![
        ("all", query()),
        (
            "all by update",
            ListQuery {
                sort: SortKey::UpdatedAt,
                ..query()
            },
        ),
        (
            "all by total",
            ListQuery {
                sort: SortKey::TotalAmount,
                ..query()
            },
        ),
        (
            "all by number",
            ListQuery {
                sort: SortKey::OrderNumber,
                ..query()
            },
        ),
        (
            "all, newest first",
            ListQuery {
                descending: true,
                ..query()
            },
        ),
        (
            "all, counted up to 10,000",
            ListQuery {
                count_up_to: 10_000,
                ..query()
            },
        ),
        ("a status", confirmed()),
        (
            "a status by update",
            ListQuery {
                sort: SortKey::UpdatedAt,
                ..confirmed()
            },
        ),
        (
            "a status by total",
            ListQuery {
                sort: SortKey::TotalAmount,
                ..confirmed()
            },
        ),
        (
            "a user",
            ListQuery {
                user: Some(user),
                ..query()
            },
        ),
        (
            "payment status",
            ListQuery {
                payment_status: Some(payment),
                ..query()
            },
        ),
        (
            "fulfilment status",
            ListQuery {
                fulfilment_status: Some(fulfilment),
                ..query()
            },
        ),
        (
            "attention",
            ListQuery {
                attention: Some(AttentionReason::Dispute),
                ..query()
            },
        ),
        (
            "stuck",
            ListQuery {
                stuck: true,
                ..query()
            },
        ),
        (
            "open work",
            ListQuery {
                open_work: true,
                ..query()
            },
        ),
        (
            "e-mail",
            ListQuery {
                email: Some("customer@example.com".into()),
                ..query()
            },
        ),
        (
            "SKU",
            ListQuery {
                sku: Some("SKU-1".parse().expect("a SKU")),
                ..query()
            },
        ),
        (
            "external reference",
            ListQuery {
                external_ref: Some("shop/777".parse().expect("a reference")),
                ..query()
            },
        ),
        (
            "metadata",
            ListQuery {
                metadata: Some(("campaign".parse().expect("a key"), "c7".into())),
                ..query()
            },
        ),
    ]
}
