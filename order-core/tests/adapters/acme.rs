//! An adapter for a card processor that honours keys for a day, and its tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_core::manager::{CommandOptions, PlaceOptions};
use order_core::money::Money;
use order_core::order::{Lifecycle, OperationState, PaymentOperation};
use order_core::rules::{Command, Purpose, key};
use order_core::runtime::virtual_time::VirtualRuntime;
use order_core::services::*;
use order_core::testkit::World;
use order_core::testkit::service_conformance::{Means, PaymentFactory, Sandbox};
use order_core::testkit::services::Outcome;
use serde_json::{Value, json};
use uuid::Uuid;

use super::provider::{Fault, Http, HttpError};

// The adapter, as docs/adapters.md shows it.
/// Acme's card processor.
pub struct Acme {
    http: Http,
}

impl Acme {
    async fn call(
        &self,
        path: &str,
        key: Uuid,
        deadline: &CallDeadline,
        body: Value,
    ) -> Result<PaymentAnswer, CallError> {
        deadline.check()?;
        let response = match self.http.post(path, key, body).await {
            Ok(response) => response,
            Err(HttpError::NotSent) => return Err(CallError::not_done("no connection to Acme")),
            Err(HttpError::Lost) => return Err(CallError::unknown("no answer from Acme")),
        };
        let body: Value = serde_json::from_str(&response.body).unwrap_or_default();
        let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        match response.status {
            200 => {
                let unreadable = || {
                    CallError::malformed(format!(
                        "Acme answered {path} with 200 and a body that makes no sense"
                    ))
                };
                let currency = text(&body["currency"]).parse().map_err(|_| unreadable())?;
                let amount = Money::new(body["amount"].as_i64().ok_or_else(unreadable)?, currency);
                let status = match body["status"].as_str() {
                    Some("authorized") => OperationState::Authorized,
                    Some("captured") => OperationState::Captured,
                    Some("refunded") => OperationState::Refunded,
                    Some("canceled") => OperationState::Voided,
                    _ => return Err(unreadable()),
                };
                Ok(PaymentAnswer::new(status, text(&body["id"]), amount))
            }
            402 => {
                Ok(PaymentAnswer::declined(text(&body["error"]["code"]))
                    .reference(text(&body["id"])))
            }
            status => Err(CallError::of_http(status, text(&body["error"]["code"]))),
        }
    }

    async fn pay(&self, r: &AttemptRequest, capture: bool) -> Result<PaymentAnswer, CallError> {
        let (amount, currency) = (r.amount.minor, r.amount.currency.code());
        let body = json!({ "amount": amount, "currency": currency, "token": r.token.get(), "capture": capture,
            "description": r.number.to_string(), "metadata": { "order": r.order.to_string() } });
        self.call("/payments", r.key, &r.deadline, body).await
    }

    async fn follow(&self, r: &FollowUpRequest, verb: &str) -> Result<PaymentAnswer, CallError> {
        let Some(parent) = &r.parent_reference else {
            return Err(CallError::refused("no_reference"));
        };
        self.call(
            &format!("/payments/{parent}/{verb}"),
            r.key,
            &r.deadline,
            json!({ "amount": r.amount.minor }),
        )
        .await
    }
}

#[async_trait]
impl PaymentService for Acme {
    fn capabilities(&self) -> PaymentCapabilities {
        PaymentCapabilities::KEYS_FOR_A_DAY
    }
    async fn authorize(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.pay(r, false).await
    }
    async fn charge(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.pay(r, true).await
    }
    async fn capture(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.follow(r, "capture").await
    }
    async fn void(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.follow(r, "cancel").await
    }
    async fn refund(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.follow(r, "refund").await
    }
    async fn look_up(&self, _: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        Err(CallError::not_done("Acme finds no payment by our key"))
    }
}
// The end of the adapter.

// Its tests, as docs/adapters.md shows them.
/// Acme's mock server.
#[derive(Default)]
struct Mock(Http);

impl Sandbox for Mock {
    async fn lose_next_answer(&self) -> bool {
        self.0.fail_next(Fault::LoseAnswer);
        true
    }
    async fn refuse_next_connection(&self) -> bool {
        self.0.fail_next(Fault::RefuseConnection);
        true
    }
    async fn answer_next(&self, status: u16, body: &str) -> bool {
        self.0.fail_next(Fault::Answer(status, body.to_owned()));
        true
    }
    async fn pass(&self, time: Duration) -> bool {
        self.0.pass(time);
        true
    }
}

impl PaymentFactory for Mock {
    type Service = Acme;
    async fn fresh(&self) -> Acme {
        Acme {
            http: self.0.clone(),
        }
    }
    fn means(&self, wanted: Outcome) -> Option<Means> {
        let token = match wanted {
            Outcome::Approve => "tok_approved",
            Outcome::Decline => "tok_declined",
            Outcome::Pending | Outcome::ActionRequired => return None,
        };
        Some(Means {
            method: "CARD".parse().ok()?,
            token: Some(token.to_owned()).into(),
        })
    }
    async fn books(&self, key: Uuid) -> Option<Vec<Money>> {
        let booked = self.0.booked(key).into_iter();
        booked
            .map(|(minor, currency)| Some(Money::new(minor, currency.parse().ok()?)))
            .collect()
    }
}

order_core::payment_conformance_tests!(Mock::default(), without [look_up, capture_window, pending, action_required]);
// The end of its tests.

/// The adapter in an engine, which it loses an answer to.
#[test]
fn an_order_is_paid_and_refunded_once_through_the_adapter() {
    let runtime = VirtualRuntime::new();
    let http = Http::default();
    let acme = Arc::new(Acme { http: http.clone() });
    let world = World::on(&runtime).payment(acme).build();
    let mut request = world.request(2, "CARD");
    request.payment_token = Some("tok_approved".into());
    http.fail_next(Fault::LoseAnswer);
    let (manager, customer) = (&world.manager, world.customer());
    let placing = manager.place(&customer, request, PlaceOptions::default());
    let order = runtime.block_on(placing).unwrap().order;
    assert_eq!(
        (order.lifecycle, order.kept()),
        (Lifecycle::Confirmed, 2490)
    );
    let cancelling = manager.execute(
        &customer,
        order.id.into(),
        Command::Cancel,
        CommandOptions::default(),
    );
    runtime.block_on(cancelling).unwrap();
    let order = world
        .store
        .inspect(order.id, |order, _, _| order.clone())
        .unwrap();
    assert_eq!((order.lifecycle, order.kept()), (Lifecycle::Cancelled, 0));
    let key = |p: &PaymentOperation| key(order.id, Purpose::Payment, p.n);
    let moved: Vec<_> = order
        .payments
        .iter()
        .flat_map(|p| http.booked(key(p)))
        .collect();
    let usd = |minor| (minor, "USD".to_owned());
    assert_eq!(
        moved,
        [usd(2490), usd(2490)],
        "what was taken, and what went back"
    );
}
