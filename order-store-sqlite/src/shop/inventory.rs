//! Stock: units on hand, held for orders, and committed to them.

use async_trait::async_trait;
use order_core::ids::{OrderId, Sku};
use order_core::services::{
    Availability, CallError, ClosingRequest, InventoryCapabilities, InventoryService,
    ReservationLookup, ReserveAnswer, ReserveRequest,
};
use order_core::time::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::Shop;
use super::error::Failure;
use super::reports::ReservationState;
use super::rows::{execute, find, optional_text, order_id, text, uuid};

/// An answer of the stock, or why the transaction failed.
type Answer<T> = Result<Result<T, CallError>, Failure>;

/// The request and its outcome, as they stand under a reserve key.
struct Hold {
    order: OrderId,
    sku: Sku,
    quantity: u32,
    held: u32,
    committed: u32,
    code: Option<String>,
    available: Option<u32>,
}

impl Hold {
    fn state(&self) -> ReservationState {
        ReservationState::of(self.held, self.committed, self.code.is_some())
    }
}

/// Keys are an order's own: looked for, and stored, beside what else it holds, so that a growing
/// ledger costs nothing.
fn hold(db: &Connection, order: OrderId, key: Uuid) -> rusqlite::Result<Option<Hold>> {
    let sql = "SELECT order_id, sku, quantity, held, committed, code, available FROM holds WHERE order_id = ?1 AND key = ?2";
    find(db, sql, [order.as_bytes(), key.as_bytes()], |r| {
        Ok(Hold {
            order: order_id(r, 0)?,
            sku: text(r, 1)?,
            quantity: r.get(2)?,
            held: r.get(3)?,
            committed: r.get(4)?,
            code: optional_text(r, 5)?,
            available: r.get(6)?,
        })
    })
}

fn insert(db: &Connection, key: Uuid, hold: &Hold, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO holds (key, order_id, sku, quantity, held, committed, code, available, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)";
    let Hold {
        order,
        sku,
        quantity,
        held,
        committed,
        code,
        available,
    } = hold;
    let (key, order, now) = (key.as_bytes(), order.as_bytes(), now.as_micros());
    execute(
        db,
        sql,
        params![
            key,
            order,
            sku.as_str(),
            quantity,
            held,
            committed,
            code,
            available,
            now
        ],
    )
    .map(drop)
}

/// Units that could be reserved now; `None` for an unknown SKU.
fn available(db: &Connection, sku: &Sku) -> rusqlite::Result<Option<u32>> {
    let units = find(
        db,
        "SELECT on_hand - reserved FROM stock WHERE sku = ?1",
        [sku.as_str()],
        |r| r.get::<_, i64>(0),
    )?;
    Ok(units.map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
}

/// The shop's name for the reservation under `key`: derived, so that it needs no column and no
/// second lookup.
pub(super) fn hold_reference(key: Uuid) -> String {
    format!("hold_{}", key.simple())
}

fn held(key: Uuid, quantity: u32) -> ReserveAnswer {
    ReserveAnswer::new(hold_reference(key), quantity)
}

fn reserve(db: &Connection, request: &ReserveRequest, now: Timestamp) -> Answer<ReserveAnswer> {
    let ReserveRequest {
        key,
        order,
        number: _,
        user: _,
        sku,
        quantity,
        lifetime: _,
        destination: _,
        deadline: _,
    } = request;
    if *quantity == 0 {
        return Ok(Err(CallError::refused("QUANTITY_INVALID")));
    }
    if let Some(hold) = hold(db, *order, *key)? {
        if hold.sku != *sku || hold.quantity != *quantity {
            return Ok(Err(CallError::refused("KEY_REUSED")));
        }
        return Ok(match hold.state() {
            ReservationState::Held | ReservationState::Committed => Ok(held(*key, hold.quantity)),
            ReservationState::Released => Err(CallError::refused("RESERVATION_RELEASED")),
            ReservationState::Refused => Err(CallError::Refused {
                code: hold.code.unwrap_or_default(),
                available: hold.available,
                reservation_lost: false,
            }),
        });
    }
    let sql =
        "UPDATE stock SET reserved = reserved + ?2 WHERE sku = ?1 AND on_hand - reserved >= ?2";
    let taken = execute(db, sql, params![sku.as_str(), quantity])? == 1;
    let mut row = Hold {
        order: *order,
        sku: sku.clone(),
        quantity: *quantity,
        held: 0,
        committed: 0,
        code: None,
        available: None,
    };
    if taken {
        row.held = *quantity;
        insert(db, *key, &row, now)?;
        return Ok(Ok(held(*key, *quantity)));
    }
    // Written down too: a late duplicate, arriving after a restock, must not make a reservation
    // that nobody knows of.
    let (code, rest) = match available(db, sku)? {
        Some(rest) => ("INSUFFICIENT_STOCK", rest),
        None => ("UNKNOWN_SKU", 0),
    };
    (row.code, row.available) = (Some(code.into()), Some(rest));
    insert(db, *key, &row, now)?;
    Ok(Err(CallError::shortage(code, rest)))
}

/// The direction in which a request moves units of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Held ones leave the shop.
    Commit,
    /// Held ones are available again.
    Release,
    /// Committed ones return to the shop.
    TakeBack,
}

