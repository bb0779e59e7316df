//! `order check`: the invariants over a whole store, and against the shop's own ledgers.

use clap::Args;
use order_core::audit::{AuditError, Findings, Invariant, Ledgers, check_store};
use order_core::error::Error;
use order_core::text::printable;
use order_store_sqlite::shop::{Shop, ShopError};
use serde::Serialize;

use crate::engine::{Engine, existing_shop};
use crate::exit::{Code, Failure, Outcome};
use crate::output::table::Table;
use crate::output::{Out, counted, note, shortened};
use crate::settings::Settings;

/// The most breaches of one invariant that are shown.
const SHOWN: usize = 20;
/// The most characters of the first breach that a summary quotes; some quote whole records.
const SUMMARY_MAX: usize = 200;

#[derive(Debug, Serialize)]
struct InvariantView {
    invariant: Invariant,
    text: &'static str,
    checkable: bool,
    checked: u64,
    breaches: usize,
    details: Vec<String>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Show every invariant, also where all of them hold
    #[arg(long)]
    pub all: bool,
}

/// Tests the invariants; a failure if one does not hold.
pub async fn check(settings: &Settings, out: &Out, args: &Check) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let shop = ledgers(settings)?;
    let ledgers = shop.as_ref().map(|shop| shop as &dyn Ledgers);
    let findings = check_store(&engine.manager, ledgers).await?;
    let views = views(&findings);
    out.many(&views, &views, || {
        match args.all || findings.is_breached() {
            true => table(&views),
            false => String::new(),
        }
    })?;
    if findings.skipped > 0 {
        note(format_args!(
            "{} orders changed too fast to be looked at: check again",
            findings.skipped
        ));
    }
    if findings.is_breached() {
        return Err(Failure::new(
            Code::Refused,
            format!("{}; first: {}", summary(&findings), first_breach(&findings)),
        )
        .hint("`order history` and `order explain` show what happened to an order of this store"));
    }
    note(summary(&findings));
    Ok(())
}

/// Says what was found, in a sentence.
pub fn summary(findings: &Findings) -> String {
    let checked: u64 = findings.checked.values().sum();
    let breaches = match findings.breaches.len() {
        1 => "1 breach".to_owned(),
        n => format!("{n} breaches"),
    };
    format!(
        "{}, {}, {breaches}",
        counted(findings.orders, "order"),
        counted(checked, "check")
    )
}

/// Says what does not hold, the first of it.
pub fn first_breach(findings: &Findings) -> String {
    let first = findings.breaches.first();
    first.map_or_else(String::new, |(about, breach)| {
        shortened(&format!("{about}: {breach}"), SUMMARY_MAX)
    })
}

/// Opens the shop with the ledgers of stock and payments, if both are kept in the embedded one and
/// it is there.
fn ledgers(settings: &Settings) -> Outcome<Option<Shop>> {
    let services = &settings.services;
    if !services.inventory.is_shop() || !services.payment.is_shop() {
        note(
            "stock and payments are not both in the embedded shop: they are not compared with \
             its ledgers",
        );
        return Ok(None);
    }
    if !settings.shop.as_ref().is_some_and(|path| path.exists()) {
        note("there is no shop: stock and payments are not compared with its ledgers");
        return Ok(None);
    }
    existing_shop(settings).map(Some)
}

fn views(findings: &Findings) -> Vec<InvariantView> {
    let view = |(invariant, checked): (Invariant, Option<u64>)| {
        let broken: Vec<String> = findings
            .breaches
            .iter()
            .filter(|(_, b)| b.invariant == invariant)
            .map(|(about, b)| format!("{about}: {}", b.detail))
            .collect();
        InvariantView {
            invariant,
            text: invariant.statement(),
            checkable: checked.is_some(),
            checked: checked.unwrap_or(0),
            breaches: broken.len(),
            details: broken.into_iter().take(SHOWN).collect(),
        }
    };
    findings.coverage().into_iter().map(view).collect()
}

fn table(views: &[InvariantView]) -> String {
    let mut table = Table::new(&["", ">CHECKED", ">BREACHES", "WHAT MUST HOLD"]);
    let mut details = String::new();
    for view in views {
        let checked = if view.checkable {
            view.checked.to_string()
        } else {
            "not checkable".into()
        };
        let breaches = if view.checkable {
            view.breaches.to_string()
        } else {
            String::new()
        };
        table.row([
            view.invariant.to_string(),
            checked,
            breaches,
            view.text.to_owned(),
        ]);
        for detail in &view.details {
            details.push_str(&format!("{} {}\n", view.invariant, printable(detail)));
        }
    }
    if details.is_empty() {
        table.render()
    } else {
        format!("{}\n{details}", table.render())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(store) => Error::from(store).into(),
            AuditError::Ledger(ledger) => match ledger.downcast::<ShopError>() {
                Ok(shop) => Failure::from(*shop),
                Err(other) => Failure::caused(Code::Unavailable, other.as_ref()),
            },
            other => Failure::caused(Code::Unavailable, &other),
        }
    }
}
