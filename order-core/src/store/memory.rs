//! [`MemoryStore`]: the storage contract in memory, for tests, simulations and programs that need no durability.

mod feed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Changeset, ClaimChange, ClaimRequest, Claimed, CommitError, Committed, Cursor, DumpQuery, Dumped, FeedPage, FeedQuery,
    JournalQuery, KeyMethod, KeyRecord, KeyUse, ListQuery, Loaded, OrderPage, OrderRef, OrderStore, Peek, SortKey, StoreError,
    StoreErrorKind, Tries, WorkChange, WorkItem, WorkSummary,
};
use crate::ids::{ChangesetId, IdempotencyKey, OrderId, UserId};
use crate::number::OrderNumber;
use crate::order::{CommandKey, Event, JournalRow, Order};
use crate::planted::{Bug, planted};
use crate::runtime::Clock;
use crate::text::Private;
use crate::time::Timestamp;

/// An [`OrderStore`] that forgets everything when it is dropped.
///
/// Everything stands behind one lock in ordered maps, so that the same calls in the same order give the same answers.
/// Orders are shared, never copied, on the way in and out.
pub struct MemoryStore {
    /// What cursors of its feed name it by.
    id: Uuid,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store that judges due and lease times by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        MemoryStore { id: another_id(clock.now()), clock, state: Mutex::default() }
    }

    /// Every order as it is now, by id.
    pub fn orders(&self) -> Vec<Arc<Order>> {
        self.state().orders.values().map(|row| Arc::clone(&row.order)).collect()
    }

    /// The journal of an order; empty if there is no such order.
    pub fn journal_of(&self, order: OrderId) -> Vec<JournalRow> {
        self.state().orders.get(&order).map_or_else(Vec::new, |row| row.journal.clone())
    }

    /// Lets `look` see an order with its journal and its work item, without copying them; `None` if there is no such order.
    ///
    /// The store is locked meanwhile: `look` must not call it.
    pub fn inspect<R>(&self, order: OrderId, look: impl FnOnce(&Arc<Order>, &[JournalRow], Option<&WorkItem>) -> R) -> Option<R> {
        self.state().orders.get(&order).map(|row| look(&row.order, &row.journal, row.work.as_ref()))
    }

    /// How many uses of each claimed thing are taken.
    pub fn claims_in_use(&self) -> BTreeMap<String, u32> {
        self.state().claims.clone()
    }

    /// A changeset is checked in full before anything is written, so what a panicking holder of the lock left is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unlike that of any other store: within the program by a count, and otherwise, as nothing of the store outlives the program,
/// by the time. Derived, because the core draws nothing here.
fn another_id(now: Timestamp) -> Uuid {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!("memory store {} of {}", MADE.fetch_add(1, Ordering::Relaxed), now.as_micros());
    Uuid::new_v5(&Uuid::nil(), name.as_bytes())
}

#[derive(Default)]
struct State {
    orders: BTreeMap<OrderId, Row>,
    numbers: BTreeMap<OrderNumber, OrderId>,
    keys: BTreeMap<(UserId, KeyMethod, IdempotencyKey), KeyRecord>,
    claims: BTreeMap<String, u32>,
    /// Every changeset that wrote journal rows, as they were applied.
    feed: Vec<feed::Entry>,
    /// How many work items there are.
    items: u64,
    /// Work items that are not stuck, by due time.
    due: TimeIndex,
    /// Work items with a lease, held or run out, by its end.
    leases: TimeIndex,
}

struct Row {
    order: Arc<Order>,
    journal: Vec<JournalRow>,
    work: Option<WorkItem>,
    /// Names of the claims it holds.
    claims: BTreeSet<String>,
}

impl Row {
    fn row_is_by(&self, seq: u64, changeset: ChangesetId) -> bool {
        let at = usize::try_from(seq).ok().and_then(|seq| seq.checked_sub(1));
        at.and_then(|at| self.journal.get(at)).is_some_and(|row| row.changeset == changeset)
    }
}

/// A claim as a changeset leaves it.
struct Tally<'a> {
    name: &'a str,
    held: bool,
    in_use: u32,
}

