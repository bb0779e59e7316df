//! Two stores, and what a sequence of steps comes to in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use order_core::money::Minor;
use order_core::order::{
    Actor, Addresses, Attention, AttentionReason, CommandKey, Credit, Dispute, DisputeState, Edit,
    Event, Lifecycle, Notice, NoticeKind, Op, OperationKind, OperationState, Order,
    ReservationState, Return, ReturnState, Shipment, ShipmentState, Status, derive,
};
use order_core::runtime::Clock as _;
use order_core::runtime::virtual_time::block_on;
use order_core::store::{
    Changeset, CommitError, Committed, Cursor, DumpQuery, FeedCursor, FeedQuery, JournalQuery,
    KeyMethod, LeaseRequest, ListQuery, Loaded, Lookup, MemoryStore, OrderStore, StoreErrorKind,
    Tries, Try, WorkChange, WorkItem,
};
use order_core::testkit::ManualClock;
use order_core::testkit::differential::{Difference, Twin};
use order_core::testkit::orders::{
    With as _, address, amend_in, at, command_key, fence, full, number, order_id, payment, place,
    place_in, plain, reservation, text, user_id,
};
use order_core::text::Private;
use order_core::time::Timestamp;
use uuid::Uuid;

use super::steps::{
    After, Change, KEYS, LIMITED, Lease, Listing, ORDERS, Seen, Sequence, Step, Taking, USERS,
    With, Work, Write,
};

/// Opens a store that judges times by a clock.
pub type Open = Box<dyn Fn(Arc<ManualClock>) -> Arc<dyn OrderStore>>;

/// The store that is compared with the one in memory.
pub struct Other {
    pub store: Arc<dyn OrderStore>,
    /// Opens it again after it was closed, if it is one that lasts.
    pub open: Option<Open>,
    /// True if it feeds changesets that are sent together in that order.
    pub in_order: bool,
    /// True if it may take changesets that are sent together in another order: then none are.
    pub one_by_one: bool,
}

/// The things that a sequence met with, by name.
pub type Met = BTreeSet<&'static str>;

/// Takes the steps one after the other with both stores, and compares at last all that can be seen
/// of them. An `Err` says which step was answered differently.
pub fn run(
    Sequence(steps): &Sequence,
    other: impl FnOnce(Arc<ManualClock>) -> Other,
) -> Result<Met, String> {
    let clock = Arc::new(ManualClock::new(at(0)));
    let memory = MemoryStore::new(Arc::clone(&clock) as _);
    let Other {
        store,
        open,
        in_order,
        one_by_one,
    } = other(Arc::clone(&clock));
    let mut stores = Twin::new(memory, store);
    stores.fed_alike = in_order;
    let mut world = World {
        clock,
        stores,
        open,
        one_by_one,
        read: BTreeMap::new(),
        sent: Vec::new(),
        kept: None,
        fed: None,
        met: Met::new(),
    };
    block_on(async {
        for (n, step) in (1..).zip(steps) {
            world.take(step).await;
            world
                .alike()
                .map_err(|difference| format!("step {n}, {step:?}\n{difference}"))?;
        }
        world.look_at_everything().await;
        world
            .alike()
            .map_err(|difference| format!("after the last step\n{difference}"))
    })?;
    Ok(world.met)
}

struct World {
    clock: Arc<ManualClock>,
    stores: Twin<MemoryStore, Arc<dyn OrderStore>>,
    open: Option<Open>,
    one_by_one: bool,
    /// Each order as it was read, the latest last.
    read: BTreeMap<u64, Vec<Arc<Order>>>,
    /// Every changeset that may be sent again.
    sent: Vec<Changeset>,
    /// The `next` of the last page that had one.
    kept: Option<Cursor>,
    /// The place at which the last page of the feed ended.
    fed: Option<FeedCursor>,
    met: Met,
}

