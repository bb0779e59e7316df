//! The outcome that a command would have, where it is only tried.

use std::fmt::Write as _;

use order_core::manager::EditPreview;
use order_core::order::{JournalRow, Order};
use serde::Serialize;

use super::order_text::{items, sums, text};
use super::rows::history_table;
use order_core::json::{HistoryView, OrderView, amount};

/// The events of a command and the order after them.
#[derive(Debug, Serialize)]
pub struct PreviewView {
    dry_run: bool,
    events: Vec<HistoryView>,
    order: OrderView,
}

impl PreviewView {
    /// The view of `order` after `rows`.
    pub fn of(order: &Order, rows: &[JournalRow]) -> Self {
        PreviewView {
            dry_run: true,
            events: rows.iter().map(HistoryView::of).collect(),
            order: OrderView::of(order),
        }
    }
}

/// The events and the order after them, for people.
pub fn preview_text(order: &Order, rows: &[JournalRow]) -> String {
    format!(
        "nothing was done; these events would be written:\n\n{}\nafter them:\n\n{}",
        history_table(rows).render(),
        text(order)
    )
}

/// An edit, priced.
#[derive(Debug, Serialize)]
pub struct EditView {
    dry_run: bool,
    currency: String,
    total_before: String,
    total_after: String,
    to_pay: String,
    to_refund: String,
    order: OrderView,
}

impl EditView {
    /// The view of `preview`.
    pub fn of(preview: &EditPreview) -> Self {
        let EditPreview {
            before,
            after,
            due,
            back,
        } = preview;
        let amount = |minor| amount(minor, before.currency);
        EditView {
            dry_run: true,
            currency: before.currency.to_string(),
            total_before: amount(before.amounts.total),
            total_after: amount(after.amounts.total),
            to_pay: amount(*due),
            to_refund: amount(*back),
            order: OrderView::of(after),
        }
    }
}

/// The order as an edit would leave it and the edit's price, for people.
pub fn edit_text(preview: &EditPreview) -> String {
    let EditPreview {
        before,
        after,
        due,
        back,
    } = preview;
    let money = |minor| before.in_currency(minor).to_string();
    let mut out = format!("nothing was done; order {} would be:\n\n", before.number);
    out.push_str(&items(after));
    out.push_str(&sums(&after.amounts, after.currency));
    let _ = writeln!(
        out,
        "\n  total {} instead of {}",
        money(after.amounts.total),
        money(before.amounts.total)
    );
    if *due > 0 {
        let _ = writeln!(out, "  {} to be paid before it applies", money(*due));
    }
    if *back > 0 {
        let _ = writeln!(out, "  {} to go back", money(*back));
    }
    out
}
