//! Lists of a hundred thousand orders: each is read from its index in order, and no more of it than
//! a page.

mod common;

use std::time::Duration;

use common::{Schema, block_on, run_in};
use order_core::ids::{Bucket, OrderId, UserId};
use order_core::order::{AttentionReason, Status};
use order_core::store::{Cursor, ListQuery, OrderStore as _, SortKey, TimeRange};
use order_core::testkit::orders::{place, plain, text};
use order_core::time::Timestamp;

const ORDERS: u32 = 100_000;

/// Orders as copies of one, of a thousand users, in thirteen statuses; every fiftieth with
/// attention, every tenth with work.
const FILL: &str = r#"
    SET synchronous_commit = off;
    CREATE TEMPORARY TABLE copies AS SELECT n, (lpad(to_hex(1764000000000 + n), 12, '0') || '7000800000000000'
        || lpad(to_hex(b::integer), 4, '0'))::uuid AS id, b AS bucket,
        ('00000000-0000-7000-8000-' || lpad(to_hex(n % 1000), 12, '0'))::uuid AS user_id,
        '2026-01-01'::timestamptz + n * interval '1 minute' AS at,
        (ARRAY['PENDING', 'CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'PARTIALLY_DELIVERED', 'DELIVERED', 'COMPLETED',
            'CANCELLING', 'CANCELLED', 'PAYMENT_FAILED', 'REJECTED', 'EXPIRED'])[n % 13 + 1] AS status
    FROM generate_series(1, 100000) n, LATERAL (SELECT ('{BUCKETS}'::smallint[])[n % 1000 + 1] AS b) x;
    INSERT INTO orders SELECT (o).* FROM (SELECT jsonb_populate_record(o, jsonb_build_object('id', c.id, 'bucket', c.bucket, 'user_id',
        c.user_id, 'order_number', 'N' || c.n, 'status', c.status, 'created_at', c.at, 'attention_open', c.n % 50 = 0,
        'external_ref', 'shop/' || c.n)) AS o FROM orders o, copies c WHERE o.order_number NOT LIKE 'N%') x;
    INSERT INTO order_state SELECT (s).* FROM (SELECT jsonb_populate_record(s, jsonb_build_object('order_id', c.id, 'bucket', c.bucket,
        'updated_at', c.at, 'attention', CASE WHEN c.n % 50 = 0 THEN '[{"reason":"DISPUTE"}]' END)) AS s
        FROM order_state s, copies c WHERE s.order_id NOT IN (SELECT id FROM copies)) x;
    INSERT INTO order_updates SELECT bucket, id, status, at FROM copies;
    INSERT INTO order_items SELECT (i).* FROM (SELECT jsonb_populate_record(i, jsonb_build_object('order_id', c.id, 'bucket', c.bucket,
        'sku', 'SKU-' || c.n % 100)) AS i FROM order_items i, copies c WHERE i.n = 1 AND i.order_id NOT IN (SELECT id FROM copies)) x;
    INSERT INTO order_addresses SELECT (a).* FROM (SELECT jsonb_populate_record(a, jsonb_build_object('order_id', c.id, 'bucket',
        c.bucket, 'email', 'user' || c.n % 1000 || '@example.com')) AS a FROM order_addresses a, copies c
        WHERE a.address_type = 'SHIPPING' AND a.order_id NOT IN (SELECT id FROM copies)) x;
    INSERT INTO order_metadata SELECT bucket, id, 'campaign', 'c' || n % 1000 FROM copies;
    INSERT INTO order_work (bucket, order_id, due_at, revision, taken_over, runs)
        SELECT bucket, id, CASE WHEN n % 500 <> 10 THEN at END, 1, false, 0 FROM copies WHERE n % 10 = 0;
    ANALYZE
"#;

/// One of the thousand users.
fn user(n: u16) -> UserId {
    UserId::from_bytes(
        *uuid::Uuid::from_u128(0x00000000_0000_7000_8000_000000000000 | u128::from(n)).as_bytes(),
    )
}

fn query() -> ListQuery {
    ListQuery {
        limit: 20,
        ..ListQuery::default()
    }
}

