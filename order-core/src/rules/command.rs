//! Commands: everything that is known of each of them in one place. The rule that a command obeys
//! stands in the file of its topic.

use uuid::Uuid;

use super::{Action, Finding};
use crate::hash::Encoder;
use crate::ids::Name;
use crate::money::Minor;
use crate::order::{
    Address, AddressType, AttentionReason, Blocks, EditPlan, HoldEnd, LineCredit, LineUnits, Op,
    PaymentTerms, ReceivedUnits, Status,
};
use crate::text::Private;

/// A change that a person or another program wants to make to an existing order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Cancels the order, releasing its stock and refunding its payments.
    Cancel,
    /// Cancels some open units; the whole order if nothing would be left.
    CancelLines {
        /// The units, each line at most once.
        lines: Vec<LineUnits>,
    },
    /// Cancels every unit that has not shipped and is in no planned shipment.
    CancelRest,
    /// Pays a declined order again, or the amount that another one is short.
    RetryPayment {
        /// The amount to pay, in minor units; all that is short if `None`.
        amount: Option<Minor>,
        /// The payment method.
        method: Name,
        /// The moment at which money paid that way is due.
        terms: PaymentTerms,
        /// The client's payment token.
        token: Private<String>,
        /// The address that the provider sends the customer back to.
        return_url: Private<String>,
    },
    /// Places an order hold, which keeps the order from going on.
    PlaceHold {
        /// The hold's kind.
        kind: Name,
        /// The step it blocks; `None` for the next one to come: confirming while the order is not
        /// confirmed, then shipping, and if nothing is left to be shipped, capturing.
        blocks: Option<Blocks>,
        /// The end of the hold; `None` if it ends only by being released.
        until: Option<HoldEnd>,
    },
    /// Releases an order hold, so that the order goes on.
    ReleaseHold {
        /// The hold's kind.
        kind: Name,
    },
    /// Plans a shipment: units that are to leave together.
    PlanShipment {
        /// The units, each line at most once; empty for all that are open.
        lines: Vec<LineUnits>,
    },
    /// Reports that units have left.
    Ship {
        /// The planned shipment that left; `None` for a new one.
        shipment: Option<u32>,
        /// The units of a new one, each line at most once; empty for all that are open.
        lines: Vec<LineUnits>,
        /// The carrier.
        carrier: Option<String>,
        /// The carrier's tracking number.
        tracking: Option<String>,
    },
    /// Reports that a shipment has arrived.
    Deliver {
        /// The shipment; `None` for all that are on their way.
        shipment: Option<u32>,
    },
    /// Reports that a shipment could not be delivered: its units are open again.
    FailShipment {
        /// The shipment.
        shipment: u32,
    },
    /// Reports that a shipment was lost on the way: its units are open again, and gone from the
    /// stock.
    LoseShipment {
        /// The shipment.
        shipment: u32,
    },
    /// Reports that a shipment came back undelivered: its units are open again.
    ReturnToSender {
        /// The shipment.
        shipment: u32,
    },
    /// Splits a planned shipment: some of its units go into a new planned one.
    SplitShipment {
        /// The shipment.
        shipment: u32,
        /// The units that go into the new one, each line at most once; at least one unit stays.
        lines: Vec<LineUnits>,
    },
    /// Cancels a planned shipment: its units are open again.
    CancelShipment {
        /// The shipment.
        shipment: u32,
    },
    /// Completes an order that is fulfilled and paid.
    Complete,
    /// Takes an amount off what is owed for the order as a whole.
    Credit {
        /// The amount, in minor units.
        amount: Minor,
    },
    /// Takes amounts off what is owed for lines.
    CreditLines {
        /// The amounts, each line at most once.
        lines: Vec<LineCredit>,
    },
    /// Writes off the amount that the order is short.
    WriteOff {
        /// The amount, in minor units; all that is short if `None`.
        amount: Option<Minor>,
    },
    /// Asks to send delivered units back.
    RequestReturn {
        /// The units, each line at most once.
        lines: Vec<LineUnits>,
    },
    /// Approves a return: the customer may send the units back.
    ApproveReturn {
        /// The return.
        number: u32,
    },
    /// Rejects a return.
    RejectReturn {
        /// The return.
        number: u32,
    },
    /// Reports units that came back, and what became of them.
    ReceiveReturn {
        /// The return.
        number: u32,
        /// The units, each line at most once; empty if all that are outstanding came back and go
        /// into the stock again.
        lines: Vec<ReceivedUnits>,
    },
    /// Closes a return: no more comes back, and what came back is no longer owed.
    CloseReturn {
        /// The return.
        number: u32,
    },
    /// Changes what was ordered, once the difference in stock and money is secured.
    Edit {
        /// The changes, priced for the order's version that they are decided on.
        plan: Box<EditPlan>,
        /// The payment method for the difference.
        method: Name,
        /// The moment at which money paid that way is due.
        terms: PaymentTerms,
        /// The client's payment token.
        token: Private<String>,
        /// The address that the provider sends the customer back to.
        return_url: Private<String>,
        /// The address that the goods go to from then on, if it changes.
        address: Private<Address>,
    },
    /// Discards the edit that is under way.
    DiscardEdit,
    /// Corrects an address without moving it to another country or state.
    ChangeAddress {
        /// The one of the two addresses.
        which: AddressType,
        /// The corrected address.
        address: Private<Address>,
    },
    /// Stores or removes an entry of the order's metadata.
    SetMetadata {
        /// The entry's name.
        key: Name,
        /// The entry's text; `None` removes it.
        value: Private<String>,
    },
    /// Acknowledges attention: a person has seen it.
    Acknowledge {
        /// The reason it was raised for.
        reason: AttentionReason,
        /// The operation it is about; `None` for all attention of that reason.
        about: Option<Op>,
    },
    /// Brings the order to a status, as `UpdateOrderStatus` of the wire contract does.
    SetStatus {
        /// The status.
        status: Status,
    },
    /// Makes stuck work due again.
    RetryStuck,
    /// Records an operator's finding about an unknown outcome.
    Resolve {
        /// The finding.
        finding: Finding,
    },
    /// Erases the personal data of an order that is over.
    Redact,
    /// Adds a note to the order's history.
    Note,
}

