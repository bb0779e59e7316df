//! `orders`: an order's own row, with the key it was made under; and how an order is put together
//! from all its rows.

use super::addresses::StoredAddress;
use super::read::{Columns, Stored};
use super::table::{Column, Table, Unreadable};
use super::write::Cells;
use super::{CHILDREN, Record, read};
use crate::ids::{OrderId, UserId};
use crate::order::{Addresses, Amounts, Order, Statuses};
use crate::store::KeyRecord;
use crate::text::Private;
use uuid::Uuid;

/// One row for each order. Its JSON columns are NULL when there is nothing to keep.
///
/// To be unique besides its id: `order_number`; and `(user_id, key_method, key)` where there is a
/// key.
pub const ORDERS: &Table = &Table {
    n: 0,
    name: "orders",
    key: 1,
    columns: &[
        Column::id("id"),
        Column::id("user_id").fixed(),
        Column::text("order_number").fixed(),
        Column::int("version"),
        Column::text("lifecycle"),
        Column::text("status").indexed(),
        Column::text("payment_status").indexed(),
        Column::text("fulfilment_status").indexed(),
        Column::text("return_status"),
        Column::text("currency"),
        Column::int("subtotal"),
        Column::int("discount_amount"),
        Column::int("tax_amount"),
        Column::int("tax_included_amount"),
        Column::int("shipping_amount"),
        Column::int("shipping_tax_amount"),
        Column::int("total_amount").indexed(),
        Column::text("shipping_method").nullable(),
        Column::text("payment_method"),
        Column::text("payment_terms"),
        Column::text("external_ref").nullable().fixed(),
        Column::text("coupon_code").nullable(),
        Column::text("redemptions").nullable(),
        Column::int("round"),
        Column::text("unmatched").nullable(),
        Column::text("holds").nullable(),
        Column::text("attention").nullable(),
        // Whether nobody has seen one of the reasons to look.
        Column::flag("attention_open"),
        Column::text("notices").nullable(),
        // The journal row up to which the customer was told; changes without the version. See
        // `Changes::notified`.
        Column::int("notified").rises(),
        Column::time("placing_deadline"),
        Column::time("retry_until").nullable(),
        Column::time("created_at").fixed(),
        Column::time("updated_at").indexed(),
        Column::time("confirmed_at").nullable(),
        Column::time("completed_at").nullable(),
        Column::time("cancelled_at").nullable(),
        Column::time("stuck_retried_at").nullable(),
        Column::time("redacted_at").nullable(),
        Column::text("notes").nullable(),
        // Of which other tables it has rows: bit n for the table numbered n.
        Column::int("records"),
        // The key that it was made under.
        Column::text("key_method").nullable().fixed(),
        Column::text("key").nullable().fixed(),
        Column::id("request_hash").nullable().fixed(),
    ],
};

/// The bits for the tables in which the order has rows.
fn records(order: &Order) -> i64 {
    let bits = CHILDREN.iter().filter(|table| has_rows(order, table));
    bits.map(|table| 1 << table.n).sum()
}

/// True if the order has rows in one of [`CHILDREN`].
fn has_rows(order: &Order, table: &Table) -> bool {
    match table.name {
        "order_items" => !order.lines.is_empty(),
        "order_addresses" => order.addresses.get().is_some(),
        "order_payment_transactions" => !order.payments.is_empty(),
        "order_reservations" => !order.reservations.is_empty(),
        "order_shipments" => !order.shipments.is_empty(),
        "order_returns" => !order.returns.is_empty(),
        "order_credits" => !order.credits.is_empty(),
        "order_disputes" => !order.disputes.is_empty(),
        "order_edits" => !order.edits.is_empty(),
        "order_metadata" => order.metadata.get().is_some(),
        _ => false,
    }
}

/// The order's own row.
pub(super) fn put(order: &Order, key: Option<&KeyRecord>, row: &mut Cells) {
    #[rustfmt::skip]
    let Order {
        id, number, user, version, lifecycle, statuses, currency, lines: _, amounts, shipping_method, payment_method, terms,
        external_ref, coupon, redemptions, round, reservations: _, payments: _, unmatched, shipments: _, returns: _, credits: _,
        disputes: _, edits: _, holds, attention, notices, notified, placing_deadline, retry_until, created_at, updated_at,
        confirmed_at, completed_at, cancelled_at, addresses: _, notes, metadata: _, stuck_retried_at, redacted_at,
    } = order;
    let Statuses {
        status,
        payment,
        fulfilment,
        returned,
    } = statuses;
    let Amounts {
        subtotal,
        discount,
        tax,
        tax_included,
        shipping,
        shipping_tax,
        total,
    } = amounts;
    row.id(id.as_bytes())
        .id(user.as_bytes())
        .shown(number)
        .count(*version);
    row.text(lifecycle.as_str())
        .text(status.as_str())
        .text(payment.as_str());
    row.text(fulfilment.as_str())
        .text(returned.as_str())
        .text(currency.code());
    row.int(*subtotal)
        .int(*discount)
        .int(*tax)
        .int(*tax_included)
        .int(*shipping)
        .int(*shipping_tax)
        .int(*total);
    row.text_some(shipping_method.as_ref().map(|m| m.as_str()))
        .text(payment_method.as_str())
        .text(terms.as_str());
    row.text_some(external_ref.as_ref().map(|r| r.as_str()))
        .text_some(coupon.as_ref().map(|c| c.as_str()));
    row.json_some(redemptions)
        .int(*round)
        .json_some(unmatched)
        .json_some(holds)
        .json_some(attention);
    row.flag(attention.iter().any(|a| !a.acknowledged))
        .json_some(notices)
        .count(*notified);
    row.time(*placing_deadline)
        .time_some(*retry_until)
        .time(*created_at)
        .time(*updated_at);
    row.time_some(*confirmed_at)
        .time_some(*completed_at)
        .time_some(*cancelled_at);
    row.time_some(*stuck_retried_at)
        .time_some(*redacted_at)
        .text_some(notes.get().map(String::as_str))
        .int(records(order));
    match key {
        None => row.null().null().null(),
        Some(KeyRecord {
            user: _,
            method,
            key,
            request_hash,
            order: _,
        }) => row
            .text(method.as_str())
            .text(key.as_str())
            .id(request_hash.as_bytes()),
    };
}

