//! The words of the engine on itself to `tracing`, and to whoever asks for its health.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_core::ids::OrderId;
use order_core::manager::{CommandOptions, PlaceOptions, RetryPayment, WorkerOptions};
use order_core::order::{AddressType, Order, Status};
use order_core::policy::Policy;
use order_core::request::{AddressInput, EditRequest, PlaceRequest};
use order_core::rules::Command;
use order_core::runtime::Runtime;
use order_core::services::{InventoryCapabilities, ServiceName, User};
use order_core::testkit::services::{Fault, Method};
use order_core::text::Private;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, subscriber};

use super::world::*;

const SECOND: Duration = Duration::from_secs(1);

/// Whatever must not be said contains it.
const SECRET: &str = "SECRET";

/// Everything that is said, spans and their fields included, at every level.
#[derive(Clone, Default)]
struct Heard {
    lines: Arc<Mutex<Vec<(Level, String)>>>,
    spans: Arc<AtomicU64>,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Heard {
    fn hear(&self, metadata: &Metadata<'_>, Text(text): Text) {
        let line = format!("{}{text}", metadata.name());
        self.lines.lock().unwrap().push((*metadata.level(), line));
    }

    /// The number of times that something was said at a level.
    fn count(&self, level: Level, text: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        let said = |(l, line): &&(Level, String)| *l == level && line.contains(text);
        lines.iter().filter(said).count()
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(String::new());
        span.record(&mut text);
        self.hear(span.metadata(), text);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut text = Text(String::new());
        values.record(&mut text);
        self.lines.lock().unwrap().push((Level::TRACE, text.0));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.hear(event.metadata(), text);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The events that are said while something happens.
fn heard(happens: impl FnOnce()) -> Heard {
    let heard = Heard::default();
    subscriber::with_default(heard.clone(), happens);
    heard
}

fn secret_address() -> AddressInput {
    AddressInput {
        address_line1: "1 SECRET Street".into(),
        address_line2: Some("SECRET floor".into()),
        first_name: "SECRET".into(),
        last_name: "SECRET".into(),
        city: "SECRET".into(),
        postal_code: "SECRET".into(),
        phone: Some("+1 555 0142".into()),
        email: Some("SECRET@example.com".into()),
        ..request(&[1], "CARD").shipping_address.unwrap()
    }
}

/// An order that carries something private wherever it can.
fn secret_request(method: &str) -> PlaceRequest {
    PlaceRequest {
        shipping_address: Some(secret_address()),
        billing_address: Some(secret_address()),
        notes: Some("SECRET wish".into()),
        payment_token: Some("tok_SECRET".into()),
        return_url: Some("https://shop.example/SECRET".into()),
        metadata: [("crm".to_owned(), "SECRET".to_owned())].into(),
        ..request(&[1], method)
    }
}

fn discreet_world() -> World {
    let policy = Policy {
        breaker_failures: 2,
        tries_before_attention: 2,
        ..Policy::default()
    };
    let world = World::with(InventoryCapabilities::IDEAL, None, policy);
    world.catalogue.put_user(User {
        id: USER.parse().unwrap(),
        email: "SECRET@example.com".into(),
        account_status: "active".into(),
    });
    world
}

impl World {
    fn place_secretly(&self, method: &str) -> Arc<Order> {
        let wait = PlaceOptions::default().with_wait(SECOND);
        self.try_place(secret_request(method), wait).unwrap().order
    }

    fn does_with(&self, order: OrderId, command: Command, notes: &str) {
        let (operator, options) = (operator(), CommandOptions::default().with_notes(notes));
        let done = self
            .manager
            .execute(&operator, order.into(), command, options);
        self.runtime.block_on(done).unwrap();
    }
}

#[test]
fn nothing_personal_is_said_at_any_level() {
    let heard = heard(|| {
        let world = discreet_world();
        world.inventory.push(Method::Reserve, Fault::NotDone);
        world.payment.push(Method::Charge, Fault::UnknownAfter);
        let paid = world.place_secretly("CARD");
        world.advance(60 * SECOND);
        world.does_with(paid.id, Command::Note, "SECRET note");
        let which = AddressType::Shipping;
        let address = Private(Some(secret_address().validate(which).unwrap()));
        world.does_with(paid.id, Command::ChangeAddress { which, address }, "SECRET");
        let metadata = Command::SetMetadata {
            key: "erp".parse().unwrap(),
            value: Private(Some("SECRET".into())),
        };
        world.does_with(paid.id, metadata, "SECRET");
        let more = EditRequest {
            add: request(&[2], "CARD").items,
            shipping_address: Some(secret_address()),
            payment_token: Some("tok_SECRET".into()),
            return_url: Some("https://shop.example/SECRET".into()),
            ..EditRequest::default()
        };
        let (principal, options) = (operator(), CommandOptions::default());
        let edited = world
            .manager
            .edit(&principal, paid.id.into(), more, options.clone());
        world.runtime.block_on(edited).unwrap();
        world.does_with(paid.id, Command::Cancel, "SECRET reason");
        world.advance(60 * SECOND);

        let asked = world.place_secretly("ACTION");
        assert_eq!(asked.statuses.status, Status::Pending);
        let declined = world.place_secretly("DECLINED");
        let again = RetryPayment {
            method: "CARD".into(),
            token: Some("tok_SECRET".into()),
            return_url: Some("https://shop.example/SECRET".into()),
            ..RetryPayment::default()
        };
        let retried = world
            .manager
            .retry_payment(&principal, declined.id.into(), again, options);
        world.runtime.block_on(retried).unwrap();

        world.set_trouble(Trouble::LeasesLost);
        world.place_secretly("CARD");
        world.set_trouble(Trouble::NoWorkersCommits);
        world.place_secretly("CARD");
        world.runtime.advance(30 * SECOND);
        world.set_trouble(Trouble::None);
        world.advance(3600 * SECOND);
        world.does_with(paid.id, Command::Redact, "");
    });
    let lines = heard.lines.lock().unwrap();
    assert!(lines.len() > 100, "it says something: {}", lines.len());
    for (level, line) in lines.iter() {
        // The test's provider sends customers to pay.example.
        let told = [SECRET, "555 0142", "pay.example", "shop.example"];
        assert!(
            told.iter().all(|private| !line.contains(private)),
            "{level} {line}"
        );
    }
}

#[test]
fn an_orders_life_is_told_at_info_and_its_calls_below() {
    let world = World::new();
    let heard = heard(|| {
        world.place(&[1, 2], "CARD");
        world.place(&[1], "DECLINED");
        world.work();
    });
    assert_eq!(heard.count(Level::INFO, "order accepted"), 2);
    assert_eq!(heard.count(Level::INFO, "order decided"), 2);
    assert_eq!(heard.count(Level::INFO, "status=CONFIRMED"), 1);
    assert_eq!(heard.count(Level::INFO, ""), 4, "and nothing else");
    assert_eq!(
        heard.count(Level::WARN, "") + heard.count(Level::ERROR, ""),
        0
    );
    assert_eq!(heard.count(Level::DEBUG, "method=\"reserve\""), 3);
    assert_eq!(heard.count(Level::DEBUG, "method=\"charge\""), 2);
    assert_eq!(heard.count(Level::DEBUG, "method=\"notify\""), 2);
}

#[test]
fn what_goes_wrong_is_told_as_a_warning() {
    let world = discreet_world();
    let heard = heard(|| {
        world.payment.push(Method::Charge, Fault::UnknownBefore);
        world.inventory.push(Method::Reserve, Fault::NotDone);
        world.place_secretly("CARD");
        world.advance(60 * SECOND);
    });
    assert_eq!(heard.count(Level::WARN, "outcome unknown"), 1);
    assert_eq!(heard.count(Level::WARN, "call not done, to be repeated"), 1);

    let heard = self::heard(|| {
        world.payment.set(Method::Charge, Some(Fault::NotDone));
        world.place_secretly("CARD");
        world.advance(60 * SECOND);
        world.payment.clear();
        world.advance(1200 * SECOND);
    });
    assert_eq!(heard.count(Level::WARN, "service counts as down"), 1);
    assert_eq!(heard.count(Level::INFO, "service answers again"), 1);
    assert_eq!(heard.count(Level::INFO, "reason=RETRIES_EXHAUSTED"), 1);

    let heard = self::heard(|| {
        world.set_trouble(Trouble::LeasesLost);
        world.place_secretly("CARD");
        world.set_trouble(Trouble::None);
        world.advance(60 * SECOND);
    });
    assert_eq!(heard.count(Level::WARN, "lease lost"), 1);
    assert_eq!(heard.count(Level::WARN, "order taken over"), 1);
}

#[test]
fn a_store_that_fails_a_worker_is_told_to_its_hook_and_shows_in_its_health() {
    let world = World::new();
    let health = || world.runtime.block_on(world.manager.health());
    assert!(health().can_place());
    assert_eq!(health().worker_idle_for, None, "no worker has run");

    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let work = |seconds: u32| {
        let hook = Arc::clone(&told);
        let options = WorkerOptions::default()
            .on_error(move |trouble| hook.lock().unwrap().push(trouble.to_string()));
        let stop = world.runtime.sleep(seconds * SECOND);
        let worked = world.manager.run_worker(options, stop);
        world.runtime.block_on(worked);
    };
    world.set_trouble(Trouble::NoLeases);
    let failing = heard(|| work(10));
    let said = std::mem::take(&mut *told.lock().unwrap());
    assert!(
        said.len() > 10
            && said
                .iter()
                .all(|s| s == "the store cannot be asked for work: down"),
        "{said:?}"
    );
    assert_eq!(
        failing.count(Level::ERROR, "the store cannot be asked for work"),
        1,
        "of what fails again and again it is said once"
    );
    assert_eq!(health().worker_idle_for, None);

    world.set_trouble(Trouble::NoWorkersCommits);
    let order = world.place(&[1], "CARD");
    told.lock().unwrap().clear();
    world.runtime.advance(60 * SECOND);
    let failing = heard(|| work(60));
    let said = std::mem::take(&mut *told.lock().unwrap());
    let expected = format!("the store failed while order {} was worked: down", order.id);
    assert!(
        !said.is_empty() && said.iter().all(|s| *s == expected),
        "{said:?}"
    );
    assert!(failing.count(Level::ERROR, "the store failed a worker") > 0);
    assert!(failing.count(Level::WARN, "commit to be repeated") > 0);
    world.set_trouble(Trouble::None);
    world.advance(10 * SECOND);
    assert!(
        health()
            .worker_idle_for
            .is_some_and(|idle| idle >= 10 * SECOND)
    );
}

#[test]
fn a_service_that_counts_as_down_shows_in_the_health() {
    let world = discreet_world();
    world.payment.set(Method::Charge, Some(Fault::NotDone));
    world.place_secretly("CARD");
    let health = world.runtime.block_on(world.manager.health());
    assert_eq!(health.down, [ServiceName::Payment]);
    assert!(health.store.is_ok() && !health.can_place());
}
