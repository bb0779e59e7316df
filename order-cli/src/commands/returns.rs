//! `order return`: delivered units that come back.

use clap::{Args, Subcommand};
use order_core::order::Order;
use order_core::rules::Command;
use order_core::store::OrderRef;

use super::operator::{Asked, Change};
use super::options::{ById, How};
use crate::exit::Outcome;
use crate::input::lines::{self, LineUnits, ReceivedLine};

/// Commands of `return`.
#[derive(Debug, Subcommand)]
pub enum ReturnCommand {
    /// Ask to send delivered units back
    Request(RequestReturn),
    /// Let them be sent back
    Approve(ApproveReturn),
    /// Turn a return down
    Reject(RejectReturn),
    /// Say that units came back, and what became of them; all that is outstanding, restocked, if
    /// nothing is named
    Receive(ReceiveReturn),
    /// Say that no more will come back: what came is no longer owed
    Close(CloseReturn),
}

impl ReturnCommand {
    /// Returns what is asked for, whichever command it is.
    pub fn as_change(&self) -> &dyn Change {
        match self {
            ReturnCommand::Request(change) => change,
            ReturnCommand::Approve(change) => change,
            ReturnCommand::Reject(change) => change,
            ReturnCommand::Receive(change) => change,
            ReturnCommand::Close(change) => change,
        }
    }
}

/// Options of `return request`.
#[derive(Debug, Args)]
pub struct RequestReturn {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// A line and how many units of it: LINE is a line's number, its item id, or its SKU; may be
    /// repeated
    #[arg(long = "item", value_name = "LINE:QTY", required = true)]
    pub items: Vec<LineUnits>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for RequestReturn {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::RequestReturn {
            lines: lines::units(order, &self.items)?,
        }))
    }
}

/// One return of an order, and how a command on it is given.
#[derive(Debug, Args)]
pub struct OneReturn {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The return's number within the order: 1, 2, …
    #[arg(long = "return", value_name = "N")]
    pub number: u32,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

/// Options of `return approve`.
#[derive(Debug, Args)]
pub struct ApproveReturn {
    /// The return.
    #[command(flatten)]
    pub one: OneReturn,
}

impl Change for ApproveReturn {
    fn order(&self) -> OrderRef {
        self.one.order.order
    }
    fn how(&self) -> How {
        self.one.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::ApproveReturn {
            number: self.one.number,
        }))
    }
}

/// Options of `return reject`.
#[derive(Debug, Args)]
pub struct RejectReturn {
    /// The return.
    #[command(flatten)]
    pub one: OneReturn,
}

impl Change for RejectReturn {
    fn order(&self) -> OrderRef {
        self.one.order.order
    }
    fn how(&self) -> How {
        self.one.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::RejectReturn {
            number: self.one.number,
        }))
    }
}

/// Options of `return close`.
#[derive(Debug, Args)]
pub struct CloseReturn {
    /// The return.
    #[command(flatten)]
    pub one: OneReturn,
}

impl Change for CloseReturn {
    fn order(&self) -> OrderRef {
        self.one.order.order
    }
    fn how(&self) -> How {
        self.one.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::CloseReturn {
            number: self.one.number,
        }))
    }
}

/// Options of `return receive`.
#[derive(Debug, Args)]
pub struct ReceiveReturn {
    /// The return.
    #[command(flatten)]
    pub one: OneReturn,
    /// A line and the units of it that came back: LINE is a line's number, its item id, or its SKU;
    /// into the stock again unless `scrap` is said; may be repeated
    #[arg(long = "item", value_name = "LINE:QTY[:restock|scrap]")]
    pub items: Vec<ReceivedLine>,
}

impl Change for ReceiveReturn {
    fn order(&self) -> OrderRef {
        self.one.order.order
    }
    fn how(&self) -> How {
        self.one.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::ReceiveReturn {
            number: self.one.number,
            lines: lines::received(order, &self.items)?,
        }))
    }
}
