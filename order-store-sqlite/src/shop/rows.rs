//! Between columns and the domain's types.

use std::fmt::Display;
use std::str::FromStr;

use order_core::ids::{OrderId, ProductId, UserId, VariantId};
use order_core::money::Currency;
use order_core::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};
use uuid::Uuid;

/// A statement that is prepared once per connection.
fn prepare<'a>(db: &'a Connection, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
    #[cfg(test)]
    tests::assert_scans_nothing_that_grows(db, sql);
    db.prepare_cached(sql)
}

/// Runs a statement and tells how many rows it changed. Its plan must not scan a table that grows
/// with the orders.
pub(super) fn execute(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    prepare(db, sql)?.execute(params)
}

/// The row a query finds, if any. Its plan must not scan a table that grows with the orders.
pub(super) fn find<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    prepare(db, sql)?.query_row(params, map).optional()
}

/// Every row of a query, which may be a whole table's.
pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(params, map)?.collect()
}

/// A text column that holds a `T`.
pub(super) fn text<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    damaged(column, row.get_ref(column)?.as_str()?.parse())
}

/// Like [`text`], for a column that may be null.
pub(super) fn optional_text<T: FromStr<Err: Display>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    row.get_ref(column)?
        .as_str_or_null()?
        .map(|s| damaged(column, s.parse()))
        .transpose()
}

fn damaged<T, E: Display>(column: usize, parsed: Result<T, E>) -> rusqlite::Result<T> {
    parsed.map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e.to_string().into())
    })
}

/// A column that counts something, kept from going below 0 by its CHECK.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

/// A time column that may be null.
pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row
        .get::<_, Option<i64>>(column)?
        .map(Timestamp::from_micros))
}

/// A UUID column.
pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

macro_rules! ids {
    ($($function:ident, $id:ident;)*) => {$(
        pub(super) fn $function(row: &Row<'_>, column: usize) -> rusqlite::Result<$id> {
            row.get(column).map($id::from_bytes)
        }
    )*};
}

ids! {
    order_id, OrderId;
    user_id, UserId;
    product_id, ProductId;
    variant_id, VariantId;
}

/// The shop's currency, once a catalogue was loaded.
pub(super) fn currency(db: &Connection) -> rusqlite::Result<Option<Currency>> {
    find(db, "SELECT currency FROM shop", [], |r| text(r, 0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use order_core::number::OrderNumber;
    use order_core::order::NoticeKind;
    use order_core::runtime::SystemClock;
    use order_core::services::{
        AttemptRequest, ClosingRequest, FollowUpRequest, InventoryService, Notification,
        NotificationService, PaymentLookup, PaymentService, ProductService, ReserveRequest,
        UserService,
    };
    use rusqlite::Connection;
    use uuid::Uuid;

    use crate::shop::{Catalogue, Settlement, Shop};

    /// Run on every statement of [`super::execute`] and [`super::find`] in this crate's unit tests.
    pub(super) fn assert_scans_nothing_that_grows(db: &Connection, sql: &str) {
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let unbound = vec![rusqlite::types::Null; explain.parameter_count()];
        let mut rows = explain.query(rusqlite::params_from_iter(unbound)).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            assert!(
                !step.starts_with("SCAN")
                    || step.starts_with("SCAN shop")
                    || step.contains("CONSTANT ROW"),
                "{step}: {sql}"
            );
        }
    }

    const CATALOGUE: &str = r#"
        currency = "USD"
        product = [{ id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11", sku = "A", name = "A", price = "1", stock = 9 }]
        payment_method = [
            { method = "LOST", outcome = "timeout_lost" },
            { method = "BANK", outcome = "pending", capture_within_days = 7 },
        ]
    "#;

    /// The plans are asserted where statements are prepared; a call that panics there fails.
    #[tokio::test]
    async fn no_call_scans_a_table_that_grows_with_the_orders() {
        let shop = Shop::in_memory(Arc::new(SystemClock)).unwrap();
        let catalogue = Catalogue::parse(CATALOGUE, "plans.toml").unwrap();
        shop.load(&catalogue).await.unwrap();
        let (key, order, user) = (
            Uuid::from_u128,
            "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11".parse().unwrap(),
            [1; 16],
        );
        let sku: order_core::ids::Sku = "A".parse().unwrap();
        let (number, user) = (
            OrderNumber::new(1, order_core::ids::Bucket::MAX),
            order_core::ids::UserId::from_bytes(user),
        );
        let reserve =
            ReserveRequest::new(key(1), order, number, user, sku.clone(), 1, Duration::ZERO);
        shop.reserve(&reserve).await.unwrap();
        let hold = |n| ClosingRequest {
            committed: n == 3,
            ..ClosingRequest::new(key(n), &reserve)
        };
        shop.commit(&hold(2)).await.unwrap();
        shop.release(&hold(3)).await.unwrap();
        shop.release(&hold(11)).await.unwrap_err();
        shop.reserve(&ReserveRequest {
            key: key(4),
            quantity: 99,
            ..reserve.clone()
        })
        .await
        .unwrap_err();
        InventoryService::look_up(&shop, &reserve).await.unwrap();
        shop.check(std::slice::from_ref(&sku)).await.unwrap();
        shop.restock(&sku, 1).await.unwrap();
        shop.resolve_sku(&sku).await.unwrap();

        let money = order_core::money::Money::new(100, catalogue.currency());
        let charge =
            AttemptRequest::new(key(5), order, number, user, money, "LOST".parse().unwrap());
        shop.charge(&charge).await.unwrap_err();
        shop.charge(&charge).await.unwrap();
        let pending = AttemptRequest {
            key: key(6),
            method: "BANK".parse().unwrap(),
            ..charge
        };
        shop.authorize(&pending).await.unwrap();
        shop.settle(key(6), Settlement::Captured).await.unwrap();
        let about = |n, parent| FollowUpRequest::new(key(n), order, number, key(parent), money);
        shop.capture(&about(7, 6)).await.unwrap();
        shop.refund(&about(8, 5)).await.unwrap();
        shop.void(&about(9, 10)).await.unwrap();
        PaymentService::look_up(
            &shop,
            &PaymentLookup {
                key: key(10),
                order,
                reference: None,
            },
        )
        .await
        .unwrap()
        .unwrap();

        let notice = Notification {
            event_id: key(1),
            order,
            number,
            user,
            seq: 1,
            kind: NoticeKind::Confirmed,
        };
        shop.notify(&notice).await.unwrap();
        shop.notify(&notice).await.unwrap();
        ProductService::get(&shop, catalogue.products()[0].product.id)
            .await
            .unwrap()
            .unwrap();
        assert!(UserService::get(&shop, user).await.unwrap().is_none());
        shop.load(&catalogue).await.unwrap();
    }
}
