//! Where the orders and the shop are, and how results are printed: options, then the environment, then `order.toml`.

use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::exit::{Failure, Outcome};
use crate::output::Format;
use crate::toml_doc::{Fields, Source};

/// The file looked for in the working directory.
const FILE: &str = "order.toml";

/// A place for orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// Nowhere: gone when the program ends.
    Memory,
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Reads `sqlite:FILE` or `sqlite::memory:`.
    pub fn parse(url: &str) -> Outcome<Self> {
        match url.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(StoreUrl::Memory),
            Some(("sqlite", file)) if !file.is_empty() => Ok(StoreUrl::Sqlite(file.into())),
            // The rest of such an address may hold a password, and is not repeated.
            Some(("postgres" | "postgresql", _)) => Err(Failure::bad_input("--store: this program is built without PostgreSQL")
                .hint("use sqlite:FILE, such as sqlite:orders.db")),
            _ => Err(Failure::bad_input("--store: not an address of a store").hint("use sqlite:FILE, such as sqlite:orders.db")),
        }
    }
}

/// What holds for one run of the program.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the orders are.
    pub store: StoreUrl,
    /// Where the shop is; none for in memory.
    pub shop: Option<PathBuf>,
    /// How results are printed.
    pub format: Format,
}

/// The settings of a file.
#[derive(Debug, Default, PartialEq)]
struct FromFile {
    store: Option<String>,
    shop: Option<String>,
    format: Option<Format>,
}

impl Settings {
    /// Options over the environment over `order.toml` over what is usual.
    pub fn resolve(global: &Global) -> Outcome<Self> {
        let file = match std::fs::read_to_string(FILE) {
            Ok(text) => read_file(&text)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => FromFile::default(),
            Err(e) => return Err(Failure::bad_input(format!("cannot read {FILE}: {e}"))),
        };
        let format = match (global.format, env("ORDER_FORMAT")?) {
            (Some(format), _) => format,
            (None, Some(text)) => text.parse().map_err(|e| Failure::bad_input(format!("ORDER_FORMAT: {e}")))?,
            (None, None) => file.format.unwrap_or_default(),
        };
        let store = first(&global.store, env("ORDER_STORE")?, file.store).unwrap_or_else(|| "sqlite:orders.db".into());
        let shop = first(&global.shop, env("ORDER_SHOP")?, file.shop).unwrap_or_else(|| "shop.db".into());
        Ok(Settings { store: StoreUrl::parse(&store)?, shop: shop_path(&shop)?, format })
    }

    /// Only what was given on the command line: a script never writes where it was not told to.
    pub fn for_script(global: &Global) -> Outcome<Self> {
        let store = global.store.as_deref().map_or(Ok(StoreUrl::Memory), StoreUrl::parse)?;
        let shop = global.shop.as_deref().map_or(Ok(None), shop_path)?;
        Ok(Settings { store, shop, format: global.format.unwrap_or_default() })
    }
}

fn first(option: &Option<String>, environment: Option<String>, file: Option<String>) -> Option<String> {
    option.clone().or(environment).or(file)
}

fn env(name: &str) -> Outcome<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|v| !v.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::bad_input(format!("{name} is not valid UTF-8"))),
    }
}

fn shop_path(text: &str) -> Outcome<Option<PathBuf>> {
    match text.strip_prefix("sqlite:").unwrap_or(text) {
        "" => Err(Failure::bad_input("--shop: expected a file, such as shop.db")),
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
        shop: fields.text("shop")?.map(|t| t.value.to_owned()),
        format: fields.parsed("format")?,
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
        assert_eq!(error.message(), "order.toml:2:3: order.toml has no field \"colour\": expected one of store, shop, format");
    }

    #[test]
    fn addresses_of_stores_are_read_and_passwords_are_not_repeated() {
        assert_eq!(StoreUrl::parse("sqlite::memory:").unwrap(), StoreUrl::Memory);
        assert_eq!(StoreUrl::parse("sqlite:a/b.db").unwrap(), StoreUrl::Sqlite("a/b.db".into()));
        for bad in ["", "orders.db", "sqlite:", "postgres://u:secret@host/db"] {
            assert!(!StoreUrl::parse(bad).unwrap_err().message().contains("secret"), "{bad}");
        }
    }
}
