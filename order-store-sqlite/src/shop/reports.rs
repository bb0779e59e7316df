//! The reports for the shop's owner, and the ledgers that orders are checked against.

use std::fmt;

use order_core::ids::{OrderId, ProductId, Sku, UserId, VariantId};
use order_core::money::Money;
use order_core::number::OrderNumber;
use order_core::order::{NoticeKind, OperationKind, OperationState};
use order_core::pricing::{
    CouponRule, Discount, PaymentMethodRule, PriceBook, ShippingRule, TaxRule,
};
use order_core::time::Timestamp;
use rusqlite::{Connection, Row};
use serde::Serialize;
use uuid::Uuid;

use super::desk::{COLUMNS, Operation};
use super::error::{Failure, ShopError};
use super::inventory::hold_reference;
use super::rows::{
    all, count, currency, execute, find, optional_text, optional_time, order_id, product_id, text,
    user_id, uuid,
};
use super::{STOCK_MAX, Shop};

/// The stock of a SKU. `stocked` = `on_hand` + `committed`, and `available` = `on_hand` −
/// `reserved`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockRow {
    /// The SKU.
    pub sku: Sku,
    /// Units in the shop, held ones included.
    pub on_hand: u64,
    /// Units of these that are held for orders.
    pub reserved: u64,
    /// Units of these that are not.
    pub available: u64,
    /// Units that left the shop with orders.
    pub committed: u64,
    /// Units that ever came into the shop.
    pub stocked: u64,
}

/// A SKU's units as the requests to hold them add up, beside what the stock counts. They agree,
/// unless somebody changed the file by other means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfRow {
    /// The SKU.
    pub sku: Sku,
    /// The stock as counted; none if the SKU has requests and no stock.
    pub stock: Option<StockRow>,
    /// Units of requests that are held.
    pub held: u64,
    /// Units of requests that are committed.
    pub committed: u64,
}

/// An operation at the payment desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskPayment {
    /// The order it is for.
    pub order: OrderId,
    /// The key it was asked under.
    pub key: Uuid,
    /// The operation that was asked for.
    pub kind: OperationKind,
    /// For a capture, void or refund: the key of what it acts on.
    pub parent: Option<Uuid>,
    /// The amount that was asked for.
    pub amount: Money,
    /// The state of the operation; `FAILED` if it was refused.
    pub status: OperationState,
    /// The desk's name for it.
    pub reference: String,
    /// The code with which it was declined or refused.
    pub code: Option<String>,
    /// Of an authorization, how much was captured, in minor units.
    pub captured: i64,
    /// Of a charge or capture, how much went back, in minor units.
    pub refunded: i64,
    /// The time at which the desk was asked.
    pub created_at: Timestamp,
    /// Of an authorization: when it can no longer be captured, if its method limits that.
    pub capture_before: Option<Timestamp>,
}

impl From<Operation> for DeskPayment {
    fn from(op: Operation) -> Self {
        let reference = op.reference();
        let Operation {
            key,
            order,
            kind,
            parent,
            method: _,
            amount,
            status,
            code,
            captured,
            refunded,
            created_at,
            capture_before,
        } = op;
        DeskPayment {
            order,
            key,
            kind,
            parent,
            amount,
            status,
            reference,
            code,
            captured,
            refunded,
            created_at,
            capture_before,
        }
    }
}

/// The state of a request to reserve stock: of one that was divided, the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReservationState {
    /// Some of its units are held.
    Held,
    /// Some of its units left the shop, and have not come back.
    Committed,
    /// All its units were given back.
    Released,
    /// There were not enough.
    Refused,
}

impl ReservationState {
    pub(super) const fn of(held: u32, committed: u32, refused: bool) -> ReservationState {
        match (held, committed) {
            (0, 0) if refused => ReservationState::Refused,
            (0, 0) => ReservationState::Released,
            (0, _) => ReservationState::Committed,
            _ => ReservationState::Held,
        }
    }

    /// Its spelling in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReservationState::Held => "HELD",
            ReservationState::Committed => "COMMITTED",
            ReservationState::Released => "RELEASED",
            ReservationState::Refused => "REFUSED",
        }
    }
}

impl fmt::Display for ReservationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A request to hold stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRow {
    /// The order it is for.
    pub order: OrderId,
    /// The key it was asked under.
    pub key: Uuid,
    /// The SKU.
    pub sku: Sku,
    /// The number of units that were asked for.
    pub quantity: u32,
    /// The number of them that are still held.
    pub held: u32,
    /// The number of them that left the shop, and have not come back.
    pub committed: u32,
    /// The state of the request.
    pub state: ReservationState,
    /// The shop's name for it.
    pub reference: String,
    /// The time at which it was asked for.
    pub created_at: Timestamp,
    /// The time at which its units last moved.
    pub updated_at: Timestamp,
}

/// Something a customer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedNotice {
    /// The id that every repeat of it carries.
    pub event_id: Uuid,
    /// The order.
    pub order: OrderId,
    /// Its number.
    pub number: OrderNumber,
    /// The customer who was told.
    pub user: UserId,
    /// The journal row it tells of.
    pub seq: u64,
    /// The content of the notice.
    pub kind: NoticeKind,
    /// The time at which it was told.
    pub told_at: Timestamp,
}

