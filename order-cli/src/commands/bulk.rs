//! Commands about all orders at once.

mod backup;
mod copy;
pub mod csv;
pub mod export;
pub mod import;
mod lines;
mod progress;
mod restore;

use crate::args::bulk::BulkCommand;
use crate::exit::Outcome;
use crate::output::Out;
use crate::settings::Settings;

/// Does what the command line says.
pub async fn run(settings: &Settings, out: &Out, command: BulkCommand) -> Outcome {
    match command {
        BulkCommand::Backup(args) => backup::backup(settings, out, &args).await,
        BulkCommand::Export(args) => export::export(settings, &args).await,
        BulkCommand::Copy(args) => copy::copy(settings, out, &args).await,
        BulkCommand::Restore(args) => restore::restore(settings, out, &args).await,
        BulkCommand::Import(args) => import::import(settings, out, &args).await,
    }
}
