//! Orders, journal rows, the feed, quotes and errors as JSON, and requests from it: one spelling
//! for whoever serves HTTP, writes files or prints (feature `json`).
//!
//! Amounts are decimal texts with the currency's decimals (`"12.50"`), times are RFC 3339 in UTC,
//! ids and numbers are texts, statuses have the spelling that they have everywhere. Field names of
//! orders and requests are those of `proto/order.proto`. Payment tokens are never among them.
//!
//! ```
//! use order_core::json::{ErrorView, OrderView, request};
//! use order_core::{error::Error, order::Order};
//!
//! # fn main() {
//! // The body of a request; mistakes are named with line, column and path.
//! let wrong = request("the body", r#"{"userId": "u", "items": [{"qty": 1}]}"#).unwrap_err();
//! assert_eq!(
//!     wrong.to_string(),
//!     "the body:1:32: items[0].qty: unknown field of OrderItemInput: expected one of productId, \
//!      variantId, quantity"
//! );
//!
//! // The bodies of answers.
//! fn created(order: &Order) -> String {
//!     serde_json::to_string(&OrderView::of(order)).expect("views are plain")
//! }
//! fn failed(error: &Error) -> (u16, String) {
//!     let body = serde_json::to_string(&ErrorView::of(error)).expect("views are plain");
//!     (error.kind().http_status(), body)
//! }
//! # let _ = (created, failed);
//! # }
//! ```

mod error;
mod event;
mod life;
mod order;
mod quote;
mod request;
mod rows;
mod strict;

pub use error::{ErrorView, JsonError, RejectionView};
pub use life::{CreditView, DisputeView, EditView, ReturnView, ShipmentView, UnmatchedView};
pub use order::OrderView;
pub use quote::QuoteView;
pub use request::{address, request};
pub use rows::{FeedView, HistoryView, PageView, UnreadableView};

use crate::money::{Currency, Minor, Money};
use crate::time::Timestamp;

/// Returns the amount as a decimal text with its currency's decimals.
pub fn amount(minor: Minor, currency: Currency) -> String {
    Money::new(minor, currency).amount().to_string()
}

/// Returns the time in RFC 3339, if there is one.
pub fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|t| t.to_string())
}
