//! Follows the feed of all orders and keeps sums of its own, each row counted exactly once,
//! wherever it dies.
//!
//! ```sh
//! cargo run -p order-store-sqlite --example consumer
//! ```
//!
//! The feed gives every journal row at least once: whoever asks again after a lost answer gets the
//! same rows. Exactly once comes of two things that belong together: the cursor is kept in the same
//! database as what is made of the rows, and both change in one transaction. Here that is a table
//! of the units asked for by SKU, declined orders and all; in yours it may be a search index's
//! queue, or what a warehouse is to be sent.

use std::error::Error;
use std::sync::Arc;

use order_core::manager::{OrderManager, PlaceOptions, Principal};
use order_core::order::{Event, JournalRow};
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::runtime::SystemClock;
use order_core::store::{FeedCursor, FeedRow, OrderStore};
use order_store_sqlite::shop::{Catalogue, Shop};
use order_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::{Connection, OptionalExtension, Transaction};

type Orders = OrderManager<Arc<SqliteStore>, Shop>;

/// The most rows that are taken in with one transaction.
const PAGE: u32 = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let orders = orders().await?;
    let mut demand = Connection::open_in_memory()?;
    demand.execute_batch(
        "CREATE TABLE demand (sku TEXT PRIMARY KEY, units INTEGER NOT NULL) STRICT;
         CREATE TABLE unreadable (order_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (order_id, seq)) STRICT;
         CREATE TABLE followed (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT NOT NULL) STRICT;",
    )?;
    let (mut ordered, mut died) = (0, 0);
    for nth in 1..=12 {
        let quantity = 1 + nth % 4;
        place(&orders, quantity).await?;
        ordered += quantity;
        // Every third time the program dies before its transaction is committed: nothing of it was,
        // and it is done again.
        if nth % 3 == 0 {
            take_page(&orders, &mut demand, Dies::BeforeCommit).await?;
            died += 1;
        }
        while take_page(&orders, &mut demand, Dies::Never).await? {}
    }
    let counted: i64 = demand.query_row("SELECT sum(units) FROM demand", [], |row| row.get(0))?;
    println!("{counted} units ordered, counted once each, although the consumer died {died} times");
    assert_eq!(counted, ordered);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dies {
    Never,
    BeforeCommit,
}

/// Takes in the next page of the feed, with where it ended. Whether there was anything.
async fn take_page(
    orders: &Orders,
    demand: &mut Connection,
    dies: Dies,
) -> Result<bool, Box<dyn Error>> {
    let cursor: Option<String> = demand
        .query_row("SELECT cursor FROM followed", [], |row| row.get(0))
        .optional()?;
    let after: Option<FeedCursor> = cursor.map(|text| text.parse()).transpose()?;
    let page = orders
        .changes(&Principal::operator("planning"), after, PAGE)
        .await?;
    if page.rows.is_empty() {
        return Ok(false);
    }
    let transaction = demand.transaction()?;
    for row in &page.rows {
        take(&transaction, row)?;
    }
    let put = "INSERT INTO followed (one, cursor) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET cursor = excluded.cursor";
    transaction.execute(put, [page.next.to_string()])?;
    match dies {
        Dies::Never => transaction.commit()?,
        // Dropping it rolls it back, as a crash does.
        Dies::BeforeCommit => drop(transaction),
    }
    Ok(true)
}

/// Counts a row. The result is decided by the row alone, so that taking it in again after a crash
/// comes to the same.
fn take(demand: &Transaction<'_>, row: &FeedRow) -> Result<(), Box<dyn Error>> {
    match &row.row {
        Ok(JournalRow {
            event: Event::Placed(placed),
            ..
        }) => {
            let put = "INSERT INTO demand (sku, units) VALUES (?1, ?2) ON CONFLICT (sku) DO UPDATE SET units = units + excluded.units";
            for line in &placed.lines {
                demand.execute(put, (line.sku.as_str(), line.lot.units))?;
            }
        }
        Ok(_) => {}
        // Damaged, or written by a newer engine: kept for a person, and no reason to stand still.
        Err(unreadable) => {
            let put = "INSERT INTO unreadable (order_id, seq) VALUES (?1, ?2)";
            demand.execute(put, (unreadable.order.to_string(), row.seq.cast_signed()))?;
        }
    }
    Ok(())
}

async fn orders() -> Result<Orders, Box<dyn Error>> {
    let clock = Arc::new(SystemClock);
    let store = Arc::new(SqliteStore::open(
        ":memory:",
        SqliteOptions::new(clock.clone()),
    )?);
    let shop = Shop::in_memory(clock)?;
    let catalogue = include_str!("catalogue.toml");
    shop.load(&Catalogue::parse(catalogue, "catalogue.toml")?)
        .await?;
    let pricing = Arc::new(shop.price_book().await?);
    Ok(OrderManager::builder(store, shop)
        .pricing(pricing)
        .build()?)
}

async fn place<S: OrderStore>(
    orders: &OrderManager<S, Shop>,
    quantity: i64,
) -> Result<(), Box<dyn Error>> {
    let request = PlaceRequest {
        user_id: "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33".into(),
        items: vec![ItemInput {
            product_id: "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11".into(),
            variant_id: None,
            quantity,
        }],
        shipping_address: Some(AddressInput {
            first_name: "Sample".into(),
            last_name: "Customer".into(),
            address_line1: "1 Main Street".into(),
            city: "Springfield".into(),
            country: "US".into(),
            ..AddressInput::default()
        }),
        payment_method: "CREDIT_CARD".into(),
        shipping_method: "STANDARD".into(),
        ..PlaceRequest::default()
    };
    orders
        .place(
            &Principal::operator("example"),
            request,
            PlaceOptions::default(),
        )
        .await?
        .outcome()?;
    Ok(())
}
