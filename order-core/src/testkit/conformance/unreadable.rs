//! Clause 25: what cannot be read, beside what can.

use super::StoreFactory;
use super::support::*;
use crate::order::{AttentionReason, Lifecycle, Order};
use crate::store::{
    DumpPage, DumpQuery, FeedQuery, FeedRow, LeasePage, LeaseRequest, ListQuery, OrderStore,
    SortKey, StoreError, StoreErrorKind, Unreadable,
};
use crate::testkit::orders::*;

/// A store with five orders, due one after the other, of which the third cannot be read.
async fn damaged<F: StoreFactory>(f: &F) -> F::Store {
    let store = fresh(f).await;
    for n in 1..=5 {
        let order = applied(&store, place(plain(n)).working(wake(at(n as i64)))).await;
        applied(&store, amend_in(&order, 2, |order| order.round += 1)).await;
    }
    f.damage(&store, order_id(3)).await;
    f.set_time(at(10));
    store
}

/// Asserts that it is the third order, with a reason.
fn is_the_third(unreadable: &[Unreadable]) {
    let [Unreadable { order, reason }] = unreadable else {
        panic!("one order, not {unreadable:?}")
    };
    assert_eq!(*order, order_id(3));
    assert!(!reason.is_empty());
}

pub(super) async fn c25_an_order_that_cannot_be_read_hides_no_other_from_a_list<F: StoreFactory>(
    f: &F,
) {
    let store = damaged(f).await;
    for sort in [SortKey::CreatedAt, SortKey::UpdatedAt, SortKey::TotalAmount] {
        let query = ListQuery {
            sort,
            count_up_to: 10,
            ..ListQuery::default()
        };
        let page = store.list(&query).await.unwrap();
        assert!(
            page.orders
                .iter()
                .map(|order| order.id)
                .eq([1, 2, 4, 5].map(order_id)),
            "{sort}"
        );
        assert_eq!((page.next, page.total), (None, 5));
        is_the_third(&page.unreadable);
        // Page by page it is named once.
        let (mut query, mut seen, mut named) =
            (ListQuery { limit: 2, ..query }, Vec::new(), Vec::new());
        loop {
            let page = store.list(&query).await.unwrap();
            seen.extend(page.orders.iter().map(|order| order.id));
            named.extend(page.unreadable);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [1, 2, 4, 5].map(order_id), "{sort}");
        is_the_third(&named);
    }
    let others = ListQuery {
        attention: Some(AttentionReason::Dispute),
        ..ListQuery::default()
    };
    assert_eq!(
        store.list(&others).await.unwrap().unreadable,
        [],
        "it is not one of these"
    );
}

pub(super) async fn c25_an_order_that_cannot_be_read_is_leased_and_set_aside_alone<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = damaged(f).await;
    let lease = |holder: u64| LeaseRequest {
        fence: fence(holder),
        ttl: seconds(10),
        limit: 10,
        order: None,
    };
    let LeasePage {
        leased,
        unreadable,
        next_in,
        now: _,
    } = store.lease(&lease(1)).await.unwrap();
    assert!(
        leased
            .iter()
            .map(|leased| leased.order.id)
            .eq([1, 2, 4, 5].map(order_id))
    );
    is_the_third(&unreadable);
    assert_eq!(next_in, Some(seconds(10)));
    for leased in leased {
        commit(
            &store,
            work(&leased.order, done(fence(1), leased.work.revision)),
        )
        .await;
    }
    assert!(
        store.lease(&lease(2)).await.unwrap().unreadable.is_empty(),
        "not at once again"
    );
    f.set_time(at(20));
    let LeasePage {
        leased,
        unreadable,
        next_in: _,
        now: _,
    } = store.lease(&lease(3)).await.unwrap();
    assert!(leased.is_empty());
    is_the_third(&unreadable);
}

pub(super) async fn c25_an_order_that_cannot_be_read_is_named_by_a_dump<F: StoreFactory>(f: &F) {
    let store = damaged(f).await;
    let (mut after, mut seen, mut named) = (None, Vec::new(), Vec::new());
    loop {
        let DumpPage {
            orders,
            unreadable,
            next,
        } = store.dump(&DumpQuery { after, limit: 1 }).await.unwrap();
        seen.extend(orders.into_iter().map(|dumped| dumped.order.id));
        named.extend(unreadable);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 4, 5].map(order_id));
    is_the_third(&named);
}

pub(super) async fn c25_a_row_that_cannot_be_read_stands_in_its_place_in_the_feed<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = damaged(f).await;
    let page = store
        .feed(&FeedQuery {
            after: None,
            limit: 1000,
        })
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 15);
    for FeedRow {
        cursor,
        order,
        seq,
        number: _,
        currency: _,
        row,
    } in &page.rows
    {
        match row {
            Ok(row) => assert_eq!((row.order, row.seq), (*order, *seq)),
            Err(Unreadable {
                order: named,
                reason,
            }) => {
                assert_eq!((*order, *seq, named), (order_id(3), 3, order));
                assert!(!reason.is_empty());
                // Whoever goes on after it does so.
                let rest = store
                    .feed(&FeedQuery {
                        after: Some(cursor.clone()),
                        limit: 1000,
                    })
                    .await
                    .unwrap();
                assert_eq!(rest.rows, page.rows[9..]);
            }
        }
    }
    assert_eq!(page.rows.iter().filter(|row| row.row.is_err()).count(), 1);
}

pub(super) async fn c25_loading_what_cannot_be_read_fails_and_writing_to_others_does_not<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = damaged(f).await;
    refused!(
        store.load(order_id(3).into(), None).await,
        StoreError {
            kind: StoreErrorKind::Corrupt,
            ..
        }
    );
    let other = load(&store, order_id(4)).await.order;
    let dies = |order: &mut Order| {
        order.lifecycle = Lifecycle::Cancelled;
        order.cancelled_at = Some(at(1));
        order.statuses = crate::order::derive(order);
    };
    let other = applied(&store, amend(&other, dies)).await;
    assert_eq!(load(&store, other.id).await.order, other);
    applied(&store, place(plain(6))).await;
}
