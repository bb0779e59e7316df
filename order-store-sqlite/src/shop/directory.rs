//! The part of the shop that is only read: products and customers; and the log of what customers
//! were told.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use order_core::ids::{ProductId, UserId};
use order_core::money::{Currency, Money};
use order_core::services::{
    CallDeadline, CallError, Notification, NotificationService, Product, ProductService,
    ProductVariant, User, UserService,
};
use rusqlite::{Connection, params};

use super::Shop;
use super::error::Failure;
use super::rows::{all, count, currency, execute, find, text, user_id, uuid, variant_id};

/// The product with `id`, as it was last loaded.
pub(super) fn product(db: &Connection, id: ProductId) -> rusqlite::Result<Option<Product>> {
    let Some(currency) = currency(db)? else {
        return Ok(None);
    };
    let sql = "SELECT sku, name, price, discount_price, published, requires_shipping FROM products WHERE id = ?1";
    let product = find(db, sql, [id.as_bytes()], |r| {
        Ok(Product {
            id,
            sku: text(r, 0)?,
            name: r.get(1)?,
            price: Money::new(r.get(2)?, currency),
            discount_price: r
                .get::<_, Option<i64>>(3)?
                .map(|minor| Money::new(minor, currency)),
            published: r.get(4)?,
            requires_shipping: r.get(5)?,
            variants: Vec::new(),
        })
    })?;
    product
        .map(|p| {
            Ok(Product {
                variants: variants(db, id, currency)?,
                ..p
            })
        })
        .transpose()
}

fn variants(
    db: &Connection,
    product: ProductId,
    currency: Currency,
) -> rusqlite::Result<Vec<ProductVariant>> {
    let sql = "SELECT id, sku, name, price FROM variants WHERE product_id = ?1 ORDER BY n";
    all(db, sql, [product.as_bytes()], |r| {
        Ok(ProductVariant {
            id: variant_id(r, 0)?,
            sku: text(r, 1)?,
            name: r.get(2)?,
            price: Money::new(r.get(3)?, currency),
            discount_price: None,
        })
    })
}

#[async_trait]
impl ProductService for Shop {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        Ok(self.read(move |db| Ok(product(db, id)?)).await?)
    }
}

#[async_trait]
impl UserService for Shop {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        let sql = "SELECT email, status FROM customers WHERE id = ?1";
        let user = move |db: &Connection| {
            find(db, sql, [id.as_bytes()], |r| {
                Ok(User {
                    id,
                    email: r.get(0)?,
                    account_status: r.get(1)?,
                })
            })
        };
        Ok(self.read(move |db| Ok(user(db)?)).await?)
    }
}

#[async_trait]
impl NotificationService for Shop {
    fn enabled(&self) -> bool {
        self.inner.notifies.load(Ordering::Relaxed)
    }

    /// Writes it to the log, once per event id. `KEY_REUSED` for an id that told something else.
    async fn notify(&self, notification: &Notification) -> Result<(), CallError> {
        let (told, now) = (notification.clone(), self.now());
        self.call(CallDeadline::NEVER, move |db| {
            log(db, &told, now.as_micros())
        })
        .await
    }
}

fn log(
    db: &Connection,
    told: &Notification,
    now_us: i64,
) -> Result<Result<(), CallError>, Failure> {
    let Notification {
        event_id,
        order,
        number,
        user,
        seq,
        kind,
    } = told;
    let sql = "INSERT INTO notifications (event_id, order_id, number, user_id, seq, kind, told_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (event_id) DO NOTHING";
    let (number, seq_column) = (number.to_string(), i64::try_from(*seq).unwrap_or(i64::MAX));
    let values = params![
        event_id.as_bytes(),
        order.as_bytes(),
        number,
        user.as_bytes(),
        seq_column,
        kind.as_str(),
        now_us
    ];
    if execute(db, sql, values)? == 1 {
        return Ok(Ok(()));
    }
    let sql = "SELECT order_id, user_id, seq, kind FROM notifications WHERE event_id = ?1";
    let same = find(db, sql, [event_id.as_bytes()], |r| {
        let kind_text: String = r.get(3)?;
        Ok(uuid(r, 0)? == order.uuid()
            && user_id(r, 1)? == *user
            && count(r, 2)? == *seq
            && kind_text == kind.as_str())
    })?;
    Ok(if same == Some(true) {
        Ok(())
    } else {
        Err(CallError::refused("KEY_REUSED"))
    })
}
