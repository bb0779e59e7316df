//! Options that several commands have.

use clap::Args;
use order_core::ids::{IdempotencyKey, ParseIdError};
use order_core::number::OrderNumber;
use order_core::store::OrderRef;

use crate::input::lines::LineUnits;

/// An order named by id or number.
#[derive(Debug, Args)]
pub struct ById {
    /// The order's id or number
    #[arg(value_name = "ID|NUMBER", value_parser = order_ref)]
    pub order: OrderRef,
}

/// The key and the version that make a command on an order safe to repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Once {
    /// Makes it safe to repeat: under the same key it is done once per order, and another command
    /// is refused
    #[arg(long, value_name = "KEY")]
    pub key: Option<IdempotencyKey>,
    /// Refuse if the order has changed since this version
    #[arg(long, value_name = "N", alias = "expected-version")]
    pub expect_version: Option<u64>,
}

/// The reason for a command on an order, and what makes it safe to repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct How {
    /// The reason, for the journal
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub reason: String,
    /// The key and the version.
    #[command(flatten)]
    pub once: Once,
}

/// Units of an order's lines.
#[derive(Debug, Args)]
pub struct Items {
    /// A line and how many units of it: LINE is a line's number, its item id, or its SKU; may be
    /// repeated
    #[arg(long = "item", value_name = "LINE:QTY")]
    pub items: Vec<LineUnits>,
}

/// Reads an order's id or number.
fn order_ref(text: &str) -> Result<OrderRef, String> {
    text.parse()
        .map_err(|error: ParseIdError| match OrderNumber::looks_like(text) {
            true => error.to_string(),
            false => "expected an order's number, such as ORD-7KQ2-M4XT-9HRC, or its id, a UUID"
                .to_owned(),
        })
}

/// Reads a whole number in a range.
pub fn whole<const LEAST: i64, const MOST: i64>(text: &str) -> Result<u32, String> {
    let number = text
        .parse::<i64>()
        .ok()
        .filter(|n| (LEAST..=MOST).contains(n));
    number
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| format!("expected a whole number from {LEAST} to {MOST}"))
}
