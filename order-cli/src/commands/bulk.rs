//! Commands about all orders at once.

pub mod backup;
pub mod copy;
pub mod csv;
pub mod export;
pub mod import;
mod lines;
mod progress;
pub mod restore;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::output::Out;
use crate::settings::Settings;

/// Commands about all orders at once.
#[derive(Debug, Subcommand)]
pub enum BulkCommand {
    /// Copy the whole store into a new file while it is in use; the copy is opened like any other
    /// store
    Backup(backup::Backup),
    /// Write all orders out: to be kept, restored, or looked at in a spreadsheet
    Export(export::Export),
    /// Put exported orders into an empty store, as they were
    Restore(restore::Restore),
    /// Copy all orders from one store to another, and compare them; an interrupted copy goes on
    /// where it ended
    Copy(copy::Copy),
    /// Take in historic orders of another system; `examples/README.md` documents the format
    Import(import::Import),
}

/// Runs the command.
pub async fn run(settings: &Settings, out: &Out, command: BulkCommand) -> Outcome {
    match command {
        BulkCommand::Backup(args) => backup::backup(settings, out, &args).await,
        BulkCommand::Export(args) => export::export(settings, &args).await,
        BulkCommand::Copy(args) => copy::copy(settings, out, &args).await,
        BulkCommand::Restore(args) => restore::restore(settings, out, &args).await,
        BulkCommand::Import(args) => import::import(settings, out, &args).await,
    }
}
