//! `order check`: the invariants over a whole store, and against the shop's own ledgers.
//!
//! Right also while orders are under way: an order that changes while it is looked at is looked at
//! again.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::output::{counted, shortened};
use order_core::audit::{
    Breach, CHECKED_ALWAYS, CHECKED_AT_REST, FeedAudit, INVARIANTS, check_at_rest, check_order,
};
use order_core::error::Error;
use order_core::ids::OrderId;
use order_core::manager::OrderManager;
use order_core::number::OrderNumber;
use order_core::order::{
    JournalRow, OperationKind, OperationOrigin, OperationState, Order, Reservation,
    ReservationState,
};
use order_core::rules::{Purpose, key, next};
use order_core::services::Clients;
use order_core::store::{
    FeedQuery, JournalQuery, ListQuery, Loaded, OrderStore, StoreError, Tries, Unreadable,
};
use order_store_sqlite::shop::{
    DeskPayment, ReservationRow, ReservationState as ShelfState, ShelfRow, Shop, ShopError,
};

/// How often an order that keeps changing is looked at again before it is left for the next check.
const LOOKS_MAX: u32 = 20;
/// How many orders, and journal rows, are read at a time.
const PAGE: u32 = 500;
/// How many characters of the first breach a summary quotes; some quote whole records.
const SUMMARY_MAX: usize = 200;
/// Invariants of an order that need more than its own records.
const CHECKED_HERE: &[&str] = &["I12", "I14"];
/// Invariants that compare an order with the shop's ledgers.
const CHECKED_WITH_SHOP: &[&str] = &["I6", "I15", "I17", "I20", "I21"];

/// What a check found.
#[derive(Debug, Default)]
pub struct Findings {
    /// How often each invariant was tested.
    pub checked: BTreeMap<&'static str, u64>,
    /// What does not hold, each with the order or SKU it is about.
    pub breaches: Vec<(String, Breach)>,
    /// How many orders were looked at.
    pub orders: u64,
    /// Orders that changed faster than they could be looked at.
    pub skipped: u64,
}

/// Why a check could not be made.
#[derive(Debug)]
pub enum AuditError {
    /// The store cannot be read.
    Store(StoreError),
    /// The shop cannot be read.
    Shop(ShopError),
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        AuditError::Store(error)
    }
}

impl From<ShopError> for AuditError {
    fn from(error: ShopError) -> Self {
        AuditError::Shop(error)
    }
}

impl Findings {
    /// Whether anything does not hold.
    pub fn is_breached(&self) -> bool {
        !self.breaches.is_empty()
    }

    /// What was found, in a sentence.
    pub fn summary(&self) -> String {
        let checked: u64 = self.checked.values().sum();
        let breaches = match self.breaches.len() {
            1 => "1 breach".to_owned(),
            n => format!("{n} breaches"),
        };
        format!(
            "{}, {}, {breaches}",
            counted(self.orders, "order"),
            counted(checked, "check")
        )
    }

    /// What does not hold, the first of it.
    pub fn first_breach(&self) -> String {
        self.breaches
            .first()
            .map_or_else(String::new, |(about, breach)| {
                shortened(&format!("{about}: {breach}"), SUMMARY_MAX)
            })
    }

    fn count(&mut self, invariants: &[&'static str]) {
        for id in invariants {
            *self.checked.entry(id).or_default() += 1;
        }
    }

    fn add(&mut self, about: impl ToString, breaches: Vec<Breach>) {
        let about = about.to_string();
        self.breaches
            .extend(breaches.into_iter().map(|b| (about.clone(), b)));
    }
}

/// Tests every order of the manager's store, and the shop if there is one.
pub async fn audit<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    shop: Option<&Shop>,
) -> Result<Findings, AuditError> {
    let mut findings = Findings::default();
    let mut seen: HashSet<OrderId> = HashSet::new();
    let mut numbers: HashMap<OrderNumber, OrderId> = HashMap::new();
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
                findings.add(
                    order.number,
                    vec![Breach {
                        invariant: "I14",
                        detail,
                    }],
                );
            }
            check_one(manager, shop, order.id, &mut findings).await?;
        }
        for Unreadable { order, reason } in page.unreadable {
            seen.insert(order);
            findings.orders += 1;
            findings.add(
                order,
                vec![Breach {
                    invariant: "I24",
                    detail: format!("it cannot be read: {reason}"),
                }],
            );
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    check_feed(manager.store(), &versions, &mut findings).await?;
    if let Some(shop) = shop {
        check_shop(manager, shop, &seen, &mut findings).await?;
    }
    Ok(findings)
}

