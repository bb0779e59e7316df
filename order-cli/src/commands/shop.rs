//! `order shop`: the embedded shop.

use std::sync::Arc;

use order_core::ids::Reference;
use order_core::rules::PaymentReport;
use order_core::runtime::SystemClock;
use order_store_sqlite::shop::{Catalogue, CatalogueError, DeskPayment, LoadReport, StockRow};
use serde::Serialize;

use crate::args::{Settlement, ShopCommand};
use crate::commands::offer;
use crate::engine::{Engine, existing_shop, open_shop};
use crate::exit::{Code, Failure, Outcome};
use crate::input::read;
use crate::output::order::OrderView;
use crate::output::order_text::text;
use crate::output::table::Table;
use crate::output::{Out, note};
use crate::settings::Settings;

/// Does what the command says.
pub async fn run(settings: &Settings, out: &Out, command: ShopCommand) -> Outcome {
    match command {
        ShopCommand::Load { file } => {
            let catalogue =
                Catalogue::parse(&read::text(&file, read::DOCUMENT_MAX)?, &read::name(&file))?;
            let report = open_shop(settings, Arc::new(SystemClock))?
                .load(&catalogue)
                .await?;
            out.one(&report, || loaded(&report))
        }
        ShopCommand::Stock { sku } => {
            stock(out, existing_shop(settings)?.stock(sku.as_ref()).await?)
        }
        ShopCommand::Restock { sku, units } => stock(
            out,
            vec![existing_shop(settings)?.restock(&sku, units).await?],
        ),
        ShopCommand::Payments => payments(out, &existing_shop(settings)?.payments().await?),
        ShopCommand::Serve(args) => offer::serve(settings, args).await,
        ShopCommand::Settle { key, outcome } => {
            let engine = Engine::open_existing(settings).await?;
            let payment = existing_shop(settings)?.settle(key, outcome.into()).await?;
            report(out, &engine, &payment).await
        }
    }
}

/// Tells the engine what became of a payment, as a provider's callback does.
async fn report(out: &Out, engine: &Engine, payment: &DeskPayment) -> Outcome {
    note(format_args!(
        "payment {} is {} at the desk",
        payment.key, payment.status
    ));
    let recorded = engine
        .manager
        .record_payment(&engine.principal, payment.order.into(), report_of(payment)?)
        .await;
    let order = engine.drive(recorded?.id).await?;
    out.one(&OrderView::of(&order), || text(&order))
}

/// What the desk reports of a payment.
pub fn report_of(payment: &DeskPayment) -> Outcome<PaymentReport> {
    let reference: Reference = payment.reference.parse()?;
    Ok(PaymentReport {
        key: Some(payment.key),
        reference,
        parent: None,
        status: payment.status,
        amount: payment.amount,
    })
}

fn stock(out: &Out, rows: Vec<StockRow>) -> Outcome {
    out.many(&rows, &rows, || stock_table(&rows).render())
}

/// Stock, one SKU per row.
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

#[derive(Debug, Serialize)]
struct DeskPaymentView {
    order_id: String,
    key: String,
    kind: String,
    amount: String,
    currency: String,
    status: &'static str,
    reference: String,
    code: Option<String>,
    created_at: String,
}

fn payments(out: &Out, payments: &[DeskPayment]) -> Outcome {
    let views: Vec<DeskPaymentView> = payments
        .iter()
        .map(|p| DeskPaymentView {
            order_id: p.order.to_string(),
            key: p.key.to_string(),
            kind: p.kind.as_str().to_lowercase(),
            amount: p.amount.amount().to_string(),
            currency: p.amount.currency.to_string(),
            status: p.status.as_str(),
            reference: p.reference.clone(),
            code: p.code.clone(),
            created_at: p.created_at.to_string(),
        })
        .collect();
    out.many(&views, &views, || {
        let mut table = Table::new(&["KIND", ">AMOUNT", "STATUS", "KEY", "REFERENCE", "ORDER"]);
        for p in payments {
            table.row([
                p.kind.as_str().to_lowercase(),
                p.amount.to_string(),
                p.status.to_string(),
                p.key.to_string(),
                p.reference.clone(),
                p.order.to_string(),
            ]);
        }
        table.render()
    })
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
        "{shipping_methods} shipping methods, {tax_rates} tax rates, {coupons} coupons, {payment_methods} payment methods\n"
    );
    table.render() + &rest
}

impl From<Settlement> for order_store_sqlite::shop::Settlement {
    fn from(settlement: Settlement) -> Self {
        match settlement {
            Settlement::Captured => order_store_sqlite::shop::Settlement::Captured,
            Settlement::Declined => order_store_sqlite::shop::Settlement::Declined,
        }
    }
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Self {
        Failure::caused(Code::BadInput, &error)
    }
}
