//! Orders as rows: what every store would write again, without a database. For whoever writes a
//! store.
//!
//! - [`TABLES`] are the tables with their columns; a store makes its schema and its statements of
//!   them.
//! - [`Changes::of`] a changeset are the rows that it puts, deletes and appends. A store works them
//!   out before it asks its database, binds [`Value`]s, and looks at no record itself.
//! - [`check`] is clause 3 of the contract: whether a changeset applies to what the store knows.
//! - [`WorkChange::apply`](crate::store::WorkChange::apply) is what becomes of a work item.
//! - [`read`] makes records of rows again, and [`StoredOrder`] an order of all of its rows.
//! - [`judge`] says who fails when changesets that share a transaction do.
//!
//! Whatever stands in a database, reading never panics: a value that is damaged, or that a newer
//! program has written, gives [`Unreadable`], which concerns its order alone.

mod addresses;
mod changes;
mod check;
mod edits;
mod goods;
mod group;
mod journal;
mod lines;
mod money;
mod order;
mod read;
mod redemptions;
mod table;
#[cfg(all(test, feature = "testkit"))]
mod tests;
mod work;
mod write;

pub use addresses::{Entry, ORDER_ADDRESSES, ORDER_METADATA, StoredAddress};
pub use changes::{Changes, Gone, Put, check_shape};
pub use check::{Facts, Prefetched, Tally, Verdict, check};
pub use edits::ORDER_EDITS;
pub use goods::{ORDER_RESERVATIONS, ORDER_RETURNS, ORDER_SHIPMENTS};
pub use group::{GroupVerdict, Step, error_again, judge, judge_rest, with_causes};
pub use journal::ORDER_STATUS_HISTORY;
pub use lines::ORDER_ITEMS;
pub use money::{ORDER_CREDITS, ORDER_DISPUTES, ORDER_PAYMENT_TRANSACTIONS};
pub use order::{ORDERS, StoredOrder};
pub use read::Stored;
pub use redemptions::{ORDER_REDEMPTION_COUNTS, ORDER_REDEMPTIONS};
pub use table::{Column, Kind, Table, Unreadable, Value};
pub use work::{ORDER_WORK, read_work, tries_json};
pub use write::Row;

use read::Columns;
use write::Cells;

use crate::order::Order;

/// Every table, by its number.
pub const TABLES: &[&Table] = &[
    ORDERS,
    ORDER_ITEMS,
    ORDER_ADDRESSES,
    ORDER_PAYMENT_TRANSACTIONS,
    ORDER_RESERVATIONS,
    ORDER_SHIPMENTS,
    ORDER_RETURNS,
    ORDER_CREDITS,
    ORDER_DISPUTES,
    ORDER_EDITS,
    ORDER_METADATA,
    ORDER_STATUS_HISTORY,
    ORDER_REDEMPTIONS,
    ORDER_WORK,
    ORDER_REDEMPTION_COUNTS,
];

/// The tables whose rows make an order, beside its own row: see [`StoredOrder::add`]. In [`TABLES`]
/// they stand between the order's own and its journal's.
pub const CHILDREN: &[&Table] = TABLES
    .split_at(ORDER_STATUS_HISTORY.n)
    .0
    .split_at(ORDERS.n + 1)
    .1;

/// Something that a row of its table says. Implemented here alone.
pub trait Record: Sized {
    /// The table.
    const TABLE: &'static Table;
    #[doc(hidden)]
    fn take<R: Stored + ?Sized>(columns: &mut Columns<'_, R>) -> Result<Self, Unreadable>;
}

/// A record of an order that has a number within it, by which its row is found again.
trait Child: Record {
    /// The number of the one that stands in place `at`, counted from 0.
    fn number(&self, at: usize) -> u32;
    /// Its row, numbered `n`.
    fn put(&self, order: &Order, n: u32, row: &mut Cells);
}

/// The record that a row says, which has all columns of [`Record::TABLE`], in their order, from its
/// column `from` on.
///
/// # Errors
///
/// If a value is not one that the record can have.
pub fn read<T: Record>(row: &(impl Stored + ?Sized), from: usize) -> Result<T, Unreadable> {
    T::take(&mut Columns::of(row, from, T::TABLE))
}
