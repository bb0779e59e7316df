//! The payment desk: attempts whose outcome the payment method decides, and what follows them.

use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::{Name, OrderId};
use order_core::money::Money;
use order_core::order::{CustomerAction, OperationKind, OperationState};
use order_core::services::{
    AttemptRequest, CallError, FollowUpRequest, PaymentAnswer, PaymentCapabilities, PaymentLookup,
    PaymentService,
};
use order_core::text::Private;
use order_core::time::Timestamp;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::Shop;
use super::catalogue::Outcome;
use super::error::Failure;
use super::rows::{execute, find, optional_text, optional_time, order_id, text, uuid};

/// For how long a customer or the desk's owner is waited for, as the answers say. The desk itself
/// waits for ever.
const WAIT: Duration = Duration::from_secs(30 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer of the desk, or why the transaction failed.
type Answer = Result<Result<PaymentAnswer, CallError>, Failure>;

/// A row of the desk's ledger. Amounts are minor units of the currency of `amount`.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) key: Uuid,
    pub(super) order: OrderId,
    pub(super) kind: OperationKind,
    pub(super) parent: Option<Uuid>,
    pub(super) method: Option<Name>,
    pub(super) amount: Money,
    pub(super) status: OperationState,
    pub(super) code: Option<String>,
    pub(super) captured: i64,
    pub(super) refunded: i64,
    pub(super) created_at: Timestamp,
    /// Of an authorization: when it can no longer be captured, if ever.
    pub(super) capture_before: Option<Timestamp>,
}

pub(super) const COLUMNS: &str = "key, order_id, kind, parent, method, amount, currency, status, code, captured, refunded, created_at, capture_before";

impl Operation {
    pub(super) fn read(r: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Operation {
            key: uuid(r, 0)?,
            order: order_id(r, 1)?,
            kind: text(r, 2)?,
            parent: r.get::<_, Option<[u8; 16]>>(3)?.map(Uuid::from_bytes),
            method: optional_text(r, 4)?,
            amount: Money::new(r.get(5)?, text(r, 6)?),
            status: text(r, 7)?,
            code: r.get(8)?,
            captured: r.get(9)?,
            refunded: r.get(10)?,
            created_at: Timestamp::from_micros(r.get(11)?),
            capture_before: optional_time(r, 12)?,
        })
    }

    /// The desk's name for it: derived, so that it is unique because the key is.
    pub(super) fn reference(&self) -> String {
        format!("pay_{}", self.key.simple())
    }

    fn answer(&self, now: Timestamp) -> PaymentAnswer {
        let waits = matches!(
            self.status,
            OperationState::Pending | OperationState::ActionRequired
        );
        let action = || CustomerAction {
            url: format!("https://pay.example/act/{}", self.key),
            data: None,
        };
        let mut answer = PaymentAnswer::new(self.status, self.reference(), self.amount);
        answer.code.clone_from(&self.code);
        answer.wait = waits.then(|| self.created_at.after(WAIT).since(now));
        answer.action = Private((self.status == OperationState::ActionRequired).then(action));
        answer.capture_within = self
            .capture_before
            .filter(|_| self.status == OperationState::Authorized)
            .map(|t| t.since(now));
        answer
    }

    /// The answer to a call, the first time and every other: what failed was refused.
    fn reply(self, now: Timestamp) -> Result<PaymentAnswer, CallError> {
        match self.status {
            OperationState::Failed => Err(CallError::refused(self.code.unwrap_or_default())),
            _ => Ok(self.answer(now)),
        }
    }
}

/// The operation under `key`.
pub(super) fn operation(db: &Connection, key: Uuid) -> rusqlite::Result<Option<Operation>> {
    let sql = format!("SELECT {COLUMNS} FROM payments WHERE key = ?1");
    find(db, &sql, [key.as_bytes()], Operation::read)
}

/// The void that came before the attempt it gives up.
fn early_void(
    db: &Connection,
    parent: Uuid,
    order: OrderId,
) -> rusqlite::Result<Option<Operation>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM payments WHERE parent = ?1 AND order_id = ?2 AND kind = 'VOID' AND status = 'VOIDED' LIMIT 1"
    );
    find(
        db,
        &sql,
        params![parent.as_bytes(), order.as_bytes()],
        Operation::read,
    )
}

