//! Clause 17: lists.

use std::cmp::Ordering;
use std::sync::Arc;

use super::StoreFactory;
use super::support::*;
use crate::ids::OrderId;
use crate::order::{
    Addresses, Attention, AttentionReason, FulfilmentStatus, Lifecycle, Order, PaymentStatus,
    Status, derive,
};
use crate::store::{
    Cursor, ListQuery, OrderPage, OrderStore, SortKey, StoreError, StoreErrorKind, TimeRange,
};
use crate::testkit::orders::*;
use crate::text::Private;

/// The id of the n-th listed order: many of them are placed in one moment.
fn listed_id(n: u64) -> OrderId {
    OrderId::new(at(n as i64 % 4), n.into(), BUCKET)
}

/// A store with 30 orders of three users, many of them with equal sort keys. Every fifth has open
/// attention, every seventh is stuck.
async fn filled<F: StoreFactory>(f: &F) -> (F::Store, Vec<Arc<Order>>) {
    let store = fresh(f).await;
    let mut orders = Vec::new();
    // Not in the order of their ids, so that a list in order of arrival is noticed.
    for n in (1..=30u64).map(|i| i * 7 % 31) {
        let mut order = Order {
            user: user_id(n % 3),
            lifecycle: Lifecycle::ALL[n as usize % 4],
            ..plain(n)
        };
        order.created_at = at(n as i64 % 4);
        order.id = listed_id(n);
        order.updated_at = at(10 - n as i64 % 3);
        let line = &mut order.lines[0];
        line.unit_price = (n as i64 % 5) * 999;
        line.subtotal = 2 * line.unit_price;
        line.lots[0].subtotal = line.subtotal;
        (order.amounts.subtotal, order.amounts.total) = (line.subtotal, line.subtotal);
        if n % 5 == 0 {
            order.attention = vec![Attention {
                reason: AttentionReason::StockLost,
                about: None,
                amount: None,
                since: at(1),
                acknowledged: false,
            }];
        }
        order.completed_at = (order.lifecycle == Lifecycle::Completed).then(|| at(9));
        order.statuses = derive(&order);
        let placing = if n % 7 == 0 {
            place(order).working(lease(fence(n), 10, at(5)))
        } else {
            place(order)
        };
        let (order, revision) = commit(&store, placing).await;
        if n % 7 == 0 {
            commit(&store, work(&order, release(fence(n), revision, None))).await;
        }
        orders.push(order);
    }
    (store, orders)
}

fn compare(a: &Order, b: &Order, sort: SortKey) -> Ordering {
    let by_key = match sort {
        // And by id beyond that: within the microsecond, which one is first is for no other reason.
        SortKey::CreatedAt => a.created_at.cmp(&b.created_at),
        SortKey::UpdatedAt => a.updated_at.cmp(&b.updated_at),
        SortKey::TotalAmount => a.amounts.total.cmp(&b.amounts.total),
        SortKey::OrderNumber => a.number.to_string().cmp(&b.number.to_string()),
    };
    by_key.then(a.id.cmp(&b.id))
}

/// Returns everything that a list without limit shows.
fn expected(orders: &[Arc<Order>], query: &ListQuery) -> Vec<Arc<Order>> {
    let is_stuck = |order: &Order| {
        !order.attention.is_empty() || (1..=30).any(|n| n % 7 == 0 && order.id == listed_id(n))
    };
    let mut expected: Vec<Arc<Order>> = orders
        .iter()
        .filter(|order| query.user.is_none_or(|user| order.user == user))
        .filter(|order| {
            query.statuses.is_empty() || query.statuses.contains(&order.statuses.status)
        })
        .filter(|order| !query.stuck || is_stuck(order))
        .cloned()
        .collect();
    expected.sort_by(|a, b| compare(a, b, query.sort));
    if query.descending {
        expected.reverse();
    }
    expected
}

/// All pages after one another.
async fn walk<S: OrderStore>(store: &S, mut query: ListQuery) -> Vec<Arc<Order>> {
    let mut shown = Vec::new();
    loop {
        let OrderPage {
            orders,
            unreadable,
            next,
            total: _,
        } = store.list(&query).await.unwrap();
        assert_eq!(unreadable, []);
        assert!(orders.len() <= query.limit as usize);
        shown.extend(orders);
        // As a client would send it back.
        query.after = next.map(|cursor| cursor.to_string().parse().unwrap());
        if query.after.is_none() {
            return shown;
        }
        assert_eq!(
            shown.len() % query.limit as usize,
            0,
            "a page that is not the last is full"
        );
    }
}

