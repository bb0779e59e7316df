//! Helpers of all cases.

use std::cell::Cell;
use std::time::Duration;

use uuid::Uuid;

use super::InventoryFactory;
use crate::ids::{Bucket, OrderId, Sku, UserId};
use crate::number::OrderNumber;
use crate::services::{
    CallError, ClosingRequest, InventoryService, ReservationLookup, ReserveAnswer, ReserveRequest,
};
use crate::testkit::service_conformance::{Failure, Verdict, broken, missing, said, timed};

/// The units of a SKU that the cases have in stock.
pub(super) const STOCK: u32 = 5;

/// For how long reservations are asked for, where they lapse.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Longer than any order is worked on, for keys and reservations that are claimed to live for ever.
pub(super) const FOR_EVER: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The two ends of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    Commit,
    Release,
}

/// An inventory and whoever asks it.
pub(super) struct Bench<'f, F: InventoryFactory> {
    pub(super) factory: &'f F,
    pub(super) service: F::Service,
    asked: Cell<u64>,
}

impl<'f, F: InventoryFactory> Bench<'f, F> {
    pub(super) async fn new(factory: &'f F) -> Self {
        Bench {
            factory,
            service: factory.fresh().await,
            asked: Cell::new(0),
        }
    }

    /// One whose service claims all that is named.
    pub(super) async fn that_claims(
        factory: &'f F,
        needs: &[&'static str],
    ) -> Result<Self, Failure> {
        let bench = Bench::new(factory).await;
        for need in needs {
            if !claims(&bench.service, need) {
                return missing(need);
            }
        }
        Ok(bench)
    }

    /// A key that was not used before. Those of one seed are always the same, one after the other.
    pub(super) fn key(&self) -> Uuid {
        self.asked.set(self.asked.get() + 1);
        let mut name = [0; 16];
        name[..8].copy_from_slice(&self.factory.seed().to_be_bytes());
        name[8..].copy_from_slice(&self.asked.get().to_be_bytes());
        Uuid::new_v5(&Uuid::from_u128(0x0069_6e76_656e_746f_7279), &name)
    }

    /// A SKU of which there are [`STOCK`] units.
    pub(super) async fn stock(&self) -> Sku {
        self.factory.stock(&self.service, STOCK).await
    }

    /// A request under a key and for an order of its own.
    pub(super) fn request(&self, sku: &Sku, quantity: u32) -> ReserveRequest {
        let (key, order, user) = (
            self.key(),
            OrderId::from_uuid(self.key()),
            UserId::from_uuid(self.key()),
        );
        let number = OrderNumber::new(key.as_u64_pair().1, Bucket::MAX);
        ReserveRequest::new(key, order, number, user, sku.clone(), quantity, LIFETIME)
    }

    /// A request about some units of what was answered to `reserve`.
    pub(super) fn about(
        &self,
        reserve: &ReserveRequest,
        answer: &ReserveAnswer,
        quantity: u32,
    ) -> ClosingRequest {
        let reference = answer.reference.parse().ok();
        ClosingRequest {
            quantity,
            reference,
            ..ClosingRequest::new(self.key(), reserve)
        }
    }

    pub(super) async fn reserve(
        &self,
        request: &ReserveRequest,
    ) -> Result<ReserveAnswer, CallError> {
        timed(self.factory, self.service.reserve(request)).await
    }

    pub(super) async fn close(
        &self,
        how: Closing,
        request: &ClosingRequest,
    ) -> Result<(), CallError> {
        match how {
            Closing::Commit => timed(self.factory, self.service.commit(request)).await,
            Closing::Release => timed(self.factory, self.service.release(request)).await,
        }
    }

    pub(super) async fn look_up(
        &self,
        request: &ReserveRequest,
    ) -> Result<ReservationLookup, CallError> {
        timed(self.factory, self.service.look_up(request)).await
    }

    /// A reservation that must come about for the case to go on.
    pub(super) async fn held(
        &self,
        sku: &Sku,
        quantity: u32,
    ) -> Result<(ReserveRequest, ReserveAnswer), Failure> {
        let request = self.request(sku, quantity);
        let answer = self.reserve(&request).await;
        match answer {
            Ok(answer) => Ok((request, answer)),
            answer => broken(
                7,
                format!("{quantity} units that are there are held"),
                said(&answer),
            ),
        }
    }

    /// A commit or release that must be done.
    pub(super) async fn done(&self, how: Closing, request: &ClosingRequest) -> Verdict {
        let answer = self.close(how, request).await;
        let clause = match how {
            _ if request.committed => 11,
            Closing::Commit => 8,
            Closing::Release => 9,
        };
        let claimed = format!(
            "a {how:?} of {} units that are there is Ok",
            request.quantity
        )
        .to_lowercase();
        if answer.is_ok() {
            Ok(())
        } else {
            broken(clause, claimed, said(&answer))
        }
    }

    /// That a commit or release is refused.
    pub(super) async fn refused(
        &self,
        clause: u8,
        what: &str,
        how: Closing,
        request: &ClosingRequest,
    ) -> Verdict {
        match self.close(how, request).await {
            Err(CallError::Refused { .. }) => Ok(()),
            answer => broken(clause, format!("{what} is Refused"), said(&answer)),
        }
    }

    /// That exactly so many units of the SKU can still be held: all of them can, and then not one
    /// more. Uses them up.
    pub(super) async fn left(&self, clause: u8, claimed: &str, sku: &Sku, units: u32) -> Verdict {
        if units > 0 {
            let answer = self.reserve(&self.request(sku, units)).await;
            if answer.is_err() {
                return broken(
                    clause,
                    claimed,
                    format!("fewer than {units} units are left: {}", said(&answer)),
                );
            }
        }
        match self.reserve(&self.request(sku, 1)).await {
            Err(CallError::Refused { .. }) => Ok(()),
            answer => broken(
                clause,
                claimed,
                format!(
                    "more than {units} units are left: one more was {}",
                    said(&answer)
                ),
            ),
        }
    }
}

fn claims(service: &impl InventoryService, need: &str) -> bool {
    let capabilities = service.capabilities();
    match need {
        "repeat" => capabilities.repeat_reserve,
        "look_up" => capabilities.look_up,
        "partial" => capabilities.partial,
        _ => capabilities.release_committed,
    }
}

/// Reports whether something could be tested, as far as a service that nothing was asked of shows.
pub(super) async fn offered<F: InventoryFactory>(factory: &F, need: &str) -> bool {
    let bench = Bench::new(factory).await;
    match need {
        "lapse" => {
            let sku = bench.stock().await;
            bench
                .held(&sku, 1)
                .await
                .is_ok_and(|(_, answer)| answer.lifetime.is_some())
        }
        "lose_next_answer" => factory.lose_next_answer().await,
        "refuse_next_connection" => factory.refuse_next_connection().await,
        "answer_next" => factory.answer_next(503, "").await,
        "pass" => factory.pass(Duration::ZERO).await,
        claim => claims(&bench.service, claim),
    }
}

/// Makes a reserve again and again while its outcome is not known, as the engine does.
pub(super) async fn until_known<F: InventoryFactory>(
    bench: &Bench<'_, F>,
    request: &ReserveRequest,
) -> Result<ReserveAnswer, CallError> {
    let mut answer = bench.reserve(request).await;
    for _ in 0..20 {
        match answer {
            Err(CallError::Unknown { .. } | CallError::NotDone { .. }) => {
                answer = bench.reserve(request).await
            }
            known => return known,
        }
    }
    answer
}
