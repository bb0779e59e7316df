//! Clauses 3 to 6: what keys promise.

use std::time::Duration;

use futures_util::future::join_all;

use super::InventoryFactory;
use super::bench::*;
use crate::services::{
    CallError, ClosingRequest, InventoryService, ReservationLookup, ReserveRequest,
};
use crate::testkit::service_conformance::{
    Verdict, broken, drop_after, ensure, over, provoked, said,
};

const REPEATED: &str =
    "with `repeat_reserve`, a reserve under its key again is one hold and the same answer";

pub(super) async fn c03_a_repeated_reserve_is_one_hold_and_one_answer<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["repeat"]).await?;
    let sku = bench.stock().await;
    let (request, first) = bench.held(&sku, 2).await?;
    for _ in 0..2 {
        let again = bench.reserve(&request).await;
        let alike = again
            .as_ref()
            .is_ok_and(|a| (&a.reference, a.quantity) == (&first.reference, first.quantity));
        ensure!(
            alike,
            3,
            REPEATED,
            "at first Ok ({first:?}), then {}",
            said(&again)
        );
    }
    bench.left(3, REPEATED, &sku, STOCK - 2).await
}

pub(super) async fn c03_a_reserve_repeated_at_the_same_time_is_one_hold<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["repeat"]).await?;
    let sku = bench.stock().await;
    let request = bench.request(&sku, 2);
    let mut answers = join_all((0..4).map(|_| bench.reserve(&request))).await;
    answers.push(until_known(&bench, &request).await);
    let mut references = Vec::new();
    for answer in answers {
        match answer {
            Ok(hold) => references.push(hold.reference),
            // It was told that another one is under way.
            Err(CallError::Unknown { .. } | CallError::NotDone { .. }) => {}
            answer => {
                return broken(
                    3,
                    REPEATED,
                    format!("one of four reserves at once was {}", said(&answer)),
                );
            }
        }
    }
    references.dedup();
    ensure!(
        references.len() == 1,
        3,
        REPEATED,
        "reserves sent at once are the holds {references:?}"
    );
    bench.left(3, REPEATED, &sku, STOCK - 2).await
}

pub(super) async fn c03_a_reserve_repeated_after_a_lost_answer_is_one_hold<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["repeat"]).await?;
    let sku = bench.stock().await;
    let request = bench.request(&sku, 2);
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    // Clause 1 has a case of its own for what this may be.
    let _ = bench.reserve(&request).await;
    let answer = until_known(&bench, &request).await;
    ensure!(
        answer.is_ok(),
        3,
        REPEATED,
        "repeated after its answer was lost: {}",
        said(&answer)
    );
    bench
        .left(
            3,
            "with `repeat_reserve`, a reserve whose answer was lost is repeated as one hold",
            &sku,
            STOCK - 2,
        )
        .await
}

pub(super) async fn c03_a_commit_or_release_that_is_done_already_is_ok_again<
    F: InventoryFactory,
>(
    f: &F,
) -> Verdict {
    for how in [Closing::Commit, Closing::Release] {
        let bench = Bench::new(f).await;
        let sku = bench.stock().await;
        let (reserve, hold) = bench.held(&sku, 2).await?;
        let request = bench.about(&reserve, &hold, 2);
        bench.done(how, &request).await?;
        let what = format!("{how:?}").to_lowercase();
        let again = ClosingRequest {
            repeat: true,
            ..request
        };
        let answer = bench.close(how, &again).await;
        let claimed =
            format!("a {what} that is done already is Ok under its key again, saying `repeat`");
        ensure!(answer.is_ok(), 3, claimed, "{}", said(&answer));
        let other = ClosingRequest {
            key: bench.key(),
            repeat: false,
            ..again
        };
        bench
            .refused(
                3,
                &format!("another {what} of what is gone, under a key of its own"),
                how,
                &other,
            )
            .await?;
        let left = if how == Closing::Commit {
            STOCK - 2
        } else {
            STOCK
        };
        bench
            .left(3, &format!("a {what} has one effect"), &sku, left)
            .await?;
    }
    Ok(())
}

