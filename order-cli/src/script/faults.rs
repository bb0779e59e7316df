//! Services that misbehave when a script says so, and keep a trace of what they were asked.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use order_core::ids::{Name, ProductId, Sku, UserId};
use order_core::money::Currency;
use order_core::order::PaymentTerms;
use order_core::pricing::{Priced, Pricing, PricingError, PricingRequest};
use order_core::runtime::Runtime;
use order_core::services::{
    AttemptRequest, Availability, CallError, ClosingRequest, DynClients, FollowUpRequest,
    InventoryCapabilities, InventoryService, Notification, NotificationService, PaymentAnswer,
    PaymentCapabilities, PaymentLookup, PaymentService, Product, ProductService, ReservationLookup,
    ReserveAnswer, ReserveRequest, ServiceName, User, UserService,
};

use super::clock::World;
use super::model::{Answer, Fault};

/// The services of a script: those of a shop, seen through the faults that are set. Clones share
/// both.
#[derive(Clone)]
pub struct FaultyServices {
    inner: DynClients,
    world: World,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The latest first.
    faults: Vec<Fault>,
    trace: Vec<String>,
}

impl FaultyServices {
    /// `inner`, well behaved until told otherwise.
    pub fn new(inner: DynClients, world: World) -> Self {
        FaultyServices {
            inner,
            world,
            state: Arc::default(),
        }
    }

    /// Answers by `fault` from now on.
    pub fn set(&self, fault: Fault) {
        let mut state = self.state();
        state.faults.retain(|f| {
            f.service != fault.service || (fault.call.is_some() && f.call != fault.call)
        });
        // One call can behave while the rest of its service does not.
        if fault.answer != Answer::Normal
            || state
                .faults
                .iter()
                .any(|f| f.service == fault.service && f.call.is_none())
        {
            state.faults.insert(0, fault);
        }
    }

