//! `order_payment_transactions`, `order_credits` and `order_disputes`.

use super::read::{Columns, Stored};
use super::table::{Column, Table, Unreadable};
use super::write::Cells;
use super::{Child, Record};
use crate::order::{Credit, CustomerAction, Dispute, Order, PaymentOperation};
use crate::text::Private;

/// One row for each payment operation. Tokens and URLs are private, and erased once the operation
/// is settled.
pub const ORDER_PAYMENT_TRANSACTIONS: &Table = &Table {
    n: 3,
    name: "order_payment_transactions",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        // The operation it acts on, for a capture, void or refund.
        Column::int("parent").nullable(),
        Column::text("kind"),
        Column::text("origin"),
        Column::text("payment_method"),
        Column::int("amount"),
        Column::int("settled_amount"),
        Column::text("currency"),
        Column::text("status"),
        Column::text("verification"),
        // The provider's name for it, once it has given one.
        Column::text("transaction_id").nullable(),
        // The provider's reason for a decline or a failure.
        Column::text("gateway_response").nullable(),
        Column::time("capture_before").nullable(),
        Column::time("deadline").nullable(),
        Column::text("token").nullable(),
        Column::text("return_url").nullable(),
        Column::text("action_url").nullable(),
        Column::text("action_data").nullable(),
        Column::time("created_at"),
        Column::time("updated_at"),
    ],
};

impl Child for PaymentOperation {
    fn number(&self, _: usize) -> u32 {
        self.n
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        #[rustfmt::skip]
        let PaymentOperation {
            n: _, parent, kind, origin, method, amount, settled, state, verification, reference, code, capture_before, deadline,
            token, return_url, action, created_at, updated_at,
        } = self;
        let (url, data) = match action.get() {
            Some(CustomerAction { url, data }) => (Some(url.as_str()), data.as_deref()),
            None => (None, None),
        };
        row.id(order.id.as_bytes())
            .int(n)
            .int_some(*parent)
            .text(kind.as_str())
            .text(origin.as_str())
            .text(method.as_str());
        row.int(*amount)
            .int(*settled)
            .text(order.currency.code())
            .text(state.as_str())
            .text(verification.as_str());
        row.text_some(reference.as_ref().map(|r| r.as_str()))
            .text_some(code.as_deref());
        row.time_some(*capture_before).time_some(*deadline);
        row.text_some(token.get().map(String::as_str))
            .text_some(return_url.get().map(String::as_str));
        row.text_some(url)
            .text_some(data)
            .time(*created_at)
            .time(*updated_at);
    }
}

impl Record for PaymentOperation {
    const TABLE: &'static Table = ORDER_PAYMENT_TRANSACTIONS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(PaymentOperation {
            n: c.skip(1).int()?,
            parent: c.int_some()?,
            kind: c.parse()?,
            origin: c.parse()?,
            method: c.parse()?,
            amount: c.int()?,
            settled: c.int()?,
            // The currency is the order's.
            state: c.skip(1).parse()?,
            verification: c.parse()?,
            reference: c.parse_some()?,
            code: c.text_some()?,
            capture_before: c.time_some()?,
            deadline: c.time_some()?,
            token: Private(c.text_some()?),
            return_url: Private(c.text_some()?),
            action: {
                let (url, data) = (c.text_some()?, c.text_some()?);
                Private(url.map(|url| CustomerAction { url, data }))
            },
            created_at: c.time()?,
            updated_at: c.time()?,
        })
    }
}

/// One row for each credit.
pub const ORDER_CREDITS: &Table = &Table {
    n: 7,
    name: "order_credits",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        Column::text("kind"),
        // The line it is for, if it is for one.
        Column::int("line").nullable(),
        Column::int("amount"),
        Column::time("created_at"),
    ],
};

impl Child for Credit {
    fn number(&self, _: usize) -> u32 {
        self.n
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        let Credit {
            n: _,
            kind,
            line,
            amount,
            at,
        } = self;
        row.id(order.id.as_bytes())
            .int(n)
            .text(kind.as_str())
            .int_some(*line)
            .int(*amount)
            .time(*at);
    }
}

impl Record for Credit {
    const TABLE: &'static Table = ORDER_CREDITS;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Credit {
            n: c.skip(1).int()?,
            kind: c.parse()?,
            line: c.int_some()?,
            amount: c.int()?,
            at: c.time()?,
        })
    }
}

/// One row for each dispute, numbered as they were opened: the provider's name for it is its own.
pub const ORDER_DISPUTES: &Table = &Table {
    n: 8,
    name: "order_disputes",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("n"),
        Column::text("reference"),
        // The payment operation it is about, if that is known.
        Column::int("payment").nullable(),
        Column::int("amount"),
        Column::text("status"),
        Column::time("created_at"),
        Column::time("closed_at").nullable(),
    ],
};

impl Child for Dispute {
    fn number(&self, at: usize) -> u32 {
        u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn put(&self, order: &Order, n: u32, row: &mut Cells) {
        let Dispute {
            reference,
            payment,
            amount,
            state,
            opened_at,
            closed_at,
        } = self;
        row.id(order.id.as_bytes())
            .int(n)
            .text(reference.as_str())
            .int_some(*payment)
            .int(*amount)
            .text(state.as_str());
        row.time(*opened_at).time_some(*closed_at);
    }
}

impl Record for Dispute {
    const TABLE: &'static Table = ORDER_DISPUTES;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(Dispute {
            reference: c.skip(2).parse()?,
            payment: c.int_some()?,
            amount: c.int()?,
            state: c.parse()?,
            opened_at: c.time()?,
            closed_at: c.time_some()?,
        })
    }
}