/// The end of a caller's wait for an order that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Waits until the order is decided: for whoever places, pays or cancels.
    Decided,
    /// Waits until the engine has nothing left to do at once, such as capturing what has just
    /// shipped.
    Quiet,
}

/// A text of a command, and the most characters it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandText<'a> {
    /// The field's name.
    pub field: &'static str,
    /// The text, if one is given.
    pub text: Option<&'a str>,
    /// The most characters it may have.
    pub max: usize,
}

/// The properties of a command that do not depend on the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandSpec<'a> {
    /// The command's name in messages and as a cause in the journal; several may share one.
    pub name: &'static str,
    /// The command's own name: no two share it. Hashes are made with it, so it never changes.
    pub tag: &'static str,
    /// The verb for messages, as in "cannot … order ORD-…".
    pub phrase: &'static str,
    /// The action that whoever gives the command must be allowed to do.
    pub action: Action,
    /// The end of a caller's wait for it.
    pub wait: Wait,
    /// True if workers have to act on its events, so that the order is made due.
    pub wakes: bool,
    /// True if the customer may buy more or pay again by it: their account must be one that may
    /// order.
    pub may_buy: bool,
    /// The texts in it that people write.
    pub texts: [Option<CommandText<'a>>; 2],
}

/// The most characters of a carrier's name and of a tracking number.
const NAME_MAX: usize = 100;
/// The most characters of a value of metadata.
const VALUE_MAX: usize = 2_000;

impl<'a> CommandSpec<'a> {
    /// Returns a spec whose caller waits until the engine has nothing left to do at once.
    const fn new(name: &'static str, phrase: &'static str, action: Action) -> Self {
        CommandSpec {
            name,
            tag: name,
            phrase,
            action,
            wait: Wait::Quiet,
            wakes: true,
            may_buy: false,
            texts: [None, None],
        }
    }

    const fn tag(self, tag: &'static str) -> Self {
        CommandSpec { tag, ..self }
    }

    /// Has the caller wait only until the order is decided.
    const fn decided(self) -> Self {
        CommandSpec {
            wait: Wait::Decided,
            ..self
        }
    }

    /// Leaves workers asleep: nobody has to act on what the command changes.
    const fn asleep(self) -> Self {
        CommandSpec {
            wakes: false,
            ..self
        }
    }

    const fn may_buy(self) -> Self {
        CommandSpec {
            may_buy: true,
            ..self
        }
    }

    fn texts(self, texts: [(&'static str, Option<&'a String>, usize); 2]) -> Self {
        let texts = texts.map(|(field, text, max)| {
            let text = text.map(String::as_str);
            Some(CommandText { field, text, max })
        });
        CommandSpec { texts, ..self }
    }
}

