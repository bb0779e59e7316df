//! Sample orders and changesets for tests of stores: built record by record, without the engine's
//! rules.
//!
//! Everything is derived from small numbers, so that a test reads `order_id(1)` where it means the
//! first order. Their sums add up and their versions count their journal rows, so that a store may
//! check what no outside fact can break.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::ids::{
    Bucket, ChangesetId, Fence, IdempotencyKey, LineId, Name, OrderId, ProductId, Reference, Sku,
    UserId, VariantId,
};
use crate::money::{Currency, Minor};
use crate::number::OrderNumber;
use crate::order::{
    Actor, Address, Addresses, Amounts, Attention, AttentionReason, Blocks, Closing, ClosingKind,
    CommandKey, Counters, Credit, CreditKind, CustomerAction, DiscardCause, Dispute, DisputeState,
    Edit, EditPlan, EditState, Event, JournalRow, Lifecycle, Line, LineUnits, Lot, Notice,
    NoticeKind, Op, OperationKind, OperationOrigin, OperationState, Order, OrderHold,
    PaymentOperation, PaymentTerms, Placed, PlacedLine, RaisedLine, Redemption, Reservation,
    ReservationState, RetaxedLine, Return, ReturnLine, ReturnState, Shipment, ShipmentState,
    ShippingPrice, UnmatchedPayment, Verification, derive,
};
use crate::store::{Changeset, KeyMethod, KeyRecord, RedemptionChange, WorkChange};
use crate::text::Private;
use crate::time::Timestamp;

fn uuid(kind: u8, n: u64) -> Uuid {
    Uuid::from_u128(
        u128::from(kind) << 120 | 0x7 << 76 | 0b10 << 62 | u128::from(n & (u64::MAX >> 2)),
    )
}

/// The bucket of every sample user, so that a test may give any order to any of them.
pub const BUCKET: Bucket = Bucket::of(&UserId::from_bytes([2; 16]));

/// The id of the n-th order; a larger n, up to 2 to the power of 50, is a larger id.
pub fn order_id(n: u64) -> OrderId {
    OrderId::new(at(0), n.into(), BUCKET)
}

/// The n-th user's id. All of them are of one [`BUCKET`].
pub fn user_id(n: u64) -> UserId {
    user_in(BUCKET, n)
}

/// The id of the n-th user of a bucket.
pub fn user_in(bucket: Bucket, n: u64) -> UserId {
    let users = (0..).map(|k| UserId::from_uuid(uuid(2, n << 20 | k)));
    users
        .into_iter()
        .find(|user| Bucket::of(user) == bucket)
        .expect("one in 4,096 is of any bucket")
}

/// The n-th lease.
pub fn fence(n: u64) -> Fence {
    Fence::from_uuid(uuid(3, n))
}

/// The n-th order's number.
pub fn number(n: u64) -> OrderNumber {
    OrderNumber::new(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), BUCKET)
}

/// `seconds` after the time at which samples are placed.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_772_359_200_000_000 + seconds * 1_000_000)
}

