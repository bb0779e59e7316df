//! Everything a script plays with: a clock, a store, a shop, services that misbehave, and the
//! engine over them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use order_core::archive;
use order_core::ids::{Name, OrderId, UserId};
use order_core::manager::{OrderManager, Principal};
use order_core::money::Currency;
use order_core::order::{JournalRow, Order, PaymentTerms};
use order_core::policy::Policy;
use order_core::pricing::{PriceBook, Priced, Pricing, PricingError, PricingRequest};
use order_core::runtime::virtual_time::{EPOCH, SeededIds};
use order_core::runtime::{Clock, Ids, RandomIds, SystemClock};
use order_core::services::{CallError, DynClients};
use order_core::store::{
    Changeset, CommitError, Committed, DumpPage, DumpQuery, FeedCursor, FeedPage, FeedQuery,
    FeedRow, JournalQuery, LeasePage, LeaseRequest, ListQuery, Loaded, Lookup, OrderPage,
    OrderStore, Peek, StoreError, WorkSummary,
};
use order_store_sqlite::SqliteStore;
use order_store_sqlite::shop::{Catalogue, LoadReport, RawCatalogue, Shop};
use serde::Deserialize as _;
use toml::de::ValueDeserializer;

use super::clock::World;
use super::faults::{FaultyPrices, FaultyServices};
use super::model::{CatalogueSource, Script};
use crate::commands::bulk::csv::Formulas;
use crate::commands::bulk::export::{self, ExportForm};
use crate::engine::{self, Manager, open_shop, open_store};
use crate::exit::{Code, Failure, Outcome};
use crate::input::read;
use crate::settings::{Settings, StoreUrl};
use crate::toml_doc::Source;

/// Everything a script plays with.
pub struct Stage {
    /// The clock.
    pub world: World,
    /// The shop, as its owner sees it.
    pub shop: Shop,
    /// The shop, as the engine sees it.
    pub services: FaultyServices,
    /// The engine.
    pub manager: Manager,
    /// The operator who gives the commands.
    pub principal: Principal,
    /// Orders that were placed, in order, each with its name if it has one.
    pub orders: Vec<(Option<String>, OrderId)>,
    /// Up to where the feed was printed.
    watched: Option<FeedCursor>,
    /// The text exported last, a line for each order.
    pub exported: String,
    parts: Parts,
}

/// The parts that outlive the process.
#[derive(Clone)]
struct Parts {
    settings: Settings,
    store: Arc<Outside>,
    prices: Arc<ShopPrices>,
    ids: Arc<dyn Ids>,
    policy: Policy,
}

impl Stage {
    /// The stage of `script`, with its catalogue loaded.
    pub fn set(source: Source<'_>, script: &Script<'_>, settings: &Settings) -> Outcome<Self> {
        let in_memory = settings.store == StoreUrl::Memory;
        let start = script
            .start
            .unwrap_or_else(|| if in_memory { EPOCH } else { SystemClock.now() });
        let world = World::new(start);
        let clock: Arc<dyn Clock> = Arc::new(world.clone());
        let catalogue = script
            .catalogue
            .as_ref()
            .map(|c| read_catalogue(source, c))
            .transpose()?;
        if catalogue.is_none() && settings.shop.is_none() {
            return Err(source.problem(
                &(0..0),
                "a script needs the field catalogue, unless --shop names a shop that has one",
            ));
        }
        let shop = open_shop(settings, clock.clone())?;
        if let Some(catalogue) = catalogue {
            world.run(world.outside(shop.load(&catalogue)))?;
        }
        let currency = world.run(world.outside(shop.price_book()))?.currency();
        let store = Arc::new(Outside {
            inner: open_store(settings, clock)?,
            world: world.clone(),
        });
        // Where orders stay, the next run must not draw the same ids again.
        let ids: Arc<dyn Ids> = if in_memory {
            Arc::new(SeededIds::new(script.seed))
        } else {
            Arc::new(RandomIds)
        };
        let clients = DynClients::all(Arc::new(shop.clone()));
        let services = FaultyServices::new(clients, world.clone());
        let policy = script.policy.clone();
        let prices = Arc::new(ShopPrices {
            shop: shop.clone(),
            world: world.clone(),
            currency,
        });
        let principal = engine::operator();
        let parts = Parts {
            settings: settings.clone(),
            store,
            prices,
            ids,
            policy,
        };
        let manager = parts
            .manager(&world, &services)
            .map_err(|e| source.problem(&script.policy_span, e.message()))?;
        Ok(Stage {
            world,
            shop,
            services,
            manager,
            principal,
            orders: Vec::new(),
            watched: None,
            exported: String::new(),
            parts,
        })
    }

