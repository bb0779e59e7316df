//! `order get`, `history`, `timeline` and `explain`: one order, as it is and as it came to be.

use order_core::manager::Explanation;
use order_core::order::Op;
use order_core::text::printable;
use serde::Serialize;

use super::options::ById;
use crate::engine::Engine;
use crate::exit::Outcome;
use crate::output::Out;
use crate::output::order_text::text;
use crate::output::rows::history_table;
use crate::output::time::plainly;
use crate::output::timeline::Timeline;
use crate::settings::Settings;
use crate::typed::commands;
use order_core::json::{HistoryView, OrderView};

/// Shows an order.
pub async fn get(settings: &Settings, out: &Out, args: ById) -> Outcome {
    let engine = Engine::open_for_reading(settings).await?;
    let order = engine.manager.get(&engine.principal, args.order).await?;
    out.one(&OrderView::of(&order), || text(&order))
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

/// Shows an order's journal.
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

/// Returns the explanation for people, one sentence per line.
pub fn sentences(explanation: &Explanation) -> String {
    let possible = format!("possible now: {}", commands(explanation).join(", "));
    let sentences = explanation.sentences.iter().chain([&possible]);
    sentences
        .map(|s| format!("{}\n", printable(&plainly(s))))
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
    commands: Vec<String>,
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
            commands: commands(e),
            explanation: e.sentences.clone(),
        }
    }
}
