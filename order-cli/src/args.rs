//! The command line. What each option means stands here, and nowhere else; secrets are never among
//! them.

pub mod access;
pub mod bulk;
pub mod change;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use order_core::ids::{ExternalRef, IdempotencyKey, Name, ParseIdError, Reference, Sku, UserId};
use order_core::number::OrderNumber;
use order_core::order::{AttentionReason, FulfilmentStatus, OperationState, PaymentStatus, Status};
use order_core::request::HoldInput;
use order_core::store::{Cursor, FeedCursor, OrderRef, SortKey};
use order_core::time::Timestamp;
use order_grpc::offer::FaultRule;
use uuid::Uuid;

use crate::input::holds;
use crate::output::Format;
use crate::output::terminal::Color;

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
    /// Where, and how.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where and how")]
pub struct Global {
    /// Where the orders are: `sqlite:FILE`, `sqlite::memory:` or
    /// `postgres://USER@HOST/DATABASE?schema=NAME` [env: ORDER_STORE] [default: sqlite:orders.db]
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,
    /// A replica of the store's PostgreSQL, `postgres://USER@HOST/DATABASE`: `serve`, `list` and
    /// `watch` read lists and the feed from it [env: ORDER_REPLICA]
    #[arg(long, global = true, value_name = "URL")]
    pub replica: Option<String>,
    /// Where the embedded shop is, with its catalogue, stock, customers and payment desk [env:
    /// ORDER_SHOP] [default: shop.db]
    #[arg(long, global = true, value_name = "FILE")]
    pub shop: Option<String>,
    /// How results are printed [env: ORDER_FORMAT] [default: table]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Whether output is coloured
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Color,
    /// The file with settings [env: ORDER_CONFIG] [default: order.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Any setting by its name, as `order config` shows them, such as policy.lease=10s; repeatable
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub setting: Vec<String>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The embedded shop: catalogue, stock, customers, payment desk
    #[command(subcommand, arg_required_else_help = true)]
    Shop(ShopCommand),
    /// Place an order and work on it until nothing is due now
    Place(Place),
    /// Say what an order would cost, without placing it
    Quote(Request),
    /// Show an order
    Get(ById),
    /// List orders
    List(List),
    /// Show what happened to an order
    History(ById),
    /// Print what happens to all orders, as JSON lines, until interrupted
    Watch(Watch),
    /// Show an order's life at a glance: events, calls, shipments and money over time
    Timeline(ById),
    /// Say what an order waits for, and what will happen next
    Explain(ById),
    #[command(flatten)]
    Change(change::ChangeCommand),
    /// Pay an order whose payment failed, perhaps in another way
    RetryPayment(RetryPayment),
    /// Record what a payment provider said, as its callback would
    RecordPayment(RecordPayment),
    /// Write something down about an order
    Note(Note),
    /// Do what is due now
    Work(Work),
    /// Serve the orders to other programs by gRPC, and work them, until told to stop
    Serve(Serve),
    /// Ask a server whether it serves; exit 1 if it does not, or cannot be asked
    Health(access::Health),
    /// Bring the store's schema up to date, and make it if it is not there
    Migrate(Migrate),
    /// List the orders a person must look at
    Stuck,
    /// Test the invariants over the whole store, and against the shop; exit 1 on any breach
    Check,
    #[command(flatten)]
    Bulk(bulk::BulkCommand),
    /// Show every setting: its value, and who gave it
    Config,
    /// The five services that orders are made with
    #[command(subcommand, arg_required_else_help = true)]
    Services(ServicesCommand),
    /// Print the transition table; with `--format mermaid` as a state diagram
    States,
    /// Run a scripted fixture; in memory, unless --store is given here
    Run(Run),
}

/// Commands about the services.
#[derive(Debug, Subcommand)]
pub enum ServicesCommand {
    /// Ask each whether it is there, what it is and what it can do; exit 4 if one cannot be used
    Check,
}

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
        /// Of what
        sku: Sku,
        /// How many, at least 1
        #[arg(value_name = "N", allow_negative_numbers = true, value_parser = whole::<1, { u32::MAX as i64 }>)]
        units: u32,
    },
    /// End a payment that waits at the desk, and report it as a provider's callback would
    Settle {
        /// The payment's key, as `order shop payments` shows it
        #[arg(value_parser = payment_key)]
        key: Uuid,
        /// How it ends
        #[arg(value_enum)]
        outcome: Settlement,
    },
    /// Show every payment operation the desk knows
    Payments,
    /// Offer the shop to other programs as five gRPC services, until told to stop
    Serve(ShopServe),
}

