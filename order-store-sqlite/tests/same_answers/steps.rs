//! The parts of a sequence: small numbers from a small universe, so that steps meet each other
//! and a failing sequence reads well. What they stand for is worked out by [`super::world`] when
//! their turn comes.

use std::fmt;

use order_core::store::SortKey;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// Orders are 1 to this.
pub const ORDERS: u64 = 5;
/// Users are 1 to this; another one has no orders.
pub const USERS: u64 = 2;
/// Idempotency and command keys, of which two differ only in case.
pub const KEYS: [&str; 3] = ["k", "K", "k2"];
/// Limited things, the same.
pub const LIMITED: [&str; 3] = ["coupon", "Coupon", "coupon/é"];

/// One thing after the other.
#[derive(Clone)]
pub struct Sequence(pub Vec<Step>);

/// A step to a line, however it is asked to be printed.
impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .zip(1..)
            .try_for_each(|(step, n)| write!(f, "\n{n:>4}. {step:?}"))
    }
}

#[derive(Debug, Clone)]
pub enum Step {
    Summary,
    Peek {
        order: u64,
    },
    Load {
        order: u64,
        by_number: bool,
        owner: Option<u64>,
    },
    FindKey {
        user: u64,
        key: usize,
    },
    Journal {
        order: u64,
        after: u64,
        limit: u32,
        key: Option<usize>,
    },
    List(Listing),
    /// A page of the feed, from the start or from where the last page of it ended.
    Feed {
        on: bool,
        limit: u32,
    },
    /// After an order's id, or from the first.
    Dump {
        after: Option<u64>,
        limit: u32,
    },
    /// So many seconds forth or back.
    Clock {
        seconds: i64,
    },
    Write(Write),
    /// All at once: each was decided on before any of them was sent.
    Together(Vec<Write>),
    Lease {
        fence: u64,
        ttl: u64,
        limit: u32,
        order: Option<u64>,
    },
    /// The store is closed and opened again, if it is one that lasts.
    Reopen,
}

#[derive(Debug, Clone)]
pub enum Write {
    Place {
        order: u64,
        number: u64,
        user: u64,
        full: bool,
        shipping: i64,
        created: i64,
        rows: u64,
        with: With,
    },
    Amend {
        order: u64,
        seen: Seen,
        rows: u64,
        change: Change,
        with: With,
    },
    /// An earlier changeset word for word, counted back from the last.
    Again { back: usize },
}

/// The other parts of a changeset.
#[derive(Clone)]
pub struct With {
    pub key: Option<usize>,
    /// Command keys of its first rows.
    pub commands: Vec<usize>,
    pub redemptions: Vec<Taking>,
    pub work: Work,
    /// The content of its rows.
    pub event: usize,
}

/// Only what there is.
impl fmt::Debug for With {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let With {
            key,
            commands,
            redemptions,
            work,
            event,
        } = self;
        let mut shown = f.debug_struct("With");
        if let Some(key) = key {
            shown.field("key", key);
        }
        if !commands.is_empty() {
            shown.field("commands", commands);
        }
        if !redemptions.is_empty() {
            shown.field("redemptions", redemptions);
        }
        shown.field("work", work).field("event", event).finish()
    }
}

#[derive(Debug, Clone)]
pub enum Taking {
    Take { name: usize, limit: u32 },
    GiveBack { name: usize },
}

/// The order that a changeset is decided on.
#[derive(Debug, Clone)]
pub enum Seen {
    /// As it is.
    Now,
    /// As it was read so many reads ago.
    Before(usize),
    /// With a version that it does not have yet.
    Ahead(u64),
}

/// The changes to an order's records.
#[derive(Debug, Clone)]
pub enum Change {
    Nothing,
    Attempt(u32),
    Lifecycle(usize),
    Shipping(i64),
    /// One reason, seen or not; or none.
    Attention(Option<bool>),
    Reservations {
        from: u32,
        to: u32,
    },
    Payments {
        from: u32,
        to: u32,
    },
    Lines(u32),
    Addresses(Option<u8>),
    Notes(bool),
    Notice,
    Told(u64),
    Older(i64),
    Shipments {
        from: u32,
        to: u32,
    },
    Returns {
        from: u32,
        to: u32,
    },
    Credits {
        from: u32,
        to: u32,
    },
    Disputes {
        from: u32,
        to: u32,
    },
    Edits {
        from: u32,
        to: u32,
    },
    Metadata {
        from: u32,
        to: u32,
        value: u8,
    },
    StuckRetried,
    Redacted,
    Everything,
}

