//! The places of the five services, and what each can do.

use std::path::PathBuf;
use std::time::Duration;

use order_core::services::{InventoryCapabilities, PaymentCapabilities};
use order_grpc::services::{Endpoint, Tls};

use super::layers::{Given, Layers};
use crate::exit::{Failure, Outcome};

/// The word for the embedded shop in the place of a URL.
const SHOP: &str = "shop";
/// The word for no notification service.
const NONE: &str = "none";

/// The place of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the embedded shop.
    Shop,
    /// Nowhere: nobody is told anything.
    Nowhere,
    /// At an address.
    Remote(Box<Endpoint>),
}

impl Place {
    /// Returns true for the embedded shop.
    pub fn is_shop(&self) -> bool {
        *self == Place::Shop
    }
}

/// The contract that an inventory is spoken to by, and what is believed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The platform's inventory, `inventory.InventoryService`.
    Platform,
    /// `stock.StockService`: keys, look-ups and parts.
    Ideal,
}

/// The five services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// The place where stock is kept.
    pub inventory: Place,
    /// The contract of a remote inventory.
    pub profile: Profile,
    /// The abilities of a remote inventory.
    pub inventory_can: InventoryCapabilities,
    /// The place of products and their prices.
    pub product: Place,
    /// For how long a product is remembered.
    pub product_cache: Duration,
    /// The place of customers.
    pub user: Place,
    /// For how long a customer is remembered.
    pub user_cache: Duration,
    /// The place where money is taken.
    pub payment: Place,
    /// The abilities of a remote payment service.
    pub payment_can: PaymentCapabilities,
    /// The place where customers are told.
    pub notification: Place,
}

impl Default for Services {
    fn default() -> Self {
        Services {
            inventory: Place::Shop,
            profile: Profile::Platform,
            inventory_can: InventoryCapabilities::PLATFORM,
            product: Place::Shop,
            product_cache: CACHE,
            user: Place::Shop,
            user_cache: CACHE,
            payment: Place::Shop,
            payment_can: PaymentCapabilities::IDEAL,
            notification: Place::Shop,
        }
    }
}

/// Short enough that a new price is soon the price, long enough that a rush for one product asks
/// for it once.
const CACHE: Duration = Duration::from_secs(2);
const CACHE_MAX: Duration = Duration::from_secs(60);

impl Services {
    /// Returns true if any of them is the embedded shop.
    pub fn need_shop(&self) -> bool {
        [
            &self.inventory,
            &self.product,
            &self.user,
            &self.payment,
            &self.notification,
        ]
        .iter()
        .any(|place| place.is_shop())
    }
}

/// The names of a service's settings, one for each that all have.
macro_rules! keys {
    ($service:literal) => {
        Keys {
            url: concat!("services.", $service, ".url"),
            ca: concat!("services.", $service, ".ca"),
            certificate: concat!("services.", $service, ".certificate"),
            key: concat!("services.", $service, ".key"),
            domain: concat!("services.", $service, ".domain"),
            deadline: concat!("services.", $service, ".deadline"),
            connect_timeout: concat!("services.", $service, ".connect_timeout"),
            concurrency: concat!("services.", $service, ".concurrency"),
            keep_alive: concat!("services.", $service, ".keep_alive"),
        }
    };
}

/// The settings that every service has.
struct Keys {
    url: &'static str,
    ca: &'static str,
    certificate: &'static str,
    key: &'static str,
    domain: &'static str,
    deadline: &'static str,
    connect_timeout: &'static str,
    concurrency: &'static str,
    keep_alive: &'static str,
}

