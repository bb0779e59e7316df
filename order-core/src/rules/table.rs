//! The transition table: the rules of the lifecycle as data, for people to read and for tests to
//! hold against the code.

use crate::order::Lifecycle;

/// One row of the table: what takes an order from one lifecycle to another, or leaves it where it
/// is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The lifecycle before; `None` for an order that does not exist yet.
    pub from: Option<Lifecycle>,
    /// The trigger: names of commands or facts, or `settles` for what happens by itself once
    /// it holds.
    pub trigger: &'static str,
    /// The lifecycle after.
    pub to: Lifecycle,
    /// The journal's names of the events that mark it; empty where any fact's event may.
    pub events: &'static [&'static str],
    /// The condition that must hold.
    pub guard: &'static str,
    /// The work that the engine does then.
    pub then: &'static str,
}

/// A row for several lifecycles at once. `to`: `None` if it leaves the order where it is.
struct Rule {
    from: &'static [Lifecycle],
    trigger: &'static str,
    to: Option<Lifecycle>,
    events: &'static [&'static str],
    guard: &'static str,
    then: &'static str,
}

use Lifecycle::{
    Cancelled, Cancelling, Completed, Confirmed, Expired, PaymentFailed, Pending, Rejected,
};

const RULES: &[Rule] = &[
    Rule {
        from: &[Pending],
        trigger: "stock or payment fact",
        to: None,
        events: &[],
        guard: "",
        then: "recorded; an outcome that is not known is looked up or asked for again under the \
            same key",
    },
    Rule {
        from: &[Pending],
        trigger: "settles",
        to: Some(Confirmed),
        events: &["CONFIRMED"],
        guard: "all stock is held, what is due is covered, no hold blocks confirm",
        then: "tell the customer; give out what needs no shipping, and commit it",
    },
    Rule {
        from: &[Pending],
        trigger: "stock refused",
        to: Some(Rejected),
        events: &["REJECTED"],
        guard: "nothing authorized or captured, no attempt's outcome outstanding",
        then: "release what was held, tell the customer",
    },
    Rule {
        from: &[Pending, Confirmed],
        trigger: "stock refused",
        to: Some(Cancelling),
        events: &["CANCEL_REQUESTED"],
        guard: "money is authorized or captured, or the order is confirmed; the policy for lost \
            stock is to cancel",
        then: "attention; void, refund, release",
    },
    Rule {
        from: &[Pending],
        trigger: "payment declined",
        to: Some(PaymentFailed),
        events: &["PAYMENT_FAILED"],
        guard: "not covered, nothing authorized or captured, no other attempt open",
        then: "release, tell the customer",
    },
    Rule {
        from: &[Pending],
        trigger: "settles",
        to: Some(Expired),
        events: &["EXPIRED"],
        guard: "its time is over, nothing authorized or captured, no attempt's outcome \
            outstanding, \
                not only a hold keeps it from confirming",
        then: "release, tell the customer",
    },
    Rule {
        from: &[Pending],
        trigger: "settles",
        to: Some(Cancelling),
        events: &["CANCEL_REQUESTED"],
        guard: "its time is over, money is in and too little (short), no attempt's outcome \
            outstanding, no hold blocks confirm",
        then: "void, refund, release",
    },
    Rule {
        from: &[PaymentFailed],
        trigger: "retry payment",
        to: Some(Pending),
        events: &["PAYMENT_RETRIED"],
        guard: "inside the retry window",
        then: "reserve again, a new attempt under a new key",
    },
    Rule {
        from: &[Pending, Confirmed, PaymentFailed],
        trigger: "cancel",
        to: Some(Cancelling),
        events: &["CANCEL_REQUESTED"],
        guard: "nothing shipped, nothing given out that needs no shipping",
        then: "find out unknown outcomes, void, refund, release",
    },
    Rule {
        from: &[Cancelling, Cancelled],
        trigger: "cancel",
        to: None,
        events: &[],
        guard: "",
        then: "a success without effect",
    },
    Rule {
        from: &[Cancelling],
        trigger: "settles",
        to: Some(Cancelled),
        events: &["CANCELLED"],
        guard: "refunded at least what was captured, nothing authorized, no outcome outstanding, \
            no stock held",
        then: "tell the customer",
    },
    Rule {
        from: &[Confirmed],
        trigger: "plan shipment, ship, cancel shipment",
        to: None,
        events: &["SHIPMENT_PLANNED", "SHIPMENT_SHIPPED", "SHIPMENT_CANCELLED"],
        guard: "the units are open and held, what they cost is covered, no hold blocks ship",
        then: "shipped: commit its stock, capture its share by the terms, tell the customer",
    },
    Rule {
        from: &[Confirmed],
        trigger: "split shipment",
        to: None,
        events: &["SHIPMENT_SPLIT"],
        guard: "it is planned; at least one unit stays",
        then: "both are planned",
    },
    Rule {
        from: &[Confirmed, Completed, Cancelling, Cancelled],
        trigger: "deliver, fail shipment, lose shipment, return to sender",
        to: None,
        events: &[
            "SHIPMENT_DELIVERED",
            "SHIPMENT_FAILED",
            "SHIPMENT_LOST",
            "SHIPMENT_RETURNED_TO_SENDER",
        ],
        guard: "it has left, whatever it was taken for since",
        then: "tell the customer; what did not arrive is open again; attention if units have no \
            place any more",
    },
    Rule {
        from: &[Confirmed],
        trigger: "cancel lines",
        to: None,
        events: &["LINES_CANCELLED"],
        guard: "at most what is open",
        then: "release, void or refund its share, tell the customer",
    },
    Rule {
        from: &[Confirmed],
        trigger: "cancel lines",
        to: Some(Cancelling),
        events: &["CANCEL_REQUESTED"],
        guard: "nothing would be left",
        then: "as cancel",
    },
    Rule {
        from: &[Confirmed],
        trigger: "stock refused",
        to: None,
        events: &["SHIPMENT_CANCELLED", "LINES_CANCELLED"],
        guard: "something has shipped or was given out; the policy for lost stock is to cancel",
        then: "attention; what is missing of what is open is cancelled",
    },
    Rule {
        from: &[Pending, Confirmed, Completed],
        trigger: "retry payment",
        to: None,
        events: &["AUTHORIZATION_PLANNED", "CHARGE_PLANNED"],
        guard: "short, or unpaid by invoice or on delivery; no attempt under way; the method \
            charges",
        then: "an attempt for what is short, or for part of it",
    },
    Rule {
        from: &[Pending, Confirmed, Completed],
        trigger: "write off",
        to: None,
        events: &["CREDITED"],
        guard: "short; no attempt under way",
        then: "what is short, or part of it, is given up; by policy the engine does so itself",
    },
    Rule {
        from: &[Confirmed],
        trigger: "settles",
        to: None,
        events: &["CAPTURE_PLANNED"],
        guard: "what is due is authorized and not captured, no hold blocks capture, no capture of \
            it was refused",
        then: "capture",
    },
    Rule {
        from: &[Confirmed],
        trigger: "complete",
        to: Some(Completed),
        events: &["COMPLETED"],
        guard: "delivered or not to be shipped, paid what is owed, no hold, edit, return or \
            dispute open",
        then: "tell the customer",
    },
    Rule {
        from: &[Confirmed],
        trigger: "settles",
        to: Some(Completed),
        events: &["COMPLETED"],
        guard: "it could be completed for as long as the policy says",
        then: "tell the customer",
    },
    Rule {
        from: &[Confirmed, Completed],
        trigger: "credit",
        to: None,
        events: &["CREDITED"],
        guard: "at most what is still owed",
        then: "refund what is paid beyond",
    },
    Rule {
        from: &[Confirmed, Completed],
        trigger: "request return, approve return, reject return, receive return, close return",
        to: None,
        events: &[
            "RETURN_REQUESTED",
            "RETURN_APPROVED",
            "RETURN_REJECTED",
            "RETURN_RECEIVED",
            "RETURN_CLOSED",
        ],
        guard: "at most what is delivered, or given out, and not back; asked for inside the window",
        then: "restock what can be sold again; closed: refund its share",
    },
    Rule {
        from: &[Pending, Confirmed],
        trigger: "edit, discard edit",
        to: None,
        events: &["EDIT_STARTED", "EDIT_DISCARDED"],
        guard: "open units, not the last; one at a time; no payment under way",
        then: "secure the difference in stock and money, or give it back",
    },
    Rule {
        from: &[Pending, Confirmed],
        trigger: "settles",
        to: None,
        events: &["EDIT_APPLIED", "EDIT_DISCARDED"],
        guard: "its difference is secured; or cannot be, or not in time",
        then: "release and refund what is not owed, tell the customer",
    },
    Rule {
        from: &[Pending, Confirmed],
        trigger: "place hold",
        to: None,
        events: &["HOLD_PLACED"],
        guard: "no other hold of its kind; its end, if any, and what it blocks are to come",
        then: "what it blocks waits",
    },
    Rule {
        from: Lifecycle::ALL,
        trigger: "release hold",
        to: None,
        events: &["HOLD_RELEASED"],
        guard: "it is placed",
        then: "what it blocked goes on",
    },
    Rule {
        from: &[Pending, Confirmed, Completed, Cancelling, PaymentFailed],
        trigger: "settles",
        to: None,
        events: &["HOLD_RELEASED"],
        guard: "a hold's time is over",
        then: "what it blocked goes on",
    },
    Rule {
        from: &[
            Confirmed,
            Completed,
            Cancelling,
            Cancelled,
            PaymentFailed,
            Rejected,
            Expired,
        ],
        trigger: "stock or payment fact",
        to: None,
        events: &[],
        guard: "",
        then: "recorded; what is not owed is released, voided, refunded; attention if money moved \
            on a dead order",
    },
    Rule {
        from: Lifecycle::ALL,
        trigger: "money moved outside",
        to: None,
        events: &[
            "REFUNDED_OUTSIDE",
            "CHARGED_BACK",
            "DISPUTE_OPENED",
            "DISPUTE_WON",
            "DISPUTE_LOST",
        ],
        guard: "",
        then: "recorded as paid less or more, never as a credit; attention; no refund while a \
            dispute is open",
    },
    Rule {
        from: &[Pending, Confirmed, Cancelling, PaymentFailed],
        trigger: "change address",
        to: None,
        events: &["ADDRESS_CHANGED"],
        guard: "the same country and state; nothing on its way to it, and not all there",
        then: "",
    },
    Rule {
        from: Lifecycle::ALL,
        trigger: "resolve, retry stuck, acknowledge",
        to: None,
        events: &["RESOLVED", "STUCK_RETRIED", "ATTENTION_ACKNOWLEDGED"],
        guard: "",
        then: "as the fact that was found out; or what was refused is asked for again",
    },
    Rule {
        from: &[Completed, Cancelled, Rejected, Expired],
        trigger: "redact",
        to: None,
        events: &["REDACTED"],
        guard: "no payment or return under way, no dispute open",
        then: "",
    },
    Rule {
        from: Lifecycle::ALL,
        trigger: "note, set metadata",
        to: None,
        events: &["NOTED", "METADATA_CHANGED"],
        guard: "",
        then: "",
    },
];

