//! Every setting of the program: options, then the environment, then `order.toml`, then what is
//! usual.

pub mod access;
pub mod global;
pub mod layers;
pub mod policy;
pub mod server;
pub mod services;

use std::path::{Path, PathBuf};

use order_core::policy::Policy;
use order_core::pricing::{PriceBook, Pricing};
use order_grpc::Level;
use order_store_sqlite::shop::RawPriceBook;
use toml::Spanned;

pub use self::access::{Access, Health};
pub use self::global::{Global, Override};
use self::layers::{Effective, Given, Layers, Origin, environment};
pub use self::server::{ServeLog, Server, with_host};
use self::services::Services;
use crate::exit::{Failure, Outcome};
use crate::input::read;
use crate::output::Format;
use crate::toml_doc::Source;

/// The table with prices, which is read as a whole.
const PRICE_BOOK: &str = "price_book";

/// The file looked for in the working directory.
const FILE: &str = "order.toml";

/// A place for orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// Nowhere: gone when the program ends.
    Memory,
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A schema of a PostgreSQL database, by its URL.
    Postgres(Secret),
}

/// A text that may hold a password, and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl Secret {
    /// An address without its password, which may stand before the host or among the parameters.
    fn masked(&self) -> String {
        const HIDDEN: &str = "***";
        let url = &self.0;
        let host_at = url.find("://").map_or(0, |at| at + "://".len());
        let end = url[host_at..]
            .find(['/', '?'])
            .map_or(url.len(), |at| host_at + at);
        // A password may hold an @ of its own.
        let (start, rest) = match url[host_at..end].rsplit_once('@') {
            Some((user, _)) => {
                let user_end = host_at + user.len();
                match user.split_once(':') {
                    Some((name, _)) => (
                        format!("{}{name}:{HIDDEN}", &url[..host_at]),
                        &url[user_end..],
                    ),
                    None => (url[..user_end].to_owned(), &url[user_end..]),
                }
            }
            None => (url[..end].to_owned(), &url[end..]),
        };
        let Some((path, parameters)) = rest.split_once('?') else {
            return start + rest;
        };
        let shown = parameters
            .split('&')
            .map(|parameter| match parameter.split_once('=') {
                Some((name, _)) if name.to_ascii_lowercase().contains("password") => {
                    format!("{name}={HIDDEN}")
                }
                _ => parameter.to_owned(),
            });
        format!("{start}{path}?{}", shown.collect::<Vec<_>>().join("&"))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl StoreUrl {
    /// Reads `sqlite:FILE`, a path, `sqlite::memory:` or `postgres://…`.
    pub fn parse(given: &Given<String>) -> Outcome<Self> {
        let url = &given.value;
        const USE: &str = "use sqlite:FILE, such as sqlite:orders.db, or \
            postgres://USER@HOST/DATABASE?schema=NAME";
        match url.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(StoreUrl::Memory),
            Some(("sqlite", file)) if !file.is_empty() => Ok(StoreUrl::Sqlite(file.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(StoreUrl::Postgres(Secret(url.clone())))
            }
            // A path needs no scheme. A word alone is rather a mistake than a file.
            None if url.contains(['.', '/']) => Ok(StoreUrl::Sqlite(url.into())),
            // The rest of such an address may hold a password, and is not repeated.
            _ => Err(given.problem("not an address of a store").hint(USE)),
        }
    }

    /// The address without its password.
    pub fn masked(&self) -> String {
        match self {
            StoreUrl::Memory => "sqlite::memory:".into(),
            StoreUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            StoreUrl::Postgres(url) => url.masked(),
        }
    }
}

/// The settings of one run of the program.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store with the orders.
    pub store: StoreUrl,
    /// A replica of the database, which lists and the feed are read from where nothing more is done
    /// with them.
    pub replica: Option<Secret>,
    /// The shop's file; none for in memory.
    pub shop: Option<PathBuf>,
    /// The form of results.
    pub format: Format,
    /// The level from which what is done is said on standard error; `None` for nothing.
    pub log: Option<Level>,
    /// The settings of the server.
    pub server: Server,
    /// The callers it knows.
    pub access: Access,
    /// The way a server is asked for its health.
    pub health: Health,
    /// The policy of the engine.
    pub policy: Policy,
    /// The places of the five services.
    pub services: Services,
    /// Shipping, tax, coupons and payment methods, where they are not the shop's.
    pub price_book: Option<PriceBook>,
    /// Every setting with its value and who gave it, for people.
    pub effective: Vec<Effective>,
}

