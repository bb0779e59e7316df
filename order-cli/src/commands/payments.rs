//! Commands about paying an order: `retry-payment`, `record-payment`.

use order_core::error::Error;
use order_core::manager::{CommandOptions, RetryPayment};
use order_core::money::Money;
use order_core::rules::PaymentReport;

use super::change::said_of_repeat;
use super::place::show_result;
use crate::args;
use crate::engine::Engine;
use crate::exit::{Failure, Outcome};
use crate::input::read;
use crate::output::order::OrderView;
use crate::output::order_text::text;
use crate::output::{Out, note};
use crate::settings::Settings;

/// Pays an order again, and works it until nothing is due now.
pub async fn retry_payment(settings: &Settings, out: &Out, args: args::RetryPayment) -> Outcome {
    let token = read::token(args.payment_token_file.as_deref())?;
    let engine = Engine::open_existing(settings).await?;
    let amount = match &args.amount {
        Some(amount) => {
            let order = engine
                .manager
                .get(&engine.principal, args.order.order)
                .await?;
            Some(
                Money::parse(amount, order.currency)
                    .map_err(|e| Failure::from(e).context("--amount"))?,
            )
        }
        None => None,
    };
    let retry = RetryPayment {
        amount,
        method: args.method,
        token,
        return_url: args.return_url,
    };
    let options = CommandOptions {
        key: args.key.clone(),
        expected_version: args.expect_version,
        ..CommandOptions::default()
    };
    let paid = engine
        .manager
        .retry_payment(&engine.principal, args.order.order, retry, options)
        .await;
    let done = match engine.finished(paid).await {
        Err(Error::Invalid(violations))
            if violations.iter().any(|v| v.field == "payment_method") =>
        {
            let offered = engine.payment_methods.join(", ");
            return Err(
                Failure::from(Error::Invalid(violations)).hint(format!("offered: {offered}"))
            );
        }
        paid => paid?,
    };
    let order = engine.drive(done.order.id).await?;
    said_of_repeat(args.key.as_ref(), &done)
        .iter()
        .for_each(note);
    show_result(out, &order, done.repeats.is_some())
}

/// Records what a provider said, and works the order until nothing is due now.
pub async fn record_payment(settings: &Settings, out: &Out, args: args::RecordPayment) -> Outcome {
    let engine = Engine::open_existing(settings).await?;
    let order = engine
        .manager
        .get(&engine.principal, args.order.order)
        .await?;
    let amount = Money::parse(&args.amount, order.currency)
        .map_err(|e| Failure::from(e).context("--amount"))?;
    let report = PaymentReport {
        key: args.key,
        reference: args.reference,
        parent: args.parent,
        status: args.status,
        amount,
    };
    let order = engine
        .finished(
            engine
                .manager
                .record_payment(&engine.principal, args.order.order, report)
                .await,
        )
        .await?;
    let order = engine.drive(order.id).await?;
    out.one(&OrderView::of(&order), || text(&order))
}
