//! Clauses 7 to 12: references, amounts, and what each operation does.

use std::time::Duration;

use uuid::Uuid;

use super::PaymentFactory;
use super::bench::*;
use crate::ids::Reference;
use crate::money::Money;
use crate::order::OperationState;
use crate::services::{AttemptRequest, CallError, FollowUpRequest};
use crate::testkit::service_conformance::{Failure, Verdict, ensure, missing, provoked};
use crate::testkit::services::Outcome;

pub(super) async fn c07_references_are_usable_and_no_two_attempts_share_one<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let (_, first) = bench.charged().await?;
    let (_, second) = bench.charged().await?;
    for answer in [&first, &second] {
        let usable = answer.reference.parse::<Reference>();
        ensure!(
            usable.is_ok(),
            7,
            "a reference is 1 to 255 characters of one line",
            "{:?}",
            answer.reference
        );
    }
    ensure!(
        first.reference != second.reference,
        7,
        "no two attempts share a reference",
        "both are {:?}",
        first.reference
    );
    Ok(())
}

/// Amounts that show whether somebody took minor units for major ones, or rounded.
const TELLING: [i64; 3] = [500, 1234, 1001];

pub(super) async fn c08_amounts_come_back_in_minor_units<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    for currency in f.currencies() {
        for minor in TELLING {
            let request = AttemptRequest {
                amount: Money::new(minor, currency),
                ..bench.attempt(Outcome::Approve)?
            };
            let answer = comes_to(
                OperationState::Captured,
                8,
                "an approved charge",
                bench.charge(&request).await,
            )?;
            let claimed =
                format!("a charge of {minor} minor units of {currency} is answered with that");
            ensure!(
                answer.amount == request.amount,
                8,
                claimed,
                "{} minor units of {}",
                answer.amount.minor,
                answer.amount.currency
            );
        }
    }
    Ok(())
}

pub(super) async fn c08_the_provider_books_what_was_asked<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    for currency in f.currencies() {
        for minor in TELLING {
            let request = AttemptRequest {
                amount: Money::new(minor, currency),
                ..bench.attempt(Outcome::Approve)?
            };
            let answer = comes_to(
                OperationState::Captured,
                8,
                "an approved charge",
                bench.charge(&request).await,
            )?;
            let claimed = format!(
                "a charge of {minor} minor units of {currency} takes that, and its refund gives that back"
            );
            let books = bench.books(request.key).await?;
            ensure!(
                books == [request.amount],
                8,
                claimed,
                "the provider took {}",
                in_minor_units(&books)
            );
            let refund = bench.about(&request, &answer, minor);
            bench.done(FollowUp::Refund, &refund).await?;
            let books = bench.books(refund.key).await?;
            ensure!(
                books == [request.amount],
                8,
                claimed,
                "the provider gave back {}",
                in_minor_units(&books)
            );
        }
    }
    Ok(())
}

fn in_minor_units(books: &[Money]) -> String {
    let amounts: Vec<String> = books
        .iter()
        .map(|m| format!("{} minor units of {}", m.minor, m.currency))
        .collect();
    if amounts.is_empty() {
        "nothing".into()
    } else {
        amounts.join(", ")
    }
}

pub(super) async fn c09_a_charge_is_captured<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let (request, answer) = bench.charged().await?;
    ensure!(
        answer.amount == request.amount,
        9,
        "a charge takes what was asked",
        "{}",
        in_words(&answer)
    );
    Ok(())
}

pub(super) async fn c09_an_authorization_sets_aside_and_takes_nothing<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let (request, answer) = bench.authorized().await?;
    ensure!(
        answer.amount == request.amount,
        9,
        "an authorization sets aside what was asked",
        "{}",
        in_words(&answer)
    );
    let refund = bench.about(&request, &answer, AMOUNT);
    is_refused(
        9,
        "a refund of what was only authorized",
        bench.follow(FollowUp::Refund, &refund).await,
    )
}

pub(super) async fn c09_a_pending_attempt_says_so<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let request = bench.attempt(Outcome::Pending)?;
    comes_to(
        OperationState::Pending,
        9,
        "a charge that is decided later",
        bench.charge(&request).await,
    )?;
    Ok(())
}