/// Every list that is read in order, by name.
fn offered() -> Vec<(&'static str, ListQuery)> {
    let user = user(7);
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
            "two statuses",
            ListQuery {
                statuses: vec![Status::Shipped, Status::Pending],
                ..query()
            },
        ),
        (
            "a status by update",
            ListQuery {
                statuses: vec![Status::Shipped],
                sort: SortKey::UpdatedAt,
                ..query()
            },
        ),
        (
            "a status by total",
            ListQuery {
                statuses: vec![Status::Shipped],
                sort: SortKey::TotalAmount,
                ..query()
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
            "a user's shipped",
            ListQuery {
                user: Some(user),
                statuses: vec![Status::Shipped],
                ..query()
            },
        ),
        (
            "payment status",
            ListQuery {
                payment_status: Some(plain(1).statuses.payment),
                ..query()
            },
        ),
        (
            "fulfilment status",
            ListQuery {
                fulfilment_status: Some(plain(1).statuses.fulfilment),
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
                email: Some("user7@example.com".into()),
                ..query()
            },
        ),
        (
            "SKU",
            ListQuery {
                sku: Some(text("SKU-7")),
                ..query()
            },
        ),
        (
            "external reference",
            ListQuery {
                external_ref: Some(text("shop/777")),
                ..query()
            },
        ),
        (
            "metadata",
            ListQuery {
                metadata: Some((text("campaign"), "c7".into())),
                ..query()
            },
        ),
    ]
}

/// The time in which a hundredth of the orders was placed.
fn a_hundredth() -> TimeRange {
    let millis = |millis: i64| Some(Timestamp::from_micros(millis * 1_000));
    TimeRange {
        from: millis(1_764_000_040_000),
        before: millis(1_764_000_041_000),
    }
}

/// The most rows that a line of a plan says it came to.
fn rows_of(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("(actual rows=")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[test]
fn every_list_is_read_from_its_index_and_no_further_than_its_page() {
    block_on(async {
        let schema = Schema::new().await;
        let store = schema.open(None).await;
        store.commit(place(plain(1))).await.unwrap();
        let buckets: Vec<String> = (0..1000)
            .map(|n| Bucket::of(&user(n)).number().to_string())
            .collect();
        run_in(
            &schema.name,
            &FILL.replace("{BUCKETS}", &format!("{{{}}}", buckets.join(","))),
        )
        .await;
        for (name, query) in offered() {
            for descending in [false, true] {
                for deep in [false, true] {
                    let middle = OrderId::from_bytes(
                        *uuid::Uuid::from_u128((1_764_000_050_000 << 80) | (7 << 76) | (8 << 60))
                            .as_bytes(),
                    );
                    let value = match query.sort {
                        SortKey::CreatedAt => String::new(),
                        SortKey::UpdatedAt => "1770000000000000".into(),
                        SortKey::TotalAmount => "1".into(),
                        SortKey::OrderNumber => plain(7).number.to_string(),
                    };
                    let after = deep.then_some(Cursor {
                        sort: query.sort,
                        descending,
                        value,
                        id: middle,
                    });
                    let query = ListQuery {
                        descending,
                        after,
                        ..query.clone()
                    };
                    let plan = store.explain_list(&query, true).await.unwrap();
                    let what = format!(
                        "{name}, descending {descending}, deep {deep}:\n{}",
                        plan.join("\n")
                    );
                    assert!(
                        !plan
                            .iter()
                            .any(|line| line.contains("Seq Scan") || line.contains("Hash")),
                        "{what}"
                    );
                    // A page of each of thirteen statuses, and what was passed over where
                    // conditions leave some out.
                    let most = plan
                        .iter()
                        .filter_map(|line| rows_of(line))
                        .max()
                        .unwrap_or_default();
                    assert!(most <= 13 * 21, "{most} rows at a time for {what}");
                    let removed = plan
                        .iter()
                        .filter(|line| line.contains("Rows Removed by Filter"))
                        .count();
                    assert!(removed == 0 || name == "a user's shipped", "{what}");
                    if deep {
                        continue;
                    }
                    // Of those placed at a time, nothing outside of it is read, however they are
                    // sorted.
                    let query = ListQuery {
                        placed: a_hundredth(),
                        ..query
                    };
                    let plan = store.explain_list(&query, true).await.unwrap();
                    let what = format!(
                        "{name} in a time, descending {descending}:\n{}",
                        plan.join("\n")
                    );
                    assert!(
                        !plan
                            .iter()
                            .any(|line| line.contains("Seq Scan") || line.contains("Hash")),
                        "{what}"
                    );
                    let most = plan
                        .iter()
                        .filter_map(|line| rows_of(line))
                        .max()
                        .unwrap_or_default();
                    assert!(
                        most <= u64::from(ORDERS / 100),
                        "{most} rows at a time for {what}"
                    );
                    let other = ["a user's shipped", "stuck", "external reference"].contains(&name);
                    let removed = plan
                        .iter()
                        .filter(|line| line.contains("Rows Removed by Filter"))
                        .count();
                    assert!(removed == 0 || other, "{what}");
                }
            }
        }
        // Sorted, or counted, no more than is allowed.
        let sorted = ListQuery {
            user: offered()[7].1.user,
            sort: SortKey::UpdatedAt,
            count_up_to: ORDERS,
            ..query()
        };
        let asked = tokio::time::timeout(Duration::from_secs(20), store.list(&sorted)).await;
        assert_eq!(asked.expect("in time").unwrap().total, ORDERS / 1_000);
    });
}
