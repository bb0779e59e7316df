//! A script as it was read: everything that can be known to be wrong has been refused by now.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use order_core::ids::{IdempotencyKey, Reference, Sku};
use order_core::order::OperationState;
use order_core::policy::Policy;
use order_core::services::ServiceName;
use order_core::time::Timestamp;
use toml::Spanned;
use toml::de::DeValue;

use super::expect::Expect;
use crate::commands::bulk::export::ExportForm;
use crate::commands::changes::ChangeCommand;
use crate::commands::shop::desk::Settlement;
use crate::input::items::Item;
use order_core::request::{AddressInput, HoldInput};

/// A script.
pub struct Script<'s> {
    /// What it shows.
    pub title: Option<String>,
    /// When it begins; now, if it writes to a real store and does not say.
    pub start: Option<Timestamp>,
    /// What ids and order numbers follow from.
    pub seed: u64,
    /// The engine's settings.
    pub policy: Policy,
    /// Where they stand.
    pub policy_span: Range<usize>,
    /// What the shop sells.
    pub catalogue: Option<CatalogueSource<'s>>,
    /// What happens.
    pub steps: Vec<Step<'s>>,
}

/// Where a catalogue is.
pub enum CatalogueSource<'s> {
    /// In a file, named relative to the script.
    File(PathBuf, Range<usize>),
    /// In the script.
    Inline(Spanned<DeValue<'s>>),
}

/// A step of a script.
pub struct Step<'s> {
    /// Where it starts.
    pub span: Range<usize>,
    /// What it shows.
    pub name: Option<String>,
    /// What is done.
    pub act: Act<'s>,
    /// The order it is about, by the name an earlier step gave it; the last one placed if none.
    pub order: Option<String>,
    /// What must come of it.
    pub expect: Option<Expect>,
}

/// What a step does.
pub enum Act<'s> {
    /// Places an order.
    Place(Box<Place>),
    /// Says what an order would cost.
    Quote(Box<Cart>),
    /// A command of the command line.
    Change {
        /// Its name there.
        name: String,
        /// The command.
        command: Box<ChangeCommand>,
        /// How long the caller waits; until nothing is due now if none.
        wait: Option<Duration>,
    },
    /// Pays again.
    RetryPayment {
        /// How it is paid now.
        method: String,
        /// The part of what is short that is paid; all of it if none.
        amount: Option<String>,
        /// The client's payment token.
        token: Option<String>,
        /// Where the provider sends the customer back to.
        return_url: Option<String>,
        /// How.
        how: How,
    },
    /// Records what a provider said.
    RecordPayment {
        /// The payment operation's number within the order; none for a report that names only its
        /// reference.
        payment: Option<u32>,
        /// The provider's name for it; the recorded one if none.
        reference: Option<Reference>,
        /// The provider's name for the payment it acts on, for what was made outside the engine.
        parent: Option<Reference>,
        /// What became of it.
        status: OperationState,
        /// How much, in the order's currency; what was asked for if none.
        amount: Option<String>,
    },
    /// Writes something down.
    Note {
        /// What.
        text: String,
        /// How.
        how: How,
    },
    /// Moves the clock.
    Advance(Duration),
    /// Makes a service misbehave, or behave again.
    Service(Fault),
    /// Lets a worker do what is due, now or for a while.
    Work {
        /// For how long.
        lasting: Duration,
        /// Whether what is stuck is tried again first.
        retry_stuck: bool,
        /// Whether every order is looked at anew first.
        resync: bool,
    },
    /// Ends a payment that waits at the desk.
    Settle {
        /// The payment operation's number within the order; the one that waits if none.
        payment: Option<u32>,
        /// How it ends.
        outcome: Settlement,
        /// Whether the desk tells the engine.
        report: bool,
    },
    /// Adds units to the stock.
    Restock {
        /// Of what.
        sku: Sku,
        /// How many.
        units: u32,
    },
    /// Loads a catalogue over the present one.
    Load(CatalogueSource<'s>),
    /// The process dies and starts again, perhaps with other settings: what is only in memory is
    /// gone.
    Restart(Option<Box<Policy>>),
    /// Writes all orders out: kept by the script as they are, or printed as a table.
    Export(ExportForm),
    /// Puts what was exported last into a new store in memory, with which the script goes on.
    Restore,
    /// Takes in historic orders.
    Import {
        /// The file, named relative to the script.
        file: PathBuf,
        /// Whether it is only tried.
        dry_run: bool,
    },
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
    /// Prints the orders a person must look at.
    Stuck,
    /// Prints what happened to all orders since the last time.
    Watch,
    /// Prints the lifecycle as a state diagram.
    States,
    /// Tests the invariants.
    Check,
    /// Only looks.
    Expect,
}

impl Act<'_> {
    /// What the script calls it.
    pub fn name(&self) -> &str {
        match self {
            Act::Change { name, .. } => name,
            Act::Place(_) => "place",
            Act::Quote(_) => "quote",
            Act::RetryPayment { .. } => "retry-payment",
            Act::RecordPayment { .. } => "record-payment",
            Act::Note { .. } => "note",
            Act::Advance(_) => "advance",
            Act::Service(_) => "service",
            Act::Work { .. } => "work",
            Act::Settle { .. } => "settle",
            Act::Restock { .. } => "restock",
            Act::Load(_) => "load",
            Act::Restart(_) => "restart",
            Act::Export(_) => "export",
            Act::Restore => "restore",
            Act::Import { .. } => "import",
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
}

/// What is to be ordered.
pub struct Cart {
    /// Who orders.
    pub user: String,
    /// What.
    pub items: Vec<Item>,
    /// Where it goes.
    pub ship_to: Option<AddressInput>,
    /// Who is billed.
    pub bill_to: Option<AddressInput>,
    /// How it is paid.
    pub payment_method: String,
    /// How it is sent.
    pub shipping_method: String,
    /// A coupon's code.
    pub coupon: Option<String>,
    /// What the customer says.
    pub notes: Option<String>,
}

/// An order to be placed.
pub struct Place {
    /// What.
    pub cart: Cart,
    /// The name later steps use for it.
    pub alias: Option<String>,
    /// The client's payment token.
    pub token: Option<String>,
    /// Where the provider sends the customer back to.
    pub return_url: Option<String>,
    /// What it is held by from the start.
    pub holds: Vec<HoldInput>,
    /// What is kept with it.
    pub metadata: BTreeMap<String, String>,
    /// Its name elsewhere.
    pub external_ref: Option<String>,
    /// The total it must have, in the catalogue's currency.
    pub expect_total: Option<String>,
    /// The idempotency key.
    pub key: Option<IdempotencyKey>,
    /// How long the caller waits; until nothing is due now if none.
    pub wait: Option<Duration>,
}

/// How a command on an order is given.
#[derive(Default)]
pub struct How {
    /// The command key.
    pub key: Option<IdempotencyKey>,
    /// The version the order must have.
    pub expected_version: Option<u64>,
    /// How long the caller waits; until nothing is due now if none.
    pub wait: Option<Duration>,
}

/// How a service is to answer from now on.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Which service.
    pub service: ServiceName,
    /// Which of its calls; all if none.
    pub call: Option<&'static str>,
    /// How it answers.
    pub answer: Answer,
    /// How many calls; until told otherwise if none.
    pub times: Option<u32>,
}

/// How a service answers.
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