/// Options of `shop serve`.
#[derive(Debug, Args)]
pub struct ShopServe {
    /// Where to listen, for all five services; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50060")]
    pub listen: String,
    /// Listen also where other machines can reach it, although callers are not authenticated
    #[arg(long)]
    pub insecure: bool,
    /// Have calls go wrong: `SERVICE[.CALL]=down`, `=slow:TIME` or `=lost`, each with
    /// `:PROBABILITY` if not always; may be repeated, and the first that names a call counts
    ///
    /// `down` is answered with UNAVAILABLE and not carried out; `slow` is carried out and answered
    /// so much later, such as 3s or 250ms; `lost` is carried out, and its answer never arrives.
    ///
    /// Services and their calls: inventory (describe, check, reserve, commit, release, look_up),
    /// payment (describe, charge, authorize, capture, void, refund, look_up), product (get), user
    /// (get), notification (notify).
    ///
    /// Examples: `--fault payment.charge=lost:0.3`, `--fault inventory.reserve=slow:3s`, `--fault
    /// notification=down`
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<FaultRule>,
    /// The form of the line that each call writes to standard error, if any
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub log: ServeLog,
}

/// How a waiting payment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Settlement {
    /// The money is there.
    Captured,
    /// It is not, and will not be.
    Declined,
}

/// An order named by id or number.
#[derive(Debug, Args)]
pub struct ById {
    /// The order's id or number
    #[arg(value_name = "ID|NUMBER", value_parser = order_ref)]
    pub order: OrderRef,
}

/// What is to be ordered.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to order")]
pub struct Request {
    /// Read a CreateOrderRequest in proto3 JSON from FILE, or from standard input if it is `-`
    #[arg(long, value_name = "FILE|-")]
    pub file: Option<PathBuf>,
    /// Who orders
    #[arg(
        long,
        value_name = "UUID",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub user: Option<String>,
    /// What, and how many: `SKU[=QTY]` or `PRODUCT[/VARIANT][=QTY]`; may be repeated
    #[arg(
        long = "item",
        value_name = "ITEM",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub items: Vec<String>,
    /// Where it goes: an address in JSON, or a file with one
    #[arg(
        long,
        value_name = "FILE|JSON",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub ship_to: Option<String>,
    /// Who is billed, if not the same: an address in JSON, or a file with one
    #[arg(long, value_name = "FILE|JSON", conflicts_with = "file")]
    pub bill_to: Option<String>,
    /// How it is paid
    #[arg(
        long,
        value_name = "METHOD",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub payment_method: Option<String>,
    /// How it is sent; needed unless nothing needs shipping
    #[arg(long, value_name = "METHOD", conflicts_with = "file")]
    pub shipping_method: Option<String>,
    /// A coupon's code
    #[arg(long, value_name = "CODE", conflicts_with = "file")]
    pub coupon: Option<String>,
    /// What the customer wants to say
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    pub notes: Option<String>,
    /// A file with the client's opaque payment token
    #[arg(long, value_name = "FILE")]
    pub payment_token_file: Option<PathBuf>,
    /// Where a payment provider sends the customer back to
    #[arg(long, value_name = "URL")]
    pub return_url: Option<String>,
}

