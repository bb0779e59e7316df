//! `order restore`: exported orders into an empty store.

use std::path::PathBuf;

use clap::Args;
use order_core::archive;
use serde::Serialize;

use super::lines::{Kept, Lines};
use super::progress::Progress;
use crate::engine::{Engine, must_exist};
use crate::exit::{Failure, Outcome};
use crate::output::{Out, counted};
use crate::settings::Settings;

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The file that `order export` wrote, or `-` for standard input
    pub file: PathBuf,
}

#[derive(Debug, Serialize)]
struct RestoreView {
    restored: u64,
}

/// Restores a file: all of it is read and checked before the first order is written.
pub async fn restore(settings: &Settings, out: &Out, args: &Restore) -> Outcome {
    let kept = Kept::of(&args.file)?;
    let (lines, size) = Lines::open(&kept)?;
    // A store that is there is looked at first; one that is not is made when the file has proved
    // sound.
    if must_exist(&settings.store).is_ok() {
        Engine::open_for_reading(settings)
            .await?
            .manager
            .check_empty()
            .await?;
    }
    let read = |line: Outcome<super::lines::Line>| {
        let line = line?;
        let dumped =
            archive::read(&line.text).map_err(|e| Lines::at(kept.name(), line.number, e))?;
        Ok::<_, Failure>((dumped, line.read))
    };
    let mut progress = Progress::new("checking", Some(size));
    for line in lines {
        progress.step(read(line).map_err(|f| f.hint("nothing was restored"))?.1);
    }
    drop(progress);
    let engine = Engine::open_without_services(settings).await?;
    let mut progress = Progress::new("restoring", Some(size));
    let (lines, _) = Lines::open(&kept)?;
    let orders = lines.map(|line| {
        let (dumped, bytes) = read(line)?;
        progress.step(bytes);
        Ok::<_, Failure>(dumped)
    });
    let restored = engine
        .manager
        .restore(&engine.principal, orders, || ())
        .await;
    drop(progress);
    let restored = restored.map_err(|f: Failure| {
        f.hint("the store is not whole: remove it, and restore into a new one")
    })?;
    out.one(&RestoreView { restored }, || {
        format!("restored {}\n", counted(restored, "order"))
    })
}