impl World {
    fn alike(&self) -> Result<(), Difference> {
        self.stores.difference().map_or(Ok(()), Err)
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Summary => drop(self.stores.work_summary().await),
            Step::Peek { order } => drop(self.stores.peek(order_id(*order)).await),
            Step::Load {
                order,
                by_number,
                owner,
            } => {
                let named = if *by_number {
                    Lookup::Number(number(*order))
                } else {
                    Lookup::Id(order_id(*order))
                };
                let loaded = self.stores.load(named, owner.map(user_id)).await;
                self.meet_if(
                    matches!(loaded, Ok(Some(_))) && *by_number,
                    "loaded by number",
                );
                self.meet_if(matches!(loaded, Ok(None)) && owner.is_some(), "not loaded");
            }
            Step::FindKey { user, key } => {
                let lookup = Lookup::Key {
                    user: user_id(*user),
                    method: KeyMethod::Place,
                    key: text(KEYS[*key]),
                };
                let found = self.stores.load(lookup, None).await;
                self.meet_if(
                    matches!(found, Ok(Some(Loaded { key: Some(_), .. }))),
                    "key found",
                );
            }
            Step::Journal {
                order,
                after,
                limit,
                key,
            } => {
                let command_key = key.map(|key| text(KEYS[key]));
                let query = JournalQuery {
                    command_key,
                    ..JournalQuery::of(order_id(*order), *after, *limit)
                };
                let rows = self.stores.journal(&query).await.unwrap_or_default();
                self.meet_if(!rows.is_empty() && *after > 0, "later journal rows");
                self.meet_if(!rows.is_empty() && key.is_some(), "row of a command key");
            }
            Step::List(listing) => self.list(listing).await,
            Step::Feed { on, limit } => {
                let query = FeedQuery {
                    after: self.fed.clone().filter(|_| *on),
                    limit: *limit,
                };
                match self.stores.feed(&query).await {
                    Ok(page) => {
                        self.meet_if(
                            query.after.is_some() && !page.rows.is_empty(),
                            "later rows fed",
                        );
                        self.fed = page.next.to_string().parse().ok();
                    }
                    Err(error) => {
                        self.meet_if(error.kind == StoreErrorKind::InvalidQuery, "feed refused")
                    }
                }
            }
            Step::Dump { after, limit } => {
                let query = DumpQuery {
                    after: after.map(order_id),
                    limit: *limit,
                };
                let dumped = self
                    .stores
                    .dump(&query)
                    .await
                    .map_or_else(|_| Vec::new(), |page| page.orders);
                self.meet_if(
                    dumped.iter().any(|dumped| dumped.key.is_some()),
                    "dumped with a key",
                );
            }
            Step::Clock { seconds } => {
                self.clock.set(Timestamp::from_micros(
                    self.clock.now().as_micros() + seconds * 1_000_000,
                ));
            }
            Step::Write(write) => self.write(std::slice::from_ref(write)).await,
            Step::Together(writes) => self.write(writes).await,
            Step::Lease {
                fence: holder,
                ttl,
                limit,
                order,
            } => {
                let ttl = Duration::from_secs(*ttl);
                let request = LeaseRequest {
                    fence: fence(*holder),
                    ttl,
                    limit: *limit,
                    order: order.map(order_id),
                };
                let leased = self.stores.lease(&request).await.unwrap_or_default().leased;
                self.meet_if(leased.len() == 1 && order.is_some(), "one order leased");
                self.meet_if(leased.len() > 1, "several orders leased");
                self.meet_if(
                    leased.iter().any(|leased| leased.work.taken_over),
                    "leased again",
                );
            }
            Step::Reopen => {
                if let Some(open) = &self.open {
                    // Closed before it is opened: nothing of the old one is left to read from.
                    self.stores.second = Arc::new(MemoryStore::new(Arc::clone(&self.clock) as _));
                    self.stores.second = open(Arc::clone(&self.clock));
                }
            }
        }
    }

    fn meet_if(&mut self, condition: bool, name: &'static str) {
        if condition {
            self.met.insert(name);
        }
    }

    async fn write(&mut self, writes: &[Write]) {
        let mut changesets = Vec::new();
        for write in writes {
            changesets.extend(self.decide(write, writes.len() == 1).await);
        }
        let mut answers = Vec::new();
        if self.one_by_one {
            for changeset in &changesets {
                answers.push(self.stores.commit(changeset.clone()).await);
            }
        } else {
            answers = join_all(
                changesets
                    .iter()
                    .map(|changeset| self.stores.commit(changeset.clone())),
            )
            .await;
        }
        for (changeset, answer) in changesets.iter().zip(&answers) {
            self.meet_if(true, name_of(answer));
            let rows = !changeset.journal.is_empty();
            self.meet_if(
                answer.is_ok() && !rows && changeset.work.fence().is_some(),
                "work without rows",
            );
            let told = changeset
                .before
                .as_ref()
                .is_some_and(|before| before.notified != changeset.after.notified);
            self.meet_if(answer.is_ok() && !rows && told, "told without rows");
            let applied = matches!(
                answer,
                Ok(Committed {
                    replayed: false,
                    ..
                })
            );
            self.meet_if(applied && redacts(changeset), "redacted");
        }
    }

    /// None if there is nothing to decide on. A store may rely on it that a changeset's `before`
    /// was read, if ever it applies: what was made up is only sent alone, where it must be refused,
    /// and never again.
    async fn decide(&mut self, write: &Write, alone: bool) -> Option<Changeset> {
        let (mut changeset, with, item) = match write {
            Write::Again { back } => {
                let at = self
                    .sent
                    .len()
                    .checked_sub(1 + back % self.sent.len().max(1))?;
                return Some(self.sent[at].clone());
            }
            Write::Place {
                order: n,
                number: named,
                user,
                full: whole,
                shipping,
                created,
                rows,
                with,
            } => {
                let item = self.look(*n).await.and_then(|(_, item)| item);
                let mut order = if *whole { full(*n) } else { plain(*n) };
                (order.number, order.user) = (number(*named), user_id(*user));
                ship_for(&mut order, *shipping);
                (order.created_at, order.updated_at) = (at(*created), at(*created));
                (place_in(order, *rows), with, item)
            }
            Write::Amend {
                order: n,
                seen,
                rows,
                change,
                with,
            } => {
                let (now, item) = self.look(*n).await.unzip();
                let before = match (seen, now) {
                    (Seen::Now, Some(now)) => now,
                    (Seen::Before(back), Some(now)) => {
                        let read = &self.read[n];
                        read.iter()
                            .rev()
                            .nth(back % read.len())
                            .map_or(now, Arc::clone)
                    }
                    (Seen::Ahead(by), Some(now)) if alone => Arc::new(Order {
                        version: now.version + by,
                        ..Order::clone(&now)
                    }),
                    (_, None) if alone => Arc::new(Order {
                        version: 1,
                        ..plain(*n)
                    }),
                    (_, now) => now?,
                };
                (
                    amend_in(&before, *rows, |order| make(order, change)),
                    with,
                    item.flatten(),
                )
            }
        };
        changeset = complete(changeset, with, item.as_ref());
        if changeset
            .before
            .as_ref()
            .is_none_or(|before| self.was_read(before))
        {
            self.sent.push(changeset.clone());
        }
        Some(changeset)
    }

    fn was_read(&self, order: &Arc<Order>) -> bool {
        self.read
            .values()
            .flatten()
            .any(|read| Arc::ptr_eq(read, order))
    }

    /// An order as it is, with its work item.
    async fn look(&mut self, n: u64) -> Option<(Arc<Order>, Option<WorkItem>)> {
        let loaded = self.stores.load(order_id(n).into(), None).await.ok()??;
        let read = self.read.entry(n).or_default();
        match read.last() {
            Some(last) if *last == loaded.order => {}
            _ => read.push(loaded.order),
        }
        Some((Arc::clone(read.last()?), loaded.work))
    }

    async fn list(&mut self, listing: &Listing) {
        let Listing {
            user,
            status,
            stuck,
            sort,
            descending,
            ref after,
            skip,
            limit,
            count,
            walk,
        } = *listing;
        let after = match after {
            After::Start => None,
            After::Order(n) => self
                .look(*n)
                .await
                .map(|(order, _)| Cursor::after(&order, sort, descending)),
            After::Kept => self.kept.clone(),
            After::Odd(value) => Some(Cursor {
                sort,
                descending,
                value: (*value).into(),
                id: order_id(2),
            }),
        };
        let user = user.map(user_id);
        let statuses = status.map(|at| Status::ALL[at]).into_iter().collect();
        let mut query = ListQuery {
            user,
            statuses,
            stuck,
            sort,
            descending,
            after,
            skip,
            limit,
            count_up_to: count,
            ..ListQuery::default()
        };
        let mut pages = 0;
        loop {
            let page = match self.stores.list(&query).await {
                Ok(page) => page,
                Err(error) => {
                    self.meet_if(
                        query.after.is_some() && error.kind == StoreErrorKind::InvalidQuery,
                        "cursor refused",
                    );
                    return;
                }
            };
            pages += 1;
            self.meet_if(pages > 2, "three pages");
            self.meet_if(stuck && !page.orders.is_empty(), "stuck orders listed");
            self.meet_if(
                user.is_some() && page.orders.len() > 1,
                "one user's orders listed",
            );
            self.meet_if(
                query.after.is_some() && !page.orders.is_empty(),
                "a page after a cursor",
            );
            let Some(next) = page.next else { return };
            self.kept = Some(next.clone());
            // A store that turned pages for ever would not be wrong alone.
            if !walk || pages > 2 * ORDERS {
                return;
            }
            query.after = next.to_string().parse().ok();
        }
    }

    /// All that can be seen, and what only shows in what is refused.
    async fn look_at_everything(&mut self) {
        let stores = &self.stores;
        for stuck in [false, true] {
            drop(
                stores
                    .list(&ListQuery {
                        stuck,
                        limit: 1000,
                        count_up_to: 1000,
                        ..ListQuery::default()
                    })
                    .await,
            );
        }
        for n in 1..=ORDERS {
            drop(stores.load(order_id(n).into(), None).await);
            drop(stores.load(Lookup::Number(number(n)), None).await);
            drop(stores.peek(order_id(n)).await);
            drop(
                stores
                    .journal(&JournalQuery::of(order_id(n), 0, 1000))
                    .await,
            );
        }
        for (user, key) in (1..=USERS).flat_map(|user| KEYS.map(|key| (user, key))) {
            drop(
                stores
                    .load(
                        Lookup::Key {
                            user: user_id(user),
                            method: KeyMethod::Place,
                            key: text(key),
                        },
                        None,
                    )
                    .await,
            );
        }
        drop(stores.work_summary().await);
        drop(
            stores
                .feed(&FeedQuery {
                    after: None,
                    limit: 1000,
                })
                .await,
        );
        drop(
            stores
                .dump(&DumpQuery {
                    after: None,
                    limit: 1000,
                })
                .await,
        );
        self.try_the_redemptions().await;
        self.clock.set(at(1_000_000));
        let everything = LeaseRequest {
            fence: fence(9),
            ttl: Duration::from_secs(10),
            limit: 1000,
            order: None,
        };
        drop(self.stores.lease(&everything).await);
    }

    /// The holders of limited things show in who may take one when none is left; how many are taken
    /// in when that is.
    async fn try_the_redemptions(&mut self) {
        for n in 1..=ORDERS {
            let Some((mut order, _)) = self.look(n).await else {
                continue;
            };
            for name in LIMITED {
                let taking = amend_in(&order, 1, |_| {}).taking(name, 0);
                let after = Arc::clone(&taking.after);
                if self.stores.commit(taking).await.is_ok() {
                    order = after;
                }
            }
        }
        for (i, name) in LIMITED.iter().enumerate() {
            for limit in 1..=u32::try_from(ORDERS).unwrap_or(u32::MAX) + 1 {
                let newcomer = plain(100 + i as u64);
                if self
                    .stores
                    .commit(place(newcomer).taking(name, limit))
                    .await
                    .is_ok()
                {
                    break;
                }
            }
        }
    }
}