    /// Takes the calls since the last time, in order, equal neighbours counted.
    pub fn take_trace(&self) -> Vec<String> {
        let mut lines: Vec<(String, u32)> = Vec::new();
        for line in std::mem::take(&mut self.state().trace) {
            match lines.last_mut() {
                Some((last, n)) if *last == line => *n += 1,
                _ => lines.push((line, 1)),
            }
        }
        lines
            .into_iter()
            .map(|(line, n)| {
                if n == 1 {
                    line
                } else {
                    format!("{line} (x{n})")
                }
            })
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the answer to the next call, which counts as made.
    fn answer_to(&self, service: ServiceName, call: &str) -> Answer {
        let mut state = self.state();
        let fits = |f: &Fault| f.service == service && f.call.is_none_or(|c| c == call);
        let Some(at) = state.faults.iter().position(fits) else {
            return Answer::Normal;
        };
        let answer = state.faults[at].answer.clone();
        if let Some(times) = &mut state.faults[at].times {
            *times -= 1;
            if *times == 0 {
                state.faults.remove(at);
            }
        }
        answer
    }

    async fn call<T: ServiceAnswer + Send + 'static>(
        &self,
        (service, call): (ServiceName, &'static str),
        declined: impl FnOnce(String) -> Result<T, CallError> + Send,
        delegate: impl Future<Output = Result<T, CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        let answer = self.answer_to(service, call);
        let no_answer = || CallError::unknown(format!("the {service} service did not answer"));
        let (result, how) = match answer {
            Answer::Normal => (self.world.outside(delegate).await, ""),
            Answer::Decline(code) => (declined(code), ""),
            Answer::Fail => (
                Err(CallError::not_done(format!("the {service} service failed"))),
                "",
            ),
            Answer::TimeoutBefore => (Err(no_answer()), ", before the effect"),
            Answer::TimeoutAfter => {
                let _ = self.world.outside(delegate).await;
                (Err(no_answer()), ", after the effect")
            }
            Answer::Malformed => (self.world.outside(delegate).await.and_then(T::garbled), ""),
            Answer::TimeoutThenLate(by) => {
                let world = self.world.clone();
                self.world.spawn_outside(Box::pin(async move {
                    world.sleep(by).await;
                    let _ = world.outside(delegate).await;
                }));
                (Err(no_answer()), ", with the effect to come")
            }
            Answer::Late(by) => {
                let result = self.world.outside(delegate).await;
                self.state().trace.push(format!("{service}.{call} is late"));
                self.world.sleep(by).await;
                (result, ", late")
            }
        };
        let said = match &result {
            Ok(value) => value.said(),
            Err(CallError::Refused { code, .. }) => format!("refused ({code})"),
            Err(CallError::NotDone { .. }) => "not done".into(),
            Err(CallError::Unknown {
                malformed: true, ..
            }) => "answered nonsense".into(),
            Err(CallError::Unknown { .. }) => "no answer".into(),
        };
        let dull = matches!(
            service,
            ServiceName::Product | ServiceName::User | ServiceName::Pricing
        ) || call == "check";
        if !(dull && result.is_ok()) {
            self.state()
                .trace
                .push(format!("{service}.{call} {said}{how}"));
        }
        result
    }
}

/// An answer of a service.
trait ServiceAnswer: Sized {
    /// Says it in a word, for the trace.
    fn said(&self) -> String;
    /// The same, spoilt so that it makes no sense.
    fn garbled(self) -> Result<Self, CallError> {
        Err(CallError::malformed("the answer makes no sense"))
    }
}

impl ServiceAnswer for () {
    fn said(&self) -> String {
        "done".into()
    }
}

impl<T: ServiceAnswer> ServiceAnswer for Option<T> {
    fn said(&self) -> String {
        self.as_ref().map_or("knows none".into(), T::said)
    }
}

impl ServiceAnswer for PaymentAnswer {
    fn said(&self) -> String {
        self.status.to_string()
    }
    fn garbled(self) -> Result<Self, CallError> {
        Ok(self.reference(""))
    }
}

impl ServiceAnswer for ReserveAnswer {
    fn said(&self) -> String {
        format!("held {}", self.quantity)
    }
    fn garbled(self) -> Result<Self, CallError> {
        Ok(self.reference(""))
    }
}

impl ServiceAnswer for ReservationLookup {
    fn said(&self) -> String {
        match self {
            ReservationLookup::Held(hold) => hold.said(),
            ReservationLookup::Committed => "committed".into(),
            ReservationLookup::Released => "released".into(),
            ReservationLookup::Expired => "expired".into(),
            ReservationLookup::Absent => "knows none".into(),
            ReservationLookup::Undecidable => "cannot tell".into(),
        }
    }
}

impl ServiceAnswer for Vec<Availability> {
    fn said(&self) -> String {
        "done".into()
    }
}

impl ServiceAnswer for Product {
    fn said(&self) -> String {
        "found".into()
    }
}

impl ServiceAnswer for User {
    fn said(&self) -> String {
        "found".into()
    }
}

fn refused<T>(code: String) -> Result<T, CallError> {
    Err(CallError::refused(code))
}

fn declined_payment(code: String) -> Result<PaymentAnswer, CallError> {
    Ok(PaymentAnswer::declined(code))
}

/// Passes a call on to the same method of an inner service.
macro_rules! pass {
    ($self:ident, $service:ident . $call:ident ($request:expr), $label:expr, $declined:expr) => {{
        let (inner, request) = ($self.inner.$service.clone(), $request.clone());
        $self
            .call(($label, stringify!($call)), $declined, async move {
                inner.$call(&request).await
            })
            .await
    }};
}

#[async_trait]
impl InventoryService for FaultyServices {
    fn capabilities(&self) -> InventoryCapabilities {
        self.inner.inventory.capabilities()
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        let (inner, skus) = (self.inner.inventory.clone(), skus.to_vec());
        self.call((ServiceName::Inventory, "check"), refused, async move {
            inner.check(&skus).await
        })
        .await
    }
    async fn reserve(&self, r: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        pass!(self, inventory.reserve(r), ServiceName::Inventory, refused)
    }
    async fn commit(&self, r: &ClosingRequest) -> Result<(), CallError> {
        pass!(self, inventory.commit(r), ServiceName::Inventory, refused)
    }
    async fn release(&self, r: &ClosingRequest) -> Result<(), CallError> {
        pass!(self, inventory.release(r), ServiceName::Inventory, refused)
    }
    async fn look_up(&self, r: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        pass!(self, inventory.look_up(r), ServiceName::Inventory, refused)
    }
}

#[async_trait]
impl PaymentService for FaultyServices {
    fn capabilities(&self) -> PaymentCapabilities {
        self.inner.payment.capabilities()
    }
    async fn authorize(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        pass!(
            self,
            payment.authorize(r),
            ServiceName::Payment,
            declined_payment
        )
    }
    async fn charge(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        pass!(
            self,
            payment.charge(r),
            ServiceName::Payment,
            declined_payment
        )
    }
    async fn capture(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        pass!(self, payment.capture(r), ServiceName::Payment, refused)
    }
    async fn void(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        pass!(self, payment.void(r), ServiceName::Payment, refused)
    }
    async fn refund(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        pass!(self, payment.refund(r), ServiceName::Payment, refused)
    }
    async fn look_up(&self, r: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        pass!(self, payment.look_up(r), ServiceName::Payment, refused)
    }
}

#[async_trait]
impl ProductService for FaultyServices {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        let inner = self.inner.product.clone();
        self.call((ServiceName::Product, "get"), refused, async move {
            inner.get(id).await
        })
        .await
    }
}

#[async_trait]
impl UserService for FaultyServices {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        let inner = self.inner.user.clone();
        self.call((ServiceName::User, "get"), refused, async move {
            inner.get(id).await
        })
        .await
    }
}

#[async_trait]
impl NotificationService for FaultyServices {
    fn enabled(&self) -> bool {
        self.inner.notification.enabled()
    }
    async fn notify(&self, n: &Notification) -> Result<(), CallError> {
        let (inner, notification) = (self.inner.notification.clone(), n.clone());
        self.call((ServiceName::Notification, "notify"), refused, async move {
            inner.notify(&notification).await
        })
        .await
    }
}

/// Prices that cannot be asked for when a script says so.
pub struct FaultyPrices {
    /// The prices that are asked otherwise.
    pub inner: Arc<dyn Pricing>,
    /// The services that faults are set on.
    pub services: FaultyServices,
}

impl FaultyPrices {
    async fn ask(&self, call: &'static str) -> Result<(), CallError> {
        self.services
            .call((ServiceName::Pricing, call), refused, async { Ok(()) })
            .await
    }
}

#[async_trait]
impl Pricing for FaultyPrices {
    async fn price(&self, request: &PricingRequest) -> Result<Priced, PricingError> {
        self.ask("price").await?;
        self.inner.price(request).await
    }
    async fn terms(&self, method: &Name) -> Result<Option<PaymentTerms>, PricingError> {
        self.ask("terms").await?;
        self.inner.terms(method).await
    }
    fn currency(&self) -> Currency {
        self.inner.currency()
    }
}
