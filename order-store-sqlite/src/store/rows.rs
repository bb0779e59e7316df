//! Rows to domain records. Every reader takes its statement's columns in the order in which they are selected.

use std::error::Error as StdError;
use std::str::FromStr;

use order_core::ids::{ChangesetId, Fence, IdempotencyKey, LineId, Name, OrderId, ProductId, UserId, VariantId};
use order_core::money::Minor;
use order_core::number::OrderNumber;
use order_core::order::{
    Address, Addresses, Amounts, Closing, CommandKey, Counters, Credit, CustomerAction, Dispute, Edit, JournalRow, Line, Lot,
    Order, PaymentOperation, Reservation, Return, Shipment, Statuses, decode_event,
};
use order_core::store::{KeyRecord, Peek, WorkItem};
use order_core::text::Private;
use order_core::time::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a stored value cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("column {column}")]
struct Unreadable {
    column: String,
    source: Box<dyn StdError + Send + Sync>,
}

/// Reads a row's columns from left to right.
pub(super) struct Columns<'a, 'stmt> {
    row: &'a Row<'stmt>,
    at: usize,
}

impl<'a, 'stmt> Columns<'a, 'stmt> {
    pub(super) fn of(row: &'a Row<'stmt>) -> Self {
        Columns { row, at: 0 }
    }

    pub(super) fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let at = self.at;
        self.at += 1;
        self.row.get(at)
    }

    fn skip(&mut self, columns: usize) {
        self.at += columns;
    }

    fn text(&mut self) -> rusqlite::Result<Option<&'a str>> {
        let at = self.at;
        self.at += 1;
        self.row.get_ref(at)?.as_str_or_null().map_err(|e| self.unreadable(at, e))
    }

    fn unreadable(&self, at: usize, cause: impl StdError + Send + Sync + 'static) -> rusqlite::Error {
        let column = self.row.as_ref().column_name(at).unwrap_or("?").to_owned();
        let cause = Unreadable { column, source: Box::new(cause) };
        rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(cause))
    }

    fn parse_some<T: FromStr<Err: StdError + Send + Sync + 'static>>(&mut self) -> rusqlite::Result<Option<T>> {
        let at = self.at;
        self.text()?.map(|text| text.parse().map_err(|e| self.unreadable(at, e))).transpose()
    }

    fn parse<T: FromStr<Err: StdError + Send + Sync + 'static>>(&mut self) -> rusqlite::Result<T> {
        let at = self.at;
        self.text()?.unwrap_or_default().parse().map_err(|e| self.unreadable(at, e))
    }

    fn json<T: DeserializeOwned + Default>(&mut self) -> rusqlite::Result<T> {
        let at = self.at;
        match self.text()? {
            None => Ok(T::default()),
            Some(text) => serde_json::from_str(text).map_err(|e| self.unreadable(at, e)),
        }
    }

    fn count(&mut self) -> rusqlite::Result<u64> {
        self.next().map(i64::cast_unsigned)
    }

    fn time(&mut self) -> rusqlite::Result<Timestamp> {
        self.next().map(Timestamp::from_micros)
    }

    fn time_some(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.next::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    fn private(&mut self) -> rusqlite::Result<Private<String>> {
        self.next().map(Private)
    }
}

/// An order without its child records.
pub(super) fn order(c: &mut Columns<'_, '_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: OrderId::from_bytes(c.next()?),
        number: c.parse()?,
        user: UserId::from_bytes(c.next()?),
        version: c.count()?,
        lifecycle: c.parse()?,
        statuses: Statuses { status: c.parse()?, payment: c.parse()?, fulfilment: c.parse()?, returned: c.parse()? },
        currency: c.parse()?,
        lines: Vec::new(),
        amounts: Amounts {
            subtotal: c.next()?,
            discount: c.next()?,
            tax: c.next()?,
            tax_included: c.next()?,
            shipping: c.next()?,
            shipping_tax: c.next()?,
            total: c.next()?,
        },
        shipping_method: c.parse_some()?,
        payment_method: c.parse()?,
        terms: c.parse()?,
        external_ref: c.parse_some()?,
        coupon: c.parse_some()?,
        redemptions: c.json()?,
        attempt: c.next()?,
        reservations: Vec::new(),
        payments: Vec::new(),
        unmatched: c.json()?,
        shipments: Vec::new(),
        returns: Vec::new(),
        credits: Vec::new(),
        disputes: Vec::new(),
        edits: Vec::new(),
        holds: c.json()?,
        attention: c.json()?,
        notices: c.json()?,
        notified: c.count()?,
        placing_deadline: c.time()?,
        retry_until: c.time_some()?,
        created_at: c.time()?,
        updated_at: c.time()?,
        confirmed_at: c.time_some()?,
        completed_at: c.time_some()?,
        cancelled_at: c.time_some()?,
        addresses: Private(None),
        notes: c.private()?,
        metadata: Private(None),
        redriven_at: c.time_some()?,
        redacted_at: c.time_some()?,
    })
}

