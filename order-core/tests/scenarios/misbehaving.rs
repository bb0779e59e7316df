//! Services that lie, hang or panic: what is believed, and who pays for it.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use order_core::error::{Error, RejectionReason};
use order_core::ids::{Name, ProductId, UserId};
use order_core::manager::{CommandOptions, PlaceOptions, RetryPayment};
use order_core::money::Currency;
use order_core::order::{AttentionReason, OperationState, PaymentTerms, Status};
use order_core::policy::Policy;
use order_core::pricing::{PriceBook, Priced, Pricing, PricingError, PricingRequest};
use order_core::runtime::Runtime;
use order_core::services::{
    AttemptRequest, CallError, FollowUpRequest, InventoryCapabilities, PaymentAnswer,
    PaymentCapabilities, PaymentLookup, PaymentService, Product, ProductService, ServiceName, User,
    UserService,
};
use order_core::testkit::services::{Fault, Method};

use super::world::*;

/// The change that a pricing makes to the price book's answer.
type Spoil = Box<dyn Fn(Priced) -> Result<Priced, PricingError> + Send + Sync>;

/// A price book whose answers are spoilt, late, or never come.
struct Odd {
    book: PriceBook,
    spoil: Spoil,
    late: Option<(Arc<dyn Runtime>, Duration)>,
    asked: Mutex<Vec<PricingRequest>>,
}

fn odd(spoil: impl Fn(Priced) -> Result<Priced, PricingError> + Send + Sync + 'static) -> Odd {
    Odd {
        book: price_book(),
        spoil: Box::new(spoil),
        late: None,
        asked: Mutex::default(),
    }
}

#[async_trait]
impl Pricing for Odd {
    async fn price(&self, request: &PricingRequest) -> Result<Priced, PricingError> {
        self.asked.lock().unwrap().push(request.clone());
        if let Some((runtime, by)) = &self.late {
            runtime.sleep(*by).await;
        }
        (self.spoil)(self.book.price(request).await?)
    }
    async fn terms(&self, method: &Name) -> Result<Option<PaymentTerms>, PricingError> {
        if let Some((runtime, by)) = &self.late {
            runtime.sleep(*by).await;
        }
        self.book.terms(method).await
    }
    fn currency(&self) -> Currency {
        self.book.currency()
    }
}

fn priced_by(pricing: impl Pricing + 'static) -> World {
    World::new().changed(|_| {}, Some(Arc::new(pricing)))
}

#[track_caller]
fn pricing_failed(answer: Result<impl Sized, Error>) -> String {
    match answer {
        Err(Error::Service {
            service: ServiceName::Pricing,
            source,
        }) => source.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was believed"),
    }
}

#[test]
fn prices_that_cannot_be_refuse_the_order_before_it_is_accepted() {
    type Lie = fn(&mut Priced);
    let lies: [(Lie, &str); 6] = [
        (
            |p| p.lines[0].tax = -9000,
            "a tax on line 1 (SKU-1) of -9000: expected 0 to",
        ),
        (
            |p| p.lines[1].coupon = 999_999,
            "a coupon for line 2 (SKU-2) of 999999: expected 0 to 2000",
        ),
        (|p| p.lines.truncate(1), "asked for 2 lines and answered 1"),
        (
            |p| p.shipping = i64::MAX,
            "a price of shipping of 9223372036854775807",
        ),
        (|p| p.shipping = -490, "a price of shipping of -490"),
        (
            |p| p.shipping_tax = i64::MIN,
            "a tax on shipping of -9223372036854775808",
        ),
    ];
    for (lie, said) in lies {
        let world = priced_by(odd(move |mut priced| {
            lie(&mut priced);
            Ok(priced)
        }));
        let message =
            pricing_failed(world.try_place(request(&[1, 2], "CARD"), PlaceOptions::default()));
        assert!(message.contains(said), "{message}");
        let quote = world
            .runtime
            .block_on(world.manager.quote(&operator(), &request(&[1, 2], "CARD")));
        pricing_failed(quote);
        assert_eq!(world.store.commits.load(Ordering::Relaxed), 0);
        assert_eq!(world.books(), (0, 0));
    }
}

#[test]
fn a_pricing_that_hangs_is_given_up_at_the_call_deadline() {
    let world = World::new();
    let late = Some((
        world.runtime.clone() as Arc<dyn Runtime>,
        Duration::from_secs(120),
    ));
    let world = world.changed(|_| {}, Some(Arc::new(Odd { late, ..odd(Ok) })));
    let started = world.runtime.monotonic();
    let message = pricing_failed(world.try_place(request(&[1], "CARD"), PlaceOptions::default()));
    assert!(message.contains("no answer within 5000 ms"), "{message}");
    assert_eq!(world.runtime.monotonic() - started, Duration::from_secs(5));
}

/// A product or user service that can be taken down.
struct Switched<T: ?Sized> {
    is_down: Arc<AtomicBool>,
    inner: Arc<T>,
}

