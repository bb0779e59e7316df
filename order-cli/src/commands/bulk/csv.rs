//! Orders and lines as tables (RFC 4180), without personal data. Amounts are in major units of the
//! order's currency, times in RFC 3339.

use order_core::order::{Line, Order};

/// The head of the table of orders.
pub const ORDERS: &str = "order_id,order_number,user_id,status,payment_status,fulfilment_status,return_status,currency,subtotal,\
discount,tax,tax_included,shipping,total,owed,captured,refunded,payment_method,payment_terms,shipping_method,coupon,created_at,\
updated_at,confirmed_at,completed_at,cancelled_at\r\n";

/// The head of the table of lines.
pub const LINES: &str = "order_id,order_number,line,line_id,product_id,variant_id,sku,name,quantity,currency,unit_price,discount,\
subtotal,coupon,tax,tax_included,credit,owed,requires_shipping,cancelled,planned,shipped,delivered,returned,restocked,lost\r\n";

/// An order's row.
pub fn order(order: &Order) -> String {
    let (a, money) = (order.amounts, order.money());
    let amount = |minor| order.in_currency(minor).amount().to_string();
    let time =
        |at: Option<order_core::time::Timestamp>| at.map_or_else(String::new, |t| t.to_string());
    let name = |name: &Option<order_core::ids::Name>| {
        name.as_ref().map_or_else(String::new, ToString::to_string)
    };
    row(&[
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
        order.payment_method.to_string(),
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
pub fn lines(order: &Order) -> String {
    order.lines.iter().map(|l| line(order, l)).collect()
}

fn line(order: &Order, line: &Line) -> String {
    let amount = |minor| order.in_currency(minor).amount().to_string();
    let sum = |part: fn(&order_core::order::Lot) -> i64| amount(line.lots.iter().map(part).sum());
    let c = line.counters;
    let owed = if order.lifecycle.is_live() {
        line.owed()
    } else {
        0
    };
    row(&[
        order.id.to_string(),
        order.number.to_string(),
        line.n.to_string(),
        line.id.to_string(),
        line.product.to_string(),
        line.variant.map_or_else(String::new, |v| v.to_string()),
        line.sku.to_string(),
        line.name.clone(),
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

fn row(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|f| quoted(f)).collect();
    fields.join(",") + "\r\n"
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\r', '\n']) || field.starts_with(' ') || field.ends_with(' ') {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use order_core::testkit::orders::full;

    #[test]
    fn every_row_has_the_fields_of_its_head() {
        let mut sample = full(1);
        sample.lines[0].name = "Mug, 12\" tall".into();
        let rows = lines(&sample);
        assert!(rows.contains(",\"Mug, 12\"\" tall\","), "{rows}");
        assert_eq!(rows.lines().count(), 3);
        let plain = rows.replace("\"Mug, 12\"\" tall\"", "Mug");
        let fields = |text: &str| {
            text.lines()
                .map(|l| l.split(',').count())
                .collect::<Vec<_>>()
        };
        assert!(
            fields(&plain).iter().all(|n| *n == fields(LINES)[0]),
            "{plain}"
        );
        assert_eq!(fields(&order(&sample)), fields(ORDERS));
        assert!(!order(&sample).contains("Lovelace") && !rows.contains("Lovelace"));
    }

    #[test]
    fn only_what_needs_it_is_quoted() {
        let cases = [
            ("a", "a"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            (" a", "\" a\""),
            ("", ""),
        ];
        for (field, text) in cases {
            assert_eq!(quoted(field), text);
        }
    }
}