    /// Loads a catalogue over the present one.
    pub fn load(&self, catalogue: &Catalogue) -> Outcome<LoadReport> {
        Ok(self.outside(self.shop.load(catalogue))?)
    }

    /// The currency of the shop's prices.
    pub fn currency(&self) -> Currency {
        self.parts.prices.currency
    }

    /// Does something at the shop that is no call of the engine's.
    pub fn outside<T>(&self, call: impl Future<Output = T>) -> T {
        self.world.run(self.world.outside(call))
    }

    /// The process dies and starts again, with other settings if there are any.
    pub fn restart(&mut self, policy: Option<&Policy>) -> Outcome {
        self.world.end_tasks();
        if let Some(policy) = policy {
            self.parts.policy = policy.clone();
        }
        self.manager = self.parts.manager(&self.world, &self.services)?;
        Ok(())
    }

    /// Returns what happened to all orders since the last time this was asked.
    pub fn watch(&mut self) -> Outcome<Vec<FeedRow>> {
        let mut rows = Vec::new();
        let mut watch = self.manager.watch(&self.principal, self.watched.clone())?;
        while let Some(row) = self.world.run(watch.next_now())? {
            rows.push(row);
        }
        self.watched = watch.cursor();
        Ok(rows)
    }

    /// All orders, as the command line writes them out, and how many there are.
    pub fn export(&self, form: ExportForm) -> Outcome<(u64, String)> {
        export_of(&self.world, &self.manager, form)
    }

    /// Puts what was exported last into a new store in memory, and goes on with that. A failure if
    /// exporting again gives anything else.
    pub fn restore(&mut self) -> Outcome<u64> {
        if self.exported.is_empty() {
            return Err(Failure::bad_input("nothing was exported"));
        }
        let settings = Settings {
            store: StoreUrl::Memory,
            ..self.parts.settings.clone()
        };
        let inner = open_store(&settings, Arc::new(self.world.clone()))?;
        self.parts.store = Arc::new(Outside {
            inner,
            world: self.world.clone(),
        });
        self.world.end_tasks();
        self.manager = self.parts.manager(&self.world, &self.services)?;
        self.watched = None;
        let orders = self
            .exported
            .lines()
            .map(|l| archive::read(l).map_err(|e| Failure::caused(Code::BadInput, &e)));
        let restored = self
            .world
            .run(self.manager.restore(&self.principal, orders, || ()))?;
        let (_, again) = self.export(ExportForm::Jsonl)?;
        self.must_be_exported(&again, "the restored orders")?;
        Ok(restored)
    }

    /// Copies the store into a file that is removed again; how many orders the copy has. A failure
    /// if they are others.
    pub fn backup(&mut self) -> Outcome<u64> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "order-backup-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        let cannot = |e: std::io::Error| {
            Failure::caused(Code::Unavailable, &e).context(format!("cannot use {}", dir.display()))
        };
        std::fs::create_dir_all(&dir).map_err(cannot)?;
        let compared = self.compare_copy(&dir.join("copy.db"));
        std::fs::remove_dir_all(&dir).map_err(cannot)?;
        compared
    }

    fn compare_copy(&mut self, path: &Path) -> Outcome<u64> {
        self.exported = self.export(ExportForm::Jsonl)?.1;
        self.outside(self.parts.store.inner.backup(path))?;
        let settings = Settings {
            store: StoreUrl::Sqlite(path.into()),
            ..self.parts.settings.clone()
        };
        let inner = open_store(&settings, Arc::new(self.world.clone()))?;
        let store = Arc::new(Outside {
            inner,
            world: self.world.clone(),
        });
        let copy = Parts {
            store,
            ..self.parts.clone()
        }
        .manager(&self.world, &self.services)?;
        let (orders, text) = export_of(&self.world, &copy, ExportForm::Jsonl)?;
        self.must_be_exported(&text, "the copied orders")?;
        Ok(orders)
    }

    fn must_be_exported(&self, text: &str, what: &str) -> Outcome {
        let differs = self
            .exported
            .lines()
            .zip(text.lines())
            .position(|(a, b)| a != b);
        match differs {
            _ if self.exported == text => Ok(()),
            Some(at) => Err(Failure::new(
                Code::Refused,
                format!("{what} differ from the exported ones in line {}", at + 1),
            )),
            None => Err(Failure::new(
                Code::Refused,
                format!("{what} are not as many as the exported ones"),
            )),
        }
    }

    /// Works an order until nothing is due for it now.
    pub fn drive(&self, id: OrderId) -> Outcome<Arc<Order>> {
        // What needs no time is done first, so that waiting for it takes none.
        self.world.settle();
        Ok(self.world.run(self.manager.work_to_rest(id))?)
    }

    /// Lets a worker do what is due, now and for `lasting`.
    pub fn work(&self, lasting: Duration) -> Outcome<usize> {
        let until = self.world.now().after(lasting);
        let mut worked = 0;
        loop {
            let done = self.world.run(self.manager.work_due(WORK_BATCH))?;
            worked += done.orders;
            if done.orders > 0 {
                continue;
            }
            let summary = self.world.run(self.manager.work_summary())?;
            let now = self.world.now();
            let next = [summary.next_due, summary.leased_until]
                .into_iter()
                .flatten()
                .filter(|at| *at > now)
                .min();
            match next {
                Some(at) if at <= until => self.world.advance(at.since(now)),
                _ => {
                    self.world.advance(until.since(now));
                    return Ok(worked);
                }
            }
        }
    }
}

