//! Where the orders and the shop are, and how results are printed: options, then the environment, then `order.toml`.

use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::exit::{Failure, Outcome};
use crate::input::read;
use crate::output::Format;
use crate::toml_doc::{Fields, Source};

/// Where the server listens unless it is told otherwise: the platform's port for orders, on this machine only.
const LISTEN: &str = "127.0.0.1:50053";

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

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl StoreUrl {
    /// Reads `sqlite:FILE`, `sqlite::memory:` or `postgres://…`, which `source` gave.
    pub fn parse(source: &str, url: &str) -> Outcome<Self> {
        const USE: &str = "use sqlite:FILE, such as sqlite:orders.db, or postgres://USER@HOST/DATABASE?schema=NAME";
        match url.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(StoreUrl::Memory),
            Some(("sqlite", file)) if !file.is_empty() => Ok(StoreUrl::Sqlite(file.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(StoreUrl::Postgres(Secret(url.to_owned()))),
            // The rest of such an address may hold a password, and is not repeated.
            _ => Err(Failure::bad_input(format!("{source}: not an address of a store")).hint(USE)),
        }
    }
}

/// What holds for one run of the program.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the orders are.
    pub store: StoreUrl,
    /// A replica of the database, which lists and the feed are read from where nothing more is done with them.
    pub replica: Option<Secret>,
    /// Where the shop is; none for in memory.
    pub shop: Option<PathBuf>,
    /// How results are printed.
    pub format: Format,
    /// Where the server listens, `HOST:PORT`.
    pub listen: String,
}

/// The settings of a file.
#[derive(Debug, Default, PartialEq)]
struct FromFile {
    store: Option<String>,
    replica: Option<String>,
    shop: Option<String>,
    format: Option<Format>,
    listen: Option<String>,
}

impl Settings {
    /// Options over the environment over `order.toml` over what is usual.
    pub fn resolve(global: &Global) -> Outcome<Self> {
        let path = Path::new(FILE);
        let file = if std::fs::symlink_metadata(path).is_ok() {
            read_file(&read::text(path, read::DOCUMENT_MAX)?)?
        } else {
            FromFile::default()
        };
        let format = match (global.format, env("ORDER_FORMAT")?) {
            (Some(format), _) => format,
            (None, Some(text)) => text.parse().map_err(|e| Failure::bad_input(format!("ORDER_FORMAT: {e}")))?,
            (None, None) => file.format.unwrap_or_default(),
        };
        let (from, url) = first(
            ("--store", global.store.clone()),
            ("ORDER_STORE", env("ORDER_STORE")?),
            ("order.toml: store", file.store),
            "sqlite:orders.db",
        );
        let store = StoreUrl::parse(from, &url)?;
        let given = [
            ("--replica", global.replica.clone()),
            ("ORDER_REPLICA", env("ORDER_REPLICA")?),
            ("order.toml: replica", file.replica),
        ];
        let replica = replica(&store, given.into_iter().find_map(|(from, url)| Some((from, url?))))?;
        let (from, path) = first(
            ("--shop", global.shop.clone()),
            ("ORDER_SHOP", env("ORDER_SHOP")?),
            ("order.toml: shop", file.shop),
            "shop.db",
        );
        let (_, listen) = first(("", None), ("ORDER_LISTEN", env("ORDER_LISTEN")?), ("order.toml: listen", file.listen), LISTEN);
        Ok(Settings { store, replica, shop: shop_path(from, &path)?, format, listen })
    }

    /// Only what was given on the command line: a script never writes where it was not told to.
    pub fn for_script(global: &Global) -> Outcome<Self> {
        let store = global.store.as_deref().map_or(Ok(StoreUrl::Memory), |url| StoreUrl::parse("--store", url))?;
        if matches!(store, StoreUrl::Postgres(_)) {
            const USE: &str = "use sqlite:FILE, or leave --store out to run it in memory";
            return Err(
                Failure::bad_input("--store: a script tells time itself, and a database server does not listen").hint(USE)
            );
        }
        replica(&store, global.replica.clone().map(|url| ("--replica", url)))?;
        let shop = global.shop.as_deref().map_or(Ok(None), |path| shop_path("--shop", path))?;
        Ok(Settings { store, replica: None, shop, format: global.format.unwrap_or_default(), listen: LISTEN.to_owned() })
    }
}

impl Settings {
    /// The same without the replica, for what has to see everything that was written.
    pub fn on_primary(&self) -> Self {
        Settings { replica: None, ..self.clone() }
    }
}

