//! The `order` command: operations on orders and scripted fixtures.

mod args;
mod exit;
mod input;
mod output;
mod script;
mod settings;
mod toml_doc;

fn main() -> std::process::ExitCode {
    use clap::Parser as _;
    let cli = args::Cli::parse();
    drop(cli);
    std::process::ExitCode::SUCCESS
}
