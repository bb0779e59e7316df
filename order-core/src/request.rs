//! A request to place an order, as raw as any front end gets it, and what it is once it has been
//! checked.
//!
//! The front ends copy what they were sent; the rules of what may be sent stand here, once for all
//! of them.

mod edit;
mod hash;
mod import;
mod kept;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub(crate) use edit::check_line_count;
pub use edit::{EditRequest, LineRef, ValidEdit};
pub use import::{ImportedOnce, ValidImport};

use crate::error::{Error, Violation};
use crate::ids::{ExternalRef, Name, ParseIdError, ProductId, UserId, VariantId};
use crate::order::{Address, AddressType, Addresses, Blocks, HoldEnd};
use crate::text::{self, Private, TextError};

/// The most lines an order may have.
pub const MAX_LINES: usize = 100;
/// The most units of one product, or variant, an order may have.
pub const MAX_QUANTITY: u32 = 10_000;
/// The longest notes, in characters.
pub const MAX_NOTES: usize = 2_000;
/// The most holds an order may be placed with.
pub const MAX_HOLDS: usize = 10;
/// The most entries of metadata an order may be placed with.
pub const MAX_METADATA: usize = 50;
const MAX_RETURN_URL: usize = 2_000;
const MAX_TOKEN: usize = 1_000;

/// A request to place an order. An empty optional text is the same as none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PlaceRequest {
    /// The customer: a UUID.
    pub user_id: String,
    /// The items that are ordered.
    pub items: Vec<ItemInput>,
    /// The address that it is sent to.
    pub shipping_address: Option<AddressInput>,
    /// The address that is billed; the shipping address if none.
    pub billing_address: Option<AddressInput>,
    /// The payment method, such as `card`.
    pub payment_method: String,
    /// The shipping method; empty if nothing needs shipping.
    pub shipping_method: String,
    /// The customer's own words.
    pub notes: Option<String>,
    /// The coupon to use.
    pub coupon_code: Option<String>,
    /// The token that the payment provider gave the client to pay with.
    pub payment_token: Option<String>,
    /// The address that the payment provider sends the customer back to.
    pub return_url: Option<String>,
    /// Order holds that it has from the moment it is accepted, such as for a review: nothing can be
    /// faster than these. Not for customers.
    pub holds: Vec<HoldInput>,
    /// Entries that programs keep with it, by name. Not for customers.
    pub metadata: BTreeMap<String, String>,
    /// The name it has elsewhere, such as in the channel it was sold in: 1 to 255 visible ASCII
    /// characters. Need not be unique. Not for customers.
    pub external_ref: Option<String>,
}

/// A hold of a [`PlaceRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HoldInput {
    /// Its kind; at most one of each.
    pub kind: String,
    /// The step that it blocks: `confirm`, `capture` or `ship`; confirming if empty.
    pub blocks: String,
    /// The time at which it lapses by itself; it ends only by being lifted if none.
    pub until: Option<HoldEnd>,
}

/// One line of a [`PlaceRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemInput {
    /// The product: a UUID.
    pub product_id: String,
    /// Its variant, if it has several: a UUID.
    pub variant_id: Option<String>,
    /// The number of units, 1..=10,000.
    pub quantity: i64,
}

/// An address of a [`PlaceRequest`]; see [`Address`].
#[derive(Clone, PartialEq, Eq, Default)]
#[allow(
    missing_docs,
    reason = "fields are named as on the address, and documented there"
)]
pub struct AddressInput {
    /// `SHIPPING` or `BILLING`, as the field it stands in, or empty.
    pub address_type: String,
    pub first_name: String,
    pub last_name: String,
    pub address_line1: String,
    pub address_line2: Option<String>,
    pub city: String,
    pub state: String,
    pub postal_code: String,
    pub country: String,
    pub phone: Option<String>,
    pub email: Option<String>,
}

impl fmt::Debug for AddressInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressInput([redacted])")
    }
}

impl fmt::Debug for PlaceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaceRequest")
            .field("user_id", &self.user_id)
            .field("items", &self.items)
            .field("payment_method", &self.payment_method)
            .field("shipping_method", &self.shipping_method)
            .field("coupon_code", &self.coupon_code)
            .field("holds", &self.holds)
            .field("external_ref", &self.external_ref)
            .finish_non_exhaustive()
    }
}

