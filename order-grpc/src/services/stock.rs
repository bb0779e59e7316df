//! The client of an inventory that is as the engine would have it: `proto/stock.proto`.

use async_trait::async_trait;
use order_core::ids::Sku;
use order_core::services::{
    Availability, CallDeadline, CallError, ClosingRequest, InventoryCapabilities, InventoryService,
    ReservationLookup, ReserveAnswer, ReserveRequest,
};

use super::channel::ServiceChannel;
use super::described::{Checked, Description, unless_unimplemented};
use super::fields::{from_wire, or_empty, stock_address, to_wire};
use super::payment::is_shorter;
use crate::convert::timestamp;
use crate::proto::stock as wire;
use crate::proto::stock::stock_service_client::StockServiceClient as Client;

/// The inventory at the other end of a channel.
///
/// What the service can do is configured. Before the first request it is asked by `Describe`, once,
/// and not used if it promises less: the engine would repeat what is carried out again, and take
/// for proof what is none. One that does not know `Describe` is believed.
#[derive(Debug)]
pub struct StockClient {
    channel: ServiceChannel,
    capabilities: InventoryCapabilities,
    checked: Checked,
}

impl StockClient {
    /// The service that `channel` leads to, which can do what `capabilities` say.
    pub fn new(channel: ServiceChannel, capabilities: InventoryCapabilities) -> Self {
        StockClient {
            channel,
            capabilities,
            checked: Checked::default(),
        }
    }

    /// Asks the service what it is and what it can do; `None` if it does not say.
    ///
    /// # Errors
    ///
    /// [`CallError`] if it cannot be asked.
    pub async fn describe(&self) -> Result<Option<Description<InventoryCapabilities>>, CallError> {
        self.describe_by(&CallDeadline::NEVER).await
    }

    /// The names of what this client counts on and `promised` does not have: such a service is not
    /// used.
    pub fn missing(&self, promised: &InventoryCapabilities) -> Vec<&'static str> {
        missing(&self.capabilities, promised)
    }

    async fn describe_by(
        &self,
        deadline: &CallDeadline,
    ) -> Result<Option<Description<InventoryCapabilities>>, CallError> {
        let asked = self.channel.call(deadline, |wire| async {
            Client::new(wire).describe(wire::DescribeRequest {}).await
        });
        let Some(wire::DescribeResponse { name, capabilities }) =
            unless_unimplemented(asked.await)?
        else {
            return Ok(None);
        };
        let Some(capabilities) = capabilities else {
            return Err(CallError::malformed("a description without capabilities"));
        };
        let wire::Capabilities {
            repeat_reserve,
            look_up,
            release_committed,
            partial,
            key_lifetime,
        } = capabilities;
        let capabilities = InventoryCapabilities::PLATFORM
            .with_repeat_reserve(repeat_reserve)
            .with_look_up(look_up)
            .with_release_committed(release_committed)
            .with_partial(partial)
            .with_key_lifetime(key_lifetime.map(from_wire));
        Ok(Some(Description { name, capabilities }))
    }

    /// Finds out whether the service can be used; asked once.
    async fn ready(&self, deadline: &CallDeadline) -> Result<(), CallError> {
        self.checked
            .before_use(
                &self.channel,
                || self.describe_by(deadline),
                |promised| missing(&self.capabilities, promised),
            )
            .await
    }
}

/// Lists what is counted on and not promised.
fn missing(wanted: &InventoryCapabilities, promised: &InventoryCapabilities) -> Vec<&'static str> {
    let keys = wanted.repeat_reserve && promised.repeat_reserve;
    let all = [
        (
            "repeat_reserve",
            wanted.repeat_reserve && !promised.repeat_reserve,
        ),
        ("look_up", wanted.look_up && !promised.look_up),
        (
            "release_committed",
            wanted.release_committed && !promised.release_committed,
        ),
        ("partial", wanted.partial && !promised.partial),
        (
            "key_lifetime",
            keys && is_shorter(promised.key_lifetime, wanted.key_lifetime),
        ),
    ];
    all.into_iter()
        .filter_map(|(name, missing)| missing.then_some(name))
        .collect()
}

fn reserve(request: &ReserveRequest) -> wire::ReserveRequest {
    let ReserveRequest {
        key,
        order,
        number,
        user,
        sku,
        quantity,
        lifetime,
        destination,
        deadline: _,
    } = request;
    wire::ReserveRequest {
        idempotency_key: key.to_string(),
        order_id: order.to_string(),
        order_number: number.to_string(),
        user_id: user.to_string(),
        sku: sku.to_string(),
        quantity: *quantity,
        lifetime: Some(to_wire(*lifetime)),
        destination: stock_address(destination),
    }
}

