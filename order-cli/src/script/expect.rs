//! `expect = { … }`: the outcome of a step, each part of it with the place that says so.

use std::collections::BTreeMap;
use std::fmt::Display;

use order_core::error::{ErrorKind, RejectionReason};
use order_core::ids::Sku;
use order_core::order::{
    AttentionReason, EditState, FulfilmentStatus, Lifecycle, NoticeKind, PaymentStatus,
    ReturnState, ReturnStatus, ShipmentState, Status,
};
use serde::Deserialize;
use toml::Spanned;

use super::values::{Amount, FromText, Natural, PaymentText, ReservationText, Written};
use crate::input::renamed::today;

/// Everything a step expects.
#[derive(Debug, Default)]
pub struct Expect {
    /// The parts of it, each with its place.
    pub wanted: Vec<Spanned<Wanted>>,
}

/// One thing a step expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The step is refused, with this reason or kind.
    Error(String),
    /// The error's text holds this.
    Message(String),
    /// The key named an order that existed.
    Replayed(bool),
    /// A field of the order that is a text: its name and its value.
    Field(&'static str, String),
    /// A sum of the order, or of a quote: its name and its value.
    Amount(&'static str, String),
    /// A sum of the order's payments and records: its name and its value.
    Money(&'static str, String),
    /// The order's version.
    Version(u64),
    /// The kinds of the holds placed on it.
    Holds(Vec<String>),
    /// The reasons of attention that nobody has acknowledged.
    Attention(Vec<String>),
    /// The order's payment operations: `charge CAPTURED 32.43`.
    Payments(Vec<String>),
    /// The order's reservations: `MUG-01 2 HELD`.
    Reservations(Vec<String>),
    /// The payment operations the desk knows for the order, spelt as payments.
    Desk(Vec<String>),
    /// The states of its shipments.
    Shipments(Vec<String>),
    /// The states of its returns.
    Returns(Vec<String>),
    /// The states of its edits.
    Edits(Vec<String>),
    /// Its disputes: `REFERENCE STATE`.
    Disputes(Vec<String>),
    /// Its credits: amounts.
    Credits(Vec<String>),
    /// The texts kept with it: `KEY=VALUE`.
    Metadata(Vec<String>),
    /// The number of orders that need attention.
    Stuck(u64),
    /// Texts that are somewhere in what the step printed.
    Said(Vec<String>),
    /// Events of the order's journal, in this order, others between them allowed.
    History(Vec<String>),
    /// The notices that the customer got, in order.
    Notices(Vec<String>),
    /// Nothing is left to do for the order, or something is.
    AtRest(bool),
    /// The number of orders there are.
    Orders(u64),
    /// A figure of a SKU's stock.
    Stock(Sku, &'static str, i64),
}

impl Wanted {
    /// Returns the name that scripts have for it.
    pub fn name(&self) -> String {
        match self {
            Wanted::Error(_) => "error".into(),
            Wanted::Message(_) => "message".into(),
            Wanted::Replayed(_) => "replayed".into(),
            Wanted::Field(name, _) | Wanted::Amount(name, _) | Wanted::Money(name, _) => {
                (*name).into()
            }
            Wanted::Version(_) => "version".into(),
            Wanted::Holds(_) => "holds".into(),
            Wanted::Attention(_) => "attention".into(),
            Wanted::Payments(_) => "payments".into(),
            Wanted::Reservations(_) => "reservations".into(),
            Wanted::Desk(_) => "desk".into(),
            Wanted::Shipments(_) => "shipments".into(),
            Wanted::Returns(_) => "returns".into(),
            Wanted::Edits(_) => "edits".into(),
            Wanted::Disputes(_) => "disputes".into(),
            Wanted::Credits(_) => "credits".into(),
            Wanted::Metadata(_) => "metadata".into(),
            Wanted::Stuck(_) => "stuck".into(),
            Wanted::Said(_) => "said".into(),
            Wanted::History(_) => "history".into(),
            Wanted::Notices(_) => "notices".into(),
            Wanted::AtRest(_) => "at_rest".into(),
            Wanted::Orders(_) => "orders".into(),
            Wanted::Stock(sku, figure, _) => format!("stock.{sku}.{figure}"),
        }
    }

    /// Returns true if it is about an order that must exist.
    pub fn needs_order(&self) -> bool {
        !matches!(
            self,
            Wanted::Error(_)
                | Wanted::Message(_)
                | Wanted::Amount(..)
                | Wanted::Orders(_)
                | Wanted::Stuck(_)
                | Wanted::Said(_)
                | Wanted::Stock(..)
                | Wanted::Replayed(_)
        )
    }
}

/// The kinds of error, as scripts spell them.
pub fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::Rejected => "REJECTED",
        ErrorKind::Invalid => "INVALID",
        ErrorKind::Conflict => "CONFLICT",
        ErrorKind::KeyReused => "KEY_REUSED",
        ErrorKind::Forbidden => "FORBIDDEN",
        ErrorKind::Service => "SERVICE",
        ErrorKind::Store => "STORE",
    }
}

const KINDS: [ErrorKind; 8] = [
    ErrorKind::NotFound,
    ErrorKind::Rejected,
    ErrorKind::Invalid,
    ErrorKind::Conflict,
    ErrorKind::KeyReused,
    ErrorKind::Forbidden,
    ErrorKind::Service,
    ErrorKind::Store,
];

/// A reason or kind of error.
#[derive(Debug)]
struct ErrorName(String);

impl FromText for ErrorName {
    fn from_text(text: &str) -> Result<Self, String> {
        let kinds = KINDS.iter().map(|k| kind_name(*k));
        let reasons = RejectionReason::ALL.iter().map(|r| r.as_str());
        let names: Vec<&str> = kinds.chain(reasons).collect();
        match names.contains(&text) {
            true => Ok(ErrorName(text.to_owned())),
            false => Err(format!("{text:?} is not one of {}", names.join(", "))),
        }
    }
}

/// A reason of attention, perhaps by an older name.
#[derive(Debug)]
struct Reason(AttentionReason);

impl FromText for Reason {
    fn from_text(text: &str) -> Result<Self, String> {
        today(text).parse().map(Reason).map_err(|_| {
            let all: Vec<&str> = AttentionReason::ALL.iter().map(|r| r.as_str()).collect();
            format!("{text:?} is not one of {}", all.join(", "))
        })
    }
}

/// The figures of a SKU's stock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    on_hand: Option<Spanned<i64>>,
    reserved: Option<Spanned<i64>>,
    available: Option<Spanned<i64>>,
    committed: Option<Spanned<i64>>,
}

