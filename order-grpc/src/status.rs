//! The one table from what can go wrong to what a caller is told: a code, and details that machines
//! can read (`google.rpc.ErrorInfo` with a stable reason, `BadRequest`, `PreconditionFailure`,
//! `RetryInfo`).
//!
//! What a service or the store said about itself is for the log alone: it may hold addresses, paths
//! and statements.

use std::collections::HashMap;
use std::time::Duration;

use order_core::error::{Error, Rejection, RejectionReason, UsedFor, Violation};
use order_core::number::OrderNumber;
use order_core::order::Shortage;
use order_core::store::StoreErrorKind;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt as _};

use crate::limits::{CALL_WITHIN, RETRY_AFTER};
use crate::services::Serving;

/// The domain of every `google.rpc.ErrorInfo` that this server sends.
pub const DOMAIN: &str = "order";

/// Status and details travel in HTTP/2 trailers, of which common clients take 8 KiB; base 64 makes
/// four bytes of three. A list that does not fit ends with how much was left out.
const DETAILS_MAX: usize = 4 * 1024;
const MESSAGE_CHARS_MAX: usize = 600;
/// The trailer that says in milliseconds when to try again.
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";
/// The time after which to try a service or a store again that could not be used.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(1);

/// Returns what a caller is told of `error`.
pub fn status_of(error: &Error) -> Status {
    let message = error.to_string();
    match error {
        Error::NotFound { what, id } => {
            let key = if *what == "order" && OrderNumber::looks_like(id) {
                "order_number".into()
            } else {
                format!("{what}_id")
            };
            Refusal::new(Code::NotFound, format!("{}_NOT_FOUND", what.to_uppercase()))
                .with(key, id)
                .status(message)
        }
        Error::Rejected(rejection) => rejected(rejection),
        Error::Invalid(violations) => invalid(violations),
        Error::Conflict {
            order,
            expected,
            actual,
        } => Refusal::new(Code::Aborted, "VERSION_CONFLICT")
            .with("order_id", order)
            .with("expected_version", expected)
            .with("order_version", actual)
            .status(message),
        Error::KeyReused { key: _, used } => {
            let refusal = Refusal::new(Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
            match used {
                None => refusal,
                Some(UsedFor { command, seq, at }) => refusal
                    .with("command", command)
                    .with("row", seq)
                    .with("at", at),
            }
            .status(message)
        }
        Error::Forbidden { action } => forbidden(action),
        Error::Service { service, source: _ } => {
            Refusal::new(Code::Unavailable, "SERVICE_UNAVAILABLE")
                .with("service", service)
                .retry(UNAVAILABLE_RETRY)
                .status(format!("{message}: nothing was accepted, try again later"))
        }
        Error::Store(store) => of_store(store.kind),
    }
}

fn of_store(kind: StoreErrorKind) -> Status {
    match kind {
        StoreErrorKind::Unavailable => Refusal::new(Code::Unavailable, "STORE_UNAVAILABLE")
            .retry(UNAVAILABLE_RETRY)
            .status("the store is not available: nothing was changed, try again later"),
        // Without advice to try again: a client that does so blindly, and without a key, may place
        // a second order.
        StoreErrorKind::Unknown => Refusal::new(Code::Unavailable, "OUTCOME_UNKNOWN")
            .status("it is not known whether it happened: repeat it under the same idempotency-key, or look"),
        StoreErrorKind::Full => {
            Refusal::new(Code::ResourceExhausted, "STORE_FULL").status("the store has no room: nothing was changed")
        }
        StoreErrorKind::Corrupt => {
            Refusal::new(Code::DataLoss, "STORE_CORRUPT").status("what is stored cannot be read: an operator must look")
        }
        StoreErrorKind::Misconfigured => {
            Refusal::new(Code::Unavailable, "STORE_MISCONFIGURED").status("the store is not set up: an operator must look")
        }
        StoreErrorKind::InvalidQuery => Refusal::new(Code::InvalidArgument, "INVALID_REQUEST").status("the query makes no sense"),
        StoreErrorKind::Vetoed => Refusal::new(Code::FailedPrecondition, "VETOED")
            .status("the program that keeps the orders refused it: nothing was changed"),
    }
}

/// Tells what a rule refused. The code is the same for all of them, and each has a kind of
/// precondition that failed.
fn rejected(rejection: &Rejection) -> Status {
    let Rejection {
        reason,
        message,
        order,
        shortages,
        short,
        possible,
    } = rejection;
    let (code, kind) = rejection_class(*reason);
    let mut refusal = Refusal::new(code, reason.as_str());
    let mut subject = String::new();
    if let Some((id, number)) = order {
        refusal = refusal.with("order_id", id).with("order_number", number);
        subject = format!("order/{number}");
    }
    if !possible.is_empty() {
        refusal = refusal.with("possible", possible.join(", "));
    }
    if let Some(short) = short {
        refusal = refusal.with("short", short);
    }
    let mut failed = vec![PreconditionViolation::new(
        kind,
        subject,
        shortened(message),
    )];
    // A SKU is no key of `ErrorInfo.metadata` (AIP-193), so each shortage is a violation of its
    // own.
    if !shortages.is_empty() {
        refusal = refusal.with("shortages", shortages.len());
    }
    let mut room = DETAILS_MAX;
    for (
        n,
        Shortage {
            sku,
            requested,
            available,
        },
    ) in shortages.iter().enumerate()
    {
        let said = match available {
            Some(available) => format!("requested {requested}, available {available}"),
            None => format!("requested {requested}"),
        };
        room = room.saturating_sub(sku.as_str().len() + said.len() + 32);
        if room == 0 {
            refusal = refusal.with("shortages_left_out", shortages.len() - n);
            break;
        }
        failed.push(PreconditionViolation::new(kind, format!("sku/{sku}"), said));
    }
    refusal.details.set_precondition_failure(failed);
    refusal.status(message.clone())
}

const fn rejection_class(reason: RejectionReason) -> (Code, &'static str) {
    let kind = match reason {
        RejectionReason::IllegalTransition
        | RejectionReason::TooLate
        | RejectionReason::OrderExpired
        | RejectionReason::NotReady
        | RejectionReason::NoSuchRecord
        | RejectionReason::EditUnderWay
        | RejectionReason::EditDiscarded => "STATE",
        RejectionReason::NotOpen | RejectionReason::NotReturnable => "UNITS",
        RejectionReason::HoldExists | RejectionReason::NoSuchHold | RejectionReason::OnHold => {
            "HOLD"
        }
        RejectionReason::ProductUnpublished | RejectionReason::PriceUnusable => "PRODUCT",
        RejectionReason::UserNotActive => "USER",
        RejectionReason::CouponInvalid
        | RejectionReason::CouponMinimum
        | RejectionReason::CouponExhausted => "COUPON",
        RejectionReason::TotalChanged => "PRICE",
        RejectionReason::OutOfStock | RejectionReason::StockNotHeld => "STOCK",
        RejectionReason::PaymentDeclined
        | RejectionReason::NotCovered
        | RejectionReason::CreditTooLarge
        | RejectionReason::NothingToPay
        | RejectionReason::PaymentUnderWay => "PAYMENT",
        RejectionReason::OtherTaxPlace => "ADDRESS",
    };
    (Code::FailedPrecondition, kind)
}

/// A request that could never be right, with everything that is wrong with it.
pub(crate) fn invalid(violations: &[Violation]) -> Status {
    let mut room = DETAILS_MAX;
    let mut fields = Vec::new();
    for (n, Violation { field, problem }) in violations.iter().enumerate() {
        let field = on_the_wire(field);
        room = room.saturating_sub(field.len() + problem.len() + 8);
        if room == 0 {
            fields.push(FieldViolation::new(
                "",
                format!(
                    "{} more are left out: mend these first",
                    violations.len() - n
                ),
            ));
            break;
        }
        fields.push(FieldViolation::new(field, problem.as_str()));
    }
    let message = violations
        .iter()
        .map(|v| format!("{}: {}", on_the_wire(&v.field), v.problem))
        .collect::<Vec<_>>()
        .join("; ");
    let mut refusal = Refusal::new(Code::InvalidArgument, "INVALID_REQUEST");
    refusal.details.set_bad_request(fields);
    refusal.status(message)
}

/// Names the place where a client finds what the engine calls `field`: two of them come as
/// metadata.
fn on_the_wire(field: &str) -> &str {
    match field {
        "payment_token" => crate::metadata::PAYMENT_TOKEN,
        "return_url" => crate::metadata::RETURN_URL,
        field => field,
    }
}

/// Turned away before anything was accepted.
pub(crate) fn overloaded() -> Status {
    Refusal::new(Code::ResourceExhausted, "OVERLOADED")
        .retry(RETRY_AFTER)
        .status("too many calls at a time: nothing was accepted, try again later")
}

/// Turned away before it was begun, since so much of what was answered before is not taken.
pub(crate) fn answers_untaken() -> Status {
    Refusal::new(Code::ResourceExhausted, "ANSWERS_NOT_TAKEN")
        .retry(RETRY_AFTER)
        .status("too much of what was answered before is not taken yet: nothing was accepted, take it and try again later")
}

/// Done, but there is no room for its answer.
pub(crate) fn no_room_for_answer() -> Status {
    Refusal::new(Code::ResourceExhausted, "NO_ROOM_FOR_ANSWER").status(
        "there is no room for the answer, so much of what was answered before is not taken yet: what was asked for is done; \
         take answers, and repeat it under the same idempotency-key, or look",
    )
}

/// A message that is longer than any request needs.
pub(crate) fn too_large(bytes_max: usize) -> Status {
    Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
        .with("bytes_max", bytes_max)
        .status(format!(
            "the message is longer than {bytes_max} bytes: shorten it"
        ))
}

/// Another number of messages than one. The code is the one that the protocol has for it.
pub(crate) fn not_one_message(found: &str) -> Status {
    Refusal::new(Code::Unimplemented, "NOT_ONE_MESSAGE").status(format!(
        "the call takes exactly one message, and {found}: nothing was done, send one"
    ))
}

/// A message that is none of gRPC's, or not the one that the call takes.
pub(crate) fn malformed(problem: &str) -> Status {
    Refusal::new(Code::InvalidArgument, "MALFORMED_MESSAGE")
        .status(format!("the message cannot be read: {problem}"))
}

/// A `grpc-timeout` that is none.
pub(crate) fn bad_timeout() -> Status {
    let problem = "is not a timeout: expected one to eight digits and a unit of H, M, S, m, u or n, such as 5S";
    invalid(&[Violation::new("grpc-timeout", problem)])
}

/// A message that did not come.
pub(crate) fn too_slow() -> Status {
    Refusal::new(Code::DeadlineExceeded, "MESSAGE_TOO_SLOW")
        .status("the message did not arrive in time: send it at once")
}

/// The caller's time was over before its call could be begun.
pub(crate) fn over_before_begun() -> Status {
    Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
        .status("its time was over before it was begun: nothing was done")
}

/// The caller's time, or the longest that any call may take, is over.
pub(crate) fn too_late() -> Status {
    Refusal::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED").status(format!(
        "not answered in time (at most {} s): it goes on; repeat it under the same idempotency-key, or look",
        CALL_WITHIN.as_secs()
    ))
}