impl Shop {
    /// Shipping, tax, coupons and payment terms, as last loaded. [`ShopError::NoCatalogue`] before
    /// that.
    pub async fn price_book(&self) -> Result<PriceBook, ShopError> {
        let path = self.inner.path.clone();
        self.read(move |db| {
            price_book(db)?.ok_or_else(|| ShopError::NoCatalogue { path: path.clone() }.into())
        })
        .await
    }

    /// The product, and the variant if it is a variant's, that `sku` stands for.
    ///
    /// A product's own SKU gives the product without a variant, also where it has several: whether
    /// one must be chosen is the engine's to say.
    pub async fn resolve_sku(
        &self,
        sku: &Sku,
    ) -> Result<Option<(ProductId, Option<VariantId>)>, ShopError> {
        let sku = sku.clone();
        let sql = "SELECT product_id, variant_id FROM skus WHERE sku = ?1";
        let found = move |db: &Connection| {
            find(db, sql, [sku.as_str()], |r| {
                Ok((
                    product_id(r, 0)?,
                    r.get::<_, Option<[u8; 16]>>(1)?.map(VariantId::from_bytes),
                ))
            })
        };
        self.read(move |db| Ok(found(db)?)).await
    }

    /// The stock of one SKU, or of all in order. [`ShopError::UnknownSku`] for one that was never
    /// loaded.
    pub async fn stock(&self, sku: Option<&Sku>) -> Result<Vec<StockRow>, ShopError> {
        let sku = sku.cloned();
        self.read(move |db| match &sku {
            Some(sku) => Ok(vec![
                stock_of(db, sku)?.ok_or_else(|| ShopError::UnknownSku(sku.clone()))?,
            ]),
            None => Ok(all(
                db,
                "SELECT sku, on_hand, reserved, committed, stocked FROM stock ORDER BY sku",
                [],
                stock_row,
            )?),
        })
        .await
    }

    /// The stock beside the requests for it, at one moment, in order of SKU.
    pub async fn shelf(&self) -> Result<Vec<ShelfRow>, ShopError> {
        let sql = "SELECT stock.sku, on_hand, reserved, stock.committed, stocked, asked.sku,
                          COALESCE(asked.held, 0), COALESCE(asked.committed, 0)
                   FROM stock FULL JOIN (
                       SELECT sku, SUM(held) AS held, SUM(committed) AS committed FROM holds GROUP BY sku
                   ) AS asked ON asked.sku = stock.sku
                   ORDER BY COALESCE(stock.sku, asked.sku)";
        let shelf_row = |r: &Row<'_>| {
            let stock = if r.get::<_, Option<String>>(0)?.is_some() {
                Some(stock_row(r)?)
            } else {
                None
            };
            let sku = if stock.is_some() {
                text(r, 0)?
            } else {
                text(r, 5)?
            };
            Ok(ShelfRow {
                sku,
                stock,
                held: count(r, 6)?,
                committed: count(r, 7)?,
            })
        };
        self.read(move |db| Ok(all(db, sql, [], shelf_row)?)).await
    }

    /// Adds `units` ≥ 1 to what is on hand, and tells what there is now. At most [`STOCK_MAX`] can
    /// be on hand.
    pub async fn restock(&self, sku: &Sku, units: u32) -> Result<StockRow, ShopError> {
        if units == 0 {
            return Err(ShopError::Invalid {
                field: "units",
                problem: "0 adds nothing: expected 1 or more".into(),
            });
        }
        let sku = sku.clone();
        self.write(move |db| restock(db, &sku, units)).await
    }

    /// Every operation at the payment desk, in the order they were asked for.
    pub async fn payments(&self) -> Result<Vec<DeskPayment>, ShopError> {
        let sql = format!("SELECT {COLUMNS} FROM payments ORDER BY seq");
        self.read(move |db| Ok(all(db, &sql, [], |r| Operation::read(r).map(Into::into))?))
            .await
    }

    /// The operations of one order, in the order they were asked for.
    pub async fn payments_of(&self, order: OrderId) -> Result<Vec<DeskPayment>, ShopError> {
        let sql = format!("SELECT {COLUMNS} FROM payments WHERE order_id = ?1 ORDER BY seq");
        self.read(move |db| {
            Ok(all(db, &sql, [order.as_bytes()], |r| {
                Operation::read(r).map(Into::into)
            })?)
        })
        .await
    }

    /// Every request to hold stock, by order.
    pub async fn holds(&self) -> Result<Vec<ReservationRow>, ShopError> {
        let sql = format!("SELECT {HOLD_COLUMNS} FROM holds ORDER BY order_id, sku, key");
        self.read(move |db| Ok(all(db, &sql, [], hold_row)?)).await
    }

    /// The requests to hold stock for one order.
    pub async fn holds_of(&self, order: OrderId) -> Result<Vec<ReservationRow>, ShopError> {
        let sql = format!("SELECT {HOLD_COLUMNS} FROM holds WHERE order_id = ?1 ORDER BY sku, key");
        self.read(move |db| Ok(all(db, &sql, [order.as_bytes()], hold_row)?))
            .await
    }

    /// Everything customers were told, in order of telling.
    pub async fn notifications(&self) -> Result<Vec<LoggedNotice>, ShopError> {
        let sql = "SELECT event_id, order_id, number, user_id, seq, kind, told_at FROM notifications ORDER BY n";
        let notice = |r: &Row<'_>| {
            Ok(LoggedNotice {
                event_id: uuid(r, 0)?,
                order: order_id(r, 1)?,
                number: text(r, 2)?,
                user: user_id(r, 3)?,
                seq: count(r, 4)?,
                kind: text(r, 5)?,
                told_at: Timestamp::from_micros(r.get(6)?),
            })
        };
        self.read(move |db| Ok(all(db, sql, [], notice)?)).await
    }
}