impl<T: ?Sized> Switched<T> {
    fn check(&self) -> Result<(), CallError> {
        if self.is_down.load(Ordering::Relaxed) {
            Err(CallError::not_done("it is down"))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl ProductService for Switched<dyn ProductService> {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        self.check()?;
        self.inner.get(id).await
    }
}

#[async_trait]
impl UserService for Switched<dyn UserService> {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        self.check()?;
        self.inner.get(id).await
    }
}

#[test]
fn a_product_or_user_service_that_is_down_refuses_orders_at_once() {
    for service in [ServiceName::Product, ServiceName::User] {
        let policy = Policy {
            breaker_failures: 2,
            ..Policy::default()
        };
        let is_down = Arc::new(AtomicBool::new(true));
        let world = World::with(InventoryCapabilities::IDEAL, None, policy).changed(
            |clients| match service {
                ServiceName::Product => {
                    clients.product = Arc::new(Switched {
                        is_down: is_down.clone(),
                        inner: clients.product.clone(),
                    });
                }
                _ => {
                    clients.user = Arc::new(Switched {
                        is_down: is_down.clone(),
                        inner: clients.user.clone(),
                    })
                }
            },
            None,
        );
        let place = || world.try_place(request(&[1], "CARD"), PlaceOptions::default());
        let said = || match place().unwrap_err() {
            Error::Service {
                service: named,
                source,
            } if named == service => source.to_string(),
            other => panic!("{other}"),
        };
        assert_eq!([(); 2].map(|()| said()), ["not done: it is down"; 2]);
        is_down.store(false, Ordering::Relaxed);
        assert_eq!(
            said(),
            "not done: it has not answered for a while",
            "it is left alone for its pause"
        );
        world.runtime.advance(Duration::from_secs(5));
        assert_eq!(
            [(); 2].map(|()| place().unwrap().order.statuses.status),
            [Status::Confirmed; 2]
        );
    }
}

#[test]
fn a_pricing_that_is_down_refuses_orders_at_once_and_one_at_a_time_tries_it_out() {
    let policy = Policy {
        breaker_failures: 2,
        ..Policy::default()
    };
    let world = World::with(InventoryCapabilities::IDEAL, None, policy);
    let up = Arc::new(Mutex::new(false));
    let book = {
        let up = up.clone();
        odd(move |priced| {
            if *up.lock().unwrap() {
                Ok(priced)
            } else {
                Err(CallError::not_done("it is down").into())
            }
        })
    };
    let book = Arc::new(book);
    let world = world.changed(|_| {}, Some(book.clone()));
    let place = || world.try_place(request(&[1], "CARD"), PlaceOptions::default());
    let asked = || book.asked.lock().unwrap().len();
    assert!(pricing_failed(place()).contains("it is down"));
    assert!(pricing_failed(place()).contains("it is down"));
    assert!(pricing_failed(place()).contains("it has not answered for a while"));
    assert_eq!(asked(), 2);
    world.runtime.advance(Duration::from_secs(5));
    assert!(pricing_failed(place()).contains("it is down"));
    assert!(pricing_failed(place()).contains("it has not answered for a while"));
    assert_eq!(asked(), 3, "one trial in a pause");
    world.runtime.advance(Duration::from_secs(5));
    *up.lock().unwrap() = true;
    assert_eq!(
        [(); 2].map(|()| place().unwrap().order.statuses.status),
        [Status::Confirmed; 2]
    );
}

#[test]
fn a_refusal_in_words_is_passed_on_and_counts_as_an_answer() {
    let policy = Policy {
        breaker_failures: 1,
        ..Policy::default()
    };
    let world = World::with(InventoryCapabilities::IDEAL, None, policy);
    let refuse = |_| {
        Err(PricingError::invalid(
            "shipping_address.postal_code",
            "we do not deliver there",
        ))
    };
    let world = world.changed(|_| {}, Some(Arc::new(odd(refuse))));
    for _ in 0..3 {
        match world.try_place(request(&[1], "CARD"), PlaceOptions::default()) {
            Err(Error::Invalid(violations)) => {
                assert_eq!(violations[0].problem, "we do not deliver there")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn pricing_is_told_the_whole_address_and_the_product_but_no_log_is() {
    let book = Arc::new(odd(Ok));
    let world = World::new().changed(|_| {}, Some(book.clone()));
    world.place(&[1], "CARD");
    let asked = book.asked.lock().unwrap();
    let [request] = &asked[..] else {
        panic!("asked {} times", asked.len())
    };
    let to = request.to.get().unwrap();
    assert_eq!(
        (
            &*to.postal_code,
            &*to.city,
            request.country(),
            request.state()
        ),
        ("90210", "Springfield", "US", "CA")
    );
    assert_eq!(request.lines[0].product.to_string(), product_id(1));
    assert!(!format!("{request:?}").contains("Springfield"));
}

#[test]
fn a_pricing_that_panics_refuses_the_order() {
    let world = priced_by(odd(|_| panic!("no such rate")));
    let message = pricing_failed(world.try_place(request(&[1], "CARD"), PlaceOptions::default()));
    assert!(
        message.contains("the client panicked: no such rate"),
        "{message}"
    );
}

/// A payment client that dies of whatever it is asked to charge.
struct Panicking(Arc<dyn PaymentService>);

#[async_trait]
impl PaymentService for Panicking {
    fn capabilities(&self) -> PaymentCapabilities {
        self.0.capabilities()
    }
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.0.authorize(request).await
    }
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        panic!("cannot read {}", request.amount)
    }
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.0.capture(request).await
    }
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.0.void(request).await
    }
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.0.refund(request).await
    }
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        self.0.look_up(request).await
    }
}