fn sorted() -> impl Iterator<Item = ListQuery> {
    SortKey::ALL.iter().flat_map(|&sort| {
        [false, true].map(|descending| ListQuery {
            sort,
            descending,
            ..ListQuery::default()
        })
    })
}

pub(super) async fn c17_pages_show_every_order_once_in_order<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    for query in sorted() {
        for limit in [1, 3, 10, 29, 30, 31, 1000] {
            let query = ListQuery {
                limit,
                ..query.clone()
            };
            assert_eq!(
                walk(&store, query.clone()).await,
                expected(&orders, &query),
                "{query:?}"
            );
        }
    }
}

pub(super) async fn c17_filters_are_applied_by_the_store<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    for query in sorted() {
        for user in [None, Some(user_id(1))] {
            for statuses in [
                vec![],
                vec![Status::Confirmed],
                vec![Status::Completed, Status::Pending],
            ] {
                for stuck in [false, true] {
                    for limit in [2, 100] {
                        let query = ListQuery {
                            user,
                            statuses: statuses.clone(),
                            stuck,
                            limit,
                            ..query.clone()
                        };
                        let expected = expected(&orders, &query);
                        assert!(!expected.is_empty());
                        assert_eq!(walk(&store, query.clone()).await, expected, "{query:?}");
                    }
                }
            }
        }
    }
}

pub(super) async fn c17_what_somebody_has_seen_is_not_stuck<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let attention = |reason, acknowledged| Attention {
        reason,
        about: None,
        amount: None,
        since: at(1),
        acknowledged,
    };
    let reasons = [AttentionReason::Dispute, AttentionReason::StockLost];
    let placed = Order {
        attention: reasons.map(|reason| attention(reason, false)).into(),
        ..plain(1)
    };
    let mut order = applied(&store, place(placed)).await;
    applied(&store, place(plain(2))).await;
    for (seen, listed) in [
        ([true, false], 1),
        ([true, true], 0),
        ([false, true], 1),
        ([true, true], 0),
    ] {
        let seen = reasons
            .into_iter()
            .zip(seen)
            .map(|(reason, seen)| attention(reason, seen))
            .collect();
        order = applied(&store, amend(&order, |order| order.attention = seen)).await;
        let page = store
            .list(&ListQuery {
                stuck: true,
                count_up_to: 10,
                ..ListQuery::default()
            })
            .await
            .unwrap();
        assert_eq!((page.orders.len(), page.total), (listed, listed as u32));
        assert!(page.orders.iter().all(|listed| *listed == order));
    }
}

pub(super) async fn c17_some_orders_may_be_passed_over<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    for query in sorted() {
        for skip in [0, 1, 10, 29, 30, 10_000] {
            let query = ListQuery {
                skip,
                limit: 5,
                user: None,
                ..query.clone()
            };
            let page = store.list(&query).await.unwrap();
            let rest: Vec<_> = expected(&orders, &query)
                .into_iter()
                .skip(skip as usize)
                .collect();
            assert_eq!(
                page.orders,
                rest.iter().take(5).cloned().collect::<Vec<_>>(),
                "{query:?}"
            );
            assert_eq!(page.next.is_some(), rest.len() > 5, "{query:?}");
        }
    }
}

pub(super) async fn c17_matches_are_counted_up_to_what_was_asked<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    let first = store
        .list(&ListQuery {
            limit: 4,
            ..ListQuery::default()
        })
        .await
        .unwrap();
    let pages = [(None, 0), (None, 3), (first.next, 0)];
    for (count_up_to, user, total) in [
        (0, None, 0),
        (7, None, 7),
        (30, None, 30),
        (10_000, None, 30),
        (10_000, Some(user_id(1)), 10),
        (4, Some(user_id(1)), 4),
    ] {
        // The count is of the whole list, whichever page of it is asked for.
        for (after, skip) in pages.clone() {
            let query = ListQuery {
                count_up_to,
                user,
                after,
                skip,
                limit: 2,
                ..ListQuery::default()
            };
            assert_eq!(store.list(&query).await.unwrap().total, total, "{query:?}");
        }
    }
    assert_eq!(orders.len(), 30);
}

