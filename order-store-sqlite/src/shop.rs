//! The embedded shop: a catalogue, stock, customers, a payment desk and a notification log in one
//! SQLite file, behind all five service traits of `order-core`, so that the engine works with
//! nothing else installed.
//!
//! The shop honours keys without limit of time: a request repeated under its key has no second
//! effect and gets the answer that the first one got, a refusal included; the same key with other
//! content is refused with `KEY_REUSED`. Holds do not lapse, and authorizations only where the
//! catalogue limits the time to capture them. Any number of processes can use one file, one writing
//! at a time: one that stands still while it writes, suspended or stopped, keeps the others from
//! it.
//!
//! A call that comes to its turn after its deadline is not carried out any more.
//!
//! Refusals carry these codes. Of the stock: `INSUFFICIENT_STOCK`, `UNKNOWN_SKU`,
//! `QUANTITY_INVALID`, `UNKNOWN_RESERVATION`, `RESERVATION_RELEASED`, `EXCEEDS_HELD`,
//! `EXCEEDS_COMMITTED`, `KEY_REUSED`. Of the desk: `UNKNOWN_METHOD`, `AMOUNT_INVALID`,
//! `CURRENCY_MISMATCH`, `UNKNOWN_PAYMENT`, `NOT_AUTHORIZED`, `NOT_CAPTURED`, `NOT_VOIDABLE`,
//! `ALREADY_CAPTURED`, `EXCEEDS_AUTHORIZED`, `EXCEEDS_CAPTURED`, `KEY_REUSED`; and as the codes of
//! `DECLINED` answers `CARD_DECLINED` and `AUTHORIZATION_EXPIRED`.

pub mod catalogue;
mod desk;
mod directory;
mod error;
mod inventory;
mod ledgers;
mod load;
mod reports;
mod rows;
mod schema;
mod settle;
mod thread;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use order_core::runtime::Clock;
use order_core::services::{CallDeadline, CallError, DynClients};
use order_core::time::Timestamp;
use rusqlite::Connection;

pub use catalogue::{Catalogue, CatalogueError, CatalogueSource, RawCatalogue, RawPriceBook};
pub use error::ShopError;
pub use load::{Counts, LoadReport};
pub use reports::{
    DeskPayment, LoggedNotice, ReservationRow, ReservationState, ShelfRow, StockRow,
};
pub use settle::Settlement;

use error::Failure;
use schema::ShopFile;
use thread::{Access, SqlThread};

/// The most units of a SKU that a catalogue or a restock can bring its stock to.
pub const STOCK_MAX: u32 = 1_000_000_000;

/// An embedded shop. Cheap to clone; the last clone closes the file.
///
/// SQL runs on threads of its own: calls are answered when what they changed is durable
/// (`synchronous = FULL`), and concurrent ones share a transaction.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use order_core::runtime::SystemClock;
/// use order_store_sqlite::shop::{Catalogue, Shop};
///
/// let shop = Shop::in_memory(Arc::new(SystemClock))?;
/// let catalogue = r#"
///     currency = "USD"
///
///     [[product]]
///     id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11"
///     sku = "MUG-01"
///     name = "Mug"
///     price = "12.50"
///     stock = 10
/// "#;
/// shop.load(&Catalogue::parse(catalogue, "catalogue.toml")?).await?;
/// let shelf = shop.restock(&"MUG-01".parse()?, 5).await?;
/// assert_eq!(shelf.on_hand, 15);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Shop {
    inner: Arc<Inner>,
}

struct Inner {
    writer: SqlThread,
    /// In memory there is one connection only, and the writer reads.
    reader: Option<SqlThread>,
    clock: Arc<dyn Clock>,
    notifies: AtomicBool,
    path: Arc<str>,
}

impl Shop {
    /// Opens the shop in the file at `path`, which is created, for its owner alone, and migrated
    /// where needed. Blocks while another process does the same. Times in it come from `clock`.
    ///
    /// [`ShopError::Foreign`] for a file that is not a shop's (it is left as it was),
    /// [`ShopError::Unavailable`] where the file cannot be used now.
    ///
    /// `:memory:` is [`Shop::in_memory`].
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, ShopError> {
        Shop::open_file(path.as_ref(), true, clock)
    }