impl State {
    /// Clause 3 from top to bottom, then what cannot fail.
    fn commit(&mut self, changeset: Changeset, now: Timestamp) -> Result<Committed, CommitError> {
        let expected = changeset.expected();
        let Changeset { id, before, after, mut journal, key, claims, work } = changeset;
        debug_assert_eq!(after.version, expected + journal.len() as u64, "the version counts the journal rows");
        debug_assert!(
            (expected + 1..).zip(&journal).all(|(seq, row)| row.seq == seq && row.order == after.id),
            "journal rows are numbered from the expected version on, and carry their order"
        );
        debug_assert!(
            journal.iter().enumerate().all(|(at, row)| row.changeset == id || at > 0 && before.is_none()),
            "the first journal row carries its changeset's id, and so do all but those of an order that is restored"
        );
        debug_assert!(
            key.as_ref().is_none_or(|key| key.order == after.id && key.user == after.user),
            "an idempotency key names the changeset's order and its user"
        );
        // Clause 5: without journal rows there is nothing but the work item and the notified number.
        let writes_order = !journal.is_empty();
        let key = key.filter(|_| writes_order);
        let claims: &[ClaimChange] = if writes_order { &claims } else { &[] };

        let row = self.orders.get(&after.id);
        if row.is_some_and(|row| row.row_is_by(expected + 1, id)) {
            return Ok(Committed { replayed: true, revision: 0 });
        }
        if let Some(record) = key.as_ref().and_then(|key| self.keys.get(&(key.user, key.method, key.key.clone()))) {
            return Err(CommitError::KeyTaken(Box::new(record.clone())));
        }
        if let Some(used) = command_key_use(row, &journal) {
            return Err(CommitError::CommandKeyTaken(used));
        }
        let item = row.and_then(|row| row.work.as_ref());
        let lease = work.fence();
        if lease.is_some_and(|(fence, _)| item.and_then(|item| item.fence) != Some(fence)) {
            return Err(CommitError::Fenced);
        }
        let tallies = self.tally(row, claims)?;
        let unchanged = match row {
            Some(row) => !writes_order || row.order.version == expected,
            None => writes_order && expected == 0,
        };
        if !unchanged || lease.is_some_and(|(_, revision)| item.map(|item| item.revision) != Some(revision)) {
            return Err(CommitError::Conflict);
        }
        if row.is_none() && self.numbers.contains_key(&after.number) {
            return Err(CommitError::NumberTaken);
        }

        for row in &mut journal {
            forget_private(&mut row.event);
        }
        let order_id = after.id;
        if writes_order {
            self.publish(order_id, expected + 1, journal.len());
        }
        match self.orders.get_mut(&order_id) {
            Some(row) => {
                debug_assert_eq!(row.order.number, after.number, "an order's number never changes");
                let notified = after.notified.max(row.order.notified);
                if writes_order {
                    if after.redacted_at.is_some()
                        && before.is_some_and(|before| before.redacted_at.is_none())
                        && !planted(Bug::RedactionKeepsNotes)
                    {
                        row.journal.iter_mut().for_each(|row| row.notes = None);
                    }
                    row.order = after;
                    row.journal.append(&mut journal);
                }
                told_up_to(&mut row.order, notified);
            }
            None => {
                self.numbers.insert(after.number, order_id);
                self.orders.insert(order_id, Row { order: after, journal, work: None, claims: BTreeSet::new() });
            }
        }
        self.settle(order_id, &tallies);
        if let Some(key) = key {
            self.keys.insert((key.user, key.method, key.key.clone()), key);
        }
        Ok(Committed { replayed: false, revision: self.change_work(order_id, work, now) })
    }

