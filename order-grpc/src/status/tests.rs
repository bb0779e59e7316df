use order_core::ids::Sku;
use order_core::services::{CallError, ServiceName};
use order_core::store::StoreError;

use super::*;

/// Code, reason, and whether the caller is told to try again.
fn seen(status: &Status) -> (Code, String, bool) {
    let details = status.get_error_details();
    let info = details.error_info().expect("every status has a reason");
    assert_eq!(info.domain, DOMAIN);
    (
        status.code(),
        info.reason.clone(),
        details.retry_info().is_some(),
    )
}

#[test]
fn every_kind_of_error_has_its_code_and_its_reason() {
    let order = order_core::testkit::orders::order_id(1);
    let service = Error::Service {
        service: ServiceName::Payment,
        source: CallError::not_done("http://10.0.0.1 said no"),
    };
    let store = |kind| {
        Error::Store(StoreError::new(
            kind,
            "disk I/O error at /var/lib/orders.db",
        ))
    };
    let cases: [(Error, Code, &str, bool); 16] = [
        (
            Error::NotFound {
                what: "order",
                id: order.to_string(),
            },
            Code::NotFound,
            "ORDER_NOT_FOUND",
            false,
        ),
        (
            Error::NotFound {
                what: "product",
                id: order.to_string(),
            },
            Code::NotFound,
            "PRODUCT_NOT_FOUND",
            false,
        ),
        (
            Error::NotFound {
                what: "variant",
                id: order.to_string(),
            },
            Code::NotFound,
            "VARIANT_NOT_FOUND",
            false,
        ),
        (
            Error::NotFound {
                what: "user",
                id: order.to_string(),
            },
            Code::NotFound,
            "USER_NOT_FOUND",
            false,
        ),
        (
            Error::invalid("items", "is empty"),
            Code::InvalidArgument,
            "INVALID_REQUEST",
            false,
        ),
        (
            Error::Conflict {
                order,
                expected: 3,
                actual: 4,
            },
            Code::Aborted,
            "VERSION_CONFLICT",
            false,
        ),
        (
            Error::KeyReused {
                key: "k".parse().unwrap(),
                used: None,
            },
            Code::AlreadyExists,
            "IDEMPOTENCY_KEY_REUSED",
            false,
        ),
        (
            Error::Forbidden {
                action: "read orders",
            },
            Code::PermissionDenied,
            "FORBIDDEN",
            false,
        ),
        (service, Code::Unavailable, "SERVICE_UNAVAILABLE", true),
        (
            store(StoreErrorKind::Unavailable),
            Code::Unavailable,
            "STORE_UNAVAILABLE",
            true,
        ),
        (
            store(StoreErrorKind::Unknown),
            Code::Unavailable,
            "OUTCOME_UNKNOWN",
            false,
        ),
        (
            store(StoreErrorKind::Full),
            Code::ResourceExhausted,
            "STORE_FULL",
            false,
        ),
        (
            store(StoreErrorKind::Corrupt),
            Code::DataLoss,
            "STORE_CORRUPT",
            false,
        ),
        (
            store(StoreErrorKind::Misconfigured),
            Code::Unavailable,
            "STORE_MISCONFIGURED",
            false,
        ),
        (
            store(StoreErrorKind::InvalidQuery),
            Code::InvalidArgument,
            "INVALID_REQUEST",
            false,
        ),
        (
            store(StoreErrorKind::Vetoed),
            Code::FailedPrecondition,
            "VETOED",
            false,
        ),
    ];
    for (error, code, reason, retry) in cases {
        let status = status_of(&error);
        assert_eq!(seen(&status), (code, reason.to_owned(), retry), "{error:?}");
        for inner in ["10.0.0.1", "/var/lib"] {
            assert!(!format!("{status:?}").contains(inner), "{status:?}");
        }
    }
}

#[test]
fn every_rejection_is_a_failed_precondition_with_its_own_reason() {
    for reason in RejectionReason::ALL {
        let id = order_core::testkit::orders::order_id(1);
        let number = order_core::testkit::orders::number(1);
        let rejection = Rejection {
            order: Some((id, number)),
            possible: vec!["cancel", "note"],
            ..Rejection::new(*reason, "cannot do it: too late")
        };
        let status = status_of(&rejection.into());
        assert_eq!(
            seen(&status),
            (Code::FailedPrecondition, reason.as_str().to_owned(), false)
        );
        assert_eq!(status.message(), "cannot do it: too late");
        let details = status.get_error_details();
        let info = &details.error_info().unwrap().metadata;
        assert_eq!(info["order_id"], id.to_string());
        assert_eq!(info["order_number"], number.to_string());
        assert_eq!(info["possible"], "cancel, note");
        let failed = &details.precondition_failure().unwrap().violations;
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].subject, format!("order/{number}"));
        assert!(!failed[0].r#type.is_empty());
    }
}