pub(super) async fn c09_an_action_has_an_url<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let request = bench.attempt(Outcome::ActionRequired)?;
    let what = "a charge for which the customer must act";
    let answer = comes_to(
        OperationState::ActionRequired,
        9,
        what,
        bench.charge(&request).await,
    )?;
    let url = answer.action.get().map_or("", |a| a.url.as_str());
    ensure!(
        url.contains("://"),
        9,
        "ACTION_REQUIRED says where the customer must go",
        "the URL is {url:?}"
    );
    Ok(())
}

/// Takes parts of what was authorized.
async fn captured<F: PaymentFactory>(
    bench: &Bench<'_, F>,
    (attempt, answer): &(AttemptRequest, crate::services::PaymentAnswer),
    minor: i64,
) -> Result<(FollowUpRequest, crate::services::PaymentAnswer), Failure> {
    let request = bench.about(attempt, answer, minor);
    let captured = bench.done(FollowUp::Capture, &request).await?;
    ensure!(
        captured.amount == request.amount,
        10,
        "a capture takes what was asked",
        "{}",
        in_words(&captured)
    );
    Ok((request, captured))
}

pub(super) async fn c10_captures_add_up_to_the_authorization<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let authorized = bench.authorized().await?;
    for part in [300, 1, AMOUNT - 301] {
        captured(&bench, &authorized, part).await?;
    }
    let more = bench.about(&authorized.0, &authorized.1, 1);
    is_refused(
        10,
        "a capture beyond what is left",
        bench.follow(FollowUp::Capture, &more).await,
    )
}

pub(super) async fn c10_more_than_was_authorized_is_refused_and_moves_nothing<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let authorized = bench.authorized().await?;
    let too_much = bench.about(&authorized.0, &authorized.1, AMOUNT + 1);
    is_refused(
        10,
        "a capture of more than was authorized",
        bench.follow(FollowUp::Capture, &too_much).await,
    )?;
    if let Some(books) = f.books(too_much.key).await {
        ensure!(
            books.is_empty(),
            10,
            "a refused capture moves nothing",
            "the provider took {}",
            in_minor_units(&books)
        );
    }
    captured(&bench, &authorized, AMOUNT).await?;
    Ok(())
}

pub(super) async fn c10_what_is_not_authorized_is_not_captured<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    bench.authorized().await?;
    let (charge, answer) = bench.charged().await?;
    let again = bench.about(&charge, &answer, AMOUNT);
    is_refused(
        10,
        "a capture of a charge",
        bench.follow(FollowUp::Capture, &again).await,
    )
}

pub(super) async fn c10_a_capture_after_its_time_is_declined<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let (attempt, answer) = bench.authorized().await?;
    let Some(within) = answer.capture_within else {
        return missing("capture_window");
    };
    provoked("pass", f.pass(within + Duration::from_secs(1))).await?;
    let late = bench.about(&attempt, &answer, AMOUNT);
    let answer = bench.follow(FollowUp::Capture, &late).await;
    let claimed = format!(
        "after the {} s that `capture_within` gave, a capture is DECLINED",
        within.as_secs()
    );
    let declined = matches!(&answer, Ok(a) if a.status == OperationState::Declined);
    ensure!(
        declined || matches!(answer, Err(CallError::Refused { .. })),
        10,
        claimed,
        "{}",
        seen(&answer)
    );
    Ok(())
}

pub(super) async fn c11_a_voided_authorization_is_not_captured<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let (attempt, answer) = bench.authorized().await?;
    let void = bench.about(&attempt, &answer, AMOUNT);
    bench.done(FollowUp::Void, &void).await?;
    let capture = bench.about(&attempt, &answer, 1);
    is_refused(
        11,
        "a capture of what was voided",
        bench.follow(FollowUp::Capture, &capture).await,
    )
}

