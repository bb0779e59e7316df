//! The work that is left for an order, as data: calls to services, events, the next look.

use crate::order::{Event, Op, OperationKind};
use crate::time::Timestamp;

/// Everything that is left to do for an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Next {
    /// Events to record without asking anybody: plans of reservations, releases, voids and refunds,
    /// and drops of what was never sent. Record them, and ask again.
    pub events: Vec<Event>,
    /// The calls that may start now.
    pub calls: Vec<Call>,
    /// Operations to arm together with the calls: they follow at once if the calls succeed, and
    /// their services honour keys.
    pub ahead: Vec<Op>,
    /// The earliest time to look again; none if only somebody else can move the order.
    pub wake: Option<Timestamp>,
    /// Work that repeating cannot cure.
    pub stuck: Vec<Stuck>,
}

impl Next {
    /// Returns true if nothing is left: the order needs no work item.
    pub fn is_done(&self) -> bool {
        self.events.is_empty()
            && self.calls.is_empty()
            && self.wake.is_none()
            && self.stuck.is_empty()
    }
}

/// A call to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The operation it is for.
    pub op: Op,
    /// The question for the service.
    pub verb: Verb,
    /// True if the operation must be armed by a commit before: the record still says that it was
    /// never called.
    pub arm: bool,
}

/// A question for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Hold units.
    Reserve,
    /// Give a reservation back.
    Release,
    /// Take held units out of the stock.
    Commit,
    /// Find out what became of a reserve.
    LookUpReservation,
    /// Carry out the payment operation.
    Pay(OperationKind),
    /// Find out what became of a payment operation.
    LookUpPayment,
    /// Tell the customer.
    Notify,
}

impl Verb {
    /// Returns true if money may come in because of the call: then whether the order is still
    /// wanted is looked at once more.
    pub const fn takes_money(self) -> bool {
        matches!(
            self,
            Verb::Pay(OperationKind::Authorize | OperationKind::Charge | OperationKind::Capture)
        )
    }

    /// Returns true if the call changes something at the service, and so needs an intent that was
    /// durable before.
    pub const fn has_effect(self) -> bool {
        !matches!(self, Verb::LookUpReservation | Verb::LookUpPayment)
    }
}

/// Something that repeating cannot cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The operation it is about.
    pub op: Op,
    /// The reason, in words.
    pub why: String,
}
