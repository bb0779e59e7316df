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
    /// For how long a key is remembered; for ever if `None`.
    pub key_lifetime: Option<Duration>,
}

impl InventoryCapabilities {
    /// A service that honours keys.
    pub const IDEAL: InventoryCapabilities =
        InventoryCapabilities { repeat_reserve: true, look_up: true, release_committed: true, key_lifetime: None };
    /// The platform's inventory: every reserve makes a hold, and none can be looked up.
    pub const PLATFORM: InventoryCapabilities =
        InventoryCapabilities { repeat_reserve: false, look_up: false, release_committed: false, key_lifetime: None };
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
    /// How many units it holds. Anything but what was asked is malformed.
    pub quantity: u32,
    /// How long it lives (expires − created, by the service's clock); `None` if it does not lapse.
    pub lifetime: Option<Duration>,
}

/// A request concerning a hold that exists.
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
    /// How many units.
    pub quantity: u32,
    /// The inventory's name for the hold, if it gave one.
    pub reference: Option<Reference>,
    /// Whether this very request may have reached the service before: then "already done" is a success.
    pub repeat: bool,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldLookup {
    /// The hold exists.
    Held(HoldAnswer),
    /// Its units have left the stock.
    Committed,
    /// It was given back.
    Released,
    /// It lapsed.
    Expired,
    /// There is none, as far as the service knows now.
    Absent,
    /// The service cannot tell.
    Undecidable,
}

/// The inventory: stock that can be held, committed and given back.
#[async_trait]
pub trait InventoryService: Send + Sync {
    /// What the service can do.
    fn capabilities(&self) -> InventoryCapabilities;
    /// How much there is of each SKU, in the order asked. Advisory: only a hold proves anything. An unknown SKU has 0.
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError>;
    /// Holds units of one SKU, all or none.
    async fn reserve(&self, request: &ReserveRequest) -> Result<HoldAnswer, CallError>;
    /// Takes held units out of the stock.
    async fn commit(&self, request: &HoldRequest) -> Result<(), CallError>;
    /// Gives held (or, where it can, committed) units back.
    async fn release(&self, request: &HoldRequest) -> Result<(), CallError>;
    /// What became of a reserve.
    async fn look_up(&self, request: &ReserveRequest) -> Result<HoldLookup, CallError>;
}