/// The work item of a row that may have none.
pub(super) fn work(c: &mut Columns<'_, '_>) -> rusqlite::Result<Option<WorkItem>> {
    let Some(revision) = c.next::<Option<i64>>()? else { return Ok(None) };
    Ok(Some(WorkItem {
        revision: revision.cast_unsigned(),
        due: c.time_some()?,
        fence: c.next::<Option<[u8; 16]>>()?.map(Fence::from_bytes),
        leased_until: c.time_some()?,
        taken_over: c.next()?,
        runs: c.next()?,
        tries: c.json()?,
    }))
}

/// A lot as it is stored. Few have a credit, and none did before there were any.
#[derive(Serialize, Deserialize)]
struct LotRow(u32, Minor, Minor, Minor, Minor, #[serde(default, skip_serializing_if = "is_zero")] Minor);

fn is_zero(minor: &Minor) -> bool {
    *minor == 0
}

/// How a line's lots are stored.
pub(super) fn lots_to_json(lots: &[Lot]) -> String {
    let row = |&Lot { units, subtotal, coupon, tax, tax_included, credit }: &Lot| {
        LotRow(units, subtotal, coupon, tax, tax_included, credit)
    };
    to_json(&lots.iter().map(row).collect::<Vec<_>>())
}

/// JSON of what holds nothing that could fail: no map with other than text keys.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    let c = &mut Columns::of(row);
    Ok(Line {
        n: c.next()?,
        id: LineId::from_bytes(c.next()?),
        product: ProductId::from_bytes(c.next()?),
        variant: c.next::<Option<[u8; 16]>>()?.map(VariantId::from_bytes),
        sku: c.parse()?,
        name: c.next()?,
        quantity: c.next()?,
        unit_price: c.next()?,
        discount: c.next()?,
        subtotal: c.next()?,
        requires_shipping: c.next()?,
        counters: Counters {
            cancelled: c.next()?,
            planned: c.next()?,
            shipped: c.next()?,
            delivered: c.next()?,
            returned: c.next()?,
            restocked: c.next()?,
            lost: c.next()?,
        },
        lots: {
            let rows: Vec<LotRow> = c.json()?;
            let lot = |LotRow(units, subtotal, coupon, tax, tax_included, credit)| Lot {
                units,
                subtotal,
                coupon,
                tax,
                tax_included,
                credit,
            };
            rows.into_iter().map(lot).collect()
        },
        created_at: c.time()?,
        updated_at: c.time()?,
    })
}

/// The rest of an address after its first name.
fn address_of(first_name: String, c: &mut Columns<'_, '_>) -> rusqlite::Result<Address> {
    Ok(Address {
        first_name,
        last_name: c.next()?,
        address_line1: c.next()?,
        address_line2: c.next()?,
        city: c.next()?,
        state: c.next()?,
        postal_code: c.next()?,
        country: c.next()?,
        phone: c.next()?,
        email: c.next()?,
    })
}

/// An address, and whether it is the shipping address.
pub(super) fn address(row: &Row<'_>) -> rusqlite::Result<(bool, Address)> {
    let c = &mut Columns::of(row);
    let (is_shipping, first_name) = (c.next()?, c.next()?);
    Ok((is_shipping, address_of(first_name, c)?))
}

/// Both addresses, if both are there.
pub(super) fn addresses(rows: impl Iterator<Item = rusqlite::Result<(bool, Address)>>) -> rusqlite::Result<Private<Addresses>> {
    let (mut shipping, mut billing) = (None, None);
    for row in rows {
        match row? {
            (true, address) => shipping = Some(address),
            (false, address) => billing = Some(address),
        }
    }
    Ok(Private(shipping.zip(billing).map(|(shipping, billing)| Addresses { shipping, billing })))
}

pub(super) fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    let c = &mut Columns::of(row);
    Ok(Reservation {
        n: c.next()?,
        sku: c.parse()?,
        quantity: c.next()?,
        attempt: c.next()?,
        state: c.parse()?,
        committed: c.next()?,
        released: c.next()?,
        replaces: c.next()?,
        closing: closing(c)?,
        closings: c.next()?,
        closing_refused: c.next()?,
        reference: c.parse_some()?,
        expires_at: c.time_some()?,
        available: c.next()?,
        refusals: c.next()?,
        created_at: c.time()?,
        updated_at: c.time()?,
    })
}

fn closing(c: &mut Columns<'_, '_>) -> rusqlite::Result<Option<Closing>> {
    let Some(kind) = c.parse_some()? else {
        c.skip(4);
        return Ok(None);
    };
    Ok(Some(Closing { kind, unknown: c.next()?, serial: c.next()?, units: c.next()?, committed: c.next()? }))
}

