//! `order cancel`, `complete`, `status` and `redact`: where an order's life goes.

use clap::Args;
use order_core::order::{Order, Status};
use order_core::rules::Command;
use order_core::store::OrderRef;

use super::operator::{Asked, Change};
use super::options::{ById, How, Items};
use crate::exit::Outcome;
use crate::input::lines;
use crate::input::words::words;

/// Options of `cancel`.
#[derive(Debug, Args)]
pub struct Cancel {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The units; the whole order if there are none.
    #[command(flatten)]
    pub items: Items,
    /// Only what has not shipped and is in no planned shipment
    #[arg(long, conflicts_with = "items")]
    pub rest: bool,
    /// Do not ask on a terminal
    #[arg(long, short)]
    pub yes: bool,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Cancel {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn to_confirm(&self, order: &Order) -> Option<String> {
        let captured = order.in_currency(order.money().captured);
        let back = match captured.minor {
            0 => String::new(),
            _ => format!("; of the {captured} that was paid, what is not owed then goes back"),
        };
        (!self.yes).then(|| match self.items.items.is_empty() && !self.rest {
            true => format!("cancel order {}{back}?", order.number),
            false => format!("cancel these units of order {}{back}?", order.number),
        })
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(if self.rest {
            Command::CancelRest
        } else if self.items.items.is_empty() {
            Command::Cancel
        } else {
            Command::CancelLines {
                lines: lines::units(order, &self.items.items)?,
            }
        }))
    }
}

/// Options of `complete`.
#[derive(Debug, Args)]
pub struct Complete {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Complete {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::Complete))
    }
}

/// Options of `redact`.
#[derive(Debug, Args)]
pub struct Redact {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// Do not ask on a terminal
    #[arg(long, short)]
    pub yes: bool,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Redact {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn to_confirm(&self, order: &Order) -> Option<String> {
        let number = order.number;
        (!self.yes).then(|| format!("erase the personal data of order {number} for ever?"))
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::Redact))
    }
}

/// The statuses that an order can be brought to. What an order is asked to be besides, it becomes
/// by itself or by a command of its own.
const SETTABLE: [Status; 6] = [
    Status::Confirmed,
    Status::Processing,
    Status::Shipped,
    Status::Delivered,
    Status::Completed,
    Status::Cancelled,
];

/// Options of `status`.
#[derive(Debug, Args)]
pub struct SetStatus {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The status it is brought to
    #[arg(long, value_name = "STATUS", value_parser = words(Status::ALL, Status::as_str).offering(&SETTABLE))]
    pub set: Status,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for SetStatus {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::SetStatus { status: self.set }))
    }
}
