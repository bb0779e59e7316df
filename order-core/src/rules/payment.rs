//! Payments: what is asked of the payment service, and what its answers mean for the order.

pub(super) mod pay;