pub(super) fn payment(row: &Row<'_>) -> rusqlite::Result<PaymentOperation> {
    let c = &mut Columns::of(row);
    Ok(PaymentOperation {
        n: c.next()?,
        parent: c.next()?,
        kind: c.parse()?,
        origin: c.parse()?,
        method: c.parse()?,
        amount: c.next()?,
        settled: c.next()?,
        state: c.parse()?,
        verification: c.parse()?,
        reference: c.parse_some()?,
        code: c.next()?,
        capture_before: c.time_some()?,
        deadline: c.time_some()?,
        token: c.private()?,
        return_url: c.private()?,
        action: {
            let (url, data) = (c.next::<Option<String>>()?, c.next()?);
            Private(url.map(|url| CustomerAction { url, data }))
        },
        created_at: c.time()?,
        updated_at: c.time()?,
    })
}

pub(super) fn shipment(row: &Row<'_>) -> rusqlite::Result<Shipment> {
    let c = &mut Columns::of(row);
    Ok(Shipment {
        n: c.next()?,
        lines: c.json()?,
        state: c.parse()?,
        carrier: c.next()?,
        tracking: c.next()?,
        shipped_at: c.time_some()?,
        delivered_at: c.time_some()?,
        lost_at: c.time_some()?,
        created_at: c.time()?,
        updated_at: c.time()?,
    })
}

pub(super) fn returned(row: &Row<'_>) -> rusqlite::Result<Return> {
    let c = &mut Columns::of(row);
    Ok(Return { n: c.next()?, lines: c.json()?, state: c.parse()?, created_at: c.time()?, updated_at: c.time()? })
}

pub(super) fn credit(row: &Row<'_>) -> rusqlite::Result<Credit> {
    let c = &mut Columns::of(row);
    Ok(Credit { n: c.next()?, kind: c.parse()?, line: c.next()?, amount: c.next()?, at: c.time()? })
}

pub(super) fn dispute(row: &Row<'_>) -> rusqlite::Result<Dispute> {
    let c = &mut Columns::of(row);
    Ok(Dispute {
        reference: c.parse()?,
        payment: c.next()?,
        amount: c.next()?,
        state: c.parse()?,
        opened_at: c.time()?,
        closed_at: c.time_some()?,
    })
}

pub(super) fn edit(row: &Row<'_>) -> rusqlite::Result<Edit> {
    let c = &mut Columns::of(row);
    Ok(Edit {
        n: c.next()?,
        plan: c.json()?,
        state: c.parse()?,
        cause: c.parse_some()?,
        due: c.next()?,
        payment: c.next()?,
        reservation: c.next()?,
        reservation_end: c.next()?,
        deadline: c.time()?,
        created_at: c.time()?,
        updated_at: c.time()?,
        address: {
            let first_name: Option<String> = c.next()?;
            Private(first_name.map(|first_name| address_of(first_name, c)).transpose()?)
        },
    })
}

pub(super) fn metadata(row: &Row<'_>) -> rusqlite::Result<(Name, String)> {
    let c = &mut Columns::of(row);
    Ok((c.parse()?, c.next()?))
}

/// How many columns [`journal`] reads.
pub(super) const JOURNAL_COLUMNS: usize = 12;

pub(super) fn journal(row: &Row<'_>) -> rusqlite::Result<JournalRow> {
    let c = &mut Columns::of(row);
    Ok(JournalRow {
        order: OrderId::from_bytes(c.next()?),
        seq: c.count()?,
        event: {
            let at = c.at;
            let event = decode_event(c.text()?.unwrap_or_default());
            event.map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(e)))?
        },
        from: c.parse_some()?,
        to: c.parse()?,
        actor: c.parse()?,
        cause: c.next()?,
        notes: c.next()?,
        command_key: command_key(c)?,
        changeset: ChangesetId::from_bytes(c.next()?),
        at: c.time()?,
    })
}

fn command_key(c: &mut Columns<'_, '_>) -> rusqlite::Result<Option<CommandKey>> {
    let key: Option<IdempotencyKey> = c.parse_some()?;
    let hash: Option<[u8; 16]> = c.next()?;
    // The schema sees to it that both are there or neither.
    Ok(key.zip(hash).map(|(key, hash)| CommandKey { key, hash: Uuid::from_bytes(hash) }))
}

/// The order number in column `at`.
pub(super) fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<OrderNumber> {
    Columns { row, at }.parse()
}

pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let c = &mut Columns::of(row);
    Ok(KeyRecord {
        user: UserId::from_bytes(c.next()?),
        method: c.parse()?,
        key: c.parse()?,
        request_hash: Uuid::from_bytes(c.next()?),
        order: OrderId::from_bytes(c.next()?),
    })
}

pub(super) fn peek(row: &Row<'_>) -> rusqlite::Result<Peek> {
    let c = &mut Columns::of(row);
    Ok(Peek { version: c.count()?, fence: c.next::<Option<[u8; 16]>>()?.map(Fence::from_bytes) })
}
