//! Stock: units on hand, held for orders, and committed to them.

use async_trait::async_trait;
use order_core::ids::{OrderId, Sku};
use order_core::services::{
    Availability, CallError, HoldAnswer, HoldLookup, HoldRequest, InventoryCapabilities, InventoryService, ReserveRequest,
};
use order_core::time::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::Shop;
use super::error::Failure;
use super::reports::HoldState;
use super::rows::{execute, find, optional_text, order_id, text, uuid};

/// An answer of the stock, or why the transaction failed.
type Answer<T> = Result<Result<T, CallError>, Failure>;

/// What is written under a reserve key.
struct Hold {
    order: OrderId,
    sku: Sku,
    quantity: u32,
    state: HoldState,
    code: Option<String>,
    available: Option<u32>,
}

/// Keys are an order's own: looked for, and stored, beside what else it holds, so that a growing ledger costs nothing.
fn hold(db: &Connection, order: OrderId, key: Uuid) -> rusqlite::Result<Option<Hold>> {
    let sql = "SELECT order_id, sku, quantity, state, code, available FROM holds WHERE order_id = ?1 AND key = ?2";
    find(db, sql, [order.as_bytes(), key.as_bytes()], |r| {
        Ok(Hold {
            order: order_id(r, 0)?,
            sku: text(r, 1)?,
            quantity: r.get(2)?,
            state: text(r, 3)?,
            code: optional_text(r, 4)?,
            available: r.get(5)?,
        })
    })
}

fn insert(db: &Connection, key: Uuid, hold: &Hold, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO holds (key, order_id, sku, quantity, state, code, available, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)";
    let Hold { order, sku, quantity, state, code, available } = hold;
    let row = (key.as_bytes(), order.as_bytes(), sku.as_str(), quantity, state.as_str(), code, available, now.as_micros());
    execute(db, sql, row).map(drop)
}

fn set_state(db: &Connection, order: OrderId, key: Uuid, state: HoldState, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE holds SET state = ?3, updated_at = ?4 WHERE order_id = ?1 AND key = ?2";
    execute(db, sql, params![order.as_bytes(), key.as_bytes(), state.as_str(), now.as_micros()]).map(drop)
}

/// Units that could be reserved now; `None` for an unknown SKU.
fn available(db: &Connection, sku: &Sku) -> rusqlite::Result<Option<u32>> {
    let units = find(db, "SELECT on_hand - reserved FROM stock WHERE sku = ?1", [sku.as_str()], |r| r.get::<_, i64>(0))?;
    Ok(units.map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
}

/// The shop's name for the hold under `key`: derived, so that it needs no column and no second lookup.
pub(super) fn hold_reference(key: Uuid) -> String {
    format!("hold_{}", key.simple())
}

fn held(key: Uuid, quantity: u32) -> HoldAnswer {
    HoldAnswer { reference: hold_reference(key), quantity, lifetime: None }
}

fn reserve(db: &Connection, request: &ReserveRequest, now: Timestamp) -> Answer<HoldAnswer> {
    let ReserveRequest { key, order, sku, quantity, lifetime: _ } = request;
    if *quantity == 0 {
        return Ok(Err(CallError::refused("QUANTITY_INVALID")));
    }
    if let Some(hold) = hold(db, *order, *key)? {
        if hold.sku != *sku || hold.quantity != *quantity {
            return Ok(Err(CallError::refused("KEY_REUSED")));
        }
        return Ok(match hold.state {
            HoldState::Held | HoldState::Committed => Ok(held(*key, hold.quantity)),
            HoldState::Released => Err(CallError::refused("HOLD_RELEASED")),
            HoldState::Refused => Err(CallError::Refused { code: hold.code.unwrap_or_default(), available: hold.available }),
        });
    }
    let sql = "UPDATE stock SET reserved = reserved + ?2 WHERE sku = ?1 AND on_hand - reserved >= ?2";
    let taken = execute(db, sql, params![sku.as_str(), quantity])? == 1;
    let mut row =
        Hold { order: *order, sku: sku.clone(), quantity: *quantity, state: HoldState::Held, code: None, available: None };
    if taken {
        insert(db, *key, &row, now)?;
        return Ok(Ok(held(*key, *quantity)));
    }
    // Written down too: a late duplicate, arriving after a restock, must not make a hold that nobody knows of.
    let (code, rest) = match available(db, sku)? {
        Some(rest) => ("INSUFFICIENT_STOCK", rest),
        None => ("UNKNOWN_SKU", 0),
    };
    row.state = HoldState::Refused;
    (row.code, row.available) = (Some(code.into()), Some(rest));
    insert(db, *key, &row, now)?;
    Ok(Err(CallError::Refused { code: code.into(), available: Some(rest) }))
}

/// What a request does to a hold that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Commit,
    Release,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Step::Commit => "COMMIT",
            Step::Release => "RELEASE",
        }
    }
}

