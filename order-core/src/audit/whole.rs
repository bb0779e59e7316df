//! Every order of a store, its feed, and the services' ledgers, all in one go.
//!
//! Right also while orders are under way: an order that changes while it is looked at is looked at
//! again.

use std::collections::{BTreeMap, BTreeSet};

use super::ledgers::{
    LedgerError, Ledgers, PaymentRecord, ReservationRecord, check_payments, check_reservations,
    check_stock,
};
use super::{
    Breach, CHECKED_ALWAYS, CHECKED_AT_REST, FeedAudit, Invariant, check_at_rest, check_order,
};
use crate::ids::OrderId;
use crate::manager::OrderManager;
use crate::number::OrderNumber;
use crate::order::JournalRow;
use crate::rules::next;
use crate::services::Clients;
use crate::store::{
    FeedQuery, JournalQuery, ListQuery, Loaded, OrderStore, StoreError, Tries, Unreadable,
};

/// The number of times an order that keeps changing is looked at before it is left for the next
/// check.
const LOOKS_MAX: u32 = 20;
/// The number of orders, and of journal rows, that are read at a time.
const PAGE: u32 = 500;
/// Invariants of an order that need more than its own records: its work item, the other orders, the
/// store.
const CHECKED_HERE: &[Invariant] = &[Invariant::WorkItem, Invariant::Numbers, Invariant::Readable];
/// Invariants that compare an order with the services' ledgers.
const CHECKED_BY_ORDER: &[Invariant] = &[
    Invariant::ChargesKnown,
    Invariant::DeadHoldsNothing,
    Invariant::ReservationsKnown,
    Invariant::DerivedKeys,
    Invariant::IntentFirst,
];
/// Invariants of the store or of the stock as a whole.
const CHECKED_OF_ALL: &[Invariant] = &[Invariant::CommittedStock, Invariant::Feed];

/// The result of a check of a whole store.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Findings {
    /// The number of times each invariant was tested.
    pub checked: BTreeMap<Invariant, u64>,
    /// The breaches, each with the order or SKU it is about.
    pub breaches: Vec<(String, Breach)>,
    /// The number of orders that were looked at.
    pub orders: u64,
    /// The number of orders that changed faster than they could be looked at.
    pub skipped: u64,
}

impl Findings {
    /// Returns true if anything does not hold.
    pub fn is_breached(&self) -> bool {
        !self.breaches.is_empty()
    }

    /// Returns every invariant with the number of times it was tested; `None` for those that no
    /// store can show.
    pub fn coverage(&self) -> Vec<(Invariant, Option<u64>)> {
        let lists = [
            CHECKED_ALWAYS,
            CHECKED_AT_REST,
            CHECKED_HERE,
            CHECKED_BY_ORDER,
            CHECKED_OF_ALL,
        ];
        let known = |i: Invariant| lists.iter().any(|list| list.contains(&i));
        let times = |i: Invariant| known(i).then(|| self.checked.get(&i).copied().unwrap_or(0));
        Invariant::ALL.iter().map(|i| (*i, times(*i))).collect()
    }

    fn count(&mut self, invariants: &[Invariant]) {
        for invariant in invariants {
            *self.checked.entry(*invariant).or_default() += 1;
        }
    }

    fn add(&mut self, about: impl ToString, breaches: impl IntoIterator<Item = Breach>) {
        let about = about.to_string();
        self.breaches
            .extend(breaches.into_iter().map(|b| (about.clone(), b)));
    }
}

/// A check that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// A ledger cannot be read.
    #[error("the services' ledgers cannot be read")]
    Ledger(#[source] LedgerError),
}

