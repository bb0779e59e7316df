//! Comparing what came of a step with what it expects.

use order_core::money::Money;
use order_core::order::{Amounts, Order};
use order_core::store::{ListQuery, OrderStore as _};
use order_store_sqlite::shop::StockRow;

use super::expect::Wanted;
use super::perform::Seen;
use super::stage::Stage;
use crate::commands::attention::stuck_orders;
use crate::exit::Outcome;
use order_core::json::amount;

/// Says what differs, if anything: `status is PENDING, not CONFIRMED`.
pub fn differs(stage: &Stage, seen: &Seen, wanted: &Wanted) -> Outcome<Option<String>> {
    let name = wanted.name();
    let unlike =
        |is: String, not: String| (is != not).then(|| format!("{name} is {is}, not {not}"));
    let lists = |is: Vec<String>, not: &[String]| unlike(show(&is), show(not));
    Ok(match (wanted, &seen.order) {
        (Wanted::Error(want), _) => match &seen.error {
            Some(e) if e.kind == want || e.reason.is_some_and(|r| r.as_str() == want) => None,
            Some(e) => Some(format!(
                "error is {}, not {want}: {}",
                e.reason.map_or(e.kind, |r| r.as_str()),
                e.message
            )),
            None => Some(format!("there is no error, but {want} was expected")),
        },
        (Wanted::Message(want), _) => match &seen.error {
            Some(e) if e.message.contains(want) => None,
            Some(e) => Some(format!(
                "the error's message is {:?}, without {want:?}",
                e.message
            )),
            None => Some(format!(
                "there is no error, but one with {want:?} was expected"
            )),
        },
        (Wanted::Replayed(want), _) => {
            unlike(seen.replayed.unwrap_or(false).to_string(), want.to_string())
        }
        (Wanted::Orders(want), _) => {
            let query = ListQuery {
                limit: 1,
                count_up_to: 10_000,
                ..ListQuery::default()
            };
            let page = stage
                .world
                .run(stage.manager.list(&stage.principal, query))?;
            unlike(page.total.to_string(), want.to_string())
        }
        (Wanted::Stuck(want), _) => {
            let found = stage
                .world
                .run(stuck_orders(&stage.manager, &stage.principal))?;
            unlike(found.len().to_string(), want.to_string())
        }
        (Wanted::Said(want), _) => {
            let missing = want
                .iter()
                .find(|w| !seen.said.iter().any(|line| line.contains(*w)));
            missing.map(|m| format!("nothing that was printed holds {m:?}"))
        }
        (Wanted::Stock(sku, figure, want), _) => {
            let rows = stage.outside(stage.shop.stock(None))?;
            match rows.iter().find(|r| r.sku == *sku) {
                Some(row) => unlike(figure_of(row, figure).to_string(), want.to_string()),
                None => Some(format!(
                    "{name} cannot be looked at: the shop has no SKU {sku}"
                )),
            }
        }
        (Wanted::Amount(figure, want), order) => {
            let sums = seen
                .quote
                .or_else(|| order.as_ref().map(|o| (o.amounts, o.currency)));
            match sums {
                Some((amounts, currency)) => {
                    compare_amount(&name, Money::new(sum_of(&amounts, figure), currency), want)
                }
                None => Some(format!("{name} cannot be looked at: there is no order")),
            }
        }
        (Wanted::Field(field, want), Some(order)) => unlike(field_of(order, field), want.clone()),
        (Wanted::Version(want), Some(order)) => unlike(order.version.to_string(), want.to_string()),
        (Wanted::Holds(want), Some(order)) => lists(
            order.holds.iter().map(|h| h.kind.to_string()).collect(),
            want,
        ),
        (Wanted::Attention(want), Some(order)) => {
            let open = order.attention.iter().filter(|a| !a.acknowledged);
            lists(open.map(|a| a.reason.to_string()).collect(), want)
        }
        (Wanted::Money(sum, want), Some(order)) => {
            let money = order.money();
            let is = match *sum {
                "owed" => money.owed,
                "authorized" => money.authorized,
                "captured" => money.captured,
                _ => money.refunded,
            };
            compare_amount(&name, order.in_currency(is), want)
        }
        (Wanted::Shipments(want), Some(order)) => lists(
            order
                .shipments
                .iter()
                .map(|s| s.state.to_string())
                .collect(),
            want,
        ),
        (Wanted::Returns(want), Some(order)) => lists(
            order.returns.iter().map(|r| r.state.to_string()).collect(),
            want,
        ),
        (Wanted::Edits(want), Some(order)) => lists(
            order.edits.iter().map(|e| e.state.to_string()).collect(),
            want,
        ),
        (Wanted::Disputes(want), Some(order)) => lists(
            order
                .disputes
                .iter()
                .map(|d| format!("{} {}", d.reference, d.state))
                .collect(),
            want,
        ),
        (Wanted::Credits(want), Some(order)) => lists(
            order
                .credits
                .iter()
                .map(|c| amount(c.amount, order.currency))
                .collect(),
            want,
        ),
        (Wanted::Metadata(want), Some(order)) => {
            let kept = order.metadata.get().into_iter().flatten();
            lists(
                kept.map(|(key, value)| format!("{key}={value}")).collect(),
                want,
            )
        }
        (Wanted::Payments(want), Some(order)) => {
            let is = order.payments.iter().map(|p| {
                spell(
                    p.kind.as_str(),
                    p.state.as_str(),
                    &amount(p.amount, order.currency),
                )
            });
            lists(as_precise_as(is.collect(), want), want)
        }
        (Wanted::Desk(want), Some(order)) => {
            let desk = stage.outside(stage.shop.payments_of(order.id))?;
            let is = desk.iter().map(|p| {
                spell(
                    p.kind.as_str(),
                    p.status.as_str(),
                    &p.amount.amount().to_string(),
                )
            });
            lists(as_precise_as(is.collect(), want), want)
        }
        (Wanted::Reservations(want), Some(order)) => lists(
            order
                .reservations
                .iter()
                .map(|r| format!("{} {} {}", r.sku, r.quantity, r.state))
                .collect(),
            want,
        ),
        (Wanted::History(want), Some(order)) => {
            let rows = stage
                .world
                .run(stage.manager.history(&stage.principal, order.id.into()))?;
            let is: Vec<String> = rows.iter().map(|r| r.event.name().to_owned()).collect();
            let mut rest = is.iter();
            let missing = want.iter().find(|w| !rest.any(|e| e == *w));
            missing.map(|m| format!("history has no {m} at its place: it is {}", show(&is)))
        }
        (Wanted::Notices(want), Some(order)) => {
            let told = stage.outside(stage.shop.notifications())?;
            let is = told
                .iter()
                .filter(|n| n.order == order.id)
                .map(|n| n.kind.to_string());
            lists(is.collect(), want)
        }
        (Wanted::AtRest(want), Some(order)) => {
            let loaded = stage
                .world
                .run(stage.manager.store().load(order.id.into(), None))?;
            unlike(
                loaded.is_none_or(|l| l.work.is_none()).to_string(),
                want.to_string(),
            )
        }
        (_, None) => Some(format!("{name} cannot be looked at: there is no order")),
    })
}