impl Command {
    /// Every `CommandSpec::tag`.
    pub const TAGS: &[&str] = &[
        "cancel",
        "cancel lines",
        "cancel rest",
        "retry payment",
        "place hold",
        "release hold",
        "plan shipment",
        "ship",
        "deliver",
        "fail shipment",
        "lose shipment",
        "return to sender",
        "cancel shipment",
        "split shipment",
        "complete",
        "credit",
        "credit lines",
        "write off",
        "request return",
        "approve return",
        "reject return",
        "receive return",
        "close return",
        "priced edit",
        "discard edit",
        "change address",
        "set metadata",
        "acknowledge",
        "set status",
        "retry stuck",
        "resolve",
        "redact",
        "note",
    ];

    /// Returns the properties of the command that do not depend on the order.
    pub fn spec(&self) -> CommandSpec<'_> {
        use Action as A;
        let spec = CommandSpec::new;
        match self {
            Command::Cancel => spec("cancel", "cancel", A::Cancel).decided(),
            Command::CancelLines { .. } => spec("cancel lines", "cancel lines of", A::Cancel),
            Command::CancelRest => {
                spec("cancel lines", "cancel lines of", A::Cancel).tag("cancel rest")
            }
            Command::RetryPayment { .. } => {
                spec("retry payment", "retry the payment of", A::RetryPayment)
                    .decided()
                    .may_buy()
            }
            Command::PlaceHold { .. } => spec("place hold", "place a hold on", A::Hold).decided(),
            Command::ReleaseHold { .. } => {
                spec("release hold", "release a hold on", A::Hold).decided()
            }
            Command::PlanShipment { .. } => spec("plan shipment", "plan a shipment of", A::Fulfil),
            Command::Ship {
                carrier, tracking, ..
            } => spec("ship", "ship", A::Fulfil).texts([
                ("carrier", carrier.as_ref(), NAME_MAX),
                ("tracking", tracking.as_ref(), NAME_MAX),
            ]),
            Command::Deliver { .. } => spec("deliver", "deliver", A::Fulfil),
            Command::FailShipment { .. } => {
                spec("fail shipment", "report a failed shipment of", A::Fulfil)
            }
            Command::LoseShipment { .. } => {
                spec("lose shipment", "report a lost shipment of", A::Fulfil)
            }
            Command::ReturnToSender { .. } => {
                let phrase = "report a shipment as returned to sender of";
                spec("return to sender", phrase, A::Fulfil)
            }
            Command::CancelShipment { .. } => {
                spec("cancel shipment", "cancel a shipment of", A::Fulfil)
            }
            Command::SplitShipment { .. } => {
                spec("split shipment", "split a shipment of", A::Fulfil)
            }
            Command::Complete => spec("complete", "complete", A::Fulfil),
            Command::Credit { .. } => spec("credit", "credit", A::Credit),
            Command::CreditLines { .. } => spec("credit", "credit", A::Credit).tag("credit lines"),
            Command::WriteOff { .. } => spec("write off", "write off what is short of", A::Credit),
            Command::RequestReturn { .. } => {
                spec("request return", "request a return of", A::RequestReturn)
            }
            Command::ApproveReturn { .. } => {
                spec("approve return", "approve a return of", A::HandleReturn)
            }
            Command::RejectReturn { .. } => {
                spec("reject return", "reject a return of", A::HandleReturn)
            }
            Command::ReceiveReturn { .. } => {
                spec("receive return", "receive a return of", A::HandleReturn)
            }
            Command::CloseReturn { .. } => {
                spec("close return", "close a return of", A::HandleReturn)
            }
            Command::Edit { .. } => spec("edit", "edit", A::Edit).tag("priced edit").may_buy(),
            Command::DiscardEdit => spec("discard edit", "discard an edit of", A::Edit),
            Command::ChangeAddress { .. } => {
                spec("change address", "change an address of", A::Edit).asleep()
            }
            Command::SetMetadata { value, .. } => {
                let mut spec = spec("set metadata", "set metadata of", A::SetMetadata).asleep();
                spec.texts[0] = Some(CommandText {
                    field: "value",
                    text: value.0.as_deref(),
                    max: VALUE_MAX,
                });
                spec
            }
            Command::Acknowledge { .. } => {
                spec("acknowledge", "acknowledge attention for", A::Repair).asleep()
            }
            Command::SetStatus { .. } => spec("set status", "set the status of", A::Fulfil),
            Command::RetryStuck => spec("retry stuck", "retry what is stuck of", A::Repair),
            Command::Resolve { .. } => spec("resolve", "resolve", A::Repair),
            Command::Redact => spec("redact", "redact", A::Redact).asleep(),
            Command::Note => spec("note", "write a note on", A::Note).asleep(),
        }
    }

    /// Returns the command's name, as in messages and journal causes.
    pub fn name(&self) -> &'static str {
        self.spec().name
    }

    /// Returns the verb for messages, as in "cannot … order ORD-…".
    pub(crate) fn phrase(&self) -> &'static str {
        self.spec().phrase
    }

    /// Returns a hash that is the same for commands that want the same of an order with the same
    /// `notes`, by which another command under the same idempotency key is noticed.
    ///
    /// It is stored with the key for ever, so what is hashed, and how, never changes. Tokens and
    /// return URLs are hashed like everything else, and cannot be read from it.
    pub fn hash(&self, notes: Option<&str>) -> Uuid {
        let mut hashed = Encoder::of_command(self.spec().tag);
        self.hash_fields(&mut hashed);
        hashed.option(notes);
        hashed.into_command_hash()
    }

    fn hash_fields(&self, hashed: &mut Encoder) {
        match self {
            Command::Cancel
            | Command::CancelRest
            | Command::Complete
            | Command::DiscardEdit
            | Command::RetryStuck
            | Command::Redact
            | Command::Note => {}
            Command::CancelLines { lines }
            | Command::PlanShipment { lines }
            | Command::RequestReturn { lines } => hashed.lines(lines),
            // Not the terms: those are the shop's to say, and may change between two repeats.
            Command::RetryPayment {
                amount,
                method,
                terms: _,
                token,
                return_url,
            } => {
                hashed.option(amount.map(i64::to_be_bytes));
                hashed.text(method.as_str());
                hashed.option(token.get());
                hashed.option(return_url.get());
            }
            Command::PlaceHold {
                kind,
                blocks,
                until,
            } => {
                hashed.text(kind.as_str());
                hashed.option(blocks.map(Blocks::as_str));
                hashed.hold_end(*until);
            }
            Command::ReleaseHold { kind } => hashed.text(kind.as_str()),
            Command::Ship {
                shipment,
                lines,
                carrier,
                tracking,
            } => {
                hashed.option(shipment.map(u32::to_be_bytes));
                hashed.lines(lines);
                hashed.option(carrier.as_ref());
                hashed.option(tracking.as_ref());
            }
            Command::Deliver { shipment } => hashed.option(shipment.map(u32::to_be_bytes)),
            Command::FailShipment { shipment: n }
            | Command::LoseShipment { shipment: n }
            | Command::ReturnToSender { shipment: n }
            | Command::CancelShipment { shipment: n }
            | Command::ApproveReturn { number: n }
            | Command::RejectReturn { number: n }
            | Command::CloseReturn { number: n } => hashed.bytes(&n.to_be_bytes()),
            Command::SplitShipment { shipment, lines } => {
                hashed.bytes(&shipment.to_be_bytes());
                hashed.lines(lines);
            }
            Command::Credit { amount } => hashed.bytes(&amount.to_be_bytes()),
            Command::WriteOff { amount } => hashed.option(amount.map(i64::to_be_bytes)),
            Command::CreditLines { lines } => {
                hashed.count(lines.len());
                for credit in lines {
                    hashed.bytes(&credit.line.to_be_bytes());
                    hashed.bytes(&credit.amount.to_be_bytes());
                }
            }
            Command::ReceiveReturn { number, lines } => {
                hashed.bytes(&number.to_be_bytes());
                hashed.count(lines.len());
                for received in lines {
                    hashed.bytes(&received.line.to_be_bytes());
                    hashed.bytes(&received.restock.to_be_bytes());
                    hashed.bytes(&received.scrap.to_be_bytes());
                }
            }
            // An edit that was priced elsewhere: of its plan. One that is asked for here has the
            // hash of its request.
            Command::Edit {
                plan,
                method,
                terms: _,
                token,
                return_url,
                address,
            } => {
                hashed.bytes(&serde_json::to_vec(plan).unwrap_or_default());
                hashed.text(method.as_str());
                hashed.option(token.get());
                hashed.option(return_url.get());
                hashed.address_if_any(address.get());
            }
            Command::ChangeAddress { which, address } => {
                hashed.text(which.as_str());
                hashed.address_if_any(address.get());
            }
            Command::SetMetadata { key, value } => {
                hashed.text(key.as_str());
                hashed.option(value.get());
            }
            Command::Acknowledge { reason, about } => {
                hashed.text(reason.as_str());
                hashed.option(about.map(|op| op.to_string()));
            }
            Command::SetStatus { status } => hashed.text(status.as_str()),
            Command::Resolve { finding } => finding.hash_fields(hashed),
        }
    }
}
