//! The platform's inventory.

mod closing;
mod holds;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::future::Cache;
use order_core::ids::Sku;
use order_core::runtime::{Clock, SystemClock};
use order_core::services::{
    Availability, CallDeadline, CallError, ClosingRequest, InventoryCapabilities, InventoryService,
    ReservationLookup, ReserveAnswer, ReserveRequest,
};
use tonic::Code;
use uuid::Uuid;

use self::closing::Close;
use self::holds::Holds;
use super::channel::ServiceChannel;
use super::outcome::{Failure, plain};
use crate::proto::inventory as wire;
use crate::proto::inventory::get_inventory_item_request::Identifier;
use crate::proto::inventory::inventory_service_client::InventoryServiceClient;

/// The inventory's name for the reservations of orders.
const REFERENCE_TYPE: &str = "ORDER";
/// The number of SKUs whose items are remembered, and the time for which they are: they change only
/// when somebody makes them anew.
const ITEMS_MAX: u64 = 100_000;
const ITEMS_FOR: Duration = Duration::from_secs(60 * 60);
/// The longest that a service may still be at a call after its deadline.
const SETTLE_MARGIN: Duration = Duration::from_secs(2);

/// The platform's inventory, by the contract in `proto/platform/inventory.proto`.
///
/// It can do what [`InventoryCapabilities::PLATFORM`] says, and claims nothing else: whatever is
/// configured, it sends no keys. Every reserve makes a reservation of its own, of one SKU, that
/// none can look up:
///
/// * A reserve whose outcome is not known, be it for a lost answer or because another customer was
///   faster for the last units (both are INTERNAL), is looked up by the counters of the item: fewer
///   reserved units than were asked for prove that there is none ([`ReservationLookup::Absent`]),
///   and nothing else is proof ([`ReservationLookup::Undecidable`]).
/// * "Reservation in invalid state" means that a repeated confirm or cancel was done before, unless
///   both were tried: then nobody knows, and a person must look. So both are never under way
///   together for one reservation, whoever stops waiting for one of them.
/// * What has expired keeps its units until it is cancelled, which a commit that finds it does
///   before it is refused as [`CallError::reservation_lost`]. Committed units never come back.
#[derive(Clone)]
pub struct PlatformInventory(Arc<Shared>);

struct Shared {
    channel: ServiceChannel,
    clock: Arc<dyn Clock>,
    /// The ids of items, by their SKUs.
    items: Cache<Sku, Uuid>,
    holds: Holds,
}

impl fmt::Debug for PlatformInventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformInventory")
            .field("channel", &self.0.channel)
            .finish_non_exhaustive()
    }
}

impl PlatformInventory {
    /// The inventory at the end of `channel`.
    pub fn new(channel: ServiceChannel) -> Self {
        PlatformInventory::with_clock(channel, Arc::new(SystemClock))
    }

    /// The same, by another clock: it tells which reservations may have expired.
    pub fn with_clock(channel: ServiceChannel, clock: Arc<dyn Clock>) -> Self {
        let items = Cache::builder()
            .max_capacity(ITEMS_MAX)
            .time_to_live(ITEMS_FOR)
            .build();
        PlatformInventory(Arc::new(Shared {
            channel,
            clock,
            items,
            holds: Holds::default(),
        }))
    }
}

/// The item that a SKU is, and the source of that knowledge.
struct Found {
    id: Uuid,
    remembered: bool,
}

