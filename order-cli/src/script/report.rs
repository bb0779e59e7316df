//! The report of `order run`: each step as it goes, and the orders at the end.

use std::sync::Arc;

use order_core::order::Order;
use order_core::runtime::Clock;
use order_core::text::one_line;
use serde::Serialize;

use super::model::Step;
use super::perform::Seen;
use super::stage::Stage;
use crate::exit::Outcome;
use crate::input::duration;
use crate::output::rows::flagged;
use crate::output::table::Table;
use crate::output::{Out, to_stdout};
use order_core::json::{OrderView, amount};

/// A step and what came of it, as JSON.
#[derive(Debug, Serialize)]
pub struct StepView {
    step: usize,
    #[serde(rename = "do")]
    what: String,
    name: Option<String>,
    at: String,
    order: Option<String>,
    status: Option<&'static str>,
    payment_status: Option<&'static str>,
    error: Option<String>,
    said: Vec<String>,
    calls: Vec<String>,
    expected: usize,
    differences: Vec<String>,
}

/// A whole run, as JSON.
#[derive(Debug, Serialize)]
pub struct RunView {
    script: String,
    title: Option<String>,
    ok: bool,
    steps: Vec<StepView>,
    orders: Vec<OrderView>,
}

/// Prints a run.
pub struct Report {
    out: Out,
    script: String,
    title: Option<String>,
    steps: Vec<StepView>,
}

impl Report {
    /// Begins, with the script's title.
    pub fn begin(out: Out, script: &str, title: Option<&str>) -> Outcome<Self> {
        if out.is_for_people()
            && let Some(title) = title
        {
            to_stdout(&format!("{}\n\n", one_line(title)))?;
        }
        Ok(Report {
            out,
            script: script.to_owned(),
            title: title.map(str::to_owned),
            steps: Vec::new(),
        })
    }

    /// Tells of a step.
    pub fn step(
        &mut self,
        stage: &Stage,
        step: &Step<'_>,
        seen: &Seen,
        differences: &[String],
    ) -> Outcome {
        let calls = stage.services.take_trace();
        let elapsed = duration::show(stage.world.elapsed());
        let number = self.steps.len() + 1;
        let expected = step.expect.as_ref().map_or(0, |e| e.wanted.len());
        if self.out.is_for_people() {
            let title = one_line(step.name.as_deref().unwrap_or_default());
            let mut text = format!("{number:>3}. {:<15} {title}", step.act.name())
                .trim_end()
                .to_owned();
            text.push_str(&format!("  [+{elapsed}]\n"));
            let mut line = |said: &str| text.push_str(&format!("     {}\n", one_line(said)));
            seen.said.iter().for_each(|said| line(said));
            if !calls.is_empty() {
                line(&format!("calls: {}", calls.join(", ")));
            }
            if let Some(error) = &seen.error {
                line(&format!("refused: {}", error.message));
            }
            match (expected, differences) {
                (0, []) => {}
                (n, []) => line(&format!("as expected ({n} checked)")),
                (_, differences) => differences
                    .iter()
                    .for_each(|d| line(&format!("NOT AS EXPECTED: {d}"))),
            }
            to_stdout(&text)?;
        }
        let order = seen.order.as_ref();
        self.steps.push(StepView {
            step: number,
            what: step.act.name().to_owned(),
            name: step.name.clone(),
            at: stage.world.now().to_string(),
            order: order.map(|o| o.number.to_string()),
            status: order.map(|o| o.statuses.status.as_str()),
            payment_status: order.map(|o| o.statuses.payment.as_str()),
            error: seen.error.as_ref().map(|e| e.message.clone()),
            said: seen.said.clone(),
            calls,
            expected,
            differences: differences.to_vec(),
        });
        Ok(())
    }

    /// Ends with the orders.
    pub fn end(self, orders: &[(Option<String>, Arc<Order>)], ok: bool) -> Outcome {
        let Report {
            out,
            script,
            title,
            steps,
        } = self;
        let views = orders
            .iter()
            .map(|(_, order)| OrderView::of(order))
            .collect();
        let run = RunView {
            script,
            title,
            ok,
            steps,
            orders: views,
        };
        out.many(&run, &run.steps, || {
            format!("\n{}", orders_table(orders).render())
        })
    }
}

fn orders_table(orders: &[(Option<String>, Arc<Order>)]) -> Table {
    let mut table = Table::new(&[
        "ORDER",
        "NUMBER",
        "STATUS",
        "PAYMENT",
        "FULFILMENT",
        ">TOTAL",
        ">PAID",
        ">REFUNDED",
    ]);
    for (alias, order) in orders {
        let money = order.money();
        table.row([
            alias.clone().unwrap_or_default(),
            order.number.to_string(),
            flagged(order),
            order.statuses.payment.to_string(),
            order.statuses.fulfilment.to_string(),
            order.in_currency(order.amounts.total).to_string(),
            amount(money.captured, order.currency),
            amount(money.refunded, order.currency),
        ]);
    }
    table
}
