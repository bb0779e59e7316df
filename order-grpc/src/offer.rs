//! The five services themselves, over any [`Clients`]: how the embedded shop becomes five peers at
//! the other end of a socket.
//!
//! Payments, stock and notifications speak the contracts of `proto/`, products and users those of
//! the platform. [`serve`] answers all of them on one listener, and [`Faults`] make them fail on
//! request.

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
use crate::services::{AVAILABLE, LOST, NOT_DONE, RESERVATION, SERVICES_DOMAIN, plain};

/// The parts that the services are made of. Clones share them.
struct Offer<C> {
    clients: Arc<C>,
    runtime: Arc<dyn Runtime>,
    /// The name they call themselves by.
    name: Arc<str>,
}

impl<C> Clone for Offer<C> {
    fn clone(&self) -> Self {
        let Offer {
            clients,
            runtime,
            name,
        } = self;
        Offer {
            clients: Arc::clone(clients),
            runtime: Arc::clone(runtime),
            name: Arc::clone(name),
        }
    }
}

impl<C> fmt::Debug for Offer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<C: Clients> Offer<C> {
    /// From when on a request must not take effect any more: once its caller has stopped waiting.
    fn deadline<T>(&self, request: &Request<T>) -> CallDeadline {
        let headers = request.metadata().as_ref();
        let at = timeout(headers)
            .ok()
            .flatten()
            .map(|within| self.runtime.monotonic().saturating_add(within));
        at.map_or(CallDeadline::NEVER, |at| {
            CallDeadline::at(Arc::clone(&self.runtime), at)
        })
    }
}

/// Turns an error into a status in such a way that our own clients understand just what was said.
fn status_of(error: CallError) -> Status {
    match error {
        CallError::Refused {
            code,
            available,
            reservation_lost,
        } => {
            let lost = reservation_lost.then(|| (RESERVATION.to_owned(), LOST.to_owned()));
            let metadata: HashMap<String, String> = available
                .map(|units| (AVAILABLE.to_owned(), units.to_string()))
                .into_iter()
                .chain(lost)
                .collect();
            let kind = if code == KEY_REUSED {
                Code::AlreadyExists
            } else {
                Code::FailedPrecondition
            };
            let details = ErrorDetails::with_error_info(&code, SERVICES_DOMAIN, metadata);
            Status::with_error_details(kind, plain(&code), details)
        }
        CallError::NotDone { message } => {
            let details = ErrorDetails::with_error_info(NOT_DONE, SERVICES_DOMAIN, HashMap::new());
            Status::with_error_details(Code::Unavailable, plain(&message), details)
        }
        CallError::Unknown {
            message,
            malformed: false,
        } => Status::internal(plain(&message)),
        CallError::Unknown {
            message,
            malformed: true,
        } => Status::data_loss(plain(&message)),
    }
}

/// The code with which a service refuses a key that comes back with other content.
const KEY_REUSED: &str = "KEY_REUSED";

#[cfg(test)]
mod tests {
    use order_core::runtime::{SystemClock, TokioRuntime};
    use order_core::services::DynClients;
    use order_store_sqlite::shop::{Catalogue, Shop};

    use super::*;
    use crate::proto::payment::payment_service_server::PaymentService as _;
    use crate::proto::payment::{AttemptRequest, GetPaymentRequest};
    use crate::services::Failure;

    async fn offer() -> Offer<DynClients> {
        let shop = Shop::in_memory(Arc::new(SystemClock)).unwrap();
        let catalogue =
            "currency = \"USD\"\npayment_method = [{ method = \"CARD\", outcome = \"approve\" }]";
        shop.load(&Catalogue::parse(catalogue, "shop.toml").unwrap())
            .await
            .unwrap();
        let clients = Arc::new(DynClients::all(Arc::new(shop)));
        Offer {
            clients,
            runtime: Arc::new(TokioRuntime::default()),
            name: "shop".into(),
        }
    }

    fn charge() -> AttemptRequest {
        let id = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";
        AttemptRequest {
            idempotency_key: id.into(),
            order_id: id.into(),
            order_number: order_core::number::OrderNumber::new(1, order_core::ids::Bucket::MAX)
                .to_string(),
            user_id: id.into(),
            amount: "5.00".into(),
            currency: "USD".into(),
            method: "CARD".into(),
            ..AttemptRequest::default()
        }
    }

    #[tokio::test]
    async fn what_its_caller_has_stopped_waiting_for_is_not_done() {
        let offer = offer().await;
        let mut late = Request::new(charge());
        late.metadata_mut()
            .insert("grpc-timeout", "0m".parse().unwrap());
        let error = CallError::from(Failure::Answered(
            offer.process_payment(late).await.unwrap_err(),
        ));
        assert!(matches!(error, CallError::NotDone { .. }), "{error}");
        let charge = charge();
        let asked = GetPaymentRequest {
            idempotency_key: charge.idempotency_key,
            order_id: charge.order_id,
            reference: "".into(),
        };
        let found = offer
            .get_payment(Request::new(asked))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(found.payment, None);
    }

    #[tokio::test]
    async fn everything_that_is_wrong_with_a_request_is_told() {
        let offer = offer().await;
        let wrong = AttemptRequest {
            amount: "-5".into(),
            order_id: "7".into(),
            user_id: String::new(),
            ..charge()
        };
        let status = offer
            .process_payment(Request::new(wrong))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let fields = status.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<&str> = fields
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(fields, ["order_id", "user_id", "amount"]);
        offer.process_payment(Request::new(charge())).await.unwrap();
    }

    #[test]
    fn our_clients_understand_what_was_said() {
        for said in [
            CallError::refused("EXCEEDS_HELD"),
            CallError::refused(KEY_REUSED),
            CallError::shortage("INSUFFICIENT_STOCK", 3),
            CallError::reservation_lost("RESERVATION_EXPIRED"),
            CallError::not_done("locked"),
            CallError::unknown("the disk failed"),
            CallError::malformed("two answers"),
        ] {
            let understood = CallError::from(Failure::Answered(status_of(said.clone())));
            let same = match (&said, &understood) {
                (CallError::Refused { .. }, _) => format!("{said:?}") == format!("{understood:?}"),
                (CallError::NotDone { message }, CallError::NotDone { message: heard }) => {
                    heard.ends_with(message.as_str())
                }
                (
                    CallError::Unknown { message, malformed },
                    CallError::Unknown {
                        message: heard,
                        malformed: understood,
                    },
                ) => malformed == understood && heard.ends_with(message.as_str()),
                _ => false,
            };
            assert!(same, "{said:?} was understood as {understood:?}");
        }
    }
}