fn insert(db: &Connection, op: &Operation) -> rusqlite::Result<()> {
    let sql = "INSERT INTO payments
                   (key, order_id, kind, parent, method, amount, currency, status, code, captured, refunded, created_at, updated_at,
                    capture_before)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13)";
    let (key, order, parent) = (
        op.key.as_bytes(),
        op.order.as_bytes(),
        op.parent.as_ref().map(Uuid::as_bytes),
    );
    let (kind, status, method) = (
        op.kind.as_str(),
        op.status.as_str(),
        op.method.as_ref().map(Name::as_str),
    );
    let (amount, currency, created) = (
        op.amount.minor,
        op.amount.currency.code(),
        op.created_at.as_micros(),
    );
    let (counted, until) = (
        (op.captured, op.refunded),
        op.capture_before.map(|t| t.as_micros()),
    );
    let row = params![
        key, order, kind, parent, method, amount, currency, status, op.code, counted.0, counted.1,
        created, until
    ];
    execute(db, sql, row).map(drop)
}

/// Writes what became of an attempt.
fn set_status(
    db: &Connection,
    key: Uuid,
    status: OperationState,
    code: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE payments SET status = ?2, code = ?3, updated_at = ?4 WHERE key = ?1";
    execute(
        db,
        sql,
        params![key.as_bytes(), status.as_str(), code, now.as_micros()],
    )
    .map(drop)
}

/// The time until which an authorization that is approved `now` can be captured, if its method
/// limits that.
fn capture_before(
    db: &Connection,
    method: &Name,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT capture_within_days FROM payment_methods WHERE method = ?1";
    let days: Option<u32> = find(db, sql, [method.as_str()], |r| r.get(0))?.flatten();
    Ok(days.map(|days| now.after(DAY * days)))
}

/// Writes down that the pending or action-required attempt `op` has ended so, and does it.
pub(super) fn end(
    db: &Connection,
    op: &mut Operation,
    status: OperationState,
    code: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    (op.status, op.code) = (status, code.map(Into::into));
    set_status(db, op.key, status, code, now)?;
    if let (OperationState::Authorized, Some(method)) = (status, &op.method) {
        op.capture_before = capture_before(db, method, now)?;
        let sql = "UPDATE payments SET capture_before = ?2 WHERE key = ?1";
        execute(
            db,
            sql,
            params![op.key.as_bytes(), op.capture_before.map(|t| t.as_micros())],
        )?;
    }
    Ok(())
}

/// Returns the state of an attempt of this kind once it is approved.
pub(super) const fn approved(kind: OperationKind) -> OperationState {
    match kind {
        OperationKind::Authorize => OperationState::Authorized,
        OperationKind::Charge | OperationKind::Capture => OperationState::Captured,
        OperationKind::Void => OperationState::Voided,
        OperationKind::Refund => OperationState::Refunded,
    }
}

