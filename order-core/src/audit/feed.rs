//! I23: the change feed shows every journal row once, per order in sequence.

use std::collections::BTreeMap;

use super::{Breach, Invariant};
use crate::ids::OrderId;
use crate::store::FeedRow;

/// Follows a feed from its beginning and says where it does not show every row once and in
/// sequence.
#[derive(Debug, Default)]
pub struct FeedAudit {
    /// The last row of each order.
    shown: BTreeMap<OrderId, u64>,
}

impl FeedAudit {
    /// Takes in the next row; what is wrong with it.
    pub fn row(&mut self, row: &FeedRow) -> Option<Breach> {
        let FeedRow {
            cursor,
            order,
            seq,
            number,
            currency: _,
            row: _,
        } = row;
        let last = self.shown.entry(*order).or_default();
        let expected = std::mem::replace(last, *seq) + 1;
        (*seq != expected).then(|| {
            breach(format!(
                "order {number}: the feed shows row {seq} at {cursor} where row {expected} is due"
            ))
        })
    }

    /// Finds what is wrong with the rows of an order that was at `version` before the feed was read
    /// to its end.
    pub fn order(&self, order: OrderId, version: u64) -> Option<Breach> {
        let shown = self.shown.get(&order).copied().unwrap_or(0);
        (shown < version).then(|| {
            breach(format!(
                "order {order}: the feed shows its rows up to {shown}, and it has {version}"
            ))
        })
    }
}

fn breach(detail: String) -> Breach {
    Breach {
        invariant: Invariant::Feed,
        detail,
    }
}
