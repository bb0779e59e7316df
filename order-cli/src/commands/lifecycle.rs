//! `order cancel`, `complete`, `status` and `redact`: where an order's life goes.

use clap::Args;
use order_core::order::{Order, Status};
use order_core::rules::Command;
use order_core::store::OrderRef;

use super::operator::{Asked, Change};
use super::options::{ById, How, Items};
use crate::exit::Outcome;
use crate::input::lines;

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
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Cancel {
    fn order(&self) -> OrderRef {
        self.order.order
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
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Redact {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::Redact))
    }
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct SetStatus {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The status, in upper case: CONFIRMED, PROCESSING, SHIPPED, DELIVERED, COMPLETED or CANCELLED
    #[arg(long, value_name = "STATUS")]
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