impl Settings {
    /// Options over the environment over `order.toml` over what is usual.
    pub fn resolve(global: &Global, overrides: Vec<Override>) -> Outcome<Self> {
        let file = file(global.config.as_deref())?;
        let source = file.as_ref().map(|(name, text)| Source { name, text });
        let mut layers = Layers::new(source, &[PRICE_BOOK])?;
        options(global, overrides, &mut layers)?;
        let store = store(&mut layers)?;
        let replica = replica(&mut layers, &store)?;
        let shop = shop(&mut layers)?;
        let format = layers.or("format", Format::default())?;
        let log = log(&mut layers)?;
        let server = server::server(&mut layers)?;
        let access = access::access(&mut layers)?;
        let health = access::health(&mut layers)?;
        let price_book = source
            .map(|source| price_book(source, &mut layers))
            .transpose()?
            .flatten();
        let services = services::services(&mut layers)?;
        let policy = policy::policy(&mut layers)?;
        Ok(Settings {
            store,
            replica,
            shop,
            format,
            log,
            server,
            access,
            health,
            policy,
            services,
            price_book,
            effective: layers.finish()?,
        })
    }

    /// Only what was given on the command line: a script never writes where it was not told to.
    pub fn for_script(global: &Global) -> Outcome<Self> {
        let mut layers = Layers::default();
        layers.option("store", "--store", global.store.clone());
        layers.option("replica", "--replica", global.replica.clone());
        layers.option("shop", "--shop", global.shop.clone());
        let verbose = global.log();
        layers.option(verbose.setting, verbose.option, verbose.value);
        let store = match &global.store {
            Some(_) => store(&mut layers)?,
            None => StoreUrl::Memory,
        };
        if matches!(store, StoreUrl::Postgres(_)) {
            const USE: &str = "use sqlite:FILE, or leave --store out to run it in memory";
            return Err(Failure::bad_input(
                "--store: a script tells time itself, and a database server does not listen",
            )
            .hint(USE));
        }
        replica(&mut layers, &store)?;
        let shop = if global.shop.is_some() {
            shop(&mut layers)?
        } else {
            None
        };
        let format = global.format.unwrap_or_default();
        let (server, policy, services) =
            (Server::default(), Policy::default(), Services::default());
        let (access, health) = (Access::default(), Health::default());
        Ok(Settings {
            store,
            replica: None,
            shop,
            format,
            log: log(&mut layers)?,
            server,
            access,
            health,
            policy,
            services,
            price_book: None,
            effective: Vec::new(),
        })
    }
}

impl Settings {
    /// The same without the replica, for what has to see everything that was written.
    pub fn on_primary(&self) -> Self {
        Settings {
            replica: None,
            ..self.clone()
        }
    }
}

/// The name and the text of the file with settings, if there is one.
fn file(named: Option<&Path>) -> Outcome<Option<(String, String)>> {
    let given = named.map(Path::to_owned);
    let given = match given {
        Some(path) => Some(path),
        None => environment("ORDER_CONFIG")?.map(PathBuf::from),
    };
    let usual = Path::new(FILE);
    let path = match given {
        Some(path) => path,
        None if std::fs::symlink_metadata(usual).is_ok() => usual.to_owned(),
        None => return Ok(None),
    };
    Ok(Some((
        path.display().to_string(),
        read::text(&path, read::DOCUMENT_MAX)?,
    )))
}

