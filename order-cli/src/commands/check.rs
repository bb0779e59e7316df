//! `order check`.

use order_core::text::printable;
use order_store_sqlite::shop::Shop;
use serde::Serialize;

use crate::auditing::{Findings, audit, coverage};
use crate::engine::{Engine, existing_shop};
use crate::exit::{Code, Failure, Outcome};
use crate::output::table::Table;
use crate::output::{Out, note};
use crate::settings::Settings;

/// How many breaches of one invariant are shown.
const SHOWN: usize = 20;

#[derive(Debug, Serialize)]
struct InvariantView {
    invariant: &'static str,
    text: &'static str,
    checkable: bool,
    checked: u64,
    breaches: usize,
    details: Vec<String>,
}

/// Tests the invariants; a failure if one does not hold.
pub async fn check(settings: &Settings, out: &Out) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let shop = ledgers(settings)?;
    let findings = audit(&engine.manager, shop.as_ref()).await?;
    let views = views(&findings);
    out.many(&views, &views, || table(&views))?;
    if findings.skipped > 0 {
        note(format_args!(
            "{} orders changed too fast to be looked at: check again",
            findings.skipped
        ));
    }
    if findings.is_breached() {
        return Err(Failure::new(
            Code::Refused,
            format!("{}; first: {}", findings.summary(), findings.first_breach()),
        )
        .hint("`order history` and `order explain` show what happened to an order"));
    }
    note(findings.summary());
    Ok(())
}

/// The shop with the ledgers of stock and payments, if both are kept in the embedded one and it is
/// there.
fn ledgers(settings: &Settings) -> Outcome<Option<Shop>> {
    let services = &settings.services;
    if !services.inventory.is_shop() || !services.payment.is_shop() {
        note(
            "stock and payments are not both in the embedded shop: they are not compared with its ledgers",
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
    let view = |(invariant, text, checked): (&'static str, &'static str, Option<u64>)| {
        let broken: Vec<String> = findings
            .breaches
            .iter()
            .filter(|(_, b)| b.invariant == invariant)
            .map(|(about, b)| format!("{about}: {}", b.detail))
            .collect();
        InvariantView {
            invariant,
            text,
            checkable: checked.is_some(),
            checked: checked.unwrap_or(0),
            breaches: broken.len(),
            details: broken.into_iter().take(SHOWN).collect(),
        }
    };
    coverage(findings).into_iter().map(view).collect()
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
            view.invariant.to_owned(),
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