impl Shared {
    async fn item(
        &self,
        sku: &Sku,
        deadline: &CallDeadline,
    ) -> Result<Option<wire::InventoryItem>, CallError> {
        let request = wire::GetInventoryItemRequest {
            identifier: Some(Identifier::Sku(sku.to_string())),
        };
        let ask = self.channel.call(deadline, |wire| async {
            InventoryServiceClient::new(wire)
                .get_inventory_item(request)
                .await
        });
        let item = match ask.await {
            Ok(answer) => answer.inventory_item,
            Err(failure) if is_not_found(&failure) => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        match item {
            Some(item) if item.sku == sku.as_str() => Ok(Some(item)),
            Some(item) => Err(CallError::malformed(plain(&format!(
                "asked for SKU {sku}, it answered item {:?}",
                item.sku
            )))),
            None => Err(CallError::malformed(format!(
                "asked for SKU {sku}, it answered no item"
            ))),
        }
    }

    /// Finds the item that is reserved from. Nothing was reserved if this fails.
    async fn resolve(&self, sku: &Sku, deadline: &CallDeadline) -> Result<Found, CallError> {
        if let Some(id) = self.items.get(sku).await {
            return Ok(Found {
                id,
                remembered: true,
            });
        }
        let not_sent = |e: CallError| {
            CallError::not_done(format!(
                "not reserved, the item of SKU {sku} was not found out: {e}"
            ))
        };
        let item = self.item(sku, deadline).await.map_err(not_sent)?;
        let Some(item) = item else {
            return Err(CallError::shortage("UNKNOWN_SKU", 0));
        };
        let id = Uuid::try_parse(&item.id);
        let id = id.map_err(|_| {
            not_sent(CallError::malformed(plain(&format!(
                "its id {:?} is not a UUID",
                item.id
            ))))
        })?;
        self.items.insert(sku.clone(), id).await;
        Ok(Found {
            id,
            remembered: false,
        })
    }

    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        request.deadline.check()?;
        let quantity = i32::try_from(request.quantity)
            .ok()
            .filter(|units| *units > 0);
        let quantity = quantity.ok_or_else(|| CallError::refused("QUANTITY_INVALID"))?;
        let mut found = self.resolve(&request.sku, &request.deadline).await?;
        let mut answer = self.reserve_from(found.id, quantity, request).await;
        if self.is_gone(&request.sku, &answer).await && found.remembered {
            found = self.resolve(&request.sku, &request.deadline).await?;
            answer = self.reserve_from(found.id, quantity, request).await;
            self.is_gone(&request.sku, &answer).await;
        }
        match answer {
            Ok(answer) => self.held(answer.reservation, found.id, request).await,
            Err(failure) => Err(match (failure.code(), failure) {
                (Some(Code::FailedPrecondition), Failure::Answered(status))
                    if status.message().contains("insufficient") =>
                {
                    CallError::refused("INSUFFICIENT_STOCK")
                }
                (_, failure) => failure.into(),
            }),
        }
    }

    /// Tells whether there is no such item any more: nothing was reserved, it may have been made
    /// anew, and its id is forgotten.
    async fn is_gone<T>(&self, sku: &Sku, answer: &Result<T, Failure>) -> bool {
        let gone = answer.as_ref().is_err_and(is_not_found);
        if gone {
            self.items.invalidate(sku).await;
        }
        gone
    }

    async fn reserve_from(
        &self,
        item: Uuid,
        quantity: i32,
        request: &ReserveRequest,
    ) -> Result<wire::ReservationResponse, Failure> {
        let item = wire::ReservationItem {
            inventory_item_id: item.to_string(),
            quantity,
            warehouse_id: None,
        };
        let message = wire::ReserveInventoryRequest {
            items: vec![item],
            reference_id: request.order.to_string(),
            reference_type: REFERENCE_TYPE.to_owned(),
            reservation_minutes: minutes(request.lifetime),
        };
        let deadline = &request.deadline;
        self.channel
            .call(deadline, |wire| async {
                InventoryServiceClient::new(wire)
                    .reserve_inventory(message)
                    .await
            })
            .await
    }

