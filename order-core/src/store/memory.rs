//! [`MemoryStore`]: the storage contract in memory, for tests, simulations and programs that need
//! no durability.

mod feed;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use super::records::{Facts, Tally, Verdict, check, check_shape};
use super::{
    Changeset, CommitError, Committed, Cursor, FeedPage, FeedQuery, JournalQuery, KeyMethod,
    KeyRecord, KeyUse, LeasePage, LeaseRequest, Leased, ListPlan, ListQuery, Loaded, Lookup,
    OrderPage, OrderStore, Peek, SORTED_MAX, SortKey, StoreError, StoreErrorKind, Unreadable,
    WorkChange, WorkItem, WorkSummary,
};
use crate::ids::{ChangesetId, Fence, IdempotencyKey, OrderId, UserId};
use crate::number::OrderNumber;
use crate::order::{CommandKey, Event, JournalRow, Order};
use crate::runtime::Clock;
use crate::text::Private;
use crate::time::Timestamp;

/// An [`OrderStore`] that forgets everything when it is dropped.
///
/// Everything stands behind one lock in ordered maps, so that the same calls in the same order give
/// the same answers. Orders are shared, never copied, on the way in and out.
pub struct MemoryStore {
    /// The id by which cursors of its feed name it.
    id: Uuid,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store that judges due and lease times by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        MemoryStore {
            id: another_id(clock.now()),
            clock,
            state: Mutex::default(),
        }
    }

    /// Every order as it is now, by id.
    pub fn orders(&self) -> Vec<Arc<Order>> {
        self.state()
            .orders
            .values()
            .map(|row| Arc::clone(&row.order))
            .collect()
    }

    /// The journal of an order; empty if there is no such order.
    pub fn journal_of(&self, order: OrderId) -> Vec<JournalRow> {
        self.state()
            .orders
            .get(&order)
            .map_or_else(Vec::new, |row| row.journal.clone())
    }

    /// Lets `look` see an order with its journal and its work item, without copying them; `None` if
    /// there is no such order.
    ///
    /// The store is locked meanwhile: `look` must not call it.
    pub fn inspect<R>(
        &self,
        order: OrderId,
        look: impl FnOnce(&Arc<Order>, &[JournalRow], Option<&WorkItem>) -> R,
    ) -> Option<R> {
        self.state()
            .orders
            .get(&order)
            .map(|row| look(&row.order, &row.journal, row.work.as_ref()))
    }

    /// The number of uses of each limited thing that are taken.
    pub fn redemptions_in_use(&self) -> BTreeMap<String, u32> {
        self.state().redemptions.clone()
    }

    /// Makes an order unreadable, with its newest journal row, or readable again if there is no
    /// reason: what damage, or a newer build, does in a store that outlives the program.
    #[cfg(feature = "testkit")]
    pub fn damage(&self, order: OrderId, reason: Option<&str>) {
        if let Some(row) = self.state().orders.get_mut(&order) {
            row.damage = reason.map(|reason| (reason.to_owned(), row.order.version));
        }
    }

    /// A copy of all that the store has now, as a backup is.
    #[cfg(feature = "testkit")]
    pub fn copy(&self) -> MemoryCopy {
        MemoryCopy(self.state().clone())
    }

    /// Sets the store back to a copy made of it before: what was committed since is gone, as it is
    /// when a backup is restored in the place of a store.
    #[cfg(feature = "testkit")]
    pub fn set_back(&self, copy: &MemoryCopy) {
        *self.state() = copy.0.clone();
    }

    /// A changeset is checked in full before anything is written, so what a panicking holder of the
    /// lock left is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content of a [`MemoryStore`] at one moment.
#[cfg(feature = "testkit")]
pub struct MemoryCopy(State);

/// Unlike that of any other store: within the program by a count, and otherwise, as nothing of the
/// store outlives the program, by the time. Derived, because the core draws nothing here.
fn another_id(now: Timestamp) -> Uuid {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        "memory store {} of {}",
        MADE.fetch_add(1, Ordering::Relaxed),
        now.as_micros()
    );
    Uuid::new_v5(&Uuid::nil(), name.as_bytes())
}