pub(super) async fn c03_a_commit_keeps_its_answer_whatever_happened_since<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["repeat", "partial"]).await?;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    let commit = bench.about(&reserve, &hold, 2);
    bench.done(Closing::Commit, &commit).await?;
    bench
        .done(Closing::Release, &bench.about(&reserve, &hold, 1))
        .await?;
    let again = bench
        .close(
            Closing::Commit,
            &ClosingRequest {
                repeat: true,
                ..commit
            },
        )
        .await;
    let claimed = "a commit under its key again answers what it answered first, whatever happened to the hold since";
    ensure!(
        again.is_ok(),
        3,
        claimed,
        "after the rest was given back: {}",
        said(&again)
    );
    bench.left(3, claimed, &sku, STOCK - 2).await
}

pub(super) async fn c03_another_key_is_another_hold<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (one, first) = bench.held(&sku, 2).await?;
    let two = ReserveRequest {
        key: bench.key(),
        ..one
    };
    let second = bench.reserve(&two).await;
    let claimed = "the same reserve under another key is another hold";
    let other = second
        .as_ref()
        .is_ok_and(|hold| hold.reference != first.reference);
    ensure!(
        other,
        3,
        claimed,
        "at first Ok ({first:?}), then {}",
        said(&second)
    );
    bench.left(3, claimed, &sku, STOCK - 4).await
}

pub(super) async fn c04_a_key_is_honoured_as_long_as_claimed<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["repeat"]).await?;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 2).await?;
    let commit = bench.about(&reserve, &hold, 2);
    bench.done(Closing::Commit, &commit).await?;
    let (life, claimed) = match bench.service.capabilities().key_lifetime {
        Some(life) => {
            let claimed = format!(
                "`key_lifetime` says that a key is honoured for {} s",
                life.as_secs()
            );
            (life.saturating_sub(Duration::from_secs(1)), claimed)
        }
        None => (
            FOR_EVER,
            "`key_lifetime` says that a key is honoured for ever".to_owned(),
        ),
    };
    provoked("pass", f.pass(life)).await?;
    let answer = bench
        .close(
            Closing::Commit,
            &ClosingRequest {
                repeat: true,
                ..commit
            },
        )
        .await;
    ensure!(
        answer.is_ok(),
        4,
        claimed,
        "a commit repeated after {} s: {}",
        life.as_secs(),
        said(&answer)
    );
    // It may be refused, as the reservation is over; what counts is that no other one is made.
    let _ = bench.reserve(&reserve).await;
    bench.left(4, &claimed, &sku, STOCK - 2).await
}

const FOUND: &str = "a hold is found by its key from the moment it was made";

pub(super) async fn c05_a_hold_is_never_denied<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let (request, _) = bench.held(&bench.stock().await, 3).await?;
    let found = bench.look_up(&request).await;
    let claimed =
        "a hold that exists is found or, without `look_up`, Undecidable: Absent is taken as proof";
    let sound = match &found {
        Ok(ReservationLookup::Held(_)) => true,
        Ok(ReservationLookup::Undecidable) => !bench.service.capabilities().look_up,
        _ => false,
    };
    ensure!(
        sound,
        5,
        claimed,
        "a hold was made, and the look-up right after: {}",
        said(&found)
    );
    Ok(())
}

pub(super) async fn c05_a_hold_just_made_is_found_as_it_was_answered<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["look_up"]).await?;
    let (request, hold) = bench.held(&bench.stock().await, 3).await?;
    let found = bench.look_up(&request).await;
    let alike = matches!(&found, Ok(ReservationLookup::Held(h)) if (&h.reference, h.quantity) == (&hold.reference, hold.quantity));
    ensure!(
        alike,
        5,
        FOUND,
        "it was answered {hold:?}, and the look-up right after: {}",
        said(&found)
    );
    Ok(())
}

pub(super) async fn c05_a_hold_that_was_never_answered_is_found<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["look_up"]).await?;
    let request = bench.request(&bench.stock().await, 3);
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    // Clause 1 has a case of its own for what this may be.
    let _ = bench.reserve(&request).await;
    let found = bench.look_up(&request).await;
    let held = matches!(&found, Ok(ReservationLookup::Held(hold)) if hold.quantity == 3);
    ensure!(
        held,
        5,
        FOUND,
        "a reserve was carried out and its answer lost, and the look-up right after: {}",
        said(&found)
    );
    Ok(())
}

