//! The commands that are possible on an order, in words that can be typed.

use order_core::manager::Explanation;
use order_core::order::Order;

/// The command with its arguments for each name that the engine has for one.
const TYPED: [(&str, &str); 25] = [
    ("cancel", "cancel"),
    ("cancel lines", "cancel --item LINE:QTY"),
    ("retry payment", "retry-payment --method METHOD"),
    ("place hold", "hold --kind KIND"),
    ("release hold", "release --kind KIND"),
    ("plan shipment", "plan-shipment"),
    (
        "split shipment",
        "split-shipment --shipment N --item LINE:QTY",
    ),
    ("ship", "ship"),
    ("deliver", "deliver"),
    ("fail shipment", "fail-shipment --shipment N"),
    ("lose shipment", "fail-shipment --shipment N --lost"),
    ("return to sender", "fail-shipment --shipment N --returned"),
    ("cancel shipment", "cancel-shipment --shipment N"),
    ("complete", "complete"),
    ("credit", "credit --amount AMOUNT"),
    ("write off", "write-off"),
    ("request return", "return request --item LINE:QTY"),
    ("approve return", "return approve --return N"),
    ("reject return", "return reject --return N"),
    ("receive return", "return receive --return N"),
    ("close return", "return close --return N"),
    ("edit", "edit"),
    ("discard edit", "edit --discard"),
    ("change address", "address --type TYPE --file FILE"),
    ("redact", "redact"),
];

/// Returns the command that is typed for what the engine calls `name`.
pub fn typed(name: &'static str) -> &'static str {
    let found = TYPED.iter().find(|(known, _)| *known == name);
    found.map_or(name, |(_, typed)| typed)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_possible_can_be_typed() {
        let command = crate::help::command();
        for (_, typed) in TYPED {
            let mut command = &command;
            for word in typed.split(' ') {
                match word.strip_prefix("--") {
                    Some(option) => assert!(
                        command
                            .get_arguments()
                            .any(|a| a.get_long() == Some(option)),
                        "{typed}: {option}"
                    ),
                    // In upper case stands what the reader fills in.
                    None if word.chars().all(|c| c.is_ascii_uppercase() || c == ':') => {}
                    None => match command.find_subcommand(word) {
                        Some(found) => command = found,
                        None => panic!("{typed}: there is no command {word}"),
                    },
                }
            }
        }
    }
}
