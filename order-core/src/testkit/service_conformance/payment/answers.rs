//! Clauses 1 and 2: what an error says, and what a decline is.

use super::PaymentFactory;
use super::bench::*;
use crate::order::OperationState;
use crate::services::CallError;
use crate::testkit::service_conformance::{Failure, Verdict, broken, ensure, provoked};
use crate::testkit::services::Outcome;

const LOST: &str =
    "a call whose answer was lost is Unknown, or succeeds because the adapter found out itself";

/// That the answer to what was carried out, and never answered, proves nothing that is not so.
fn proves_nothing_wrong(
    what: &str,
    wanted: OperationState,
    answer: Result<crate::services::PaymentAnswer, CallError>,
) -> Verdict {
    match answer {
        Err(CallError::Unknown { .. }) => Ok(()),
        Ok(answer) if answer.status == wanted => Ok(()),
        answer => broken(
            1,
            LOST,
            format!(
                "{what} was carried out and its answer lost: {}",
                seen(&answer)
            ),
        ),
    }
}

pub(super) async fn c01_a_lost_answer_is_unknown<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let request = bench.attempt(Outcome::Approve)?;
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    proves_nothing_wrong(
        "a charge",
        OperationState::Captured,
        bench.charge(&request).await,
    )?;

    let bench = Bench::new(f).await;
    let (charge, answer) = bench.charged().await?;
    let refund = bench.about(&charge, &answer, AMOUNT);
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    proves_nothing_wrong(
        "a refund",
        OperationState::Refunded,
        bench.follow(FollowUp::Refund, &refund).await,
    )
}

pub(super) async fn c01_a_lost_answer_to_a_capture_or_a_void_is_unknown<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    bench.authorized().await?;
    let request = bench.attempt(Outcome::Approve)?;
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    proves_nothing_wrong(
        "an authorization",
        OperationState::Authorized,
        bench.authorize(&request).await,
    )?;
    for (how, wanted) in [
        (FollowUp::Capture, OperationState::Captured),
        (FollowUp::Void, OperationState::Voided),
    ] {
        let (attempt, answer) = bench.authorized().await?;
        let request = bench.about(&attempt, &answer, AMOUNT);
        provoked("lose_next_answer", f.lose_next_answer()).await?;
        proves_nothing_wrong(
            &format!("a {how:?}").to_lowercase(),
            wanted,
            bench.follow(how, &request).await,
        )?;
    }
    Ok(())
}

pub(super) async fn c01_no_connection_is_never_a_refusal<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let charge = bench.attempt(Outcome::Approve)?;
    provoked("refuse_next_connection", f.refuse_next_connection()).await?;
    let answer = bench.charge(&charge).await;
    let claimed = "a call that found nobody to connect to is NotDone or Unknown";
    ensure!(
        !matches!(answer, Err(CallError::Refused { .. })),
        1,
        claimed,
        "a charge was {}",
        seen(&answer)
    );

    let (charge, answer) = bench.charged().await?;
    let refund = bench.about(&charge, &answer, AMOUNT);
    provoked("refuse_next_connection", f.refuse_next_connection()).await?;
    let answer = bench.follow(FollowUp::Refund, &refund).await;
    ensure!(
        !matches!(answer, Err(CallError::Refused { .. })),
        1,
        claimed,
        "a refund was {}",
        seen(&answer)
    );
    Ok(())
}

/// Charges, answered by this status and body, and returns what the adapter makes of it.
async fn charge_answered<F: PaymentFactory>(
    f: &F,
    status: u16,
    body: &str,
) -> Result<Result<crate::services::PaymentAnswer, CallError>, Failure> {
    let bench = Bench::new(f).await;
    let request = bench.attempt(Outcome::Approve)?;
    provoked("answer_next", f.answer_next(status, body)).await?;
    Ok(bench.charge(&request).await)
}

const FAILED: &str = r#"{"error":{"code":"failed"}}"#;

pub(super) async fn c01_a_failing_service_is_unknown<F: PaymentFactory>(f: &F) -> Verdict {
    for status in [408, 409, 500, 502, 503, 504] {
        // An adapter that asks again by itself, under the same key, may succeed.
        let answer = charge_answered(f, status, FAILED).await?;
        let proven = matches!(
            answer,
            Err(CallError::Refused { .. } | CallError::NotDone { .. })
        );
        ensure!(
            !proven,
            1,
            format!("a charge answered by HTTP {status} is Unknown"),
            "{}",
            seen(&answer)
        );
    }
    Ok(())
}

pub(super) async fn c01_being_turned_away_is_never_a_refusal<F: PaymentFactory>(f: &F) -> Verdict {
    for status in [401, 429] {
        let answer = charge_answered(f, status, FAILED).await?;
        let refused = matches!(answer, Err(CallError::Refused { .. }));
        ensure!(
            !refused,
            1,
            format!("a charge answered by HTTP {status} is NotDone or Unknown"),
            "{}",
            seen(&answer)
        );
    }
    Ok(())
}

pub(super) async fn c01_an_answer_that_cannot_be_read_is_unknown<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    for body in ["", "<html>", "{}", "null"] {
        let answer = charge_answered(f, 200, body).await?;
        let unknown = matches!(answer, Err(CallError::Unknown { .. }));
        let claimed = format!("a charge answered by HTTP 200 and the body {body:?} is Unknown");
        ensure!(unknown, 1, claimed, "{}", seen(&answer));
    }
    Ok(())
}

pub(super) async fn c02_a_decline_says_why_and_moves_nothing<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let request = bench.attempt(Outcome::Decline)?;
    let answer = bench.charge(&request).await;
    let claimed = "a decline is Ok with DECLINED and a code, or Refused";
    let (code, reference) = match &answer {
        Ok(a) if a.status == OperationState::Declined => {
            (a.code.clone().unwrap_or_default(), a.reference.clone())
        }
        Err(CallError::Refused { code, .. }) => (code.clone(), String::new()),
        _ => return broken(2, claimed, seen(&answer)),
    };
    ensure!(
        !code.trim().is_empty(),
        2,
        claimed,
        "no code: {}",
        seen(&answer)
    );
    if let Some(books) = f.books(request.key).await {
        ensure!(
            books.is_empty(),
            2,
            "a declined charge moves nothing",
            "the provider's books have {books:?}"
        );
    }
    if let Ok(declined) = &answer
        && !reference.is_empty()
    {
        let refund = bench.about(&request, declined, AMOUNT);
        is_refused(
            2,
            "a refund of a declined charge",
            bench.follow(FollowUp::Refund, &refund).await,
        )?;
    }
    Ok(())
}