/// True if it erases the notes of the journal rows before it.
pub fn redacts(changeset: &Changeset) -> bool {
    let redacted = |order: &Order| order.redacted_at.is_some();
    !changeset.journal.is_empty()
        && redacted(&changeset.after)
        && changeset.before.as_ref().is_some_and(|b| !redacted(b))
}

fn name_of(answer: &Result<Committed, CommitError>) -> &'static str {
    match answer {
        Ok(Committed { replayed: true, .. }) => "replayed",
        Ok(_) => "applied",
        Err(CommitError::KeyTaken(_)) => "key taken",
        Err(CommitError::CommandKeyTaken(_)) => "command key taken",
        Err(CommitError::Fenced) => "fenced",
        Err(CommitError::RedemptionExhausted { .. }) => "redemption exhausted",
        Err(CommitError::Conflict) => "conflict",
        Err(CommitError::NumberTaken) => "number taken",
        Err(CommitError::Store(_)) => "failed",
    }
}

/// The parts of a changeset beside the order.
fn complete(mut changeset: Changeset, with: &With, item: Option<&WorkItem>) -> Changeset {
    let With {
        key,
        commands,
        redemptions,
        work,
        event,
    } = with;
    // An order has the key that it was made under, and no other.
    if let Some(key) = key.filter(|_| changeset.before.is_none()) {
        changeset = changeset.keyed(KEYS[key]);
    }
    for redemption in redemptions {
        changeset = match redemption {
            Taking::Take { name, limit } => changeset.taking(LIMITED[*name], *limit),
            Taking::GiveBack { name } => changeset.giving_back(LIMITED[*name]),
        };
    }
    // The first row of a new order says that it was placed.
    let placing = usize::from(changeset.before.is_none());
    for (n, row) in changeset.journal.iter_mut().enumerate().skip(placing) {
        row.event = event_of(event + n);
        row.actor = [
            Actor::System,
            Actor::Operator("eve: \u{1F980}".into()),
            Actor::User(user_id(1)),
        ][(event + n) % 3]
            .clone();
        row.notes = (event % 2 == 1).then(|| format!("note {n}\nO'Brien"));
    }
    for (row, key) in changeset.journal.iter_mut().zip(commands) {
        let hash = if event % 3 == 0 {
            Uuid::from_u128(*event as u128)
        } else {
            command_key(KEYS[*key]).hash
        };
        row.command_key = Some(CommandKey {
            hash,
            ..command_key(KEYS[*key])
        });
    }
    changeset.working(work_change(work, item))
}

