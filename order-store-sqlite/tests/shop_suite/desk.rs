use std::time::Duration;

use order_core::order::{OperationKind, OperationState};
use order_core::services::{
    AttemptRequest, CallError, FollowUpRequest, PaymentAnswer, PaymentLookup, PaymentService,
};
use order_core::text::Private;
use order_store_sqlite::shop::{Catalogue, Settlement, Shop, ShopError};

use crate::{TestClock, customer, key, number, order, refused, shop, shop_at, usd};

fn attempt(n: u64, method: &str) -> AttemptRequest {
    let request = AttemptRequest::new(
        key(n),
        order(n),
        number(n),
        customer(),
        usd(1000),
        method.parse().unwrap(),
    );
    AttemptRequest {
        token: Private(Some("tok".into())),
        ..request
    }
}

/// A request under key `n` about `parent`.
fn about(n: u64, parent: &AttemptRequest, minor: i64) -> FollowUpRequest {
    let AttemptRequest {
        key: parent_key,
        order,
        ..
    } = *parent;
    FollowUpRequest::new(key(n), order, parent.number, parent_key, usd(minor))
}

async fn look_up(shop: &Shop, of: &AttemptRequest) -> Option<PaymentAnswer> {
    shop.look_up(&PaymentLookup {
        key: of.key,
        order: of.order,
        reference: None,
    })
    .await
    .unwrap()
}

async fn status(shop: &Shop, of: &AttemptRequest) -> Option<OperationState> {
    look_up(shop, of).await.map(|a| a.status)
}

fn is_unknown<T>(answer: &Result<T, CallError>) -> bool {
    matches!(
        answer,
        Err(CallError::Unknown {
            malformed: false,
            ..
        })
    )
}

#[tokio::test]
async fn an_approved_payment_is_captured_or_authorized_once() {
    let shop = shop().await;
    for method in ["CREDIT_CARD", "INVOICE"] {
        let n = method.len() as u64;
        let charge = attempt(n, method);
        let answer = shop.charge(&charge).await.unwrap();
        assert_eq!(
            (answer.status, answer.amount),
            (OperationState::Captured, usd(1000))
        );
        assert!(answer.reference.starts_with("pay_"));
        assert_eq!(shop.charge(&charge).await.unwrap(), answer);
        assert_eq!(look_up(&shop, &charge).await, Some(answer));
    }
    let authorize = attempt(3, "CREDIT_CARD");
    let answer = shop.authorize(&authorize).await.unwrap();
    assert_eq!(answer.status, OperationState::Authorized);
    assert_eq!(shop.authorize(&authorize).await.unwrap(), answer);
    assert_eq!(shop.payments().await.unwrap().len(), 3);
    assert_eq!(
        shop.payments_of(order(3)).await.unwrap()[0].reference,
        answer.reference
    );
}

#[tokio::test]
async fn a_declined_payment_moves_nothing() {
    let shop = shop().await;
    let charge = attempt(1, "DECLINED");
    for _ in 0..2 {
        let answer = shop.charge(&charge).await.unwrap();
        assert_eq!(
            (answer.status, answer.code.as_deref()),
            (OperationState::Declined, Some("CARD_DECLINED"))
        );
    }
    assert_eq!(
        refused(shop.refund(&about(2, &charge, 1)).await),
        "NOT_CAPTURED"
    );
    assert_eq!(
        shop.void(&about(3, &charge, 1000)).await.unwrap().status,
        OperationState::Voided
    );
    assert_eq!(status(&shop, &charge).await, Some(OperationState::Declined));
}

#[tokio::test]
async fn a_pending_payment_waits_until_it_is_settled() {
    let clock = TestClock::new();
    let shop = shop_at(clock.clone()).await;
    let (charge, authorize) = (attempt(1, "BANK"), attempt(2, "BANK"));
    let answer = shop.charge(&charge).await.unwrap();
    assert_eq!(
        (answer.status, answer.wait),
        (OperationState::Pending, Some(Duration::from_secs(1800)))
    );
    shop.authorize(&authorize).await.unwrap();
    clock.advance(Duration::from_secs(600));
    assert_eq!(
        look_up(&shop, &charge).await.unwrap().wait,
        Some(Duration::from_secs(1200))
    );
    clock.advance(Duration::from_secs(6000));
    let answer = look_up(&shop, &charge).await.unwrap();
    assert_eq!(
        (answer.status, answer.wait),
        (OperationState::Pending, Some(Duration::ZERO))
    );
    let settled = shop.settle(charge.key, Settlement::Captured).await.unwrap();
    assert_eq!(
        (settled.status, settled.amount),
        (OperationState::Captured, usd(1000))
    );
    assert_eq!(
        shop.charge(&charge).await.unwrap().status,
        OperationState::Captured
    );
    let settled = shop
        .settle(authorize.key, Settlement::Captured)
        .await
        .unwrap();
    assert_eq!(
        (settled.kind, settled.status),
        (OperationKind::Authorize, OperationState::Authorized)
    );
    let again = shop.settle(charge.key, Settlement::Declined).await;
    assert!(
        matches!(
            again,
            Err(ShopError::AlreadySettled {
                status: OperationState::Captured,
                ..
            })
        ),
        "{again:?}"
    );
    assert!(matches!(
        shop.settle(key(99), Settlement::Captured).await,
        Err(ShopError::UnknownPayment(_))
    ));
}