    /// What the claims become, in the order of the changes; refused if one of them is exhausted.
    fn tally<'a>(&self, row: Option<&Row>, changes: &'a [ClaimChange]) -> Result<Vec<Tally<'a>>, CommitError> {
        let mut tallies: Vec<Tally<'a>> = Vec::new();
        for change in changes {
            let name = change.claim.name.as_str();
            let at = tallies.iter().position(|t| t.name == name).unwrap_or_else(|| {
                let held = row.is_some_and(|row| row.claims.contains(name));
                tallies.push(Tally { name, held, in_use: self.claims.get(name).copied().unwrap_or(0) });
                tallies.len() - 1
            });
            let tally = &mut tallies[at];
            match (change.take, tally.held) {
                (true, false) if tally.in_use >= change.claim.limit => {
                    return Err(CommitError::ClaimExhausted { name: name.into() });
                }
                (true, false) => tally.in_use += 1,
                (false, true) => tally.in_use -= 1,
                (true, true) | (false, false) => {}
            }
            tally.held = change.take;
        }
        Ok(tallies)
    }

    fn settle(&mut self, order: OrderId, tallies: &[Tally<'_>]) {
        let Some(row) = self.orders.get_mut(&order) else { return };
        for &Tally { name, held, in_use } in tallies {
            if held {
                row.claims.insert(name.into());
            } else {
                row.claims.remove(name);
            }
            if in_use > 0 {
                self.claims.insert(name.into(), in_use);
            } else {
                self.claims.remove(name);
            }
        }
    }

    /// Returns the item's revision afterwards.
    fn change_work(&mut self, order: OrderId, change: WorkChange, now: Timestamp) -> u64 {
        let Some(row) = self.orders.get_mut(&order) else { return 0 };
        if change == WorkChange::Keep {
            return row.work.as_ref().map_or(0, |item| item.revision);
        }
        let before = row.work.take();
        unindex(&mut self.due, before.as_ref().and_then(|item| item.due), order);
        unindex(&mut self.leases, before.as_ref().and_then(|item| item.leased_until), order);
        self.items -= u64::from(before.is_some());
        let Some(item) = work_after(change, before, now) else { return 0 };
        self.items += 1;
        self.due.extend(item.due.map(|due| (due, order)));
        self.leases.extend(item.leased_until.map(|until| (until, order)));
        row.work.insert(item).revision
    }

    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Vec<Claimed> {
        let limit = request.limit as usize;
        let free = |order: &OrderId| self.item(order).is_some_and(|item| !is_held(item, now));
        let orders: Vec<OrderId> = match request.order {
            Some(order) => {
                let due = self.item(&order).is_some_and(|item| item.due.is_some());
                Some(order).filter(free).filter(|_| due).into_iter().take(limit).collect()
            }
            None => {
                let due = self.due.iter().take_while(|(due, _)| *due <= now);
                due.map(|(_, order)| *order).filter(free).take(limit).collect()
            }
        };
        let until = now.after(request.ttl);
        let mut claimed = Vec::with_capacity(orders.len());
        for id in orders {
            let Some(Row { order, work: Some(item), .. }) = self.orders.get_mut(&id) else { continue };
            unindex(&mut self.leases, item.leased_until, id);
            self.leases.insert((until, id));
            let taken_over = item.fence.replace(request.fence).is_some();
            item.leased_until = Some(until);
            item.taken_over = taken_over;
            item.revision += 1;
            claimed.push(Claimed { order: Arc::clone(order), work: item.clone() });
        }
        claimed
    }

    fn item(&self, order: &OrderId) -> Option<&WorkItem> {
        self.orders.get(order).and_then(|row| row.work.as_ref())
    }

    fn summary(&self, now: Timestamp) -> WorkSummary {
        let free = |order: &OrderId| self.item(order).is_some_and(|item| !is_held(item, now));
        WorkSummary {
            total: self.items,
            stuck: self.items - self.due.len() as u64,
            next_due: self.due.iter().find(|(_, order)| free(order)).map(|(due, _)| *due),
            leased_until: self.leases.last().map(|(until, _)| *until).filter(|until| *until > now),
        }
    }

    fn load(&self, order: OrderRef, owner: Option<UserId>) -> Option<Loaded> {
        let id = match order {
            OrderRef::Id(id) => id,
            OrderRef::Number(number) => *self.numbers.get(&number)?,
        };
        let row = self.orders.get(&id).filter(|row| owner.is_none_or(|owner| row.order.user == owner))?;
        Some(Loaded { order: Arc::clone(&row.order), work: row.work.clone() })
    }

    fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        if query.limit == 0 {
            return Err(StoreError::new(StoreErrorKind::InvalidQuery, "a page of 0 orders: expected 1 to 1,000"));
        }
        let after = query.after.as_ref().map(|cursor| place_of(cursor, query)).transpose()?;
        let mut found: Vec<(Place, &Arc<Order>)> = (self.orders.values())
            .filter(|row| matches(row, query))
            .map(|row| (Place { value: sort_value(&row.order, query.sort), id: row.order.id }, &row.order))
            .collect();
        found.sort_unstable_by_key(|(place, _)| *place);
        if query.descending {
            found.reverse();
        }
        let total = u32::try_from(found.len()).unwrap_or(u32::MAX).min(query.count_up_to);
        let shown = after.map_or(0, |after| {
            found.partition_point(|(place, _)| if query.descending { *place >= after } else { *place <= after })
        });
        let rest = found.get(shown + query.skip as usize..).unwrap_or_default();
        let page = &rest[..rest.len().min(query.limit as usize)];
        let next = page.last().filter(|_| page.len() < rest.len());
        Ok(OrderPage {
            next: next.map(|(_, order)| Cursor::after(order, query.sort, query.descending)),
            orders: page.iter().map(|(_, order)| Arc::clone(order)).collect(),
            total,
        })
    }
}