fn step(db: &Connection, step: Step, request: &HoldRequest, now: Timestamp) -> Answer<()> {
    let sql = "SELECT reserve_key, kind, refused FROM hold_calls WHERE key = ?1";
    let before =
        find(db, sql, [request.key.as_bytes()], |r| Ok((uuid(r, 0)?, r.get::<_, String>(1)?, r.get::<_, Option<String>>(2)?)))?;
    if let Some((reserve_key, kind, refused)) = before {
        let same = reserve_key == request.reserve_key && kind == step.as_str();
        return Ok(match refused {
            _ if !same => Err(CallError::refused("KEY_REUSED")),
            Some(code) => Err(CallError::refused(code)),
            None => Ok(()),
        });
    }
    let refused = take_step(db, step, request, now)?;
    let sql = "INSERT INTO hold_calls (key, reserve_key, kind, refused) VALUES (?1, ?2, ?3, ?4)";
    execute(db, sql, params![request.key.as_bytes(), request.reserve_key.as_bytes(), step.as_str(), refused])?;
    Ok(refused.map_or(Ok(()), |code| Err(CallError::refused(code))))
}

/// Why the step is refused, if it is.
fn take_step(db: &Connection, step: Step, request: &HoldRequest, now: Timestamp) -> Result<Option<&'static str>, Failure> {
    let HoldRequest { key: _, reserve_key, order, sku, quantity, reference: _, repeat: _ } = request;
    let Some(hold) = hold(db, *order, *reserve_key)? else {
        if step == Step::Commit || *quantity == 0 {
            return Ok(Some("UNKNOWN_HOLD"));
        }
        // Whoever gives up a hold that never came must not be surprised by it later: its key is spent from here on.
        let (order, sku, quantity) = (*order, sku.clone(), *quantity);
        let spent = Hold { order, sku, quantity, state: HoldState::Released, code: None, available: None };
        insert(db, *reserve_key, &spent, now)?;
        return Ok(None);
    };
    if hold.sku != *sku || hold.quantity != *quantity {
        return Ok(Some("UNKNOWN_HOLD"));
    }
    let (sql, state) = match (step, hold.state) {
        (Step::Commit, HoldState::Committed) | (Step::Release, HoldState::Released | HoldState::Refused) => return Ok(None),
        (Step::Commit, HoldState::Released) => return Ok(Some("HOLD_RELEASED")),
        (Step::Commit, HoldState::Refused) => return Ok(Some("UNKNOWN_HOLD")),
        (Step::Commit, HoldState::Held) => (
            "UPDATE stock SET on_hand = on_hand - ?2, reserved = reserved - ?2, committed = committed + ?2 WHERE sku = ?1",
            HoldState::Committed,
        ),
        (Step::Release, HoldState::Held) => ("UPDATE stock SET reserved = reserved - ?2 WHERE sku = ?1", HoldState::Released),
        (Step::Release, HoldState::Committed) => {
            ("UPDATE stock SET on_hand = on_hand + ?2, committed = committed - ?2 WHERE sku = ?1", HoldState::Released)
        }
    };
    execute(db, sql, params![sku.as_str(), quantity])?;
    set_state(db, *order, *reserve_key, state, now)?;
    Ok(None)
}

#[async_trait]
impl InventoryService for Shop {
    fn capabilities(&self) -> InventoryCapabilities {
        InventoryCapabilities::IDEAL
    }

    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        let skus = skus.to_vec();
        let look = move |db: &Connection| {
            let row = |sku: &Sku| Ok(Availability { sku: sku.clone(), available: available(db, sku)?.unwrap_or(0) });
            skus.iter().map(row).collect::<Result<_, Failure>>()
        };
        Ok(self.read(look).await?)
    }

    /// Holds the units, or refuses for good: a refusal stays this key's answer, also after a restock. A new attempt
    /// needs a new key. A key whose hold was released is refused with `HOLD_RELEASED`.
    async fn reserve(&self, request: &ReserveRequest) -> Result<HoldAnswer, CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(move |db| reserve(db, &request, now)).await
    }

    /// Takes the units out of the stock. A hold that is committed already stays so, whatever the key; a released one
    /// is refused with `HOLD_RELEASED`, one that does not exist with `UNKNOWN_HOLD`.
    async fn commit(&self, request: &HoldRequest) -> Result<(), CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(move |db| step(db, Step::Commit, &request, now)).await
    }

    /// Gives the units back: to what is available, and committed ones back on hand. Releasing what is released, was
    /// refused or was never asked for succeeds; after it, a reserve under that key is refused.
    async fn release(&self, request: &HoldRequest) -> Result<(), CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(move |db| step(db, Step::Release, &request, now)).await
    }

    async fn look_up(&self, request: &ReserveRequest) -> Result<HoldLookup, CallError> {
        let (order, key) = (request.order, request.key);
        let found = self.read(move |db| Ok(hold(db, order, key)?)).await?;
        Ok(match found.map(|h| (h.state, h.quantity)) {
            Some((HoldState::Held, quantity)) => HoldLookup::Held(held(key, quantity)),
            Some((HoldState::Committed, _)) => HoldLookup::Committed,
            Some((HoldState::Released, _)) => HoldLookup::Released,
            Some((HoldState::Refused, _)) | None => HoldLookup::Absent,
        })
    }
}
