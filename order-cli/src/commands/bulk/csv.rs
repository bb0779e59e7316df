//! Orders and lines as tables (RFC 4180), without personal data. Amounts are in major units of the
//! order's currency, times in RFC 3339.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a
//! formula (CWE-1236), and names, SKUs and the like come from outside: such a cell gets a `'` in
//! front, unless it is to be exported raw.

use ::csv::{Terminator, WriterBuilder};
use order_core::order::{Line, Order};

use crate::exit::{Code, Failure, Outcome};

/// The columns of the table of orders.
const ORDERS: [&str; 26] = [
    "order_id",
    "order_number",
    "user_id",
    "status",
    "payment_status",
    "fulfilment_status",
    "return_status",
    "currency",
    "subtotal",
    "discount",
    "tax",
    "tax_included",
    "shipping",
    "total",
    "owed",
    "captured",
    "refunded",
    "payment_method",
    "payment_terms",
    "shipping_method",
    "coupon",
    "created_at",
    "updated_at",
    "confirmed_at",
    "completed_at",
    "cancelled_at",
];

/// The columns of the table of lines.
const LINES: [&str; 26] = [
    "order_id",
    "order_number",
    "line",
    "line_id",
    "product_id",
    "variant_id",
    "sku",
    "name",
    "quantity",
    "currency",
    "unit_price",
    "discount",
    "subtotal",
    "coupon",
    "tax",
    "tax_included",
    "credit",
    "owed",
    "requires_shipping",
    "cancelled",
    "planned",
    "shipped",
    "delivered",
    "returned",
    "restocked",
    "lost",
];

/// The treatment of cells that a spreadsheet would take for formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formulas {
    /// They get a `'` in front.
    Defused,
    /// They are written as they are.
    Raw,
}

impl Formulas {
    /// A text from outside, as a cell.
    fn cell(self, text: &str) -> String {
        const BEGIN: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
        match self {
            Formulas::Defused if text.starts_with(BEGIN) => format!("'{text}"),
            Formulas::Defused | Formulas::Raw => text.to_owned(),
        }
    }
}

/// The head of the table of orders.
pub fn orders_head() -> Outcome<String> {
    row(ORDERS)
}

/// The head of the table of lines.
pub fn lines_head() -> Outcome<String> {
    row(LINES)
}

/// An order's row.
pub fn order(order: &Order, formulas: Formulas) -> Outcome<String> {
    let (a, money) = (order.amounts, order.money());
    let amount = |minor| order.in_currency(minor).amount().to_string();
    let time =
        |at: Option<order_core::time::Timestamp>| at.map_or_else(String::new, |t| t.to_string());
    let name = |name: &Option<order_core::ids::Name>| {
        name.as_ref()
            .map_or_else(String::new, |name| formulas.cell(name.as_str()))
    };
    row([
        order.id.to_string(),
        order.number.to_string(),
        order.user.to_string(),
        order.statuses.status.to_string(),
        order.statuses.payment.to_string(),
        order.statuses.fulfilment.to_string(),
        order.statuses.returned.to_string(),
        order.currency.to_string(),
        amount(a.subtotal),
        amount(a.discount),
        amount(a.tax),
        amount(a.tax_included),
        amount(a.shipping),
        amount(a.total),
        amount(money.owed),
        amount(money.captured),
        amount(money.refunded),
        formulas.cell(order.payment_method.as_str()),
        order.terms.to_string(),
        name(&order.shipping_method),
        name(&order.coupon),
        order.created_at.to_string(),
        order.updated_at.to_string(),
        time(order.confirmed_at),
        time(order.completed_at),
        time(order.cancelled_at),
    ])
}

/// The rows of an order's lines.
pub fn lines(order: &Order, formulas: Formulas) -> Outcome<String> {
    let lines = order.lines.iter();
    lines.map(|l| line(order, l, formulas)).collect()
}

fn line(order: &Order, line: &Line, formulas: Formulas) -> Outcome<String> {
    let amount = |minor| order.in_currency(minor).amount().to_string();
    let sum = |part: fn(&order_core::order::Lot) -> i64| amount(line.lots.iter().map(part).sum());
    let c = line.counters;
    let owed = if order.lifecycle.is_live() {
        line.owed()
    } else {
        0
    };
    row([
        order.id.to_string(),
        order.number.to_string(),
        line.n.to_string(),
        line.id.to_string(),
        line.product.to_string(),
        line.variant.map_or_else(String::new, |v| v.to_string()),
        formulas.cell(line.sku.as_str()),
        formulas.cell(&line.name),
        line.quantity.to_string(),
        order.currency.to_string(),
        amount(line.unit_price),
        amount(line.discount),
        amount(line.subtotal),
        sum(|l| l.coupon),
        sum(|l| l.tax),
        sum(|l| l.tax_included),
        sum(|l| l.credit),
        amount(owed),
        line.requires_shipping.to_string(),
        c.cancelled.to_string(),
        c.planned.to_string(),
        c.shipped.to_string(),
        c.delivered.to_string(),
        c.returned.to_string(),
        c.restocked.to_string(),
        c.lost.to_string(),
    ])
}

/// A row with its end. The type keeps it as long as the head of its table.
fn row<T: AsRef<str>>(fields: [T; 26]) -> Outcome<String> {
    let cannot = |e: &dyn std::error::Error| {
        Failure::caused(Code::Unavailable, e).context("cannot write a row")
    };
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .buffer_capacity(512)
        .from_writer(Vec::new());
    writer
        .write_record(fields.iter().map(AsRef::as_ref))
        .map_err(|e| cannot(&e))?;
    let bytes = writer.into_inner().map_err(|e| cannot(e.error()))?;
    String::from_utf8(bytes).map_err(|e| cannot(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use order_core::testkit::orders::full;

    #[test]
    fn rows_are_read_back_under_the_columns_of_their_heads() {
        let mut sample = full(1);
        sample.lines[0].name = "Mug, 12\" tall\nwhite".into();
        let table = lines_head().unwrap() + &lines(&sample, Formulas::Defused).unwrap();
        let mut reader = ::csv::Reader::from_reader(table.as_bytes());
        assert_eq!(reader.headers().unwrap(), &LINES[..]);
        let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), sample.lines.len());
        assert_eq!(&rows[0][7], "Mug, 12\" tall\nwhite");
        assert_eq!(&rows[0][6], sample.lines[0].sku.as_str());

        let row = order(&sample, Formulas::Defused).unwrap();
        let table = orders_head().unwrap() + &row;
        let mut reader = ::csv::Reader::from_reader(table.as_bytes());
        let read = reader.records().next().unwrap().unwrap();
        assert_eq!(&read[1], sample.number.to_string());
        assert!(!table.contains("Lovelace"), "{table}");
        assert!(row.ends_with("\r\n"), "{row:?}");
    }

    #[test]
    fn what_a_spreadsheet_takes_for_a_formula_is_defused_unless_raw() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(Formulas::Defused.cell(text), format!("'{text}"));
            assert_eq!(Formulas::Raw.cell(text), text);
        }
        for text in ["", "Mug", "1-2", " =1"] {
            assert_eq!(Formulas::Defused.cell(text), text);
        }
        let mut sample = full(1);
        sample.lines[0].name = "=HYPERLINK(A1)".into();
        let written = |formulas| lines(&sample, formulas).unwrap();
        assert!(written(Formulas::Defused).contains(",'=HYPERLINK(A1),"));
        assert!(written(Formulas::Raw).contains(",=HYPERLINK(A1),"));
    }
}