/// I23: the feed, read after the orders, shows at least all that they were seen to consist of.
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
            findings.add(row.number, feed.row(row).into_iter().collect());
            if let Err(unreadable) = &row.row {
                let detail = format!(
                    "row {} of its journal cannot be read: {}",
                    row.seq, unreadable.reason
                );
                findings.add(
                    row.number,
                    vec![Breach {
                        invariant: "I24",
                        detail,
                    }],
                );
            }
        }
        if page.rows.len() < PAGE as usize {
            break;
        }
    }
    for (number, id, version) in versions {
        findings.count(&["I23"]);
        findings.add(number, feed.order(*id, *version).into_iter().collect());
    }
    Ok(())
}

/// One order at one moment, with all that belongs to it.
struct Picture {
    loaded: Loaded,
    journal: Vec<JournalRow>,
    shelf: Option<(Vec<ReservationRow>, Vec<DeskPayment>)>,
}

async fn check_one<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    shop: Option<&Shop>,
    id: OrderId,
    findings: &mut Findings,
) -> Result<(), AuditError> {
    findings.orders += 1;
    for _ in 0..LOOKS_MAX {
        let Some(picture) = take_picture(manager.store(), shop, id).await? else {
            continue;
        };
        let order = &picture.loaded.order;
        let mut breaches = check_order(order, &picture.journal);
        findings.count(CHECKED_ALWAYS);
        check_work(manager, &picture.loaded, &mut breaches);
        findings.count(CHECKED_HERE);
        if picture.loaded.work.is_none() {
            breaches.extend(check_at_rest(order));
            findings.count(CHECKED_AT_REST);
        }
        if let Some((holds, payments)) = &picture.shelf {
            check_holds(order, holds, &mut breaches);
            check_payments(order, payments, &mut breaches);
            findings.count(CHECKED_WITH_SHOP);
        }
        findings.add(order.number, breaches);
        return Ok(());
    }
    findings.skipped += 1;
    Ok(())
}

/// Everything about an order, read while it did not change; `None` if it did.
async fn take_picture<S: OrderStore>(
    store: &S,
    shop: Option<&Shop>,
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
    let shelf = match shop {
        Some(shop) => Some((shop.holds_of(id).await?, shop.payments_of(id).await?)),
        None => None,
    };
    let same = store.load(id.into(), None).await?.is_some_and(|again| {
        let revision = |l: &Loaded| l.work.as_ref().map(|w| w.revision);
        again.order.version == loaded.order.version && revision(&again) == revision(&loaded)
    });
    Ok(same.then_some(Picture {
        loaded,
        journal,
        shelf,
    }))
}

/// I12: there is a work item exactly while something is left to do.
fn check_work<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    loaded: &Loaded,
    breaches: &mut Vec<Breach>,
) {
    let tries = loaded
        .work
        .as_ref()
        .map_or_else(Tries::default, |w| w.tries.clone());
    let plan = next(&loaded.order, &tries, &manager.env());
    let left = !plan.is_done();
    if left && loaded.work.is_none() {
        let detail = "something is left to do, and there is no work item".to_owned();
        breaches.push(Breach {
            invariant: "I12",
            detail,
        });
    }
    // The other way round, a worker that holds the item, or one that died with it, is yet to find
    // out.
    let leased = loaded
        .work
        .as_ref()
        .is_some_and(|w| w.fence.is_some() || w.due.is_some_and(|due| due <= manager.env().now));
    if !left && loaded.work.is_some() && !leased {
        breaches.push(Breach {
            invariant: "I12",
            detail: "nothing is left to do, and there is a work item".into(),
        });
    }
}