#[derive(Debug, Clone)]
pub enum Work {
    Keep,
    Wake {
        due: i64,
    },
    Lease {
        fence: u64,
        ttl: u64,
        due: i64,
    },
    Begin {
        lease: Lease,
        ttl: u64,
    },
    Extend {
        lease: Lease,
        ttl: u64,
        tries: u32,
    },
    Release {
        lease: Lease,
        due: Option<i64>,
        tries: u32,
    },
    Done {
        lease: Lease,
    },
}

/// The lease, and the revision that is named.
#[derive(Debug, Clone)]
pub struct Lease {
    /// None: whoever holds it.
    pub fence: Option<u64>,
    /// The difference of the revision from the true one.
    pub off: i64,
}

#[derive(Debug, Clone)]
pub struct Listing {
    pub user: Option<u64>,
    pub status: Option<usize>,
    pub stuck: bool,
    pub sort: SortKey,
    pub descending: bool,
    pub after: After,
    pub skip: u32,
    pub limit: u32,
    pub count: u32,
    /// On to the last page.
    pub walk: bool,
}

/// The place at which a page starts.
#[derive(Debug, Clone)]
pub enum After {
    Start,
    /// After an order as it was last read.
    Order(u64),
    /// At the `next` of the last page that had one, whatever that was sorted by.
    Kept,
    /// At a value that no list gave.
    Odd(&'static str),
}

/// About thirty steps.
pub fn sequences() -> impl Strategy<Value = Sequence> {
    vec(steps(), 1..=60).prop_map(Sequence)
}

/// Shrinking goes towards the first of each.
fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Summary),
        1 => orders().prop_map(|order| Step::Peek { order }),
        2 => (orders(), any::<bool>(), weighted(0.5, 1..=USERS + 1))
            .prop_map(|(order, by_number, owner)| Step::Load { order, by_number, owner }),
        1 => (1..=USERS, 0..KEYS.len()).prop_map(|(user, key)| Step::FindKey { user, key }),
        1 => (orders(), 0..5u64, 0..4u32).prop_map(|(order, after, limit)| Step::Journal { order, after, limit, key: None }),
        3 => (orders(), select(&[0, 0, 1][..]), select(&[3, 1, 0][..]), 0..KEYS.len())
            .prop_map(|(order, after, limit, key)| Step::Journal { order, after, limit, key: Some(key) }),
        6 => listings().prop_map(Step::List),
        2 => (any::<bool>(), select(&[1000, 3, 1, 0, 1001][..])).prop_map(|(on, limit)| Step::Feed { on, limit }),
        1 => (weighted(0.5, orders()), select(&[1000, 2, 1, 0][..])).prop_map(|(after, limit)| Step::Dump { after, limit }),
        3 => (-10..=20i64).prop_map(|seconds| Step::Clock { seconds }),
        18 => writes().prop_map(Step::Write),
        2 => vec(writes(), 2..=4).prop_map(Step::Together),
        5 => (fences(), ttls(), select(&[10, 3, 1, 0][..]), weighted(0.3, orders()))
            .prop_map(|(fence, ttl, limit, order)| Step::Lease { fence, ttl, limit, order }),
        1 => Just(Step::Reopen),
    ]
}

fn orders() -> impl Strategy<Value = u64> {
    1..=ORDERS
}

fn fences() -> impl Strategy<Value = u64> {
    1..=3u64
}

/// In seconds.
fn ttls() -> impl Strategy<Value = u64> {
    select(&[10, 0, 5, 20, u64::MAX][..])
}

/// In seconds.
fn dues() -> impl Strategy<Value = i64> {
    (-2..=8i64).prop_map(|n| n * 5)
}

fn writes() -> impl Strategy<Value = Write> {
    let number = prop_oneof![4 => Just(None), 1 => orders().prop_map(Some)];
    let place = (
        orders(),
        number,
        1..=USERS,
        any::<bool>(),
        0..3i64,
        0..3i64,
        1..=3u64,
        withs(),
    );
    prop_oneof![
        5 => place.prop_map(|(order, number, user, full, shipping, created, rows, with)| {
            Write::Place { order, number: number.unwrap_or(order), user, full, shipping, created, rows, with }
        }),
        8 => (orders(), seen(), select(&[1, 0, 2, 3][..]), changes(), withs())
            .prop_map(|(order, seen, rows, change, with)| Write::Amend { order, seen, rows, change, with }),
        1 => (0..20usize).prop_map(|back| Write::Again { back }),
    ]
}

fn withs() -> impl Strategy<Value = With> {
    let key = weighted(0.15, 0..KEYS.len());
    let commands = prop_oneof![3 => Just(Vec::new()), 1 => vec(0..KEYS.len(), 1..=2)];
    let redemptions = prop_oneof![3 => Just(Vec::new()), 1 => vec(takings(), 1..=3)];
    (key, commands, redemptions, works(), 0..6usize).prop_map(
        |(key, commands, redemptions, work, event)| With {
            key,
            commands,
            redemptions,
            work,
            event,
        },
    )
}