/// What is ordered by a time that not every item has.
type TimeIndex = BTreeSet<(Timestamp, OrderId)>;

fn unindex(index: &mut TimeIndex, time: Option<Timestamp>, order: OrderId) {
    if let Some(time) = time {
        index.remove(&(time, order));
    }
}

/// Where the first key of the new rows that is taken was used.
fn command_key_use(row: Option<&Row>, journal: &[JournalRow]) -> Option<KeyUse> {
    let stored = row.map_or(&[][..], |row| &row.journal);
    journal.iter().enumerate().find_map(|(i, new)| {
        let CommandKey { key, hash: _ } = new.command_key.as_ref()?;
        let of_key = |old: &&JournalRow| old.command_key.as_ref().is_some_and(|old| old.key == *key);
        let used = stored.iter().chain(&journal[..i]).find(of_key)?;
        used.command_key.as_ref().map(|CommandKey { key: _, hash }| KeyUse { seq: used.seq, hash: *hash })
    })
}

/// Events that carry personal data are kept without it, as any store keeps them: it lives on the order.
fn forget_private(event: &mut Event) {
    match event {
        Event::Placed(placed) => {
            placed.addresses = Private(None);
            placed.notes = Private(None);
            placed.token = Private(None);
            placed.return_url = Private(None);
            placed.metadata = Private(None);
        }
        Event::Imported(imported) => {
            imported.addresses = Private(None);
            imported.notes = Private(None);
            imported.metadata = Private(None);
        }
        Event::PaymentPlanned { token, return_url, .. } | Event::PaymentRetried { token, return_url, .. } => {
            *token = Private(None);
            *return_url = Private(None);
        }
        Event::EditStarted { token, return_url, address, .. } => {
            *token = Private(None);
            *return_url = Private(None);
            *address = Private(None);
        }
        Event::AddressChanged { address, .. } => *address = Private(None),
        Event::MetadataChanged { value, .. } => *value = Private(None),
        Event::PaymentWaiting { action, .. } => *action = Private(None),
        _ => {}
    }
}

/// The number moves on condition of the work item, not of the version, so a changeset that leaves it alone may have read
/// an older one: that must not come back.
fn told_up_to(order: &mut Arc<Order>, notified: u64) {
    if order.notified != notified || order.notices.iter().any(|notice| notice.seq <= notified) {
        let order = Arc::make_mut(order);
        order.notified = notified;
        order.notices.retain(|notice| notice.seq > notified);
    }
}