/// A [`PlaceRequest`] that could be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidPlace {
    /// The customer.
    pub user: UserId,
    /// The items, in the order they were asked for; one product may stand in several lines.
    pub items: Vec<ValidItem>,
    /// The addresses that it is sent to and that is billed.
    pub addresses: Addresses,
    /// The payment method.
    pub payment_method: Name,
    /// The shipping method.
    pub shipping_method: Option<Name>,
    /// The customer's own words.
    pub notes: Private<String>,
    /// The coupon to use.
    pub coupon: Option<Name>,
    /// The token that the payment provider gave the client to pay with.
    pub token: Private<String>,
    /// The address that the payment provider sends the customer back to.
    pub return_url: Private<String>,
    /// Order holds that it has from the moment it is accepted.
    pub holds: Vec<ValidHold>,
    /// Entries that programs keep with it; none if there is nothing.
    pub metadata: Private<BTreeMap<Name, String>>,
    /// The name it has elsewhere.
    pub external_ref: Option<ExternalRef>,
}

/// A hold of a [`ValidPlace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidHold {
    /// Its kind.
    pub kind: Name,
    /// The step that it blocks.
    pub blocks: Blocks,
    /// The time at which it lapses by itself.
    pub until: Option<HoldEnd>,
}

/// One line of a [`ValidPlace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidItem {
    /// The product.
    pub product: ProductId,
    /// Its variant.
    pub variant: Option<VariantId>,
    /// The number of units.
    pub quantity: u32,
}

impl PlaceRequest {
    /// The request with every text parsed, or [`Error::Invalid`] with everything that is wrong with
    /// it.
    ///
    /// A violation names the offending value, except where it is personal, secret, or looks like a
    /// card number.
    pub fn validate(&self) -> Result<ValidPlace, Error> {
        let mut check = Check::default();
        let user = check.id("user_id", &self.user_id);
        let items = check.items(&self.items);
        let shipping = match &self.shipping_address {
            Some(address) => check.address(AddressType::Shipping, address),
            None => check.refuse("shipping_address", "is missing: say where the order goes"),
        };
        let billing = self
            .billing_address
            .as_ref()
            .map(|address| check.address(AddressType::Billing, address));
        let payment_method = check.payment_method(&self.payment_method);
        let shipping_method = check.name("shipping_method", &self.shipping_method);
        let coupon = check.name(
            "coupon_code",
            self.coupon_code.as_deref().unwrap_or_default(),
        );
        let notes = given(&self.notes);
        check.text("notes", notes, |notes| text::check_note(notes, MAX_NOTES));
        let token = given(&self.payment_token);
        let return_url = given(&self.return_url);
        check.paying(token, return_url);
        let holds = check.holds(&self.holds);
        let metadata = check.metadata(&self.metadata);
        let external_ref = check.external_ref(given(&self.external_ref));
        // All of them are there unless something was refused.
        match (
            check.0.is_empty(),
            user,
            shipping,
            payment_method,
            shipping_method,
            coupon,
        ) {
            (
                true,
                Some(user),
                Some(shipping),
                Some(payment_method),
                Some(shipping_method),
                Some(coupon),
            ) => Ok(ValidPlace {
                user,
                items,
                addresses: Addresses {
                    billing: billing.flatten().unwrap_or_else(|| shipping.clone()),
                    shipping,
                },
                payment_method,
                shipping_method,
                notes: Private(notes.map(Into::into)),
                coupon,
                token: Private(token.map(Into::into)),
                return_url: Private(return_url.map(Into::into)),
                holds,
                metadata: Private(Some(metadata).filter(|m| !m.is_empty())),
                external_ref,
            }),
            _ => Err(Error::Invalid(check.0)),
        }
    }
}

