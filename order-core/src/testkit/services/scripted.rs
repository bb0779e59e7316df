//! Any service, made to fail on request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::fault::{Fault, Method};
use crate::ids::{ProductId, Sku, UserId};
use crate::runtime::Runtime;
use crate::runtime::virtual_time::lock;
use crate::services::{
    AttemptRequest, Availability, CallError, ClosingRequest, FollowUpRequest,
    InventoryCapabilities, InventoryService, Notification, NotificationService, PaymentAnswer,
    PaymentCapabilities, PaymentLookup, PaymentService, Product, ProductService, ReservationLookup,
    ReserveAnswer, ReserveRequest, User, UserService,
};

/// A service that does what `inner` does, unless a fault was scripted for the call.
///
/// Faults queued with [`Scripted::push`] hit one call each, in order; one set with
/// [`Scripted::set`] hits every further call of its method until it is taken away.
pub struct Scripted<T> {
    inner: T,
    runtime: Arc<dyn Runtime>,
    script: Mutex<BTreeMap<Method, Script>>,
    next: Mutex<VecDeque<Fault>>,
}

#[derive(Default)]
struct Script {
    queue: VecDeque<Fault>,
    standing: Option<Fault>,
}

impl<T> Scripted<T> {
    /// `inner` without faults; late answers are late by `runtime`'s time.
    pub fn new(inner: T, runtime: Arc<dyn Runtime>) -> Self {
        Scripted {
            inner,
            runtime,
            script: Mutex::default(),
            next: Mutex::default(),
        }
    }

    /// The service behind it.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The next call of `method` that no earlier fault hits is hit by `fault`.
    pub fn push(&self, method: Method, fault: Fault) {
        lock(&self.script)
            .entry(method)
            .or_default()
            .queue
            .push_back(fault);
    }

    /// The next call of any method that no earlier one of these hits is hit by `fault`.
    pub fn push_next(&self, fault: Fault) {
        lock(&self.next).push_back(fault);
    }

    /// From now on every call of `method` is hit by `fault`, or by none.
    pub fn set(&self, method: Method, fault: Option<Fault>) {
        lock(&self.script).entry(method).or_default().standing = fault;
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        lock(&self.script).clear();
        lock(&self.next).clear();
    }

    fn next(&self, method: Method) -> Option<Fault> {
        if let Some(fault) = lock(&self.next).pop_front() {
            return Some(fault);
        }
        let mut script = lock(&self.script);
        let script = script.get_mut(&method)?;
        script.queue.pop_front().or_else(|| script.standing.clone())
    }

    /// Makes the call that `call` makes, hit by a fault; `garble` spoils a good answer.
    async fn run<R>(
        &self,
        method: Method,
        call: impl Future<Output = Result<R, CallError>>,
        garble: impl FnOnce(R) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        match self.next(method) {
            None => call.await,
            Some(Fault::Decline(code)) => Err(CallError::refused(code)),
            Some(Fault::ReservationLost) => Err(CallError::reservation_lost("RESERVATION_LOST")),
            Some(Fault::NotDone) => Err(CallError::not_done(
                "scripted: the service cannot be reached",
            )),
            Some(Fault::UnknownBefore) => Err(CallError::unknown("scripted: no answer")),
            Some(Fault::UnknownAfter) => {
                // Whatever it answers is lost.
                let _ = call.await;
                Err(CallError::unknown("scripted: no answer"))
            }
            Some(Fault::Malformed) => call.await.and_then(garble),
            Some(Fault::Late(by)) => {
                let answer = call.await;
                self.runtime.sleep(by).await;
                answer
            }
        }
    }
}

fn nonsense<R>(_: R) -> Result<R, CallError> {
    Err(CallError::malformed("scripted: the answer makes no sense"))
}

/// An answer that lacks the provider's reference.
fn unnamed(answer: PaymentAnswer) -> Result<PaymentAnswer, CallError> {
    Ok(PaymentAnswer {
        reference: String::new(),
        ..answer
    })
}

