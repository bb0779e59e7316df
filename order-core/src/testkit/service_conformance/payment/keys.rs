//! Clauses 3 to 6: what keys promise.

use futures_util::future::join_all;

use super::PaymentFactory;
use super::bench::*;
use crate::money::Money;
use crate::order::OperationState;
use crate::services::{AttemptRequest, CallError, FollowUpRequest, PaymentAnswer, PaymentService};
use crate::testkit::service_conformance::{
    Verdict, broken, drop_after, ensure, over, provoked, said, said_error,
};
use crate::testkit::services::Outcome;

/// Says that a key has had one effect, if the books can be read.
fn once(clause: u8, claimed: &str, books: &[Money]) -> Verdict {
    if books.len() == 1 {
        return Ok(());
    }
    let amounts: Vec<String> = books.iter().map(Money::to_string).collect();
    broken(
        clause,
        claimed,
        format!(
            "it took effect {} times by the provider's books: [{}]",
            books.len(),
            amounts.join(", ")
        ),
    )
}

const REPEATED: &str =
    "with `repeat`, a request under its key again has one effect and the same answer";

pub(super) async fn c03_a_repeated_charge_has_one_effect_and_one_answer<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    let (request, first) = bench.charged().await?;
    for _ in 0..2 {
        let again = comes_to(
            OperationState::Captured,
            3,
            "a repeated charge",
            bench.charge(&request).await,
        )?;
        same(3, REPEATED, &first, &again)?;
    }
    match f.books(request.key).await {
        Some(books) => once(3, REPEATED, &books),
        None => Ok(()),
    }
}

pub(super) async fn c03_a_repeated_refund_has_one_effect_and_one_answer<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    let (charge, answer) = bench.charged().await?;
    let refund = bench.about(&charge, &answer, AMOUNT / 2);
    let first = bench.done(FollowUp::Refund, &refund).await?;
    let again = comes_to(
        OperationState::Refunded,
        3,
        "a repeated refund",
        bench.follow(FollowUp::Refund, &refund).await,
    )?;
    same(3, REPEATED, &first, &again)?;
    // Had it gone back twice, there would be nothing left.
    let rest = bench.about(&charge, &answer, AMOUNT - AMOUNT / 2);
    bench.done(FollowUp::Refund, &rest).await?;
    Ok(())
}

pub(super) async fn c03_a_repeated_capture_or_void_has_one_effect_and_one_answer<
    F: PaymentFactory,
>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    let (attempt, answer) = bench.authorized().await?;
    let again = comes_to(
        OperationState::Authorized,
        3,
        "a repeated authorization",
        bench.authorize(&attempt).await,
    )?;
    ensure!(
        again.reference == answer.reference,
        3,
        REPEATED,
        "{} and then {}",
        in_words(&answer),
        in_words(&again)
    );
    let capture = bench.about(&attempt, &answer, AMOUNT / 2);
    let first = bench.done(FollowUp::Capture, &capture).await?;
    let again = comes_to(
        OperationState::Captured,
        3,
        "a repeated capture",
        bench.follow(FollowUp::Capture, &capture).await,
    )?;
    same(3, REPEATED, &first, &again)?;
    // Had it been taken twice, there would be nothing left.
    let rest = bench.about(&attempt, &answer, AMOUNT - AMOUNT / 2);
    bench.done(FollowUp::Capture, &rest).await?;

    let (attempt, answer) = bench.authorized().await?;
    let void = bench.about(&attempt, &answer, AMOUNT);
    bench.done(FollowUp::Void, &void).await?;
    comes_to(
        OperationState::Voided,
        3,
        "a repeated void",
        bench.follow(FollowUp::Void, &void).await,
    )?;
    Ok(())
}

pub(super) async fn c03_a_charge_repeated_at_the_same_time_has_one_effect<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    let request = bench.attempt(Outcome::Approve)?;
    let mut answers = join_all((0..4).map(|_| bench.charge(&request))).await;
    answers.push(until_known(|| bench.charge(&request)).await);
    let mut first: Option<PaymentAnswer> = None;
    for answer in answers {
        match (answer, &first) {
            // The others were told that one is under way.
            (Err(CallError::Unknown { .. } | CallError::NotDone { .. }), _) => {}
            (Ok(answer), Some(first)) => same(3, REPEATED, first, &answer)?,
            (answer, None) => {
                first = Some(comes_to(
                    OperationState::Captured,
                    3,
                    "a charge sent four times at once",
                    answer,
                )?)
            }
            (Err(error), Some(_)) => {
                return broken(
                    3,
                    REPEATED,
                    format!("one of them was {}", said_error(&error)),
                );
            }
        }
    }
    match f.books(request.key).await {
        Some(books) => once(3, REPEATED, &books),
        None => Ok(()),
    }
}