#[derive(Clone, Default)]
struct State {
    orders: BTreeMap<OrderId, Row>,
    numbers: BTreeMap<OrderNumber, OrderId>,
    keys: BTreeMap<(UserId, KeyMethod, IdempotencyKey), KeyRecord>,
    redemptions: BTreeMap<String, u32>,
    /// Every changeset that wrote journal rows, as they were applied.
    feed: Vec<feed::Entry>,
    /// Returns the number of work items.
    items: u64,
    /// Work items that are not stuck, by when they can be leased.
    leasable: TimeIndex,
    /// Work items with a lease, held or run out, by its end.
    leases: TimeIndex,
}

#[derive(Clone)]
struct Row {
    order: Arc<Order>,
    journal: Vec<JournalRow>,
    work: Option<WorkItem>,
    /// Names of the redemptions it holds.
    redemptions: BTreeSet<String>,
    /// The key it was made under.
    key: Option<KeyRecord>,
    /// The reason why it cannot be read, and the last row of its journal for which that is so.
    damage: Option<(String, u64)>,
}

impl Row {
    fn row_is_by(&self, seq: u64, changeset: ChangesetId) -> bool {
        let at = usize::try_from(seq).ok().and_then(|seq| seq.checked_sub(1));
        at.and_then(|at| self.journal.get(at))
            .is_some_and(|row| row.changeset == changeset)
    }
}

/// A limited thing as a changeset leaves it: its name, whether the order holds a use, and how many
/// are taken.
type Settled = (String, bool, u32);

/// The facts that clause 3 asks for, from the maps.
struct Known<'a> {
    state: &'a State,
    row: Option<&'a Row>,
    changeset: &'a Changeset,
}

impl Facts for Known<'_> {
    type Error = Infallible;

    fn replayed(&mut self) -> Result<bool, Infallible> {
        let first = self.changeset.expected() + 1;
        Ok(self
            .row
            .is_some_and(|row| row.row_is_by(first, self.changeset.id)))
    }

    fn key(&mut self, key: &KeyRecord) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self
            .state
            .keys
            .get(&(key.user, key.method, key.key.clone()))
            .cloned())
    }

    fn command_key(&mut self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Infallible> {
        let of_key = |row: &JournalRow| {
            let CommandKey { key: used, hash } = row.command_key.as_ref()?;
            (used == key).then_some(KeyUse {
                seq: row.seq,
                hash: *hash,
            })
        };
        Ok(self.row.and_then(|row| row.journal.iter().find_map(of_key)))
    }

    fn lease(&mut self) -> Result<Option<(Option<Fence>, u64)>, Infallible> {
        let item = self.row.and_then(|row| row.work.as_ref());
        Ok(item.map(|item| (item.fence, item.revision)))
    }

    fn redemption(&mut self, name: &str) -> Result<(bool, u32), Infallible> {
        let held = self.row.is_some_and(|row| row.redemptions.contains(name));
        Ok((held, self.state.redemptions.get(name).copied().unwrap_or(0)))
    }

    fn version(&mut self) -> Result<Option<u64>, Infallible> {
        Ok(self.row.map(|row| row.order.version))
    }

    fn number_is_taken(&mut self) -> Result<bool, Infallible> {
        Ok(self
            .state
            .numbers
            .contains_key(&self.changeset.after.number))
    }
}