/// Gives the layers what stands on the command line. An option of its own counts for more than
/// `--setting`.
fn options(global: &Global, overrides: Vec<Override>, layers: &mut Layers) -> Outcome {
    let Global {
        store,
        replica,
        shop,
        format,
        color: _,
        config: _,
        verbose: _,
        setting,
    } = global;
    let format = format.map(|format| format.name().to_owned());
    let of_all = [
        Override::of("store", "--store", store.clone()),
        Override::of("replica", "--replica", replica.clone()),
        Override::of("shop", "--shop", shop.clone()),
        Override::of("format", "--format", format),
        global.log(),
    ];
    for Override {
        setting,
        option,
        value,
    } in of_all.into_iter().chain(overrides)
    {
        layers.option(setting, option, value);
    }
    for setting in setting {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(Failure::bad_input(format!(
                "--setting: {setting:?}: expected NAME=VALUE, such as policy.lease=10s"
            )));
        };
        layers.option(key, format!("--setting {key}"), Some(value.to_owned()));
    }
    Ok(())
}

fn log(layers: &mut Layers) -> Outcome<Option<Level>> {
    let levels = [
        ("off", None),
        ("error", Some(Level::ERROR)),
        ("warn", Some(Level::WARN)),
        ("info", Some(Level::INFO)),
        ("debug", Some(Level::DEBUG)),
        ("trace", Some(Level::TRACE)),
    ];
    layers.choice("log", &levels, None)
}

fn store(layers: &mut Layers) -> Outcome<StoreUrl> {
    let given = layers.secret("store")?;
    let (url, from) = match given {
        Some(given) => (StoreUrl::parse(&given)?, given.from),
        None => (StoreUrl::Sqlite("orders.db".into()), Origin::Usual),
    };
    layers.in_force("store", url.masked(), from);
    Ok(url)
}

/// The replica of a store. Where it does not belong to the store, one that holds for every run is
/// left out, but not one that was asked for now.
fn replica(layers: &mut Layers, store: &StoreUrl) -> Outcome<Option<Secret>> {
    const USE: &str =
        "use postgres://USER@HOST/DATABASE of a standby that follows the store's server";
    let Some(given) = layers.secret("replica")? else {
        layers.in_force("replica", String::new(), Origin::Usual);
        return Ok(None);
    };
    let replica = match (StoreUrl::parse(&given), store) {
        (Ok(StoreUrl::Postgres(url)), StoreUrl::Postgres(_)) => Some(url),
        (Ok(StoreUrl::Postgres(_)), _) if !matches!(given.from, Origin::Option(_)) => None,
        (Ok(StoreUrl::Postgres(_)), _) => {
            return Err(given.problem(
                "the store is not on PostgreSQL, and only such a store can have a replica",
            ));
        }
        _ => return Err(given.problem("not an address of a replica").hint(USE)),
    };
    layers.in_force(
        "replica",
        replica.as_ref().map_or_else(String::new, Secret::masked),
        given.from,
    );
    Ok(replica)
}

/// The shop's file; none for in memory.
fn shop(layers: &mut Layers) -> Outcome<Option<PathBuf>> {
    let given = layers.given::<String>("shop")?;
    let text = given.as_ref().map_or("shop.db", |given| &given.value);
    let shop = match text.strip_prefix("sqlite:").unwrap_or(text) {
        ":memory:" => None,
        file => Some(PathBuf::from(file)),
    };
    if let (Some(given), Some("")) = (&given, shop.as_deref().and_then(Path::to_str)) {
        return Err(given.problem("expected a file, such as shop.db"));
    }
    layers.in_force(
        "shop",
        text.to_owned(),
        given
            .as_ref()
            .map_or(Origin::Usual, |given| given.from.clone()),
    );
    Ok(shop)
}

