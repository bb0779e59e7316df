//! The `order` command: operations on orders, an embedded shop, and scripted fixtures.

mod args;
mod auditing;
mod clients;
mod commands;
mod engine;
mod exit;
mod input;
mod output;
mod script;
mod settings;
mod toml_doc;

use std::env;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    output::terminal::look_at(env::args_os());
    let cli = args::Cli::parse();
    let (format, done) = commands::run(cli);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failure::report(&failure, format),
    }
}
