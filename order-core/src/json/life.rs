//! The life of an order after it was placed, as JSON: shipments, returns, credits, disputes, edits.

use serde::Serialize;

use super::{amount, time};
use crate::order::{
    Credit, Dispute, Edit, LineUnits, Order, Return, ReturnLine, Shipment, UnmatchedPayment,
};

/// A shipment.
#[derive(Debug, Serialize)]
pub struct ShipmentView {
    n: u32,
    state: &'static str,
    items: Vec<UnitsView>,
    carrier: Option<String>,
    tracking: Option<String>,
    shipped_at: Option<String>,
    delivered_at: Option<String>,
    lost_at: Option<String>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct UnitsView {
    line: u32,
    quantity: u32,
}

/// A return.
#[derive(Debug, Serialize)]
pub struct ReturnView {
    n: u32,
    state: &'static str,
    items: Vec<ReturnLineView>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct ReturnLineView {
    line: u32,
    quantity: u32,
    restocked: u32,
    scrapped: u32,
}

/// A credit.
#[derive(Debug, Serialize)]
pub struct CreditView {
    n: u32,
    kind: &'static str,
    line: Option<u32>,
    amount: String,
    at: String,
}

/// A dispute.
#[derive(Debug, Serialize)]
pub struct DisputeView {
    reference: String,
    payment: Option<u32>,
    amount: String,
    state: &'static str,
    opened_at: String,
    closed_at: Option<String>,
}

/// An edit.
#[derive(Debug, Serialize)]
pub struct EditView {
    n: u32,
    state: &'static str,
    cause: Option<&'static str>,
    due_amount: String,
    added: Vec<AddedView>,
    raised: Vec<UnitsView>,
    lowered: Vec<UnitsView>,
    coupon_ends: bool,
    shipping_method: Option<String>,
    deadline: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct AddedView {
    sku: String,
    quantity: u32,
}

/// A provider's report that fits no operation.
#[derive(Debug, Serialize)]
pub struct UnmatchedView {
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    status: &'static str,
    amount: String,
    currency: String,
}

impl UnitsView {
    fn of(units: &LineUnits) -> Self {
        UnitsView {
            line: units.line,
            quantity: units.units,
        }
    }
}

impl ShipmentView {
    /// The view of `s`.
    pub fn of(s: &Shipment) -> Self {
        let Shipment {
            n,
            lines,
            state,
            carrier,
            tracking,
            shipped_at,
            delivered_at,
            lost_at,
            created_at,
            updated_at,
        } = s;
        ShipmentView {
            n: *n,
            state: state.as_str(),
            items: lines.iter().map(UnitsView::of).collect(),
            carrier: carrier.clone(),
            tracking: tracking.clone(),
            shipped_at: time(*shipped_at),
            delivered_at: time(*delivered_at),
            lost_at: time(*lost_at),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl ReturnView {
    /// The view of `r`.
    pub fn of(r: &Return) -> Self {
        let Return {
            n,
            lines,
            state,
            created_at,
            updated_at,
        } = r;
        let item = |l: &ReturnLine| {
            let ReturnLine {
                line,
                units,
                restocked,
                scrapped,
            } = *l;
            ReturnLineView {
                line,
                quantity: units,
                restocked,
                scrapped,
            }
        };
        ReturnView {
            n: *n,
            state: state.as_str(),
            items: lines.iter().map(item).collect(),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl CreditView {
    /// The view of `c`, a credit of `order`.
    pub fn of(order: &Order, c: &Credit) -> Self {
        let Credit {
            n,
            kind,
            line,
            amount: minor,
            at,
        } = c;
        let amount = amount(*minor, order.currency);
        CreditView {
            n: *n,
            kind: kind.as_str(),
            line: *line,
            amount,
            at: at.to_string(),
        }
    }
}

impl DisputeView {
    /// The view of `d`, a dispute of `order`.
    pub fn of(order: &Order, d: &Dispute) -> Self {
        let Dispute {
            reference,
            payment,
            amount: minor,
            state,
            opened_at,
            closed_at,
        } = d;
        DisputeView {
            reference: reference.to_string(),
            payment: *payment,
            amount: amount(*minor, order.currency),
            state: state.as_str(),
            opened_at: opened_at.to_string(),
            closed_at: time(*closed_at),
        }
    }
}

impl EditView {
    /// The view of `e`, an edit of `order`. Where the goods go then is personal, and shown once it
    /// applies.
    pub fn of(order: &Order, e: &Edit) -> Self {
        let Edit {
            n,
            plan,
            state,
            cause,
            due,
            payment: _,
            reservation: _,
            reservation_end: _,
            deadline,
            created_at,
            updated_at,
            address: _,
        } = e;
        EditView {
            n: *n,
            state: state.as_str(),
            cause: cause.map(|c| c.as_str()),
            due_amount: amount(*due, order.currency),
            added: plan
                .added
                .iter()
                .map(|l| AddedView {
                    sku: l.sku.to_string(),
                    quantity: l.lot.units,
                })
                .collect(),
            raised: plan
                .raised
                .iter()
                .map(|r| UnitsView {
                    line: r.line,
                    quantity: r.lot.units,
                })
                .collect(),
            lowered: plan.lowered.iter().map(UnitsView::of).collect(),
            coupon_ends: plan.coupon_ends,
            shipping_method: plan.shipping_method.as_ref().map(ToString::to_string),
            deadline: deadline.to_string(),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl UnmatchedView {
    /// The view of `u`.
    pub fn of(u: &UnmatchedPayment) -> Self {
        let UnmatchedPayment {
            reference,
            parent,
            status,
            amount: minor,
            currency,
        } = u;
        UnmatchedView {
            reference: reference.to_string(),
            parent: parent.as_ref().map(ToString::to_string),
            status: status.as_str(),
            amount: amount(*minor, *currency),
            currency: currency.to_string(),
        }
    }
}
