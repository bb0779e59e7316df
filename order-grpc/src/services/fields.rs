//! Values that the contracts of payments, stock and notifications have in common, there and back.

use std::time::Duration;

use order_core::error::Violation;
use order_core::ids::ParseIdError;
use order_core::money::{Currency, Money};
use order_core::order::Address;
use order_core::services::CallError;
use order_core::text::Private;
use order_core::time::Timestamp;
use prost_types::Duration as WireDuration;
use tonic::Status;
use uuid::Uuid;

use crate::proto::{payment, stock};
use crate::status::invalid;

/// A duration on the wire; the longest there is if it is longer than that.
pub(crate) fn to_wire(duration: Duration) -> WireDuration {
    WireDuration::try_from(duration).unwrap_or(WireDuration {
        seconds: i64::MAX,
        nanos: 999_999_999,
    })
}

/// A duration from the wire; nothing for a negative one, since what was over is over.
pub(crate) fn from_wire(duration: WireDuration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::ZERO)
}

/// A time from the wire.
pub(crate) fn time_from_wire(time: prost_types::Timestamp) -> Result<Timestamp, CallError> {
    let prost_types::Timestamp { seconds, nanos } = time;
    let micros = seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(nanos) / 1_000));
    micros
        .map(Timestamp::from_micros)
        .ok_or_else(|| CallError::malformed(format!("{seconds} s is not a time")))
}

/// An empty text for none.
pub(crate) fn or_empty(text: Option<&impl ToString>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// None for an empty text.
pub(crate) fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

macro_rules! addresses {
    ($($package:ident $to:ident $from:ident),*) => {$(
        /// An address on the wire, if there still is one.
        pub(crate) fn $to(address: &Private<Address>) -> Option<$package::Address> {
            let Address {
                first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email
            } = address.get()?.clone();
            let (address_line2, phone, email) =
                (address_line2.unwrap_or_default(), phone.unwrap_or_default(), email.unwrap_or_default());
            Some($package::Address {
                first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email
            })
        }

        /// An address from the wire.
        pub(crate) fn $from(address: Option<$package::Address>) -> Private<Address> {
            Private(address.map(|address| {
                let $package::Address {
                    first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email
                } = address;
                let (address_line2, phone, email) = (non_empty(address_line2), non_empty(phone), non_empty(email));
                Address { first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email }
            }))
        }

        impl std::fmt::Debug for $package::Address {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("Address([redacted])")
            }
        }
    )*};
}

addresses! { payment payment_address from_payment_address, stock stock_address from_stock_address }

impl std::fmt::Debug for payment::AttemptRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttemptRequest")
            .field("idempotency_key", &self.idempotency_key)
            .field("order_id", &self.order_id)
            .field("amount", &self.amount)
            .field("currency", &self.currency)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// Reads the fields of a request, and gathers everything that is wrong with them.
#[derive(Default)]
pub(crate) struct Fields {
    wrong: Vec<Violation>,
}

impl Fields {
    fn add(&mut self, field: &'static str, problem: impl Into<String>) {
        self.wrong.push(Violation::new(field, problem));
    }

    /// A value that has to be there.
    pub(crate) fn read<T: std::str::FromStr<Err = ParseIdError>>(
        &mut self,
        field: &'static str,
        text: &str,
    ) -> Option<T> {
        let ParseIdError { what, remedy, .. } = match text.parse() {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let problem = if text.is_empty() {
            format!("is missing: {remedy}")
        } else {
            format!("is not a valid {what}: {remedy}")
        };
        self.add(field, problem);
        None
    }

    /// A value that may be missing: `Some(None)` then, `None` if it makes no sense.
    pub(crate) fn read_if_any<T>(&mut self, field: &'static str, text: &str) -> Option<Option<T>>
    where
        T: std::str::FromStr<Err = ParseIdError>,
    {
        if text.is_empty() {
            Some(None)
        } else {
            self.read(field, text).map(Some)
        }
    }

    /// A key.
    pub(crate) fn key(&mut self, field: &'static str, text: &str) -> Option<Uuid> {
        let key = text.parse().ok();
        if key.is_none() {
            self.add(
                field,
                if text.is_empty() {
                    "is missing: expected a UUID"
                } else {
                    "is not a UUID"
                },
            );
        }
        key
    }

    /// An amount above zero.
    pub(crate) fn money(&mut self, amount: &str, currency: &str) -> Option<Money> {
        let currency: Currency = match currency.parse() {
            Ok(currency) => currency,
            Err(error) => {
                self.add("currency", error.to_string());
                return None;
            }
        };
        match Money::parse(amount, currency) {
            Ok(money) if money.minor > 0 => return Some(money),
            Ok(_) => self.add("amount", format!("{amount:?} is not above zero")),
            Err(error) => self.add("amount", error.to_string()),
        }
        None
    }

    /// A time that may be missing: `Some(None)` then, `None` if it makes no sense.
    pub(crate) fn time_if_any(
        &mut self,
        field: &'static str,
        time: Option<prost_types::Timestamp>,
    ) -> Option<Option<Timestamp>> {
        let read = time.map(time_from_wire).transpose();
        if read.is_err() {
            self.add(field, "is not a time: expected seconds since 1970");
        }
        read.ok()
    }

    /// A number of units.
    pub(crate) fn quantity(&mut self, quantity: u32) -> Option<u32> {
        if quantity == 0 {
            self.add("quantity", "is 0: expected at least 1");
        }
        (quantity > 0).then_some(quantity)
    }

    /// A part that has to be there.
    pub(crate) fn required<T>(&mut self, field: &'static str, part: Option<T>) -> Option<T> {
        if part.is_none() {
            self.add(field, "is missing");
        }
        part
    }

    /// Tells whether nothing was found wrong.
    pub(crate) fn is_sound(&self) -> bool {
        self.wrong.is_empty()
    }

    /// INVALID_ARGUMENT with everything that was found wrong.
    pub(crate) fn refused(&self) -> Status {
        invalid(&self.wrong)
    }
}