/// I15, I17, I20 and I21 against the inventory's ledger.
fn check_holds(order: &Order, holds: &[ReservationRow], breaches: &mut Vec<Breach>) {
    let mut breach = |invariant, detail| breaches.push(Breach { invariant, detail });
    for hold in holds {
        let named = order
            .reservations
            .iter()
            .find(|r| key(order.id, Purpose::Reserve, r.n) == hold.key);
        let Some(r) = named else {
            if hold.state == ShelfState::Held {
                breach(
                    "I17",
                    format!(
                        "the inventory holds {} {} under {}, which is none of the order's",
                        hold.held, hold.sku, hold.key
                    ),
                );
            }
            continue;
        };
        if hold.sku != r.sku || hold.quantity != r.quantity {
            breach(
                "I20",
                format!(
                    "reservation {} asks for {} {}, the inventory was asked for {} {}",
                    r.n, r.quantity, r.sku, hold.quantity, hold.sku
                ),
            );
        }
        if matches!(
            r.state,
            ReservationState::Planned | ReservationState::Dropped
        ) {
            breach(
                "I21",
                format!(
                    "reservation {} is {}, and the inventory was asked",
                    r.n, r.state
                ),
            );
        }
        let over = matches!(
            r.state,
            ReservationState::Refused
                | ReservationState::Released
                | ReservationState::Expired
                | ReservationState::Lost
        );
        if hold.state == ShelfState::Held && over {
            breach(
                "I15",
                format!(
                    "reservation {} is {}, and the inventory still holds it",
                    r.n, r.state
                ),
            );
        }
    }
    let settled = |r: &&Reservation| {
        matches!(
            r.state,
            ReservationState::Held | ReservationState::Committed
        ) && r.closing.is_none()
    };
    // What came from elsewhere never was in this inventory.
    for r in order
        .reservations
        .iter()
        .filter(settled)
        .filter(|r| !r.is_elsewhere())
    {
        let hold = holds
            .iter()
            .find(|h| h.key == key(order.id, Purpose::Reserve, r.n));
        let is = hold.map(|h| (h.held, h.committed));
        if is != Some((r.held(), r.committed)) {
            let is = is.map_or("it is unknown to it".into(), |(held, committed)| {
                format!("{held} held and {committed} committed")
            });
            let detail = format!(
                "reservation {} is {}, {} units held and {} committed, and for the inventory {is}",
                r.n,
                r.state,
                r.held(),
                r.committed
            );
            breach("I17", detail);
        }
    }
}

/// I6, I20 and I21 against the desk's ledger.
fn check_payments(order: &Order, payments: &[DeskPayment], breaches: &mut Vec<Breach>) {
    let mut breach = |invariant, detail| breaches.push(Breach { invariant, detail });
    for desk in payments {
        let Some(p) = order
            .payments
            .iter()
            .find(|p| key(order.id, Purpose::Payment, p.n) == desk.key)
        else {
            breach(
                "I6",
                format!(
                    "the desk knows a {} under {}, which is none of the order's",
                    desk.kind, desk.key
                ),
            );
            continue;
        };
        if desk.kind != p.kind || desk.amount != order.in_currency(p.amount) {
            let asked = order.in_currency(p.amount);
            breach(
                "I20",
                format!(
                    "payment {} is a {} of {asked}, the desk was asked for a {} of {}",
                    p.n, p.kind, desk.kind, desk.amount
                ),
            );
        }
        if matches!(p.state, OperationState::Planned | OperationState::Dropped) {
            breach(
                "I21",
                format!("payment {} is {}, and the desk was asked", p.n, p.state),
            );
        }
        let moved_on = |kind, state| -> i64 {
            let children = payments
                .iter()
                .filter(|c| c.parent == Some(desk.key) && c.kind == kind && c.status == state);
            children.map(|c| c.amount.minor).sum()
        };
        for (what, counted, adds_up_to) in [
            (
                "captured",
                desk.captured,
                moved_on(OperationKind::Capture, OperationState::Captured),
            ),
            (
                "refunded",
                desk.refunded,
                moved_on(OperationKind::Refund, OperationState::Refunded),
            ),
        ] {
            if counted != adds_up_to {
                let (counted, adds_up_to) =
                    (order.in_currency(counted), order.in_currency(adds_up_to));
                breach(
                    "I6",
                    format!(
                        "the desk counts {counted} of payment {} as {what}, and {what} {adds_up_to}",
                        p.n
                    ),
                );
            }
        }
        // While it is open the desk may know more than the order, and a void ends the attempt it
        // acts on.
        let settled = !p.state.is_open()
            && !matches!(
                desk.status,
                OperationState::Pending | OperationState::ActionRequired
            );
        let moved = |state| matches!(state, OperationState::Captured | OperationState::Refunded);
        if settled && moved(desk.status) != moved(p.state) {
            breach(
                "I6",
                format!(
                    "payment {} is {}, and for the desk it is {}",
                    p.n, p.state, desk.status
                ),
            );
        }
    }
    // What moved outside the engine passed no desk of ours.
    for p in order
        .payments
        .iter()
        .filter(|p| p.origin == OperationOrigin::Engine)
    {
        let known = payments
            .iter()
            .any(|d| d.key == key(order.id, Purpose::Payment, p.n));
        if !known && matches!(p.state, OperationState::Captured | OperationState::Refunded) {
            let kind = OperationKind::as_str(p.kind).to_lowercase();
            breach(
                "I6",
                format!(
                    "payment {} is a {kind} that is {}, and the desk does not know it",
                    p.n, p.state
                ),
            );
        }
    }
}

