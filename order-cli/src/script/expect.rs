//! `expect = { … }`: what must have come of a step, and where it says so.

use std::ops::Range;

use order_core::error::{ErrorKind, RejectionReason};
use order_core::ids::Sku;
use order_core::order::{
    AttentionReason, EditState, FulfilmentStatus, Lifecycle, NoticeKind, OperationKind,
    OperationState, PaymentStatus, ReservationState, ReturnState, ReturnStatus, ShipmentState,
    Status,
};

use crate::exit::Outcome;
use crate::toml_doc::{At, Fields};

/// Everything a step expects.
#[derive(Debug, Default)]
pub struct Expect {
    /// What is expected, each with its place.
    pub wanted: Vec<At<Wanted>>,
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
    /// What the order's payments and records add up to: its name and its value.
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
    /// What programs keep with it: `KEY=VALUE`.
    Metadata(Vec<String>),
    /// How many orders a person must look at.
    Stuck(u64),
    /// Texts that are somewhere in what the step printed.
    Said(Vec<String>),
    /// Events of the order's journal, in this order, others between them allowed.
    History(Vec<String>),
    /// What the customer was told, in order.
    Notices(Vec<String>),
    /// Whether nothing is left to do for the order.
    AtRest(bool),
    /// How many orders there are.
    Orders(u64),
    /// A figure of a SKU's stock.
    Stock(Sku, &'static str, i64),
}

impl Wanted {
    /// What the script calls it.
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

    /// Whether it is about an order that must exist.
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

/// The figures of a SKU's stock.
pub const FIGURES: [&str; 4] = ["on_hand", "reserved", "available", "committed"];

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

impl Expect {
    /// Reads an `expect` table.
    pub fn read(mut fields: Fields<'_, '_>) -> Outcome<Self> {
        let mut expect = Expect::default();
        let reasons: Vec<&str> = KINDS
            .iter()
            .map(|k| kind_name(*k))
            .chain(RejectionReason::ALL.iter().map(|r| r.as_str()))
            .collect();
        expect.one_of(&mut fields, "error", &reasons, |_, v| Wanted::Error(v))?;
        expect.text(&mut fields, "message", Wanted::Message)?;
        expect.boolean(&mut fields, "replayed", Wanted::Replayed)?;
        expect.one_of(
            &mut fields,
            "status",
            &spellings(Status::ALL, Status::as_str),
            Wanted::Field,
        )?;
        expect.one_of(
            &mut fields,
            "lifecycle",
            &spellings(Lifecycle::ALL, Lifecycle::as_str),
            Wanted::Field,
        )?;
        expect.one_of(
            &mut fields,
            "payment_status",
            &spellings(PaymentStatus::ALL, PaymentStatus::as_str),
            Wanted::Field,
        )?;
        expect.one_of(
            &mut fields,
            "fulfilment_status",
            &spellings(FulfilmentStatus::ALL, FulfilmentStatus::as_str),
            Wanted::Field,
        )?;
        expect.one_of(
            &mut fields,
            "return_status",
            &spellings(ReturnStatus::ALL, ReturnStatus::as_str),
            Wanted::Field,
        )?;
        expect.text(&mut fields, "payment_method", |v| {
            Wanted::Field("payment_method", v)
        })?;
        for name in [
            "total",
            "subtotal",
            "tax",
            "tax_included",
            "shipping",
            "discount",
        ] {
            if let Some(text) = fields.text(name)? {
                amount_shape(text.value).map_err(|e| fields.problem(name, e))?;
                expect.add(text.span, Wanted::Amount(name, text.value.to_owned()));
            }
        }
        for name in ["owed", "authorized", "captured", "refunded"] {
            if let Some(text) = fields.text(name)? {
                amount_shape(text.value).map_err(|e| fields.problem(name, e))?;
                expect.add(text.span, Wanted::Money(name, text.value.to_owned()));
            }
        }
        expect.integer(&mut fields, "version", Wanted::Version)?;
        let shipments = spellings(ShipmentState::ALL, ShipmentState::as_str);
        expect.list(
            &mut fields,
            "shipments",
            |t| known(t, &shipments),
            Wanted::Shipments,
        )?;
        let returns = spellings(ReturnState::ALL, ReturnState::as_str);
        expect.list(
            &mut fields,
            "returns",
            |t| known(t, &returns),
            Wanted::Returns,
        )?;
        let edits = spellings(EditState::ALL, EditState::as_str);
        expect.list(&mut fields, "edits", |t| known(t, &edits), Wanted::Edits)?;
        expect.list(&mut fields, "disputes", |_| Ok(()), Wanted::Disputes)?;
        expect.list(&mut fields, "credits", amount_shape, Wanted::Credits)?;
        expect.list(&mut fields, "metadata", |_| Ok(()), Wanted::Metadata)?;
        expect.integer(&mut fields, "stuck", Wanted::Stuck)?;
        expect.list(&mut fields, "said", |_| Ok(()), Wanted::Said)?;
        expect.list(&mut fields, "holds", |_| Ok(()), Wanted::Holds)?;
        let reasons = spellings(AttentionReason::ALL, AttentionReason::as_str);
        expect.list(
            &mut fields,
            "attention",
            |t| known(t, &reasons),
            Wanted::Attention,
        )?;
        expect.list(&mut fields, "payments", payment_shape, Wanted::Payments)?;
        expect.list(
            &mut fields,
            "reservations",
            reservation_shape,
            Wanted::Reservations,
        )?;
        expect.list(&mut fields, "desk", payment_shape, Wanted::Desk)?;
        expect.list(&mut fields, "history", |_| Ok(()), Wanted::History)?;
        let notices = spellings(NoticeKind::ALL, NoticeKind::as_str);
        expect.list(
            &mut fields,
            "notices",
            |t| known(t, &notices),
            Wanted::Notices,
        )?;
        expect.boolean(&mut fields, "at_rest", Wanted::AtRest)?;
        expect.integer(&mut fields, "orders", Wanted::Orders)?;
        if let Some(value) = fields.take("stock") {
            expect.stock(Fields::of(fields.source, "stock", value)?)?;
        }
        fields.finish()?;
        Ok(expect)
    }

