//! The engine as commands use it: a store, the services, and the manager over both.

use std::sync::Arc;

use order_core::ids::OrderId;
use order_core::manager::{LeaseWait, OrderManager, Principal, Watch};
use order_core::money::Currency;
use order_core::order::Order;
use order_core::pricing::{PriceBook, Pricing as _};
use order_core::runtime::{Clock, Runtime, SystemClock, TokioRuntime};
use order_core::services::{DynClients, ServiceName};
use order_core::store::OrderStore;
use order_core::time::Timestamp;
use order_grpc::services::CacheStats;
use order_store_postgres::{PostgresOptions, PostgresStore};
use order_store_sqlite::shop::{Shop, ShopError};
use order_store_sqlite::{Access, SqliteOptions, SqliteStore};

use crate::clients::{self, Made};
use crate::exit::{Code, Failure, Outcome};
use crate::output::note;
use crate::settings::{Secret, Settings, StoreUrl};

/// A manager over any store and any services.
pub type Manager = OrderManager<Arc<dyn OrderStore>, DynClients>;

/// A watch on the feed of such a manager.
pub type WatchAll = Watch<Arc<dyn OrderStore>, DynClients>;

/// Everything a command needs.
pub struct Engine {
    /// The one door to orders.
    pub manager: Manager,
    /// The embedded shop, if products are in it: it knows them by SKU.
    pub products: Option<Arc<Shop>>,
    /// The counts of calls that the memories of remote services saved.
    pub memories: Vec<(ServiceName, Arc<dyn Fn() -> CacheStats + Send + Sync>)>,
    /// The operator who gives the commands.
    pub principal: Principal,
    /// The currency of the shop's prices.
    pub currency: Currency,
    /// The payment methods that are offered.
    pub payment_methods: Vec<String>,
    /// The shipping methods on offer.
    pub shipping_methods: Vec<String>,
}

/// Returns the operator who types commands.
pub fn operator() -> Principal {
    Principal::operator("cli")
}

/// The runtime of an engine, and the hook for leases that are waited for.
type Running = (Arc<dyn Runtime>, fn(&LeaseWait));

/// For a person at a terminal.
fn told() -> Running {
    (Arc::new(TokioRuntime::default()), say_wait)
}

/// The services an engine is put together with, and the prices.
struct Served {
    made: Made,
    products: Option<Arc<Shop>>,
    prices: PriceBook,
}

impl Served {
    /// Those of `settings`.
    async fn by_services(settings: &Settings) -> Outcome<Self> {
        let services = &settings.services;
        let shop = if services.need_shop() {
            existing_shop(settings)?
        } else {
            nobody()?
        };
        let prices = match &settings.price_book {
            Some(prices) => prices.clone(),
            None if services.product.is_shop() => shop.price_book().await?,
            None => {
                const USE: &str = "give order.toml the tables of [price_book]; \
                    docs/configuration.md has an example";
                let failure = Failure::bad_input(
                    "price_book is missing, and products are not in the embedded shop",
                );
                return Err(failure.hint(USE));
            }
        };
        let shop = Arc::new(shop);
        Ok(Served {
            made: clients::of(services, &shop, prices.currency())?,
            products: services.product.is_shop().then_some(shop),
            prices,
        })
    }

    /// An empty shop in their place. Nothing is asked of it, but what the services of `settings`
    /// can do has a part in what is to be done next.
    fn by_nobody(settings: &Settings) -> Outcome<Self> {
        let prices = PriceBook::new(Currency::USD, vec![], vec![], vec![], vec![])
            .map_err(|e| Failure::caused(Code::Unavailable, &e))?;
        Ok(Served {
            made: clients::of(&settings.services, &Arc::new(nobody()?), Currency::USD)?,
            products: None,
            prices,
        })
    }
}

impl Engine {
    /// The engine over the store and the shop of `settings`; makes a store that is not there.
    pub async fn open(settings: &Settings) -> Outcome<Self> {
        Engine::serving(&settings.on_primary(), Access::Create, told()).await
    }

    /// The same, run by `runtime`, with the store's replica, and without a word about leases that
    /// are waited for: for a server, which nobody watches.
    pub async fn open_on(settings: &Settings, runtime: Arc<dyn Runtime>) -> Outcome<Self> {
        Engine::serving(settings, Access::Create, (runtime, |_| {})).await
    }

    /// The engine for commands about orders that exist: a store that is not there is not made.
    pub async fn open_existing(settings: &Settings) -> Outcome<Self> {
        must_exist(&settings.store)?;
        Engine::serving(&settings.on_primary(), Access::Existing, told()).await
    }