/// Options of `place`.
#[derive(Debug, Args)]
pub struct Place {
    /// What.
    #[command(flatten)]
    pub request: Request,
    /// Makes it safe to repeat: the same key names the same order
    #[arg(long, value_name = "KEY")]
    pub key: Option<IdempotencyKey>,
    /// Refuse if the total is not this
    #[arg(long, value_name = "AMOUNT")]
    pub expect_total: Option<String>,
    /// Hold it from the moment it is accepted, such as fraud-review:ship:2d; repeatable
    #[arg(long = "hold", value_name = "KIND[:BLOCKS][:DURATION]", value_parser = holds::parse)]
    pub holds: Vec<HoldInput>,
    /// Keep VALUE with it under KEY; repeatable
    #[arg(long = "metadata", value_name = "KEY=VALUE", value_parser = holds::entry)]
    pub metadata: Vec<(String, String)>,
    /// Its name elsewhere, such as in the channel it was sold through
    #[arg(long, value_name = "REF")]
    pub external_ref: Option<String>,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only this user's
    #[arg(long, value_name = "UUID")]
    pub user: Option<UserId>,
    /// Only with this status, such as CONFIRMED; repeatable, or several with commas between them
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',')]
    pub statuses: Vec<Status>,
    /// Only those paid so far, such as PAID or PARTIALLY_REFUNDED
    #[arg(long, value_name = "STATUS")]
    pub payment_status: Option<PaymentStatus>,
    /// Only those delivered so far, such as SHIPPED
    #[arg(long, value_name = "STATUS")]
    pub fulfilment_status: Option<FulfilmentStatus>,
    /// Only with open attention for this reason, such as DISPUTE
    #[arg(long, value_name = "REASON")]
    pub attention: Option<AttentionReason>,
    /// Only those for which something is left to do, now or later
    #[arg(long)]
    pub open_work: bool,
    /// Only those with this e-mail in an address, to the letter
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// Only those with a line of this SKU
    #[arg(long)]
    pub sku: Option<Sku>,
    /// Only those that are called so elsewhere
    #[arg(long, value_name = "REF")]
    pub external_ref: Option<ExternalRef>,
    /// Only those with VALUE under KEY
    #[arg(long, value_name = "KEY=VALUE", value_parser = metadata)]
    pub metadata: Option<(Name, String)>,
    /// Only those placed at that time or later, such as 2026-03-01 or 2026-03-01T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub placed_from: Option<Timestamp>,
    /// Only those placed before that time
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub placed_before: Option<Timestamp>,
    /// Only those that changed last at that time or later
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub updated_from: Option<Timestamp>,
    /// Only those that changed last before that time
    #[arg(long, value_name = "TIME", value_parser = day_or_time)]
    pub updated_before: Option<Timestamp>,
    /// How many at the most, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true, value_parser = whole::<1, 1000>)]
    pub limit: u32,
    /// Go on after this place: the `next` of the page before
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<Cursor>,
    /// By what: created_at, updated_at, total_amount, order_number
    #[arg(long, value_name = "KEY", default_value = "created_at")]
    pub sort: SortKey,
    /// Largest, or latest, first
    #[arg(long)]
    pub desc: bool,
}

/// Options of `retry-payment`.
#[derive(Debug, Args)]
pub struct RetryPayment {
    /// Which.
    #[command(flatten)]
    pub order: ById,
    /// How it is paid now
    #[arg(long)]
    pub method: String,
    /// The part of what an order is short that is paid, in its currency; all of it if not said
    #[arg(long, value_name = "AMOUNT")]
    pub amount: Option<String>,
    /// A file with the client's opaque payment token
    #[arg(long, value_name = "FILE")]
    pub payment_token_file: Option<PathBuf>,
    /// Where a payment provider sends the customer back to
    #[arg(long, value_name = "URL")]
    pub return_url: Option<String>,
    /// Makes it safe to repeat: under the same key it is done once per order, and another command
    /// is refused
    #[arg(long, value_name = "KEY")]
    pub key: Option<IdempotencyKey>,
    /// Refuse if the order has changed since this version
    #[arg(long, value_name = "N", alias = "expected-version")]
    pub expect_version: Option<u64>,
}

/// Options of `record-payment`.
#[derive(Debug, Args)]
pub struct RecordPayment {
    /// Which.
    #[command(flatten)]
    pub order: ById,
    /// The key we gave the provider with the operation, if it says so
    #[arg(long, value_name = "UUID", value_parser = payment_key)]
    pub key: Option<Uuid>,
    /// The provider's name for the operation
    #[arg(long)]
    pub reference: Reference,
    /// The provider's name for the payment that a capture or refund acts on, if it was made outside
    /// the engine
    #[arg(long, value_name = "REFERENCE")]
    pub parent: Option<Reference>,
    /// What became of it: authorized, captured, declined, voided, refunded, failed, pending,
    /// action_required
    #[arg(long, value_parser = reported_state)]
    pub status: OperationState,
    /// How much, in the order's currency, such as 12.50
    #[arg(long, allow_negative_numbers = true)]
    pub amount: String,
}

/// An order's id or number.
fn order_ref(text: &str) -> Result<OrderRef, String> {
    text.parse()
        .map_err(
            |error: order_core::ids::ParseIdError| match OrderNumber::looks_like(text) {
                true => error.to_string(),
                false => {
                    "expected an order's number, such as ORD-7KQ2-M4XT-9HRC, or its id, a UUID"
                        .to_owned()
                }
            },
        )
}

/// A payment's key.
fn payment_key(text: &str) -> Result<Uuid, String> {
    text.parse()
        .map_err(|_| "expected a UUID, as `order shop payments` shows it".to_owned())
}

/// A whole number in a range.
fn whole<const LEAST: i64, const MOST: i64>(text: &str) -> Result<u32, String> {
    let number = text
        .parse::<i64>()
        .ok()
        .filter(|n| (LEAST..=MOST).contains(n));
    number
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| format!("expected a whole number from {LEAST} to {MOST}"))
}

