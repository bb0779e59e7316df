//! One file for each group of commands.

pub mod bulk;
pub mod change;
mod check;
mod config;
mod health;
mod migrate;
mod offer;
mod payments;
pub mod place;
pub mod read;
mod serve;
mod services;
pub mod shop;
pub mod states;
mod watch;
pub mod work;

use crate::args::{Cli, Command};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{Format, Out};
use crate::settings::Settings;

/// Does what the command line says; with the form in which a failure is to be reported.
pub fn run(cli: Cli) -> (Format, Outcome) {
    let asked = cli.global.format.unwrap_or_default();
    if let Command::Run(run) = &cli.command {
        let settings = Settings::for_script(&cli.global);
        return (
            asked,
            settings.and_then(|settings| crate::script::run(&run.script, &settings)),
        );
    }
    match Settings::resolve(&cli) {
        Ok(settings) => (settings.format, command(&settings, cli.command)),
        Err(failure) => (asked, Err(failure)),
    }
}

fn command(settings: &Settings, command: Command) -> Outcome {
    let out = Out::new(settings.format);
    if out.is_diagram() && !matches!(command, Command::States) {
        return Err(Failure::bad_input(
            "--format mermaid is for `order states` only: use table, json or jsonl",
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .enable_io()
        .build()
        .map_err(|e| Failure::caused(Code::Unavailable, &e).context("cannot start"))?;
    runtime.block_on(async {
        match command {
            Command::Shop(command) => shop::run(settings, &out, command).await,
            Command::Place(args) => place::place(settings, &out, args).await,
            Command::Quote(args) => place::quote(settings, &out, args).await,
            Command::Get(args) => read::get(settings, &out, args).await,
            Command::List(args) => read::list(settings, &out, args).await,
            Command::History(args) => read::history(settings, &out, args).await,
            Command::Timeline(args) => read::timeline(settings, &out, args).await,
            Command::Explain(args) => read::explain(settings, &out, args).await,
            Command::Change(command) => change::change(settings, &out, command).await,
            Command::RetryPayment(args) => payments::retry_payment(settings, &out, args).await,
            Command::RecordPayment(args) => payments::record_payment(settings, &out, args).await,
            Command::Note(args) => change::note(settings, &out, args).await,
            Command::Watch(args) => watch::watch(settings, args).await,
            Command::Work(args) => work::work(settings, &out, args).await,
            Command::Serve(_) => serve::serve(settings).await,
            Command::Health(_) => health::health(settings, &out).await,
            Command::Services(command) => services::run(settings, &out, command).await,
            Command::Config => config::config(settings, &out),
            Command::Migrate(args) => migrate::migrate(settings, &out, &args).await,
            Command::Stuck => read::stuck(settings, &out).await,
            Command::Check => check::check(settings, &out).await,
            Command::Bulk(command) => bulk::run(settings, &out, command).await,
            Command::States => states::states(&out),
            Command::Run(_) => Ok(()),
        }
    })
}