/// Parses how something is to be paid that was ordered before, or [`Error::Invalid`] with
/// everything that is wrong with it.
pub(crate) fn check_paying(
    method: &str,
    token: Option<String>,
    return_url: Option<String>,
) -> Result<(Name, Private<String>, Private<String>), Error> {
    let mut check = Check::default();
    let method = check.payment_method(method);
    let (token, return_url) = (
        token.filter(|t| !t.is_empty()),
        return_url.filter(|url| !url.is_empty()),
    );
    check.paying(token.as_deref(), return_url.as_deref());
    match (check.0.is_empty(), method) {
        (true, Some(method)) => Ok((method, Private(token), Private(return_url))),
        _ => Err(Error::Invalid(check.0)),
    }
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Collects what is wrong.
#[derive(Default)]
struct Check(Vec<Violation>);

impl Check {
    fn wrong(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Violation::new(field, problem));
    }

    fn refuse<T>(&mut self, field: impl Into<String>, problem: impl Into<String>) -> Option<T> {
        self.wrong(field, problem);
        None
    }

    /// Notes the problem of a text, never the text.
    fn text(
        &mut self,
        field: impl Into<String>,
        text: Option<&str>,
        check: impl Fn(&str) -> Result<(), TextError>,
    ) {
        match text.map_or(Ok(()), check) {
            Ok(()) => {}
            Err(error @ TextError::TooLong { .. }) => {
                self.wrong(field, format!("{error}: shorten it"))
            }
            Err(error @ TextError::Forbidden(_)) => {
                self.wrong(field, format!("{error}: remove it"))
            }
            Err(error @ TextError::CardNumber) => {
                self.wrong(
                    field,
                    format!("{error}: remove it, card numbers are for the payment provider only"),
                );
            }
        }
    }

    fn id<T: FromStr<Err = ParseIdError>>(
        &mut self,
        field: impl Into<String>,
        text: &str,
    ) -> Option<T> {
        match text.parse() {
            Ok(id) => Some(id),
            Err(_) if text.is_empty() => self.refuse(
                field,
                "is missing: expected a UUID such as 3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11",
            ),
            Err(error) if may_echo(text) => self.refuse(field, error.to_string()),
            Err(error) => self.refuse(field, format!("is not a {}: {}", error.what, error.remedy)),
        }
    }

    /// `None` if it is not a name; an empty one is none.
    fn name(&mut self, field: &str, text: &str) -> Option<Option<Name>> {
        if text.is_empty() {
            return Some(None);
        }
        let found = self.0.len();
        self.text(field, Some(text), |text| {
            text::check_customer_line(text, usize::MAX)
        });
        if self.0.len() > found {
            None
        } else {
            self.id(field, text).map(Some)
        }
    }

    fn payment_method(&mut self, text: &str) -> Option<Name> {
        match self.name("payment_method", text) {
            Some(None) => self.refuse(
                "payment_method",
                "is missing: name a payment method, such as card",
            ),
            method => method.flatten(),
        }
    }

    fn items(&mut self, items: &[ItemInput]) -> Vec<ValidItem> {
        match items.len() {
            0 => self.wrong("items", "is empty: order at least one product"),
            n if n > MAX_LINES => self.wrong(
                "items",
                format!("has {n} lines: at most {MAX_LINES} are allowed"),
            ),
            _ => {}
        }
        let mut sums: BTreeMap<(ProductId, Option<VariantId>), u32> = BTreeMap::new();
        let mut valid = Vec::with_capacity(items.len().min(MAX_LINES));
        for (i, item) in items.iter().enumerate().take(MAX_LINES) {
            let product = self.id(format!("items[{i}].product_id"), &item.product_id);
            let variant = match given(&item.variant_id) {
                Some(variant) => self.id(format!("items[{i}].variant_id"), variant).map(Some),
                None => Some(None),
            };
            let quantity = u32::try_from(item.quantity)
                .ok()
                .filter(|quantity| (1..=MAX_QUANTITY).contains(quantity));
            if quantity.is_none() {
                self.wrong(
                    format!("items[{i}].quantity"),
                    format!("{} is not a quantity: expected 1 to 10,000", item.quantity),
                );
            }
            let (Some(product), Some(variant), Some(quantity)) = (product, variant, quantity)
            else {
                continue;
            };
            let sum = sums.entry((product, variant)).or_default();
            *sum += quantity;
            if *sum > MAX_QUANTITY {
                let problem = format!(
                    "makes {sum} units of this product with the lines before: at most 10,000 are allowed"
                );
                self.wrong(format!("items[{i}].quantity"), problem);
            }
            valid.push(ValidItem {
                product,
                variant,
                quantity,
            });
        }
        valid
    }

    fn address(&mut self, kind: AddressType, input: &AddressInput) -> Option<Address> {
        let found = self.0.len();
        let AddressInput {
            address_type,
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = input;
        let at = |name: &str| match kind {
            AddressType::Shipping => format!("shipping_address.{name}"),
            AddressType::Billing => format!("billing_address.{name}"),
        };
        if !address_type.is_empty() && address_type != kind.as_str() {
            let value = if may_echo(address_type) {
                echo(address_type)
            } else {
                "it".into()
            };
            self.wrong(
                at("address_type"),
                format!("{value} is not the type of this address: expected {kind} or nothing"),
            );
        }
        let required = [
            ("first_name", first_name),
            ("last_name", last_name),
            ("address_line1", address_line1),
            ("city", city),
            ("country", country),
        ];
        for (name, text) in required {
            if text.trim().is_empty() {
                self.wrong(at(name), "is missing: an address needs it");
            }
        }
        // Not every country has states or postal codes.
        let lines = [
            ("first_name", Some(first_name.as_str()), 100),
            ("last_name", Some(last_name.as_str()), 100),
            ("address_line1", Some(address_line1.as_str()), 255),
            ("address_line2", given(address_line2), 255),
            ("city", Some(city.as_str()), 100),
            ("state", Some(state.as_str()), 100),
            ("postal_code", Some(postal_code.as_str()), 20),
            ("country", Some(country.as_str()), 100),
            ("email", given(email), 255),
        ];
        for (name, text, max) in lines {
            self.text(at(name), text, |text| text::check_customer_line(text, max));
        }
        if given(email).is_some_and(|email| !email.contains('@')) {
            self.wrong(
                at("email"),
                "is not an e-mail address: expected something like name@example.org",
            );
        }
        if let Some(phone) = given(phone) {
            self.phone(at("phone"), phone);
        }
        (self.0.len() == found).then(|| Address {
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            address_line1: address_line1.clone(),
            address_line2: given(address_line2).map(Into::into),
            city: city.clone(),
            state: state.clone(),
            postal_code: postal_code.clone(),
            country: country.clone(),
            phone: given(phone).map(Into::into),
            email: given(email).map(Into::into),
        })
    }

    fn paying(&mut self, token: Option<&str>, return_url: Option<&str>) {
        if token.is_some_and(|token| {
            token.len() > MAX_TOKEN || !token.chars().all(|c| c.is_ascii_graphic())
        }) {
            self.wrong(
                "payment_token",
                "is not a payment token: expected at most 1,000 visible ASCII characters",
            );
        }
        if return_url.is_some_and(|url| !is_web_address(url)) {
            self.wrong("return_url", "is not a web address: expected http:// or https:// and a host, at most 2,000 characters");
        }
    }

    fn phone(&mut self, field: String, phone: &str) {
        let digits = phone.chars().filter(char::is_ascii_digit).count();
        if phone.len() > 20
            || digits == 0
            || !phone
                .chars()
                .all(|c| c.is_ascii_digit() || " +-().x".contains(c))
        {
            self.wrong(
                field,
                "is not a telephone number: expected at most 20 digits, spaces and + - ( ) . x",
            );
        } else if !may_echo(phone) && (digits > 15 || !phone.starts_with('+')) {
            // One in ten long numbers passes the Luhn check by chance. An international number has
            // a + and at most 15 digits (ITU-T E.164), so it need not pass for a card's.
            self.wrong(field, "looks like a payment card number: write a telephone number with + and its country code");
        }
    }
}

/// Returns whether a text may stand in an error: not if it may be a card number, whatever stands
/// between the digits.
fn may_echo(value: &str) -> bool {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    text::check_note(&digits, usize::MAX).is_ok()
}

fn echo(value: &str) -> String {
    format!("{:?}", value.chars().take(64).collect::<String>())
}

/// Returns whether it is an absolute HTTP URL (RFC 3986) without user information, which would only
/// hide where it leads.
fn is_web_address(url: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let (start, rest) = url.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = rest else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let is_name = !host.is_empty()
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    url.len() <= MAX_RETURN_URL
        && rest
            .chars()
            .all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c))
        && (is_name
            || in_brackets.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()))
        && (port.is_empty() || port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests;