pub(super) async fn c11_a_void_gives_up_the_rest_and_what_was_captured_stays<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let authorized = bench.authorized().await?;
    let (capture, answer) = captured(&bench, &authorized, 600).await?;
    let void = bench.about(&authorized.0, &authorized.1, AMOUNT);
    bench.done(FollowUp::Void, &void).await?;
    let more = bench.about(&authorized.0, &authorized.1, 1);
    is_refused(
        11,
        "a capture of what was voided",
        bench.follow(FollowUp::Capture, &more).await,
    )?;
    let refund = bench.about_capture(&capture, &answer, 600);
    bench.done(FollowUp::Refund, &refund).await?;
    Ok(())
}

pub(super) async fn c11_what_was_all_captured_is_not_voided<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let authorized = bench.authorized().await?;
    captured(&bench, &authorized, AMOUNT).await?;
    let void = bench.about(&authorized.0, &authorized.1, AMOUNT);
    is_refused(
        11,
        "a void of what was all captured",
        bench.follow(FollowUp::Void, &void).await,
    )
}

pub(super) async fn c11_a_charge_is_not_voided_once_captured<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let (charge, answer) = bench.charged().await?;
    let void = bench.about(&charge, &answer, AMOUNT);
    is_refused(
        11,
        "a void of a captured charge",
        bench.follow(FollowUp::Void, &void).await,
    )
}

pub(super) async fn c11_a_pending_attempt_is_voided<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let request = bench.attempt(Outcome::Pending)?;
    let what = "a charge that is decided later";
    let answer = comes_to(
        OperationState::Pending,
        9,
        what,
        bench.charge(&request).await,
    )?;
    let void = bench.about(&request, &answer, AMOUNT);
    bench.done(FollowUp::Void, &void).await?;
    Ok(())
}

/// Sends parts of what was taken back.
async fn refunded<F: PaymentFactory>(bench: &Bench<'_, F>, request: &FollowUpRequest) -> Verdict {
    let answer = bench.done(FollowUp::Refund, request).await?;
    ensure!(
        answer.amount == request.amount,
        12,
        "a refund gives back what was asked",
        "{}",
        in_words(&answer)
    );
    Ok(())
}

pub(super) async fn c12_refunds_add_up_to_the_charge<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let (charge, answer) = bench.charged().await?;
    for part in [400, 1, AMOUNT - 401] {
        refunded(&bench, &bench.about(&charge, &answer, part)).await?;
    }
    let more = bench.about(&charge, &answer, 1);
    is_refused(
        12,
        "a refund beyond what is left",
        bench.follow(FollowUp::Refund, &more).await,
    )
}

pub(super) async fn c12_refunds_add_up_to_a_capture<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let authorized = bench.authorized().await?;
    let (first, answer) = captured(&bench, &authorized, 600).await?;
    captured(&bench, &authorized, AMOUNT - 600).await?;
    for part in [250, 350] {
        refunded(&bench, &bench.about_capture(&first, &answer, part)).await?;
    }
    let more = bench.about_capture(&first, &answer, 1);
    is_refused(
        12,
        "a refund beyond what is left of a capture",
        bench.follow(FollowUp::Refund, &more).await,
    )
}

pub(super) async fn c12_more_than_was_captured_is_refused_and_moves_nothing<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let (charge, answer) = bench.charged().await?;
    let too_much = bench.about(&charge, &answer, AMOUNT + 1);
    is_refused(
        12,
        "a refund of more than was captured",
        bench.follow(FollowUp::Refund, &too_much).await,
    )?;
    refunded(&bench, &bench.about(&charge, &answer, AMOUNT)).await
}

pub(super) async fn c12_what_was_not_captured_is_not_refunded<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let (charge, _) = bench.charged().await?;
    let (key, parent) = (bench.key(), bench.key());
    let request = FollowUpRequest::new(
        key,
        charge.order,
        charge.number,
        parent,
        bench.money(AMOUNT),
    );
    let reference = Uuid::nil().to_string().parse().ok();
    let refund = FollowUpRequest {
        parent_reference: reference,
        ..request
    };
    is_refused(
        12,
        "a refund of what never was",
        bench.follow(FollowUp::Refund, &refund).await,
    )
}