/// The prices of a file, which are read as those of a catalogue are.
fn price_book(source: Source<'_>, layers: &mut Layers) -> Outcome<Option<PriceBook>> {
    /// The one table of the file that is read here.
    #[derive(serde::Deserialize)]
    struct Document {
        price_book: Option<Spanned<RawPriceBook>>,
    }
    let Document { price_book } = toml::from_str(source.text).map_err(|e| source.toml_error(&e))?;
    let Some(raw) = price_book else {
        return Ok(None);
    };
    let (line, column) = source.line_and_column(raw.span().start);
    let book = raw
        .into_inner()
        .check(source.name, source.text)
        .map_err(|e| Failure::bad_input(e.to_string()))?;
    let methods: Vec<String> = book
        .payment_methods()
        .iter()
        .map(|m| m.method.to_string())
        .collect();
    let shown = format!(
        "{}, paid by {}",
        Pricing::currency(&book),
        methods.join(", ")
    );
    layers.in_force(
        PRICE_BOOK,
        shown,
        Origin::File(format!("{}:{line}:{column}", source.name)),
    );
    Ok(Some(book))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &str) -> Layers {
        let mut layers = Layers::default();
        layers.option("store", "--store", Some(value.to_owned()));
        layers
    }

    #[test]
    fn a_replica_belongs_to_a_store_on_postgresql() {
        let of = |store_url: &str, by_option: bool, url: &str| {
            let store = store(&mut given(store_url)).unwrap();
            let text = format!("replica = {url:?}");
            let source = Source {
                name: "order.toml",
                text: &text,
            };
            let table = source.parse().unwrap();
            let mut layers = Layers::of_table(source, "", table.get_ref());
            layers.option("replica", "--replica", by_option.then(|| url.to_owned()));
            replica(&mut layers, &store).map_err(|e| e.message().to_owned())
        };
        let (postgres, standby) = ("postgres://h/d", "postgres://u:secret@standby/d");
        assert_eq!(
            of(postgres, false, standby).unwrap(),
            Some(Secret(standby.to_owned()))
        );
        assert_eq!(of("sqlite:a.db", false, standby).unwrap(), None);
        let refused = of("sqlite:a.db", true, standby).unwrap_err();
        assert_eq!(
            refused,
            "--replica: the store is not on PostgreSQL, and only such a store can have a replica"
        );
        for bad in ["sqlite:a.db", "u:secret@standby"] {
            assert_eq!(
                of(postgres, false, bad).unwrap_err(),
                "order.toml:1:11: replica: not an address of a replica"
            );
        }
    }

    #[test]
    fn addresses_of_stores_are_read_and_passwords_are_not_repeated() {
        let parse = |url: &str| store(&mut given(url));
        assert_eq!(parse("sqlite::memory:").unwrap(), StoreUrl::Memory);
        assert_eq!(
            parse("sqlite:a/b.db").unwrap(),
            StoreUrl::Sqlite("a/b.db".into())
        );
        assert_eq!(
            parse("./orders.db").unwrap(),
            StoreUrl::Sqlite("./orders.db".into())
        );
        let url = parse("postgres://u:secret@host/db").unwrap();
        assert!(
            matches!(&url, StoreUrl::Postgres(Secret(text)) if text.ends_with("@host/db"))
                && !format!("{url:?}").contains("secret")
        );
        for bad in [
            "",
            "orders",
            "sqlite:",
            "postgres:u:secret@host/db",
            "mysql://u:secret@host/db",
        ] {
            assert!(
                !parse(bad).unwrap_err().message().contains("secret"),
                "{bad}"
            );
        }
    }

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        for (url, shown) in [
            (
                "postgres://u:secret@host/db?schema=s",
                "postgres://u:***@host/db?schema=s",
            ),
            (
                "postgres://u:se@cret@host:5432/db",
                "postgres://u:***@host:5432/db",
            ),
            ("postgres://u@host/db", "postgres://u@host/db"),
            ("postgres://host", "postgres://host"),
            (
                "postgres://host/db?user=u&password=secret&schema=s",
                "postgres://host/db?user=u&password=***&schema=s",
            ),
            (
                "postgres://host/db?sslpassword=secret",
                "postgres://host/db?sslpassword=***",
            ),
            (
                "postgres:///db?host=/run&x=a@b:c",
                "postgres:///db?host=/run&x=a@b:c",
            ),
        ] {
            assert_eq!(StoreUrl::Postgres(Secret(url.into())).masked(), shown);
        }
    }
}