pub(super) async fn c03_a_charge_repeated_after_a_lost_answer_has_one_effect<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    let request = bench.attempt(Outcome::Approve)?;
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    // Clause 1 has cases of its own for what this may be.
    let _ = bench.charge(&request).await;
    let answer = until_known(|| bench.charge(&request)).await;
    comes_to(
        OperationState::Captured,
        3,
        "a charge repeated after its answer was lost",
        answer,
    )?;
    once(
        3,
        "with `repeat`, a charge whose answer was lost is repeated without a second effect",
        &bench.books(request.key).await?,
    )
}

pub(super) async fn c03_a_key_with_another_amount_is_refused<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    let (request, _) = bench.charged().await?;
    let other = AttemptRequest {
        amount: bench.money(AMOUNT - 1),
        ..request.clone()
    };
    let answer = bench.charge(&other).await;
    let claimed = "a key that comes back with another amount is refused";
    ensure!(answer.is_err(), 3, claimed, "{}", seen(&answer));
    if let Some(books) = f.books(request.key).await {
        once(3, claimed, &books)?;
    }
    Ok(())
}

pub(super) async fn c03_another_key_is_another_charge<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let (one, first) = bench.charged().await?;
    let two = AttemptRequest {
        key: bench.key(),
        ..one.clone()
    };
    let second = comes_to(
        OperationState::Captured,
        3,
        "a charge of the same order under another key",
        bench.charge(&two).await,
    )?;
    let claimed = "the same charge under another key is another charge";
    ensure!(
        first.reference != second.reference,
        3,
        claimed,
        "both are {:?}",
        first.reference
    );
    for request in [one, two] {
        if let Some(books) = f.books(request.key).await {
            once(3, claimed, &books)?;
        }
    }
    Ok(())
}

pub(super) async fn c04_a_key_is_honoured_as_long_as_claimed<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    let (request, first) = bench.charged().await?;
    let life = bench.key_lifetime();
    provoked("pass", f.pass(life)).await?;
    let answer = bench.charge(&request).await;
    let claimed = match bench.service.capabilities().key_lifetime {
        Some(life) => format!(
            "`key_lifetime` says that a key is honoured for {} s",
            life.as_secs()
        ),
        None => "`key_lifetime` says that a key is honoured for ever".to_owned(),
    };
    let books = bench.books(request.key).await?;
    let again = match &answer {
        Ok(again) => in_words(again),
        Err(error) => said_error(error),
    };
    let seen = format!(
        "repeated after {} s: {again}, at first {}; it took effect {} times",
        life.as_secs(),
        in_words(&first),
        books.len()
    );
    let honoured = books.len() == 1 && answer.is_ok_and(|a| a.reference == first.reference);
    ensure!(honoured, 4, claimed, "{seen}");
    Ok(())
}

const FOUND: &str =
    "with `look_up`, an operation is found by its key from the moment it took effect";

/// That an operation is found as it was answered.
async fn is_found<F: PaymentFactory>(
    bench: &Bench<'_, F>,
    what: &str,
    (key, order): (uuid::Uuid, crate::ids::OrderId),
    answered: &PaymentAnswer,
) -> Verdict {
    match bench.look_up(key, order).await {
        Ok(Some(found)) => {
            let money = matches!(
                found.status,
                OperationState::Authorized | OperationState::Captured | OperationState::Refunded
            );
            let alike =
                found.status == answered.status && (!money || found.amount == answered.amount);
            ensure!(
                alike,
                5,
                FOUND,
                "{what} was {}, and is found as {}",
                in_words(answered),
                in_words(&found)
            );
            let named = found.reference == answered.reference;
            ensure!(
                named,
                5,
                FOUND,
                "{what} was {:?}, and is found as {:?}",
                answered.reference,
                found.reference
            );
            Ok(())
        }
        other => broken(
            5,
            FOUND,
            format!(
                "{what} was {}, and the look-up right after: {}",
                in_words(answered),
                said(&other)
            ),
        ),
    }
}

pub(super) async fn c05_what_just_happened_is_found<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::that_looks_up(f).await?;
    let (charge, answer) = bench.charged().await?;
    is_found(&bench, "a charge", (charge.key, charge.order), &answer).await?;
    let refund = bench.about(&charge, &answer, AMOUNT / 2);
    let refunded = bench.done(FollowUp::Refund, &refund).await?;
    is_found(&bench, "a refund", (refund.key, refund.order), &refunded).await
}

pub(super) async fn c05_what_just_happened_to_an_authorization_is_found<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_looks_up(f).await?;
    let (attempt, answer) = bench.authorized().await?;
    is_found(
        &bench,
        "an authorization",
        (attempt.key, attempt.order),
        &answer,
    )
    .await?;
    let capture = bench.about(&attempt, &answer, AMOUNT / 2);
    let captured = bench.done(FollowUp::Capture, &capture).await?;
    is_found(&bench, "a capture", (capture.key, capture.order), &captured).await?;
    let void = bench.about(&attempt, &answer, AMOUNT);
    let voided = bench.done(FollowUp::Void, &void).await?;
    is_found(&bench, "a void", (void.key, void.order), &voided).await
}