#[test]
fn a_client_that_panics_spoils_its_own_call_only() {
    let world = World::new();
    let payment = Arc::new(Panicking(world.payment.clone()));
    let world = world.changed(|clients| clients.payment = payment, None);
    let hurried = PlaceOptions {
        wait: Some(Duration::from_secs(1)),
        ..PlaceOptions::default()
    };
    let order = world
        .try_place(request(&[1], "CARD"), hurried)
        .unwrap()
        .order;
    let reservation = world.order(order.id).reservations[0].clone();
    assert!(
        reservation.reference.is_some(),
        "the hold of the same round is recorded: {reservation:?}"
    );
    assert_eq!(
        world.order(order.id).payments[0].state,
        OperationState::Unknown
    );

    // The engine itself is sound: the order is not put aside, and is worked on as after any unknown
    // outcome.
    for _ in 0..20 {
        world.advance(Duration::from_secs(1200));
    }
    let tried = world.order(order.id);
    assert!(
        tried
            .attention
            .iter()
            .all(|a| a.reason != AttentionReason::Parked),
        "{:?}",
        tried.attention
    );
    world.cancel(order.id);
    world.advance(Duration::from_secs(1200));
    assert_eq!(world.order(order.id).statuses.status, Status::Cancelled);
    assert_eq!(
        world.books(),
        (0, 0),
        "nothing is held and nothing was taken"
    );
}

#[test]
fn of_a_crowd_that_comes_when_the_pause_is_over_one_order_is_accepted() {
    let policy = Policy {
        breaker_failures: 1,
        ..Policy::default()
    };
    let world = World::with(InventoryCapabilities::IDEAL, None, policy);
    world
        .payment
        .set(Method::Charge, Some(Fault::UnknownBefore));
    world.payment.set(Method::LookUp, Some(Fault::NotDone));
    let hurried = || PlaceOptions {
        wait: Some(Duration::from_millis(300)),
        ..PlaceOptions::default()
    };
    drop(world.try_place(request(&[1], "CARD"), hurried()).unwrap());
    world.runtime.advance(Duration::from_secs(6));
    let principal = operator();
    let crowd = (0..50).map(|_| {
        world
            .manager
            .place(&principal, request(&[1], "CARD"), hurried())
    });
    let answers = world
        .runtime
        .block_on(futures_util::future::join_all(crowd));
    let down = |answer: &Result<_, Error>| {
        matches!(
            answer,
            Err(Error::Service {
                service: ServiceName::Payment,
                ..
            })
        )
    };
    assert_eq!(answers.iter().filter(|a| down(a)).count(), 49);
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
}

fn retry(
    world: &World,
    order: order_core::ids::OrderId,
    retry: RetryPayment,
) -> Result<Status, Error> {
    let (principal, options) = (operator(), CommandOptions::default());
    let retried = world
        .manager
        .retry_payment(&principal, order.into(), retry, options);
    world
        .runtime
        .block_on(retried)
        .map(|a| a.order.statuses.status)
}

#[test]
fn paying_again_is_checked_like_placing() {
    let world = World::new();
    let order = world.place(&[1], "DECLINED").id;
    let wrong = RetryPayment {
        amount: None,
        method: "CARD".into(),
        token: Some("x".repeat(1001)),
        return_url: Some("javascript:alert(1)".into()),
    };
    match retry(&world, order, wrong) {
        Err(Error::Invalid(violations)) => {
            let fields: Vec<&str> = violations.iter().map(|v| v.field.as_str()).collect();
            assert_eq!(fields, ["payment_token", "return_url"]);
        }
        other => panic!("{other:?}"),
    }
    let shells = RetryPayment {
        method: "SHELLS".into(),
        ..RetryPayment::default()
    };
    assert!(
        matches!(retry(&world, order, shells), Err(Error::Invalid(v)) if v[0].field == "payment_method")
    );

    let card = || RetryPayment {
        method: "CARD".into(),
        ..RetryPayment::default()
    };
    world.suspend("suspended");
    match retry(&world, order, card()) {
        Err(Error::Rejected(r)) => assert_eq!(r.reason, RejectionReason::UserNotActive),
        other => panic!("{other:?}"),
    }
    world.suspend("active");
    assert_eq!(retry(&world, order, card()).unwrap(), Status::Confirmed);
}