fn commit(request: &ClosingRequest) -> wire::CommitRequest {
    let ClosingRequest {
        key,
        reserve_key,
        order,
        number,
        sku,
        quantity,
        reference,
        committed: _,
        repeat,
        destination,
        deadline: _,
        expires_at,
    } = request;
    wire::CommitRequest {
        idempotency_key: key.to_string(),
        reserve_key: reserve_key.to_string(),
        order_id: order.to_string(),
        order_number: number.to_string(),
        sku: sku.to_string(),
        quantity: *quantity,
        reference: or_empty(reference.as_ref()),
        repeat: *repeat,
        destination: stock_address(destination),
        expires_at: expires_at.map(timestamp),
    }
}

fn release(request: &ClosingRequest) -> wire::ReleaseRequest {
    let ClosingRequest {
        key,
        reserve_key,
        order,
        number,
        sku,
        quantity,
        reference,
        committed,
        repeat,
        destination: _,
        deadline: _,
        expires_at,
    } = request;
    wire::ReleaseRequest {
        idempotency_key: key.to_string(),
        reserve_key: reserve_key.to_string(),
        order_id: order.to_string(),
        order_number: number.to_string(),
        sku: sku.to_string(),
        quantity: *quantity,
        reference: or_empty(reference.as_ref()),
        repeat: *repeat,
        committed: *committed,
        expires_at: expires_at.map(timestamp),
    }
}

/// A reservation. That it has a reference and as many units as were asked for is for the engine to
/// see.
fn reservation(reservation: Option<wire::Reservation>) -> Result<ReserveAnswer, CallError> {
    let Some(wire::Reservation {
        reference,
        quantity,
        lifetime,
    }) = reservation
    else {
        return Err(CallError::malformed("an answer without a reservation"));
    };
    Ok(ReserveAnswer::new(reference, quantity).lifetime(lifetime.map(from_wire)))
}

/// A reservation on the wire.
pub(crate) fn to_reservation(answer: ReserveAnswer) -> wire::Reservation {
    let ReserveAnswer {
        reference,
        quantity,
        lifetime,
        ..
    } = answer;
    wire::Reservation {
        reference,
        quantity,
        lifetime: lifetime.map(to_wire),
    }
}

/// Puts what a look-up found on the wire.
pub(crate) fn to_look_up(found: ReservationLookup) -> wire::LookUpResponse {
    let (state, reservation) = match found {
        ReservationLookup::Held(answer) => {
            (wire::ReservationState::Held, Some(to_reservation(answer)))
        }
        ReservationLookup::Committed => (wire::ReservationState::Committed, None),
        ReservationLookup::Released => (wire::ReservationState::Released, None),
        ReservationLookup::Expired => (wire::ReservationState::Expired, None),
        ReservationLookup::Absent => (wire::ReservationState::Absent, None),
        ReservationLookup::Undecidable => (wire::ReservationState::Undecidable, None),
    };
    wire::LookUpResponse {
        state: state as i32,
        reservation,
    }
}

fn look_up(response: wire::LookUpResponse) -> Result<ReservationLookup, CallError> {
    let wire::LookUpResponse {
        state,
        reservation: held,
    } = response;
    match wire::ReservationState::try_from(state) {
        Ok(wire::ReservationState::Held) => Ok(ReservationLookup::Held(reservation(held)?)),
        Ok(wire::ReservationState::Committed) => Ok(ReservationLookup::Committed),
        Ok(wire::ReservationState::Released) => Ok(ReservationLookup::Released),
        Ok(wire::ReservationState::Expired) => Ok(ReservationLookup::Expired),
        Ok(wire::ReservationState::Absent) => Ok(ReservationLookup::Absent),
        Ok(wire::ReservationState::Undecidable) => Ok(ReservationLookup::Undecidable),
        Ok(wire::ReservationState::Unspecified) | Err(_) => {
            Err(CallError::malformed(format!("reservation state {state}")))
        }
    }
}

/// The rows of a check, if they are those that were asked for.
fn availabilities(
    skus: &[Sku],
    response: wire::CheckResponse,
) -> Result<Vec<Availability>, CallError> {
    let wire::CheckResponse { availabilities } = response;
    if !availabilities
        .iter()
        .map(|row| row.sku.as_str())
        .eq(skus.iter().map(Sku::as_str))
    {
        return Err(CallError::malformed("other SKUs than were asked for"));
    }
    let row = |(sku, row): (&Sku, wire::Availability)| Availability {
        sku: sku.clone(),
        available: row.available,
    };
    Ok(skus.iter().zip(availabilities).map(row).collect())
}