/// Every change raises the revision, even a waking that finds the item due sooner: what the holder of the lease read
/// before it is out of date.
fn work_after(change: WorkChange, item: Option<WorkItem>, now: Timestamp) -> Option<WorkItem> {
    let mut item = item.unwrap_or(WorkItem {
        due: None,
        fence: None,
        leased_until: None,
        revision: 0,
        taken_over: false,
        runs: 0,
        tries: Tries::default(),
    });
    item.revision += 1;
    match change {
        WorkChange::Keep => item.revision -= 1,
        WorkChange::Lease { fence, ttl, due } => {
            item.due = Some(due);
            item.fence = Some(fence);
            item.leased_until = Some(now.after(ttl));
            item.taken_over = false;
        }
        WorkChange::Wake { due } => item.due = Some(item.due.map_or(due, |before| before.min(due))),
        WorkChange::Begin { ttl, fence: _, revision: _ } => {
            item.leased_until = Some(now.after(ttl));
            item.runs = item.runs.saturating_add(1);
        }
        WorkChange::Extend { ttl, tries, fence: _, revision: _ } => {
            item.leased_until = Some(now.after(ttl));
            item.tries = tries;
        }
        WorkChange::Release { due, tries, fence: _, revision: _ } => {
            item.due = due;
            item.fence = None;
            item.leased_until = None;
            item.taken_over = false;
            item.runs = 0;
            item.tries = tries;
        }
        WorkChange::Done { .. } => return None,
    }
    Some(item)
}

fn is_held(item: &WorkItem, now: Timestamp) -> bool {
    item.leased_until.is_some_and(|until| until > now)
}

fn matches(row: &Row, query: &ListQuery) -> bool {
    let order = &row.order;
    query.user.is_none_or(|user| order.user == user)
        && query.status.is_none_or(|status| order.statuses.status == status)
        && (!query.stuck
            || order.attention.iter().any(|a| !a.acknowledged)
            || row.work.as_ref().is_some_and(|item| item.due.is_none()))
}

/// A place in a sorted list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    value: SortValue,
    id: OrderId,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SortValue {
    Amount(i64),
    Number(OrderNumber),
}

fn sort_value(order: &Order, sort: SortKey) -> SortValue {
    match sort {
        SortKey::CreatedAt => SortValue::Amount(order.created_at.as_micros()),
        SortKey::UpdatedAt => SortValue::Amount(order.updated_at.as_micros()),
        SortKey::TotalAmount => SortValue::Amount(order.amounts.total),
        SortKey::OrderNumber => SortValue::Number(order.number),
    }
}

fn place_of(cursor: &Cursor, query: &ListQuery) -> Result<Place, StoreError> {
    let refused =
        || StoreError::new(StoreErrorKind::InvalidQuery, format!("cursor {cursor} is not of a list sorted like this one"));
    if (cursor.sort, cursor.descending) != (query.sort, query.descending) {
        return Err(refused());
    }
    let value = match cursor.sort {
        SortKey::CreatedAt | SortKey::UpdatedAt | SortKey::TotalAmount => cursor.value.parse().ok().map(SortValue::Amount),
        SortKey::OrderNumber => cursor.value.parse().ok().map(SortValue::Number),
    };
    Ok(Place { value: value.ok_or_else(refused)?, id: cursor.id })
}

#[async_trait]
impl OrderStore for MemoryStore {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let now = self.clock.now();
        self.state().commit(changeset, now)
    }

    async fn load(&self, order: OrderRef, owner: Option<UserId>) -> Result<Option<Loaded>, StoreError> {
        Ok(self.state().load(order, owner))
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        let fence = |row: &Row| row.work.as_ref().and_then(|item| item.fence);
        Ok(self.state().orders.get(&order).map(|row| Peek { version: row.order.version, fence: fence(row) }))
    }

    async fn find_key(&self, user: UserId, method: KeyMethod, key: &IdempotencyKey) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.state().keys.get(&(user, method, key.clone())).cloned())
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.state().list(query)
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        let state = self.state();
        let JournalQuery { order, after, limit, command_key } = query;
        let rows = state.orders.get(order).map_or(&[][..], |row| &row.journal);
        let after = usize::try_from(*after).unwrap_or(usize::MAX);
        let has_key =
            |row: &&JournalRow| command_key.is_none() || row.command_key.as_ref().map(|k| &k.key) == command_key.as_ref();
        Ok(rows.iter().skip(after).filter(has_key).take(*limit as usize).cloned().collect())
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let now = self.clock.now();
        Ok(self.state().claim(request, now))
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        let now = self.clock.now();
        Ok(self.state().summary(now))
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.state().feed(self.id, query)
    }

    async fn dump(&self, query: &DumpQuery) -> Result<Vec<Dumped>, StoreError> {
        self.state().dump(query)
    }
}
