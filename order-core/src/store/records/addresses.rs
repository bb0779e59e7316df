//! `order_addresses` and `order_metadata`: what is personal and stands in rows of its own.

use super::Record;
use super::read::{Columns, Stored};
use super::table::{Column, Table, Unreadable};
use super::write::Cells;
use crate::ids::{Name, OrderId};
use crate::order::{Address, AddressType, Addresses, Order};

/// The shipping address, and the billing address where it is another one.
pub const ORDER_ADDRESSES: &Table = &Table {
    n: 2,
    name: "order_addresses",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::text("address_type"),
        Column::text("first_name"),
        Column::text("last_name"),
        Column::text("address_line1"),
        Column::text("address_line2").nullable(),
        Column::text("city"),
        Column::text("state"),
        Column::text("postal_code"),
        Column::text("country"),
        Column::text("phone").nullable(),
        Column::text("email").nullable().indexed(),
    ],
};

/// The texts that programs keep with an order, by name.
pub const ORDER_METADATA: &Table = &Table {
    n: 10,
    name: "order_metadata",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::text("key"),
        Column::text("value").indexed(),
    ],
};

/// The addresses that have a row each.
pub(super) fn rows(addresses: Option<&Addresses>) -> [Option<(AddressType, &Address)>; 2] {
    let Some(Addresses { shipping, billing }) = addresses else {
        return [None, None];
    };
    let billing = (billing != shipping).then_some((AddressType::Billing, billing));
    [Some((AddressType::Shipping, shipping)), billing]
}

pub(super) fn put(order: OrderId, kind: AddressType, address: &Address, row: &mut Cells) {
    row.id(order.as_bytes()).text(kind.as_str());
    put_address(Some(address), row);
}

/// The columns of an address from `first_name` to `email`; all NULL for none.
pub(super) fn put_address(address: Option<&Address>, row: &mut Cells) {
    let Some(address) = address else {
        (0..10).for_each(|_| {
            row.null();
        });
        return;
    };
    let Address {
        first_name,
        last_name,
        address_line1,
        address_line2,
        city,
        state,
        postal_code,
        country,
        phone,
        email,
    } = address;
    row.text(first_name)
        .text(last_name)
        .text(address_line1)
        .text_some(address_line2.as_deref());
    row.text(city)
        .text(state)
        .text(postal_code)
        .text(country)
        .text_some(phone.as_deref())
        .text_some(email.as_deref());
}

/// Reads what [`put_address`] wrote.
pub(super) fn take_address<R: Stored + ?Sized>(
    c: &mut Columns<'_, R>,
) -> Result<Option<Address>, Unreadable> {
    let Some(first_name) = c.text_some()? else {
        c.skip(9);
        return Ok(None);
    };
    Ok(Some(Address {
        first_name,
        last_name: c.text()?,
        address_line1: c.text()?,
        address_line2: c.text_some()?,
        city: c.text()?,
        state: c.text()?,
        postal_code: c.text()?,
        country: c.text()?,
        phone: c.text_some()?,
        email: c.text_some()?,
    }))
}

/// One of an order's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAddress {
    /// The address to which the goods go, and which is billed unless there is another row.
    Shipping(Address),
    /// The address that is billed.
    Billing(Address),
}

impl Record for StoredAddress {
    const TABLE: &'static Table = ORDER_ADDRESSES;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        let kind: AddressType = c.skip(1).parse()?;
        match (kind, take_address(c)?) {
            (AddressType::Shipping, Some(address)) => Ok(StoredAddress::Shipping(address)),
            (AddressType::Billing, Some(address)) => Ok(StoredAddress::Billing(address)),
            (_, None) => Err(c.wrong("the address has no name")),
        }
    }
}

pub(super) fn put_entry(order: &Order, key: &Name, value: &str, row: &mut Cells) {
    row.id(order.id.as_bytes()).text(key.as_str()).text(value);
}

/// One name that programs keep something under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub key: Name,
    /// The text that stands there.
    pub value: String,
}

impl Record for Entry {
    const TABLE: &'static Table = ORDER_METADATA;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Entry {
            key: c.skip(1).parse()?,
            value: c.text()?,
        })
    }
}
