//! `order import`: historic orders of another system.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use order_core::error::{Error, Violation};
use order_core::ids::Sku;
use order_core::manager::{ImportState, Principal};
use order_core::request::{ImportedOnce, ValidImport};
use order_core::rules::begin_imported;
use order_core::runtime::{Clock, SystemClock};
use order_core::text::one_line;
use order_core::time::Timestamp;
use serde::Serialize;

use super::lines::{Kept, Lines};
use super::progress::Progress;
use crate::engine::{Engine, Manager, existing_shop};
use crate::exit::{Failure, Outcome};
use crate::output::{Out, counted, note};
use crate::settings::{Settings, StoreUrl};

/// Options of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Historic orders, one line of JSON each; `-` for standard input
    pub file: PathBuf,
    /// Say what is wrong with them and what would be imported, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The outcome of an import, or the one it would have.
#[derive(Debug, Default, Serialize)]
pub struct ImportView {
    dry_run: bool,
    orders: u64,
    /// Imported now, or to be imported.
    new: u64,
    /// Imported before.
    known: u64,
    /// Units that the orders still need and that the stock has not got.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_in_stock: Vec<MissingView>,
    /// The units that the new orders still need.
    #[serde(skip)]
    wanted: BTreeMap<Sku, u64>,
}

/// Units of a SKU that are needed and not there.
#[derive(Debug, Serialize)]
struct MissingView {
    sku: String,
    wanted: u64,
    /// The units that are there; `null` if the shop does not know the SKU.
    available: Option<u64>,
}

impl MissingView {
    fn text(&self) -> String {
        let MissingView {
            sku,
            wanted,
            available,
        } = self;
        let there = match available {
            None => "the shop has no such SKU".to_owned(),
            Some(there) => format!("the stock has {there}"),
        };
        format!("still to be shipped: {wanted} × {sku}; {there}")
    }
}

impl ImportView {
    fn count(&mut self, state: ImportState) {
        self.orders += 1;
        match state {
            ImportState::New => self.new += 1,
            ImportState::Known => self.known += 1,
        }
    }

    /// Counts the units that `valid` still needs from the stock.
    fn want(&mut self, valid: &ValidImport, now: Timestamp) {
        let order = begin_imported(&valid.imported, now);
        if !order.lifecycle.is_live() {
            return;
        }
        for line in &order.lines {
            let units = line.open() + line.counters.planned;
            if units > 0 {
                *self.wanted.entry(line.sku.clone()).or_default() += u64::from(units);
            }
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
    let kept = Kept::of(&args.file)?;
    Lines::open(&kept)?;
    let engine = Engine::open_without_services(&settings).await?;
    let mut view = import_kept(
        &engine.manager,
        &engine.principal,
        &SystemClock,
        &kept,
        args.dry_run,
    )
    .await?;
    view.not_in_stock = missing(&settings, &view.wanted).await?;
    for missing in &view.not_in_stock {
        note(missing.text());
    }
    if !view.not_in_stock.is_empty() {
        note("such orders wait for a person: load or restock what is missing, or cancel it");
    }
    out.one(&view, || view.text())
}

/// Returns what of `wanted` the embedded shop has not got; nothing if the inventory is elsewhere or
/// there is no shop yet, since nobody can be asked.
async fn missing(settings: &Settings, wanted: &BTreeMap<Sku, u64>) -> Outcome<Vec<MissingView>> {
    let there = settings.shop.as_ref().is_some_and(|path| path.exists());
    if !settings.services.inventory.is_shop() || !there {
        return Ok(Vec::new());
    }
    let stock = existing_shop(settings)?.stock(None).await?;
    let missing = wanted.iter().filter_map(|(sku, wanted)| {
        let row = stock.iter().find(|row| row.sku == *sku);
        let available = row.map(|row| row.available);
        available
            .is_none_or(|available| available < *wanted)
            .then(|| MissingView {
                sku: sku.to_string(),
                wanted: *wanted,
                available,
            })
    });
    Ok(missing.collect())
}

/// Imports a file through any manager.
pub async fn import_into(
    manager: &Manager,
    principal: &Principal,
    clock: &dyn Clock,
    args: &Import,
) -> Outcome<ImportView> {
    import_kept(
        manager,
        principal,
        clock,
        &Kept::of(&args.file)?,
        args.dry_run,
    )
    .await
}

async fn import_kept(
    manager: &Manager,
    principal: &Principal,
    clock: &dyn Clock,
    kept: &Kept,
    dry_run: bool,
) -> Outcome<ImportView> {
    let (lines, size) = Lines::open(kept)?;
    let mut view = ImportView {
        dry_run,
        ..ImportView::default()
    };
    let file = Source { kept, size };
    check(manager, principal, clock, (file, lines), &mut view).await?;
    if !dry_run {
        view = ImportView {
            wanted: view.wanted,
            ..ImportView::default()
        };
        write(manager, principal, clock, file, &mut view).await?;
    }
    Ok(view)
}

/// A file of orders.
#[derive(Clone, Copy)]
struct Source<'a> {
    kept: &'a Kept,
    /// In bytes.
    size: u64,
}

/// Says everything that is wrong with the file, line by line; a failure if anything is.
async fn check(
    manager: &Manager,
    principal: &Principal,
    clock: &dyn Clock,
    (Source { kept, size }, lines): (Source<'_>, Lines),
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
                    Ok(state) => {
                        view.count(state);
                        if state == ImportState::New {
                            view.want(&valid, clock.now());
                        }
                    }
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
                kept.name().display(),
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
        kept.name().display()
    )))
}

async fn write(
    manager: &Manager,
    principal: &Principal,
    clock: &dyn Clock,
    Source { kept, size }: Source<'_>,
    view: &mut ImportView,
) -> Outcome {
    let mut progress = Progress::new("importing", Some(size));
    let (lines, _) = Lines::open(kept)?;
    let orders = lines.map(|line| {
        let line = line?;
        progress.step(line.read);
        // It was sound a moment ago: whatever is wrong has been written into the file since.
        let changed =
            |wrong: Vec<Violation>| Lines::at(kept.name(), line.number, Error::Invalid(wrong));
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