fn event_of(n: usize) -> Event {
    match n % 6 {
        0 => Event::Noted,
        1 => Event::Confirmed,
        2 => Event::StockRefused {
            n: 1,
            available: Some(0),
            code: "sold out".into(),
        },
        3 => Event::PaymentPlanned {
            n: 1,
            kind: OperationKind::Authorize,
            parent: None,
            method: text("card"),
            amount: 4800,
            token: Private(Some("tok_visa".into())),
            return_url: Private(None),
        },
        4 => Event::AttentionRaised {
            reason: AttentionReason::SuspectReservation,
            about: Some(Op::Reservation(1)),
            amount: None,
        },
        _ => Event::Armed {
            ops: vec![Op::Payment(1), Op::Notice(2)],
        },
    }
}

fn work_change(work: &Work, item: Option<&WorkItem>) -> WorkChange {
    let seconds = Duration::from_secs;
    let resolve = |lease: &Lease| {
        let holder = item.and_then(|item| item.fence).unwrap_or_else(|| fence(1));
        let revision = item
            .map_or(0, |item| item.revision)
            .saturating_add_signed(lease.off);
        (lease.fence.map_or(holder, fence), revision)
    };
    match work {
        Work::Keep => WorkChange::Keep,
        Work::Wake { due } => WorkChange::Wake { due: at(*due) },
        Work::Lease {
            fence: holder,
            ttl,
            due,
        } => WorkChange::Lease {
            fence: fence(*holder),
            ttl: seconds(*ttl),
            due: at(*due),
        },
        Work::Begin { lease, ttl } => {
            let (fence, revision) = resolve(lease);
            WorkChange::Begin {
                fence,
                revision,
                ttl: seconds(*ttl),
            }
        }
        Work::Extend { lease, ttl, tries } => {
            let (fence, revision) = resolve(lease);
            WorkChange::Extend {
                fence,
                revision,
                ttl: seconds(*ttl),
                tries: tried(*tries),
            }
        }
        Work::Release { lease, due, tries } => {
            let (fence, revision) = resolve(lease);
            WorkChange::Release {
                fence,
                revision,
                due: due.map(at),
                tries: tried(*tries),
            }
        }
        Work::Done { lease } => {
            let (fence, revision) = resolve(lease);
            WorkChange::Done { fence, revision }
        }
    }
}

