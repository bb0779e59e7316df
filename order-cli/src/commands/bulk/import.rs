//! `order import`: historic orders of another system.

use std::path::{Path, PathBuf};

use clap::Args;
use order_core::error::{Error, Violation};
use order_core::manager::{ImportState, OrderManager, Principal};
use order_core::request::{ImportedOnce, ValidImport};
use order_core::runtime::{Clock, SystemClock};
use order_core::services::Clients;
use order_core::store::OrderStore;
use order_core::text::one_line;
use serde::Serialize;

use super::lines::Lines;
use super::progress::Progress;
use crate::engine::Engine;
use crate::exit::{Failure, Outcome};
use crate::output::{Out, counted, note};
use crate::settings::{Settings, StoreUrl};

/// Options of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Historic orders, one line of JSON each
    pub file: PathBuf,
    /// Say what is wrong with them and what would be imported, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The result of an import, or of trying one.
#[derive(Debug, Default, Serialize)]
pub struct ImportView {
    dry_run: bool,
    orders: u64,
    /// Imported now, or to be imported.
    new: u64,
    /// Imported before.
    known: u64,
}

impl ImportView {
    fn count(&mut self, state: ImportState) {
        self.orders += 1;
        match state {
            ImportState::New => self.new += 1,
            ImportState::Known => self.known += 1,
        }
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let what = if self.dry_run {
            "would import"
        } else {
            "imported"
        };
        let known = if self.known > 0 {
            format!("; {} before", self.known)
        } else {
            String::new()
        };
        format!("{what} {}{known}\n", counted(self.new, "order"))
    }
}

/// Imports a file: all of it is checked before the first order is written.
pub async fn import(settings: &Settings, out: &Out, args: &Import) -> Outcome {
    let mut settings = settings.clone();
    if args.dry_run && matches!(&settings.store, StoreUrl::Sqlite(file) if !file.exists()) {
        // A store that is not there has no orders, and is not made to find that out.
        settings.store = StoreUrl::Memory;
    }
    // Before the store is made.
    Lines::open(&args.file)?;
    let engine = Engine::open_without_services(&settings).await?;
    let view = import_into(&engine.manager, &engine.principal, &SystemClock, args).await?;
    out.one(&view, || view.text())
}

/// Imports a file through any manager.
pub async fn import_into<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    principal: &Principal,
    clock: &impl Clock,
    args: &Import,
) -> Outcome<ImportView> {
    let (lines, size) = Lines::open(&args.file)?;
    let mut view = ImportView {
        dry_run: args.dry_run,
        ..ImportView::default()
    };
    let file = Source {
        path: &args.file,
        size,
    };
    check(manager, principal, clock, (file, lines), &mut view).await?;
    if !args.dry_run {
        view = ImportView::default();
        write(manager, principal, clock, file, &mut view).await?;
    }
    Ok(view)
}

/// A file of orders.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a Path,
    /// In bytes.
    size: u64,
}

/// Says everything that is wrong with the file, line by line; a failure if anything is.
async fn check<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    principal: &Principal,
    clock: &impl Clock,
    (Source { path, size }, lines): (Source<'_>, Lines),
    view: &mut ImportView,
) -> Outcome {
    let mut progress = Progress::new("checking", Some(size));
    let mut once = ImportedOnce::default();
    let (mut orders, mut bad, mut problems) = (0, 0, 0);
    for line in lines {
        let line = line?;
        orders += 1;
        let wrong = match ValidImport::read(&line.text, clock.now()) {
            Err(wrong) => wrong,
            Ok(valid) => {
                let mut wrong = once.add(line.number, &valid);
                match manager.examine_import(principal, &valid).await {
                    Ok(state) => view.count(state),
                    Err(Error::Invalid(with_store)) => wrong.extend(with_store),
                    Err(error) => return Err(error.into()),
                }
                wrong
            }
        };
        bad += u64::from(!wrong.is_empty());
        problems += wrong.len() as u64;
        for Violation { field, problem } in &wrong {
            note(one_line(&format!(
                "{}:{}: {field}: {problem}",
                path.display(),
                line.number
            )));
        }
        progress.step(line.read);
    }
    drop(progress);
    if problems == 0 {
        return Ok(());
    }
    let (problems, orders) = (counted(problems, "problem"), counted(orders, "order"));
    Err(Failure::bad_input(format!(
        "{}: {problems} in {bad} of {orders}; nothing was imported",
        path.display()
    )))
}

async fn write<S: OrderStore, C: Clients>(
    manager: &OrderManager<S, C>,
    principal: &Principal,
    clock: &impl Clock,
    Source { path, size }: Source<'_>,
    view: &mut ImportView,
) -> Outcome {
    let mut progress = Progress::new("importing", Some(size));
    let (lines, _) = Lines::open(path)?;
    let orders = lines.map(|line| {
        let line = line?;
        progress.step(line.read);
        // It was sound a moment ago: whatever is wrong has been written into the file since.
        let changed = |wrong: Vec<Violation>| Lines::at(path, line.number, Error::Invalid(wrong));
        ValidImport::read(&line.text, clock.now()).map_err(changed)
    });
    let done = manager
        .import(principal, orders, |state| view.count(state))
        .await;
    drop(progress);
    done.map_err(|f: Failure| {
        let done = counted(view.orders, "order");
        f.context(format_args!("{done} in"))
            .hint("what is in stays; import the same file again to go on")
    })
}