pub(super) async fn c05_a_key_that_was_never_used_has_no_hold<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["look_up"]).await?;
    let sku = bench.stock().await;
    let (request, _) = bench.held(&sku, 3).await?;
    let unused = ReserveRequest {
        key: bench.key(),
        ..request
    };
    let found = bench.look_up(&unused).await;
    ensure!(
        matches!(found, Ok(ReservationLookup::Absent)),
        5,
        "a key that was never used has no hold: Absent",
        "{}",
        said(&found)
    );
    bench
        .left(5, "looking changes nothing", &sku, STOCK - 3)
        .await
}

pub(super) async fn c05_what_became_of_a_hold_is_told<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::that_claims(f, &["look_up"]).await?;
    for (how, expected) in [
        (Closing::Commit, ReservationLookup::Committed),
        (Closing::Release, ReservationLookup::Released),
    ] {
        let (request, hold) = bench.held(&bench.stock().await, 3).await?;
        bench.done(how, &bench.about(&request, &hold, 3)).await?;
        let found = bench.look_up(&request).await;
        let told = found.as_ref().is_ok_and(|found| *found == expected);
        let claimed = format!("after a {how:?} of all its units a hold is found as {expected:?}")
            .to_lowercase();
        ensure!(told, 5, claimed, "{}", said(&found));
    }
    Ok(())
}

pub(super) async fn c05_a_failed_look_up_is_an_error<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::that_claims(f, &["look_up"]).await?;
    let (request, _) = bench.held(&bench.stock().await, 3).await?;
    provoked("refuse_next_connection", f.refuse_next_connection()).await?;
    let found = bench.look_up(&request).await;
    let claimed = "a look-up that found nobody to connect to is an Err or Undecidable: Absent is taken as proof";
    let denied = matches!(
        found,
        Ok(ReservationLookup::Absent | ReservationLookup::Released | ReservationLookup::Expired)
    );
    ensure!(!denied, 5, claimed, "{}", said(&found));
    Ok(())
}

/// At how many points a call is dropped where it waits.
const POINTS: u32 = 8;

pub(super) async fn c06_a_dropped_reserve_is_repeated_as_one_hold<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["repeat"]).await?;
    for point in 0..POINTS {
        let sku = bench.stock().await;
        let request = bench.request(&sku, 2);
        drop_after(point, bench.service.reserve(&request)).await;
        let answer = until_known(&bench, &request).await;
        let claimed = format!(
            "a reserve dropped where it waited for the {}th time, and repeated, is one hold",
            point + 1
        );
        ensure!(answer.is_ok(), 6, claimed, "repeated: {}", said(&answer));
        bench.left(6, &claimed, &sku, STOCK - 2).await?;
    }
    Ok(())
}

const LATE: &str = "what is called after its deadline is NotDone, and changes nothing";

pub(super) async fn c06_what_is_called_after_its_deadline_is_not_done<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let late = ReserveRequest {
        deadline: over(),
        ..bench.request(&sku, 2)
    };
    let answer = bench.reserve(&late).await;
    ensure!(
        matches!(answer, Err(CallError::NotDone { .. })),
        6,
        LATE,
        "a reserve: {}",
        said(&answer)
    );
    let (reserve, hold) = bench.held(&sku, 3).await?;
    for how in [Closing::Commit, Closing::Release] {
        let request = ClosingRequest {
            deadline: over(),
            ..bench.about(&reserve, &hold, 3)
        };
        let answer = bench.close(how, &request).await;
        let what = format!("a {how:?}").to_lowercase();
        ensure!(
            matches!(answer, Err(CallError::NotDone { .. })),
            6,
            LATE,
            "{what}: {}",
            said(&answer)
        );
    }
    // What is held is held still, and nothing else is.
    bench.left(6, LATE, &sku, STOCK - 3).await?;
    bench
        .done(Closing::Commit, &bench.about(&reserve, &hold, 3))
        .await
}