    /// Reads the answer to a reserve, if it is what was asked for. If it is not, a reservation may
    /// exist all the same.
    async fn held(
        &self,
        reservation: Option<wire::InventoryReservation>,
        item: Uuid,
        request: &ReserveRequest,
    ) -> Result<ReserveAnswer, CallError> {
        let wrong = |problem: String| {
            CallError::malformed(plain(&format!(
                "a reserve for order {}: {problem}",
                request.order
            )))
        };
        let Some(hold) = reservation else {
            return Err(wrong("it answered no reservation".to_owned()));
        };
        let Ok(id) = Uuid::try_parse(&hold.id) else {
            return Err(wrong(format!(
                "it answered the id {:?}, which is not a UUID",
                hold.id
            )));
        };
        let reference = hold.reference_id.as_deref().unwrap_or_default();
        if reference.parse() != Ok(request.order) {
            return Err(wrong(format!(
                "it answered reservation {id} of reference {reference:?}"
            )));
        }
        if Uuid::try_parse(&hold.inventory_item_id) != Ok(item) {
            return Err(wrong(format!(
                "it answered reservation {id} of item {:?}, not {item}",
                hold.inventory_item_id
            )));
        }
        if u32::try_from(hold.quantity) != Ok(request.quantity) {
            let (answered, asked) = (hold.quantity, request.quantity);
            return Err(wrong(format!(
                "it answered reservation {id} of {answered} units, not {asked}"
            )));
        }
        self.holds.made(id, request.quantity).await;
        let lifetime = lifetime(&hold)
            .unwrap_or_else(|| Duration::from_secs(60) * minutes(request.lifetime).unsigned_abs());
        Ok(ReserveAnswer::new(id.to_string(), request.quantity).lifetime(lifetime))
    }

    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        // An item that is gone proves nothing of what was reserved of it.
        let Some(item) = self.item(&request.sku, &CallDeadline::NEVER).await? else {
            return Ok(ReservationLookup::Undecidable);
        };
        let wire::InventoryItem {
            total_quantity,
            available_quantity,
            reserved_quantity,
            ..
        } = item;
        // Counters that do not fit together count nothing.
        let sound = reserved_quantity >= 0
            && available_quantity.checked_add(reserved_quantity) == Some(total_quantity);
        let absent = sound
            && u32::try_from(reserved_quantity).is_ok_and(|reserved| reserved < request.quantity);
        Ok(if absent {
            ReservationLookup::Absent
        } else {
            ReservationLookup::Undecidable
        })
    }

    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        let mut rows: BTreeMap<&Sku, Option<u32>> = skus.iter().map(|sku| (sku, None)).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let item = |sku: &&Sku| wire::AvailabilityCheckItem {
            sku: sku.to_string(),
            quantity: 1,
            ..Default::default()
        };
        let message = wire::CheckInventoryAvailabilityRequest {
            items: rows.keys().map(item).collect(),
        };
        let call = self.channel.call(&CallDeadline::NEVER, |wire| async {
            InventoryServiceClient::new(wire)
                .check_inventory_availability(message)
                .await
        });
        let answered = call.await?.items;
        let (asked, told) = (rows.len(), answered.len());
        for row in answered {
            // Under another name it is no answer to what was asked, and then one is missing.
            let known = row
                .sku
                .parse::<Sku>()
                .ok()
                .and_then(|sku| rows.get_mut(&sku));
            if let Some(available) = known {
                *available = Some(if row.status == "NOT_FOUND" {
                    0
                } else {
                    u32::try_from(row.available_quantity).unwrap_or(0)
                });
            }
        }
        let missing = || {
            CallError::malformed(format!(
                "asked for {asked} SKUs, it answered {told} rows, and not one for each"
            ))
        };
        if told != asked {
            return Err(missing());
        }
        let row = |sku: &Sku| {
            let available = rows.get(sku).copied().flatten().ok_or_else(missing)?;
            Ok(Availability {
                sku: sku.clone(),
                available,
            })
        };
        skus.iter().map(row).collect()
    }
}

fn is_not_found(failure: &Failure) -> bool {
    failure.code() == Some(Code::NotFound)
}

/// For how long a reservation is asked for: the service takes 0 for half an hour.
fn minutes(lifetime: Duration) -> i32 {
    let minutes = lifetime.as_micros().div_ceil(60_000_000);
    i32::try_from(minutes).unwrap_or(i32::MAX).max(1)
}

/// Returns how long a reservation lives, by the service's own clock.
fn lifetime(hold: &wire::InventoryReservation) -> Option<Duration> {
    let micros = |t: &prost_types::Timestamp| {
        i128::from(t.seconds) * 1_000_000 + i128::from(t.nanos) / 1_000
    };
    let life = micros(hold.expiration_time.as_ref()?) - micros(hold.created_at.as_ref()?);
    u64::try_from(life)
        .ok()
        .filter(|life| *life > 0)
        .map(Duration::from_micros)
}

#[async_trait]
impl InventoryService for PlatformInventory {
    fn capabilities(&self) -> InventoryCapabilities {
        InventoryCapabilities::PLATFORM
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        self.0.check(skus).await
    }
    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        self.0.reserve(request).await
    }
    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        closing::close(&self.0, request, Close::Confirm).await
    }
    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        closing::close(&self.0, request, Close::Cancel).await
    }
    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        self.0.look_up(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_asked_for_in_whole_minutes_that_are_long_enough() {
        let asked = |micros| minutes(Duration::from_micros(micros));
        assert_eq!(
            [asked(0), asked(1), asked(60_000_000), asked(60_000_001)],
            [1, 1, 1, 2]
        );
        assert_eq!(minutes(Duration::from_secs(30 * 24 * 60 * 60)), 43_200);
        assert_eq!(minutes(Duration::MAX), i32::MAX);
    }

    #[test]
    fn a_lifetime_is_believed_only_if_there_is_one() {
        let at = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
        let hold = |created_at, expiration_time| wire::InventoryReservation {
            created_at,
            expiration_time,
            ..Default::default()
        };
        assert_eq!(
            lifetime(&hold(at(100, 500_000_000), at(160, 0))),
            Some(Duration::from_millis(59_500))
        );
        for none in [
            hold(None, at(160, 0)),
            hold(at(160, 0), None),
            hold(at(160, 0), at(160, 0)),
            hold(at(161, 0), at(160, 0)),
        ] {
            assert_eq!(lifetime(&none), None);
        }
        assert!(
            lifetime(&hold(at(i64::MIN, 0), at(i64::MAX, 0))).is_none(),
            "it is no time that anybody could mean"
        );
    }
}