/// So many tries of as many operations.
fn tried(count: u32) -> Tries {
    let stuck = (count > 1).then(|| "refused".to_owned());
    let one = Try {
        count,
        next_at: at(50),
        error: "no \"route\"".into(),
        clear: count == 1,
        quiet_at: at(-5),
        stuck,
    };
    Tries((1..=count).map(|n| (Op::Payment(n), one.clone())).collect())
}

fn ship_for(order: &mut Order, hundreds: Minor) {
    let amounts = &mut order.amounts;
    amounts.shipping = 100 * hundreds;
    amounts.total = amounts.subtotal + amounts.tax + amounts.shipping - amounts.discount;
}

fn make(order: &mut Order, change: &Change) {
    match change {
        Change::Nothing => {}
        Change::Attempt(n) => order.round = *n,
        Change::Lifecycle(n) => {
            order.lifecycle = Lifecycle::ALL[n % Lifecycle::ALL.len()];
            order.completed_at =
                (order.lifecycle == Lifecycle::Completed).then_some(order.updated_at);
            order.cancelled_at =
                (order.lifecycle == Lifecycle::Cancelled).then_some(order.updated_at);
            order.statuses = derive(order);
        }
        Change::Shipping(hundreds) => ship_for(order, *hundreds),
        Change::Attention(seen) => {
            let (reason, since) = (AttentionReason::StockLost, order.updated_at);
            let one = |acknowledged| Attention {
                reason,
                about: None,
                amount: None,
                since,
                acknowledged,
            };
            order.attention = seen.map(one).into_iter().collect();
        }
        Change::Reservations { from, to } => {
            let state = |n| {
                if n == *to {
                    ReservationState::Suspect
                } else {
                    ReservationState::Held
                }
            };
            order.reservations = (*from..=*to).map(|n| reservation(n, state(n))).collect();
        }
        Change::Payments { from, to } => {
            let state = |n| {
                if n == *to {
                    OperationState::Unknown
                } else {
                    OperationState::Authorized
                }
            };
            order.payments = (*from..=*to)
                .map(|n| payment(n, OperationKind::Authorize, state(n)))
                .collect();
            if let Some(last) = order.payments.last_mut() {
                last.token = Private(Some(format!("tok_{to}")));
            }
        }
        Change::Lines(count) => {
            order.lines.truncate(*count as usize);
            for n in order.lines.len() as u32 + 1..=*count {
                let mut free = plain(1000 * order.version + u64::from(n)).lines.remove(0);
                (
                    free.n,
                    free.unit_price,
                    free.subtotal,
                    free.lots[0].subtotal,
                ) = (n, 0, 0, 0);
                order.lines.push(free);
            }
        }
        Change::Addresses(which) => {
            let both = |n: &u8| Addresses {
                shipping: address(&n.to_string()),
                billing: address(""),
            };
            order.addresses = Private(which.as_ref().map(both));
        }
        Change::Notes(some) => {
            order.notes = Private(some.then(|| format!("note of version {}", order.version)))
        }
        Change::Notice => order.notices.push(Notice {
            seq: order.version,
            kind: NoticeKind::Confirmed,
        }),
        Change::Told(seq) => {
            order.notified = *seq;
            order.notices.retain(|notice| notice.seq > *seq);
        }
        Change::Older(seconds) => order.updated_at = at(*seconds),
        Change::Shipments { from, to } => {
            let state = |n| {
                if n == *to {
                    ShipmentState::Planned
                } else {
                    ShipmentState::Delivered
                }
            };
            let sample = full(7).shipments.remove(1);
            order.shipments = (*from..=*to)
                .map(|n| Shipment {
                    n,
                    state: state(n),
                    ..sample.clone()
                })
                .collect();
        }
        Change::Returns { from, to } => {
            let state = |n| {
                if n == *to {
                    ReturnState::Requested
                } else {
                    ReturnState::Closed
                }
            };
            let sample = full(7).returns.remove(1);
            order.returns = (*from..=*to)
                .map(|n| Return {
                    n,
                    state: state(n),
                    ..sample.clone()
                })
                .collect();
        }
        Change::Credits { from, to } => {
            let line = |n| (n == *to).then_some(n);
            let sample = full(7).credits.remove(1);
            order.credits = (*from..=*to)
                .map(|n| Credit {
                    n,
                    line: line(n),
                    ..sample.clone()
                })
                .collect();
        }
        Change::Disputes { from, to } => {
            let state = |n| {
                if n == *to {
                    DisputeState::Open
                } else {
                    DisputeState::Lost
                }
            };
            let sample = full(7).disputes.remove(0);
            let dispute = |n| Dispute {
                reference: text(&format!("dp_{n}")),
                state: state(n),
                ..sample.clone()
            };
            order.disputes = (*from..=*to).map(dispute).collect();
        }
        Change::Edits { from, to } => {
            let [over, open] = [0, 1].map(|at| full(7).edits.remove(at));
            let edit = |n| Edit {
                n,
                ..if n == *to { open.clone() } else { over.clone() }
            };
            order.edits = (*from..=*to).map(edit).collect();
        }
        Change::Metadata { from, to, value } => {
            let kept: BTreeMap<_, _> = (*from..=*to)
                .map(|n| (text(&format!("key {n}")), value.to_string()))
                .collect();
            order.metadata = Private((!kept.is_empty()).then_some(kept));
        }
        Change::StuckRetried => order.stuck_retried_at = Some(order.updated_at),
        Change::Redacted => {
            let (notices, notified) = (order.notices.clone(), order.notified);
            *order = Order {
                notices,
                notified,
                redacted_at: Some(order.updated_at),
                ..order.without_personal()
            };
        }
        Change::Everything => {
            let Order {
                id,
                number,
                user,
                version,
                notified,
                created_at,
                updated_at,
                ..
            } = *order;
            *order = Order {
                id,
                number,
                user,
                version,
                notified,
                created_at,
                updated_at,
                ..full(7)
            };
        }
    }
}
