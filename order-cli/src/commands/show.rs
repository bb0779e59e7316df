//! Commands that only look: `get`, `list`, `stuck`, `history`, `explain`.

use order_core::manager::{Explanation, OrderManager, Principal};
use order_core::order::Op;
use order_core::services::Clients;
use order_core::store::{ListQuery, OrderStore, TimeRange, Unreadable};
use serde::Serialize;

use crate::args::{ById, List};
use crate::engine::Engine;
use crate::exit::Outcome;
use crate::output::order::OrderView;
use crate::output::order_text::text;
use crate::output::rows::{HistoryView, PageView, history_table, orders_table};
use crate::output::stuck::{StuckView, reasons, stuck_table};
use crate::output::timeline::Timeline;
use crate::output::{Out, note};
use crate::settings::Settings;

/// Shows an order.
pub async fn get(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let order = engine.manager.get(&engine.principal, args.order).await?;
    out.one(&OrderView::of(&order), || text(&order))
}

/// Shows a page of orders.
pub async fn list(settings: &Settings, out: &Out, args: List) -> Outcome {
    let engine = Engine::open_to_list(settings).await?;
    let query = ListQuery {
        user: args.user,
        statuses: args.statuses,
        payment_status: args.payment_status,
        fulfilment_status: args.fulfilment_status,
        attention: args.attention,
        open_work: args.open_work,
        email: args.email,
        sku: args.sku,
        external_ref: args.external_ref,
        metadata: args.metadata,
        placed: TimeRange {
            from: args.placed_from,
            before: args.placed_before,
        },
        updated: TimeRange {
            from: args.updated_from,
            before: args.updated_before,
        },
        sort: args.sort,
        descending: args.desc,
        after: args.after,
        limit: args.limit,
        ..ListQuery::default()
    };
    let page = engine.manager.list(&engine.principal, query).await?;
    let view = PageView::of(&page);
    out.many(&view, &view.orders, || orders_table(&page.orders).render())?;
    if let Some(next) = view.next.as_ref().filter(|_| !out.is_json()) {
        note(format_args!("more: --after {next}"));
    }
    say_unreadable(&page.unreadable);
    Ok(())
}

/// Names orders that cannot be read, beside those that can.
fn say_unreadable(unreadable: &[Unreadable]) {
    for Unreadable { order, reason } in unreadable {
        note(format_args!("order {order} cannot be read: {reason}"));
    }
}

/// Shows every order a person must look at, with the reasons.
pub async fn stuck(settings: &Settings, out: &Out) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let found = stuck_orders(&engine.manager, &engine.principal).await?;
    out.many(
        &StuckView::document(&found),
        &StuckView::rows(&found),
        || stuck_table(&found).render(),
    )?;
    if found.is_empty() {
        note("no order needs a person");
    }
    Ok(())
}

/// Every order with open attention or stuck work, each explained.
pub async fn stuck_orders<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    principal: &Principal,
) -> Outcome<Vec<Explanation>> {
    let mut found = Vec::new();
    let mut query = ListQuery {
        stuck: true,
        limit: 1000,
        ..ListQuery::default()
    };
    loop {
        let page = manager.list(principal, query.clone()).await?;
        for order in page.orders {
            let explanation = manager.explain(principal, order.id.into()).await?;
            // Listed a moment ago, and settled since; or all that is left has been seen by a
            // person.
            if !reasons(&explanation).is_empty() {
                found.push(explanation);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Shows an order's life at a glance.
pub async fn timeline(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let rows = engine
        .manager
        .history(&engine.principal, args.order)
        .await?;
    let explanation = engine
        .manager
        .explain(&engine.principal, args.order)
        .await?;
    let timeline = Timeline::of(&explanation, &rows);
    out.many(&timeline, &timeline.moments, || timeline.text())
}

/// Shows what happened to an order.
pub async fn history(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let rows = engine
        .manager
        .history(&engine.principal, args.order)
        .await?;
    let views: Vec<HistoryView> = rows.iter().map(HistoryView::of).collect();
    out.many(&views, &views, || history_table(&rows).render())
}

/// Says what an order waits for.
pub async fn explain(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let explanation = engine
        .manager
        .explain(&engine.principal, args.order)
        .await?;
    out.one(&ExplanationView::of(&explanation), || {
        sentences(&explanation)
    })
}

/// The explanation for people, one sentence per line.
pub fn sentences(explanation: &Explanation) -> String {
    explanation
        .sentences
        .iter()
        .map(|s| format!("{}\n", crate::output::table::printable(s)))
        .collect()
}

#[derive(Debug, Serialize)]
struct ExplanationView {
    order_id: String,
    order_number: String,
    status: &'static str,
    done: bool,
    due: Vec<CallView>,
    looked_at_again: Option<String>,
    stuck: Vec<StuckOperation>,
    tries: Vec<TryView>,
    possible: Vec<&'static str>,
    explanation: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CallView {
    operation: String,
    call: String,
}

#[derive(Debug, Serialize)]
struct StuckOperation {
    operation: String,
    why: String,
}

#[derive(Debug, Serialize)]
struct TryView {
    operation: String,
    failures: u32,
    next_at: String,
    error: String,
}

impl ExplanationView {
    fn of(e: &Explanation) -> Self {
        let tries = e
            .work
            .iter()
            .flat_map(|w| &w.tries.0)
            .map(|(op, t): (&Op, _)| TryView {
                operation: op.to_string(),
                failures: t.count,
                next_at: t.next_at.to_string(),
                error: t.error.clone(),
            });
        ExplanationView {
            order_id: e.order.id.to_string(),
            order_number: e.order.number.to_string(),
            status: e.order.statuses.status.as_str(),
            done: e.next.is_done(),
            due: e
                .next
                .calls
                .iter()
                .map(|c| CallView {
                    operation: c.op.to_string(),
                    call: format!("{:?}", c.verb),
                })
                .collect(),
            looked_at_again: e.next.wake.map(|t| t.to_string()),
            stuck: e
                .next
                .stuck
                .iter()
                .map(|s| StuckOperation {
                    operation: s.op.to_string(),
                    why: s.why.clone(),
                })
                .collect(),
            tries: tries.collect(),
            possible: e.possible.clone(),
            explanation: e.sentences.clone(),
        }
    }
}
