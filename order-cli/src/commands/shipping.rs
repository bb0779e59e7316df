//! `order ship` and its like: shipments, from planned to delivered.

use clap::Args;
use order_core::order::Order;
use order_core::rules::Command;
use order_core::store::OrderRef;

use super::operator::{Asked, Change};
use super::options::{ById, How, Items};
use crate::exit::Outcome;
use crate::input::lines;

/// Options of `ship`.
#[derive(Debug, Args)]
pub struct Ship {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The shipment that was planned
    #[arg(long, value_name = "N", conflicts_with = "items")]
    pub shipment: Option<u32>,
    /// The units of a new one.
    #[command(flatten)]
    pub items: Items,
    /// The carrier's name
    #[arg(long, value_name = "NAME")]
    pub carrier: Option<String>,
    /// The carrier's number for it
    #[arg(long, value_name = "NUMBER")]
    pub tracking: Option<String>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Ship {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::Ship {
            shipment: self.shipment,
            lines: lines::units(order, &self.items.items)?,
            carrier: self.carrier.clone(),
            tracking: self.tracking.clone(),
        }))
    }
}

/// Options of `plan-shipment`.
#[derive(Debug, Args)]
pub struct PlanShipment {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The units; all that are open if there are none.
    #[command(flatten)]
    pub items: Items,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for PlanShipment {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::PlanShipment {
            lines: lines::units(order, &self.items.items)?,
        }))
    }
}

/// Options of `split-shipment`.
#[derive(Debug, Args)]
pub struct SplitShipment {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The planned shipment's number within the order: 1, 2, …
    #[arg(long, value_name = "N")]
    pub shipment: u32,
    /// The units that go into the new one: a line and how many units of it; may be repeated
    #[arg(long = "item", value_name = "LINE:QTY", required = true)]
    pub items: Vec<lines::LineUnits>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for SplitShipment {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::SplitShipment {
            shipment: self.shipment,
            lines: lines::units(order, &self.items)?,
        }))
    }
}

/// Options of `cancel-shipment`.
#[derive(Debug, Args)]
pub struct CancelShipment {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The shipment's number within the order: 1, 2, …
    #[arg(long, value_name = "N")]
    pub shipment: u32,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for CancelShipment {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::CancelShipment {
            shipment: self.shipment,
        }))
    }
}

/// Options of `deliver`.
#[derive(Debug, Args)]
pub struct Deliver {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The shipment's number within the order: 1, 2, …
    #[arg(long, value_name = "N")]
    pub shipment: Option<u32>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Deliver {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::Deliver {
            shipment: self.shipment,
        }))
    }
}

/// Options of `fail-shipment`.
#[derive(Debug, Args)]
pub struct FailShipment {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The shipment's number within the order: 1, 2, …
    #[arg(long, value_name = "N")]
    pub shipment: u32,
    /// It came back to us
    #[arg(long)]
    pub returned: bool,
    /// It was lost on the way: its units are gone from the stock
    #[arg(long, conflicts_with = "returned")]
    pub lost: bool,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for FailShipment {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        let shipment = self.shipment;
        Ok(Asked::Command(if self.returned {
            Command::ReturnToSender { shipment }
        } else if self.lost {
            Command::LoseShipment { shipment }
        } else {
            Command::FailShipment { shipment }
        }))
    }
}
