//! The inventory service.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{CallDeadline, CallError};
use crate::ids::{OrderId, Reference, Sku, UserId};
use crate::number::OrderNumber;
use crate::order::Address;
use crate::text::Private;
use crate::time::Timestamp;

/// The abilities of an inventory. The embedded shop can do everything; the platform's inventory
/// none of it. The engine believes it: whoever claims less than the service can is slower at the
/// worst, whoever claims more holds units that nobody knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InventoryCapabilities {
    /// A reserve repeated under its key makes no second reservation, and the keys of commits and
    /// releases are honoured too (clause 3).
    pub repeat_reserve: bool,
    /// A reservation can be looked up by the key it was asked for under (clause 5). Without it a
    /// look-up may answer [`ReservationLookup::Undecidable`].
    pub look_up: bool,
    /// Committed units can be released again (clause 11).
    pub release_committed: bool,
    /// Part of a reservation can be committed or given back, each part under a key of its own: such
    /// a service honours the keys of commits and releases. Without it a reservation is committed or
    /// given back as a whole (clause 10).
    pub partial: bool,
    /// For how long a key is remembered; for ever if `None` (clause 4).
    pub key_lifetime: Option<Duration>,
}

impl InventoryCapabilities {
    /// A service that honours keys.
    pub const IDEAL: InventoryCapabilities = InventoryCapabilities {
        repeat_reserve: true,
        look_up: true,
        release_committed: true,
        partial: true,
        key_lifetime: None,
    };
    /// The platform's inventory: every reserve makes a reservation, none can be looked up, and none
    /// divided.
    pub const PLATFORM: InventoryCapabilities = InventoryCapabilities {
        repeat_reserve: false,
        look_up: false,
        release_committed: false,
        partial: false,
        key_lifetime: None,
    };
    /// Keys are honoured for 24 hours, and nothing can be looked up by them, divided, or taken
    /// back: a warehouse behind a gateway that remembers its answers.
    pub const KEYS_FOR_A_DAY: InventoryCapabilities = InventoryCapabilities {
        repeat_reserve: true,
        key_lifetime: Some(Duration::from_secs(24 * 60 * 60)),
        ..InventoryCapabilities::PLATFORM
    };
    /// No key is honoured, and a reservation can be looked up by its key, such as by a reference
    /// that the warehouse keeps with it.
    pub const LOOK_UP_ONLY: InventoryCapabilities = InventoryCapabilities {
        look_up: true,
        ..InventoryCapabilities::PLATFORM
    };

    /// The same, honouring repeated requests or not.
    pub const fn with_repeat_reserve(self, repeat_reserve: bool) -> Self {
        InventoryCapabilities {
            repeat_reserve,
            ..self
        }
    }

    /// The same, finding reservations by their keys or not.
    pub const fn with_look_up(self, look_up: bool) -> Self {
        InventoryCapabilities { look_up, ..self }
    }

    /// The same, taking back committed units or not.
    pub const fn with_release_committed(self, release_committed: bool) -> Self {
        InventoryCapabilities {
            release_committed,
            ..self
        }
    }

    /// The same, dividing reservations or not.
    pub const fn with_partial(self, partial: bool) -> Self {
        InventoryCapabilities { partial, ..self }
    }

    /// The same, remembering keys for so long; for ever if `None`.
    pub const fn with_key_lifetime(self, key_lifetime: Option<Duration>) -> Self {
        InventoryCapabilities {
            key_lifetime,
            ..self
        }
    }
}

/// The stock of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// The SKU.
    pub sku: Sku,
    /// The number of units that could be reserved now.
    pub available: u32,
}

