//! Validation of a request to change what was ordered.

use super::{AddressInput, Check, ItemInput, MAX_LINES, MAX_QUANTITY, ValidItem, given};
use crate::error::{Error, Violation};
use crate::ids::{LineId, Name};
use crate::order::{Address, AddressType, Order};
use crate::text::Private;

/// The name of a line of an order: its number or its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineRef {
    /// By its number: 1, 2, ….
    Number(u32),
    /// By its id.
    Id(LineId),
}

impl std::fmt::Display for LineRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LineRef::Number(n) => n.fmt(f),
            LineRef::Id(id) => id.fmt(f),
        }
    }
}

impl Order {
    /// The number of the line that is meant, if the order has it. A line whose units were all
    /// edited away is gone.
    pub fn line_number(&self, line: LineRef) -> Option<u32> {
        let is_meant = |l: &&crate::order::Line| match line {
            LineRef::Number(n) => l.n == n,
            LineRef::Id(id) => l.id == id,
        };
        self.visible_lines().find(is_meant).map(|l| l.n)
    }
}

/// A request to change what was ordered. All of it happens, or none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct EditRequest {
    /// New lines, at today's prices. A product that the order has already gets a line of its own.
    pub add: Vec<ItemInput>,
    /// Lines that are to have another quantity, 1..=10,000: what the customer is to have, so units
    /// that are cancelled or came back do not count. Further units cost what the line's units cost.
    pub set: Vec<(LineRef, i64)>,
    /// Lines that are to go.
    pub remove: Vec<LineRef>,
    /// The address that the goods go to now, perhaps with other tax and another price of shipping.
    pub shipping_address: Option<AddressInput>,
    /// The shipping method from now on; as it was if none. Needed by goods for an order that had
    /// nothing to send, and where the order's own method is not offered any more.
    pub shipping_method: Option<String>,
    /// The payment method for a difference; the order's own if none.
    pub payment_method: Option<String>,
    /// The token that the payment provider gave the client to pay with.
    pub payment_token: Option<String>,
    /// The address that the payment provider sends the customer back to.
    pub return_url: Option<String>,
}

impl std::fmt::Debug for EditRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EditRequest")
            .field("add", &self.add)
            .field("set", &self.set)
            .field("remove", &self.remove)
            .field("shipping_method", &self.shipping_method)
            .field("payment_method", &self.payment_method)
            .finish_non_exhaustive()
    }
}

/// An [`EditRequest`] that could be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidEdit {
    /// New lines.
    pub add: Vec<ValidItem>,
    /// Lines that are to have another quantity; 0 for those that are to go.
    pub set: Vec<(LineRef, u32)>,
    /// The address that the goods go to now.
    pub shipping_address: Option<Address>,
    /// The shipping method from now on.
    pub shipping_method: Option<Name>,
    /// The payment method for a difference.
    pub payment_method: Option<Name>,
    /// The token that the payment provider gave the client to pay with.
    pub token: Private<String>,
    /// The address that the payment provider sends the customer back to.
    pub return_url: Private<String>,
}

impl EditRequest {
    /// The request with every text parsed, or [`Error::Invalid`] with everything that is wrong with
    /// it.
    pub fn validate(&self) -> Result<ValidEdit, Error> {
        let mut check = Check::default();
        let add = if self.add.is_empty() {
            Vec::new()
        } else {
            check.items(&self.add)
        };
        let mut set = Vec::with_capacity(self.set.len() + self.remove.len());
        for (i, (line, quantity)) in self.set.iter().enumerate() {
            match u32::try_from(*quantity).ok().filter(|q| (1..=MAX_QUANTITY).contains(q)) {
                Some(quantity) => set.push((*line, quantity)),
                None => check.wrong(
                    format!("set[{i}].quantity"),
                    format!("{quantity} is not a quantity: expected 1 to 10,000; remove the line to be rid of it"),
                ),
            }
        }
        set.extend(self.remove.iter().map(|line| (*line, 0)));
        for (i, (line, _)) in set.iter().enumerate() {
            if set[..i].iter().any(|(other, _)| other == line) {
                check.wrong(
                    "set",
                    format!("names line {line} twice: name each line once"),
                );
            }
        }
        let shipping_method = check.name(
            "shipping_method",
            self.shipping_method.as_deref().unwrap_or_default(),
        );
        let empty = add.is_empty()
            && set.is_empty()
            && self.shipping_address.is_none()
            && shipping_method == Some(None);
        if empty && check.0.is_empty() {
            check.wrong("add", "is empty, and nothing is set, removed, readdressed or sent otherwise: say what is to change");
        }
        let address = self
            .shipping_address
            .as_ref()
            .map(|address| check.address(AddressType::Shipping, address));
        let payment_method = check.name(
            "payment_method",
            self.payment_method.as_deref().unwrap_or_default(),
        );
        let token = given(&self.payment_token);
        let return_url = given(&self.return_url);
        check.paying(token, return_url);
        match (check.0.is_empty(), shipping_method, payment_method) {
            (true, Some(shipping_method), Some(payment_method)) => Ok(ValidEdit {
                add,
                set,
                shipping_address: address.flatten(),
                shipping_method,
                payment_method,
                token: Private(token.map(Into::into)),
                return_url: Private(return_url.map(Into::into)),
            }),
            _ => Err(Error::Invalid(check.0)),
        }
    }
}

impl AddressInput {
    /// The address, or [`Error::Invalid`] with everything that is wrong with it.
    pub fn validate(&self, which: AddressType) -> Result<Address, Error> {
        let mut check = Check::default();
        check.address(which, self).ok_or(Error::Invalid(check.0))
    }
}

/// Returns whether an order may have so many lines.
pub(crate) fn check_line_count(lines: usize) -> Result<(), Error> {
    if lines <= MAX_LINES {
        return Ok(());
    }
    let problem = format!("would make {lines} lines: at most {MAX_LINES} are allowed");
    Err(Error::Invalid(vec![Violation::new("add", problem)]))
}
