//! Commands that only look: `get`, `list`, `stuck`, `history`, `explain`.

use order_core::manager::Explanation;
use order_core::order::Op;
use order_core::store::{ListQuery, OrderPage};
use serde::Serialize;

use crate::args::{ById, List};
use crate::engine::Engine;
use crate::exit::Outcome;
use crate::output::order::{OrderView, text};
use crate::output::rows::{HistoryView, PageView, attention_table, history_table, orders_table};
use crate::output::{Out, note};
use crate::settings::Settings;

/// Shows an order.
pub async fn get(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings)?;
    let order = engine.manager.get(&engine.principal, args.order).await?;
    out.one(&OrderView::of(&order), || text(&order))
}

/// Shows a page of orders.
pub async fn list(settings: &Settings, out: &Out, args: List) -> Outcome {
    let engine = Engine::open_for_reading(settings)?;
    let query = ListQuery {
        user: args.user,
        status: args.status,
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
    Ok(())
}

/// Shows every order a person must look at.
pub async fn stuck(settings: &Settings, out: &Out) -> Outcome {
    let engine = Engine::open_for_reading(settings)?;
    let mut orders = Vec::new();
    let mut after = None;
    loop {
        let query = ListQuery { stuck: true, limit: 1000, after: after.take(), ..ListQuery::default() };
        let page = engine.manager.list(&engine.principal, query).await?;
        orders.extend(page.orders);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let page = OrderPage { total: u32::try_from(orders.len()).unwrap_or(u32::MAX), orders, next: None };
    let view = PageView::of(&page);
    out.many(&view, &view.orders, || attention_table(&page.orders).render())?;
    if page.orders.is_empty() {
        note("no order needs a person");
    }
    Ok(())
}

/// Shows what happened to an order.
pub async fn history(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings)?;
    let rows = engine.manager.history(&engine.principal, args.order).await?;
    let views: Vec<HistoryView> = rows.iter().map(HistoryView::of).collect();
    out.many(&views, &views, || history_table(&rows).render())
}

/// Says what an order waits for.
pub async fn explain(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings)?;
    let explanation = engine.manager.explain(&engine.principal, args.order).await?;
    out.one(&ExplanationView::of(&explanation), || sentences(&explanation))
}

/// The explanation for people, one sentence per line.
pub fn sentences(explanation: &Explanation) -> String {
    explanation.sentences.iter().map(|s| format!("{}\n", crate::output::table::printable(s))).collect()
}

#[derive(Debug, Serialize)]
struct ExplanationView {
    order_id: String,
    order_number: String,
    status: &'static str,
    done: bool,
    due: Vec<CallView>,
    looked_at_again: Option<String>,
    stuck: Vec<StuckView>,
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
struct StuckView {
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
        let tries = e.work.iter().flat_map(|w| &w.tries.0).map(|(op, t): (&Op, _)| TryView {
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
            due: e.next.calls.iter().map(|c| CallView { operation: c.op.to_string(), call: format!("{:?}", c.verb) }).collect(),
            looked_at_again: e.next.wake.map(|t| t.to_string()),
            stuck: e.next.stuck.iter().map(|s| StuckView { operation: s.op.to_string(), why: s.why.clone() }).collect(),
            tries: tries.collect(),
            possible: e.possible.clone(),
            explanation: e.sentences.clone(),
        }
    }
}