const WORK_BATCH: u32 = 64;

fn export_of(world: &World, manager: &Manager, form: ExportForm) -> Outcome<(u64, String)> {
    let principal = engine::operator();
    let (mut orders, mut text, mut after) = (0, export::head(form)?, None);
    loop {
        let page = world.run(manager.export(&principal, after))?;
        for dumped in &page.orders {
            text.push_str(&export::text(dumped, form, Formulas::Defused)?);
            orders += 1;
        }
        after = page.next;
        if after.is_none() {
            return Ok((orders, text));
        }
    }
}

impl Parts {
    fn manager(&self, world: &World, services: &FaultyServices) -> Outcome<Manager> {
        // Of the same types as the engine of every other command: else all of it is there twice.
        let store: Arc<dyn OrderStore> = self.store.clone();
        OrderManager::builder(store, DynClients::all(Arc::new(services.clone())))
            .pricing(Arc::new(FaultyPrices {
                inner: self.prices.clone(),
                services: services.clone(),
            }))
            .runtime(Arc::new(world.clone()))
            .ids(self.ids.clone())
            .policy(self.policy.clone())
            .build()
            .map_err(|e| Failure::caused(Code::BadInput, &e))
    }
}

/// Reads a script's catalogue, from its own text or from a file beside it.
pub fn read_catalogue(source: Source<'_>, catalogue: &CatalogueSource<'_>) -> Outcome<Catalogue> {
    match catalogue {
        CatalogueSource::File(file, span) => {
            let path = Path::new(source.name)
                .parent()
                .unwrap_or(Path::new(""))
                .join(file);
            let text = read::text(&path, read::DOCUMENT_MAX)
                .map_err(|e| source.problem(span, e.message()))?;
            Ok(Catalogue::parse(&text, &read::name(&path))?)
        }
        CatalogueSource::Inline(value) => {
            let raw = RawCatalogue::deserialize(ValueDeserializer::from(value.clone()));
            let raw = raw.map_err(|mut e| {
                // Some errors know no place of their own: then it is the catalogue's.
                e.set_input(None);
                let span = e.span().unwrap_or_else(|| value.span());
                source.problem(&span, format!("catalogue: {}", e.message()))
            })?;
            Ok(raw.check(source.name, source.text)?)
        }
    }
}

/// Prices as the shop has them now, so that a catalogue can be loaded while orders are placed.
struct ShopPrices {
    shop: Shop,
    world: World,
    /// A shop has one currency for its whole life.
    currency: Currency,
}

impl ShopPrices {
    async fn book(&self) -> Result<PriceBook, CallError> {
        self.world
            .outside(self.shop.price_book())
            .await
            .map_err(CallError::from)
    }
}

#[async_trait]
impl Pricing for ShopPrices {
    async fn price(&self, request: &PricingRequest) -> Result<Priced, PricingError> {
        self.book().await?.price(request).await
    }
    async fn terms(&self, method: &Name) -> Result<Option<PaymentTerms>, PricingError> {
        self.book().await?.terms(method).await
    }
    fn currency(&self) -> Currency {
        self.currency
    }
}

/// A store whose threads the clock waits for.
pub struct Outside {
    inner: SqliteStore,
    world: World,
}

#[async_trait]
impl OrderStore for Outside {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        self.world.outside(self.inner.commit(changeset)).await
    }
    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        self.world.outside(self.inner.load(order, owner)).await
    }
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.world.outside(self.inner.peek(order)).await
    }
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.world.outside(self.inner.list(query)).await
    }
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        self.world.outside(self.inner.journal(query)).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        self.world.outside(self.inner.lease(request)).await
    }
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        self.world.outside(self.inner.work_summary()).await
    }
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.world.outside(self.inner.feed(query)).await
    }
    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        self.world.outside(self.inner.dump(query)).await
    }
}
