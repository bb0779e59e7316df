//! `order shop`: the embedded shop.

pub mod desk;
mod goods;
mod serve;

use std::path::PathBuf;

use clap::Subcommand;
use order_core::ids::Sku;
use uuid::Uuid;

use super::options::whole;
use super::payment::payment_key;
use crate::exit::Outcome;
use crate::output::Out;
use crate::settings::Settings;
use desk::Settlement;

/// Commands of the embedded shop.
#[derive(Debug, Subcommand)]
pub enum ShopCommand {
    /// Load a catalogue; loading again updates it and never changes the stock of a SKU that exists
    Load {
        /// The catalogue, in TOML
        file: PathBuf,
    },
    /// Show stock: on hand, reserved, available, committed
    Stock {
        /// Only this SKU
        sku: Option<Sku>,
    },
    /// Add units to the stock
    Restock {
        /// The SKU
        sku: Sku,
        /// The number of units, at least 1
        #[arg(
            value_name = "N",
            allow_negative_numbers = true,
            value_parser = whole::<1, { u32::MAX as i64 }>
        )]
        units: u32,
    },
    /// End a payment that waits at the desk, and report it as a provider's callback would
    Settle {
        /// The payment's key, as `order shop payments` shows it
        #[arg(value_parser = payment_key)]
        key: Uuid,
        /// The end it comes to
        #[arg(value_enum)]
        outcome: Settlement,
    },
    /// Show every payment operation the desk knows
    Payments,
    /// Offer the shop to other programs as five gRPC services, until told to stop
    Serve(serve::ShopServe),
}

/// Runs the command.
pub async fn run(settings: &Settings, out: &Out, command: ShopCommand) -> Outcome {
    match command {
        ShopCommand::Load { file } => goods::load(settings, out, &file).await,
        ShopCommand::Stock { sku } => goods::stock(settings, out, sku.as_ref()).await,
        ShopCommand::Restock { sku, units } => goods::restock(settings, out, &sku, units).await,
        ShopCommand::Payments => desk::payments(settings, out).await,
        ShopCommand::Settle { key, outcome } => desk::settle(settings, out, key, outcome).await,
        ShopCommand::Serve(args) => serve::serve(settings, args).await,
    }
}
