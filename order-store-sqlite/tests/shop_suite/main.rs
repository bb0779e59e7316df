//! The embedded shop, from outside: what it reads, keeps, answers and refuses.

mod catalogue;
mod desk;
mod directory;
mod inventory;
mod late;
mod load;
mod opening;
mod parts;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use order_core::ids::{OrderId, Sku, UserId};
use order_core::money::{Currency, Money};
use order_core::number::OrderNumber;
use order_core::runtime::Clock;
use order_core::services::CallError;
use order_core::time::Timestamp;
use order_store_sqlite::shop::{Catalogue, Shop};
use uuid::Uuid;

/// A clock that stands still until it is told to move.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(TestClock(AtomicI64::new(1_772_359_200_000_000)))
    }
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as i64, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) const CATALOGUE: &str = r#"
currency = "USD"
[[product]]
id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11"
sku = "MUG-01"
name = "Enamel mug"
price = "12.50"
discount_price = "11.00"
stock = 10
[[product]]
id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d12"
sku = "CUP"
name = "Cup"
price = "8"
stock = 0
published = false
requires_shipping = false
[[product.variant]]
id = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21"
sku = "CUP-RED"
name = "Red"
price = "8.00"
stock = 3
[[product.variant]]
id = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b22"
sku = "CUP-BLUE"
name = "Blue"
price = "9.00"
stock = 4
[[customer]]
id = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33"
email = "customer@example.com"
first_name = "Sample"
last_name = "Customer"
[[customer]]
id = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a34"
email = "other@example.com"
first_name = "Other"
last_name = ""
status = "suspended"
[[shipping]]
method = "STANDARD"
price = "4.90"
free_from = "50.00"
[[tax]]
country = "US"
rate = "0.05"
[[tax]]
country = "US"
state = "CA"
rate = "0.0725"
taxes_shipping = true
[[coupon]]
code = "SUMMER10"
percent = "10"
minimum = "20.00"
from = "2026-01-01T00:00:00Z"
until = 2027-01-01T00:00:00Z
uses = 100
uses_per_customer = 1
[[coupon]]
code = "FIVE"
amount = "5.00"
[[payment_method]]
method = "CREDIT_CARD"
outcome = "approve"
[[payment_method]]
method = "DECLINED"
outcome = "decline"
[[payment_method]]
method = "BANK"
outcome = "pending"
due = "shipment"
capture_within_days = 7
[[payment_method]]
method = "ACTION"
outcome = "action_required"
[[payment_method]]
method = "DONE"
outcome = "timeout_done"
[[payment_method]]
method = "LOST"
outcome = "timeout_lost"
[[payment_method]]
method = "INVOICE"
outcome = "approve"
due = "invoice"
[[payment_method]]
method = "CARD_FOR_A_DAY"
outcome = "approve"
due = "shipment"
capture_within_days = 1
"#;

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::parse(CATALOGUE, "test.toml").unwrap()
}

/// A shop in memory with the catalogue above.
pub(crate) async fn shop() -> Shop {
    shop_at(TestClock::new()).await
}

pub(crate) async fn shop_at(clock: Arc<TestClock>) -> Shop {
    let shop = Shop::in_memory(clock).unwrap();
    shop.load(&catalogue()).await.unwrap();
    shop
}

pub(crate) fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

pub(crate) fn order(n: u64) -> OrderId {
    OrderId::from_uuid(Uuid::from_u64_pair(n, 0))
}

pub(crate) fn number(n: u64) -> OrderNumber {
    OrderNumber::new(n, order_core::ids::Bucket::MAX)
}

pub(crate) fn customer() -> UserId {
    "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33".parse().unwrap()
}

pub(crate) fn key(n: u64) -> Uuid {
    Uuid::from_u64_pair(u64::MAX, n)
}

pub(crate) fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, CallError>) -> String {
    match answer {
        Err(CallError::Refused { code, .. }) => code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// A file that is gone when the test is.
pub(crate) struct TempFile(pub(crate) PathBuf);

impl TempFile {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "shop-test-{}-{}.db",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        TempFile(std::env::temp_dir().join(name))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
    }
}