/// Tests the invariants over every order of the manager's store and over its feed, and compares the
/// orders with the services' ledgers if there are any.
///
/// # Errors
///
/// [`AuditError`] if something cannot be read at all. An order that cannot be read is a breach.
pub async fn check_store<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    ledgers: Option<&dyn Ledgers>,
) -> Result<Findings, AuditError> {
    let mut findings = Findings::default();
    let mut seen: BTreeSet<OrderId> = BTreeSet::new();
    let mut numbers: BTreeMap<OrderNumber, OrderId> = BTreeMap::new();
    let mut versions: Vec<(OrderNumber, OrderId, u64)> = Vec::new();
    let mut after = None;
    loop {
        let query = ListQuery {
            limit: PAGE,
            after: after.take(),
            ..ListQuery::default()
        };
        let page = manager.store().list(&query).await?;
        for order in page.orders {
            seen.insert(order.id);
            versions.push((order.number, order.id, order.version));
            if let Some(other) = numbers
                .insert(order.number, order.id)
                .filter(|other| *other != order.id)
            {
                let detail = format!("order {other} has the same number");
                findings.add(order.number, [breach(Invariant::Numbers, detail)]);
            }
            check_one(manager, ledgers, order.id, &mut findings).await?;
        }
        for Unreadable { order, reason } in page.unreadable {
            seen.insert(order);
            findings.orders += 1;
            findings.count(&[Invariant::Readable]);
            let detail = format!("it cannot be read: {reason}");
            findings.add(order, [breach(Invariant::Readable, detail)]);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    check_feed(manager.store(), &versions, &mut findings).await?;
    if let Some(ledgers) = ledgers {
        check_strangers(manager.store(), ledgers, &seen, &mut findings).await?;
        for record in ledgers.stock().await.map_err(AuditError::Ledger)? {
            findings.count(&[Invariant::ReservationsKnown, Invariant::CommittedStock]);
            findings.add(&record.sku, check_stock(&record));
        }
    }
    Ok(findings)
}

fn breach(invariant: Invariant, detail: String) -> Breach {
    Breach { invariant, detail }
}

/// Tests that the feed, read after the orders, shows at least all that they were seen to consist of
/// (I23).
async fn check_feed<S: OrderStore>(
    store: &S,
    versions: &[(OrderNumber, OrderId, u64)],
    findings: &mut Findings,
) -> Result<(), AuditError> {
    let mut feed = FeedAudit::default();
    let mut after = None;
    loop {
        let page = store
            .feed(&FeedQuery {
                after: after.take(),
                limit: PAGE,
            })
            .await?;
        after = Some(page.next);
        for row in &page.rows {
            findings.add(row.number, feed.row(row));
            if let Err(unreadable) = &row.row {
                let detail = format!(
                    "row {} of its journal cannot be read: {}",
                    row.seq, unreadable.reason
                );
                findings.add(row.number, [breach(Invariant::Readable, detail)]);
            }
        }
        if page.rows.len() < PAGE as usize {
            break;
        }
    }
    for (number, id, version) in versions {
        findings.count(&[Invariant::Feed]);
        findings.add(number, feed.order(*id, *version));
    }
    Ok(())
}

/// One order at one moment, with all that belongs to it.
struct Picture {
    loaded: Loaded,
    journal: Vec<JournalRow>,
    records: Option<(Vec<ReservationRecord>, Vec<PaymentRecord>)>,
}

async fn check_one<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    ledgers: Option<&dyn Ledgers>,
    id: OrderId,
    findings: &mut Findings,
) -> Result<(), AuditError> {
    findings.orders += 1;
    for _ in 0..LOOKS_MAX {
        let Some(picture) = take_picture(manager.store(), ledgers, id).await? else {
            continue;
        };
        let order = &picture.loaded.order;
        let mut breaches = check_order(order, &picture.journal);
        findings.count(CHECKED_ALWAYS);
        breaches.extend(check_work(manager, &picture.loaded));
        findings.count(CHECKED_HERE);
        if picture.loaded.work.is_none() {
            breaches.extend(check_at_rest(order));
            findings.count(CHECKED_AT_REST);
        }
        if let Some((reservations, payments)) = &picture.records {
            breaches.extend(check_reservations(order, reservations));
            breaches.extend(check_payments(order, payments));
            findings.count(CHECKED_BY_ORDER);
        }
        findings.add(order.number, breaches);
        return Ok(());
    }
    findings.skipped += 1;
    Ok(())
}

/// Reads everything about an order while it does not change; `None` if it did.
async fn take_picture<S: OrderStore>(
    store: &S,
    ledgers: Option<&dyn Ledgers>,
    id: OrderId,
) -> Result<Option<Picture>, AuditError> {
    let Some(loaded) = store.load(id.into(), None).await? else {
        return Ok(None);
    };
    let mut journal: Vec<JournalRow> = Vec::new();
    loop {
        let after = journal.last().map_or(0, |r| r.seq);
        let rows = store.journal(&JournalQuery::of(id, after, PAGE)).await?;
        let last = rows.len() < PAGE as usize;
        journal.extend(rows);
        if last {
            break;
        }
    }
    let records = match ledgers {
        Some(ledgers) => {
            let reservations = ledgers.reservations_of(id).await;
            let payments = ledgers.payments_of(id).await;
            Some((
                reservations.map_err(AuditError::Ledger)?,
                payments.map_err(AuditError::Ledger)?,
            ))
        }
        None => None,
    };
    let same = store.load(id.into(), None).await?.is_some_and(|again| {
        let revision = |l: &Loaded| l.work.as_ref().map(|w| w.revision);
        again.order.version == loaded.order.version && revision(&again) == revision(&loaded)
    });
    Ok(same.then_some(Picture {
        loaded,
        journal,
        records,
    }))
}

/// Tests that there is a work item exactly while something is left to do (I12).
fn check_work<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    loaded: &Loaded,
) -> Option<Breach> {
    let work = loaded.work.as_ref();
    let tries = work.map_or_else(Tries::default, |w| w.tries.clone());
    let env = manager.env();
    let left = !next(&loaded.order, &tries, &env).is_done();
    match (left, work) {
        (true, None) => {
            let detail = "something is left to do, and there is no work item";
            Some(breach(Invariant::WorkItem, detail.to_owned()))
        }
        // The other way round, a worker that has the item, or one that died with it, is yet to find
        // out.
        (false, Some(w)) if w.fence.is_none() && w.due.is_none_or(|due| due > env.now) => {
            let detail = "nothing is left to do, and there is a work item";
            Some(breach(Invariant::WorkItem, detail.to_owned()))
        }
        _ => None,
    }
}

/// Tests that every order the ledgers know is one of the store's (I6, I17).
async fn check_strangers<S: OrderStore>(
    store: &S,
    ledgers: &dyn Ledgers,
    seen: &BTreeSet<OrderId>,
    findings: &mut Findings,
) -> Result<(), AuditError> {
    let with_stock = ledgers.orders_with_stock().await;
    let with_payments = ledgers.orders_with_payments().await;
    let mut named: BTreeMap<OrderId, Invariant> = BTreeMap::new();
    named.extend(
        with_stock
            .map_err(AuditError::Ledger)?
            .into_iter()
            .map(|id| (id, Invariant::ReservationsKnown)),
    );
    named.extend(
        with_payments
            .map_err(AuditError::Ledger)?
            .into_iter()
            .map(|id| (id, Invariant::ChargesKnown)),
    );
    for (id, invariant) in named.into_iter().filter(|(id, _)| !seen.contains(id)) {
        // It may have been placed since the list was read.
        findings.count(&[invariant]);
        if store.load(id.into(), None).await?.is_none() {
            let detail = "the shop knows this order, and the store does not".to_owned();
            findings.add(id, [breach(invariant, detail)]);
        }
    }
    Ok(())
}