impl Step {
    /// As the shop's file has it: what was called, and for units of which kind.
    const fn columns(self) -> (&'static str, bool) {
        match self {
            Step::Commit => ("COMMIT", false),
            Step::Release => ("RELEASE", false),
            Step::TakeBack => ("RELEASE", true),
        }
    }

    const fn of_release(request: &ClosingRequest) -> Step {
        if request.committed {
            Step::TakeBack
        } else {
            Step::Release
        }
    }
}

/// A call as it stands in the shop's file.
struct Call {
    reserve_key: Uuid,
    kind: String,
    quantity: u32,
    was_committed: bool,
    refused: Option<String>,
}

impl Call {
    fn is(&self, step: Step, request: &ClosingRequest) -> bool {
        let (kind, was_committed) = step.columns();
        self.reserve_key == request.reserve_key
            && self.kind == kind
            && self.quantity == request.quantity
            && self.was_committed == was_committed
    }
}

fn step(db: &Connection, step: Step, request: &ClosingRequest, now: Timestamp) -> Answer<()> {
    if request.quantity == 0 {
        return Ok(Err(CallError::refused("QUANTITY_INVALID")));
    }
    let sql =
        "SELECT reserve_key, kind, quantity, was_committed, refused FROM hold_calls WHERE key = ?1";
    let before = find(db, sql, [request.key.as_bytes()], |r| {
        let (reserve_key, kind) = (uuid(r, 0)?, r.get(1)?);
        Ok(Call {
            reserve_key,
            kind,
            quantity: r.get(2)?,
            was_committed: r.get(3)?,
            refused: r.get(4)?,
        })
    })?;
    if let Some(call) = before {
        return Ok(match call.refused {
            _ if !call.is(step, request) => Err(CallError::refused("KEY_REUSED")),
            Some(code) => Err(CallError::refused(code)),
            None => Ok(()),
        });
    }
    let refused = take_step(db, step, request, now)?;
    let sql = "INSERT INTO hold_calls (key, reserve_key, kind, quantity, was_committed, refused) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (key, reserve_key, (kind, was_committed)) = (
        request.key.as_bytes(),
        request.reserve_key.as_bytes(),
        step.columns(),
    );
    execute(
        db,
        sql,
        params![
            key,
            reserve_key,
            kind,
            request.quantity,
            was_committed,
            refused
        ],
    )?;
    Ok(refused.map_or(Ok(()), |code| Err(CallError::refused(code))))
}

