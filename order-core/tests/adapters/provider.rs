//! A card processor that speaks HTTP, without the wire: what a mock server would do.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

/// The reason why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpError {
    /// No connection came about.
    NotSent,
    /// The connection broke, or the time was over, after the request was sent.
    Lost,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// The fate of the next request.
#[derive(Debug)]
pub enum Fault {
    LoseAnswer,
    RefuseConnection,
    Answer(u16, String),
}

/// A payment, capture or refund in the processor's books.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Uuid,
    pub id: String,
    pub status: &'static str,
    pub amount: i64,
    pub currency: String,
    captured: i64,
    refunded: i64,
}

/// A connection to the processor, whose keys live for a day.
#[derive(Clone, Default)]
pub struct Http(Arc<Mutex<Processor>>);

#[derive(Default)]
struct Processor {
    now: Duration,
    fault: Option<Fault>,
    entries: Vec<Entry>,
    keys: HashMap<Uuid, (Duration, String, Response)>,
}

impl Http {
    pub async fn post(&self, path: &str, key: Uuid, body: Value) -> Result<Response, HttpError> {
        wait().await;
        let fault = self.0.lock().unwrap().fault.take();
        match fault {
            Some(Fault::RefuseConnection) => Err(HttpError::NotSent),
            Some(Fault::Answer(status, body)) => Ok(Response { status, body }),
            fault => {
                let response = self.0.lock().unwrap().handle(path, key, &body);
                wait().await;
                if fault.is_some() {
                    Err(HttpError::Lost)
                } else {
                    Ok(response)
                }
            }
        }
    }

    pub fn fail_next(&self, fault: Fault) {
        self.0.lock().unwrap().fault = Some(fault);
    }

    pub fn pass(&self, time: Duration) {
        self.0.lock().unwrap().now += time;
    }

    pub fn booked(&self, key: Uuid) -> Vec<(i64, String)> {
        let processor = self.0.lock().unwrap();
        let moved = processor
            .entries
            .iter()
            .filter(|e| e.key == key && e.status != "declined");
        moved.map(|e| (e.amount, e.currency.clone())).collect()
    }
}

/// Gives way once, as a socket does.
async fn wait() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Processor {
    fn handle(&mut self, path: &str, key: Uuid, body: &Value) -> Response {
        let asked = format!("{path} {body}");
        if let Some((since, first, response)) = self
            .keys
            .get(&key)
            .filter(|(since, ..)| *since + DAY > self.now)
        {
            let _ = since;
            return if *first == asked {
                response.clone()
            } else {
                error(400, "idempotency_key_reused")
            };
        }
        let response = self.carry_out(path, key, body);
        self.keys.insert(key, (self.now, asked, response.clone()));
        response
    }

    fn carry_out(&mut self, path: &str, key: Uuid, body: &Value) -> Response {
        let amount = body["amount"].as_i64().unwrap_or_default();
        let mut parts = path
            .trim_start_matches("/payments")
            .trim_start_matches('/')
            .split('/');
        let id = parts.next().unwrap_or_default().to_owned();
        let Some(verb) = parts.next() else {
            let status = match (body["token"].as_str(), body["capture"].as_bool()) {
                (Some("tok_declined"), _) => "declined",
                (_, Some(true)) => "captured",
                _ => "authorized",
            };
            let currency = body["currency"].as_str().unwrap_or_default().to_owned();
            let entry = self.enter(key, "pay", status, amount, currency);
            return if status == "declined" {
                declined(&entry)
            } else {
                ok(&entry)
            };
        };
        let Some(i) = self.entries.iter().position(|e| e.id == id) else {
            return error(404, "no_such_payment");
        };
        let parent = self.entries[i].clone();
        match (verb, parent.status) {
            ("capture", "authorized") if amount <= parent.amount - parent.captured => {
                self.entries[i].captured += amount;
                ok(&self.enter(key, "cap", "captured", amount, parent.currency))
            }
            ("refund", "captured") if amount <= parent.amount - parent.refunded => {
                self.entries[i].refunded += amount;
                ok(&self.enter(key, "ref", "refunded", amount, parent.currency))
            }
            ("cancel", "authorized") if parent.captured < parent.amount => {
                self.entries[i].status = "canceled";
                ok(&self.entries[i])
            }
            ("capture" | "refund", "authorized" | "captured") => error(422, "amount_too_large"),
            _ => error(422, "wrong_state"),
        }
    }

    fn enter(
        &mut self,
        key: Uuid,
        kind: &str,
        status: &'static str,
        amount: i64,
        currency: String,
    ) -> Entry {
        let id = format!("{kind}_{}", self.entries.len());
        let entry = Entry {
            key,
            id,
            status,
            amount,
            currency,
            captured: 0,
            refunded: 0,
        };
        self.entries.push(entry.clone());
        entry
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn ok(entry: &Entry) -> Response {
    let body = json!({ "id": entry.id, "status": entry.status, "amount": entry.amount, "currency": entry.currency });
    Response {
        status: 200,
        body: body.to_string(),
    }
}

fn declined(entry: &Entry) -> Response {
    Response {
        status: 402,
        body: json!({ "id": entry.id, "error": { "code": "card_declined" } }).to_string(),
    }
}

fn error(status: u16, code: &str) -> Response {
    Response {
        status,
        body: json!({ "error": { "code": code } }).to_string(),
    }
}
