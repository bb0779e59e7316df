//! `order hold` and `order release`: what keeps an order from going on.

use std::time::Duration;

use clap::Args;
use order_core::ids::Name;
use order_core::order::{Blocks, HoldEnd, Order};
use order_core::rules::Command;
use order_core::store::OrderRef;
use order_core::time::Timestamp;

use super::operator::{Asked, Change};
use super::options::{ById, How};
use crate::exit::Outcome;
use crate::input::duration;

/// Options of `hold`.
#[derive(Debug, Args)]
pub struct Hold {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// Its kind, such as fraud-review; at most one of each at a time
    #[arg(long)]
    pub kind: Name,
    /// The step it blocks: confirm, capture or ship; what comes next if not given
    #[arg(long, value_name = "STEP")]
    pub blocks: Option<Blocks>,
    /// The time at which it lapses by itself, such as 2026-03-01T10:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
    pub until: Option<Timestamp>,
    /// The time after which it lapses by itself, such as 90m or 2d
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub lasts: Option<Duration>,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Hold {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        let lasts = self.lasts.map(HoldEnd::After);
        Ok(Asked::Command(Command::PlaceHold {
            kind: self.kind.clone(),
            blocks: self.blocks,
            until: self.until.map(HoldEnd::At).or(lasts),
        }))
    }
}

/// Options of `release`.
#[derive(Debug, Args)]
pub struct Release {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The hold's kind
    #[arg(long)]
    pub kind: Name,
    /// The reason and the key.
    #[command(flatten)]
    pub how: How,
}

impl Change for Release {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        self.how.clone()
    }
    fn ask(&self, _: &Order) -> Outcome<Asked> {
        Ok(Asked::Command(Command::ReleaseHold {
            kind: self.kind.clone(),
        }))
    }
}