#[tokio::test]
async fn an_action_is_asked_for_until_it_is_settled_or_voided() {
    let shop = shop().await;
    let (first, second) = (attempt(1, "ACTION"), attempt(2, "ACTION"));
    let answer = shop.charge(&first).await.unwrap();
    assert_eq!(answer.status, OperationState::ActionRequired);
    assert_eq!(
        answer.action.get().unwrap().url,
        format!("https://pay.example/act/{}", first.key)
    );
    let settled = shop.settle(first.key, Settlement::Declined).await.unwrap();
    assert_eq!(
        (settled.status, settled.code.as_deref()),
        (OperationState::Declined, Some("CARD_DECLINED"))
    );
    assert!(look_up(&shop, &first).await.unwrap().action.get().is_none());

    shop.charge(&second).await.unwrap();
    let void = about(3, &second, 1000);
    let answer = shop.void(&void).await.unwrap();
    assert_eq!(answer.status, OperationState::Voided);
    assert_eq!(shop.void(&void).await.unwrap(), answer);
    assert_eq!(
        shop.void(&about(4, &second, 1000)).await.unwrap().status,
        OperationState::Voided
    );
    assert_eq!(status(&shop, &second).await, Some(OperationState::Voided));
    let late = shop.settle(second.key, Settlement::Captured).await;
    assert!(
        matches!(
            late,
            Err(ShopError::AlreadySettled {
                status: OperationState::Voided,
                ..
            })
        ),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_lost_answer_concerns_the_first_attempt_and_hides_a_done_one() {
    let shop = shop().await;
    let first = attempt(1, "DONE");
    assert!(is_unknown(&shop.charge(&first).await));
    assert_eq!(status(&shop, &first).await, Some(OperationState::Captured));
    assert_eq!(
        shop.charge(&first).await.unwrap().status,
        OperationState::Captured
    );
    let second = AttemptRequest {
        key: key(2),
        ..first
    };
    assert_eq!(
        shop.charge(&second).await.unwrap().status,
        OperationState::Captured
    );
    assert!(
        is_unknown(&shop.authorize(&attempt(3, "DONE")).await),
        "another order's first"
    );
}

#[tokio::test]
async fn a_lost_request_concerns_the_first_attempt_and_has_no_effect() {
    let shop = shop().await;
    let first = attempt(1, "LOST");
    assert!(is_unknown(&shop.charge(&first).await));
    assert_eq!(look_up(&shop, &first).await, None);
    assert!(shop.payments().await.unwrap().is_empty());
    assert_eq!(
        shop.charge(&first).await.unwrap().status,
        OperationState::Captured
    );
    let other = attempt(2, "LOST");
    assert!(is_unknown(&shop.authorize(&other).await));
    let second = AttemptRequest {
        key: key(3),
        ..other
    };
    assert_eq!(
        shop.authorize(&second).await.unwrap().status,
        OperationState::Authorized
    );
}

#[tokio::test]
async fn captures_and_refunds_stay_within_what_there_is() {
    let shop = shop().await;
    let authorize = attempt(1, "CREDIT_CARD");
    shop.authorize(&authorize).await.unwrap();
    assert_eq!(
        refused(shop.capture(&about(2, &authorize, 1001)).await),
        "EXCEEDS_AUTHORIZED"
    );
    let capture = about(3, &authorize, 600);
    let answer = shop.capture(&capture).await.unwrap();
    assert_eq!(
        (answer.status, answer.amount),
        (OperationState::Captured, usd(600))
    );
    assert_eq!(shop.capture(&capture).await.unwrap(), answer);
    assert_eq!(
        refused(shop.capture(&about(4, &authorize, 401)).await),
        "EXCEEDS_AUTHORIZED"
    );
    let second = about(6, &authorize, 400);
    assert_ne!(
        shop.capture(&second).await.unwrap().reference,
        answer.reference
    );
    assert_eq!(
        refused(shop.capture(&about(7, &authorize, 1)).await),
        "EXCEEDS_AUTHORIZED"
    );
    assert_eq!(
        refused(shop.capture(&about(2, &authorize, 1001)).await),
        "EXCEEDS_AUTHORIZED"
    );
    assert_eq!(
        refused(shop.void(&about(5, &authorize, 1000)).await),
        "ALREADY_CAPTURED"
    );

    let of_capture = |n, minor| FollowUpRequest {
        key: key(n),
        parent_key: capture.key,
        amount: usd(minor),
        ..capture.clone()
    };
    assert_eq!(
        refused(shop.refund(&of_capture(10, 601)).await),
        "EXCEEDS_CAPTURED"
    );
    for _ in 0..2 {
        assert_eq!(
            shop.refund(&of_capture(11, 600)).await.unwrap().status,
            OperationState::Refunded
        );
    }
    assert_eq!(
        refused(shop.refund(&of_capture(12, 1)).await),
        "EXCEEDS_CAPTURED",
        "the other capture's money is not its own"
    );
    let of_second = |n, minor| FollowUpRequest {
        parent_key: second.key,
        ..of_capture(n, minor)
    };
    shop.refund(&of_second(15, 150)).await.unwrap();
    shop.refund(&of_second(16, 250)).await.unwrap();
    assert_eq!(
        refused(shop.refund(&of_second(17, 1)).await),
        "EXCEEDS_CAPTURED"
    );
    assert_eq!(
        refused(shop.void(&of_capture(13, 600)).await),
        "NOT_VOIDABLE"
    );
    assert_eq!(
        refused(shop.refund(&about(14, &authorize, 1)).await),
        "NOT_CAPTURED"
    );

    let ledger = shop.payments_of(order(1)).await.unwrap();
    assert_eq!((ledger[0].captured, ledger[0].refunded), (1000, 0));
    let moved = |kind, state| {
        let of = ledger
            .iter()
            .filter(|p| p.kind == kind && p.status == state);
        of.map(|p| p.amount.minor).sum::<i64>()
    };
    assert_eq!(
        moved(OperationKind::Capture, OperationState::Captured),
        1000
    );
    assert_eq!(moved(OperationKind::Refund, OperationState::Refunded), 1000);
}

#[tokio::test]
async fn a_void_gives_up_what_is_left_of_a_partly_captured_authorization() {
    let shop = shop().await;
    let authorize = attempt(1, "CREDIT_CARD");
    shop.authorize(&authorize).await.unwrap();
    let capture = about(2, &authorize, 600);
    shop.capture(&capture).await.unwrap();
    let void = about(3, &authorize, 1000);
    let answer = shop.void(&void).await.unwrap();
    assert_eq!(answer.status, OperationState::Voided);
    assert_eq!(shop.void(&void).await.unwrap(), answer);
    assert_eq!(
        status(&shop, &authorize).await,
        Some(OperationState::Voided)
    );
    assert_eq!(
        refused(shop.capture(&about(4, &authorize, 1)).await),
        "NOT_AUTHORIZED"
    );
    assert_eq!(
        shop.capture(&capture).await.unwrap().status,
        OperationState::Captured,
        "what was captured stays so"
    );
    let refund = FollowUpRequest {
        key: key(5),
        parent_key: capture.key,
        ..capture.clone()
    };
    assert_eq!(
        shop.refund(&refund).await.unwrap().status,
        OperationState::Refunded
    );
    let ledger = shop.payments_of(order(1)).await.unwrap();
    assert_eq!(
        (ledger[0].status, ledger[0].captured),
        (OperationState::Voided, 600)
    );
}

#[tokio::test]
async fn every_kind_of_operation_can_be_looked_up_by_its_key() {
    let shop = shop().await;
    let (authorize, charge) = (
        attempt(1, "CREDIT_CARD"),
        AttemptRequest {
            key: key(2),
            ..attempt(1, "CREDIT_CARD")
        },
    );
    let (capture, void) = (about(3, &authorize, 600), about(4, &authorize, 1000));
    let (refund, beyond) = (about(5, &charge, 250), about(6, &charge, 751));
    let answers = [
        (
            authorize.key,
            OperationState::Voided,
            shop.authorize(&authorize).await.unwrap(),
        ),
        (
            charge.key,
            OperationState::Captured,
            shop.charge(&charge).await.unwrap(),
        ),
        (
            capture.key,
            OperationState::Captured,
            shop.capture(&capture).await.unwrap(),
        ),
        (
            void.key,
            OperationState::Voided,
            shop.void(&void).await.unwrap(),
        ),
        (
            refund.key,
            OperationState::Refunded,
            shop.refund(&refund).await.unwrap(),
        ),
    ];
    let found = async |key| {
        shop.look_up(&PaymentLookup {
            key,
            order: order(1),
            reference: None,
        })
        .await
        .unwrap()
    };
    for (key, status, answer) in answers {
        assert_eq!(found(key).await.unwrap(), answer.clone().status(status));
    }
    assert_eq!(refused(shop.refund(&beyond).await), "EXCEEDS_CAPTURED");
    let answer = found(beyond.key).await.unwrap();
    assert_eq!(
        (answer.status, answer.code.as_deref()),
        (OperationState::Failed, Some("EXCEEDS_CAPTURED"))
    );
    assert_eq!(found(key(7)).await, None);
}

#[tokio::test]
async fn an_authorization_can_be_captured_only_while_its_method_says_so() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let clock = TestClock::new();
    let shop = shop_at(clock.clone()).await;
    let authorize = attempt(1, "CARD_FOR_A_DAY");
    assert_eq!(
        shop.authorize(&authorize).await.unwrap().capture_within,
        Some(DAY)
    );
    assert_eq!(
        shop.authorize(&attempt(2, "CREDIT_CARD"))
            .await
            .unwrap()
            .capture_within,
        None,
        "unless a method limits it"
    );
    // What is approved keeps its time, whatever is loaded later.
    let longer = crate::CATALOGUE.replace("capture_within_days = 1", "capture_within_days = 30");
    shop.load(&Catalogue::parse(&longer, "longer.toml").unwrap())
        .await
        .unwrap();
    clock.advance(DAY - Duration::from_micros(1));
    assert_eq!(
        look_up(&shop, &authorize).await.unwrap().capture_within,
        Some(Duration::from_micros(1))
    );
    let capture = about(3, &authorize, 100);
    assert_eq!(
        shop.capture(&capture).await.unwrap().status,
        OperationState::Captured
    );
    clock.advance(Duration::from_micros(1));
    let late = about(4, &authorize, 100);
    for _ in 0..2 {
        let answer = shop.capture(&late).await.unwrap();
        assert_eq!(
            (answer.status, answer.code.as_deref()),
            (OperationState::Declined, Some("AUTHORIZATION_EXPIRED"))
        );
    }
    assert_eq!(
        shop.capture(&capture).await.unwrap().status,
        OperationState::Captured,
        "a repeat gets the answer it had"
    );
    let answer = look_up(&shop, &authorize).await.unwrap();
    assert_eq!(
        (answer.status, answer.capture_within),
        (OperationState::Authorized, Some(Duration::ZERO))
    );
    assert_eq!(shop.payments_of(order(1)).await.unwrap()[0].captured, 100);
    assert_eq!(
        shop.void(&about(5, &authorize, 1000)).await.unwrap().status,
        OperationState::Voided
    );
    assert_eq!(
        look_up(&shop, &authorize).await.unwrap().capture_within,
        None
    );
}

#[tokio::test]
async fn the_time_to_capture_runs_from_the_approval() {
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let clock = TestClock::new();
    let shop = shop_at(clock.clone()).await;
    let (authorize, charge) = (attempt(1, "BANK"), attempt(2, "BANK"));
    assert_eq!(
        shop.authorize(&authorize).await.unwrap().capture_within,
        None
    );
    shop.charge(&charge).await.unwrap();
    clock.advance(week);
    let settled = shop
        .settle(authorize.key, Settlement::Captured)
        .await
        .unwrap();
    let approved = settled.created_at.after(week);
    assert_eq!(settled.capture_before, Some(approved.after(week)));
    assert_eq!(
        shop.settle(charge.key, Settlement::Captured)
            .await
            .unwrap()
            .capture_before,
        None
    );
    clock.advance(week / 2);
    assert_eq!(
        look_up(&shop, &authorize).await.unwrap().capture_within,
        Some(week / 2)
    );
    assert_eq!(
        shop.capture(&about(3, &authorize, 1000))
            .await
            .unwrap()
            .status,
        OperationState::Captured
    );
}

#[tokio::test]
async fn a_charge_can_be_refunded_and_not_voided() {
    let shop = shop().await;
    let charge = attempt(1, "CREDIT_CARD");
    shop.charge(&charge).await.unwrap();
    assert_eq!(
        refused(shop.void(&about(2, &charge, 1000)).await),
        "ALREADY_CAPTURED"
    );
    assert_eq!(
        refused(shop.capture(&about(3, &charge, 1)).await),
        "NOT_AUTHORIZED"
    );
    shop.refund(&about(4, &charge, 400)).await.unwrap();
    assert_eq!(
        refused(shop.refund(&about(5, &charge, 601)).await),
        "EXCEEDS_CAPTURED"
    );
    shop.refund(&about(6, &charge, 600)).await.unwrap();
    assert_eq!(status(&shop, &charge).await, Some(OperationState::Captured));
}

#[tokio::test]
async fn an_authorization_can_be_voided_and_not_captured_then() {
    let shop = shop().await;
    let authorize = attempt(1, "CREDIT_CARD");
    shop.authorize(&authorize).await.unwrap();
    shop.void(&about(2, &authorize, 1000)).await.unwrap();
    assert_eq!(
        status(&shop, &authorize).await,
        Some(OperationState::Voided)
    );
    assert_eq!(
        refused(shop.capture(&about(3, &authorize, 1)).await),
        "NOT_AUTHORIZED"
    );
}

#[tokio::test]
async fn an_attempt_that_is_voided_before_it_comes_takes_nothing() {
    let shop = shop().await;
    let charge = attempt(1, "CREDIT_CARD");
    assert_eq!(
        shop.void(&about(2, &charge, 1000)).await.unwrap().status,
        OperationState::Voided
    );
    assert_eq!(status(&shop, &charge).await, Some(OperationState::Voided));
    assert_eq!(
        shop.charge(&charge).await.unwrap().status,
        OperationState::Voided
    );
    assert_eq!(
        refused(shop.refund(&about(3, &charge, 1)).await),
        "NOT_CAPTURED"
    );
}

#[tokio::test]
async fn a_key_with_other_content_is_refused() {
    let shop = shop().await;
    let charge = attempt(1, "CREDIT_CARD");
    shop.charge(&charge).await.unwrap();
    for other in [
        AttemptRequest {
            amount: usd(999),
            ..charge.clone()
        },
        AttemptRequest {
            order: order(9),
            ..charge.clone()
        },
        AttemptRequest {
            method: "DONE".parse().unwrap(),
            ..charge.clone()
        },
    ] {
        assert_eq!(refused(shop.charge(&other).await), "KEY_REUSED");
    }
    assert_eq!(refused(shop.authorize(&charge).await), "KEY_REUSED");
    assert_eq!(
        refused(shop.refund(&about(1, &charge, 1000)).await),
        "KEY_REUSED"
    );
    shop.refund(&about(2, &charge, 10)).await.unwrap();
    assert_eq!(
        refused(shop.refund(&about(2, &charge, 11)).await),
        "KEY_REUSED"
    );
    assert_eq!(shop.payments().await.unwrap().len(), 2);
}

#[tokio::test]
async fn refusals_are_written_down_and_stay() {
    let shop = shop().await;
    let charge = attempt(1, "CASH");
    assert_eq!(refused(shop.charge(&charge).await), "UNKNOWN_METHOD");
    assert_eq!(refused(shop.charge(&charge).await), "UNKNOWN_METHOD");
    let found = look_up(&shop, &charge).await.unwrap();
    assert_eq!(
        (found.status, found.code.as_deref()),
        (OperationState::Failed, Some("UNKNOWN_METHOD"))
    );
    assert_eq!(
        refused(
            shop.charge(&AttemptRequest {
                amount: usd(0),
                ..attempt(2, "CREDIT_CARD")
            })
            .await
        ),
        "AMOUNT_INVALID"
    );
    assert_eq!(
        refused(shop.capture(&about(3, &attempt(4, "CREDIT_CARD"), 1)).await),
        "UNKNOWN_PAYMENT"
    );
    let other_order = attempt(5, "CREDIT_CARD");
    shop.charge(&other_order).await.unwrap();
    let refund = FollowUpRequest {
        order: order(6),
        ..about(7, &other_order, 1)
    };
    assert_eq!(refused(shop.refund(&refund).await), "UNKNOWN_PAYMENT");
    let yen = order_core::money::Money::new(1, "JPY".parse().unwrap());
    let refund = FollowUpRequest {
        amount: yen,
        ..about(8, &other_order, 1)
    };
    assert_eq!(refused(shop.refund(&refund).await), "CURRENCY_MISMATCH");
}
