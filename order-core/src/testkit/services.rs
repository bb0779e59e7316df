//! Services in memory, each with a ledger of its own that says what really happened, and a wrapper
//! that makes any implementation fail on request.

mod catalogue;
mod fault;
mod inventory;
mod notification;
mod payment;
mod scripted;

pub use catalogue::MemoryCatalogue;
pub use fault::{Fault, Method, ParseFaultError};
pub use inventory::{LedgerReservation, LedgerReservationState, MemoryInventory, StockLevel};
pub use notification::MemoryNotifications;
pub use payment::{LedgerPayment, Measure, MemoryPayments, Outcome};
pub use scripted::Scripted;