fn stock_row(r: &Row<'_>) -> rusqlite::Result<StockRow> {
    let (on_hand, reserved) = (count(r, 1)?, count(r, 2)?);
    let available = on_hand.saturating_sub(reserved);
    Ok(StockRow {
        sku: text(r, 0)?,
        on_hand,
        reserved,
        available,
        committed: count(r, 3)?,
        stocked: count(r, 4)?,
    })
}

fn stock_of(db: &Connection, sku: &Sku) -> rusqlite::Result<Option<StockRow>> {
    let sql = "SELECT sku, on_hand, reserved, committed, stocked FROM stock WHERE sku = ?1";
    find(db, sql, [sku.as_str()], stock_row)
}

fn restock(db: &Connection, sku: &Sku, units: u32) -> Result<StockRow, Failure> {
    let sql = "UPDATE stock SET on_hand = on_hand + ?2, stocked = stocked + ?2 WHERE sku = ?1 AND on_hand + ?2 <= ?3";
    let added = execute(db, sql, rusqlite::params![sku.as_str(), units, STOCK_MAX])? == 1;
    let row = stock_of(db, sku)?.ok_or_else(|| ShopError::UnknownSku(sku.clone()))?;
    if !added {
        let (has, most) = (
            row.on_hand,
            u64::from(STOCK_MAX).saturating_sub(row.on_hand),
        );
        let problem = format!(
            "{units} is out of range: {sku} has {has} on hand, expected at most {most} more"
        );
        return Err(ShopError::Invalid {
            field: "units",
            problem,
        }
        .into());
    }
    Ok(row)
}

const HOLD_COLUMNS: &str =
    "order_id, key, sku, quantity, held, committed, code IS NOT NULL, created_at, updated_at";

fn hold_row(r: &Row<'_>) -> rusqlite::Result<ReservationRow> {
    let key = uuid(r, 1)?;
    let (held, committed) = (r.get(4)?, r.get(5)?);
    Ok(ReservationRow {
        order: order_id(r, 0)?,
        key,
        sku: text(r, 2)?,
        quantity: r.get(3)?,
        held,
        committed,
        state: ReservationState::of(held, committed, r.get(6)?),
        reference: hold_reference(key),
        created_at: Timestamp::from_micros(r.get(7)?),
        updated_at: Timestamp::from_micros(r.get(8)?),
    })
}

fn price_book(db: &Connection) -> Result<Option<PriceBook>, Failure> {
    let Some(currency) = currency(db)? else {
        return Ok(None);
    };
    let shipping = all(
        db,
        "SELECT method, price, free_from FROM shipping_methods ORDER BY n",
        [],
        |r| {
            Ok(ShippingRule {
                method: text(r, 0)?,
                price: r.get(1)?,
                free_from: r.get(2)?,
            })
        },
    )?;
    let tax = all(
        db,
        "SELECT country, state, rate, inclusive, taxes_shipping FROM tax_rates ORDER BY n",
        [],
        |r| {
            let (country, state) = (r.get(0)?, r.get(1)?);
            Ok(TaxRule {
                country,
                state,
                rate: text(r, 2)?,
                inclusive: r.get(3)?,
                taxes_shipping: r.get(4)?,
            })
        },
    )?;
    let sql = "SELECT code, percent, amount, minimum, valid_from, valid_until, uses, uses_per_customer FROM coupons ORDER BY n";
    let coupons = all(db, sql, [], |r| {
        Ok(CouponRule {
            code: text(r, 0)?,
            discount: match optional_text(r, 1)? {
                Some(percent) => Discount::Percent(percent),
                None => Discount::Amount(r.get(2)?),
            },
            minimum: r.get(3)?,
            from: optional_time(r, 4)?,
            until: optional_time(r, 5)?,
            uses: r.get(6)?,
            uses_per_customer: r.get(7)?,
        })
    })?;
    let methods = all(
        db,
        "SELECT method, due FROM payment_methods ORDER BY n",
        [],
        |r| {
            Ok(PaymentMethodRule {
                method: text(r, 0)?,
                due: text(r, 1)?,
            })
        },
    )?;
    let book = PriceBook::new(currency, shipping, tax, coupons, methods);
    let book = book.map_err(|e| ShopError::Conflict(format!("its price book is damaged, {e}")))?;
    Ok(Some(book))
}