type List<T> = Option<Spanned<Vec<T>>>;

/// An `expect` table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    error: Option<Spanned<Written<ErrorName>>>,
    message: Option<Spanned<String>>,
    replayed: Option<Spanned<bool>>,
    status: Option<Spanned<Status>>,
    lifecycle: Option<Spanned<Lifecycle>>,
    payment_status: Option<Spanned<PaymentStatus>>,
    fulfilment_status: Option<Spanned<FulfilmentStatus>>,
    return_status: Option<Spanned<ReturnStatus>>,
    payment_method: Option<Spanned<String>>,
    total: Option<Spanned<Written<Amount>>>,
    subtotal: Option<Spanned<Written<Amount>>>,
    tax: Option<Spanned<Written<Amount>>>,
    tax_included: Option<Spanned<Written<Amount>>>,
    shipping: Option<Spanned<Written<Amount>>>,
    discount: Option<Spanned<Written<Amount>>>,
    owed: Option<Spanned<Written<Amount>>>,
    authorized: Option<Spanned<Written<Amount>>>,
    captured: Option<Spanned<Written<Amount>>>,
    refunded: Option<Spanned<Written<Amount>>>,
    version: Option<Spanned<Natural>>,
    shipments: List<ShipmentState>,
    returns: List<ReturnState>,
    edits: List<EditState>,
    disputes: List<String>,
    credits: List<Written<Amount>>,
    metadata: List<String>,
    stuck: Option<Spanned<Natural>>,
    said: List<String>,
    holds: List<String>,
    attention: List<Written<Reason>>,
    payments: List<Written<PaymentText>>,
    reservations: List<Written<ReservationText>>,
    desk: List<Written<PaymentText>>,
    history: List<String>,
    notices: List<NoticeKind>,
    at_rest: Option<Spanned<bool>>,
    orders: Option<Spanned<Natural>>,
    #[serde(default)]
    stock: BTreeMap<Sku, Figures>,
}

