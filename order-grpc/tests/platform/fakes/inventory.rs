//! The platform's inventory, with every quirk that was seen of it. Its two ledgers, its missing
//! guards and its codes are the point.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_grpc::proto::inventory::get_inventory_item_request::Identifier;
use order_grpc::proto::inventory::inventory_service_server::{
    InventoryService, InventoryServiceServer,
};
use order_grpc::proto::inventory::*;
use prost_types::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::peer::{Handler, Peer, Wire, lock};

pub const GET: &str = "GetInventoryItem";
pub const CHECK: &str = "CheckInventoryAvailability";
pub const RESERVE: &str = "ReserveInventory";
pub const CONFIRM: &str = "ConfirmReservation";
pub const CANCEL: &str = "CancelReservation";

/// The counters of an item, or of an item at a warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    pub total: i32,
    pub available: i32,
    pub reserved: i32,
}

impl Counters {
    fn of(units: i32) -> Self {
        Counters {
            total: units,
            available: units,
            reserved: 0,
        }
    }

    /// The new counters, unless the table's CHECKs forbid them.
    fn changed(self, total: i32, available: i32, reserved: i32) -> Result<Self, Status> {
        let Counters {
            total: t,
            available: a,
            reserved: r,
        } = self;
        let new = Counters {
            total: t + total,
            available: a + available,
            reserved: r + reserved,
        };
        if new.total < 0 || new.available < 0 || new.reserved < 0 {
            Err(internal())
        } else {
            Ok(new)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldStatus {
    Pending,
    Confirmed,
    Cancelled,
}

/// A row of the reservations.
#[derive(Debug, Clone)]
pub struct Hold {
    pub id: Uuid,
    pub item: Uuid,
    pub warehouse: Option<Uuid>,
    pub quantity: i32,
    pub status: HoldStatus,
    pub expires: i64,
    pub reference: Uuid,
    pub kind: String,
    pub created: i64,
}

#[derive(Debug, Clone)]
struct Item {
    id: Uuid,
    product: Uuid,
    variant: Option<Uuid>,
    sku: String,
    counters: Counters,
    status: &'static str,
}

/// A change of an answer, as a service that lies would make it.
pub type Garble = fn(&mut InventoryReservation);

#[derive(Default)]
struct Books {
    items: Vec<Item>,
    warehouses: Vec<Uuid>,
    locations: BTreeMap<(Uuid, Uuid), Counters>,
    holds: Vec<Hold>,
    /// The time in microseconds.
    now: i64,
    ids: u128,
    down: bool,
    garble: Option<Garble>,
    drop_rows: usize,
}

/// The service: its books, and the wire to it.
#[derive(Clone, Default)]
pub struct Inventory {
    books: Arc<Mutex<Books>>,
    pub wire: Wire,
}

fn internal() -> Status {
    Status::internal("Internal server error")
}

fn uuid(text: &str) -> Result<Uuid, Status> {
    Uuid::try_parse(text).map_err(|_| internal())
}

fn time(micros: i64) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: micros / 1_000_000,
        nanos: (micros % 1_000_000) as i32 * 1000,
    })
}

impl Inventory {
    pub async fn serve(&self) -> Peer {
        lock(&self.books).now = 1_772_359_200_000_000;
        Peer::start(self.wire.clone(), self.handler()).await
    }

    /// Its calls, for whoever serves them.
    pub fn handler(&self) -> impl Handler<Future: Send> {
        InventoryServiceServer::new(self.clone())
    }

    /// Puts an item in that has so many units, none of them at a warehouse; answers its id.
    pub fn stock(&self, sku: &str, units: i32) -> Uuid {
        self.item_of(Uuid::from_u128(7), None, sku, units)
    }

    /// The same, of a product or its variant.
    pub fn item_of(&self, product: Uuid, variant: Option<Uuid>, sku: &str, units: i32) -> Uuid {
        let mut books = lock(&self.books);
        let (id, status) = (books.next_id(), "IN_STOCK");
        let item = Item {
            id,
            product,
            variant,
            sku: sku.into(),
            counters: Counters::of(units),
            status,
        };
        books.items.push(item);
        id
    }

    /// Takes an item away and puts it in again, under another id.
    pub fn renew(&self, sku: &str) -> Uuid {
        let mut books = lock(&self.books);
        let id = books.next_id();
        books.items.iter_mut().find(|i| i.sku == sku).unwrap().id = id;
        id
    }

    pub fn set_status(&self, sku: &str, status: &'static str) {
        lock(&self.books)
            .items
            .iter_mut()
            .find(|i| i.sku == sku)
            .unwrap()
            .status = status;
    }