pub(super) async fn c17_a_foreign_cursor_is_refused<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    for query in sorted() {
        for other in sorted() {
            let after = Some(Cursor::after(&orders[0], other.sort, other.descending));
            let same = (query.sort, query.descending) == (other.sort, other.descending);
            match store
                .list(&ListQuery {
                    after,
                    ..query.clone()
                })
                .await
            {
                Ok(_) => assert!(same, "{query:?} accepted a cursor of {other:?}"),
                Err(StoreError {
                    kind: StoreErrorKind::InvalidQuery,
                    ..
                }) => assert!(!same, "{query:?} refused its own"),
                Err(error) => panic!("expected an invalid query, got {error:?}"),
            }
        }
        if query.sort == SortKey::CreatedAt {
            // Sorted by id alone, whatever the value.
            continue;
        }
        let cursor = Cursor {
            value: "'; DROP TABLE orders;--".into(),
            ..Cursor::after(&orders[0], query.sort, query.descending)
        };
        let answer = store
            .list(&ListQuery {
                after: Some(cursor),
                ..query
            })
            .await;
        refused!(
            answer,
            StoreError {
                kind: StoreErrorKind::InvalidQuery,
                ..
            }
        );
    }
}

pub(super) async fn c17_a_list_without_matches_is_empty<F: StoreFactory>(f: &F) {
    let (store, _) = filled(f).await;
    let nobody = ListQuery {
        user: Some(user_id(99)),
        count_up_to: 10,
        ..ListQuery::default()
    };
    let never = ListQuery {
        statuses: vec![Status::Expired],
        count_up_to: 10,
        ..ListQuery::default()
    };
    for query in [nobody, never] {
        let page = store.list(&query).await.unwrap();
        assert_eq!((page.orders, page.next, page.total), (Vec::new(), None, 0));
    }
}

/// Forty orders, each of which has and has not what can be asked for in a way of its own.
async fn varied<F: StoreFactory>(f: &F) -> (F::Store, Vec<Arc<Order>>) {
    let store = fresh(f).await;
    let mut orders = Vec::new();
    for n in (1..=40u64).map(|i| i * 7 % 41) {
        let mut order = Order {
            user: user_id(n % 3),
            lifecycle: Lifecycle::ALL[n as usize % 4],
            ..plain(n)
        };
        order.created_at = at(n as i64 / 4);
        order.updated_at = at(100 - n as i64 / 3);
        order.id = OrderId::new(order.created_at, n.into(), BUCKET);
        order.lines[0].sku = text(["MUG", "MUG-BLUE", "mug"][n as usize % 3]);
        let email = |n: u64| {
            Some(
                ["ada@example.org", "Ada@example.org", "bob@example.org"][n as usize % 3]
                    .to_owned(),
            )
        };
        let mut addresses = Addresses {
            shipping: address(""),
            billing: address(""),
        };
        (addresses.shipping.email, addresses.billing.email) =
            (email(n), if n % 2 == 0 { None } else { email(n + 1) });
        order.addresses = if n % 5 == 0 {
            Private(None)
        } else {
            Private(Some(addresses))
        };
        order.external_ref = (n % 4 == 0).then(|| text(&format!("shop/{}", n % 8)));
        let metadata = [
            ("channel", ["web", "till"][n as usize % 2]),
            ("Channel", "WEB"),
        ];
        let metadata = metadata
            .map(|(name, value)| (text(name), value.to_owned()))
            .into_iter()
            .take(n as usize % 3)
            .collect();
        order.metadata = if n % 3 == 0 {
            Private(None)
        } else {
            Private(Some(metadata))
        };
        let about = |reason, acknowledged| Attention {
            reason,
            about: None,
            amount: None,
            since: at(1),
            acknowledged,
        };
        order.attention = match n % 6 {
            0 => vec![
                about(AttentionReason::StockLost, false),
                about(AttentionReason::Dispute, true),
            ],
            1 => vec![about(AttentionReason::Dispute, n % 12 == 1)],
            _ => Vec::new(),
        };
        order.completed_at = (order.lifecycle == Lifecycle::Completed).then(|| at(9));
        order.cancelled_at = (order.lifecycle == Lifecycle::Cancelled).then(|| at(9));
        order.statuses = derive(&order);
        let placing = if n % 7 < 3 {
            place(order).working(wake(at(5)))
        } else {
            place(order)
        };
        orders.push(applied(&store, placing).await);
    }
    (store, orders)
}