impl From<Raw> for Expect {
    fn from(raw: Raw) -> Self {
        let mut expect = Expect::default();
        expect.add(raw.error, |Written(ErrorName(name))| Wanted::Error(name));
        expect.add(raw.message, Wanted::Message);
        expect.add(raw.replayed, Wanted::Replayed);
        expect.field("status", raw.status);
        expect.field("lifecycle", raw.lifecycle);
        expect.field("payment_status", raw.payment_status);
        expect.field("fulfilment_status", raw.fulfilment_status);
        expect.field("return_status", raw.return_status);
        expect.field("payment_method", raw.payment_method);
        for (name, amount) in [
            ("total", raw.total),
            ("subtotal", raw.subtotal),
            ("tax", raw.tax),
            ("tax_included", raw.tax_included),
            ("shipping", raw.shipping),
            ("discount", raw.discount),
        ] {
            expect.add(amount, |Written(Amount(text))| Wanted::Amount(name, text));
        }
        for (name, amount) in [
            ("owed", raw.owed),
            ("authorized", raw.authorized),
            ("captured", raw.captured),
            ("refunded", raw.refunded),
        ] {
            expect.add(amount, |Written(Amount(text))| Wanted::Money(name, text));
        }
        expect.add(raw.version, |n| Wanted::Version(n.get()));
        expect.add(raw.shipments, |list| Wanted::Shipments(shown(list)));
        expect.add(raw.returns, |list| Wanted::Returns(shown(list)));
        expect.add(raw.edits, |list| Wanted::Edits(shown(list)));
        expect.add(raw.disputes, Wanted::Disputes);
        expect.add(raw.credits, |list| {
            Wanted::Credits(list.into_iter().map(|Written(Amount(text))| text).collect())
        });
        expect.add(raw.metadata, Wanted::Metadata);
        expect.add(raw.stuck, |n| Wanted::Stuck(n.get()));
        expect.add(raw.said, Wanted::Said);
        expect.add(raw.holds, Wanted::Holds);
        expect.add(raw.attention, |list| {
            Wanted::Attention(shown(
                list.into_iter().map(|Written(Reason(reason))| reason),
            ))
        });
        let payments = |list: Vec<Written<PaymentText>>| list.into_iter().map(|p| p.0.0).collect();
        expect.add(raw.payments, |list| Wanted::Payments(payments(list)));
        expect.add(raw.reservations, |list| {
            Wanted::Reservations(list.into_iter().map(|r| r.0.0).collect())
        });
        expect.add(raw.desk, |list| Wanted::Desk(payments(list)));
        expect.add(raw.history, |list| {
            Wanted::History(list.iter().map(|name| today(name).to_owned()).collect())
        });
        expect.add(raw.notices, |list| Wanted::Notices(shown(list)));
        expect.add(raw.at_rest, Wanted::AtRest);
        expect.add(raw.orders, |n| Wanted::Orders(n.get()));
        for (sku, figures) in raw.stock {
            for (name, figure) in [
                ("on_hand", figures.on_hand),
                ("reserved", figures.reserved),
                ("available", figures.available),
                ("committed", figures.committed),
            ] {
                expect.add(figure, |n| Wanted::Stock(sku.clone(), name, n));
            }
        }
        expect
    }
}

impl Expect {
    fn add<T>(&mut self, value: Option<Spanned<T>>, make: impl FnOnce(T) -> Wanted) {
        if let Some(value) = value {
            let span = value.span();
            self.wanted
                .push(Spanned::new(span, make(value.into_inner())));
        }
    }

    fn field(&mut self, name: &'static str, value: Option<Spanned<impl Display>>) {
        self.add(value, |value| Wanted::Field(name, value.to_string()));
    }
}

fn shown(list: impl IntoIterator<Item: Display>) -> Vec<String> {
    list.into_iter().map(|value| value.to_string()).collect()
}