/// A caller who has not proved who they are. Always the same, so that nobody learns what of a token
/// was wrong; the log has it.
pub(crate) fn unauthenticated() -> Status {
    Refusal::new(Code::Unauthenticated, "UNAUTHENTICATED")
        .status("the caller is not known: give one valid token as authorization, or the certificate of a service")
}

/// Nobody can be known before the issuer's keys are there.
pub(crate) fn no_keys() -> Status {
    Refusal::new(Code::Unavailable, "AUTH_UNAVAILABLE")
        .retry(UNAVAILABLE_RETRY)
        .status("callers cannot be known yet, since the issuer's keys are missing: nothing was accepted, try again later")
}

/// A caller who is known, and may not do it.
pub(crate) fn forbidden(action: &'static str) -> Status {
    Refusal::new(Code::PermissionDenied, "FORBIDDEN")
        .status(Error::Forbidden { action }.to_string())
}

/// A customer who has placed too many orders in too little time.
pub(crate) fn rate_limited(wait: Duration) -> Status {
    Refusal::new(Code::ResourceExhausted, "RATE_LIMITED")
        .retry(wait)
        .status("too many orders in too little time: nothing was accepted, try again later")
}

/// Something that this server does not do.
pub(crate) fn unimplemented(message: &str) -> Status {
    Refusal::new(Code::Unimplemented, "UNIMPLEMENTED").status(message)
}