/// Reads the settings of all five.
pub fn services(layers: &mut Layers) -> Outcome<Services> {
    let usual = Services::default();
    let inventory = place(layers, &keys!("inventory"))?;
    let profiles = [("platform", Profile::Platform), ("ideal", Profile::Ideal)];
    let profile = layers.choice("services.inventory.profile", &profiles, usual.profile)?;
    let can = match profile {
        Profile::Platform => InventoryCapabilities::PLATFORM,
        Profile::Ideal => InventoryCapabilities::IDEAL,
    };
    let inventory_can = can
        .with_repeat_reserve(layers.or("services.inventory.repeat", can.repeat_reserve)?)
        .with_look_up(layers.or("services.inventory.look_up", can.look_up)?)
        .with_release_committed(layers.or(
            "services.inventory.release_committed",
            can.release_committed,
        )?)
        .with_partial(layers.or("services.inventory.partial", can.partial)?)
        .with_key_lifetime(
            layers
                .optional::<Duration>("services.inventory.key_lifetime")?
                .map(|given| given.value),
        );
    if profile == Profile::Platform && inventory_can != can {
        let message = "services.inventory: the platform's inventory sends no keys, and can do nothing that needs them";
        return Err(Failure::bad_input(message)
            .hint("leave out repeat, look_up, release_committed, partial and key_lifetime, or use profile = \"ideal\""));
    }
    let product = place(layers, &keys!("product"))?;
    let product_cache = layers.duration(
        "services.product.cache",
        Duration::ZERO..=CACHE_MAX,
        usual.product_cache,
    )?;
    let user = place(layers, &keys!("user"))?;
    let user_cache = layers.duration(
        "services.user.cache",
        Duration::ZERO..=CACHE_MAX,
        usual.user_cache,
    )?;
    let payment = place(layers, &keys!("payment"))?;
    let can = usual.payment_can;
    let payment_can = can
        .with_repeat(layers.or("services.payment.repeat", can.repeat)?)
        .with_look_up(layers.or("services.payment.look_up", can.look_up)?)
        .with_key_lifetime(
            layers
                .optional::<Duration>("services.payment.key_lifetime")?
                .map(|given| given.value),
        );
    let notification = place(layers, &keys!("notification"))?;
    for (place, key) in [
        (&inventory, "inventory"),
        (&product, "product"),
        (&user, "user"),
        (&payment, "payment"),
    ] {
        if *place == Place::Nowhere {
            let message = format!("services.{key}.url: {NONE:?} is for notifications only");
            return Err(Failure::bad_input(message).hint(format!(
                "use http://HOST:PORT, or {SHOP} for the embedded shop"
            )));
        }
    }
    Ok(Services {
        inventory,
        profile,
        inventory_can,
        product,
        product_cache,
        user,
        user_cache,
        payment,
        payment_can,
        notification,
    })
}

/// Reads the place of a service. A wrong address is found out when the way to it is made.
fn place(layers: &mut Layers, keys: &Keys) -> Outcome<Place> {
    let url = layers.or(keys.url, SHOP.to_owned())?;
    let usual = Endpoint::new(url.clone());
    let text = |given: Option<Given<String>>| given.map(|given| given.value);
    let file = |given: Option<Given<PathBuf>>| given.map(|given| given.value);
    let tls = Tls {
        roots: file(layers.optional(keys.ca)?),
        certificate: file(layers.optional(keys.certificate)?),
        key: file(layers.optional(keys.key)?),
        domain: text(layers.optional(keys.domain)?),
    };
    let endpoint = Endpoint {
        tls,
        deadline: layers.or(keys.deadline, usual.deadline)?,
        connect_timeout: layers.or(keys.connect_timeout, usual.connect_timeout)?,
        concurrency: usize::try_from(layers.or(keys.concurrency, usual.concurrency as i64)?)
            .unwrap_or(0),
        keep_alive: layers
            .optional::<Duration>(keys.keep_alive)?
            .map(|given| given.value),
        ..usual
    };
    Ok(match url.as_str() {
        SHOP => Place::Shop,
        NONE => Place::Nowhere,
        _ => Place::Remote(Box::new(endpoint)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_doc::Source;

    fn of(text: &str) -> Outcome<Services> {
        let source = Source {
            name: "order.toml",
            text,
        };
        let table = source.parse().unwrap();
        let mut layers = Layers::of_table(source, "", table.get_ref());
        let services = services(&mut layers)?;
        layers.finish()?;
        Ok(services)
    }

    #[test]
    fn a_service_is_the_shop_unless_it_has_an_address() {
        assert_eq!(of("").unwrap(), Services::default());
        assert!(Services::default().need_shop());
        let services =
            of("[services.inventory]\nurl = \"http://stock:50055\"\nprofile = \"ideal\"\npartial = false\ndeadline = \"3s\"\n")
                .unwrap();
        let expected = Endpoint {
            deadline: Duration::from_secs(3),
            ..Endpoint::new("http://stock:50055")
        };
        assert_eq!(services.inventory, Place::Remote(Box::new(expected)));
        assert_eq!(
            services.inventory_can,
            InventoryCapabilities::IDEAL.with_partial(false)
        );
        assert!(services.payment.is_shop() && services.need_shop());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(
            of("[services.notification]\nurl = \"none\"\n")
                .unwrap()
                .notification,
            Place::Nowhere
        );
        let refused = of("[services.inventory]\nlook_up = true\n").unwrap_err();
        assert!(
            refused.message().contains("sends no keys"),
            "{}",
            refused.message()
        );
        let refused = of("[services.payment]\nurl = \"none\"\n").unwrap_err();
        assert_eq!(
            refused.message(),
            "services.payment.url: \"none\" is for notifications only"
        );
    }
}
