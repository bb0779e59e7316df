//! `order shop load`, `stock` and `restock`: the shop's goods.

use std::path::Path;
use std::sync::Arc;

use order_core::ids::Sku;
use order_core::runtime::SystemClock;
use order_store_sqlite::shop::{Catalogue, CatalogueError, LoadReport, StockRow};

use crate::engine::{existing_shop, open_shop};
use crate::exit::{Code, Failure, Outcome};
use crate::input::read;
use crate::output::table::Table;
use crate::output::{Out, counted};
use crate::settings::Settings;

/// Loads a catalogue; makes the shop if it is not there.
pub async fn load(settings: &Settings, out: &Out, file: &Path) -> Outcome {
    let text = read::text(file, read::DOCUMENT_MAX)?;
    let catalogue = Catalogue::parse(&text, &read::name(file))?;
    let shop = open_shop(settings, Arc::new(SystemClock))?;
    let report = shop.load(&catalogue).await?;
    out.one(&report, || loaded(&report))
}

/// Shows the stock of a SKU, or of all.
pub async fn stock(settings: &Settings, out: &Out, sku: Option<&Sku>) -> Outcome {
    show(out, &existing_shop(settings)?.stock(sku).await?)
}

/// Adds units to the stock of a SKU.
pub async fn restock(settings: &Settings, out: &Out, sku: &Sku, units: u32) -> Outcome {
    show(out, &[existing_shop(settings)?.restock(sku, units).await?])
}

fn show(out: &Out, rows: &[StockRow]) -> Outcome {
    out.many(&rows, rows, || stock_table(rows).render())
}

/// Makes a table of the stock, one SKU per row.
fn stock_table(rows: &[StockRow]) -> Table {
    let mut table = Table::new(&["SKU", ">ON HAND", ">RESERVED", ">AVAILABLE", ">COMMITTED"]);
    for row in rows {
        table.row([
            row.sku.to_string(),
            row.on_hand.to_string(),
            row.reserved.to_string(),
            row.available.to_string(),
            row.committed.to_string(),
        ]);
    }
    table
}

fn loaded(report: &LoadReport) -> String {
    let LoadReport {
        products,
        variants,
        customers,
        stock,
        shipping_methods,
        tax_rates,
        coupons,
        payment_methods,
    } = report;
    let mut table = Table::new(&["LOADED", ">NEW", ">CHANGED", ">AS BEFORE"]);
    for (name, counts) in [
        ("products", products),
        ("variants", variants),
        ("customers", customers),
        ("SKUs with stock", stock),
    ] {
        table.row([
            name.to_owned(),
            counts.added.to_string(),
            counts.updated.to_string(),
            counts.unchanged.to_string(),
        ]);
    }
    let rest = format!(
        "{}, {}, {}, {}\n",
        counted(*shipping_methods as u64, "shipping method"),
        counted(*tax_rates as u64, "tax rate"),
        counted(*coupons as u64, "coupon"),
        counted(*payment_methods as u64, "payment method")
    );
    table.render() + &rest
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Self {
        Failure::caused(Code::BadInput, &error)
    }
}
