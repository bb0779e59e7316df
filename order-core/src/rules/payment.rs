//! Payments: what is asked of the payment service, and what its answers mean for the order.

pub(super) mod apply;
pub(super) mod dispute;
pub(super) mod outcome;
pub(super) mod outside;
pub(super) mod pay;
pub(super) mod reports;
