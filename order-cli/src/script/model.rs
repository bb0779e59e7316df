//! A script as it was read: everything that can be known to be wrong has been refused by now.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use order_core::ids::{IdempotencyKey, Reference, Sku};
use order_core::order::OperationState;
use order_core::policy::Policy;
use order_core::request::{AddressInput, HoldInput};
use order_core::services::ServiceName;
use order_core::time::Timestamp;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::expect::Expect;
use super::values::{self, Count, Natural};
use crate::commands::bulk::export::ExportForm;
use crate::commands::changes::ChangeCommand;
use crate::commands::shop::desk::Settlement;
use crate::input::items::Item;

/// A script.
pub struct Script<'s> {
    /// The title: a sentence about what it shows.
    pub title: Option<String>,
    /// The time it begins at; now, if it writes to a real store and does not say.
    pub start: Option<Timestamp>,
    /// The seed that ids and order numbers follow from.
    pub seed: u64,
    /// The engine's settings.
    pub policy: Policy,
    /// The place they stand at.
    pub policy_span: Range<usize>,
    /// The goods that the shop sells.
    pub catalogue: Option<CatalogueSource<'s>>,
    /// The steps, in order.
    pub steps: Vec<Step<'s>>,
}

/// A catalogue, or the file it is in.
pub enum CatalogueSource<'s> {
    /// The file, named relative to the script.
    File(PathBuf, Range<usize>),
    /// The catalogue itself.
    Inline(Spanned<DeValue<'s>>),
}

/// A step of a script.
pub struct Step<'s> {
    /// The place it starts at.
    pub span: Range<usize>,
    /// The name: a sentence about what it shows.
    pub name: Option<String>,
    /// The thing that is done.
    pub act: Act<'s>,
    /// The order it is about, by the name an earlier step gave it; the last one placed if none.
    pub order: Option<String>,
    /// The outcome that must come of it.
    pub expect: Option<Expect>,
}

/// The thing that a step does.
pub enum Act<'s> {
    /// Places an order.
    Place(Box<Place>),
    /// Prices an order.
    Quote(Box<Cart>),
    /// Gives a command of the command line.
    Change {
        /// Its name there.
        name: String,
        /// The command.
        command: Box<ChangeCommand>,
        /// The time the caller waits; until nothing is due now if none.
        wait: Option<Duration>,
    },
    /// Pays again.
    RetryPayment(RetryPayment, How),
    /// Records what a provider said.
    RecordPayment(RecordPayment),
    /// Adds a note.
    Note(Note, How),
    /// Moves the clock.
    Advance(Duration),
    /// Makes a service misbehave, or behave again.
    Service(Fault),
    /// Lets a worker do what is due, now or for a while.
    Work(Work),
    /// Ends a payment that waits at the desk.
    Settle(Settle),
    /// Adds units to the stock.
    Restock(Restock),
    /// Loads a catalogue over the present one.
    Load(CatalogueSource<'s>),
    /// Ends the process and starts another, perhaps with other settings: what is only in memory is
    /// gone.
    Restart(Option<Box<Policy>>),
    /// Writes all orders out: kept by the script as they are, or printed as a table.
    Export(ExportForm),
    /// Puts what was exported last into a new store in memory, with which the script goes on.
    Restore,
    /// Takes in historic orders.
    Import(Import),
    /// Copies the store, and compares the copy.
    Backup,
    /// Prints the order's journal.
    History,
    /// Prints what the order waits for.
    Explain,
    /// Prints the order.
    Get,
    /// Prints the order's life at a glance.
    Timeline,
    /// Prints the orders that need attention.
    Stuck,
    /// Prints what happened to all orders since the last time.
    Watch,
    /// Prints the lifecycle as a state diagram.
    States,
    /// Tests the invariants.
    Check,
    /// Only compares.
    Expect,
}

impl Act<'_> {
    /// Returns the name that scripts have for it.
    pub fn name(&self) -> &str {
        match self {
            Act::Change { name, .. } => name,
            Act::Place(_) => "place",
            Act::Quote(_) => "quote",
            Act::RetryPayment(..) => "retry-payment",
            Act::RecordPayment(_) => "record-payment",
            Act::Note(..) => "note",
            Act::Advance(_) => "advance",
            Act::Service(_) => "service",
            Act::Work(_) => "work",
            Act::Settle(_) => "settle",
            Act::Restock(_) => "restock",
            Act::Load(_) => "load",
            Act::Restart(_) => "restart",
            Act::Export(_) => "export",
            Act::Restore => "restore",
            Act::Import(_) => "import",
            Act::Backup => "backup",
            Act::History => "history",
            Act::Explain => "explain",
            Act::Get => "get",
            Act::Timeline => "timeline",
            Act::Stuck => "stuck",
            Act::Watch => "watch",
            Act::States => "states",
            Act::Check => "check",
            Act::Expect => "expect",
        }
    }

    /// Returns true if it does something to, or reads, one order that exists.
    pub fn is_about_an_order(&self) -> bool {
        match self {
            Act::Change { .. }
            | Act::RetryPayment(..)
            | Act::RecordPayment(_)
            | Act::Note(..)
            | Act::Settle(_)
            | Act::Get
            | Act::History
            | Act::Timeline
            | Act::Explain => true,
            Act::Place(_)
            | Act::Quote(_)
            | Act::Advance(_)
            | Act::Service(_)
            | Act::Work(_)
            | Act::Restock(_)
            | Act::Load(_)
            | Act::Restart(_)
            | Act::Export(_)
            | Act::Restore
            | Act::Import(_)
            | Act::Backup
            | Act::Stuck
            | Act::Watch
            | Act::States
            | Act::Check
            | Act::Expect => false,
        }
    }
}

