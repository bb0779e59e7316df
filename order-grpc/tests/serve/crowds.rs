//! Many callers at once.

use std::collections::BTreeMap;

use tokio::task::JoinSet;
use tonic::Code;

use crate::world::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_with_one_key_get_one_order() {
    let world = World::new().await;
    let client = world.client().await;
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let mut client = client.clone();
        callers.spawn(async move {
            let answer = client
                .create_order(with(
                    request(&[1], 2, "CARD"),
                    &[("idempotency-key", "one")],
                ))
                .await
                .unwrap();
            let replayed = said(answer.metadata(), "order-replayed").is_some();
            (answer.into_inner(), replayed)
        });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|(_, replayed)| !replayed).count(), 1);
    assert!(answers.iter().all(|(order, _)| order.status == "CONFIRMED"));
    assert!(
        answers.iter().all(|(order, _)| *order == answers[0].0),
        "all answers are equal"
    );
    assert_eq!(world.inventory.inner().level(&sku(1)).reserved, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_who_want_the_last_unit_one_gets_it() {
    let world = World::new().await;
    let client = world.client().await;
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let mut client = client.clone();
        callers.spawn(async move {
            match client.create_order(request(&[LAST_ONE], 1, "CARD")).await {
                Ok(answer) => answer.into_inner().status,
                Err(status) => {
                    let refused = Refused::of::<()>(Err(status));
                    assert_eq!(refused.code, Code::FailedPrecondition);
                    refused.reason
                }
            }
        });
    }
    let mut ends = BTreeMap::new();
    for end in callers.join_all().await {
        *ends.entry(end).or_insert(0) += 1;
    }
    assert_eq!(
        ends,
        BTreeMap::from([("CONFIRMED".into(), 1), ("OUT_OF_STOCK".into(), 99)])
    );
    let captured = world.payment.inner().with_ledger(|ledger| ledger.len());
    assert_eq!(captured, 1, "nobody else was charged");
}
