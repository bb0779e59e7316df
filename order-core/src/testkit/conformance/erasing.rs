//! Clause 24: personal data that is erased on request.

use std::sync::Arc;

use super::StoreFactory;
use super::support::*;
use crate::order::{Event, Order};
use crate::store::{Changeset, CommitError, DumpQuery, FeedQuery, ListQuery, OrderStore};
use crate::testkit::orders::*;

/// With a note on each of its rows.
fn noted(mut changeset: Changeset) -> Changeset {
    for row in &mut changeset.journal {
        row.notes = Some(format!("note on row {}: Ada's", row.seq));
    }
    changeset
}

/// Returns an order as erasing everything personal leaves it.
fn redact(order: &mut Order) {
    let (notices, notified) = (order.notices.clone(), order.notified);
    *order = Order {
        notices,
        notified,
        redacted_at: Some(order.updated_at),
        ..order.without_personal()
    };
}

fn redacting(before: &Arc<Order>) -> Changeset {
    let mut changeset = amend(before, redact);
    changeset.journal[0].event = Event::Redacted;
    changeset
}

/// The journal as whoever reads it sees it: each row's notes, by every way there is.
async fn notes<S: OrderStore>(store: &S, order: &Order) -> Vec<Option<String>> {
    let rows = journal(store, order.id).await;
    let fed = store
        .feed(&FeedQuery {
            after: None,
            limit: 1000,
        })
        .await
        .unwrap()
        .rows;
    let of_order = fed
        .into_iter()
        .filter(|fed| fed.order == order.id)
        .map(|fed| fed.row);
    assert!(
        of_order.eq(rows.iter().cloned().map(Ok)),
        "the feed has other rows"
    );
    let dumped = store
        .dump(&DumpQuery {
            after: None,
            limit: 1000,
        })
        .await
        .unwrap();
    assert!(
        dumped.orders.iter().any(|dumped| dumped.journal == rows),
        "the dump has other rows"
    );
    rows.into_iter().map(|row| row.notes).collect()
}

/// An order of five rows with notes and a third without, full of what is personal.
async fn with_notes<S: OrderStore>(store: &S, n: u64) -> Arc<Order> {
    let order = applied(store, noted(place_in(full(n), 2))).await;
    let order = applied(store, amend(&order, |_| {})).await;
    applied(store, noted(amend_in(&order, 3, |_| {}))).await
}

pub(super) async fn c24_redaction_erases_the_notes_of_all_rows_before_it<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = with_notes(&store, 1).await;
    let other = with_notes(&store, 2).await;
    let (before, others) = (journal(&store, order.id).await, notes(&store, &other).await);
    assert!(
        before
            .iter()
            .map(|row| row.notes.is_some())
            .eq([true, true, false, true, true, true])
    );
    let own = Some("note on row 7: Ada's".to_owned());
    let order = applied(&store, noted(redacting(&order))).await;
    assert_eq!(
        notes(&store, &order).await,
        [None, None, None, None, None, None, own.clone()]
    );
    let after = journal(&store, order.id).await;
    for (mut before, after) in before.into_iter().zip(after) {
        before.notes = None;
        assert_eq!(after, before, "nothing else of a row changes");
    }
    assert_eq!(notes(&store, &other).await, others, "nor another order's");
    let order = applied(&store, noted(amend(&order, |_| {}))).await;
    assert_eq!(
        notes(&store, &order).await[6..],
        [own, Some("note on row 8: Ada's".into())]
    );
}

pub(super) async fn c24_redaction_takes_what_is_personal_off_the_order<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = with_notes(&store, 1).await;
    let order = round_trips(&store, redacting(&order)).await;
    let dumped = store
        .dump(&DumpQuery {
            after: None,
            limit: 1,
        })
        .await
        .unwrap()
        .orders
        .remove(0)
        .order;
    let listed = store
        .list(&ListQuery::default())
        .await
        .unwrap()
        .orders
        .remove(0);
    for read in [load(&store, order.id).await.order, dumped, listed] {
        assert_eq!(read, order);
        assert!(read.redacted_at.is_some());
        let personal = [
            read.addresses.get().is_some(),
            read.notes.get().is_some(),
            read.metadata.get().is_some(),
        ];
        assert_eq!(personal, [false; 3]);
        assert!(read.payments.iter().all(|p| p.token.get().is_none()
            && p.return_url.get().is_none()
            && p.action.get().is_none()));
        assert!(read.edits.iter().all(|edit| edit.address.get().is_none()));
    }
}

pub(super) async fn c24_only_the_changeset_that_redacts_erases<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = with_notes(&store, 1).await;
    let kept = notes(&store, &order).await;
    applied(&store, amend_in(&order, 0, redact)).await;
    assert_eq!(
        notes(&store, &order).await,
        kept,
        "without rows nothing is erased"
    );
    let order = applied(&store, noted(redacting(&order))).await;
    let order = applied(&store, noted(amend_in(&order, 2, |_| {}))).await;
    let kept = notes(&store, &order).await;
    let order = applied(&store, amend(&order, |order| order.round += 1)).await;
    assert_eq!(notes(&store, &order).await[..9], kept);
    let restored = Order {
        redacted_at: Some(at(3)),
        ..plain(2)
    };
    let restored = applied(&store, noted(place_in(restored, 3))).await;
    applied(&store, amend(&restored, |_| {})).await;
    assert!(
        notes(&store, &restored)
            .await
            .iter()
            .map(Option::is_some)
            .eq([true, true, true, false])
    );
}

pub(super) async fn c24_nothing_brings_back_what_was_erased<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let placing = noted(place_in(full(1), 2));
    let placed = applied(&store, placing.clone()).await;
    let noting = noted(amend(&placed, |_| {}));
    let order = applied(&store, noting.clone()).await;
    let redaction = redacting(&order);
    let order = applied(&store, redaction.clone()).await;
    for again in [placing, noting, redaction] {
        assert!(store.commit(again).await.unwrap().replayed);
        assert_eq!(notes(&store, &order).await, [None, None, None, None]);
        assert!(load(&store, order.id).await.order == order);
    }
    // Whoever has read the order before may still write it, but only with its version.
    refused!(
        store.commit(noted(amend(&placed, |_| {}))).await,
        CommitError::Conflict
    );
    assert!(load(&store, order.id).await.order == order);
}

pub(super) async fn c24_a_refused_redaction_erases_nothing<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let before = applied(&store, noted(place_in(full(1), 2))).await;
    let order = applied(&store, noted(amend(&before, |_| {}))).await;
    let kept = notes(&store, &order).await;
    refused!(
        store.commit(redacting(&before)).await,
        CommitError::Conflict
    );
    assert_eq!(notes(&store, &order).await, kept);
    assert!(load(&store, order.id).await.order == order);
}
