//! The addresses of an order.

use uuid::Uuid;

use super::text_enum::text_enum;
use crate::ids::OrderId;

text_enum! {
    /// The one or the other of an order's addresses.
    AddressType, "address type" {
        /// The address that the goods go to.
        Shipping = "SHIPPING",
        /// The address of who is billed.
        Billing = "BILLING",
    }
}

impl AddressType {
    /// Returns the id of an order's address of this type: an order has one of each.
    pub fn id_in(self, order: OrderId) -> Uuid {
        Uuid::new_v5(&order.uuid(), format!("address/{self}").as_bytes())
    }
}

/// A postal address, validated at the edge. Personal: never in the journal or in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Street and number.
    pub address_line1: String,
    /// The rest of it.
    pub address_line2: Option<String>,
    /// The city.
    pub city: String,
    /// State or province.
    pub state: String,
    /// Postal code.
    pub postal_code: String,
    /// Country, as written; tax rows match it ignoring case.
    pub country: String,
    /// The telephone number.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
}

impl Address {
    /// Returns true if tax and shipping are the same there: the same country and state, ignoring
    /// case and outer blanks.
    pub fn is_in_same_place(&self, other: &Address) -> bool {
        same_place(&self.country, &other.country) && same_place(&self.state, &other.state)
    }
}

/// Returns true if two names of a country or state mean the same.
pub(crate) fn same_place(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address([redacted])")
    }
}

/// An order's two addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The address that the goods go to.
    pub shipping: Address,
    /// The address of who is billed; the shipping address unless another was given.
    pub billing: Address,
}
