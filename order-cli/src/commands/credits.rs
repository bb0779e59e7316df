//! `order credit` and `order write-off`: less is owed, or less is waited for.

use clap::Args;
use order_core::order::Order;
use order_core::rules::Command;
use order_core::store::OrderRef;

use super::operator::{Asked, Change, money};
use super::options::{ById, How};
use crate::exit::Outcome;
use crate::input::lines::{self, LineAmount};

/// Options of `credit`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Credit {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The amount for the order as a whole, in its currency, such as 5.00
    #[arg(long, value_name = "AMOUNT", group = "what")]
    pub amount: Option<String>,
    /// An amount for a line: LINE is a line's number, its item id, or its SKU; may be repeated
    #[arg(long = "item", value_name = "LINE:AMOUNT", group = "what")]
    pub items: Vec<LineAmount>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Credit {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(match &self.amount {
            Some(amount) => Command::Credit {
                amount: money(order, "--amount", amount)?.minor,
            },
            None => Command::CreditLines {
                lines: lines::amounts(order, &self.items)?,
            },
        }))
    }
}

/// Options of `write-off`.
#[derive(Debug, Args)]
pub struct WriteOff {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The amount, in the order's currency, such as 0.05; all that is short if not said
    #[arg(long, value_name = "AMOUNT")]
    pub amount: Option<String>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for WriteOff {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        let amount = self
            .amount
            .as_deref()
            .map(|amount| money(order, "--amount", amount))
            .transpose()?;
        Ok(Asked::Command(Command::WriteOff {
            amount: amount.map(|a| a.minor),
        }))
    }
}
