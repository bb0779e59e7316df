//! `order run`: scripted fixtures, in which people report bugs and try policies.
//! `examples/README.md` documents the format.

mod clock;
mod command;
mod context;
mod expect;
mod fault;
mod faults;
mod judge;
mod model;
mod parse;
mod parts;
mod perform;
mod report;
mod stage;
mod steps;
mod values;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use order_core::order::Order;

use crate::exit::{Code, Outcome};
use crate::input::read;
use crate::output::Out;
use crate::settings::Settings;
use crate::toml_doc::Source;
use model::{Act, Step};
use perform::Seen;
use report::Report;
use stage::Stage;

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The script, in TOML; `examples/README.md` documents the format
    pub script: PathBuf,
}

/// Runs a script; a failure with its place if something is not as it expects.
pub fn run(path: &Path, settings: &Settings) -> Outcome {
    let (name, text) = (read::name(path), read::text(path, read::DOCUMENT_MAX)?);
    let source = Source {
        name: &name,
        text: &text,
    };
    let script = parse::parse(source)?;
    for step in &script.steps {
        if let Act::Load(catalogue) = &step.act {
            stage::read_catalogue(source, catalogue)?;
        }
    }
    let mut stage = Stage::set(source, &script, settings)?;
    let mut report = Report::begin(Out::new(settings.format), &name, script.title.as_deref())?;
    let mut failed = None;
    for (i, step) in script.steps.iter().enumerate() {
        let seen = perform::perform(&mut stage, source, step)?;
        let differences = compare(&stage, step, &seen)?;
        let texts: Vec<String> = differences.iter().map(|(_, text)| text.clone()).collect();
        report.step(&stage, step, &seen, &texts)?;
        if let Some((span, _)) = differences.first() {
            let what = step.name.as_deref().unwrap_or(step.act.name());
            let message = format!("step {} ({what}): {}", i + 1, texts.join("; "));
            failed = Some(source.failure(Code::Refused, span, message));
            break;
        }
    }
    report.end(&orders(&stage)?, failed.is_none())?;
    failed.map_or(Ok(()), Err)
}

/// Everything that is not as the step expects, with its place.
fn compare(stage: &Stage, step: &Step<'_>, seen: &Seen) -> Outcome<Vec<(Range<usize>, String)>> {
    let wanted = step.expect.as_ref().map_or(&[][..], |e| &e.wanted);
    let mut differences = Vec::new();
    let foreseen = wanted.iter().any(|w| {
        matches!(
            w.get_ref(),
            expect::Wanted::Error(_) | expect::Wanted::Message(_)
        )
    });
    if let Some(error) = seen.error.as_ref().filter(|e| !foreseen && !e.dead_order) {
        differences.push((
            step.span.clone(),
            format!("it was refused: {}", error.message),
        ));
        return Ok(differences);
    }
    for one in wanted {
        if let Some(difference) = judge::differs(stage, seen, one.get_ref())? {
            differences.push((one.span(), difference));
        }
    }
    Ok(differences)
}

/// The orders as they are, each with its name.
fn orders(stage: &Stage) -> Outcome<Vec<(Option<String>, Arc<Order>)>> {
    let mut orders = Vec::new();
    for (alias, id) in &stage.orders {
        let order = stage
            .world
            .run(stage.manager.get(&stage.principal, (*id).into()))?;
        orders.push((alias.clone(), order));
    }
    Ok(orders)
}
