//! Clause 17: lists.

use std::cmp::Ordering;
use std::sync::Arc;

use super::StoreFactory;
use super::support::*;
use crate::order::{Attention, AttentionReason, Lifecycle, Order, Status, derive};
use crate::store::{Cursor, ListQuery, OrderPage, OrderStore, SortKey, StoreError, StoreErrorKind};
use crate::testkit::orders::*;

/// A store with 30 orders of three users, many of them with equal sort keys. Every fifth has open attention, every seventh is
/// stuck.
async fn filled<F: StoreFactory>(f: &F) -> (F::Store, Vec<Arc<Order>>) {
    let store = fresh(f).await;
    let mut orders = Vec::new();
    // Not in the order of their ids, so that a list in order of arrival is noticed.
    for n in (1..=30u64).map(|i| i * 7 % 31) {
        let mut order = Order { user: user_id(n % 3), lifecycle: Lifecycle::ALL[n as usize % 4], ..plain(n) };
        order.created_at = at(n as i64 % 4);
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
        let placing = if n % 7 == 0 { place(order).working(lease(fence(n), 10, at(5))) } else { place(order) };
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
        SortKey::CreatedAt => a.created_at.cmp(&b.created_at),
        SortKey::UpdatedAt => a.updated_at.cmp(&b.updated_at),
        SortKey::TotalAmount => a.amounts.total.cmp(&b.amounts.total),
        SortKey::OrderNumber => a.number.to_string().cmp(&b.number.to_string()),
    };
    by_key.then(a.id.cmp(&b.id))
}

/// What a list without limit shows.
fn expected(orders: &[Arc<Order>], query: &ListQuery) -> Vec<Arc<Order>> {
    let is_stuck = |order: &Order| !order.attention.is_empty() || (1..=30).any(|n| n % 7 == 0 && order.id == order_id(n));
    let mut expected: Vec<Arc<Order>> = orders
        .iter()
        .filter(|order| query.user.is_none_or(|user| order.user == user))
        .filter(|order| query.status.is_none_or(|status| order.statuses.status == status))
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
        let OrderPage { orders, next, total: _ } = store.list(&query).await.unwrap();
        assert!(orders.len() <= query.limit as usize);
        shown.extend(orders);
        // As a client would send it back.
        query.after = next.map(|cursor| cursor.to_string().parse().unwrap());
        if query.after.is_none() {
            return shown;
        }
        assert_eq!(shown.len() % query.limit as usize, 0, "a page that is not the last is full");
    }
}

fn sorted() -> impl Iterator<Item = ListQuery> {
    SortKey::ALL.iter().flat_map(|&sort| [false, true].map(|descending| ListQuery { sort, descending, ..ListQuery::default() }))
}

pub(super) async fn c17_pages_show_every_order_once_in_order<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    for query in sorted() {
        for limit in [1, 3, 10, 29, 30, 31, 1000] {
            let query = ListQuery { limit, ..query.clone() };
            assert_eq!(walk(&store, query.clone()).await, expected(&orders, &query), "{query:?}");
        }
    }
}

pub(super) async fn c17_filters_are_applied_by_the_store<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    for query in sorted() {
        for user in [None, Some(user_id(1))] {
            for status in [None, Some(Status::Confirmed)] {
                for stuck in [false, true] {
                    for limit in [2, 100] {
                        let query = ListQuery { user, status, stuck, limit, ..query.clone() };
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
    let attention = |reason, acknowledged| Attention { reason, about: None, amount: None, since: at(1), acknowledged };
    let reasons = [AttentionReason::Dispute, AttentionReason::StockLost];
    let placed = Order { attention: reasons.map(|reason| attention(reason, false)).into(), ..plain(1) };
    let mut order = applied(&store, place(placed)).await;
    applied(&store, place(plain(2))).await;
    for (seen, listed) in [([true, false], 1), ([true, true], 0), ([false, true], 1), ([true, true], 0)] {
        let seen = reasons.into_iter().zip(seen).map(|(reason, seen)| attention(reason, seen)).collect();
        order = applied(&store, amend(&order, |order| order.attention = seen)).await;
        let page = store.list(&ListQuery { stuck: true, count_up_to: 10, ..ListQuery::default() }).await.unwrap();
        assert_eq!((page.orders.len(), page.total), (listed, listed as u32));
        assert!(page.orders.iter().all(|listed| *listed == order));
    }
}

pub(super) async fn c17_some_orders_may_be_passed_over<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    for query in sorted() {
        for skip in [0, 1, 10, 29, 30, 10_000] {
            let query = ListQuery { skip, limit: 5, user: None, ..query.clone() };
            let page = store.list(&query).await.unwrap();
            let rest: Vec<_> = expected(&orders, &query).into_iter().skip(skip as usize).collect();
            assert_eq!(page.orders, rest.iter().take(5).cloned().collect::<Vec<_>>(), "{query:?}");
            assert_eq!(page.next.is_some(), rest.len() > 5, "{query:?}");
        }
    }
}

pub(super) async fn c17_matches_are_counted_up_to_what_was_asked<F: StoreFactory>(f: &F) {
    let (store, orders) = filled(f).await;
    let first = store.list(&ListQuery { limit: 4, ..ListQuery::default() }).await.unwrap();
    let pages = [(None, 0), (None, 3), (first.next, 0)];
    for (count_up_to, user, total) in
        [(0, None, 0), (7, None, 7), (30, None, 30), (10_000, None, 30), (10_000, Some(user_id(1)), 10), (4, Some(user_id(1)), 4)]
    {
        // The count is of the whole list, whichever page of it is asked for.
        for (after, skip) in pages.clone() {
            let query = ListQuery { count_up_to, user, after, skip, limit: 2, ..ListQuery::default() };
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
            match store.list(&ListQuery { after, ..query.clone() }).await {
                Ok(_) => assert!(same, "{query:?} accepted a cursor of {other:?}"),
                Err(StoreError { kind: StoreErrorKind::InvalidQuery, .. }) => assert!(!same, "{query:?} refused its own"),
                Err(error) => panic!("expected an invalid query, got {error:?}"),
            }
        }
        let cursor =
            Cursor { value: "'; DROP TABLE orders;--".into(), ..Cursor::after(&orders[0], query.sort, query.descending) };
        let answer = store.list(&ListQuery { after: Some(cursor), ..query }).await;
        refused!(answer, StoreError { kind: StoreErrorKind::InvalidQuery, .. });
    }
}

pub(super) async fn c17_a_list_without_matches_is_empty<F: StoreFactory>(f: &F) {
    let (store, _) = filled(f).await;
    let nobody = ListQuery { user: Some(user_id(99)), count_up_to: 10, ..ListQuery::default() };
    let never = ListQuery { status: Some(Status::Expired), count_up_to: 10, ..ListQuery::default() };
    for query in [nobody, never] {
        let page = store.list(&query).await.unwrap();
        assert_eq!((page.orders, page.next, page.total), (Vec::new(), None, 0));
    }
}