/// A mistake of ours: what it was stands in the log under the request's id.
pub(crate) fn internal() -> Status {
    Refusal::new(Code::Internal, "INTERNAL")
        .status("something went wrong here: the log has it under this request's id")
}

/// A status in the making.
struct Refusal {
    code: Code,
    reason: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Refusal {
    fn new(code: Code, reason: impl Into<String>) -> Self {
        Refusal {
            code,
            reason: reason.into(),
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    fn with(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.metadata.insert(key.into(), value.to_string());
        self
    }

    fn retry(mut self, after: Duration) -> Self {
        self.details.set_retry_info(Some(after));
        self
    }

    fn status(self, message: impl Into<String>) -> Status {
        let Refusal {
            code,
            reason,
            metadata,
            mut details,
        } = self;
        details.set_error_info(reason, DOMAIN, metadata);
        if let Some(request) = Serving::current().and_then(Serving::into_request_id) {
            details.set_request_info(request, "");
        }
        // Official clients heed this and not `RetryInfo` (gRFC A6).
        let mut trailers = MetadataMap::new();
        if let Some(wait) = details.retry_info().and_then(|retry| retry.retry_delay) {
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            trailers.insert(RETRY_PUSHBACK, wait.into());
        }
        let message = shortened(&message.into());
        Status::with_error_details_and_metadata(code, message, details, trailers)
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