/// The goods of an order, and how they are sent and paid.
pub struct Cart {
    /// The customer.
    pub user: String,
    /// The items.
    pub items: Vec<Item>,
    /// The shipping address.
    pub ship_to: Option<AddressInput>,
    /// The billing address.
    pub bill_to: Option<AddressInput>,
    /// The payment method.
    pub payment_method: String,
    /// The shipping method.
    pub shipping_method: String,
    /// A coupon's code.
    pub coupon: Option<String>,
    /// A note from the customer.
    pub notes: Option<String>,
}

/// An order to be placed.
pub struct Place {
    /// The goods.
    pub cart: Cart,
    /// The key, and the time the caller waits.
    pub how: How,
    /// The rest.
    pub options: PlaceOptions,
}

/// Fields of a step that places an order, and does not only price it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceOptions {
    /// The name that later steps use for it.
    #[serde(rename = "as")]
    pub alias: Option<Spanned<String>>,
    /// The client's payment token.
    pub payment_token: Option<String>,
    /// The page that the provider sends the customer back to.
    pub return_url: Option<String>,
    /// The holds it has from the start.
    #[serde(default, deserialize_with = "values::list")]
    pub holds: Vec<HoldInput>,
    /// Texts kept with it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Its name elsewhere.
    pub external_ref: Option<String>,
    /// The total it must have, in the catalogue's currency.
    pub expect_total: Option<String>,
}

/// Fields of every step that can be repeated safely.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// The idempotency key.
    pub key: Option<IdempotencyKey>,
    /// The version that the order must have.
    pub expected_version: Option<Natural>,
    /// The time the caller waits; until nothing is due now if none.
    #[serde(default, deserialize_with = "values::maybe_lasting")]
    pub wait: Option<Duration>,
}

/// Fields of `retry-payment`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPayment {
    /// The payment method from now on.
    pub method: String,
    /// The part of what is short that is paid; all of it if none.
    pub amount: Option<String>,
    /// The client's payment token.
    pub payment_token: Option<String>,
    /// The page that the provider sends the customer back to.
    pub return_url: Option<String>,
}

/// Fields of `record-payment`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordPayment {
    /// The payment operation's number within the order; none for a report that names only its
    /// reference.
    pub payment: Option<Count>,
    /// The provider's name for it; the recorded one if none.
    pub reference: Option<Reference>,
    /// The provider's name for the payment it acts on, for what was made outside the engine.
    pub parent: Option<Reference>,
    /// The outcome.
    pub status: OperationState,
    /// The amount, in the order's currency; what was asked for if none.
    pub amount: Option<String>,
}

/// Fields of `note`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The note.
    pub text: String,
}

/// Fields of `advance`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    /// The time that passes.
    #[serde(deserialize_with = "values::lasting")]
    pub by: Duration,
}

/// Fields of `work`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The time for which it goes on.
    #[serde(default, rename = "for", deserialize_with = "values::lasting")]
    pub lasting: Duration,
    /// First tries again what is stuck.
    #[serde(default)]
    pub retry_stuck: bool,
    /// First looks at every order anew.
    #[serde(default)]
    pub resync: bool,
}

/// Fields of `settle`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The payment operation's number within the order; the one that waits if none.
    pub payment: Option<Count>,
    /// The end it comes to.
    #[serde(deserialize_with = "values::choice")]
    pub outcome: Settlement,
    /// The desk tells the engine.
    #[serde(default = "yes")]
    pub report: bool,
}

fn yes() -> bool {
    true
}

/// Fields of `restock`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restock {
    /// The SKU.
    pub sku: Sku,
    /// The number of units.
    pub units: Count,
}

/// Fields of `export`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The form of what is written.
    #[serde(default, deserialize_with = "values::choice")]
    pub form: ExportForm,
}

/// Fields of `import`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The file, named relative to the script.
    pub file: PathBuf,
    /// It is only tried.
    #[serde(default)]
    pub dry_run: bool,
}

/// A way in which a service is to answer from now on.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The service.
    pub service: ServiceName,
    /// The call; all of the service's if none.
    pub call: Option<&'static str>,
    /// The answer.
    pub answer: Answer,
    /// The number of calls; until told otherwise if none.
    pub times: Option<u32>,
}

/// A service's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As it should.
    Normal,
    /// A definite no, with this code.
    Decline(String),
    /// An error; nothing happened, and the service says so.
    Fail,
    /// No answer; it did not happen.
    TimeoutBefore,
    /// No answer; it did happen.
    TimeoutAfter,
    /// No answer; it happens this much later.
    TimeoutThenLate(Duration),
    /// It happens, and the answer makes no sense.
    Malformed,
    /// It happens, and the answer comes this much later.
    Late(Duration),
}