fn takings() -> impl Strategy<Value = Taking> {
    prop_oneof![
        3 => (0..LIMITED.len(), select(&[2, 1, 3, 0][..])).prop_map(|(name, limit)| Taking::Take { name, limit }),
        2 => (0..LIMITED.len()).prop_map(|name| Taking::GiveBack { name }),
    ]
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![8 => Just(Seen::Now), 1 => (0..4usize).prop_map(Seen::Before), 1 => (1..3u64).prop_map(Seen::Ahead)]
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => Just(Change::Nothing),
        1 => (1..4u32).prop_map(Change::Attempt),
        3 => (0..8usize).prop_map(Change::Lifecycle),
        2 => (0..3i64).prop_map(Change::Shipping),
        2 => proptest::option::of(any::<bool>()).prop_map(Change::Attention),
        2 => (1..3u32, 0..4u32).prop_map(|(from, to)| Change::Reservations { from, to }),
        2 => (1..3u32, 0..4u32).prop_map(|(from, to)| Change::Payments { from, to }),
        1 => (1..4u32).prop_map(Change::Lines),
        1 => proptest::option::of(0..3u8).prop_map(Change::Addresses),
        1 => any::<bool>().prop_map(Change::Notes),
        3 => Just(Change::Notice),
        3 => (0..5u64).prop_map(Change::Told),
        1 => (1..3i64).prop_map(Change::Older),
        1 => (1..3u32, 0..4u32).prop_map(|(from, to)| Change::Shipments { from, to }),
        1 => (1..3u32, 0..4u32).prop_map(|(from, to)| Change::Returns { from, to }),
        1 => (1..3u32, 0..4u32).prop_map(|(from, to)| Change::Credits { from, to }),
        1 => (1..3u32, 0..4u32).prop_map(|(from, to)| Change::Disputes { from, to }),
        1 => (1..3u32, 0..4u32).prop_map(|(from, to)| Change::Edits { from, to }),
        1 => (1..3u32, 0..4u32, 0..2u8).prop_map(|(from, to, value)| Change::Metadata { from, to, value }),
        1 => Just(Change::StuckRetried),
        2 => Just(Change::Redacted),
        2 => Just(Change::Everything),
    ]
}

fn works() -> impl Strategy<Value = Work> {
    prop_oneof![
        6 => Just(Work::Keep),
        5 => dues().prop_map(|due| Work::Wake { due }),
        3 => (fences(), ttls(), dues()).prop_map(|(fence, ttl, due)| Work::Lease { fence, ttl, due }),
        1 => (leases(), ttls()).prop_map(|(lease, ttl)| Work::Begin { lease, ttl }),
        2 => (leases(), ttls(), 0..3u32).prop_map(|(lease, ttl, tries)| Work::Extend { lease, ttl, tries }),
        2 => (leases(), weighted(0.7, dues()), 0..3u32).prop_map(|(lease, due, tries)| Work::Release { lease, due, tries }),
        1 => leases().prop_map(|lease| Work::Done { lease }),
    ]
}

fn leases() -> impl Strategy<Value = Lease> {
    let off = prop_oneof![8 => Just(0), 1 => Just(-1), 1 => Just(1)];
    (weighted(0.2, fences()), off).prop_map(|(fence, off)| Lease { fence, off })
}

fn listings() -> impl Strategy<Value = Listing> {
    let after = prop_oneof![
        8 => Just(After::Start),
        1 => orders().prop_map(After::Order),
        1 => Just(After::Kept),
        1 => select(&["", "0", "-1", "+5", " 5", "9223372036854775807", "9223372036854775808", "x", "ord-0000-0000-0000"][..])
            .prop_map(After::Odd),
    ];
    let filters = (
        weighted(0.4, 1..=USERS + 1),
        weighted(0.3, select(&[0, 1, 7, 9][..])),
        weighted(0.3, Just(())),
    );
    let skip = prop_oneof![3 => Just(0), 1 => 0..4u32];
    let page = (
        after,
        skip,
        select(&[1, 2, 3, 1000, 0][..]),
        select(&[0, 1, 3, 10_000][..]),
        any::<bool>(),
    );
    (filters, select(SortKey::ALL), any::<bool>(), page).prop_map(
        |(filters, sort, descending, page)| {
            let ((user, status, stuck), (after, skip, limit, count, walk)) = (filters, page);
            Listing {
                user,
                status,
                stuck: stuck.is_some(),
                sort,
                descending,
                after,
                skip,
                limit,
                count,
                walk,
            }
        },
    )
}
