//! `order_edits`.

use super::addresses::{put_address, take_address};
use super::read::{Columns, Stored};
use super::table::{Column, Table, Unreadable};
use super::write::Cells;
use super::{Child, Record};
use crate::order::{Edit, Order};
use crate::text::Private;

/// One row for each edit. The address is private, and erased once the edit is over.
pub const ORDER_EDITS: &Table = &Table {
    n: 9,
    name: "order_edits",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        Column::text("status"),
        Column::text("cause").nullable(),
        // What must be paid before it applies, and the first payment operation that may be for it.
        Column::int("due_amount"),
        Column::int("payment").nullable(),
        // The first reservation that may be for it, and, once it is over, the first that cannot be
        // any more.
        Column::int("reservation"),
        Column::int("reservation_end").nullable(),
        Column::time("deadline"),
        // JSON: what changes, priced.
        Column::text("plan"),
        // Where the goods go then, if that changes.
        Column::text("first_name").nullable(),
        Column::text("last_name").nullable(),
        Column::text("address_line1").nullable(),
        Column::text("address_line2").nullable(),
        Column::text("city").nullable(),
        Column::text("state").nullable(),
        Column::text("postal_code").nullable(),
        Column::text("country").nullable(),
        Column::text("phone").nullable(),
        Column::text("email").nullable(),
        Column::time("created_at"),
        Column::time("updated_at"),
    ],
};

impl Child for Edit {
    fn number(&self, _: usize) -> u32 {
        self.n
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        #[rustfmt::skip]
        let Edit {
            n: _, plan, state, cause, due, payment, reservation, reservation_end, deadline, created_at, updated_at, address,
        } = self;
        row.id(order.id.as_bytes())
            .int(n)
            .text(state.as_str())
            .text_some(cause.map(|c| c.as_str()));
        row.int(*due)
            .int_some(*payment)
            .int(*reservation)
            .int_some(*reservation_end)
            .time(*deadline)
            .json(plan);
        put_address(address.get(), row);
        row.time(*created_at).time(*updated_at);
    }
}

impl Record for Edit {
    const TABLE: &'static Table = ORDER_EDITS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Edit {
            n: c.skip(1).int()?,
            state: c.parse()?,
            cause: c.parse_some()?,
            due: c.int()?,
            payment: c.int_some()?,
            reservation: c.int()?,
            reservation_end: c.int_some()?,
            deadline: c.time()?,
            plan: c.json()?,
            address: Private(take_address(c)?),
            created_at: c.time()?,
            updated_at: c.time()?,
        })
    }
}