fn compare_amount(name: &str, is: Money, want: &str) -> Option<String> {
    match Money::parse(want, is.currency) {
        Ok(wanted) if wanted == is => None,
        Ok(wanted) => Some(format!("{name} is {is}, not {wanted}")),
        Err(e) => Some(format!("{name} is {is}, and {e}")),
    }
}

fn sum_of(a: &Amounts, figure: &str) -> i64 {
    match figure {
        "total" => a.total,
        "subtotal" => a.subtotal,
        "tax" => a.tax,
        "tax_included" => a.tax_included,
        "shipping" => a.shipping,
        _ => a.discount,
    }
}

fn field_of(order: &Order, field: &str) -> String {
    match field {
        "status" => order.statuses.status.to_string(),
        "lifecycle" => order.lifecycle.to_string(),
        "payment_status" => order.statuses.payment.to_string(),
        "fulfilment_status" => order.statuses.fulfilment.to_string(),
        "return_status" => order.statuses.returned.to_string(),
        _ => order.payment_method.to_string(),
    }
}

fn figure_of(row: &StockRow, figure: &str) -> u64 {
    match figure {
        "on_hand" => row.on_hand,
        "reserved" => row.reserved,
        "available" => row.available,
        _ => row.committed,
    }
}

fn spell(kind: &str, state: &str, amount: &str) -> String {
    format!("{} {state} {amount}", kind.to_lowercase())
}

/// Leaves out the amounts that are not asked for.
fn as_precise_as(is: Vec<String>, want: &[String]) -> Vec<String> {
    is.into_iter()
        .enumerate()
        .map(|(i, text)| match want.get(i) {
            Some(w) if w.split_whitespace().count() == 2 => text
                .rsplit_once(' ')
                .map_or(text.clone(), |(t, _)| t.to_owned()),
            _ => text,
        })
        .collect()
}

fn show(list: &[String]) -> String {
    format!("[{}]", list.join(", "))
}
