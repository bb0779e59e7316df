//! `order edit`: other goods, another address or another way to send them.

use std::path::PathBuf;

use clap::Args;
use order_core::order::Order;
use order_core::request::{EditRequest, LineRef};
use order_core::rules::Command;
use order_core::store::OrderRef;

use super::operator::{Asked, Change};
use super::options::{ById, How};
use crate::exit::{Failure, Outcome};
use crate::input::addresses::{self, AddressText};
use crate::input::lines::{self, LineUnits};
use crate::input::{items, read};

/// Options of `edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// A new line, at today's price: `SKU[=QTY]` or `PRODUCT[/VARIANT][=QTY]`; may be repeated
    #[arg(long, value_name = "ITEM")]
    pub add: Vec<String>,
    /// The units of a line that the customer is to have, cancelled and returned ones not counted;
    /// may be repeated
    #[arg(long, value_name = "LINE:QTY")]
    pub set: Vec<LineUnits>,
    /// A line that is to go; may be repeated
    #[arg(long, value_name = "LINE")]
    pub remove: Vec<String>,
    /// The new shipping address: an address in JSON, or a file with one
    #[arg(long, value_name = "FILE|JSON")]
    pub ship_to: Option<AddressText>,
    /// The shipping method from now on; as it was if not given
    #[arg(long, value_name = "METHOD")]
    pub shipping_method: Option<String>,
    /// The payment method for a difference; that of the order if not given
    #[arg(long, value_name = "METHOD")]
    pub payment_method: Option<String>,
    /// A file with the client's opaque payment token
    #[arg(long, value_name = "FILE")]
    pub payment_token_file: Option<PathBuf>,
    /// The page that a payment provider sends the customer back to
    #[arg(long, value_name = "URL")]
    pub return_url: Option<String>,
    /// Call off the edit that is under way
    #[arg(
        long,
        conflicts_with_all = [
            "add", "set", "remove", "ship_to", "shipping_method", "payment_method", "dry_run",
        ]
    )]
    pub discard: bool,
    /// Show what it would cost and change, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Edit {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        if self.discard {
            return Ok(Asked::Command(Command::DiscardEdit));
        }
        let line = |name: &str| lines::number(order, name).map(LineRef::Number);
        let set = self
            .set
            .iter()
            .map(|l| Ok((line(&l.line)?, i64::from(l.units))));
        let remove = self.remove.iter().map(|name| line(name));
        let add = self
            .add
            .iter()
            .map(|text| items::parse(text).map_err(|e| Failure::bad_input(format!("--add: {e}"))));
        Ok(Asked::Edit {
            request: EditRequest {
                add: Vec::new(),
                set: set.collect::<Outcome<_>>()?,
                remove: remove.collect::<Outcome<_>>()?,
                shipping_address: addresses::read("--ship-to", self.ship_to.as_ref())?,
                shipping_method: self.shipping_method.clone(),
                payment_method: self.payment_method.clone(),
                payment_token: read::token(self.payment_token_file.as_deref())?,
                return_url: self.return_url.clone(),
            },
            add: add.collect::<Outcome<_>>()?,
            dry_run: self.dry_run,
        })
    }
}
