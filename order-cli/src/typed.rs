//! The commands that are possible on an order, in words that can be typed.

use order_core::manager::Explanation;
use order_core::order::Order;

use crate::commands::changes::typed;

/// Returns the commands that are possible on an order, beginning with those that it waits for: what
/// the rules allow, and what an operator reports or has seen.
pub fn commands(explanation: &Explanation) -> Vec<String> {
    let order = &explanation.order;
    let mut commands: Vec<String> = order
        .attention
        .iter()
        .filter(|attention| !attention.acknowledged)
        .map(|attention| format!("attention --ack {}", attention.reason))
        .collect();
    if let Some(short) = unpaid(order) {
        let amount = order.in_currency(short).amount();
        commands.push(format!(
            "record-payment --status captured --amount {amount} --reference REFERENCE"
        ));
    }
    let unmatched = order.unmatched.iter();
    commands.extend(
        unmatched.map(|report| format!("resolve --unmatched {} --evidence TEXT", report.reference)),
    );
    commands.extend(
        explanation
            .possible
            .iter()
            .map(|name| typed(name).to_owned()),
    );
    commands
}

/// The amount, in minor units, that is owed and that nobody here is asking for: an invoice, or cash
/// on delivery.
fn unpaid(order: &Order) -> Option<i64> {
    let money = order.money();
    let short = money.owed - money.captured + money.refunded;
    (order.payments.is_empty() && order.lifecycle.is_live() && short > 0).then_some(short)
}
