//! `order_redemptions` and `order_redemption_counts`: which order holds a use of which limited
//! thing, and how many are in use.

use super::table::{Column, Table};

/// One row for each use that an order holds.
pub const ORDER_REDEMPTIONS: &Table = &Table {
    n: 12,
    name: "order_redemptions",
    key: 2,
    columns: &[Column::id("order_id"), Column::text("name")],
};

/// One row for each limited thing of which a use is taken. It belongs to no order.
pub const ORDER_REDEMPTION_COUNTS: &Table = &Table {
    n: 14,
    name: "order_redemption_counts",
    key: 1,
    columns: &[Column::text("name"), Column::int("in_use")],
};
