//! Clauses 1 and 2: what an error says, and what a shortage is.

use super::InventoryFactory;
use super::bench::*;
use crate::services::{Availability, CallError, InventoryService, ReserveAnswer};
use crate::testkit::service_conformance::{Failure, Verdict, broken, ensure, provoked, said};

pub(super) async fn c01_a_lost_answer_is_unknown<F: InventoryFactory>(f: &F) -> Verdict {
    let claimed =
        "a call whose answer was lost is Unknown, or succeeds because the adapter found out itself";
    let bench = Bench::new(f).await;
    let request = bench.request(&bench.stock().await, 3);
    provoked("lose_next_answer", f.lose_next_answer()).await?;
    let answer = bench.reserve(&request).await;
    let sound = matches!(answer, Ok(_) | Err(CallError::Unknown { .. }));
    ensure!(
        sound,
        1,
        claimed,
        "a reserve was carried out and its answer lost: {}",
        said(&answer)
    );

    for how in [Closing::Commit, Closing::Release] {
        let bench = Bench::new(f).await;
        let (reserve, hold) = bench.held(&bench.stock().await, 3).await?;
        let request = bench.about(&reserve, &hold, 3);
        provoked("lose_next_answer", f.lose_next_answer()).await?;
        let answer = bench.close(how, &request).await;
        let sound = matches!(answer, Ok(()) | Err(CallError::Unknown { .. }));
        let what = format!("{how:?}").to_lowercase();
        ensure!(
            sound,
            1,
            claimed,
            "a {what} was carried out and its answer lost: {}",
            said(&answer)
        );
    }
    Ok(())
}

pub(super) async fn c01_no_connection_is_never_a_refusal<F: InventoryFactory>(f: &F) -> Verdict {
    let claimed = "a call that found nobody to connect to is NotDone or Unknown";
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let request = bench.request(&sku, 3);
    provoked("refuse_next_connection", f.refuse_next_connection()).await?;
    let answer = bench.reserve(&request).await;
    ensure!(
        !matches!(answer, Err(CallError::Refused { .. })),
        1,
        claimed,
        "a reserve was {}",
        said(&answer)
    );

    let bench = Bench::new(f).await;
    let (reserve, hold) = bench.held(&bench.stock().await, 3).await?;
    let request = bench.about(&reserve, &hold, 3);
    provoked("refuse_next_connection", f.refuse_next_connection()).await?;
    let answer = bench.close(Closing::Commit, &request).await;
    ensure!(
        !matches!(answer, Err(CallError::Refused { .. })),
        1,
        claimed,
        "a commit was {}",
        said(&answer)
    );
    Ok(())
}

/// Reserves, answered by this status and body, and returns what the adapter makes of it.
async fn reserve_answered<F: InventoryFactory>(
    f: &F,
    status: u16,
    body: &str,
) -> Result<Result<ReserveAnswer, CallError>, Failure> {
    let bench = Bench::new(f).await;
    let request = bench.request(&bench.stock().await, 3);
    provoked("answer_next", f.answer_next(status, body)).await?;
    Ok(bench.reserve(&request).await)
}

const FAILED: &str = r#"{"error":{"code":"failed"}}"#;

pub(super) async fn c01_a_failing_service_is_unknown<F: InventoryFactory>(f: &F) -> Verdict {
    for status in [408, 409, 500, 502, 503, 504] {
        // An adapter that asks again by itself, under the same key, may succeed.
        let answer = reserve_answered(f, status, FAILED).await?;
        let proven = matches!(
            answer,
            Err(CallError::Refused { .. } | CallError::NotDone { .. })
        );
        ensure!(
            !proven,
            1,
            format!("a reserve answered by HTTP {status} is Unknown"),
            "{}",
            said(&answer)
        );
    }
    Ok(())
}

pub(super) async fn c01_being_turned_away_is_never_a_refusal<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    for status in [401, 429] {
        let answer = reserve_answered(f, status, FAILED).await?;
        let refused = matches!(answer, Err(CallError::Refused { .. }));
        ensure!(
            !refused,
            1,
            format!("a reserve answered by HTTP {status} is NotDone or Unknown"),
            "{}",
            said(&answer)
        );
    }
    Ok(())
}

pub(super) async fn c01_an_answer_that_cannot_be_read_is_unknown<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    for body in ["", "<html>", "{}", "null"] {
        let answer = reserve_answered(f, 200, body).await?;
        let unknown = matches!(answer, Err(CallError::Unknown { .. }));
        ensure!(
            unknown,
            1,
            format!("a reserve answered by HTTP 200 and the body {body:?} is Unknown"),
            "{}",
            said(&answer)
        );
    }
    Ok(())
}

pub(super) async fn c02_a_shortage_is_refused_and_holds_nothing<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    match bench.reserve(&bench.request(&sku, STOCK + 1)).await {
        Err(CallError::Refused {
            available: None | Some(STOCK),
            ..
        }) => {}
        Err(CallError::Refused {
            available: Some(other),
            ..
        }) => {
            let claimed = "a shortage says how many units there are, or nothing";
            return broken(2, claimed, format!("{other} of {STOCK} units"));
        }
        answer => {
            return broken(
                2,
                format!("a reserve of {} of {STOCK} units is Refused", STOCK + 1),
                said(&answer),
            );
        }
    }
    bench
        .left(2, "a refused reserve holds nothing", &sku, STOCK)
        .await
}

pub(super) async fn c02_an_unknown_sku_is_refused<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let answer = bench.reserve(&bench.request(&f.unknown_sku(), 1)).await;
    let refused = matches!(
        answer,
        Err(CallError::Refused {
            available: None | Some(0),
            ..
        })
    );
    ensure!(
        refused,
        2,
        "a reserve of an unknown SKU is Refused",
        "{}",
        said(&answer)
    );
    Ok(())
}

pub(super) async fn c02_a_check_answers_every_sku_in_the_order_asked<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let (one, two) = (bench.stock().await, bench.stock().await);
    let skus = [two, f.unknown_sku(), one];
    let answer = bench.service.check(&skus).await;
    let expected = [STOCK, 0, STOCK]
        .into_iter()
        .zip(skus)
        .map(|(available, sku)| Availability { sku, available });
    let as_asked = answer
        .as_ref()
        .is_ok_and(|rows| rows.iter().cloned().eq(expected));
    let claimed = format!(
        "a check of two SKUs with {STOCK} units, and an unknown one between them, answers {STOCK}, 0, {STOCK}"
    );
    ensure!(as_asked, 2, claimed, "{}", said(&answer));
    Ok(())
}
