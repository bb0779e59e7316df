//! The contract of [`NotificationService`] as tests.

use std::future::Future;

use uuid::Uuid;

use super::{Sandbox, Verdict, ensure, provoked, said, suite, timed};
use crate::ids::{Bucket, OrderId, UserId};
use crate::number::OrderNumber;
use crate::order::NoticeKind;
use crate::services::{Notification, NotificationService};

/// Access of the suite to a notification service.
pub trait NotificationFactory: Sandbox {
    /// The adapter under test.
    type Service: NotificationService;

    /// An adapter that nothing was asked of.
    fn fresh(&self) -> impl Future<Output = Self::Service>;

    /// Returns how often the customer was told of an event; `None` if nobody can say.
    fn told(&self, event: Uuid) -> impl Future<Output = Option<u32>> {
        let _ = event;
        async { None }
    }
}

suite! { $ notification_conformance_tests notification NotificationFactory,
    needs [lose_next_answer refuse_next_connection answer_next books]
    1 notification_cases {
        c01_an_event_asked_for_again_is_ok_again [],
        c01_an_event_is_told_once [books],
        c01_an_event_whose_answer_was_lost_is_told_once [lose_next_answer books],
    }
    2 notification_cases {
        c02_what_could_not_be_told_is_an_error [refuse_next_connection],
        c02_a_service_that_fails_is_an_error [answer_next],
    }
}

async fn offered<F: NotificationFactory>(factory: &F, need: &str) -> bool {
    let _service = factory.fresh().await;
    match need {
        "lose_next_answer" => factory.lose_next_answer().await,
        "refuse_next_connection" => factory.refuse_next_connection().await,
        "answer_next" => factory.answer_next(503, "").await,
        _ => factory.told(Uuid::nil()).await.is_some(),
    }
}

mod notification_cases {
    use super::*;

    fn event(seed: u64, kind: NoticeKind) -> Notification {
        let id = |what: &[u8]| Uuid::new_v5(&Uuid::from_u64_pair(0x6e6f_7469_6365, seed), what);
        let (order, user) = (
            OrderId::from_uuid(id(b"order")),
            UserId::from_uuid(id(b"user")),
        );
        let (event_id, number) = (
            id(kind.as_str().as_bytes()),
            OrderNumber::new(seed, Bucket::MAX),
        );
        Notification {
            event_id,
            order,
            number,
            user,
            seq: 1,
            kind,
        }
    }

    pub(super) async fn c01_an_event_asked_for_again_is_ok_again<F: NotificationFactory>(
        f: &F,
    ) -> Verdict {
        let (service, event) = (f.fresh().await, event(f.seed(), NoticeKind::Confirmed));
        for _ in 0..3 {
            let answer = timed(f, service.notify(&event)).await;
            ensure!(
                answer.is_ok(),
                1,
                "an event that is asked for again is Ok again",
                "{}",
                said(&answer)
            );
        }
        Ok(())
    }

    pub(super) async fn c01_an_event_is_told_once<F: NotificationFactory>(f: &F) -> Verdict {
        let service = f.fresh().await;
        let events = [
            event(f.seed(), NoticeKind::Confirmed),
            event(f.seed(), NoticeKind::Shipped),
        ];
        for event in events.iter().chain(&events) {
            let answer = timed(f, service.notify(event)).await;
            ensure!(answer.is_ok(), 1, "an event is told", "{}", said(&answer));
        }
        for event in events {
            let told = f.told(event.event_id).await;
            ensure!(
                told == Some(1),
                1,
                "a service that keeps books tells each event once",
                "{} was told {told:?} times",
                event.kind
            );
        }
        Ok(())
    }

    pub(super) async fn c01_an_event_whose_answer_was_lost_is_told_once<F: NotificationFactory>(
        f: &F,
    ) -> Verdict {
        let (service, event) = (f.fresh().await, event(f.seed(), NoticeKind::Confirmed));
        provoked("lose_next_answer", f.lose_next_answer()).await?;
        // Whatever it says: the engine asks again.
        let _ = timed(f, service.notify(&event)).await;
        let answer = timed(f, service.notify(&event)).await;
        ensure!(
            answer.is_ok(),
            1,
            "an event whose answer was lost is Ok the next time",
            "{}",
            said(&answer)
        );
        let told = f.told(event.event_id).await;
        ensure!(
            told == Some(1),
            1,
            "an event whose answer was lost is told once",
            "it was told {told:?} times"
        );
        Ok(())
    }

    pub(super) async fn c02_what_could_not_be_told_is_an_error<F: NotificationFactory>(
        f: &F,
    ) -> Verdict {
        let service = f.fresh().await;
        ensure!(
            f.refuse_next_connection().await,
            2,
            "refuse_next_connection can be provoked, or is left out",
            "it answers false"
        );
        let answer = timed(f, service.notify(&event(f.seed(), NoticeKind::Confirmed))).await;
        ensure!(
            answer.is_err(),
            2,
            "what found nobody to connect to is an Err",
            "{}",
            said(&answer)
        );
        Ok(())
    }

    pub(super) async fn c02_a_service_that_fails_is_an_error<F: NotificationFactory>(
        f: &F,
    ) -> Verdict {
        for status in [401, 500, 503] {
            let service = f.fresh().await;
            provoked("answer_next", f.answer_next(status, "")).await?;
            let answer = timed(f, service.notify(&event(f.seed(), NoticeKind::Confirmed))).await;
            ensure!(
                answer.is_err(),
                2,
                format!("HTTP {status} is an Err"),
                "{}",
                said(&answer)
            );
        }
        Ok(())
    }
}
