//! The provided methods of [`OrderStore`], which every store has without writing them, on top of
//! the required ones.

use super::{
    Cursor, DumpPage, DumpQuery, Dumped, JournalQuery, ListQuery, Loaded, OrderPage, OrderStore,
    StoreError, StoreErrorKind, Unreadable, WorkItem, WorkSummary,
};
use crate::ids::OrderId;
use crate::order::JournalRow;
use crate::time::Timestamp;

/// The number of orders, or journal rows, that are read at a time.
const PAGE: u32 = 200;

/// Every order with open work is loaded. Without a clock of the store's own, a lease counts as held
/// as long as it is there.
pub(super) async fn work_summary<S: OrderStore + ?Sized>(
    store: &S,
) -> Result<WorkSummary, StoreError> {
    let mut query = ListQuery {
        open_work: true,
        limit: PAGE,
        decides: true,
        ..ListQuery::default()
    };
    let mut summary = WorkSummary::default();
    loop {
        let OrderPage {
            orders,
            unreadable,
            next,
            total: _,
        } = store.list(&query).await?;
        summary.total += unreadable.len() as u64;
        for order in orders {
            let loaded = store.load(order.id.into(), None).await?;
            if let Some(item) = loaded.and_then(|loaded| loaded.work) {
                count(&mut summary, &item);
            }
        }
        if next.is_none() {
            return Ok(summary);
        }
        query.after = next;
    }
}

fn count(summary: &mut WorkSummary, item: &WorkItem) {
    summary.total += 1;
    summary.stuck += u64::from(item.due.is_none());
    match item.leased_until {
        Some(until) => summary.leased_until = summary.leased_until.max(Some(until)),
        None => summary.next_due = earlier(summary.next_due, item.due),
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

pub(super) async fn dump<S: OrderStore + ?Sized>(
    store: &S,
    query: &DumpQuery,
) -> Result<DumpPage, StoreError> {
    query.check()?;
    // It is to be everything.
    let decides = true;
    let query = ListQuery {
        after: query.after.map(Cursor::after_id),
        limit: query.limit,
        decides,
        ..ListQuery::default()
    };
    let OrderPage {
        orders,
        unreadable,
        next,
        total: _,
    } = store.list(&query).await?;
    let mut page = DumpPage {
        orders: Vec::with_capacity(orders.len()),
        unreadable,
        next: next.map(|cursor| cursor.id),
    };
    for order in orders {
        match dumped(store, order.id).await {
            Ok(dumped) => page.orders.extend(dumped),
            Err(e) if e.kind == StoreErrorKind::Corrupt => {
                page.unreadable.push(Unreadable {
                    order: order.id,
                    reason: e.to_string(),
                });
            }
            Err(e) => return Err(e),
        }
    }
    Ok(page)
}

/// The order as it is now, with the journal rows that made it what it is.
pub(crate) async fn dumped<S: OrderStore + ?Sized>(
    store: &S,
    id: OrderId,
) -> Result<Option<Dumped>, StoreError> {
    let Some(Loaded {
        order,
        work: _,
        key,
    }) = store.load(id.into(), None).await?
    else {
        return Ok(None);
    };
    let mut journal: Vec<JournalRow> = Vec::new();
    loop {
        let after = journal.last().map_or(0, |row| row.seq);
        let page = store.journal(&JournalQuery::of(id, after, PAGE)).await?;
        let over = page.len() < PAGE as usize;
        journal.extend(page.into_iter().take_while(|row| row.seq <= order.version));
        if over || journal.last().is_none_or(|row| row.seq == order.version) {
            return Ok(Some(Dumped {
                order,
                journal,
                key,
            }));
        }
    }
}