/// A request to hold units, or to find out what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// The order's number.
    pub number: OrderNumber,
    /// The customer.
    pub user: UserId,
    /// The SKU.
    pub sku: Sku,
    /// The number of units, at least 1.
    pub quantity: u32,
    /// The lifetime that the reservation should have, where reservations lapse by themselves.
    pub lifetime: Duration,
    /// The address that the goods go to, for inventories that choose a warehouse by it; absent once
    /// the order was redacted. It can still change until they leave: the one of the commit counts.
    pub destination: Private<Address>,
    /// From when on it must not take effect any more. Says nothing of a look-up.
    pub deadline: CallDeadline,
}

impl ReserveRequest {
    /// A request without a destination and a deadline.
    pub fn new(
        key: Uuid,
        order: OrderId,
        number: OrderNumber,
        user: UserId,
        sku: Sku,
        quantity: u32,
        lifetime: Duration,
    ) -> Self {
        let (destination, deadline) = (Private(None), CallDeadline::NEVER);
        ReserveRequest {
            key,
            order,
            number,
            user,
            sku,
            quantity,
            lifetime,
            destination,
            deadline,
        }
    }
}

/// A reservation as the inventory describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReserveAnswer {
    /// The inventory's name for it. Empty is malformed.
    pub reference: String,
    /// The number of units it was made for, whatever part of them has left or gone back since.
    /// Anything but what was asked is malformed.
    pub quantity: u32,
    /// The lifetime (expires − created, by the service's clock); `None` if it does not lapse.
    pub lifetime: Option<Duration>,
}

impl ReserveAnswer {
    /// A reservation of so many units that does not lapse.
    pub fn new(reference: impl Into<String>, quantity: u32) -> Self {
        ReserveAnswer {
            reference: reference.into(),
            quantity,
            lifetime: None,
        }
    }

    /// The same, under another name.
    pub fn reference(self, reference: impl Into<String>) -> Self {
        ReserveAnswer {
            reference: reference.into(),
            ..self
        }
    }

    /// The same, lapsing after that long; never if `None`.
    pub fn lifetime(self, lifetime: impl Into<Option<Duration>>) -> Self {
        ReserveAnswer {
            lifetime: lifetime.into(),
            ..self
        }
    }
}

/// A request to commit units of a reservation, or to give them back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosingRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The key the reservation was asked for under.
    pub reserve_key: Uuid,
    /// The order.
    pub order: OrderId,
    /// The order's number.
    pub number: OrderNumber,
    /// The SKU that is reserved.
    pub sku: Sku,
    /// The number of units of the reservation to commit or to give back, at least 1. Unless the
    /// service can do parts ([`InventoryCapabilities::partial`]), all that is left of it: all units
    /// still held or, with `committed`, all that were committed and not given back since.
    pub quantity: u32,
    /// The inventory's name for the reservation. Absent if it was never heard: of a reservation
    /// that a look-up found committed already, or that an operator found.
    /// [`reserve_key`](ClosingRequest::reserve_key) names it always.
    pub reference: Option<Reference>,
    /// Of a release: whether the units had been committed before. Then they return to the stock;
    /// without it they are units still held. False in a commit. Services that cannot release
    /// committed units ([`InventoryCapabilities::release_committed`]) are never asked with it.
    pub committed: bool,
    /// True if this very request may have reached the service before. For a service that does not
    /// honour keys "already done" is a success then; one that does knows by the key.
    pub repeat: bool,
    /// The time at which the reservation lapses, as far as is known. A service that tells states
    /// apart badly is understood better with it.
    pub expires_at: Option<Timestamp>,
    /// Of a commit: where the goods go. Absent once the order was redacted, and in a release.
    pub destination: Private<Address>,
    /// From when on it must not take effect any more.
    pub deadline: CallDeadline,
}

impl ClosingRequest {
    /// A request that was never sent, about all units of the reservation that `reserve` made,
    /// without a deadline.
    pub fn new(key: Uuid, reserve: &ReserveRequest) -> Self {
        ClosingRequest {
            key,
            reserve_key: reserve.key,
            order: reserve.order,
            number: reserve.number,
            sku: reserve.sku.clone(),
            quantity: reserve.quantity,
            reference: None,
            committed: false,
            repeat: false,
            expires_at: None,
            destination: Private(None),
            deadline: CallDeadline::NEVER,
        }
    }
}