    /// The engine for commands that read orders and the shop.
    pub async fn open_to_look(settings: &Settings) -> Outcome<Self> {
        must_exist(&settings.store)?;
        Engine::serving(&settings.on_primary(), Access::ReadOnly, told()).await
    }

    /// The same for what an order would cost: a store that is not there has no orders, and is not
    /// made to find that out.
    pub async fn open_to_quote(settings: &Settings) -> Outcome<Self> {
        match &settings.store {
            StoreUrl::Sqlite(path) if !path.exists() => {
                Engine::open(&Settings {
                    store: StoreUrl::Memory,
                    ..settings.clone()
                })
                .await
            }
            _ => Engine::open_to_look(settings).await,
        }
    }

    /// The engine for commands that only read, and call no service: neither the store nor the shop
    /// is made or brought up to date.
    pub async fn open_for_reading(settings: &Settings) -> Outcome<Self> {
        must_exist(&settings.store)?;
        Engine::without_services(&settings.on_primary(), Access::ReadOnly).await
    }

    /// The same for lists and the feed, which a replica may serve.
    pub async fn open_to_list(settings: &Settings) -> Outcome<Self> {
        must_exist(&settings.store)?;
        Engine::without_services(settings, Access::ReadOnly).await
    }

    /// The engine for commands that write to orders that exist, and call no service.
    pub async fn open_existing_without_services(settings: &Settings) -> Outcome<Self> {
        must_exist(&settings.store)?;
        Engine::without_services(&settings.on_primary(), Access::Existing).await
    }

    /// The same, but makes a store that is not there.
    pub async fn open_without_services(settings: &Settings) -> Outcome<Self> {
        Engine::without_services(&settings.on_primary(), Access::Create).await
    }

    /// The same with the services, over the store that is open.
    pub async fn with_services(self, settings: &Settings) -> Outcome<Self> {
        let served = Served::by_services(settings).await?;
        Engine::over(settings, Arc::clone(self.manager.store()), served, told())
    }

    async fn serving(settings: &Settings, access: Access, running: Running) -> Outcome<Self> {
        // The services first: where the shop is missing, no store is made either.
        let served = Served::by_services(settings).await?;
        Engine::over(
            settings,
            any_store(access, settings).await?,
            served,
            running,
        )
    }

    async fn without_services(settings: &Settings, access: Access) -> Outcome<Self> {
        let served = Served::by_nobody(settings)?;
        Engine::over(settings, any_store(access, settings).await?, served, told())
    }

    fn over(
        settings: &Settings,
        store: Arc<dyn OrderStore>,
        served: Served,
        (runtime, on_wait): Running,
    ) -> Outcome<Self> {
        let Served {
            made: Made { clients, memories },
            products,
            prices,
        } = served;
        let methods = prices.payment_methods().iter();
        let payment_methods = methods.map(|m| m.method.to_string()).collect();
        let methods = prices.shipping_methods().iter();
        let shipping_methods = methods.map(|m| m.method.to_string()).collect();
        let currency = prices.currency();
        let manager = OrderManager::builder(store, clients)
            .pricing(Arc::new(prices))
            .policy(settings.policy.clone())
            .runtime(runtime)
            .on_wait(on_wait)
            .build()
            .map_err(|e| Failure::caused(Code::BadInput, &e))?;
        Ok(Engine {
            manager,
            products,
            memories,
            principal: operator(),
            currency,
            payment_methods,
            shipping_methods,
        })
    }

    /// Works the order until nothing is due for it now, waiting for whoever is at it; the order as
    /// it is then.
    pub async fn drive(&self, id: OrderId) -> Outcome<Arc<Order>> {
        Ok(self.manager.work_to_rest(id).await?)
    }

    /// The outcome, once all that goes on behind it has come to its end: a program that ends with a
    /// lease in its hands keeps whoever wants something of the order next waiting until the lease
    /// runs out.
    pub async fn finished<T, E>(&self, outcome: Result<T, E>) -> Result<T, E> {
        self.manager.idle().await;
        outcome
    }
}

/// Refuses a store that is not there, where only one that is can be meant.
pub fn must_exist(store: &StoreUrl) -> Outcome {
    match store {
        StoreUrl::Sqlite(path) if !path.exists() => {
            let failure = Failure::new(
                Code::Unavailable,
                format!("there is no store {}", path.display()),
            );
            Err(failure.hint("check --store: the folder must exist; `order place` makes the file"))
        }
        // What is not there is said when it is opened.
        StoreUrl::Sqlite(_) | StoreUrl::Memory | StoreUrl::Postgres(_) => Ok(()),
    }
}

