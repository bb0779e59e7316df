//! Everything that the engine promises, by number.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! invariants {
    ($($name:ident = $number:literal, $statement:literal;)*) => {
        /// Something that must always hold. Shown, and serialized, as its number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant {
            $(#[doc = concat!($number, ": ", $statement, ".")] $name,)*
        }

        impl Invariant {
            /// Everything the engine promises, in order.
            pub const ALL: &'static [Invariant] = &[$(Invariant::$name,)*];

            /// Returns its number, such as `I4`.
            pub const fn number(self) -> &'static str {
                match self { $(Invariant::$name => $number,)* }
            }

            /// Returns the rule, in a sentence.
            pub const fn statement(self) -> &'static str {
                match self { $(Invariant::$name => $statement,)* }
            }
        }
    };
}

invariants! {
    LineTotals = "I1", "line total = quantity × unit price − discount";
    Subtotal = "I2", "subtotal = Σ line totals";
    Total = "I3", "total = subtotal + tax + shipping − order discount, all at least 0";
    MoneyWithinBounds = "I4",
        "0 ≤ refunded ≤ captured, and captured ≤ authorized per attempt, unless a person has been \
         asked to look";
    PaidAsDue = "I5",
        "at rest captured − refunded = what is due by the payment terms, or a person has been \
         asked to look";
    ChargesKnown = "I6", "every charge the provider knows is exactly one attempt of one order";
    AmountsOnTheWire = "I7", "amounts survive their way over the wire";
    Shares = "I8", "stored shares add up to the order's discount and to the tax on its lines";
    Transitions = "I9", "only the transitions of the table occur";
    Journal = "I10",
        "the journal is 1..n without gaps, its length is the version, and replaying it gives the \
         stored order";
    Statuses = "I11", "stored statuses are what the records say";
    WorkItem = "I12", "an order has a work item exactly while something is left to do";
    Times = "I13", "an order's times never go backwards";
    Numbers = "I14", "order numbers are unique, and they and confirmed prices never change";
    DeadHoldsNothing = "I15", "a dead order holds no stock but listed suspects";
    ConfirmedHasStock = "I16",
        "a confirmed order has all its stock held or committed, or a person has been asked to look";
    ReservationsKnown = "I17",
        "the inventory holds nothing for an order that the order does not know or suspect";
    CommittedStock = "I18",
        "no more units are committed than were ever stocked, and units lost on the way are not on \
         the shelf";
    OrderKeys = "I19", "one idempotency key of a user names at most one order";
    DerivedKeys = "I20", "one derived key is one request";
    IntentFirst = "I21", "an intent was durable before its effect";
    Fence = "I22", "whoever lost the lease starts no call and touches no work item";
    Feed = "I23", "the change feed shows every journal row once, per order in sequence";
    Readable = "I24", "an answered order can be read afterwards";
    CancelledForGood = "I25",
        "an order whose cancellation was answered never ships and ends with captured = refunded";
    OwnOrdersOnly = "I26", "nobody reads another user's order";
    NothingPersonalLogged = "I27", "no payment or contact data is logged";
    UnitsInOnePlace = "I28",
        "every unit is in one place: cancelled, open, planned, shipped, delivered, returned, as \
         far as shipments and returns say";
    Credits = "I29", "no more is credited than was recorded, and no unit is owed less than nothing";
    OneEdit = "I30", "at most one edit is open, and only on an order that is pending or confirmed";
    ShippedCovered = "I31", "a shipment that left was covered when it left";
    RefundsLeaveWhatIsDue = "I32",
        "after every refund that the engine plans, as much is kept as is due";
    FactsCommute = "I33", "the same facts in another order add up to the same";
    ReportsKept = "I34",
        "every report of a provider stands in the journal or in the list of unmatched ones";
    CommandKeys = "I35", "one command key is one command";
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.number())
    }
}

impl Serialize for Invariant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.number())
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The invariant.
    pub invariant: Invariant,
    /// The facts that were found, and those that were expected.
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariants_are_numbered_without_gaps() {
        for (invariant, n) in Invariant::ALL.iter().zip(1..) {
            assert_eq!(invariant.number(), format!("I{n}"), "{invariant:?}");
        }
    }

    #[test]
    fn an_invariant_is_shown_and_serialized_as_its_number() {
        let invariant = Invariant::ChargesKnown;
        let json = serde_json::to_string(&invariant).unwrap();
        assert_eq!(
            (format!("{invariant:>4}"), json),
            ("  I6".into(), r#""I6""#.into())
        );
        let (detail, invariant) = ("nobody knows it".to_owned(), Invariant::ChargesKnown);
        let breach = Breach { invariant, detail };
        assert_eq!(breach.to_string(), "I6: nobody knows it");
    }
}
