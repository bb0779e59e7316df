//! The list of commands, and what runs each. A command's own options stand in the file that runs
//! it, under `commands/`; secrets are never among them.

use clap::{Parser, Subcommand};
use order_grpc::{Log, LogFormat};

use crate::commands::changes::ChangeCommand;
use crate::commands::options::ById;
use crate::commands::shop::ShopCommand;
use crate::commands::{
    attention, bulk, check, config, health, lists, migrate, operator, placing, serve, services,
    shell, shop, show, states, watch, work,
};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{Format, Out, note};
use crate::script;
use crate::settings::{Global, Override, Settings};

/// Takes orders through placing, stock, payment, shipping, returns, edits and cancellation.
///
/// Options may also come from the environment or from a file `order.toml` in the working directory,
/// in that order.
///
/// Exit codes: 0 done, 1 refused by a business rule, 2 usage or bad input, 3 not found, 4 a service
/// or the store is unavailable.
#[derive(Debug, Parser)]
#[command(
    name = "order",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The list of commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the embedded shop: catalogue, stock, customers, payment desk
    #[command(subcommand, arg_required_else_help = true)]
    Shop(ShopCommand),
    /// Place an order and work on it until nothing is due now
    Place(placing::Place),
    /// Price an order without placing it
    Quote(placing::Request),
    /// Show an order
    Get(ById),
    /// List orders
    List(lists::List),
    /// Show an order's history
    History(ById),
    /// Print what happens to all orders until interrupted; as JSON lines, unless on a terminal
    Watch(watch::Watch),
    /// Show an order's life at a glance: events, calls, shipments and money over time
    Timeline(ById),
    /// Say what an order waits for, and what will happen next
    Explain(ById),
    #[command(flatten)]
    Change(ChangeCommand),
    /// Process everything that is due now
    Work(work::Work),
    /// Serve the orders to other programs by gRPC, and work them, until told to stop
    Serve(serve::Serve),
    /// Ask a server for its health; exit 1 if it does not serve, or cannot be asked
    Health(health::AskHealth),
    /// Bring the store's schema up to date, and make it if it is not there
    Migrate(migrate::Migrate),
    /// List orders that need attention
    Stuck,
    /// Test the invariants over the whole store, and against the shop; exit 1 on any breach
    Check(check::Check),
    #[command(flatten)]
    Bulk(bulk::BulkCommand),
    /// Show every setting, its value and where it comes from
    Config,
    /// Check the five services that orders are made with
    #[command(subcommand, arg_required_else_help = true)]
    Services(services::ServicesCommand),
    /// Print the transition table; with `--format mermaid` as a state diagram
    States,
    /// Run a scripted fixture; in memory, unless --store is given here
    Run(script::Run),
    /// Print a script by which a shell completes commands and options
    Completions(shell::Completions),
    /// Write the manual pages, one for each command
    Man(shell::Man),
}

impl Command {
    /// Returns the settings that options of this command stand for.
    fn overrides(&self) -> Vec<Override> {
        match self {
            Command::Serve(serve) => serve.overrides(),
            Command::Health(health) => health.overrides(),
            _ => Vec::new(),
        }
    }
}

/// Does what the command line says; with the form in which a failure is to be reported.
pub fn run(cli: Cli) -> (Format, Outcome) {
    let Cli { global, command } = cli;
    let asked = global.format.unwrap_or_default();
    match command {
        Command::Completions(args) => (asked, shell::completions(&args)),
        Command::Man(args) => (asked, shell::man(&args)),
        Command::Run(run) => {
            if global.store.is_some() && global.shop.is_none() {
                note(
                    "the shop is in memory: --shop FILE keeps it beside the store, which `order \
                     check` compares it with",
                );
            }
            let ran = Settings::for_script(&global).and_then(|settings| {
                let _written = log(&settings);
                script::run(&run.script, &settings)
            });
            (asked, ran)
        }
        command => match Settings::resolve(&global, command.overrides()) {
            Ok(settings) => (settings.format, run_by(&settings, command)),
            Err(failure) => (asked, Err(failure)),
        },
    }
}

fn run_by(settings: &Settings, command: Command) -> Outcome {
    let out = Out::new(settings.format);
    if out.is_diagram() && !matches!(command, Command::States) {
        return Err(Failure::bad_input(
            "--format mermaid is for `order states` only: use table, json or jsonl",
        ));
    }
    // Servers have a log of their own.
    let _written = match &command {
        Command::Serve(_) | Command::Shop(ShopCommand::Serve(_)) => None,
        _ => log(settings),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .enable_io()
        .build()
        .map_err(|e| Failure::caused(Code::Unavailable, &e).context("cannot start"))?;
    runtime.block_on(dispatch(command, settings, &out))
}

/// Begins to say what is done, if that is asked for. What comes of it is to be kept: dropping it
/// waits for the last lines.
fn log(settings: &Settings) -> Option<Log> {
    let level = settings.log?;
    Some(Log::stderr_from(level, LogFormat::Text).install())
}

async fn dispatch(command: Command, settings: &Settings, out: &Out) -> Outcome {
    match command {
        Command::Shop(command) => shop::run(settings, out, command).await,
        Command::Place(args) => placing::place(settings, out, args).await,
        Command::Quote(args) => placing::quote(settings, out, args).await,
        Command::Get(args) => show::get(settings, out, args).await,
        Command::List(args) => lists::list(settings, out, args).await,
        Command::History(args) => show::history(settings, out, args).await,
        Command::Timeline(args) => show::timeline(settings, out, args).await,
        Command::Explain(args) => show::explain(settings, out, args).await,
        Command::Change(command) => operator::change(settings, out, command.as_change()).await,
        Command::Watch(args) => watch::watch(settings, args).await,
        Command::Work(args) => work::work(settings, out, args).await,
        Command::Serve(_) => serve::serve(settings).await,
        Command::Health(_) => health::health(settings, out).await,
        Command::Services(command) => services::run(settings, out, command).await,
        Command::Config => config::config(settings, out),
        Command::Migrate(args) => migrate::migrate(settings, out, &args).await,
        Command::Stuck => attention::stuck(settings, out).await,
        Command::Check(args) => check::check(settings, out, &args).await,
        Command::Bulk(command) => bulk::run(settings, out, command).await,
        Command::States => states::states(out),
        // A script has a clock of its own, and the others need no settings: they are run before any
        // of this is made.
        Command::Run(_) | Command::Completions(_) | Command::Man(_) => Ok(()),
    }
}