impl State {
    /// Clause 3, then what cannot fail.
    fn commit(&mut self, changeset: Changeset, now: Timestamp) -> Result<Committed, CommitError> {
        check_shape(&changeset)?;
        let mut known = Known {
            state: self,
            row: self.orders.get(&changeset.after.id),
            changeset: &changeset,
        };
        let tallies = match check(&changeset, &mut known) {
            Ok(Ok(Verdict::Replayed)) => {
                return Ok(Committed {
                    replayed: true,
                    revision: 0,
                });
            }
            Ok(Ok(Verdict::Write(tallies))) => tallies,
            Ok(Err(refusal)) => return Err(refusal),
            Err(never) => match never {},
        };
        let settled: Vec<Settled> = tallies
            .iter()
            .map(
                |&Tally {
                     name,
                     held_before: _,
                     held,
                     in_use,
                 }| (name.into(), held, in_use),
            )
            .collect();
        let expected = changeset.expected();
        let Changeset {
            id: _,
            before,
            after,
            mut journal,
            key,
            redemptions: _,
            work,
        } = changeset;
        // Clause 5: without journal rows there is nothing but the work item and the notified
        // number.
        let writes_order = !journal.is_empty();
        let key = key.filter(|_| writes_order);

        for row in &mut journal {
            forget_private(&mut row.event);
        }
        let order_id = after.id;
        if writes_order {
            self.publish(order_id, expected + 1, journal.len());
        }
        match self.orders.get_mut(&order_id) {
            Some(row) => {
                debug_assert_eq!(
                    row.order.number, after.number,
                    "an order's number never changes"
                );
                let notified = after.notified.max(row.order.notified);
                if writes_order {
                    if after.redacted_at.is_some()
                        && before.is_some_and(|before| before.redacted_at.is_none())
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
                let mut row = Row {
                    order: after,
                    journal,
                    work: None,
                    redemptions: BTreeSet::new(),
                    key: key.clone(),
                    damage: None,
                };
                let notified = row.order.notified;
                told_up_to(&mut row.order, notified);
                self.orders.insert(order_id, row);
            }
        }
        self.settle(order_id, settled);
        if let Some(key) = key {
            self.keys
                .insert((key.user, key.method, key.key.clone()), key);
        }
        Ok(Committed {
            replayed: false,
            revision: self.change_work(order_id, work, now),
        })
    }

    fn settle(&mut self, order: OrderId, settled: Vec<Settled>) {
        let Some(row) = self.orders.get_mut(&order) else {
            return;
        };
        for (name, held, in_use) in settled {
            if held {
                row.redemptions.insert(name.clone());
            } else {
                row.redemptions.remove(&name);
            }
            if in_use > 0 {
                self.redemptions.insert(name, in_use);
            } else {
                self.redemptions.remove(&name);
            }
        }
    }

    /// Returns the item's revision afterwards.
    fn change_work(&mut self, order: OrderId, change: WorkChange, now: Timestamp) -> u64 {
        let Some(row) = self.orders.get_mut(&order) else {
            return 0;
        };
        if change == WorkChange::Keep {
            return row.work.as_ref().map_or(0, |item| item.revision);
        }
        let before = row.work.take();
        unindex(
            &mut self.leasable,
            before.as_ref().and_then(WorkItem::leasable_at),
            order,
        );
        unindex(
            &mut self.leases,
            before.as_ref().and_then(|item| item.leased_until),
            order,
        );
        self.items -= u64::from(before.is_some());
        let Some(item) = change.apply(before, now) else {
            return 0;
        };
        self.items += 1;
        self.leasable
            .extend(item.leasable_at().map(|at| (at, order)));
        self.leases
            .extend(item.leased_until.map(|until| (until, order)));
        row.work.insert(item).revision
    }

    fn lease(&mut self, request: &LeaseRequest, now: Timestamp) -> LeasePage {
        let limit = request.limit as usize;
        let orders: Vec<OrderId> = match request.order {
            Some(order) => {
                let free = |item: &&WorkItem| item.due.is_some() && !item.is_leased(now);
                self.item(&order)
                    .filter(free)
                    .map(|_| order)
                    .into_iter()
                    .take(limit)
                    .collect()
            }
            None => {
                let due = self.leasable.iter().take_while(|(at, _)| *at <= now);
                due.map(|(_, order)| *order).take(limit).collect()
            }
        };
        let until = now.after(request.ttl);
        let mut page = LeasePage {
            now: Some(now),
            ..LeasePage::default()
        };
        for id in orders {
            let Some(Row {
                order,
                work,
                damage,
                ..
            }) = self.orders.get_mut(&id)
            else {
                continue;
            };
            let Some(before) = work.take() else { continue };
            unindex(&mut self.leasable, before.leasable_at(), id);
            unindex(&mut self.leases, before.leased_until, id);
            self.leases.insert((until, id));
            let item = work.insert(before.leased(request.fence, until));
            self.leasable.extend(item.leasable_at().map(|at| (at, id)));
            match damage {
                Some((reason, _)) => page.unreadable.push(Unreadable {
                    order: id,
                    reason: reason.clone(),
                }),
                None => page.leased.push(Leased {
                    order: Arc::clone(order),
                    work: item.clone(),
                }),
            }
        }
        page.next_in = self.leasable.first().map(|(at, _)| at.since(now));
        page
    }

    fn item(&self, order: &OrderId) -> Option<&WorkItem> {
        self.orders.get(order).and_then(|row| row.work.as_ref())
    }

    fn summary(&self, now: Timestamp) -> WorkSummary {
        let due = |order: &OrderId| self.item(order).and_then(|item| item.due);
        let free = |order: &OrderId| self.item(order).is_some_and(|item| !item.is_leased(now));
        let leasable = self
            .leasable
            .iter()
            .take_while(|(at, _)| *at <= now)
            .filter_map(|(_, order)| due(order))
            .min();
        let later = || {
            self.leasable
                .iter()
                .find(|(at, order)| *at > now && free(order))
                .and_then(|(_, order)| due(order))
        };
        WorkSummary {
            total: self.items,
            stuck: self.items - self.leasable.len() as u64,
            next_due: leasable.or_else(later),
            leased_until: self
                .leases
                .last()
                .map(|(until, _)| *until)
                .filter(|until| *until > now),
        }
    }

    fn load(&self, order: &Lookup, owner: Option<UserId>) -> Result<Option<Loaded>, StoreError> {
        let id = match order {
            Lookup::Id(id) => Some(*id),
            Lookup::Number(number) => self.numbers.get(number).copied(),
            Lookup::Key { user, method, key } => self
                .keys
                .get(&(*user, *method, key.clone()))
                .map(|record| record.order),
        };
        let row = id.and_then(|id| self.orders.get(&id));
        let Some(row) = row.filter(|row| owner.is_none_or(|owner| row.order.user == owner)) else {
            return Ok(None);
        };
        if let Some((reason, _)) = &row.damage {
            return Err(StoreError::new(
                StoreErrorKind::Corrupt,
                format!("order {order} cannot be read: {reason}"),
            ));
        }
        Ok(Some(Loaded {
            order: Arc::clone(&row.order),
            work: row.work.clone(),
            key: row.key.clone(),
        }))
    }

    fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        let ListPlan { driver: _, sorted } = query.plan()?;
        let after = query
            .after
            .as_ref()
            .map(|cursor| place_of(cursor, query))
            .transpose()?;
        let mut found: Vec<(Place, &Row)> = (self.orders.values())
            .filter(|row| query.matches(&row.order, row.work.as_ref()))
            .map(|row| {
                (
                    Place {
                        value: sort_value(&row.order, query.sort),
                        id: row.order.id,
                    },
                    row,
                )
            })
            .collect();
        if sorted && found.len() > SORTED_MAX as usize {
            return Err(query.too_many_to_sort());
        }
        found.sort_unstable_by_key(|(place, _)| *place);
        if query.descending {
            found.reverse();
        }
        let total = u32::try_from(found.len())
            .unwrap_or(u32::MAX)
            .min(query.count_up_to);
        let shown = after.map_or(0, |after| {
            found.partition_point(|(place, _)| {
                if query.descending {
                    *place >= after
                } else {
                    *place <= after
                }
            })
        });
        let rest = found.get(shown + query.skip as usize..).unwrap_or_default();
        let shown = &rest[..rest.len().min(query.limit as usize)];
        let next = shown.last().filter(|_| shown.len() < rest.len());
        let next = next.map(|(_, row)| Cursor::after(&row.order, query.sort, query.descending));
        let mut page = OrderPage {
            orders: Vec::with_capacity(shown.len()),
            unreadable: Vec::new(),
            next,
            total,
        };
        for (_, row) in shown {
            match &row.damage {
                Some((reason, _)) => page.unreadable.push(Unreadable {
                    order: row.order.id,
                    reason: reason.clone(),
                }),
                None => page.orders.push(Arc::clone(&row.order)),
            }
        }
        Ok(page)
    }
}