fn attempt(
    db: &Connection,
    kind: OperationKind,
    request: &AttemptRequest,
    now: Timestamp,
) -> Answer {
    let AttemptRequest {
        key,
        order,
        number: _,
        user: _,
        amount,
        method,
        token: _,
        return_url: _,
        shipping: _,
        billing: _,
        deadline: _,
    } = request;
    if amount.minor <= 0 {
        return Ok(Err(CallError::refused("AMOUNT_INVALID")));
    }
    if let Some(op) = operation(db, *key)? {
        let same = op.order == *order
            && op.kind == kind
            && op.amount == *amount
            && op.method.as_ref() == Some(method);
        return Ok(if same {
            op.reply(now)
        } else {
            Err(CallError::refused("KEY_REUSED"))
        });
    }
    let mut op = Operation {
        key: *key,
        order: *order,
        kind,
        parent: None,
        method: Some(method.clone()),
        amount: *amount,
        status: OperationState::Failed,
        code: None,
        captured: 0,
        refunded: 0,
        created_at: now,
        capture_before: None,
    };
    let find_outcome = "SELECT outcome FROM payment_methods WHERE method = ?1";
    let outcome: Option<Outcome> = find(db, find_outcome, [method.as_str()], |r| text(r, 0))?;
    let mut answer_lost = false;
    op.status = match outcome {
        _ if early_void(db, *key, *order)?.is_some() => OperationState::Voided,
        None => {
            op.code = Some("UNKNOWN_METHOD".into());
            OperationState::Failed
        }
        Some(Outcome::Approve) => approved(kind),
        Some(Outcome::Decline) => {
            op.code = Some("CARD_DECLINED".into());
            OperationState::Declined
        }
        Some(Outcome::Pending) => OperationState::Pending,
        Some(Outcome::ActionRequired) => OperationState::ActionRequired,
        Some(Outcome::TimeoutDone) => {
            answer_lost = is_first(db, *order)?;
            approved(kind)
        }
        Some(Outcome::TimeoutLost) => {
            if is_first(db, *order)? {
                let sql = "INSERT INTO lost_attempts (order_id, key) VALUES (?1, ?2)";
                execute(db, sql, params![order.as_bytes(), key.as_bytes()])?;
                return Ok(Err(CallError::unknown("the payment desk did not answer")));
            }
            approved(kind)
        }
    };
    if op.status == OperationState::Authorized {
        op.capture_before = capture_before(db, method, now)?;
    }
    insert(db, &op)?;
    if answer_lost {
        return Ok(Err(CallError::unknown("the payment desk did not answer")));
    }
    Ok(op.reply(now))
}

/// Returns whether the order never asked the desk for money before.
fn is_first(db: &Connection, order: OrderId) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM payments WHERE order_id = ?1 AND parent IS NULL)
                   OR EXISTS (SELECT 1 FROM lost_attempts WHERE order_id = ?1)";
    let asked = find(db, sql, [order.as_bytes()], |r| r.get::<_, bool>(0))?;
    Ok(asked == Some(false))
}

fn follow_up(
    db: &Connection,
    kind: OperationKind,
    request: &FollowUpRequest,
    now: Timestamp,
) -> Answer {
    let FollowUpRequest {
        key,
        order,
        number: _,
        parent_key,
        parent_reference: _,
        amount,
        repeat: _,
        deadline: _,
    } = request;
    if amount.minor <= 0 {
        return Ok(Err(CallError::refused("AMOUNT_INVALID")));
    }
    if let Some(op) = operation(db, *key)? {
        let same = op.order == *order
            && op.kind == kind
            && op.amount == *amount
            && op.parent == Some(*parent_key);
        return Ok(if same {
            op.reply(now)
        } else {
            Err(CallError::refused("KEY_REUSED"))
        });
    }
    let parent = operation(db, *parent_key)?;
    let refused = match &parent {
        Some(parent) if parent.order != *order => Some("UNKNOWN_PAYMENT"),
        Some(parent) if parent.amount.currency != amount.currency => Some("CURRENCY_MISMATCH"),
        Some(parent) => objection(kind, parent, *amount),
        // A void of what never came is written down and keeps it from happening, should it still
        // come.
        None if kind == OperationKind::Void => None,
        None => Some("UNKNOWN_PAYMENT"),
    };
    let expired = kind == OperationKind::Capture
        && parent
            .as_ref()
            .is_some_and(|p| p.capture_before.is_some_and(|t| t <= now));
    let (status, code) = match refused {
        Some(code) => (OperationState::Failed, Some(code)),
        // Like a bank that no longer honours it: an answer, not a mistake of whoever asks.
        None if expired => (OperationState::Declined, Some("AUTHORIZATION_EXPIRED")),
        None => (approved(kind), None),
    };
    if let (None, Some(parent)) = (code, &parent) {
        apply(db, kind, parent, *amount, now)?;
    }
    let op = Operation {
        key: *key,
        order: *order,
        kind,
        parent: Some(*parent_key),
        method: None,
        amount: *amount,
        status,
        code: code.map(Into::into),
        captured: 0,
        refunded: 0,
        created_at: now,
        capture_before: None,
    };
    insert(db, &op)?;
    Ok(op.reply(now))
}