    /// Lets its database answer or not.
    pub fn set_down(&self, down: bool) {
        lock(&self.books).down = down;
    }

    /// From now on every answer about a reservation is changed so.
    pub fn garble(&self, garble: Option<Garble>) {
        lock(&self.books).garble = garble;
    }

    /// From now on so many rows are missing at the end of what a check answers.
    pub fn drop_rows(&self, rows: usize) {
        lock(&self.books).drop_rows = rows;
    }

    pub fn pass(&self, time: Duration) {
        lock(&self.books).now += time.as_micros() as i64;
    }

    pub fn counters(&self, sku: &str) -> Counters {
        lock(&self.books)
            .items
            .iter()
            .find(|i| i.sku == sku)
            .unwrap()
            .counters
    }

    /// As somebody who mends the table by hand.
    pub fn set_counters(&self, sku: &str, counters: Counters) {
        lock(&self.books)
            .items
            .iter_mut()
            .find(|i| i.sku == sku)
            .unwrap()
            .counters = counters;
    }

    pub fn at_location(&self, item: Uuid, warehouse: Uuid) -> Counters {
        lock(&self.books).locations[&(item, warehouse)]
    }

    pub fn holds(&self) -> Vec<Hold> {
        lock(&self.books).holds.clone()
    }

    /// A warehouse where the item has so many units: a ledger of its own, which the item knows
    /// nothing of.
    pub fn warehouse(&self, item: Uuid, units: i32) -> Uuid {
        let mut books = lock(&self.books);
        let id = books.next_id();
        books.warehouses.push(id);
        books.locations.insert((item, id), Counters::of(units));
        id
    }

    /// As AddInventoryToLocation: sets the location's counters by what was read before, and the
    /// item's anew from all its locations.
    pub fn add_to_location(&self, item: Uuid, warehouse: Uuid, units: i32) {
        let mut books = lock(&self.books);
        let at = books.locations.get_mut(&(item, warehouse)).unwrap();
        *at = Counters {
            total: at.total + units,
            available: at.available + units,
            ..*at
        };
        let mut sum = Counters::default();
        for ((_, _), at) in books.locations.iter().filter(|((of, _), _)| *of == item) {
            let Counters {
                total,
                available,
                reserved,
            } = *at;
            sum = Counters {
                total: sum.total + total,
                available: sum.available + available,
                reserved: sum.reserved + reserved,
            };
        }
        books
            .items
            .iter_mut()
            .find(|i| i.id == item)
            .unwrap()
            .counters = sum;
    }

    fn books<T>(&self, look: impl FnOnce(&mut Books) -> Result<T, Status>) -> Result<T, Status> {
        let mut books = lock(&self.books);
        if books.down {
            Err(internal())
        } else {
            look(&mut books)
        }
    }
}

