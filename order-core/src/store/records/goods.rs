//! `order_reservations`, `order_shipments` and `order_returns`.

use super::read::{Columns, Stored};
use super::table::{Column, Table, Unreadable};
use super::write::Cells;
use super::{Child, Record};
use crate::order::{Closing, Order, Reservation, Return, Shipment};

/// One row for each reservation.
pub const ORDER_RESERVATIONS: &Table = &Table {
    n: 4,
    name: "order_reservations",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        Column::text("sku"),
        Column::int("quantity"),
        Column::int("round"),
        Column::text("status"),
        // How many units left the stock, and how many were given back.
        Column::int("committed"),
        Column::int("released"),
        // The larger reservation it takes the place of.
        Column::int("replaces").nullable(),
        // What is being done to one that is held: whether the call's outcome is unknown, which of
        // its closings it is, to how many units, and whether they had left the stock.
        Column::text("closing").nullable(),
        Column::flag("closing_unknown").nullable(),
        Column::int("closing_serial").nullable(),
        Column::int("closing_units").nullable(),
        Column::flag("closing_committed").nullable(),
        // How many closings were begun, and whether the last was refused.
        Column::int("closings"),
        Column::flag("closing_refused"),
        // The inventory's name for it, once known.
        Column::text("reference").nullable(),
        Column::time("expires_at").nullable(),
        Column::int("available").nullable(),
        Column::int("refusals"),
        Column::time("created_at"),
        Column::time("updated_at"),
    ],
};

impl Child for Reservation {
    fn number(&self, _: usize) -> u32 {
        self.n
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        #[rustfmt::skip]
        let Reservation {
            n: _, sku, quantity, round, state, committed, released, replaces, closing, closings, closing_refused, reference,
            expires_at, refusals, available, created_at, updated_at,
        } = self;
        row.id(order.id.as_bytes())
            .int(n)
            .text(sku.as_str())
            .int(*quantity)
            .int(*round)
            .text(state.as_str());
        row.int(*committed).int(*released).int_some(*replaces);
        match closing {
            None => row.null().null().null().null().null(),
            Some(Closing {
                serial,
                kind,
                units,
                committed,
                unknown,
            }) => row
                .text(kind.as_str())
                .flag(*unknown)
                .int(*serial)
                .int(*units)
                .flag(*committed),
        };
        row.int(*closings)
            .flag(*closing_refused)
            .text_some(reference.as_ref().map(|r| r.as_str()));
        row.time_some(*expires_at)
            .int_some(*available)
            .int(*refusals)
            .time(*created_at)
            .time(*updated_at);
    }
}

impl Record for Reservation {
    const TABLE: &'static Table = ORDER_RESERVATIONS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Reservation {
            n: c.skip(1).int()?,
            sku: c.parse()?,
            quantity: c.int()?,
            round: c.int()?,
            state: c.parse()?,
            committed: c.int()?,
            released: c.int()?,
            replaces: c.int_some()?,
            closing: match c.parse_some()? {
                None => {
                    c.skip(4);
                    None
                }
                Some(kind) => Some(Closing {
                    kind,
                    unknown: c.flag()?,
                    serial: c.int()?,
                    units: c.int()?,
                    committed: c.flag()?,
                }),
            },
            closings: c.int()?,
            closing_refused: c.flag()?,
            reference: c.parse_some()?,
            expires_at: c.time_some()?,
            available: c.int_some()?,
            refusals: c.int()?,
            created_at: c.time()?,
            updated_at: c.time()?,
        })
    }
}

/// One row for each shipment.
pub const ORDER_SHIPMENTS: &Table = &Table {
    n: 5,
    name: "order_shipments",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        Column::text("status"),
        Column::text("carrier").nullable(),
        Column::text("tracking_number").nullable(),
        // JSON: units of lines.
        Column::text("lines"),
        Column::time("shipped_at").nullable(),
        Column::time("delivered_at").nullable(),
        // When it was last taken for lost, whatever it is now.
        Column::time("lost_at").nullable(),
        Column::time("created_at"),
        Column::time("updated_at"),
    ],
};

impl Child for Shipment {
    fn number(&self, _: usize) -> u32 {
        self.n
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        #[rustfmt::skip]
        let Shipment {
            n: _, lines, state, carrier, tracking, shipped_at, delivered_at, lost_at, created_at, updated_at,
        } = self;
        row.id(order.id.as_bytes())
            .int(n)
            .text(state.as_str())
            .text_some(carrier.as_deref())
            .text_some(tracking.as_deref());
        row.json(lines)
            .time_some(*shipped_at)
            .time_some(*delivered_at)
            .time_some(*lost_at)
            .time(*created_at)
            .time(*updated_at);
    }
}

impl Record for Shipment {
    const TABLE: &'static Table = ORDER_SHIPMENTS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Shipment {
            n: c.skip(1).int()?,
            state: c.parse()?,
            carrier: c.text_some()?,
            tracking: c.text_some()?,
            lines: c.json()?,
            shipped_at: c.time_some()?,
            delivered_at: c.time_some()?,
            lost_at: c.time_some()?,
            created_at: c.time()?,
            updated_at: c.time()?,
        })
    }
}

/// One row for each return.
pub const ORDER_RETURNS: &Table = &Table {
    n: 6,
    name: "order_returns",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        Column::text("status"),
        // JSON: units of lines, and how many of them came back.
        Column::text("lines"),
        Column::time("created_at"),
        Column::time("updated_at"),
    ],
};

impl Child for Return {
    fn number(&self, _: usize) -> u32 {
        self.n
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        let Return {
            n: _,
            lines,
            state,
            created_at,
            updated_at,
        } = self;
        row.id(order.id.as_bytes())
            .int(n)
            .text(state.as_str())
            .json(lines)
            .time(*created_at)
            .time(*updated_at);
    }
}

impl Record for Return {
    const TABLE: &'static Table = ORDER_RETURNS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Return {
            n: c.skip(1).int()?,
            state: c.parse()?,
            lines: c.json()?,
            created_at: c.time()?,
            updated_at: c.time()?,
        })
    }
}