/// The reason why `parent` does not allow it.
fn objection(kind: OperationKind, parent: &Operation, amount: Money) -> Option<&'static str> {
    match kind {
        OperationKind::Capture
            if (parent.kind, parent.status)
                != (OperationKind::Authorize, OperationState::Authorized) =>
        {
            Some("NOT_AUTHORIZED")
        }
        OperationKind::Capture if amount.minor > parent.amount.minor - parent.captured => {
            Some("EXCEEDS_AUTHORIZED")
        }
        OperationKind::Refund if parent.status != OperationState::Captured => Some("NOT_CAPTURED"),
        OperationKind::Refund if amount.minor > parent.amount.minor - parent.refunded => {
            Some("EXCEEDS_CAPTURED")
        }
        OperationKind::Void
            if !matches!(
                parent.kind,
                OperationKind::Authorize | OperationKind::Charge
            ) =>
        {
            Some("NOT_VOIDABLE")
        }
        OperationKind::Void if parent.status == OperationState::Captured => {
            Some("ALREADY_CAPTURED")
        }
        OperationKind::Void if parent.captured == parent.amount.minor => Some("ALREADY_CAPTURED"),
        OperationKind::Capture | OperationKind::Refund | OperationKind::Void => None,
        // Attempts follow nothing.
        OperationKind::Authorize | OperationKind::Charge => Some("NOT_VOIDABLE"),
    }
}

/// Does to `parent` what nothing speaks against.
fn apply(
    db: &Connection,
    kind: OperationKind,
    parent: &Operation,
    amount: Money,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = match kind {
        OperationKind::Capture => {
            "UPDATE payments SET captured = captured + ?2, updated_at = ?3 WHERE key = ?1"
        }
        OperationKind::Refund => {
            "UPDATE payments SET refunded = refunded + ?2, updated_at = ?3 WHERE key = ?1"
        }
        OperationKind::Void | OperationKind::Authorize | OperationKind::Charge => {
            // A declined or failed attempt keeps saying so: there was nothing to give up.
            let settled = matches!(
                parent.status,
                OperationState::Declined | OperationState::Failed
            );
            return if settled {
                Ok(())
            } else {
                set_status(db, parent.key, OperationState::Voided, None, now)
            };
        }
    };
    execute(
        db,
        sql,
        params![parent.key.as_bytes(), amount.minor, now.as_micros()],
    )
    .map(drop)
}

#[async_trait]
impl PaymentService for Shop {
    fn capabilities(&self) -> PaymentCapabilities {
        PaymentCapabilities::IDEAL
    }

    /// Sets the amount aside as the method's outcome says, for ever or until the time to capture it
    /// is over.
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            attempt(db, OperationKind::Authorize, &request, now)
        })
        .await
    }

    /// Takes the amount as the method's outcome says.
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            attempt(db, OperationKind::Charge, &request, now)
        })
        .await
    }

    /// Takes some of an authorization, any number of times up to its amount; `EXCEEDS_AUTHORIZED`
    /// beyond that. Once the time that its method gives is over, it is `DECLINED` with the code
    /// `AUTHORIZATION_EXPIRED`.
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            follow_up(db, OperationKind::Capture, &request, now)
        })
        .await
    }

    /// Gives the attempt up, or what is left of an authorization that was captured in part: that
    /// stays captured. Voided again, declined, failed or never heard of, there is nothing left to
    /// give up and it succeeds; an attempt that comes after its void is voided at once.
    /// `ALREADY_CAPTURED` if all of it was captured.
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            follow_up(db, OperationKind::Void, &request, now)
        })
        .await
    }

    /// Sends some of a charge or of one capture back, any number of times up to its amount;
    /// `EXCEEDS_CAPTURED` beyond that.
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            follow_up(db, OperationKind::Refund, &request, now)
        })
        .await
    }

    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        let (key, order, now) = (request.key, request.order, self.now());
        let found = self.read_settled(move |db| match operation(db, key)? {
            Some(op) => Ok(Some(op)),
            None => Ok(early_void(db, key, order)?),
        });
        Ok(found.await?.map(|op| op.answer(now)))
    }
}
