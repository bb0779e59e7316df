//! The inventory service.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::CallError;
use crate::ids::{OrderId, Reference, Sku};

/// What an inventory can do. The embedded shop can do everything; the platform's inventory none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InventoryCapabilities {
    /// A reserve repeated under its key makes no second hold.
    pub repeat_reserve: bool,
    /// A hold can be looked up by the key it was asked for under. Without it a look-up may answer
    /// [`HoldLookup::Undecidable`].
    pub look_up: bool,
    /// Committed units can be released again.
    pub release_committed: bool,
    /// Part of a hold can be committed or given back, each part under a key of its own: such a service honours the keys
    /// of commits and releases. Without it a hold is committed or given back as a whole.
    pub partial: bool,
    /// For how long a key is remembered; for ever if `None`.
    pub key_lifetime: Option<Duration>,
}

impl InventoryCapabilities {
    /// A service that honours keys.
    pub const IDEAL: InventoryCapabilities =
        InventoryCapabilities { repeat_reserve: true, look_up: true, release_committed: true, partial: true, key_lifetime: None };
    /// The platform's inventory: every reserve makes a hold, none can be looked up, and none divided.
    pub const PLATFORM: InventoryCapabilities = InventoryCapabilities {
        repeat_reserve: false,
        look_up: false,
        release_committed: false,
        partial: false,
        key_lifetime: None,
    };
}

/// How much there is of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// What.
    pub sku: Sku,
    /// How many units could be reserved now.
    pub available: u32,
}

/// A request to hold units, or to find out what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// What.
    pub sku: Sku,
    /// How many units, at least 1.
    pub quantity: u32,
    /// How long the hold should live where holds lapse by themselves.
    pub lifetime: Duration,
}

/// A hold as the inventory describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldAnswer {
    /// The inventory's name for it. Empty is malformed.
    pub reference: String,
    /// How many units it was made for, whatever part of them has left or gone back since. Anything but what was asked is
    /// malformed.
    pub quantity: u32,
    /// How long it lives (expires − created, by the service's clock); `None` if it does not lapse.
    pub lifetime: Option<Duration>,
}

/// A request to commit units of a hold, or to give them back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The key the hold was asked for under.
    pub reserve_key: Uuid,
    /// The order.
    pub order: OrderId,
    /// What is held.
    pub sku: Sku,
    /// How many units of the hold to commit or to give back, at least 1. Unless the service can do parts
    /// ([`InventoryCapabilities::partial`]), all that is left of it: all units still held or, with `committed`, all that
    /// were committed and not given back since.
    pub quantity: u32,
    /// The inventory's name for the hold, if it gave one.
    pub reference: Option<Reference>,
    /// Of a release: whether the units had been committed before. Then they return to the stock; without it they are units
    /// still held. False in a commit. Services that cannot release committed units
    /// ([`InventoryCapabilities::release_committed`]) are never asked with it.
    pub committed: bool,
    /// Whether this very request may have reached the service before. For a service that does not honour keys "already
    /// done" is a success then; one that does knows by the key.
    pub repeat: bool,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldLookup {
    /// The hold exists, and some of its units are still held: all of them, unless part was committed or given back.
    Held(HoldAnswer),
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
/// Where keys are honoured, a commit or release repeated under its key gets the answer that the first one got and has no
/// second effect, whatever happened to the hold meanwhile; under another key it is another request. Asking for more units
/// than are there is a definite refusal, and moves none.
#[async_trait]
pub trait InventoryService: Send + Sync {
    /// What the service can do.
    fn capabilities(&self) -> InventoryCapabilities;
    /// How much there is of each SKU, in the order asked. Advisory: only a hold proves anything. An unknown SKU has 0.
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError>;
    /// Holds units of one SKU, all or none.
    async fn reserve(&self, request: &ReserveRequest) -> Result<HoldAnswer, CallError>;
    /// Takes held units out of the stock. Refused if fewer are still held.
    async fn commit(&self, request: &HoldRequest) -> Result<(), CallError>;
    /// Gives back units that are still held or, where the service can and the request says so, that were committed.
    /// Refused if there are fewer.
    async fn release(&self, request: &HoldRequest) -> Result<(), CallError>;
    /// What became of a reserve.
    async fn look_up(&self, request: &ReserveRequest) -> Result<HoldLookup, CallError>;
}
