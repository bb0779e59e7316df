//! The clients of the five services, each where the settings say. Making them asks nothing of any
//! service.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_core::money::Currency;
use order_core::services::{CallError, DynClients, Notification, NotificationService, ServiceName};
use order_grpc::services::{
    CacheSettings, CacheStats, Endpoint, NotificationClient, PaymentClient, PlatformInventory,
    PlatformProducts, PlatformUsers, ServiceChannel, StockClient,
};
use order_store_sqlite::shop::Shop;

use crate::exit::{Code, Failure, Outcome};
use crate::settings::services::{Place, Profile, Services};

/// The clients, and the memories that some of them have.
pub struct Made {
    /// Of all five services.
    pub clients: DynClients,
    /// The counts of calls that each service's memory saved.
    pub memories: Vec<(ServiceName, Arc<dyn Fn() -> CacheStats + Send + Sync>)>,
}

/// The clients of `services`; `shop` stands for those that are in the embedded one, and prices of
/// products are in `currency`.
pub fn of(services: &Services, shop: &Arc<Shop>, currency: Currency) -> Outcome<Made> {
    let mut clients = DynClients::all(Arc::clone(shop));
    let mut memories: Vec<(ServiceName, Arc<dyn Fn() -> CacheStats + Send + Sync>)> = Vec::new();
    if let Place::Remote(endpoint) = &services.inventory {
        let channel = channel(ServiceName::Inventory, endpoint)?;
        clients.inventory = match services.profile {
            Profile::Platform => Arc::new(PlatformInventory::new(channel)),
            Profile::Ideal => Arc::new(StockClient::new(channel, services.inventory_can)),
        };
    }
    if let Place::Remote(endpoint) = &services.product {
        let channel = channel(ServiceName::Product, endpoint)?;
        let products = Arc::new(PlatformProducts::new(
            channel,
            currency,
            remembered(services.product_cache),
        ));
        clients.product = products.clone();
        memories.push((
            ServiceName::Product,
            Arc::new(move || products.cache_stats()),
        ));
    }
    if let Place::Remote(endpoint) = &services.user {
        let users = Arc::new(PlatformUsers::new(
            channel(ServiceName::User, endpoint)?,
            remembered(services.user_cache),
        ));
        clients.user = users.clone();
        memories.push((ServiceName::User, Arc::new(move || users.cache_stats())));
    }
    if let Place::Remote(endpoint) = &services.payment {
        let channel = channel(ServiceName::Payment, endpoint)?;
        clients.payment = Arc::new(PaymentClient::new(channel, services.payment_can));
    }
    match &services.notification {
        Place::Remote(endpoint) => {
            clients.notification = Arc::new(NotificationClient::new(channel(
                ServiceName::Notification,
                endpoint,
            )?));
        }
        Place::Nowhere => clients.notification = Arc::new(Nobody),
        Place::Shop => {}
    }
    Ok(Made { clients, memories })
}

fn remembered(time_to_live: Duration) -> CacheSettings {
    match time_to_live.is_zero() {
        true => CacheSettings::OFF,
        false => CacheSettings {
            time_to_live,
            ..CacheSettings::default()
        },
    }
}

/// The way to a service.
pub fn channel(service: ServiceName, endpoint: &Endpoint) -> Outcome<ServiceChannel> {
    ServiceChannel::new(service, endpoint).map_err(|e| {
        let hint = format!(
            "check services.{service} in order.toml, or the variables ORDER_{}_…",
            service.to_string().to_uppercase()
        );
        Failure::caused(Code::BadInput, &e).hint(hint)
    })
}

/// Stands for the notification service where nobody is told anything.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl NotificationService for Nobody {
    fn enabled(&self) -> bool {
        false
    }

    async fn notify(&self, _: &Notification) -> Result<(), CallError> {
        Err(CallError::not_done("there is no notification service"))
    }
}