/// The outcome of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReservationLookup {
    /// The reservation exists, and some of its units are still held: all of them, unless part was
    /// committed or given back.
    Held(ReserveAnswer),
    /// None of its units is held any more, and some have left the stock and not come back.
    Committed,
    /// None of its units is held any more or has left the stock: all were given back.
    Released,
    /// It lapsed.
    Expired,
    /// There is none, as far as the service knows now.
    Absent,
    /// The service cannot tell.
    Undecidable,
}

/// The inventory: stock that can be held, committed and given back.
///
/// # Contract
///
/// Every clause has tests of its number in `order_core::testkit`, which any adapter can run against
/// a mock or a sandbox.
///
/// **Answers**
///
/// 1. *Did it happen?* Every `Err` answers that one question, by the table at [`CallError`]. A lost
///    answer, a time-out after sending, and every failure inside the service are
///    [`CallError::Unknown`]; an inventory that reports a lost race for the last units as such a
///    failure is `Unknown` too. Where no connection came about it is [`CallError::NotDone`], or
///    `Unknown`, never a refusal.
/// 2. *A shortage* is [`CallError::Refused`], with the number of units there are if the service
///    says so; an unknown SKU likewise. A reserve holds all units it asks for, or none.
///    [`check`](InventoryService::check) answers a row for each SKU in the order asked, 0 for an
///    unknown one, and proves nothing.
///
/// **Keys**
///
/// 3. *Repeating*, where [`repeat_reserve`](InventoryCapabilities::repeat_reserve) is claimed: a
///    request that comes again under its key, later or at the same time, has one effect. A reserve
///    answers the same reservation; a commit or release answers what it answered first, whatever
///    happened to the reservation meanwhile. Under another key it is another request. Where it is
///    not claimed, a reserve is never sent again unless the first one is proven not to have
///    happened, and a commit or release that says [`repeat`](ClosingRequest::repeat) is `Ok` if it
///    is done already, refused if it says it is the first.
/// 4. *Key lifetime*: a key is honoured at least for
///    [`key_lifetime`](InventoryCapabilities::key_lifetime) from its first use, for ever if that is
///    `None`. Claim less than the service promises, never more.
/// 5. *Looking up*, where [`look_up`](InventoryCapabilities::look_up) is claimed: a reservation is
///    found by its reserve's key, as it is now and under the reference it was answered with, **from
///    the moment it was made**, whether or not that was answered. [`ReservationLookup::Absent`] is
///    taken as proof that there is none once every earlier call is over for good
///    ([`call_deadline`](crate::policy::Policy::call_deadline) and
///    [`settle_margin`](crate::policy::Policy::settle_margin), 10 seconds by default), and the
///    units are asked for again under another key. So an index that lags will not do, and a failed
///    look-up is an `Err`. Looking changes nothing. Where it is not claimed, a look-up answers
///    `Absent` only if that is certain (fewer units of the SKU are held than were asked for), and
///    else [`ReservationLookup::Undecidable`].
/// 6. *Being dropped*: at the call deadline the future is dropped, at whatever point it waits, and
///    counts as `Unknown`. Repeating the request under its key then has one effect all the same.
///    *Being late*: what was not sent by the request's `deadline` is not sent any more, and is
///    [`CallError::NotDone`]: the process may have stood still since it was called.
///
/// **Operations**
///
/// 7. *Holds* have a reference that is theirs for ever, at most 255 characters of one line and
///    never empty, exactly as many units as were asked for, and a lifetime from the moment they
///    were made. Two reserves are two reservations.
/// 8. *Committing* takes held units out of the stock for good. More than are still held is refused
///    and moves none, and so is committing a reservation that does not exist, was given back or has
///    lapsed: as [`CallError::reservation_lost`] if that is certain.
/// 9. *Giving back* makes held units available again. More than are still held is refused and moves
///    none. Nobody gives back a reservation that was never made, but a release may overtake its
///    reserve: refused, or `Ok` with the reserve refused from then on.
/// 10. *Parts*, where [`partial`](InventoryCapabilities::partial) is claimed: any number of them,
///     each under a key of its own, are committed and given back until nothing is left. Where it is
///     not, requests are about all that is left.
/// 11. *Committed units* return to the stock where
///     [`release_committed`](InventoryCapabilities::release_committed) is claimed and
///     [`committed`](ClosingRequest::committed) says so: no more than were committed, and in parts
///     where parts are claimed.
/// 12. *Lapsing*: a reservation whose answer names a lifetime is over when that ends, its units are
///     available again, and a look-up answers [`ReservationLookup::Expired`]. One that names none
///     stays until it is committed or given back.
///
/// # Examples
///
/// ```
/// use order_core::CallError;
/// use order_core::ids::Sku;
/// use order_core::services::{
///     Availability, ClosingRequest, InventoryCapabilities, InventoryService, ReservationLookup,
///     ReserveAnswer, ReserveRequest,
/// };
///
/// /// For goods that never run out, such as downloads.
/// struct Endless;
///
/// #[order_core::async_trait]
/// impl InventoryService for Endless {
///     fn capabilities(&self) -> InventoryCapabilities {
///         InventoryCapabilities::IDEAL
///     }
///     async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
///         let enough = |sku: &Sku| Availability { sku: sku.clone(), available: u32::MAX };
///         Ok(skus.iter().map(enough).collect())
///     }
///     async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
///         // The same for every repeat, since the key is.
///         Ok(ReserveAnswer::new(request.key.to_string(), request.quantity))
///     }
///     async fn commit(&self, _: &ClosingRequest) -> Result<(), CallError> {
///         Ok(())
///     }
///     async fn release(&self, _: &ClosingRequest) -> Result<(), CallError> {
///         Ok(())
///     }
///     async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
///         self.reserve(request).await.map(ReservationLookup::Held)
///     }
/// }
/// ```
#[async_trait]
pub trait InventoryService: Send + Sync {
    /// Returns what the service can do. The same every time.
    fn capabilities(&self) -> InventoryCapabilities;
    /// Tells how much there is of each SKU, in the order asked. Advisory: only a reservation proves
    /// anything.
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError>;
    /// Holds units of one SKU, all or none.
    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError>;
    /// Takes held units out of the stock.
    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError>;
    /// Gives back units that are still held or, where the service can and the request says so, that
    /// were committed.
    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError>;
    /// Tells what became of a reserve.
    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_what_they_are_called() {
        let (none, all) = (
            InventoryCapabilities::PLATFORM,
            InventoryCapabilities::IDEAL,
        );
        let day = Some(Duration::from_secs(86_400));
        assert_eq!(
            none.with_repeat_reserve(true).with_key_lifetime(day),
            InventoryCapabilities::KEYS_FOR_A_DAY
        );
        assert_eq!(none.with_look_up(true), InventoryCapabilities::LOOK_UP_ONLY);
        let everything = none
            .with_repeat_reserve(true)
            .with_look_up(true)
            .with_release_committed(true)
            .with_partial(true);
        assert_eq!(everything, all);
    }

    #[test]
    fn a_hold_lapses_only_if_it_says_so() {
        let minute = Duration::from_secs(60);
        let hold = ReserveAnswer::new("hold-1", 3);
        assert_eq!(
            (hold.reference.as_str(), hold.quantity, hold.lifetime),
            ("hold-1", 3, None)
        );
        let hold = hold.lifetime(minute).reference("hold-2");
        assert_eq!(
            (hold.reference.as_str(), hold.lifetime),
            ("hold-2", Some(minute))
        );
        assert_eq!(hold.lifetime(None).lifetime, None);
    }
}
