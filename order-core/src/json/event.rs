//! The content of an event as JSON: its journal payload, with amounts and times spelled as
//! everywhere.

use serde_json::Value;

use super::amount;
use crate::money::{Currency, Minor};
use crate::order::Event;
use crate::time::Timestamp;

/// Fields of events, wherever they stand, that are amounts.
const AMOUNTS: &[&str] = &[
    "amount",
    "coupon",
    "discount",
    "due",
    "shipping",
    "shipping_tax",
    "subtotal",
    "tax",
    "tax_included",
    "total",
    "unit_price",
];

/// Fields of events that are times.
const TIMES: &[&str] = &[
    "at",
    "capture_before",
    "closed_at",
    "confirmed_at",
    "deadline",
    "delivered_at",
    "ended_at",
    "expires_at",
    "placed_at",
    "placing_deadline",
    "requested_at",
    "retry_until",
    "shipped_at",
    "until",
];

/// Returns the content of `event`, without its name; null if it is no more than its name. Amounts
/// are in `currency` unless one stands beside them.
pub(super) fn content(event: &Event, currency: Currency) -> Value {
    let named = serde_json::to_value(event).unwrap_or_default();
    let mut content = match named {
        // An event is written under its name, or as no more than its name.
        Value::Object(named) => named.into_iter().next().map(|(_, content)| content),
        _ => None,
    }
    .unwrap_or_default();
    spell(&mut content, currency);
    content
}

fn spell(value: &mut Value, currency: Currency) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|v| spell(v, currency)),
        Value::Object(fields) => {
            let own = fields.get("currency").and_then(Value::as_str);
            let currency = own.and_then(|c| c.parse().ok()).unwrap_or(currency);
            for (name, value) in fields {
                match value.as_i64() {
                    Some(minor) if AMOUNTS.contains(&name.as_str()) => {
                        *value = Value::String(amount(minor as Minor, currency));
                    }
                    Some(micros) if TIMES.contains(&name.as_str()) => {
                        *value = Value::String(Timestamp::from_micros(micros).to_string());
                    }
                    _ => spell(value, currency),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::decode_event;

    /// Fields that are numbers: of records, of units, of things.
    const NUMBERS: &[&str] = &[
        "available",
        "cancelled",
        "from",
        "limit",
        "line",
        "n",
        "parent",
        "payment",
        "quantity",
        "refunds",
        "replaces",
        "requested",
        "restock",
        "restocked",
        "scrap",
        "units",
    ];

    fn numbers<'v>(name: &'v str, value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Array(values) => values.iter().for_each(|v| numbers(name, v, found)),
            Value::Object(fields) => fields.iter().for_each(|(n, v)| numbers(n, v, found)),
            Value::Number(_) => found.push(name),
            _ => {}
        }
    }

    #[test]
    fn amounts_and_times_of_every_event_are_spelled_as_everywhere() {
        let journal = include_str!("../../tests/golden/journal-v1.jsonl");
        for line in journal.lines() {
            let content = content(&decode_event(line).unwrap(), Currency::USD);
            let mut left = Vec::new();
            numbers("", &content, &mut left);
            for name in left {
                assert!(
                    NUMBERS.contains(&name),
                    "say in AMOUNTS, TIMES or NUMBERS what {name} is: {content}"
                );
            }
        }
    }

    #[test]
    fn an_amount_in_another_currency_has_its_decimals() {
        let event = decode_event(
            r#"{"format":1,"event":{"payment_unmatched":{"reference":"r","status":"CAPTURED","amount":4800,"currency":"JPY"}}}"#,
        );
        let content = content(&event.unwrap(), Currency::USD);
        assert_eq!(content["amount"], "4800");
    }
}