/// The store of `settings`, whichever it is.
async fn any_store(access: Access, settings: &Settings) -> Outcome<Arc<dyn OrderStore>> {
    Ok(match &settings.store {
        StoreUrl::Postgres(Secret(url)) => {
            let replica = settings.replica.clone().map(|Secret(url)| url);
            let store = PostgresStore::open(
                url,
                PostgresOptions {
                    replica,
                    ..PostgresOptions::default()
                },
            )
            .await?;
            if store.replica_stats().is_some_and(|stats| stats.is_down) {
                note(
                    "the replica cannot be used now: the primary serves lists and the feed until it can \
                     be used again",
                );
            }
            Arc::new(store)
        }
        StoreUrl::Memory | StoreUrl::Sqlite(_) => {
            Arc::new(open_store_as(access, settings, Arc::new(SystemClock))?)
        }
    })
}

/// The SQLite store of `settings`, judging times by `clock`; made if it is not there.
pub fn open_store(settings: &Settings, clock: Arc<dyn Clock>) -> Outcome<SqliteStore> {
    open_store_as(Access::Create, settings, clock)
}

/// The SQLite store of `settings`, judging times by `clock`.
pub fn open_store_as(
    access: Access,
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Outcome<SqliteStore> {
    let options = SqliteOptions {
        access,
        ..SqliteOptions::new(clock)
    };
    Ok(match &settings.store {
        StoreUrl::Memory => SqliteStore::open(":memory:", options)?,
        StoreUrl::Sqlite(path) => SqliteStore::open(path, options)?,
        StoreUrl::Postgres(_) => {
            let failure = Failure::bad_input("--store: this is done to a SQLite file only");
            const USE: &str = "PostgreSQL has tools of its own, such as pg_dump; `order export` works \
                with either";
            return Err(failure.hint(USE));
        }
    })
}

/// A shop without anything, for a place where none is asked.
fn nobody() -> Outcome<Shop> {
    Ok(Shop::in_memory(Arc::new(SystemClock))?)
}

/// The shop of `settings`, which must be there.
pub fn existing_shop(settings: &Settings) -> Outcome<Shop> {
    match &settings.shop {
        Some(path) if !path.exists() => {
            let failure = Failure::new(
                Code::Unavailable,
                format!("there is no shop {}", path.display()),
            );
            const USE: &str = "check --shop; `order shop load FILE` makes one from a catalogue, such \
                as examples/catalogue.toml";
            Err(failure.hint(USE))
        }
        Some(path) => Ok(Shop::open_existing(path, Arc::new(SystemClock))?),
        None => open_shop(settings, Arc::new(SystemClock)),
    }
}

/// The shop of `settings`, telling time by `clock`; made if it is not there.
pub fn open_shop(settings: &Settings, clock: Arc<dyn Clock>) -> Outcome<Shop> {
    Ok(match &settings.shop {
        None => Shop::in_memory(clock)?,
        Some(path) => Shop::open(path, clock)?,
    })
}

/// Says that another process's lease is waited for.
fn say_wait(wait: &LeaseWait) {
    note(format_args!(
        "waiting for another worker's lease on {} (until {})",
        wait.number,
        time_of_day(wait.until)
    ));
}

/// A moment within a day, as in `22:23:00 UTC`.
pub fn time_of_day(at: Timestamp) -> String {
    let text = at.to_string();
    let time = text
        .split_once('T')
        .map_or(&*text, |(_, time)| time.get(..8).unwrap_or(time));
    format!("{time} UTC")
}

impl From<ShopError> for Failure {
    fn from(error: ShopError) -> Self {
        let (code, hint) = match &error {
            ShopError::Unavailable {
                maybe_done: true, ..
            } => (
                Code::Unavailable,
                Some("it may have happened; look before you repeat it"),
            ),
            ShopError::Unavailable { .. } => (
                Code::Unavailable,
                Some("nothing was changed; check --shop, or try again later"),
            ),
            ShopError::Foreign { .. } => (Code::Unavailable, Some("check --shop")),
            ShopError::NoCatalogue { .. } => (
                Code::Unavailable,
                Some("`order shop load FILE` loads one, such as examples/catalogue.toml"),
            ),
            ShopError::UnknownSku(_) => {
                (Code::NotFound, Some("`order shop stock` shows every SKU"))
            }
            ShopError::UnknownPayment(_) => (
                Code::NotFound,
                Some("`order shop payments` shows every payment with its key"),
            ),
            ShopError::AlreadySettled { .. }
            | ShopError::OtherCurrency { .. }
            | ShopError::Conflict(_) => (Code::Refused, None),
            ShopError::Invalid { .. } => (Code::BadInput, None),
        };
        let failure = Failure::caused(code, &error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
