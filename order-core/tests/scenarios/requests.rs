//! Requests to the services tell all that an adapter needs to know of the order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::Sku;
use order_core::money::{Currency, Money};
use order_core::order::{AttentionReason, OperationState, PaymentStatus, Status};
use order_core::policy::Policy;
use order_core::services::*;

use super::world::*;

/// An inventory and a payment service that pass every request on, and remember it.
struct Recording {
    inner: DynClients,
    /// The answer to charges instead, if anything.
    says: Option<PaymentAnswer>,
    /// The finding of look-ups of payments instead, if anything.
    finds: Option<Option<PaymentAnswer>>,
    reserves: Mutex<Vec<ReserveRequest>>,
    commits: Mutex<Vec<ClosingRequest>>,
    releases: Mutex<Vec<ClosingRequest>>,
    attempts: Mutex<Vec<AttemptRequest>>,
    refunds: Mutex<Vec<FollowUpRequest>>,
}

fn note<T: Clone>(list: &Mutex<Vec<T>>, request: &T) {
    list.lock().unwrap().push(request.clone());
}

#[async_trait]
impl InventoryService for Recording {
    fn capabilities(&self) -> InventoryCapabilities {
        self.inner.inventory.capabilities()
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        self.inner.inventory.check(skus).await
    }
    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        note(&self.reserves, request);
        self.inner.inventory.reserve(request).await
    }
    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        note(&self.commits, request);
        self.inner.inventory.commit(request).await
    }
    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        note(&self.releases, request);
        self.inner.inventory.release(request).await
    }
    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        self.inner.inventory.look_up(request).await
    }
}

#[async_trait]
impl PaymentService for Recording {
    fn capabilities(&self) -> PaymentCapabilities {
        self.inner.payment.capabilities()
    }
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        note(&self.attempts, request);
        self.inner.payment.authorize(request).await
    }
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        note(&self.attempts, request);
        match &self.says {
            Some(answer) => Ok(answer.clone()),
            None => self.inner.payment.charge(request).await,
        }
    }
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.inner.payment.capture(request).await
    }
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.inner.payment.void(request).await
    }
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        note(&self.refunds, request);
        self.inner.payment.refund(request).await
    }
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        match &self.finds {
            Some(found) => Ok(found.clone()),
            None => self.inner.payment.look_up(request).await,
        }
    }
}

fn recorded(
    world: World,
    says: Option<PaymentAnswer>,
    finds: Option<Option<PaymentAnswer>>,
) -> (World, Arc<Recording>) {
    let recording = Arc::new(Recording {
        inner: world.manager.clients().clone(),
        says,
        finds,
        reserves: Mutex::default(),
        commits: Mutex::default(),
        releases: Mutex::default(),
        attempts: Mutex::default(),
        refunds: Mutex::default(),
    });
    let clients = recording.clone();
    (
        world.with_clients(|all| DynClients {
            inventory: clients.clone(),
            payment: clients,
            ..all
        }),
        recording,
    )
}

#[test]
fn requests_name_the_order_its_customer_and_where_the_goods_go() {
    let policy = Policy {
        commit_at_confirm: true,
        ..Policy::default()
    };
    let (world, recording) = recorded(
        World::with(InventoryCapabilities::IDEAL, None, policy),
        None,
        None,
    );
    let order = world.place(&[1], "CARD");
    assert_eq!(order.statuses.status, Status::Confirmed);
    let order = world.cancel(order.id);
    assert_eq!(order.statuses.status, Status::Cancelled);
    let addresses = order.addresses.get().unwrap();

    let reserve = recording.reserves.lock().unwrap().remove(0);
    assert_eq!(
        (reserve.order, reserve.number, reserve.user),
        (order.id, order.number, order.user)
    );
    // Debug output hides addresses, so they are compared where a difference shows.
    assert!(reserve.destination.get() == Some(&addresses.shipping));
    let commit = recording.commits.lock().unwrap().remove(0);
    assert_eq!((commit.order, commit.number), (order.id, order.number));
    assert!(commit.destination.get() == Some(&addresses.shipping));
    let release = recording.releases.lock().unwrap().remove(0);
    assert_eq!((release.number, release.committed), (order.number, true));
    assert!(
        release.destination.get().is_none(),
        "units that come back go nowhere"
    );
    let attempt = recording.attempts.lock().unwrap().remove(0);
    assert_eq!(
        (attempt.order, attempt.number, attempt.user),
        (order.id, order.number, order.user)
    );
    assert!(
        attempt.shipping.get() == Some(&addresses.shipping)
            && attempt.billing.get() == Some(&addresses.billing)
    );
    assert!(
        !format!("{reserve:?}{commit:?}{attempt:?}").contains("Springfield"),
        "addresses are kept out of logs"
    );
    let refund = recording.refunds.lock().unwrap().remove(0);
    assert_eq!((refund.order, refund.number), (order.id, order.number));
}

#[test]
fn an_amount_says_nothing_where_no_money_moved() {
    // The constructors of such answers give none, and have no idea of the order's currency.
    for amount in [
        Money::new(0, Currency::USD),
        Money::new(700, "JPY".parse().unwrap()),
    ] {
        let (world, _) = recorded(
            World::new(),
            Some(PaymentAnswer::declined("NO_FUNDS").amount(amount)),
            None,
        );
        let order = world.place(&[1], "CARD");
        assert_eq!(
            (order.statuses.status, order.statuses.payment),
            (Status::PaymentFailed, PaymentStatus::Failed)
        );
        assert!(order.attention.is_empty(), "{:?}", order.attention);
        assert_eq!(order.payments[0].code.as_deref(), Some("NO_FUNDS"));
    }
}

#[test]
fn a_look_up_that_contradicts_an_earlier_answer_is_shown_to_a_person() {
    let half_an_hour = Duration::from_secs(1800);
    let pending = |name: &str| PaymentAnswer::pending(name).wait(half_an_hour);
    let captured = PaymentAnswer::captured("pay-2", Money::new(2490, Currency::USD));
    let found = [
        (Some(pending("pay-1")), OperationState::Pending, false),
        (None, OperationState::Pending, true),
        (Some(pending("pay-2")), OperationState::Pending, true),
        (Some(captured), OperationState::Captured, true),
    ];
    for (finds, state, broken) in found {
        let (world, _) = recorded(World::new(), Some(pending("pay-1")), Some(finds));
        let id = world.place(&[1], "CARD").id;
        assert!(world.order(id).attention.is_empty());
        world.advance(half_an_hour);
        let order = world.order(id);
        assert_eq!(
            order.has_attention(AttentionReason::CapabilityBroken),
            broken,
            "{:?}",
            order.attention
        );
        assert_eq!(
            order.payments[0].state, state,
            "what the service says now is believed all the same"
        );
    }
}