/// The replica of a store, and who gave it. Where it does not belong to the store, one that holds for every run is left out, but not one that
/// was asked for now.
fn replica(store: &StoreUrl, given: Option<(&'static str, String)>) -> Outcome<Option<Secret>> {
    const USE: &str = "use postgres://USER@HOST/DATABASE of a standby that follows the store's server";
    let Some((from, url)) = given else { return Ok(None) };
    match (StoreUrl::parse(from, &url), store) {
        (Ok(StoreUrl::Postgres(url)), StoreUrl::Postgres(_)) => Ok(Some(url)),
        (Ok(StoreUrl::Postgres(_)), _) if from != "--replica" => Ok(None),
        (Ok(StoreUrl::Postgres(_)), _) => {
            Err(Failure::bad_input(format!("{from}: the store is no PostgreSQL: only that has replicas")))
        }
        _ => Err(Failure::bad_input(format!("{from}: not an address of a replica")).hint(USE)),
    }
}

/// A value and who gave it.
type Given = (&'static str, Option<String>);

/// The first value that was given, and who gave it, so that a bad one is looked for in the right place.
fn first(option: Given, environment: Given, file: Given, usual: &str) -> (&'static str, String) {
    let given = [option, environment, file].into_iter().find_map(|(from, value)| Some((from, value?)));
    given.unwrap_or_else(|| ("", usual.to_owned()))
}

fn env(name: &str) -> Outcome<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|v| !v.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::bad_input(format!("{name} is not valid UTF-8"))),
    }
}

fn shop_path(source: &str, text: &str) -> Outcome<Option<PathBuf>> {
    match text.strip_prefix("sqlite:").unwrap_or(text) {
        "" => Err(Failure::bad_input(format!("{source}: expected a file, such as shop.db"))),
        ":memory:" => Ok(None),
        file => Ok(Some(Path::new(file).to_owned())),
    }
}

fn read_file(text: &str) -> Outcome<FromFile> {
    let source = Source { name: FILE, text };
    let table = source.parse()?;
    let mut fields = Fields::new(source, FILE, table.get_ref(), table.span());
    let file = FromFile {
        store: fields.text("store")?.map(|t| t.value.to_owned()),
        replica: fields.text("replica")?.map(|t| t.value.to_owned()),
        shop: fields.text("shop")?.map(|t| t.value.to_owned()),
        format: fields.parsed("format")?,
        listen: fields.text("listen")?.map(|t| t.value.to_owned()),
    };
    fields.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_an_unknown_key_is_refused_with_its_place() {
        assert_eq!(read_file("store = \"sqlite:a.db\"\nformat = \"json\"\n").unwrap().format, Some(Format::Json));
        let error = read_file("store = \"sqlite:a.db\"\n  colour = true\n").unwrap_err();
        assert_eq!(
            error.message(),
            "order.toml:2:3: order.toml has no field \"colour\": expected one of store, replica, shop, format, listen"
        );
    }

    #[test]
    fn a_replica_belongs_to_a_store_on_postgresql() {
        let of = |store: &str, from, url: &str| {
            let store = StoreUrl::parse("--store", store).unwrap();
            replica(&store, Some((from, url.to_owned()))).map_err(|e| e.message().to_owned())
        };
        let (postgres, standby) = ("postgres://h/d", "postgres://u:secret@standby/d");
        assert_eq!(of(postgres, "ORDER_REPLICA", standby).unwrap(), Some(Secret(standby.to_owned())));
        assert_eq!(of("sqlite:a.db", "ORDER_REPLICA", standby).unwrap(), None);
        let refused = of("sqlite:a.db", "--replica", standby).unwrap_err();
        assert_eq!(refused, "--replica: the store is no PostgreSQL: only that has replicas");
        for bad in ["", "sqlite:a.db", "u:secret@standby"] {
            assert_eq!(of(postgres, "ORDER_REPLICA", bad).unwrap_err(), "ORDER_REPLICA: not an address of a replica");
        }
    }

    #[test]
    fn addresses_of_stores_are_read_and_passwords_are_not_repeated() {
        assert_eq!(StoreUrl::parse("--store", "sqlite::memory:").unwrap(), StoreUrl::Memory);
        assert_eq!(StoreUrl::parse("--store", "sqlite:a/b.db").unwrap(), StoreUrl::Sqlite("a/b.db".into()));
        let url = StoreUrl::parse("--store", "postgres://u:secret@host/db").unwrap();
        assert!(
            matches!(&url, StoreUrl::Postgres(Secret(text)) if text.ends_with("@host/db"))
                && !format!("{url:?}").contains("secret")
        );
        for bad in ["", "orders.db", "sqlite:", "postgres:u:secret@host/db", "mysql://u:secret@host/db"] {
            assert!(!StoreUrl::parse("--store", bad).unwrap_err().message().contains("secret"), "{bad}");
        }
    }
}