/// The order of items by a time that not every item has.
type TimeIndex = BTreeSet<(Timestamp, OrderId)>;

fn unindex(index: &mut TimeIndex, time: Option<Timestamp>, order: OrderId) {
    if let Some(time) = time {
        index.remove(&(time, order));
    }
}

/// Events that carry personal data are kept without it, as any store keeps them: it lives on the
/// order.
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
        Event::PaymentPlanned {
            token, return_url, ..
        }
        | Event::PaymentRetried {
            token, return_url, ..
        } => {
            *token = Private(None);
            *return_url = Private(None);
        }
        Event::EditStarted {
            token,
            return_url,
            address,
            ..
        } => {
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

/// The number only ever rises: it moves on condition of the work item, not of the version, so a
/// changeset may have read an older one. What was told needs no notice any more.
fn told_up_to(order: &mut Arc<Order>, notified: u64) {
    if order.notified != notified || order.notices.iter().any(|notice| notice.seq <= notified) {
        let order = Arc::make_mut(order);
        order.notified = notified;
        order.notices.retain(|notice| notice.seq > notified);
    }
}

/// A place in a sorted list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    value: SortValue,
    id: OrderId,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SortValue {
    /// Sorted by id.
    None,
    Amount(i64),
    Number(OrderNumber),
}

fn sort_value(order: &Order, sort: SortKey) -> SortValue {
    match sort {
        SortKey::CreatedAt => SortValue::None,
        SortKey::UpdatedAt => SortValue::Amount(order.updated_at.as_micros()),
        SortKey::TotalAmount => SortValue::Amount(order.amounts.total),
        SortKey::OrderNumber => SortValue::Number(order.number),
    }
}

fn place_of(cursor: &Cursor, query: &ListQuery) -> Result<Place, StoreError> {
    let refused = || {
        StoreError::new(
            StoreErrorKind::InvalidQuery,
            format!("cursor {cursor} is not of a list sorted like this one"),
        )
    };
    let value = match query.sort {
        SortKey::CreatedAt => Some(SortValue::None),
        SortKey::UpdatedAt | SortKey::TotalAmount => {
            cursor.value.parse().ok().map(SortValue::Amount)
        }
        SortKey::OrderNumber => cursor.value.parse().ok().map(SortValue::Number),
    };
    Ok(Place {
        value: value.ok_or_else(refused)?,
        id: cursor.id,
    })
}

#[async_trait]
impl OrderStore for MemoryStore {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let now = self.clock.now();
        self.state().commit(changeset, now)
    }

    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        self.state().load(&order, owner)
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.state().list(query)
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        let state = self.state();
        let JournalQuery {
            order,
            after,
            limit,
            command_key,
        } = query;
        let rows = state.orders.get(order).map_or(&[][..], |row| &row.journal);
        let after = usize::try_from(*after).unwrap_or(usize::MAX);
        let has_key = |row: &&JournalRow| {
            command_key.is_none()
                || row.command_key.as_ref().map(|k| &k.key) == command_key.as_ref()
        };
        Ok(rows
            .iter()
            .skip(after)
            .filter(has_key)
            .take(*limit as usize)
            .cloned()
            .collect())
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let now = self.clock.now();
        Ok(self.state().lease(request, now))
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.state().feed(self.id, query)
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        let fence = |row: &Row| row.work.as_ref().and_then(|item| item.fence);
        Ok(self.state().orders.get(&order).map(|row| Peek {
            version: row.order.version,
            fence: fence(row),
        }))
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        let now = self.clock.now();
        Ok(self.state().summary(now))
    }
}
