//! `order states`: which transitions there are, and when.

use serde::Serialize;

use crate::exit::Outcome;
use crate::output::Out;
use crate::output::table::Table;

/// A row of the transition table.
#[derive(Debug, Clone, Copy, Serialize)]
struct Row {
    from: &'static str,
    on: &'static str,
    to: &'static str,
    when: &'static str,
    then: &'static str,
}

const fn row(from: &'static str, on: &'static str, to: &'static str, when: &'static str, then: &'static str) -> Row {
    Row { from, on, to, when, then }
}

/// `-` stands for no order, `any` for every state, `same` for no transition.
const TABLE: &[Row] = &[
    row("-", "place", "PENDING", "lines, prices and the total are right", "reserve, then authorize or charge"),
    row("PENDING", "stock or payment fact", "same", "", "whatever is still missing"),
    row("PENDING", "stock refused", "REJECTED", "nothing authorized or captured", "release what was held, notify"),
    row("PENDING", "settles", "CONFIRMED", "all is held, what is due is covered, no hold blocks it", "notify"),
    row("PENDING", "payment needs action or is pending", "same", "", "wait for its deadline; look up, or the callback"),
    row("PENDING", "payment declined", "PAYMENT_FAILED", "no other attempt is open", "release stock, notify"),
    row("PENDING", "payment unknown", "same", "", "look up, or repeat under the same key; stock is kept"),
    row("PAYMENT_FAILED", "retry payment", "PENDING", "inside the retry window", "reserve again, a new attempt"),
    row("PENDING", "settles", "EXPIRED", "its time is over and no money is under way", "release, notify"),
    row("PENDING", "place hold", "same", "no hold of that kind is placed", "wait until it is released or lapses"),
    row("CONFIRMED", "place hold", "same", "no hold of that kind is placed", "wait until it is released or lapses"),
    row("any", "release hold", "same", "a hold of that kind is placed", "go on"),
    row("PENDING", "cancel", "CANCELLING", "", "find out what is unknown, then void, refund, release"),
    row("CONFIRMED", "cancel", "CANCELLING", "nothing has shipped", "void, refund, release"),
    row("PAYMENT_FAILED", "cancel", "CANCELLING", "", "whatever is left"),
    row("CANCELLING", "cancel", "same", "", "nothing: it is a success already"),
    row("CANCELLED", "cancel", "same", "", "nothing: it is a success already"),
    row("CANCELLING", "settles", "CANCELLED", "captured = refunded, nothing under way, no stock held", "notify"),
    row(
        "any but PENDING",
        "stock or payment fact",
        "same",
        "",
        "what is not owed goes back; attention if money moved on a dead order",
    ),
    row("any", "note", "same", "", ""),
];

/// Prints the transition table.
pub fn states(out: &Out) -> Outcome {
    out.many(&TABLE, TABLE, || {
        let mut table = Table::new(&["FROM", "ON", "TO", "WHEN", "THEN"]);
        for r in TABLE {
            table.row([r.from, r.on, r.to, r.when, r.then].map(str::to_owned));
        }
        table.render()
    })
}

#[cfg(test)]
mod tests {
    use order_core::machine::{Command, Env, decide, evolve};
    use order_core::order::{Actor, Blocks, Lifecycle, OrderHold, PaymentTerms};
    use order_core::policy::Policy;
    use order_core::services::{InventoryCapabilities, PaymentCapabilities};
    use order_core::testkit::orders::{at, plain};
    use order_core::text::Private;

    use super::*;

    fn says(from: Lifecycle, command: &Command) -> Option<String> {
        let fits = |r: &&Row| r.on == command.name() && (r.from == from.as_str() || r.from == "any");
        let row = TABLE.iter().find(fits)?;
        Some(if row.to == "same" { from.to_string() } else { row.to.to_owned() })
    }

    #[test]
    fn the_table_says_of_every_command_what_the_rules_decide() {
        let policy = Policy::default();
        let (inventory, payment) = (InventoryCapabilities::IDEAL, PaymentCapabilities::IDEAL);
        let env = Env { now: at(10), policy: &policy, inventory, payment, notify: true };
        let kind: order_core::ids::Name = "FRAUD".parse().unwrap();
        let commands = [
            Command::Cancel,
            Command::RetryPayment {
                method: kind.clone(),
                terms: PaymentTerms::Confirm,
                token: Private(None),
                return_url: Private(None),
            },
            Command::PlaceHold { kind: "OTHER".parse().unwrap(), blocks: Blocks::Confirm, until: None },
            Command::ReleaseHold { kind: kind.clone() },
            Command::Note,
        ];
        for from in Lifecycle::ALL {
            for command in &commands {
                let mut order = plain(1);
                order.lifecycle = *from;
                order.retry_until = None;
                order.holds =
                    vec![OrderHold { kind: kind.clone(), blocks: Blocks::Confirm, placed_by: Actor::System, until: None }];
                let decided = decide(&order, command, &env).ok().map(|events| {
                    for event in &events {
                        evolve(&mut order, event, &Actor::System, at(10));
                    }
                    order.lifecycle.to_string()
                });
                assert_eq!(says(*from, command), decided, "{} when {from}", command.name());
            }
        }
    }
}
