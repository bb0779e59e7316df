//! Clauses 7 to 12: what reservations are, and what is done with them.

use std::time::Duration;

use super::InventoryFactory;
use super::bench::*;
use crate::ids::Reference;
use crate::services::{ClosingRequest, InventoryService, ReservationLookup};
use crate::testkit::service_conformance::{Verdict, ensure, missing, provoked, said};

pub(super) async fn c07_a_hold_has_a_reference_and_the_units_asked_for<F: InventoryFactory>(
    f: &F,
) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let mut references = Vec::new();
    for quantity in [1, 3] {
        let (_, hold) = bench.held(&sku, quantity).await?;
        let usable = hold.reference.parse::<Reference>().is_ok();
        ensure!(
            usable,
            7,
            "a reference is 1 to 255 characters of one line",
            "{:?}",
            hold.reference
        );
        ensure!(
            hold.quantity == quantity,
            7,
            format!("a reserve of {quantity} units holds those"),
            "{}",
            hold.quantity
        );
        references.push(hold.reference);
    }
    ensure!(
        references[0] != references[1],
        7,
        "no two holds share a reference",
        "both are {:?}",
        references[0]
    );
    Ok(())
}

pub(super) async fn c08_committed_units_are_gone_for_good<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    bench
        .done(Closing::Commit, &bench.about(&reserve, &hold, 3))
        .await?;
    bench
        .left(8, "committed units are gone", &sku, STOCK - 3)
        .await
}

pub(super) async fn c08_more_than_is_held_is_not_committed<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    bench
        .refused(
            8,
            "a commit of 4 of 3 held units",
            Closing::Commit,
            &bench.about(&reserve, &hold, 4),
        )
        .await?;
    bench
        .done(Closing::Commit, &bench.about(&reserve, &hold, 3))
        .await?;
    bench
        .left(8, "a refused commit moves nothing", &sku, STOCK - 3)
        .await
}

pub(super) async fn c08_what_is_not_held_is_not_committed<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    bench
        .done(Closing::Release, &bench.about(&reserve, &hold, 3))
        .await?;
    let late = bench.about(&reserve, &hold, 3);
    bench
        .refused(
            8,
            "a commit of a hold that was given back",
            Closing::Commit,
            &late,
        )
        .await?;
    let reference = "00000000-0000-0000-0000-000000000000".parse().ok();
    let never = ClosingRequest {
        reserve_key: bench.key(),
        reference,
        ..bench.about(&reserve, &hold, 1)
    };
    bench
        .refused(
            8,
            "a commit of a hold that never was",
            Closing::Commit,
            &never,
        )
        .await?;
    bench
        .left(8, "a refused commit moves nothing", &sku, STOCK)
        .await
}

pub(super) async fn c09_released_units_are_available_again<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, STOCK).await?;
    bench
        .done(Closing::Release, &bench.about(&reserve, &hold, STOCK))
        .await?;
    bench
        .left(9, "units that were given back are available", &sku, STOCK)
        .await
}

pub(super) async fn c09_more_than_is_held_is_not_released<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    bench
        .refused(
            9,
            "a release of 4 of 3 held units",
            Closing::Release,
            &bench.about(&reserve, &hold, 4),
        )
        .await?;
    bench
        .left(9, "a refused release moves nothing", &sku, STOCK - 3)
        .await?;
    bench
        .done(Closing::Release, &bench.about(&reserve, &hold, 3))
        .await
}

pub(super) async fn c10_parts_are_committed_and_given_back_until_nothing_is_left<
    F: InventoryFactory,
>(
    f: &F,
) -> Verdict {
    let bench = Bench::that_claims(f, &["partial"]).await?;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, STOCK).await?;
    let parts = [
        (Closing::Commit, 2),
        (Closing::Release, 1),
        (Closing::Commit, 1),
        (Closing::Release, 1),
    ];
    for (how, units) in parts {
        bench
            .done(how, &bench.about(&reserve, &hold, units))
            .await?;
    }
    for how in [Closing::Commit, Closing::Release] {
        let what = format!("a {how:?} of one unit more than was left").to_lowercase();
        bench
            .refused(10, &what, how, &bench.about(&reserve, &hold, 1))
            .await?;
    }
    bench
        .left(
            10,
            "of 5 held units 3 were committed and 2 given back",
            &sku,
            2,
        )
        .await
}

pub(super) async fn c11_committed_units_come_back<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::that_claims(f, &["release_committed"]).await?;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    let back = |units| ClosingRequest {
        committed: true,
        ..bench.about(&reserve, &hold, units)
    };
    bench
        .refused(
            11,
            "taking back units that were never committed",
            Closing::Release,
            &back(3),
        )
        .await?;
    bench
        .done(Closing::Commit, &bench.about(&reserve, &hold, 3))
        .await?;
    bench
        .refused(
            11,
            "taking back 4 of 3 committed units",
            Closing::Release,
            &back(4),
        )
        .await?;
    bench.done(Closing::Release, &back(3)).await?;
    bench
        .left(11, "units that came back are available", &sku, STOCK)
        .await
}

pub(super) async fn c11_committed_units_come_back_in_parts<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::that_claims(f, &["release_committed", "partial"]).await?;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, STOCK).await?;
    let back = |units| ClosingRequest {
        committed: true,
        ..bench.about(&reserve, &hold, units)
    };
    bench
        .done(Closing::Commit, &bench.about(&reserve, &hold, 3))
        .await?;
    bench.done(Closing::Release, &back(1)).await?;
    bench.done(Closing::Release, &back(1)).await?;
    bench
        .refused(
            11,
            "taking back 2 units where 1 is left",
            Closing::Release,
            &back(2),
        )
        .await?;
    bench
        .left(
            11,
            "of 5 held units 3 were committed, of which 2 came back",
            &sku,
            2,
        )
        .await
}

pub(super) async fn c12_a_hold_stays_for_as_long_as_it_says<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    let life = hold
        .lifetime
        .map_or(FOR_EVER, |life| life.saturating_sub(Duration::from_secs(1)));
    provoked("pass", f.pass(life)).await?;
    let claimed = match hold.lifetime {
        Some(life) => format!(
            "a hold that names a lifetime of {} s stays for that long",
            life.as_secs()
        ),
        None => "a hold that names no lifetime stays".to_owned(),
    };
    let commit = bench.about(&reserve, &hold, 3);
    let answer = bench.close(Closing::Commit, &commit).await;
    ensure!(
        answer.is_ok(),
        12,
        claimed,
        "a commit after {} s: {}",
        life.as_secs(),
        said(&answer)
    );
    Ok(())
}

pub(super) async fn c12_a_hold_lapses_when_it_says_so<F: InventoryFactory>(f: &F) -> Verdict {
    let bench = Bench::new(f).await;
    let sku = bench.stock().await;
    let (reserve, hold) = bench.held(&sku, 3).await?;
    let Some(life) = hold.lifetime else {
        return missing("lapse");
    };
    provoked("pass", f.pass(life + Duration::from_secs(1))).await?;
    let claimed = format!(
        "a hold that names a lifetime of {} s is over then",
        life.as_secs()
    );
    let late = bench.about(&reserve, &hold, 3);
    bench
        .refused(
            12,
            "a commit of a hold that has lapsed",
            Closing::Commit,
            &late,
        )
        .await?;
    if bench.service.capabilities().look_up {
        let found = bench.look_up(&reserve).await;
        ensure!(
            matches!(found, Ok(ReservationLookup::Expired)),
            12,
            claimed,
            "the look-up: {}",
            said(&found)
        );
    }
    bench.left(12, &claimed, &sku, STOCK).await
}
