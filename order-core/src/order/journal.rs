//! The journal: an order's events as rows, numbered 1..n, append-only. The plan's
//! `order_status_history` grown up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, Status};
use crate::ids::{ChangesetId, IdempotencyKey, OrderId, ParseIdError, UserId};
use crate::time::Timestamp;

/// The format that new payloads are written in. Every released format is read for ever.
pub const JOURNAL_FORMAT: u32 = 1;

/// One row of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The order.
    pub order: OrderId,
    /// 1, 2, … within the order, without gaps.
    pub seq: u64,
    /// The event.
    pub event: Event,
    /// The plan's status before; none for the first row.
    pub from: Option<Status>,
    /// The plan's status after.
    pub to: Status,
    /// The actor.
    pub actor: Actor,
    /// By what it came about, such as `place`, `callback`, `worker`.
    pub cause: String,
    /// The text that a person wrote. Personal: not part of the event.
    pub notes: Option<String>,
    /// The key that makes the command which wrote it safe to repeat.
    pub command_key: Option<CommandKey>,
    /// The changeset that wrote it.
    pub changeset: ChangesetId,
    /// The time of the event. Never earlier than the row before.
    pub at: Timestamp,
}

/// The key that a command was given under, unique within the order, and what it was given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandKey {
    /// The key.
    pub key: IdempotencyKey,
    /// A hash of the command and what was written about it, so that another one under the same key
    /// is noticed. Nothing that went into it can be read from it.
    pub hash: Uuid,
}

/// The actor: `user:<uuid>`, `operator:<name>`, `service:<name>` or `system`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// The customer.
    User(UserId),
    /// A person who runs the shop.
    Operator(String),
    /// Another service, such as a payment provider.
    Service(String),
    /// The engine itself: a timer, a worker.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User(id) => write!(f, "user:{id}"),
            Actor::Operator(name) => write!(f, "operator:{name}"),
            Actor::Service(name) => write!(f, "service:{name}"),
            Actor::System => f.write_str("system"),
        }
    }
}

impl FromStr for Actor {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        match s.split_once(':') {
            Some(("user", id)) => id.parse().map(Actor::User),
            Some(("operator", name)) => Ok(Actor::Operator(name.into())),
            Some(("service", name)) => Ok(Actor::Service(name.into())),
            None if s == "system" => Ok(Actor::System),
            _ => Err(ParseIdError::new(
                "actor",
                s,
                "expected user:<uuid>, operator:<name>, service:<name> or system",
            )),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = ParseIdError;
    fn try_from(s: String) -> Result<Self, ParseIdError> {
        s.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> String {
        actor.to_string()
    }
}

/// A journal payload that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer version.
    #[error("journal format {0} is newer than this program reads ({JOURNAL_FORMAT}): upgrade it")]
    NewerFormat(u32),
    /// Not what was written.
    #[error("journal payload is damaged")]
    Damaged(#[source] serde_json::Error),
}

#[derive(Serialize)]
struct Out<'a> {
    format: u32,
    event: &'a Event,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Deserialize)]
struct In {
    event: Event,
}

/// The event as the journal keeps it: JSON with a format number and without personal data.
pub fn encode_event(event: &Event) -> String {
    // An event holds no map with non-text keys and no failing Serialize, the two ways this could
    // fail.
    serde_json::to_string(&Out {
        format: JOURNAL_FORMAT,
        event,
    })
    .unwrap_or_default()
}

/// Reads what [`encode_event`] of this or any earlier release wrote.
pub fn decode_event(payload: &str) -> Result<Event, DecodeError> {
    let Format { format } = serde_json::from_str(payload).map_err(DecodeError::Damaged)?;
    match format {
        0..=JOURNAL_FORMAT => serde_json::from_str::<In>(payload)
            .map(|i| i.event)
            .map_err(DecodeError::Damaged),
        newer => Err(DecodeError::NewerFormat(newer)),
    }
}

/// Reads the event alone, written in `format`, which stands beside it.
pub(crate) fn decode_event_of(format: u32, event: &str) -> Result<Event, DecodeError> {
    match format {
        0..=JOURNAL_FORMAT => serde_json::from_str(event).map_err(DecodeError::Damaged),
        newer => Err(DecodeError::NewerFormat(newer)),
    }
}