pub(super) async fn c17_every_filter_finds_what_it_asks_for_and_nothing_else<F: StoreFactory>(
    f: &F,
) {
    let (store, orders) = varied(f).await;
    let range = |from: i64, before: i64| TimeRange {
        from: Some(at(from)),
        before: Some(at(before)),
    };
    let all = ListQuery {
        limit: 1000,
        count_up_to: 1000,
        ..ListQuery::default()
    };
    let with = |change: &dyn Fn(&mut ListQuery)| {
        let mut query = all.clone();
        change(&mut query);
        query
    };
    let queries: Vec<ListQuery> = vec![
        with(&|q| q.email = Some("ada@example.org".into())),
        with(&|q| q.email = Some("Ada@example.org".into())),
        with(&|q| q.sku = Some(text("MUG"))),
        with(&|q| q.external_ref = Some(text("shop/4"))),
        with(&|q| q.metadata = Some((text("channel"), "till".into()))),
        with(&|q| q.metadata = Some((text("Channel"), "WEB".into()))),
        with(&|q| q.attention = Some(AttentionReason::Dispute)),
        with(&|q| q.attention = Some(AttentionReason::StockLost)),
        with(&|q| q.stuck = true),
        with(&|q| q.open_work = true),
        with(&|q| q.user = Some(user_id(2))),
        with(&|q| q.payment_status = Some(PaymentStatus::None)),
        with(&|q| q.fulfilment_status = Some(FulfilmentStatus::Unfulfilled)),
        with(&|q| q.statuses = vec![Status::Completed, Status::Pending]),
        with(&|q| q.placed = range(3, 7)),
        with(&|q| {
            q.placed = TimeRange {
                from: Some(at(5)),
                before: None,
            }
        }),
        with(&|q| {
            q.placed = TimeRange {
                from: None,
                before: Some(at(5)),
            }
        }),
        with(&|_| ()),
    ];
    let updated = with(&|q| (q.updated, q.sort) = (range(90, 96), SortKey::UpdatedAt));
    assert_lists(&store, &orders, &updated).await;
    for query in &queries {
        assert_lists(&store, &orders, query).await;
        // With each of the others too, in every order that is sorted or read.
        for other in &queries {
            for (sort, descending) in [
                (SortKey::CreatedAt, true),
                (SortKey::UpdatedAt, false),
                (SortKey::TotalAmount, true),
            ] {
                let both = ListQuery {
                    user: query.user.or(other.user),
                    statuses: if query.statuses.is_empty() {
                        other.statuses.clone()
                    } else {
                        query.statuses.clone()
                    },
                    payment_status: query.payment_status.or(other.payment_status),
                    fulfilment_status: query.fulfilment_status.or(other.fulfilment_status),
                    attention: query.attention.or(other.attention),
                    stuck: query.stuck || other.stuck,
                    open_work: query.open_work || other.open_work,
                    email: query.email.clone().or(other.email.clone()),
                    sku: query.sku.clone().or(other.sku.clone()),
                    external_ref: query.external_ref.clone().or(other.external_ref.clone()),
                    metadata: query.metadata.clone().or(other.metadata.clone()),
                    placed: if query.placed.is_all() {
                        other.placed
                    } else {
                        query.placed
                    },
                    sort,
                    descending,
                    ..all.clone()
                };
                assert_lists(&store, &orders, &both).await;
            }
        }
    }
}

/// Asserts that a list shows what it should, whole and in pages, and counts it.
async fn assert_lists<S: OrderStore>(store: &S, orders: &[Arc<Order>], query: &ListQuery) {
    let mut expected = Vec::new();
    for order in orders {
        let work = load(store, order.id).await.work;
        if query.matches(order, work.as_ref()) {
            expected.push(Arc::clone(order));
        }
    }
    expected.sort_by(|a, b| compare(a, b, query.sort));
    if query.descending {
        expected.reverse();
    }
    let page = store.list(query).await.unwrap();
    let ids = |orders: &[Arc<Order>]| orders.iter().map(|order| order.id).collect::<Vec<_>>();
    assert_eq!(
        (ids(&page.orders), page.total),
        (ids(&expected), expected.len() as u32),
        "{query:?}"
    );
    assert!(page.orders == expected);
    assert!(
        walk(
            store,
            ListQuery {
                limit: 3,
                ..query.clone()
            }
        )
        .await
            == expected,
        "{query:?}"
    );
}

pub(super) async fn c17_what_no_store_serves_is_refused<F: StoreFactory>(f: &F) {
    let (store, _) = filled(f).await;
    let updated = TimeRange {
        from: Some(at(1)),
        before: None,
    };
    for query in [
        ListQuery {
            limit: 0,
            ..ListQuery::default()
        },
        ListQuery {
            limit: 1001,
            ..ListQuery::default()
        },
        ListQuery {
            skip: 10_001,
            ..ListQuery::default()
        },
        ListQuery {
            updated,
            ..ListQuery::default()
        },
        ListQuery {
            updated,
            sku: Some(text("MUG")),
            ..ListQuery::default()
        },
        ListQuery {
            updated,
            statuses: vec![Status::Pending],
            sort: SortKey::TotalAmount,
            ..ListQuery::default()
        },
    ] {
        refused!(
            store.list(&query).await,
            StoreError {
                kind: StoreErrorKind::InvalidQuery,
                ..
            }
        );
    }
}