#[async_trait]
impl InventoryService for StockClient {
    fn capabilities(&self) -> InventoryCapabilities {
        self.capabilities
    }

    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        let message = wire::CheckRequest {
            skus: skus.iter().map(Sku::to_string).collect(),
        };
        let never = CallDeadline::NEVER;
        let rows = self.channel.call(&never, |wire| async {
            Client::new(wire).check(message).await
        });
        availabilities(skus, rows.await?)
    }

    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        self.ready(&request.deadline).await?;
        let message = reserve(request);
        let held = self.channel.call(&request.deadline, |wire| async {
            Client::new(wire).reserve(message).await
        });
        reservation(held.await?.reservation)
    }

    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.ready(&request.deadline).await?;
        let message = commit(request);
        let done = self.channel.call(&request.deadline, |wire| async {
            Client::new(wire).commit(message).await
        });
        let wire::CommitResponse {} = done.await?;
        Ok(())
    }

    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.ready(&request.deadline).await?;
        let message = release(request);
        let done = self.channel.call(&request.deadline, |wire| async {
            Client::new(wire).release(message).await
        });
        let wire::ReleaseResponse {} = done.await?;
        Ok(())
    }

    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        if !self.capabilities.look_up {
            return Ok(ReservationLookup::Undecidable);
        }
        // A look-up has no deadline but the channel's: that of the request says nothing of it.
        let never = CallDeadline::NEVER;
        self.ready(&never).await?;
        let message = wire::LookUpRequest {
            reserve: Some(reserve(request)),
        };
        let found = self.channel.call(&never, |wire| async {
            Client::new(wire).look_up(message).await
        });
        look_up(found.await?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_finding_comes_through_as_it_was() {
        let held = ReserveAnswer::new("hold-1", 3);
        for said in [
            ReservationLookup::Held(held.clone()),
            ReservationLookup::Held(held.lifetime(Duration::from_secs(60))),
            ReservationLookup::Committed,
            ReservationLookup::Released,
            ReservationLookup::Expired,
            ReservationLookup::Absent,
            ReservationLookup::Undecidable,
        ] {
            assert_eq!(look_up(to_look_up(said.clone())).unwrap(), said);
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_malformed() {
        let malformed = |error: CallError| {
            assert!(
                matches!(
                    error,
                    CallError::Unknown {
                        malformed: true,
                        ..
                    }
                ),
                "{error}"
            )
        };
        malformed(look_up(wire::LookUpResponse::default()).unwrap_err());
        malformed(
            look_up(wire::LookUpResponse {
                state: 77,
                reservation: None,
            })
            .unwrap_err(),
        );
        malformed(
            look_up(wire::LookUpResponse {
                state: wire::ReservationState::Held as i32,
                reservation: None,
            })
            .unwrap_err(),
        );
        malformed(reservation(None).unwrap_err());
        let row = |sku: &str| wire::Availability {
            sku: sku.into(),
            available: 1,
        };
        let skus: [Sku; 2] = ["A".parse().unwrap(), "B".parse().unwrap()];
        for rows in [
            vec![],
            vec![row("A")],
            vec![row("B"), row("A")],
            vec![row("A"), row("B"), row("B")],
        ] {
            malformed(
                availabilities(
                    &skus,
                    wire::CheckResponse {
                        availabilities: rows,
                    },
                )
                .unwrap_err(),
            );
        }
        let rows = wire::CheckResponse {
            availabilities: vec![row("A"), row("B")],
        };
        assert_eq!(availabilities(&skus, rows).unwrap().len(), 2);
    }

    #[test]
    fn less_than_is_configured_is_named() {
        let (ideal, platform) = (
            InventoryCapabilities::IDEAL,
            InventoryCapabilities::PLATFORM,
        );
        assert_eq!(missing(&platform, &ideal), [""; 0]);
        assert_eq!(
            missing(&ideal, &platform),
            ["repeat_reserve", "look_up", "release_committed", "partial"]
        );
        let day = InventoryCapabilities::KEYS_FOR_A_DAY;
        assert_eq!(
            missing(&day.with_key_lifetime(None), &day),
            ["key_lifetime"]
        );
        assert_eq!(missing(&day, &ideal), [""; 0]);
    }
}