    fn add(&mut self, span: Range<usize>, wanted: Wanted) {
        self.wanted.push(At {
            value: wanted,
            span,
        });
    }

    fn text(
        &mut self,
        fields: &mut Fields<'_, '_>,
        name: &'static str,
        make: impl Fn(String) -> Wanted,
    ) -> Outcome {
        if let Some(text) = fields.text(name)? {
            self.add(text.span, make(text.value.to_owned()));
        }
        Ok(())
    }

    fn one_of(
        &mut self,
        fields: &mut Fields<'_, '_>,
        name: &'static str,
        values: &[&str],
        make: impl Fn(&'static str, String) -> Wanted,
    ) -> Outcome {
        if let Some(text) = fields.text(name)? {
            known(text.value, values).map_err(|e| fields.problem(name, e))?;
            self.add(text.span, make(name, text.value.to_owned()));
        }
        Ok(())
    }

    fn boolean(
        &mut self,
        fields: &mut Fields<'_, '_>,
        name: &'static str,
        make: impl Fn(bool) -> Wanted,
    ) -> Outcome {
        let span = fields.place_of(name);
        if let Some(value) = fields.boolean(name)? {
            self.add(span, make(value));
        }
        Ok(())
    }

    fn integer(
        &mut self,
        fields: &mut Fields<'_, '_>,
        name: &'static str,
        make: impl Fn(u64) -> Wanted,
    ) -> Outcome {
        let span = fields.place_of(name);
        if let Some(value) = fields.integer(name, 0..=i64::MAX)? {
            self.add(span, make(value.unsigned_abs()));
        }
        Ok(())
    }

    fn list(
        &mut self,
        fields: &mut Fields<'_, '_>,
        name: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
        make: impl Fn(Vec<String>) -> Wanted,
    ) -> Outcome {
        let span = fields.place_of(name);
        if let Some(texts) = fields.texts(name)? {
            for text in &texts {
                check(text.value)
                    .map_err(|e| fields.source.problem(&text.span, format!("{name}: {e}")))?;
            }
            self.add(
                span,
                make(texts.into_iter().map(|t| t.value.to_owned()).collect()),
            );
        }
        Ok(())
    }

    fn stock(&mut self, skus: Fields<'_, '_>) -> Outcome {
        for (name, value) in skus.entries() {
            let sku: Sku = name
                .value
                .parse()
                .map_err(|e| skus.source.problem(&name.span, e))?;
            let mut figures = Fields::of(skus.source, format!("stock.{sku}"), value)?;
            for figure in FIGURES {
                let span = figures.place_of(figure);
                if let Some(n) = figures.integer(figure, i64::MIN..=i64::MAX)? {
                    self.add(span, Wanted::Stock(sku.clone(), figure, n));
                }
            }
            figures.finish()?;
        }
        Ok(())
    }
}

fn spellings<T: Copy>(all: &'static [T], spell: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|v| spell(*v)).collect()
}

fn known(text: &str, values: &[&str]) -> Result<(), String> {
    if values.contains(&text) {
        Ok(())
    } else {
        Err(format!("{text:?} is not one of {}", values.join(", ")))
    }
}

/// How an amount is written; whether it has the right decimals is for its currency to say.
fn amount_shape(text: &str) -> Result<(), String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(decimals) {
        Ok(())
    } else {
        Err(format!(
            "{text:?} is not an amount: expected a decimal number such as 12.50"
        ))
    }
}

fn payment_shape(text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let kind = |w: &str| {
        OperationKind::ALL
            .iter()
            .any(|k| k.as_str().eq_ignore_ascii_case(w) && w == w.to_lowercase())
    };
    let state = |w: &str| OperationState::ALL.iter().any(|s| s.as_str() == w);
    match words[..] {
        [k, s] if kind(k) && state(s) => Ok(()),
        [k, s, amount] if kind(k) && state(s) => amount_shape(amount),
        _ => Err(format!(
            "{text:?} is not a payment operation: expected KIND STATE [AMOUNT], such as \"charge CAPTURED 32.43\""
        )),
    }
}

fn reservation_shape(text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [_, n, s]
            if n.parse::<u32>().is_ok()
                && ReservationState::ALL.iter().any(|h| h.as_str() == s) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "{text:?} is not a reservation: expected SKU QUANTITY STATE, such as \"MUG-01 2 HELD\""
        )),
    }
}
