//! `order shop payments` and `settle`: the shop's payment desk.

use clap::ValueEnum;
use order_core::ids::Reference;
use order_core::rules::PaymentReport;
use order_store_sqlite::shop::{self, DeskPayment};
use serde::Serialize;
use uuid::Uuid;

use crate::engine::{Engine, existing_shop};
use crate::exit::Outcome;
use crate::output::order_text::text;
use crate::output::table::Table;
use crate::output::{Out, note};
use crate::settings::Settings;
use order_core::json::OrderView;

/// The end of a payment that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Settlement {
    /// The money is there.
    Captured,
    /// It is not, and will not be.
    Declined,
}

impl From<Settlement> for shop::Settlement {
    fn from(settlement: Settlement) -> Self {
        match settlement {
            Settlement::Captured => shop::Settlement::Captured,
            Settlement::Declined => shop::Settlement::Declined,
        }
    }
}

/// Ends a payment that waits, and tells the engine what became of it, as a provider's callback
/// does.
pub async fn settle(settings: &Settings, out: &Out, key: Uuid, outcome: Settlement) -> Outcome {
    let engine = Engine::open_existing(settings).await?;
    let payment = existing_shop(settings)?.settle(key, outcome.into()).await?;
    note(format_args!(
        "payment {} is {} at the desk",
        payment.key, payment.status
    ));
    let recorded = engine
        .manager
        .record_payment(
            &engine.principal,
            payment.order.into(),
            report_of(&payment)?,
        )
        .await;
    let order = engine.drive(recorded?.id).await?;
    out.one(&OrderView::of(&order), || text(&order))
}

/// Returns what the desk reports of a payment.
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

/// Shows every payment operation that the desk knows.
pub async fn payments(settings: &Settings, out: &Out) -> Outcome {
    let payments = existing_shop(settings)?.payments().await?;
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
        for p in &payments {
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
