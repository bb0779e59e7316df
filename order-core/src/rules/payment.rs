//! Payments: what is asked of the payment service, and what its answers mean for the order.

mod alarms;
pub(super) mod apply;
mod attempt;
pub(super) mod capture;
pub(super) mod dispute;
mod follow_up;
pub(super) mod outcome;
pub(super) mod outside;
pub(super) mod pay;
mod plan;
mod planned;
mod refund;
pub(super) mod reports;
pub(super) mod state;
