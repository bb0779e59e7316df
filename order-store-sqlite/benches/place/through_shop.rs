//! Placing through the embedded shop, on a file of its own: does it stay as fast as its ledgers
//! grow?

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use order_core::manager::{OrderManager, PlaceOptions, Principal};
use order_core::order::Status;
use order_core::runtime::SystemClock;
use order_store_sqlite::shop::{Catalogue, Shop};

use super::shop::request;

const CATALOGUE: &str = r#"
currency = "USD"
[[product]]
id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d01"
sku = "SKU-0"
name = "Product number 0"
price = "12.50"
stock = 1000000
[[product]]
id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d02"
sku = "SKU-1"
name = "Product number 1"
price = "12.50"
stock = 1000000
[[product]]
id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d03"
sku = "SKU-2"
name = "Product number 2"
price = "12.50"
stock = 1000000
[[customer]]
id = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33"
email = "customer@example.com"
first_name = "Sample"
last_name = "Customer"
[[shipping]]
method = "STANDARD"
price = "4.90"
[[payment_method]]
method = "CREDIT_CARD"
outcome = "approve"
"#;

const CALLERS: usize = 32;
const THOUSANDS: usize = 20;

/// Orders a second, of each thousand of 20,000.
pub async fn place(folder: &Path) -> Vec<f64> {
    let clock = Arc::new(SystemClock);
    let store = super::open(&folder.join("shop-orders.db"));
    let shop = Shop::open(folder.join("shop.db"), clock).expect("the shop opens");
    shop.load(&Catalogue::parse(CATALOGUE, "bench").expect("a sound catalogue"))
        .await
        .expect("it loads");
    let pricing = Arc::new(shop.price_book().await.expect("it has one"));
    let manager = OrderManager::builder(store, shop)
        .pricing(pricing)
        .build()
        .expect("a sound manager");
    let principal = Principal::operator("bench");
    let mut rates = Vec::new();
    for _ in 0..THOUSANDS {
        let started = Instant::now();
        let callers = (0..CALLERS).map(|_| async {
            for _ in 0..1000 / CALLERS {
                let placed = manager
                    .place(&principal, request(), PlaceOptions::default())
                    .await
                    .expect("it is placed");
                assert_eq!(placed.order.statuses.status, Status::Confirmed);
            }
        });
        join_all(callers).await;
        rates.push((1000 / CALLERS * CALLERS) as f64 / started.elapsed().as_secs_f64());
    }
    rates
}