/// An order as far as it was read: first its own row, then those of the other tables.
#[derive(Debug, Clone)]
pub struct StoredOrder {
    order: Order,
    key: Option<KeyRecord>,
    records: i64,
    shipping: Option<crate::order::Address>,
    billing: Option<crate::order::Address>,
}

impl StoredOrder {
    /// Returns whether the order has rows in `table`, one of [`CHILDREN`]: otherwise none needs to
    /// be looked for.
    pub fn has(&self, table: &Table) -> bool {
        self.records >> table.n & 1 == 1
    }

    /// Its id.
    pub fn id(&self) -> OrderId {
        self.order.id
    }

    /// The user whose order it is.
    pub fn user(&self) -> UserId {
        self.order.user
    }

    /// Takes in a row of `table`, one of [`CHILDREN`], which starts at the row's column `from`.
    /// Rows of a table are to come in the order of their keys.
    ///
    /// # Errors
    ///
    /// If the row makes no record.
    pub fn add<R: Stored + ?Sized>(
        &mut self,
        table: &Table,
        row: &R,
        from: usize,
    ) -> Result<(), Unreadable> {
        let order = &mut self.order;
        match table.name {
            "order_items" => order.lines.push(read(row, from)?),
            "order_addresses" => match read(row, from)? {
                StoredAddress::Shipping(address) => self.shipping = Some(address),
                StoredAddress::Billing(address) => self.billing = Some(address),
            },
            "order_payment_transactions" => order.payments.push(read(row, from)?),
            "order_reservations" => order.reservations.push(read(row, from)?),
            "order_shipments" => order.shipments.push(read(row, from)?),
            "order_returns" => order.returns.push(read(row, from)?),
            "order_credits" => order.credits.push(read(row, from)?),
            "order_disputes" => order.disputes.push(read(row, from)?),
            "order_edits" => order.edits.push(read(row, from)?),
            "order_metadata" => {
                let super::addresses::Entry { key, value } = read(row, from)?;
                order.metadata.0.get_or_insert_default().insert(key, value);
            }
            _ => {}
        }
        Ok(())
    }

    /// The order, when all its rows were taken in, and the key that it was made under.
    pub fn finish(mut self) -> (Order, Option<KeyRecord>) {
        if let Some(shipping) = self.shipping {
            let billing = self.billing.unwrap_or_else(|| shipping.clone());
            self.order.addresses = Private(Some(Addresses { shipping, billing }));
        }
        (self.order, self.key)
    }
}

impl Record for StoredOrder {
    const TABLE: &'static Table = ORDERS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        let mut order = Order {
            id: OrderId::from_bytes(c.id()?),
            user: UserId::from_bytes(c.id()?),
            number: c.parse()?,
            version: c.int()?,
            lifecycle: c.parse()?,
            statuses: Statuses {
                status: c.parse()?,
                payment: c.parse()?,
                fulfilment: c.parse()?,
                returned: c.parse()?,
            },
            currency: c.parse()?,
            lines: Vec::new(),
            amounts: Amounts {
                subtotal: c.int()?,
                discount: c.int()?,
                tax: c.int()?,
                tax_included: c.int()?,
                shipping: c.int()?,
                shipping_tax: c.int()?,
                total: c.int()?,
            },
            shipping_method: c.parse_some()?,
            payment_method: c.parse()?,
            terms: c.parse()?,
            external_ref: c.parse_some()?,
            coupon: c.parse_some()?,
            redemptions: c.json_some()?,
            round: c.int()?,
            reservations: Vec::new(),
            payments: Vec::new(),
            unmatched: c.json_some()?,
            shipments: Vec::new(),
            returns: Vec::new(),
            credits: Vec::new(),
            disputes: Vec::new(),
            edits: Vec::new(),
            holds: c.json_some()?,
            attention: c.json_some()?,
            notices: c.skip(1).json_some()?,
            notified: c.int()?,
            placing_deadline: c.time()?,
            retry_until: c.time_some()?,
            created_at: c.time()?,
            updated_at: c.time()?,
            confirmed_at: c.time_some()?,
            completed_at: c.time_some()?,
            cancelled_at: c.time_some()?,
            stuck_retried_at: c.time_some()?,
            redacted_at: c.time_some()?,
            addresses: Private(None),
            notes: Private(c.text_some()?),
            metadata: Private(None),
        };
        // A changeset without journal rows moves the number alone.
        order.notices.retain(|notice| notice.seq > order.notified);
        let records = c.int()?;
        let metadata_is_there = records >> super::ORDER_METADATA.n & 1 == 1;
        order.metadata = Private(metadata_is_there.then(Default::default));
        let key = match c.parse_some()? {
            None => {
                c.skip(2);
                None
            }
            Some(method) => Some(KeyRecord {
                user: order.user,
                method,
                key: c.parse()?,
                request_hash: Uuid::from_bytes(c.id()?),
                order: order.id,
            }),
        };
        Ok(StoredOrder {
            order,
            key,
            records,
            shipping: None,
            billing: None,
        })
    }
}