/// I6 and I17 the other way round: what the shop knows belongs to an order; and I18.
async fn check_shop<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    shop: &Shop,
    seen: &HashSet<OrderId>,
    findings: &mut Findings,
) -> Result<(), AuditError> {
    let held = shop
        .holds()
        .await?
        .into_iter()
        .filter(|h| h.state == ShelfState::Held);
    let mut named: BTreeMap<OrderId, &'static str> = held.map(|h| (h.order, "I17")).collect();
    named.extend(shop.payments().await?.into_iter().map(|p| (p.order, "I6")));
    for (id, invariant) in named.into_iter().filter(|(id, _)| !seen.contains(id)) {
        // It may have been placed since the list was read.
        findings.count(&[invariant]);
        if manager.store().load(id.into(), None).await?.is_none() {
            let detail = "the shop knows this order, and the store does not".to_owned();
            findings.add(id, vec![Breach { invariant, detail }]);
        }
    }
    for row in shop.shelf().await? {
        findings.count(&["I17", "I18"]);
        let mut breaches = Vec::new();
        check_stock(&row, &mut breaches);
        findings.add(&row.sku, breaches);
    }
    Ok(())
}

/// I17 and I18: what the stock counts is what the requests for it add up to.
fn check_stock(row: &ShelfRow, breaches: &mut Vec<Breach>) {
    let mut breach = |invariant, detail| breaches.push(Breach { invariant, detail });
    let Some(stock) = &row.stock else {
        if row.held + row.committed > 0 {
            breach(
                "I17",
                format!(
                    "{} held and {} committed of what has no stock",
                    row.held, row.committed
                ),
            );
        }
        return;
    };
    if stock.reserved != row.held {
        breach(
            "I17",
            format!(
                "{} counted as reserved, and {} held for orders",
                stock.reserved, row.held
            ),
        );
    }
    if stock.committed != row.committed {
        breach(
            "I18",
            format!(
                "{} counted as committed, and {} committed for orders",
                stock.committed, row.committed
            ),
        );
    }
    if stock.on_hand + stock.committed != stock.stocked {
        breach(
            "I18",
            format!(
                "{} committed and {} on hand of {} stocked",
                stock.committed, stock.on_hand, stock.stocked
            ),
        );
    }
}

/// Every invariant: its name, what must hold, and how often it was tested; none if no database can
/// show it.
pub fn coverage(findings: &Findings) -> Vec<(&'static str, &'static str, Option<u64>)> {
    let known = |id: &str| {
        let lists = [
            CHECKED_ALWAYS,
            CHECKED_AT_REST,
            CHECKED_HERE,
            CHECKED_WITH_SHOP,
            &["I18", "I23"],
        ];
        lists.iter().any(|list| list.contains(&id))
    };
    let of = |id: &str| known(id).then(|| findings.checked.get(id).copied().unwrap_or(0));
    INVARIANTS
        .iter()
        .map(|i| (i.id, i.text, of(i.id)))
        .collect()
}

impl From<AuditError> for crate::exit::Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(store) => Error::from(store).into(),
            AuditError::Shop(shop) => shop.into(),
        }
    }
}