/// The reason why the step is refused, if it is.
fn take_step(
    db: &Connection,
    step: Step,
    request: &ClosingRequest,
    now: Timestamp,
) -> Result<Option<&'static str>, Failure> {
    let ClosingRequest {
        key: _,
        reserve_key,
        order,
        number: _,
        sku,
        quantity,
        reference: _,
        committed: _,
        repeat: _,
        expires_at: _,
        destination: _,
        deadline: _,
    } = request;
    let Some(hold) = hold(db, *order, *reserve_key)? else {
        if step != Step::Release {
            return Ok(Some("UNKNOWN_RESERVATION"));
        }
        // Whoever gives up a reservation that never came must not be surprised by it later: its key
        // is spent from here on.
        let (order, sku, quantity) = (*order, sku.clone(), *quantity);
        let spent = Hold {
            order,
            sku,
            quantity,
            held: 0,
            committed: 0,
            code: None,
            available: None,
        };
        insert(db, *reserve_key, &spent, now)?;
        return Ok(None);
    };
    if hold.sku != *sku {
        return Ok(Some("UNKNOWN_RESERVATION"));
    }
    if hold.state() == ReservationState::Refused {
        return Ok(if step == Step::Release {
            None
        } else {
            Some("UNKNOWN_RESERVATION")
        });
    }
    let (there, short) = match step {
        Step::Commit | Step::Release => (hold.held, "EXCEEDS_HELD"),
        Step::TakeBack => (hold.committed, "EXCEEDS_COMMITTED"),
    };
    if *quantity > there {
        return Ok(Some(short));
    }
    let (of_stock, of_hold) = match step {
        Step::Commit => (
            "UPDATE stock SET on_hand = on_hand - ?2, reserved = reserved - ?2, committed = committed + ?2 WHERE sku = ?1",
            "UPDATE holds SET held = held - ?3, committed = committed + ?3, updated_at = ?4 WHERE order_id = ?1 AND key = ?2",
        ),
        Step::Release => (
            "UPDATE stock SET reserved = reserved - ?2 WHERE sku = ?1",
            "UPDATE holds SET held = held - ?3, updated_at = ?4 WHERE order_id = ?1 AND key = ?2",
        ),
        Step::TakeBack => (
            "UPDATE stock SET on_hand = on_hand + ?2, committed = committed - ?2 WHERE sku = ?1",
            "UPDATE holds SET committed = committed - ?3, updated_at = ?4 WHERE order_id = ?1 AND key = ?2",
        ),
    };
    execute(db, of_stock, params![sku.as_str(), quantity])?;
    execute(
        db,
        of_hold,
        params![
            order.as_bytes(),
            reserve_key.as_bytes(),
            quantity,
            now.as_micros()
        ],
    )?;
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
            let row = |sku: &Sku| {
                Ok(Availability {
                    sku: sku.clone(),
                    available: available(db, sku)?.unwrap_or(0),
                })
            };
            skus.iter().map(row).collect::<Result<_, Failure>>()
        };
        Ok(self.read(look).await?)
    }

    /// Holds the units, or refuses for good: a refusal stays this key's answer, also after a
    /// restock. A new attempt needs a new key. A key whose reservation was released is refused with
    /// `RESERVATION_RELEASED`.
    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            reserve(db, &request, now)
        })
        .await
    }

    /// Takes units out of the stock, all that are held or part of them, any number of times. More
    /// than are still held is refused with `EXCEEDS_HELD`, a reservation that does not exist with
    /// `UNKNOWN_RESERVATION`.
    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            step(db, Step::Commit, &request, now)
        })
        .await
    }

    /// Gives units back, in one go or in parts: held ones to what is available, committed ones back
    /// on hand. More than there are is refused with `EXCEEDS_HELD` or `EXCEEDS_COMMITTED`.
    /// Releasing what was refused or never asked for succeeds; after it, a reserve under that key
    /// is refused.
    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        let (request, now) = (request.clone(), self.now());
        self.call(request.deadline.clone(), move |db| {
            step(db, Step::of_release(&request), &request, now)
        })
        .await
    }

    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        let (order, key) = (request.order, request.key);
        let found = self
            .read_settled(move |db| Ok(hold(db, order, key)?))
            .await?;
        Ok(match found.map(|h| (h.state(), h.quantity)) {
            Some((ReservationState::Held, quantity)) => {
                ReservationLookup::Held(held(key, quantity))
            }
            Some((ReservationState::Committed, _)) => ReservationLookup::Committed,
            Some((ReservationState::Released, _)) => ReservationLookup::Released,
            Some((ReservationState::Refused, _)) | None => ReservationLookup::Absent,
        })
    }
}