impl Transition {
    /// Returns true if the command, fact or condition of that name triggers it.
    pub fn is_triggered_by(&self, name: &str) -> bool {
        self.trigger.split(", ").any(|t| t == name)
    }
}

/// Every transition of the lifecycle, row by row. What is not here is refused.
pub fn transitions() -> Vec<Transition> {
    let place = Transition {
        from: None,
        trigger: "place",
        to: Pending,
        events: &["PLACED"],
        guard: "a valid request; the total as expected, if a total was expected",
        then: "reserve, then authorize or charge",
    };
    let import = |to| Transition {
        from: None,
        trigger: "import",
        to,
        events: &["IMPORTED"],
        guard: "a historic order at rest, whose sums, ledger, units and times agree",
        then: if to == Confirmed {
            "reserve what is yet to be sent"
        } else {
            ""
        },
    };
    let imports = [
        Confirmed,
        Completed,
        Cancelled,
        PaymentFailed,
        Rejected,
        Expired,
    ]
    .into_iter()
    .map(import);
    let rows = RULES.iter().flat_map(|rule| {
        let &Rule {
            from,
            trigger,
            to,
            events,
            guard,
            then,
        } = rule;
        from.iter().map(move |&from| Transition {
            from: Some(from),
            trigger,
            to: to.unwrap_or(from),
            events,
            guard,
            then,
        })
    });
    std::iter::once(place).chain(imports).chain(rows).collect()
}
