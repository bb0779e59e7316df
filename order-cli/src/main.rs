//! The `order` command: operations on orders, an embedded shop, and scripted fixtures.

mod args;
mod clients;
mod commands;
mod engine;
mod exit;
mod input;
mod output;
mod script;
mod settings;
mod toml_doc;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match args::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
