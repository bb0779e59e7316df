//! The `order` command: operations on orders, an embedded shop, and scripted fixtures.

mod args;
mod clients;
mod commands;
mod engine;
mod exit;
mod help;
mod input;
mod output;
mod script;
mod settings;
mod stop;
mod toml_doc;
mod typed;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    output::terminal::look_at(&arguments);
    let cli = match help::parse(&arguments) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let (format, done) = args::run(cli);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failure::report(&failure, format),
    }
}