/// A changeset id that no other call gives.
pub fn changeset_id() -> ChangesetId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ChangesetId::from_uuid(uuid(4, NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A name, SKU, reference or key that is known to be sound.
///
/// # Panics
/// If it is not.
#[track_caller]
pub fn text<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .ok()
        .unwrap_or_else(|| panic!("{text:?} is not sound"))
}

fn line(order: u64, n: u32, quantity: u32, unit_price: Minor) -> Line {
    let subtotal = Minor::from(quantity) * unit_price;
    Line {
        n,
        id: LineId::from_uuid(uuid(5, order << 16 | u64::from(n))),
        product: ProductId::from_uuid(uuid(6, n.into())),
        variant: None,
        sku: text::<Sku>(&format!("SKU-{n}")),
        name: format!("Thing {n}"),
        quantity,
        unit_price,
        discount: 0,
        subtotal,
        requires_shipping: true,
        counters: Counters::default(),
        lots: vec![Lot {
            units: quantity,
            subtotal,
            coupon: 0,
            tax: 0,
            tax_included: 0,
            credit: 0,
        }],
        created_at: at(0),
        updated_at: at(0),
    }
}

/// An address whose texts end in `suffix`.
pub fn address(suffix: &str) -> Address {
    Address {
        first_name: format!("Ada{suffix}"),
        last_name: format!("Lovelace{suffix}"),
        address_line1: format!("12 St James's Square{suffix}"),
        address_line2: None,
        city: format!("London{suffix}"),
        state: String::new(),
        postal_code: "SW1Y 4JH".into(),
        country: "GB".into(),
        phone: None,
        email: Some("ada@example.org".into()),
    }
}

/// The n-th order as it is before its first journal row: one line, no reservation, no payment.
pub fn plain(n: u64) -> Order {
    let line = line(n, 1, 2, 1250);
    let amounts = Amounts {
        subtotal: line.subtotal,
        total: line.subtotal,
        ..Amounts::default()
    };
    let addresses = Addresses {
        shipping: address(""),
        billing: address(""),
    };
    let mut order = Order {
        version: 0,
        lines: vec![line],
        amounts,
        placing_deadline: at(1800),
        addresses: Private(Some(addresses)),
        ..Order::new(
            order_id(n),
            number(n),
            user_id(n),
            Currency::USD,
            text::<Name>("card"),
            PaymentTerms::Confirm,
            at(0),
        )
    };
    order.statuses = derive(&order);
    order
}

/// The n-th order with several records of every kind, and a value in every field that may have one.
/// Its notices are of its first two journal rows.
pub fn full(n: u64) -> Order {
    let mut order = plain(n);
    order.lines = full_lines(n);
    order.amounts = Amounts {
        subtotal: 4400,
        discount: 440,
        tax: 340,
        tax_included: 16,
        shipping: 500,
        shipping_tax: 35,
        total: 4800,
    };
    order.lifecycle = Lifecycle::Confirmed;
    order.shipping_method = Some(text("express ✈"));
    order.terms = PaymentTerms::Shipment;
    order.coupon = Some(text("SPRING10"));
    order.redemptions = vec![
        limited("coupon/SPRING10", 500),
        limited(&format!("coupon/SPRING10/{}", order.user), 1),
    ];
    order.round = 2;
    order.reservations = full_reservations();
    order.payments = full_payments();
    order.unmatched = vec![
        unmatched("pay_unknown_1", OperationState::Captured, 4800),
        unmatched("pay_unknown_2", OperationState::Declined, 0),
    ];
    order.holds = vec![
        OrderHold {
            kind: text("fraud"),
            blocks: Blocks::Ship,
            placed_by: Actor::Operator("eve".into()),
            until: Some(at(900)),
        },
        OrderHold {
            kind: text("address"),
            blocks: Blocks::Capture,
            placed_by: Actor::System,
            until: None,
        },
    ];
    order.attention = vec![
        Attention {
            reason: AttentionReason::SuspectReservation,
            about: Some(Op::Reservation(4)),
            amount: None,
            since: at(30),
            acknowledged: true,
        },
        Attention {
            reason: AttentionReason::UnexpectedReport,
            about: None,
            amount: None,
            since: at(31),
            acknowledged: false,
        },
    ];
    order.notices = vec![
        Notice {
            seq: 1,
            kind: NoticeKind::PaymentFailed,
        },
        Notice {
            seq: 2,
            kind: NoticeKind::Confirmed,
        },
    ];
    order.retry_until = Some(at(600_000));
    let mut billing = address(" (billing)");
    billing.address_line2 = Some("c/o Babbage".into());
    billing.state = "Greater London".into();
    billing.phone = Some("+44 (0)20 7946-0000 x12".into());
    billing.email = None;
    order.addresses = Private(Some(Addresses {
        shipping: address(""),
        billing,
    }));
    order.notes = Private(Some("Please ring twice.".into()));
    order.metadata = Private(Some(
        [
            (text("channel"), "web ✓".into()),
            (text("basket"), "42".into()),
        ]
        .into(),
    ));
    order.shipments = full_shipments();
    order.returns = full_returns();
    order.credits = vec![
        Credit {
            n: 1,
            kind: CreditKind::Goodwill,
            line: None,
            amount: 100,
            at: at(40),
        },
        Credit {
            n: 2,
            kind: CreditKind::Line,
            line: Some(1),
            amount: 9,
            at: at(41),
        },
    ];
    order.disputes = vec![Dispute {
        reference: text("dp_1"),
        payment: Some(1),
        amount: 4800,
        state: DisputeState::Won,
        opened_at: at(42),
        closed_at: Some(at(43)),
    }];
    order.edits = full_edits(n);
    order.confirmed_at = Some(at(6));
    order.stuck_retried_at = Some(at(44));
    order.statuses = derive(&order);
    order
}

fn full_lines(n: u64) -> Vec<Line> {
    let lot = |units, subtotal, coupon, tax| Lot {
        units,
        subtotal,
        coupon,
        tax,
        tax_included: 4,
        credit: 3,
    };
    let mut lines = vec![line(n, 1, 3, 1000), line(n, 2, 3, 500), line(n, 3, 1, 0)];
    lines[0].discount = 100;
    lines[0].subtotal = 2900;
    lines[0].counters = Counters {
        cancelled: 1,
        planned: 1,
        shipped: 1,
        delivered: 1,
        returned: 1,
        restocked: 1,
        lost: 2,
    };
    lines[0].lots = vec![lot(3, 2900, 290, 200)];
    lines[1].variant = Some(VariantId::from_uuid(uuid(7, 1)));
    lines[1].lots = vec![lot(2, 1000, 100, 70), lot(1, 500, 50, 35)];
    lines[1].updated_at = at(5);
    lines[2].requires_shipping = false;
    lines[2].lots = vec![lot(1, 0, 0, 0)];
    lines
}

/// The n-th reservation of an order, in `state`, with nothing else said.
pub fn reservation(n: u32, state: ReservationState) -> Reservation {
    Reservation {
        state,
        updated_at: at(2),
        ..Reservation::planned(n, text(&format!("SKU-{n}")), 2, 1, at(1))
    }
}

fn full_shipments() -> Vec<Shipment> {
    let planned = Shipment {
        n: 1,
        lines: vec![
            LineUnits { line: 1, units: 1 },
            LineUnits { line: 2, units: 2 },
        ],
        state: ShipmentState::Planned,
        carrier: None,
        tracking: None,
        shipped_at: None,
        delivered_at: None,
        lost_at: None,
        created_at: at(7),
        updated_at: at(7),
    };
    let delivered = Shipment {
        n: 2,
        lines: vec![LineUnits { line: 1, units: 1 }],
        state: ShipmentState::Delivered,
        carrier: Some("Post & Co".into()),
        tracking: Some("RR 123 456 785 GB".into()),
        shipped_at: Some(at(8)),
        delivered_at: Some(at(9)),
        lost_at: Some(at(9)),
        created_at: at(7),
        updated_at: at(9),
    };
    vec![planned, delivered]
}

fn full_returns() -> Vec<Return> {
    let line = |line, units, restocked, scrapped| ReturnLine {
        line,
        units,
        restocked,
        scrapped,
    };
    let closed = Return {
        n: 1,
        lines: vec![line(1, 1, 1, 0)],
        state: ReturnState::Closed,
        created_at: at(10),
        updated_at: at(12),
    };
    let open = Return {
        n: 2,
        lines: vec![line(1, 2, 0, 1)],
        state: ReturnState::Approved,
        created_at: at(13),
        updated_at: at(13),
    };
    vec![closed, open]
}

fn full_edits(order: u64) -> Vec<Edit> {
    let new = line(order, 4, 2, 700);
    let added = PlacedLine {
        id: new.id,
        product: new.product,
        variant: new.variant,
        sku: new.sku,
        name: new.name,
        unit_price: new.unit_price,
        discount: new.discount,
        requires_shipping: new.requires_shipping,
        lot: new.lots[0],
    };
    let plan = EditPlan {
        added: vec![added],
        raised: vec![RaisedLine {
            line: 1,
            lot: new.lots[0],
        }],
        lowered: vec![LineUnits { line: 2, units: 1 }],
        coupon_ends: true,
        retaxed: vec![RetaxedLine {
            line: 1,
            units: 2,
            tax: 20,
            tax_included: 0,
        }],
        shipping: Some(ShippingPrice {
            shipping: 600,
            tax: 40,
            tax_included: 0,
        }),
        shipping_method: Some(text("courier")),
    };
    let discarded = Edit {
        n: 1,
        plan: plan.clone(),
        state: EditState::Discarded,
        cause: Some(DiscardCause::StockRefused),
        due: 0,
        payment: None,
        reservation: 1,
        reservation_end: Some(2),
        deadline: at(1800),
        created_at: at(20),
        updated_at: at(21),
        address: Private(None),
    };
    let open = Edit {
        n: 2,
        state: EditState::Open,
        cause: None,
        due: 2800,
        payment: Some(3),
        reservation: 3,
        reservation_end: None,
        address: Private(Some(address(" (edit)"))),
        plan,
        ..discarded.clone()
    };
    vec![discarded, open]
}

fn full_reservations() -> Vec<Reservation> {
    let held = Reservation {
        reference: Some(text::<Reference>("hold-1")),
        expires_at: Some(at(86_400)),
        ..reservation(1, ReservationState::Held)
    };
    let closing = Reservation {
        closing: Some(Closing {
            serial: 3,
            kind: ClosingKind::Release,
            units: 1,
            committed: true,
            unknown: true,
        }),
        closings: 4,
        committed: 1,
        replaces: Some(1),
        round: 2,
        ..reservation(2, ReservationState::Held)
    };
    let refused = Reservation {
        available: Some(0),
        closing_refused: true,
        released: 2,
        ..reservation(3, ReservationState::Refused)
    };
    vec![
        held,
        closing,
        refused,
        reservation(4, ReservationState::Suspect),
    ]
}

/// The n-th payment operation of an order, of 4,800 minor units, with nothing else said.
pub fn payment(n: u32, kind: OperationKind, state: OperationState) -> PaymentOperation {
    PaymentOperation {
        n,
        parent: match kind {
            OperationKind::Authorize | OperationKind::Charge => None,
            OperationKind::Capture | OperationKind::Void | OperationKind::Refund => Some(1),
        },
        kind,
        origin: OperationOrigin::Engine,
        method: text("card"),
        amount: 4800,
        settled: 0,
        state,
        verification: Verification::None,
        reference: None,
        code: None,
        capture_before: None,
        deadline: None,
        token: Private(None),
        return_url: Private(None),
        action: Private(None),
        created_at: at(3),
        updated_at: at(4),
    }
}

fn full_payments() -> Vec<PaymentOperation> {
    let authorized = PaymentOperation {
        settled: 4800,
        reference: Some(text("pay_1")),
        capture_before: Some(at(604_800)),
        ..payment(1, OperationKind::Authorize, OperationState::Authorized)
    };
    let captured = PaymentOperation {
        amount: 2000,
        settled: 2000,
        ..payment(2, OperationKind::Capture, OperationState::Captured)
    };
    let refund = PaymentOperation {
        parent: Some(2),
        amount: 100,
        code: Some("try_later".into()),
        ..payment(3, OperationKind::Refund, OperationState::Unknown)
    };
    let action = CustomerAction {
        url: "https://bank.example/3ds?a=1&b=%20".into(),
        data: Some("{\"v\":2}".into()),
    };
    let waiting = PaymentOperation {
        method: text("wallet"),
        deadline: Some(at(1800)),
        token: Private(Some("tok_visa".into())),
        return_url: Private(Some("https://shop.example/back".into())),
        action: Private(Some(action)),
        ..payment(4, OperationKind::Charge, OperationState::ActionRequired)
    };
    let bare = CustomerAction {
        url: "https://bank.example/".into(),
        data: None,
    };
    let bare = PaymentOperation {
        action: Private(Some(bare)),
        ..payment(5, OperationKind::Authorize, OperationState::ActionRequired)
    };
    vec![authorized, captured, refund, waiting, bare]
}

fn unmatched(reference: &str, status: OperationState, amount: Minor) -> UnmatchedPayment {
    UnmatchedPayment {
        reference: text(reference),
        parent: None,
        status,
        amount,
        currency: text("EUR"),
    }
}

/// A use of `name`, of which there are `limit`.
pub fn limited(name: &str, limit: u32) -> Redemption {
    Redemption {
        name: name.into(),
        limit,
    }
}

/// The event of placing `order`, personal data included.
pub fn placed_event(order: &Order) -> Event {
    let line = |line: &Line| PlacedLine {
        id: line.id,
        product: line.product,
        variant: line.variant,
        sku: line.sku.clone(),
        name: line.name.clone(),
        unit_price: line.unit_price,
        discount: line.discount,
        requires_shipping: line.requires_shipping,
        lot: line.lots[0],
    };
    Event::Placed(Box::new(Placed {
        id: order.id,
        number: order.number,
        user: order.user,
        currency: order.currency,
        lines: order.lines.iter().map(line).collect(),
        amounts: order.amounts,
        shipping_method: order.shipping_method.clone(),
        payment_method: order.payment_method.clone(),
        terms: order.terms,
        coupon: order.coupon.clone(),
        redemptions: order.redemptions.clone(),
        placing_deadline: order.placing_deadline,
        holds: order.holds.clone(),
        external_ref: order.external_ref.clone(),
        addresses: order.addresses.clone(),
        notes: order.notes.clone(),
        token: Private(Some("tok_visa".into())),
        return_url: Private(Some("https://shop.example/back".into())),
        metadata: order.metadata.clone(),
    }))
}

/// A changeset that stores `order` as new with `k` journal rows and does nothing else.
pub fn place_in(mut order: Order, k: u64) -> Changeset {
    order.version = k;
    let mut changeset = written(None, Arc::new(order), k);
    if let Some(row) = changeset.journal.first_mut() {
        row.event = placed_event(&changeset.after);
        row.from = None;
        row.cause = "place".into();
        row.actor = Actor::User(changeset.after.user);
    }
    changeset
}

/// A changeset that stores `order` as new with one journal row and does nothing else.
pub fn place(order: Order) -> Changeset {
    place_in(order, 1)
}

/// A changeset with `k` journal rows that turns `before` into what `change` makes of it, `k`
/// seconds later.
pub fn amend_in(before: &Arc<Order>, k: u64, change: impl FnOnce(&mut Order)) -> Changeset {
    let mut after = Order::clone(before);
    after.version += k;
    after.updated_at = after.updated_at.after(Duration::from_secs(k));
    change(&mut after);
    written(Some(Arc::clone(before)), Arc::new(after), k)
}

/// A changeset with one journal row that turns `before` into what `change` makes of it, a second
/// later.
pub fn amend(before: &Arc<Order>, change: impl FnOnce(&mut Order)) -> Changeset {
    amend_in(before, 1, change)
}

/// A changeset without journal rows that does `work`.
pub fn work(before: &Arc<Order>, work: WorkChange) -> Changeset {
    Changeset {
        work,
        ..amend_in(before, 0, |_| {})
    }
}

fn written(before: Option<Arc<Order>>, after: Arc<Order>, k: u64) -> Changeset {
    let id = changeset_id();
    let from = before
        .as_ref()
        .map_or(after.statuses.status, |before| before.statuses.status);
    let row = |seq| JournalRow {
        order: after.id,
        seq,
        event: Event::Noted,
        from: Some(from),
        to: after.statuses.status,
        actor: Actor::System,
        cause: "worker".into(),
        notes: None,
        command_key: None,
        changeset: id,
        at: after.updated_at,
    };
    let journal = (1..=k).map(|i| row(after.version - k + i)).collect();
    Changeset {
        id,
        before,
        after,
        journal,
        key: None,
        redemptions: Vec::new(),
        work: WorkChange::Keep,
    }
}

/// The record of `key` for `order`.
pub fn key_record(order: &Order, key: &str) -> KeyRecord {
    KeyRecord {
        user: order.user,
        method: KeyMethod::Place,
        key: text::<IdempotencyKey>(key),
        request_hash: uuid(8, 1),
        order: order.id,
    }
}

/// `key` as it stands on a journal row, for the command it always stands for.
pub fn command_key(key: &str) -> CommandKey {
    CommandKey {
        key: text(key),
        hash: Uuid::new_v5(&Uuid::nil(), key.as_bytes()),
    }
}

/// More parts for a changeset, one after the other.
pub trait With: Sized {
    /// With the idempotency key `key` of the order's user.
    fn keyed(self, key: &str) -> Self;
    /// With `key` on its first journal row.
    fn commanded(self, key: &str) -> Self;
    /// Taking a use of `name`, of which there are `limit`.
    fn taking(self, name: &str, limit: u32) -> Self;
    /// Giving a use of `name` back.
    fn giving_back(self, name: &str) -> Self;
    /// Doing `work` as well.
    fn working(self, work: WorkChange) -> Self;
}

impl With for Changeset {
    fn keyed(mut self, key: &str) -> Self {
        self.key = Some(key_record(&self.after, key));
        self
    }

    fn commanded(mut self, key: &str) -> Self {
        if let Some(row) = self.journal.first_mut() {
            row.command_key = Some(command_key(key));
        }
        self
    }

    fn taking(mut self, name: &str, limit: u32) -> Self {
        self.redemptions.push(RedemptionChange {
            redemption: limited(name, limit),
            take: true,
        });
        self
    }

    fn giving_back(mut self, name: &str) -> Self {
        self.redemptions.push(RedemptionChange {
            redemption: limited(name, 1),
            take: false,
        });
        self
    }

    fn working(mut self, work: WorkChange) -> Self {
        self.work = work;
        self
    }
}