    /// The same for a shop that must be there: a file that is not, or has nothing in it, is
    /// refused, and left as it is.
    pub fn open_existing(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, ShopError> {
        Shop::open_file(path.as_ref(), false, clock)
    }

    fn open_file(name: &Path, make: bool, clock: Arc<dyn Clock>) -> Result<Self, ShopError> {
        if name.as_os_str() == ":memory:" {
            return Shop::in_memory(clock);
        }
        let mut file = ShopFile::new(name);
        let path = Arc::clone(file.path());
        let writer = file.open_writer(make, clock.now())?;
        let reader = start(
            file.open_reader()?,
            Some(file.clone()),
            Access::Read,
            &path,
            &clock,
        )?;
        Ok(Shop::of(
            start(writer, Some(file), Access::Write, &path, &clock)?,
            Some(reader),
            clock,
            path,
        ))
    }

    /// A shop that is gone with its last clone.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, ShopError> {
        let path: Arc<str> = ":memory:".into();
        let db = schema::open_in_memory(&path, clock.now())?;
        let writer = start(db, None, Access::Write, &path, &clock)?;
        Ok(Shop::of(writer, None, clock, path))
    }

    fn of(
        writer: SqlThread,
        reader: Option<SqlThread>,
        clock: Arc<dyn Clock>,
        path: Arc<str>,
    ) -> Self {
        Shop {
            inner: Arc::new(Inner {
                writer,
                reader,
                clock,
                notifies: AtomicBool::new(true),
                path,
            }),
        }
    }

    /// Switches the notification service on or off, for this clone and all others; it is on unless
    /// it is switched off.
    pub fn set_notifications(&self, on: bool) {
        self.inner.notifies.store(on, Ordering::Relaxed);
    }

    /// The file, as it was named; `:memory:` without one.
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    async fn write<T, F>(&self, work: F) -> Result<T, ShopError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.inner.writer.run(work).await
    }

    async fn read<T, F>(&self, work: F) -> Result<T, ShopError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.inner
            .reader
            .as_ref()
            .unwrap_or(&self.inner.writer)
            .run(work)
            .await
    }

    /// A write whose refusals are answers, and durable like any other. Once `deadline` is over it
    /// is not made.
    ///
    /// That is judged where nobody else can write any more. A process that stands still before then
    /// finds its deadline over when it goes on; one that stands still after it keeps everybody from
    /// writing, and so from [`read_settled`](Shop::read_settled), until it is done.
    async fn call<T, F>(&self, deadline: CallDeadline, mut work: F) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<Result<T, CallError>, Failure> + Send + 'static,
    {
        self.write(move |db| match deadline.check() {
            Ok(()) => work(db),
            Err(over) => Ok(Err(over)),
        })
        .await?
    }

    /// A read whose "nothing" is proof: of what others began to write before it sees all or
    /// nothing, never a state that they are about to change.
    async fn read_settled<T, F>(&self, work: F) -> Result<T, CallError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        Ok(self.write(work).await?)
    }
}

fn start(
    db: Connection,
    file: Option<ShopFile>,
    access: Access,
    path: &Arc<str>,
    clock: &Arc<dyn Clock>,
) -> Result<SqlThread, ShopError> {
    SqlThread::start(db, file, access, path.clone(), Arc::clone(clock)).map_err(|e| {
        let source = rusqlite::Error::ToSqlConversionFailure(Box::new(e));
        ShopError::unavailable(path, Arc::new(source), false)
    })
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

order_core::clients_in_one!(Shop);

/// The shop as all five services, of which each can then be replaced:
///
/// ```
/// # use order_core::services::{DynClients, PaymentService};
/// # use order_store_sqlite::shop::Shop;
/// # fn example(shop: Shop, acme: impl PaymentService + 'static) -> DynClients {
/// DynClients::from(shop).with_payment(acme)
/// # }
/// ```
impl From<Shop> for DynClients {
    fn from(shop: Shop) -> Self {
        DynClients::all(Arc::new(shop))
    }
}