#[test]
fn what_the_server_itself_refuses_has_a_reason_too() {
    let cases = [
        (overloaded(), Code::ResourceExhausted, "OVERLOADED", true),
        (
            answers_untaken(),
            Code::ResourceExhausted,
            "ANSWERS_NOT_TAKEN",
            true,
        ),
        // It may be done: whoever repeats it without a key may place a second order.
        (
            no_room_for_answer(),
            Code::ResourceExhausted,
            "NO_ROOM_FOR_ANSWER",
            false,
        ),
        (
            too_large(7),
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
            false,
        ),
        (
            not_one_message("none came"),
            Code::Unimplemented,
            "NOT_ONE_MESSAGE",
            false,
        ),
        (
            malformed("it is not whole"),
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
            false,
        ),
        (
            bad_timeout(),
            Code::InvalidArgument,
            "INVALID_REQUEST",
            false,
        ),
        (
            over_before_begun(),
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
            false,
        ),
        (
            too_slow(),
            Code::DeadlineExceeded,
            "MESSAGE_TOO_SLOW",
            false,
        ),
        (
            too_late(),
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
            false,
        ),
        (
            unimplemented("not offered"),
            Code::Unimplemented,
            "UNIMPLEMENTED",
            false,
        ),
        (internal(), Code::Internal, "INTERNAL", false),
    ];
    for (status, code, reason, retry) in cases {
        assert_eq!(seen(&status), (code, reason.to_owned(), retry));
    }
}

#[test]
fn every_reason_is_documented_for_those_who_write_clients() {
    let text = include_str!("../../proto/README.md");
    for reason in RejectionReason::ALL {
        assert!(
            text.contains(reason.as_str()),
            "{reason} is not in proto/README.md"
        );
    }
    let source = include_str!("../status.rs");
    let own: Vec<&str> = source
        .split("Refusal::new(Code::")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1))
        .collect();
    assert!(own.len() > 12, "{own:?}");
    for reason in own.into_iter().filter(|reason| !reason.contains('{')) {
        assert!(text.contains(reason), "{reason} is not in proto/README.md");
    }
}

/// Counts the bytes that status and details take in the trailers.
fn bytes_of(status: &Status) -> usize {
    let response: http::Response<()> = tonic::Status::into_http(Status::with_details_and_metadata(
        status.code(),
        status.message(),
        prost::bytes::Bytes::copy_from_slice(status.details()),
        status.metadata().clone(),
    ));
    response
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum()
}

#[test]
fn the_longest_list_of_problems_still_fits_where_clients_look_for_it() {
    let violations: Vec<Violation> = (0..500)
        .map(|i| {
            Violation::new(
                format!("items[{i}].product_id"),
                "is not a product id: expected a UUID",
            )
        })
        .collect();
    let status = invalid(&violations);
    assert!(bytes_of(&status) < 8 * 1024, "{}", bytes_of(&status));
    let details = status.get_error_details();
    let fields = &details.bad_request().unwrap().field_violations;
    let (last, told) = fields.split_last().unwrap();
    assert!(told.len() > 40);
    assert_eq!(
        last.description,
        format!("{} more are left out: mend these first", 500 - told.len())
    );

    let sku = |i| format!("{i}{}", "x".repeat(95)).parse::<Sku>().unwrap();
    let shortages = (100..200)
        .map(|i| Shortage {
            sku: sku(i),
            requested: 10_000,
            available: Some(9_999),
        })
        .collect();
    let rejection = Rejection {
        shortages,
        ..Rejection::new(RejectionReason::OutOfStock, "x".repeat(20_000))
    };
    let status = rejected(&rejection);
    assert!(bytes_of(&status) < 8 * 1024, "{}", bytes_of(&status));
    assert!(
        status
            .get_error_details()
            .error_info()
            .unwrap()
            .metadata
            .contains_key("shortages_left_out")
    );
}

#[test]
fn a_message_is_cut_between_characters() {
    let cut = shortened(&"ü".repeat(MESSAGE_CHARS_MAX + 1));
    assert_eq!(cut.chars().count(), MESSAGE_CHARS_MAX + 1);
    assert!(cut.ends_with('…'));
    assert_eq!(shortened("short"), "short");
}
