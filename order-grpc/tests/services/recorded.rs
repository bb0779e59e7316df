//! Clients that note when each of their calls begins and ends.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use order_core::ids::{ProductId, Sku, UserId};
use order_core::services::*;

/// A call: its name, and at which of all beginnings and ends it began and ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Noted {
    name: &'static str,
    began: usize,
    ended: Option<usize>,
}

/// The calls of several clients, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record(Arc<Mutex<(usize, Vec<Noted>)>>);

impl Record {
    async fn note<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        let at = {
            let (moment, calls) = &mut *self.0.lock().unwrap();
            *moment += 1;
            calls.push(Noted {
                name,
                began: *moment,
                ended: None,
            });
            calls.len() - 1
        };
        let answer = call.await;
        let (moment, calls) = &mut *self.0.lock().unwrap();
        *moment += 1;
        calls[at].ended = Some(*moment);
        answer
    }

    /// The names of all calls.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0
            .lock()
            .unwrap()
            .1
            .iter()
            .map(|call| call.name)
            .collect()
    }

    /// Counts the calls that were waited for one after the other before the first of `names` began:
    /// a call comes after another if it began once that one had ended.
    pub(crate) fn waits_before(&self, names: &[&str]) -> usize {
        let (_, calls) = &*self.0.lock().unwrap();
        let mut depths: Vec<(usize, usize)> = Vec::new();
        for call in calls.iter().take_while(|call| !names.contains(&call.name)) {
            let before = depths
                .iter()
                .filter(|(ended, _)| *ended < call.began)
                .map(|(_, depth)| *depth)
                .max();
            depths.push((
                call.ended.expect("it was waited for"),
                before.unwrap_or(0) + 1,
            ));
        }
        depths.iter().map(|(_, depth)| *depth).max().unwrap_or(0)
    }
}

/// A client and the record it is noted in.
pub(crate) struct Recorded<T>(pub(crate) T, pub(crate) Record);

#[async_trait]
impl<T: InventoryService> InventoryService for Recorded<T> {
    fn capabilities(&self) -> InventoryCapabilities {
        self.0.capabilities()
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        self.1.note("check", self.0.check(skus)).await
    }
    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        self.1.note("reserve", self.0.reserve(request)).await
    }
    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.1.note("commit", self.0.commit(request)).await
    }
    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.1.note("release", self.0.release(request)).await
    }
    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        self.1.note("look up stock", self.0.look_up(request)).await
    }
}

#[async_trait]
impl<T: PaymentService> PaymentService for Recorded<T> {
    fn capabilities(&self) -> PaymentCapabilities {
        self.0.capabilities()
    }
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.1.note("authorize", self.0.authorize(request)).await
    }
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.1.note("charge", self.0.charge(request)).await
    }
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.1.note("capture", self.0.capture(request)).await
    }
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.1.note("void", self.0.void(request)).await
    }
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.1.note("refund", self.0.refund(request)).await
    }
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        self.1
            .note("look up payment", self.0.look_up(request))
            .await
    }
}

#[async_trait]
impl<T: ProductService> ProductService for Recorded<T> {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        self.1.note("product", self.0.get(id)).await
    }
}

#[async_trait]
impl<T: UserService> UserService for Recorded<T> {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        self.1.note("user", self.0.get(id)).await
    }
}

#[async_trait]
impl<T: NotificationService> NotificationService for Recorded<T> {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }
    async fn notify(&self, notification: &Notification) -> Result<(), CallError> {
        self.1.note("notify", self.0.notify(notification)).await
    }
}