/// What a provider can say of an operation, in either case.
fn reported_state(text: &str) -> Result<OperationState, String> {
    use OperationState as S;
    let reportable = [
        S::Authorized,
        S::Captured,
        S::Declined,
        S::Voided,
        S::Refunded,
        S::Failed,
        S::Pending,
        S::ActionRequired,
    ];
    reportable
        .into_iter()
        .find(|s| s.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| {
            let names: Vec<String> = reportable
                .iter()
                .map(|s| s.as_str().to_lowercase())
                .collect();
            format!("expected one of {}", names.join(", "))
        })
}

/// Options of `note`.
#[derive(Debug, Args)]
pub struct Note {
    /// Which.
    #[command(flatten)]
    pub order: ById,
    /// What to write down, at most 2000 characters
    pub text: String,
    /// Makes it safe to repeat: under the same key it is done once per order, and another command
    /// is refused
    #[arg(long, value_name = "KEY")]
    pub key: Option<IdempotencyKey>,
    /// Refuse if the order has changed since this version
    #[arg(long, value_name = "N", alias = "expected-version")]
    pub expect_version: Option<u64>,
}

/// Options of `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Go on after this place: the `cursor` of the last line that was seen; from the beginning if
    /// not given
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<FeedCursor>,
    /// Only what happens to this order
    #[arg(long, value_name = "ORDER")]
    pub order: Option<OrderRef>,
    /// Only what leaves an order with this status, such as CONFIRMED; repeatable, or several with
    /// commas between them
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',')]
    pub statuses: Vec<Status>,
    /// Stop when there is nothing new
    #[arg(long)]
    pub until_idle: bool,
}

/// Reads an entry of metadata to look for.
fn metadata(text: &str) -> Result<(Name, String), String> {
    let (key, value) = holds::entry(text)?;
    Ok((key.parse().map_err(|e: ParseIdError| e.to_string())?, value))
}

/// Reads a time, or a day in UTC as its beginning.
fn day_or_time(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == "2026-03-01".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    whole
        .parse()
        .map_err(|_| format!("{text:?} is no time: expected a day such as 2026-03-01, or RFC 3339 such as 2026-03-01T10:00:00Z"))
}

/// Options of `migrate`.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Only say what would be done; exit 1 if there is anything
    #[arg(long)]
    pub check: bool,
    /// Spread a new store over the nodes of Citus, by bucket; --store names the coordinator
    #[arg(long, conflicts_with = "check")]
    pub citus: bool,
    /// The number of partitions of a new store's feed on PostgreSQL, 1 to 256; with --citus 2 to
    /// 256, one for each shard [default: 1, with --citus 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with = "check", value_parser = whole::<1, 256>)]
    pub partitions: Option<u32>,
}

/// Options of `work`.
#[derive(Debug, Args)]
pub struct Work {
    /// Go on for ever: do what falls due, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// First try again whatever repeating could not cure
    #[arg(long, conflicts_with = "resync")]
    pub retry_stuck: bool,
    /// First look at every order anew, for when a policy or a service has changed
    #[arg(long)]
    pub resync: bool,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one [env: ORDER_LISTEN] [default: 127.0.0.1:50053]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Listen also where other machines can reach it, although callers are not authenticated, or
    /// not by TLS
    #[arg(long)]
    pub insecure: bool,
    /// The form of the line that each call writes to standard error, if any [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log: Option<ServeLog>,
    /// The seconds in which what is under way may come to an end when it is told to stop, 0 to 3600
    /// [default: 10]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = whole::<0, 3600>)]
    pub grace: Option<u32>,
    /// The number of calls it works on at a time before it turns further ones away, 1 to 100000
    /// [default: 256]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<1, 100_000>)]
    pub in_flight: Option<u32>,
    /// The callers it knows.
    #[command(flatten)]
    pub access: access::Access,
}

/// How calls are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServeLog {
    /// `time LEVEL event key=value`, for people.
    Text,
    /// A JSON object a line, for machines.
    Json,
    /// Not at all.
    Off,
}

impl ServeLog {
    /// Each of them.
    pub const ALL: [ServeLog; 3] = [ServeLog::Text, ServeLog::Json, ServeLog::Off];

    /// Its name, as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            ServeLog::Text => "text",
            ServeLog::Json => "json",
            ServeLog::Off => "off",
        }
    }
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The script, in TOML; `examples/README.md` documents the format
    pub script: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
