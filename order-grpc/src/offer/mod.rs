//! The five services themselves, over any [`Clients`]: how the embedded shop becomes five peers at the other end of a socket.
//!
//! Payments, stock and notifications speak the contracts of `proto/`, products and users those of the platform. [`serve`] answers all of
//! them on one listener, and [`Faults`] make them fail on request.

mod directory;
mod fault;
mod notification;
mod payment;
mod serving;
mod stock;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use order_core::runtime::Runtime;
use order_core::services::{CallDeadline, CallError, Clients};
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

pub use fault::{Fault, FaultRule, Faults, ParseFaultError};
pub use serving::{OfferOptions, serve};

use crate::limits::timeout;
use crate::services::{AVAILABLE, NOT_DONE, SERVICES_DOMAIN, plain};

/// What the services are made of. Clones share it.
struct Offer<C> {
    clients: Arc<C>,
    runtime: Arc<dyn Runtime>,
    /// What they call themselves.
    name: Arc<str>,
}

impl<C> Clone for Offer<C> {
    fn clone(&self) -> Self {
        let Offer { clients, runtime, name } = self;
        Offer { clients: Arc::clone(clients), runtime: Arc::clone(runtime), name: Arc::clone(name) }
    }
}

impl<C> fmt::Debug for Offer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<C: Clients> Offer<C> {
    /// From when on a request must not take effect any more: once its caller has stopped waiting.
    fn deadline<T>(&self, request: &Request<T>) -> CallDeadline {
        let headers = request.metadata().as_ref();
        let at = timeout(headers).map(|within| self.runtime.monotonic().saturating_add(within));
        at.map_or(CallDeadline::NEVER, |at| CallDeadline::at(Arc::clone(&self.runtime), at))
    }
}

/// What a caller is told, so that our own clients understand just what was said.
fn status_of(error: CallError) -> Status {
    match error {
        CallError::Refused { code, available } => {
            let metadata: HashMap<String, String> =
                available.map(|units| (AVAILABLE.to_owned(), units.to_string())).into_iter().collect();
            let kind = if code == KEY_REUSED { Code::AlreadyExists } else { Code::FailedPrecondition };
            let details = ErrorDetails::with_error_info(&code, SERVICES_DOMAIN, metadata);
            Status::with_error_details(kind, plain(&code), details)
        }
        CallError::NotDone { message } => {
            let details = ErrorDetails::with_error_info(NOT_DONE, SERVICES_DOMAIN, HashMap::new());
            Status::with_error_details(Code::Unavailable, plain(&message), details)
        }
        CallError::Unknown { message, malformed: false } => Status::internal(plain(&message)),
        CallError::Unknown { message, malformed: true } => Status::data_loss(plain(&message)),
    }
}

/// The code with which a service refuses a key that comes back with other content.
const KEY_REUSED: &str = "KEY_REUSED";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Failure;

    #[test]
    fn our_clients_understand_what_was_said() {
        for said in [
            CallError::refused("EXCEEDS_HELD"),
            CallError::refused(KEY_REUSED),
            CallError::Refused { code: "INSUFFICIENT_STOCK".into(), available: Some(3) },
            CallError::not_done("locked"),
            CallError::unknown("the disk failed"),
            CallError::malformed("two answers"),
        ] {
            let understood = CallError::from(Failure::Answered(status_of(said.clone())));
            let same = match (&said, &understood) {
                (CallError::Refused { .. }, _) => format!("{said:?}") == format!("{understood:?}"),
                (CallError::NotDone { message }, CallError::NotDone { message: heard }) => heard.ends_with(message.as_str()),
                (CallError::Unknown { message, malformed }, CallError::Unknown { message: heard, malformed: understood }) => {
                    malformed == understood && heard.ends_with(message.as_str())
                }
                _ => false,
            };
            assert!(same, "{said:?} was understood as {understood:?}");
        }
    }
}
