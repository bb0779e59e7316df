//! Orders to store, a clock set by hand, a file that is removed.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use order_core::ids::{ChangesetId, Fence, LineId, OrderId, ProductId, UserId, VariantId};
use order_core::money::Currency;
use order_core::number::OrderNumber;
use order_core::order::*;
use order_core::runtime::Clock;
use order_core::store::{Changeset, KeyMethod, KeyRecord, OrderStore, WorkChange};
use order_core::text::Private;
use order_core::time::Timestamp;
use order_store_sqlite::{SqliteOptions, SqliteStore};
use uuid::Uuid;

pub struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl HandClock {
    pub fn advance(&self, by: Duration) {
        self.0.store(self.now().after(by).as_micros(), Ordering::SeqCst);
    }
}

pub fn clock() -> Arc<HandClock> {
    Arc::new(HandClock(AtomicI64::new(at(0).as_micros())))
}

pub fn open(path: impl AsRef<Path>) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::new(clock())).unwrap()
}

/// A database file in the temporary directory, removed with what SQLite puts beside it.
pub struct TempFile(pub PathBuf);

impl TempFile {
    pub fn new() -> Self {
        let name = format!("order-store-{}-{}.db", std::process::id(), serial());
        TempFile(std::env::temp_dir().join(name))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

pub fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub fn uuid(kind: u64, n: u64) -> Uuid {
    Uuid::from_u64_pair(kind << 48 | 0x7000, 1 << 63 | n)
}

pub fn user(n: u64) -> UserId {
    UserId::from_uuid(uuid(2, n))
}

pub fn fence(n: u64) -> Fence {
    Fence::from_uuid(uuid(3, n))
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_772_359_200_000_000 + seconds * 1_000_000)
}

pub fn text<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub fn line(order: u64, n: u32, quantity: u32, unit_price: i64) -> Line {
    let subtotal = i64::from(quantity) * unit_price;
    Line {
        n,
        id: LineId::from_uuid(uuid(4, order << 8 | u64::from(n))),
        product: ProductId::from_uuid(uuid(5, n.into())),
        variant: None,
        sku: text(&format!("SKU-{n}")),
        name: format!("Thing {n}"),
        quantity,
        unit_price,
        discount: 0,
        subtotal,
        requires_shipping: true,
        counters: Counters::default(),
        lots: vec![Lot { units: quantity, subtotal, coupon: 0, tax: 0, tax_included: 0 }],
        created_at: at(0),
        updated_at: at(0),
    }
}

/// The n-th order with one line and nothing that it need not have.
pub fn plain(n: u64) -> Order {
    let line = line(n, 1, 2, 1250);
    Order {
        id: OrderId::from_uuid(uuid(1, n)),
        number: OrderNumber::from_random(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        user: user(n),
        version: 1,
        lifecycle: Lifecycle::Pending,
        statuses: Statuses::default(),
        currency: Currency::USD,
        amounts: Amounts { subtotal: line.subtotal, total: line.subtotal, ..Amounts::default() },
        lines: vec![line],
        shipping_method: None,
        payment_method: text("card"),
        terms: PaymentTerms::Confirm,
        coupon: None,
        claims: Vec::new(),
        attempt: 1,
        reservations: Vec::new(),
        payments: Vec::new(),
        unmatched: Vec::new(),
        holds: Vec::new(),
        attention: Vec::new(),
        notices: Vec::new(),
        notified: 0,
        placing_deadline: at(1800),
        retry_until: None,
        created_at: at(0),
        updated_at: at(0),
        completed_at: None,
        cancelled_at: None,
        addresses: Private(None),
        notes: Private(None),
    }
}

fn address(name: &str, full: bool) -> Address {
    Address {
        first_name: name.into(),
        last_name: "O'Neil\u{0}\u{1F680}'; DROP TABLE orders;--".into(),
        address_line1: "1 Über-Straße".into(),
        address_line2: full.then(|| "c/o".into()),
        city: "Köln".into(),
        state: String::new(),
        postal_code: "50667".into(),
        country: "DE".into(),
        phone: full.then(|| "+49 221".into()),
        email: full.then(|| "a@example.org".into()),
    }
}

/// The n-th order with a value in every field that may have one.
pub fn full(n: u64) -> Order {
    let mut order = plain(n);
    order.lines.push(Line {
        variant: Some(VariantId::from_uuid(uuid(6, 1))),
        discount: 100,
        subtotal: 2900,
        requires_shipping: false,
        counters: Counters { cancelled: 1, planned: 2, shipped: 3, delivered: 4, returned: 5 },
        lots: vec![
            Lot { units: 2, subtotal: 1900, coupon: 190, tax: 7, tax_included: 1 },
            Lot { units: 1, subtotal: 1000, coupon: 100, tax: 3, tax_included: 2 },
        ],
        updated_at: at(9),
        ..line(n, 2, 3, 1000)
    });
    order.amounts =
        Amounts { subtotal: 5400, discount: 290, tax: 45, tax_included: 3, shipping: 500, shipping_tax: 35, total: 5655 };
    order.lifecycle = Lifecycle::Confirmed;
    order.statuses = Statuses {
        status: Status::PartiallyDelivered,
        payment: PaymentStatus::Disputed,
        fulfilment: FulfilmentStatus::PartiallyDelivered,
        returned: ReturnStatus::Requested,
    };
    order.currency = text("KWD");
    order.shipping_method = Some(text("express"));
    order.terms = PaymentTerms::Shipment;
    order.coupon = Some(text("SPRING"));
    order.claims = vec![Claim { name: "coupon/SPRING".into(), limit: 7 }];
    order.attempt = 2;
    order.reservations = vec![
        Reservation {
            reference: Some(text("hold")),
            expires_at: Some(at(99)),
            available: Some(3),
            refusals: 2,
            closing: Some(Closing { kind: ClosingKind::Commit, unknown: true }),
            ..reservation(1)
        },
        reservation(2),
    ];
    let action = CustomerAction { url: "https://bank.example".into(), data: Some(String::new()) };
    order.payments = vec![
        PaymentOperation {
            settled: -7,
            reference: Some(text("pay")),
            code: Some("05".into()),
            capture_before: Some(at(5)),
            deadline: Some(at(6)),
            token: Private(Some("tok".into())),
            return_url: Private(Some("https://shop.example".into())),
            action: Private(Some(action)),
            ..payment(1)
        },
        PaymentOperation { parent: Some(1), kind: OperationKind::Refund, ..payment(2) },
        PaymentOperation { action: Private(Some(CustomerAction { url: String::new(), data: None })), ..payment(3) },
    ];
    order.unmatched = vec![UnmatchedPayment {
        reference: text("stray"),
        status: OperationState::Captured,
        amount: i64::MIN,
        currency: text("JPY"),
    }];
    order.holds = vec![OrderHold {
        kind: text("fraud"),
        blocks: Blocks::Ship,
        placed_by: Actor::Operator("eve:x".into()),
        until: Some(at(4)),
    }];
    order.attention = vec![Attention { reason: AttentionReason::SuspectHold, about: Some(Op::Reservation(1)), since: at(3) }];
    order.notices = vec![Notice { seq: 1, kind: NoticeKind::Confirmed }, Notice { seq: 2, kind: NoticeKind::Cancelled }];
    order.retry_until = Some(Timestamp::from_micros(-1));
    order.completed_at = Some(at(7));
    order.cancelled_at = Some(at(8));
    order.addresses = Private(Some(Addresses { shipping: address("Ada", true), billing: address("Bob", false) }));
    order.notes = Private(Some("ring\ntwice\u{0}".into()));
    order
}

pub fn reservation(n: u32) -> Reservation {
    Reservation {
        n,
        sku: text("SKU-1"),
        quantity: 2,
        attempt: 1,
        state: HoldState::Held,
        closing: None,
        reference: None,
        expires_at: None,
        available: None,
        refusals: 0,
        created_at: at(1),
        updated_at: at(2),
    }
}

pub fn payment(n: u32) -> PaymentOperation {
    PaymentOperation {
        n,
        parent: None,
        kind: OperationKind::Charge,
        method: text("card"),
        amount: 5655,
        settled: 0,
        state: OperationState::Armed,
        reference: None,
        code: None,
        capture_before: None,
        deadline: None,
        token: Private(None),
        return_url: Private(None),
        action: Private(None),
        created_at: at(1),
        updated_at: at(2),
    }
}

/// A changeset with one journal row.
pub fn changeset(before: Option<&Arc<Order>>, after: Order) -> Changeset {
    let id = ChangesetId::from_uuid(uuid(7, serial()));
    let seq = before.map_or(0, |b| b.version) + 1;
    let after = Arc::new(Order { version: seq, ..after });
    let row = JournalRow {
        order: after.id,
        seq,
        event: Event::Noted,
        from: before.map(|b| b.statuses.status),
        to: after.statuses.status,
        actor: Actor::System,
        cause: "test".into(),
        notes: Some("n\u{0}".into()),
        command_key: None,
        changeset: id,
        at: after.updated_at,
    };
    Changeset { id, before: before.cloned(), after, journal: vec![row], key: None, claims: Vec::new(), work: WorkChange::Keep }
}

/// A changeset without journal rows.
pub fn work(order: &Arc<Order>, work: WorkChange) -> Changeset {
    Changeset { work, journal: Vec::new(), after: Arc::clone(order), ..changeset(Some(order), Order::clone(order)) }
}

pub fn key(order: &Order, key: &str) -> KeyRecord {
    KeyRecord { user: order.user, method: KeyMethod::Place, key: text(key), request_hash: uuid(8, 1), order: order.id }
}

pub async fn place(store: &SqliteStore, order: Order) -> Arc<Order> {
    let changeset = changeset(None, order);
    let after = Arc::clone(&changeset.after);
    store.commit(changeset).await.unwrap();
    after
}

pub async fn load(store: &SqliteStore, id: OrderId) -> (Arc<Order>, Option<order_core::store::WorkItem>) {
    let loaded = store.load(id.into(), None).await.unwrap().unwrap();
    (loaded.order, loaded.work)
}
