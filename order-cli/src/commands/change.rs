//! Commands that change an order: `cancel`, `retry-payment`, `record-payment`, `note`.

use order_core::machine::PaymentReport;
use order_core::manager::{CommandOptions, RetryPayment};
use order_core::money::Money;

use super::place::show_result;
use crate::args;
use crate::engine::Engine;
use crate::exit::{Failure, Outcome};
use crate::input::read;
use crate::output::Out;
use crate::output::order::{OrderView, text};
use crate::settings::Settings;

fn options(change: args::Change) -> CommandOptions {
    CommandOptions { key: change.key, expected_version: change.expect_version, wait: None }
}

/// Cancels an order, and works it until nothing is due now.
pub async fn cancel(settings: &Settings, out: &Out, args: args::Cancel) -> Outcome {
    let engine = Engine::open(settings).await?;
    let order = engine.manager.cancel(&engine.principal, args.order.order, options(args.change), args.reason).await?;
    let order = engine.drive(order.id).await?;
    out.one(&OrderView::of(&order), || text(&order))
}

/// Pays an order again, and works it until nothing is due now.
pub async fn retry_payment(settings: &Settings, out: &Out, args: args::RetryPayment) -> Outcome {
    let token = read::token(args.payment_token_file.as_deref())?;
    let engine = Engine::open(settings).await?;
    let retry = RetryPayment { method: args.method, token, return_url: args.return_url };
    let order = engine.manager.retry_payment(&engine.principal, args.order.order, options(args.change), retry).await?;
    let order = engine.drive(order.id).await?;
    show_result(out, &order)
}

/// Records what a provider said, and works the order until nothing is due now.
pub async fn record_payment(settings: &Settings, out: &Out, args: args::RecordPayment) -> Outcome {
    let engine = Engine::open(settings).await?;
    let order = engine.manager.get(&engine.principal, args.order.order).await?;
    let amount = Money::parse(&args.amount, order.currency).map_err(|e| Failure::from(e).context("--amount"))?;
    let report = PaymentReport { key: args.key, reference: args.reference, status: args.status, amount };
    let order = engine.manager.record_payment(&engine.principal, args.order.order, report).await?;
    let order = engine.drive(order.id).await?;
    out.one(&OrderView::of(&order), || text(&order))
}

/// Writes something down.
pub async fn note(settings: &Settings, out: &Out, args: args::Note) -> Outcome {
    let engine = Engine::open_for_reading(settings)?;
    let order = engine.manager.note(&engine.principal, args.order.order, options(args.change), args.text).await?;
    out.one(&OrderView::of(&order), || text(&order))
}
