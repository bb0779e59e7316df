//! The inventory of `proto/stock.proto`.

use order_core::ids::Sku;
use order_core::services::{
    Availability, CallDeadline, Clients, ClosingRequest, InventoryService as _, ReserveRequest,
};
use order_core::text::Private;
use tonic::{Request, Response, Status};

use super::{Offer, status_of};
use crate::proto::stock as wire;
use crate::proto::stock::stock_service_server::StockService;
use crate::services::fields::{Fields, from_stock_address, from_wire, to_wire};
use crate::services::stock::{to_look_up, to_reservation};

/// The number of SKUs that can be asked for at a time.
const SKUS_MAX: usize = 1_000;

fn reserve(
    request: wire::ReserveRequest,
    deadline: CallDeadline,
) -> Result<ReserveRequest, Status> {
    let wire::ReserveRequest {
        idempotency_key,
        order_id,
        order_number,
        user_id,
        sku,
        quantity,
        lifetime,
        destination,
    } = request;
    let mut fields = Fields::default();
    let key = fields.key("idempotency_key", &idempotency_key);
    let (order, number) = (
        fields.read("order_id", &order_id),
        fields.read("order_number", &order_number),
    );
    let (user, sku) = (fields.read("user_id", &user_id), fields.read("sku", &sku));
    let (quantity, lifetime) = (
        fields.quantity(quantity),
        fields.required("lifetime", lifetime),
    );
    let (
        Some(key),
        Some(order),
        Some(number),
        Some(user),
        Some(sku),
        Some(quantity),
        Some(lifetime),
    ) = (key, order, number, user, sku, quantity, lifetime)
    else {
        return Err(fields.refused());
    };
    let (lifetime, destination) = (from_wire(lifetime), from_stock_address(destination));
    Ok(ReserveRequest {
        key,
        order,
        number,
        user,
        sku,
        quantity,
        lifetime,
        destination,
        deadline,
    })
}

fn commit(request: wire::CommitRequest, deadline: CallDeadline) -> Result<ClosingRequest, Status> {
    let wire::CommitRequest {
        idempotency_key,
        reserve_key,
        order_id,
        order_number,
        sku,
        quantity,
        reference,
        repeat,
        destination,
        expires_at,
    } = request;
    let release = wire::ReleaseRequest {
        idempotency_key,
        reserve_key,
        order_id,
        order_number,
        sku,
        quantity,
        reference,
        repeat,
        committed: false,
        expires_at,
    };
    Ok(ClosingRequest {
        destination: from_stock_address(destination),
        ..self::release(release, deadline)?
    })
}

fn release(
    request: wire::ReleaseRequest,
    deadline: CallDeadline,
) -> Result<ClosingRequest, Status> {
    let wire::ReleaseRequest {
        idempotency_key,
        reserve_key,
        order_id,
        order_number,
        sku,
        quantity,
        reference,
        repeat,
        committed,
        expires_at,
    } = request;
    let mut fields = Fields::default();
    let (key, reserve_key) = (
        fields.key("idempotency_key", &idempotency_key),
        fields.key("reserve_key", &reserve_key),
    );
    let (order, number) = (
        fields.read("order_id", &order_id),
        fields.read("order_number", &order_number),
    );
    let (sku, quantity) = (fields.read("sku", &sku), fields.quantity(quantity));
    let (reference, expires_at) = (
        fields.read_if_any("reference", &reference),
        fields.time_if_any("expires_at", expires_at),
    );
    let (
        Some(key),
        Some(reserve_key),
        Some(order),
        Some(number),
        Some(sku),
        Some(quantity),
        Some(reference),
        Some(expires_at),
    ) = (
        key,
        reserve_key,
        order,
        number,
        sku,
        quantity,
        reference,
        expires_at,
    )
    else {
        return Err(fields.refused());
    };
    let destination = Private(None);
    Ok(ClosingRequest {
        key,
        reserve_key,
        order,
        number,
        sku,
        quantity,
        reference,
        committed,
        repeat,
        destination,
        deadline,
        expires_at,
    })
}

#[tonic::async_trait]
impl<C: Clients> StockService for Offer<C> {
    async fn describe(
        &self,
        _: Request<wire::DescribeRequest>,
    ) -> Result<Response<wire::DescribeResponse>, Status> {
        let can = self.clients.inventory().capabilities();
        let capabilities = wire::Capabilities {
            repeat_reserve: can.repeat_reserve,
            look_up: can.look_up,
            release_committed: can.release_committed,
            partial: can.partial,
            key_lifetime: can.key_lifetime.map(to_wire),
        };
        Ok(Response::new(wire::DescribeResponse {
            name: self.name.to_string(),
            capabilities: Some(capabilities),
        }))
    }

    async fn check(
        &self,
        request: Request<wire::CheckRequest>,
    ) -> Result<Response<wire::CheckResponse>, Status> {
        let wire::CheckRequest { skus } = request.into_inner();
        let mut fields = Fields::default();
        fields.required("skus", (1..=SKUS_MAX).contains(&skus.len()).then_some(()));
        let skus: Option<Vec<Sku>> = skus
            .iter()
            .take(SKUS_MAX)
            .map(|sku| fields.read("skus", sku))
            .collect();
        let Some(skus) = skus.filter(|_| fields.is_sound()) else {
            return Err(fields.refused());
        };
        let rows = self
            .clients
            .inventory()
            .check(&skus)
            .await
            .map_err(status_of)?;
        let row = |Availability { sku, available }| wire::Availability {
            sku: sku.to_string(),
            available,
        };
        Ok(Response::new(wire::CheckResponse {
            availabilities: rows.into_iter().map(row).collect(),
        }))
    }

    async fn reserve(
        &self,
        request: Request<wire::ReserveRequest>,
    ) -> Result<Response<wire::ReserveResponse>, Status> {
        let deadline = self.deadline(&request);
        let request = reserve(request.into_inner(), deadline)?;
        let held = self
            .clients
            .inventory()
            .reserve(&request)
            .await
            .map_err(status_of)?;
        Ok(Response::new(wire::ReserveResponse {
            reservation: Some(to_reservation(held)),
        }))
    }

    async fn commit(
        &self,
        request: Request<wire::CommitRequest>,
    ) -> Result<Response<wire::CommitResponse>, Status> {
        let deadline = self.deadline(&request);
        let request = commit(request.into_inner(), deadline)?;
        self.clients
            .inventory()
            .commit(&request)
            .await
            .map_err(status_of)?;
        Ok(Response::new(wire::CommitResponse {}))
    }

    async fn release(
        &self,
        request: Request<wire::ReleaseRequest>,
    ) -> Result<Response<wire::ReleaseResponse>, Status> {
        let deadline = self.deadline(&request);
        let request = release(request.into_inner(), deadline)?;
        self.clients
            .inventory()
            .release(&request)
            .await
            .map_err(status_of)?;
        Ok(Response::new(wire::ReleaseResponse {}))
    }

    async fn look_up(
        &self,
        request: Request<wire::LookUpRequest>,
    ) -> Result<Response<wire::LookUpResponse>, Status> {
        let mut fields = Fields::default();
        let Some(asked) = fields.required("reserve", request.into_inner().reserve) else {
            return Err(fields.refused());
        };
        let asked = reserve(asked, CallDeadline::NEVER)?;
        let found = self
            .clients
            .inventory()
            .look_up(&asked)
            .await
            .map_err(status_of)?;
        Ok(Response::new(to_look_up(found)))
    }
}
