//! The transition table: the rules of the lifecycle as data, for people to read and for tests to hold against the code.

use crate::order::Lifecycle;

/// One row of the table: what takes an order from one lifecycle to another, or leaves it where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// Where the order is; `None` for one that does not exist yet.
    pub from: Option<Lifecycle>,
    /// What triggers it: the name of a command or a fact, or `settles` for what happens by itself once it holds.
    pub trigger: &'static str,
    /// Where it is after.
    pub to: Lifecycle,
    /// The journal's names of the events that mark it; empty where any fact's event may.
    pub events: &'static [&'static str],
    /// What must hold.
    pub guard: &'static str,
    /// What the engine does then.
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

use Lifecycle::{Cancelled, Cancelling, Completed, Confirmed, Expired, PaymentFailed, Pending, Rejected};

const RULES: &[Rule] = &[
    Rule {
        from: &[Pending],
        trigger: "stock or payment fact",
        to: None,
        events: &[],
        guard: "",
        then: "recorded; an outcome that is not known is looked up or asked for again under the same key",
    },
    Rule {
        from: &[Pending],
        trigger: "settles",
        to: Some(Confirmed),
        events: &["CONFIRMED"],
        guard: "all stock is held, what is due is covered, no hold blocks confirm",
        then: "tell the customer; commit what needs no shipping",
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
        guard: "money is authorized or captured, or the order is confirmed; the policy for lost stock is to cancel",
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
        guard: "its time is over, nothing authorized or captured, no attempt's outcome outstanding, \
                not only a hold keeps it from confirming",
        then: "release, tell the customer",
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
        guard: "nothing shipped",
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
        guard: "captured = refunded, nothing authorized, no outcome outstanding, no stock held",
        then: "tell the customer",
    },
    Rule {
        from: &[Pending, Confirmed],
        trigger: "place hold",
        to: None,
        events: &["HOLD_PLACED"],
        guard: "no other hold of its kind; its end, if any, is to come",
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
        from: &[Confirmed, Completed, Cancelling, Cancelled, PaymentFailed, Rejected, Expired],
        trigger: "stock or payment fact",
        to: None,
        events: &[],
        guard: "",
        then: "recorded; what is not owed is released, voided, refunded; attention if money moved on a dead order",
    },
    Rule { from: Lifecycle::ALL, trigger: "note", to: None, events: &["NOTED"], guard: "", then: "" },
];

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
    let rows = RULES.iter().flat_map(|rule| {
        let &Rule { from, trigger, to, events, guard, then } = rule;
        from.iter().map(move |&from| Transition { from: Some(from), trigger, to: to.unwrap_or(from), events, guard, then })
    });
    std::iter::once(place).chain(rows).collect()
}