#[async_trait]
impl<T: InventoryService> InventoryService for Scripted<T> {
    fn capabilities(&self) -> InventoryCapabilities {
        self.inner.capabilities()
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        self.run(Method::Check, self.inner.check(skus), nonsense)
            .await
    }
    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        let unnamed = |answer| {
            Ok(ReserveAnswer {
                reference: String::new(),
                ..answer
            })
        };
        self.run(Method::Reserve, self.inner.reserve(request), unnamed)
            .await
    }
    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.run(Method::Commit, self.inner.commit(request), nonsense)
            .await
    }
    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.run(Method::Release, self.inner.release(request), nonsense)
            .await
    }
    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        self.run(Method::LookUp, self.inner.look_up(request), nonsense)
            .await
    }
}

#[async_trait]
impl<T: PaymentService> PaymentService for Scripted<T> {
    fn capabilities(&self) -> PaymentCapabilities {
        self.inner.capabilities()
    }
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.run(Method::Authorize, self.inner.authorize(request), unnamed)
            .await
    }
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.run(Method::Charge, self.inner.charge(request), unnamed)
            .await
    }
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.run(Method::Capture, self.inner.capture(request), unnamed)
            .await
    }
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.run(Method::Void, self.inner.void(request), nonsense)
            .await
    }
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.run(Method::Refund, self.inner.refund(request), unnamed)
            .await
    }
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        self.run(Method::LookUp, self.inner.look_up(request), nonsense)
            .await
    }
}

#[async_trait]
impl<T: ProductService> ProductService for Scripted<T> {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        self.run(Method::Get, self.inner.get(id), nonsense).await
    }
}

#[async_trait]
impl<T: UserService> UserService for Scripted<T> {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        self.run(Method::Get, self.inner.get(id), nonsense).await
    }
}

#[async_trait]
impl<T: NotificationService> NotificationService for Scripted<T> {
    fn enabled(&self) -> bool {
        self.inner.enabled()
    }
    async fn notify(&self, notification: &Notification) -> Result<(), CallError> {
        self.run(Method::Notify, self.inner.notify(notification), nonsense)
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::ids::OrderId;
    use crate::money::{Currency, Money};
    use crate::number::OrderNumber;
    use crate::runtime::virtual_time::VirtualRuntime;
    use crate::testkit::services::MemoryPayments;

    #[test]
    fn faults_hit_in_order_and_then_the_service_answers() {
        let runtime = VirtualRuntime::new();
        let payments = Scripted::new(MemoryPayments::approving(), Arc::new(runtime.clone()));
        for fault in [
            "decline:NO_FUNDS",
            "unknown_before",
            "unknown_after",
            "late:7s",
        ] {
            payments.push(Method::Charge, fault.parse().unwrap());
        }
        let request = |key| {
            let (order, user) = (
                OrderId::from_uuid(Uuid::nil()),
                UserId::from_uuid(Uuid::nil()),
            );
            let (number, amount) = (
                OrderNumber::new(1, crate::ids::Bucket::MAX),
                Money::new(500, Currency::USD),
            );
            AttemptRequest::new(
                Uuid::from_u128(key),
                order,
                number,
                user,
                amount,
                "CARD".parse().unwrap(),
            )
        };
        let charge = |key| runtime.block_on(payments.charge(&request(key)));
        let entries = || payments.inner().with_ledger(<[_]>::len);
        assert!(matches!(charge(1), Err(CallError::Refused { code, .. }) if code == "NO_FUNDS"));
        assert!(matches!(
            charge(2),
            Err(CallError::Unknown {
                malformed: false,
                ..
            })
        ));
        assert_eq!(entries(), 0);
        assert!(matches!(
            charge(3),
            Err(CallError::Unknown {
                malformed: false,
                ..
            })
        ));
        assert_eq!(entries(), 1);
        let asked = runtime.monotonic();
        assert!(charge(4).is_ok());
        assert_eq!(runtime.monotonic() - asked, Duration::from_secs(7));
        payments.set(Method::Charge, Some(Fault::NotDone));
        assert!(matches!(charge(5), Err(CallError::NotDone { .. })));
        payments.set(Method::Charge, None);
        assert!(charge(5).is_ok());
    }
}