impl Books {
    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        // As random as an id has to look.
        Uuid::from_u128(0xabcd_0000_0000_4000_8000_0000_0000_0000 + self.ids)
    }

    fn item(&self, id: Uuid) -> Result<&Item, Status> {
        self.items
            .iter()
            .find(|i| i.id == id)
            .ok_or_else(|| Status::not_found("inventory item not found"))
    }

    /// The counters that a reservation with or without a warehouse is kept in.
    fn ledger(&mut self, item: Uuid, warehouse: Option<Uuid>) -> Result<&mut Counters, Status> {
        match warehouse {
            None => self
                .items
                .iter_mut()
                .find(|i| i.id == item)
                .map(|i| &mut i.counters)
                .ok_or_else(internal),
            Some(warehouse) => self
                .locations
                .get_mut(&(item, warehouse))
                .ok_or_else(internal),
        }
    }

    fn hold(&self, id: Uuid) -> Result<&Hold, Status> {
        self.holds
            .iter()
            .find(|h| h.id == id)
            .ok_or_else(|| Status::not_found("reservation not found"))
    }

    /// Looks at what is looked at outside the transaction.
    fn may_reserve(&self, item: &ReservationItem) -> Result<(), Status> {
        let id = uuid(&item.inventory_item_id)?;
        let found = self.item(id)?;
        let available = match &item.warehouse_id {
            None => found.counters.available,
            Some(w) => {
                self.locations
                    .get(&(id, uuid(w)?))
                    .ok_or_else(internal)?
                    .available
            }
        };
        if available < item.quantity {
            Err(Status::failed_precondition("insufficient inventory"))
        } else {
            Ok(())
        }
    }

    /// The transaction of one item. Nothing but the CHECKs keeps it from reserving what is not
    /// there.
    fn reserve(
        &mut self,
        item: &ReservationItem,
        request: &ReserveInventoryRequest,
    ) -> Result<Hold, Status> {
        let (id, reference) = (uuid(&item.inventory_item_id)?, uuid(&request.reference_id)?);
        let warehouse = item.warehouse_id.as_deref().map(uuid).transpose()?;
        if item.quantity <= 0 || request.reference_type.len() > 50 {
            return Err(internal());
        }
        let ledger = self.ledger(id, warehouse)?;
        *ledger = ledger.changed(0, -item.quantity, item.quantity)?;
        let minutes = if request.reservation_minutes <= 0 {
            30
        } else {
            request.reservation_minutes
        };
        let (hold_id, now) = (self.next_id(), self.now);
        let hold = Hold {
            id: hold_id,
            item: id,
            warehouse,
            quantity: item.quantity,
            status: HoldStatus::Pending,
            expires: now + i64::from(minutes) * 60_000_000,
            reference,
            kind: request.reference_type.clone(),
            created: now,
        };
        self.holds.push(hold.clone());
        Ok(hold)
    }

    /// Looks at what is looked at outside the transaction.
    fn may_close(&self, id: &str, confirm: bool) -> Result<Uuid, Status> {
        let hold = self.hold(uuid(id)?)?;
        if hold.status != HoldStatus::Pending {
            return Err(Status::failed_precondition("reservation in invalid state"));
        }
        if confirm && hold.expires <= self.now {
            return Err(Status::failed_precondition("reservation expired"));
        }
        Ok(hold.id)
    }

    /// The transaction, which looks at no status.
    fn close(&mut self, id: Uuid, confirm: bool) -> Result<Hold, Status> {
        let hold = self.hold(id)?.clone();
        let ledger = self.ledger(hold.item, hold.warehouse)?;
        *ledger = match confirm {
            true => ledger.changed(-hold.quantity, 0, -hold.quantity)?,
            false => ledger.changed(0, hold.quantity, -hold.quantity)?,
        };
        let status = if confirm {
            HoldStatus::Confirmed
        } else {
            HoldStatus::Cancelled
        };
        let row = self
            .holds
            .iter_mut()
            .find(|h| h.id == id)
            .ok_or_else(internal)?;
        row.status = status;
        Ok(row.clone())
    }

    fn answer(&self, hold: Hold) -> Response<ReservationResponse> {
        let status = match hold.status {
            HoldStatus::Pending => "PENDING",
            HoldStatus::Confirmed => "CONFIRMED",
            HoldStatus::Cancelled => "CANCELLED",
        };
        let mut reservation = InventoryReservation {
            id: hold.id.to_string(),
            inventory_item_id: hold.item.to_string(),
            warehouse_id: hold.warehouse.map(|w| w.to_string()),
            quantity: hold.quantity,
            status: status.into(),
            expiration_time: time(hold.expires),
            reference_id: Some(hold.reference.to_string()),
            reference_type: hold.kind,
            created_at: time(hold.created),
            updated_at: time(self.now),
        };
        if let Some(garble) = self.garble {
            garble(&mut reservation);
        }
        Response::new(ReservationResponse {
            reservation: Some(reservation),
            success: true,
            message: "done".into(),
        })
    }

    fn availability(
        &self,
        asked: &AvailabilityCheckItem,
    ) -> Result<Option<ItemAvailability>, Status> {
        let found = match (asked.sku.as_str(), asked.product_id.as_str()) {
            ("", "") => return Ok(None),
            ("", product) => {
                let product = uuid(product)?;
                self.items.iter().find(|i| i.product == product)
            }
            (sku, _) => self.items.iter().find(|i| i.sku == sku),
        };
        let available = found.map_or(0, |i| i.counters.available);
        Ok(Some(ItemAvailability {
            product_id: asked.product_id.clone(),
            variant_id: asked.variant_id.clone(),
            sku: asked.sku.clone(),
            requested_quantity: asked.quantity,
            available_quantity: available,
            is_available: found.is_some() && available >= asked.quantity,
            status: found.map_or("NOT_FOUND", |i| i.status).into(),
        }))
    }
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn get_inventory_item(
        &self,
        request: Request<GetInventoryItemRequest>,
    ) -> Result<Response<InventoryItemResponse>, Status> {
        let identifier = request.into_inner().identifier;
        let about = match &identifier {
            Some(Identifier::Id(value) | Identifier::ProductId(value) | Identifier::Sku(value)) => {
                value.clone()
            }
            None => String::new(),
        };
        let look = || {
            if about.is_empty() {
                return Err(Status::invalid_argument("an identifier is required"));
            }
            if about.contains('\0') {
                return Err(internal());
            }
            self.books(|books| {
                let missing = || Status::not_found("inventory item not found");
                let found = match &identifier {
                    Some(Identifier::Id(id)) => return books.item(uuid(id)?).cloned(),
                    // No order is asked for: whichever row the database comes to first.
                    Some(Identifier::ProductId(id)) => {
                        let product = uuid(id)?;
                        books.items.iter().rev().find(|i| i.product == product)
                    }
                    Some(Identifier::Sku(sku)) => books.items.iter().find(|i| i.sku == *sku),
                    None => None,
                };
                found.cloned().ok_or_else(missing)
            })
        };
        let item = self.wire.carry_out(GET, about.clone(), look, Ok).await?;
        let Counters {
            total,
            available,
            reserved,
        } = item.counters;
        let item = InventoryItem {
            id: item.id.to_string(),
            product_id: item.product.to_string(),
            variant_id: item.variant.map(|v| v.to_string()),
            sku: item.sku,
            total_quantity: total,
            available_quantity: available,
            reserved_quantity: reserved,
            status: item.status.into(),
            ..InventoryItem::default()
        };
        Ok(Response::new(InventoryItemResponse {
            inventory_item: Some(item),
        }))
    }

    async fn check_inventory_availability(
        &self,
        request: Request<CheckInventoryAvailabilityRequest>,
    ) -> Result<Response<InventoryAvailabilityResponse>, Status> {
        let asked = request.into_inner().items;
        let skus: Vec<&str> = asked.iter().map(|i| i.sku.as_str()).collect();
        let look = || {
            if asked.is_empty() {
                return Err(Status::invalid_argument("items are required"));
            }
            self.books(|books| {
                let rows: Result<Vec<_>, _> =
                    asked.iter().map(|item| books.availability(item)).collect();
                let mut rows: Vec<ItemAvailability> = rows?.into_iter().flatten().collect();
                // Whoever matches them by their place finds that out at once.
                rows.reverse();
                rows.truncate(rows.len().saturating_sub(books.drop_rows));
                Ok(rows)
            })
        };
        let items = self.wire.carry_out(CHECK, skus.join(","), look, Ok).await?;
        let all_available = items.iter().all(|i| i.is_available);
        Ok(Response::new(InventoryAvailabilityResponse {
            items,
            all_available,
        }))
    }

    async fn reserve_inventory(
        &self,
        request: Request<ReserveInventoryRequest>,
    ) -> Result<Response<ReservationResponse>, Status> {
        let request = request.into_inner();
        let items: Vec<String> = request
            .items
            .iter()
            .map(|i| format!("{}x{}", i.quantity, i.inventory_item_id))
            .collect();
        let about = format!(
            "{} for {} {} for {} min",
            items.join("+"),
            request.reference_type,
            request.reference_id,
            request.reservation_minutes
        );
        let check = || {
            if request.items.is_empty() || request.reference_type.is_empty() {
                return Err(Status::invalid_argument(
                    "items and reference_type are required",
                ));
            }
            self.books(|books| books.may_reserve(&request.items[0]))
        };
        let write = |()| {
            self.books(|books| {
                let first = books.reserve(&request.items[0], &request)?;
                for item in &request.items[1..] {
                    // Only logged.
                    let _ = books
                        .may_reserve(item)
                        .and_then(|()| books.reserve(item, &request));
                }
                Ok(books.answer(first))
            })
        };
        self.wire.carry_out(RESERVE, about, check, write).await
    }

    async fn confirm_reservation(
        &self,
        request: Request<ConfirmReservationRequest>,
    ) -> Result<Response<ReservationResponse>, Status> {
        let id = request.into_inner().reservation_id;
        let check = || self.books(|books| books.may_close(&id, true));
        let write = |id| self.books(|books| books.close(id, true).map(|hold| books.answer(hold)));
        self.wire.carry_out(CONFIRM, id.clone(), check, write).await
    }

    async fn cancel_reservation(
        &self,
        request: Request<CancelReservationRequest>,
    ) -> Result<Response<ReservationResponse>, Status> {
        let id = request.into_inner().reservation_id;
        let check = || self.books(|books| books.may_close(&id, false));
        let write = |id| self.books(|books| books.close(id, false).map(|hold| books.answer(hold)));
        self.wire.carry_out(CANCEL, id.clone(), check, write).await
    }
}