pub(super) async fn c05_what_was_never_answered_is_found<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::that_looks_up(f).await?;
    let request = bench.attempt(Outcome::Approve)?;
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    // Clause 1 has cases of its own for what this may be.
    let _ = bench.charge(&request).await;
    let found = bench.look_up(request.key, request.order).await;
    let alike = matches!(&found, Ok(Some(a)) if a.status == OperationState::Captured && a.amount == request.amount);
    ensure!(
        alike,
        5,
        FOUND,
        "a charge was carried out and its answer lost, and the look-up right after: {}",
        said(&found)
    );
    Ok(())
}

pub(super) async fn c05_a_key_that_was_never_used_is_not_found<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_looks_up(f).await?;
    let (charge, _) = bench.charged().await?;
    let found = bench.look_up(bench.key(), charge.order).await;
    ensure!(
        matches!(found, Ok(None)),
        5,
        "a key that was never used is Ok(None)",
        "{}",
        said(&found)
    );
    Ok(())
}

pub(super) async fn c05_a_failed_look_up_is_an_error<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::that_looks_up(f).await?;
    let (charge, _) = bench.charged().await?;
    provoked("refuse_next_connection", f.refuse_next_connection()).await?;
    let found = bench.look_up(charge.key, charge.order).await;
    let claimed = "a look-up that found nobody to connect to is an Err: Ok(None) is taken as proof";
    ensure!(!matches!(found, Ok(None)), 5, claimed, "{}", said(&found));
    Ok(())
}

pub(super) async fn c05_looking_changes_nothing<F: PaymentFactory>(f: &F) -> Verdict {
    let bench = Bench::that_looks_up(f).await?;
    let (charge, _) = bench.charged().await?;
    let unused = bench.key();
    for key in [charge.key, unused, charge.key, unused] {
        let found = bench.look_up(key, charge.order).await;
        ensure!(
            found.is_ok(),
            5,
            "a look-up is answered",
            "{}",
            said(&found)
        );
    }
    once(
        5,
        "looking changes nothing",
        &bench.books(charge.key).await?,
    )?;
    let books = bench.books(unused).await?;
    ensure!(
        books.is_empty(),
        5,
        "looking changes nothing",
        "a key that was only looked up has {books:?}"
    );
    Ok(())
}

/// At how many points a call is dropped where it waits.
const POINTS: u32 = 8;

pub(super) async fn c06_a_dropped_charge_is_repeated_with_one_effect<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_repeats(f).await?;
    for point in 0..POINTS {
        let request = bench.attempt(Outcome::Approve)?;
        drop_after(point, bench.service.charge(&request)).await;
        let answer = until_known(|| bench.charge(&request)).await;
        comes_to(
            OperationState::Captured,
            6,
            "a charge that was dropped and repeated",
            answer,
        )?;
        let claimed = format!(
            "a charge dropped where it waited for the {}th time, and repeated, has one effect",
            point + 1
        );
        once(6, &claimed, &bench.books(request.key).await?)?;
    }
    Ok(())
}

const LATE: &str = "what is called after its deadline is NotDone, and moves nothing";

pub(super) async fn c06_what_is_called_after_its_deadline_is_not_done<F: PaymentFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let not_done = |what: &str, answer, or_refused: bool| match answer {
        Err(CallError::NotDone { .. }) => Ok(()),
        // What a service never does it may refuse whenever it is asked.
        Err(CallError::Refused { .. }) if or_refused => Ok(()),
        answer => broken(6, LATE, format!("{what}: {}", seen(&answer))),
    };
    let charge = AttemptRequest {
        deadline: over(),
        ..bench.attempt(Outcome::Approve)?
    };
    not_done("a charge", bench.charge(&charge).await, false)?;
    let authorization = AttemptRequest {
        deadline: over(),
        ..bench.attempt(Outcome::Approve)?
    };
    not_done(
        "an authorization",
        bench.authorize(&authorization).await,
        true,
    )?;
    let (parent, answer) = bench.charged().await?;
    for how in [FollowUp::Capture, FollowUp::Void, FollowUp::Refund] {
        let request = FollowUpRequest {
            deadline: over(),
            ..bench.about(&parent, &answer, AMOUNT)
        };
        not_done(
            &format!("a {how:?}").to_lowercase(),
            bench.follow(how, &request).await,
            how != FollowUp::Refund,
        )?;
    }
    if let Some(books) = f.books(charge.key).await {
        ensure!(
            books.is_empty(),
            6,
            LATE,
            "the provider's books have {} for a charge",
            books.len()
        );
    }
    Ok(())
}
