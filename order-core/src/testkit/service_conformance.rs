//! The contracts of the service clients as tests, which any adapter can run against a mock or a
//! sandbox.
//!
//! Every case stands in one list, under the number of the clause of [`PaymentService`] or
//! [`InventoryService`] that it tests, and a macro makes one `#[test]` of each:
//!
//! ```text
//! struct Acme { … }                                  // the mock or sandbox, and how to reach it
//! impl Sandbox for Acme { … }                        // what can be provoked there: a lost answer, a day that passes
//! impl PaymentFactory for Acme { … }                 // makes the adapter under test
//! order_core::payment_conformance_tests!(Acme::new(), without [look_up, pass]);
//! ```
//!
//! [`payment_conformance_tests!`], [`inventory_conformance_tests!`], and the small ones
//! [`product_conformance_tests!`], [`user_conformance_tests!`] and
//! [`notification_conformance_tests!`]. `without` names what the service does not claim and what
//! the sandbox cannot provoke: those tests are ignored, with the reason. A test whose needs are not
//! met and not named there fails, and so does one that says the list is honest: what is left out
//! must be impossible. Nothing passes by being skipped.
//!
//! A failed test prints the clause, what was claimed and what was seen. Without macros, `examine`
//! runs a whole suite and gives each case's verdict, for a report of one's own.
//!
//! [`PaymentService`]: crate::services::PaymentService
//! [`InventoryService`]: crate::services::InventoryService
//! [`payment_conformance_tests!`]: crate::payment_conformance_tests
//! [`inventory_conformance_tests!`]: crate::inventory_conformance_tests
//! [`product_conformance_tests!`]: crate::product_conformance_tests
//! [`user_conformance_tests!`]: crate::user_conformance_tests
//! [`notification_conformance_tests!`]: crate::notification_conformance_tests

pub mod inventory;
pub mod notification;
pub mod payment;
pub mod product;
mod sandbox;
mod suite;
pub mod user;
mod verdict;

pub use inventory::InventoryFactory;
pub use notification::NotificationFactory;
pub use payment::{Means, PaymentFactory};
pub use product::ProductFactory;
pub use sandbox::Sandbox;
pub use suite::Case;
pub use user::UserFactory;
pub use verdict::{Failure, Verdict};

use sandbox::{drop_after, over, provoked, timed};
use suite::suite;
use verdict::{broken, ensure, missing, said, said_error};

#[doc(hidden)]
pub use suite::{judge, left_out};
