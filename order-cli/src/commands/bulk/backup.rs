//! `order backup`: a copy of the store while it is in use.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use order_core::runtime::SystemClock;
use order_store_sqlite::Access;
use serde::Serialize;

use crate::engine::{must_exist, open_store_as};
use crate::exit::Outcome;
use crate::output::Out;
use crate::settings::Settings;

/// Options of `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The copy; nothing is written over
    pub file: PathBuf,
}

#[derive(Debug, Serialize)]
struct BackupView {
    file: String,
}

/// Copies the store.
pub async fn backup(settings: &Settings, out: &Out, args: &Backup) -> Outcome {
    must_exist(&settings.store)?;
    let store = open_store_as(Access::ReadOnly, settings, Arc::new(SystemClock))?;
    store.backup(&args.file).await?;
    let view = BackupView {
        file: args.file.display().to_string(),
    };
    out.one(&view, || format!("backed up to {}\n", view.file))
}
