//! The contract of [`UserService`] as tests.

use std::future::Future;

use super::{Sandbox, Verdict, ensure, provoked, said, suite, timed};
use crate::ids::UserId;
use crate::services::UserService;

/// Access of the suite to a user service.
pub trait UserFactory: Sandbox {
    /// The adapter under test.
    type Service: UserService;

    /// An adapter that nothing was asked of.
    fn fresh(&self) -> impl Future<Output = Self::Service>;

    /// A user that the service has.
    fn user(&self) -> UserId;

    /// A user that it does not have.
    fn unknown(&self) -> UserId {
        UserId::from_uuid(uuid::Uuid::from_u128(u128::MAX))
    }
}

suite! { $ user_conformance_tests user UserFactory,
    needs [refuse_next_connection answer_next]
    1 user_cases {
        c01_a_user_has_their_id [],
    }
    2 user_cases {
        c02_an_unknown_user_is_none [],
        c02_a_service_that_cannot_be_reached_is_an_error [refuse_next_connection],
        c02_a_service_that_fails_is_an_error [answer_next],
    }
}

async fn offered<F: UserFactory>(factory: &F, need: &str) -> bool {
    let _service = factory.fresh().await;
    match need {
        "refuse_next_connection" => factory.refuse_next_connection().await,
        _ => factory.answer_next(503, "").await,
    }
}

mod user_cases {
    use super::*;

    pub(super) async fn c01_a_user_has_their_id<F: UserFactory>(f: &F) -> Verdict {
        let answer = timed(f, f.fresh().await.get(f.user())).await;
        let found = matches!(&answer, Ok(Some(user)) if user.id == f.user());
        ensure!(
            found,
            1,
            "a user that there is is found, with the id that was asked for",
            "{}",
            said(&answer)
        );
        Ok(())
    }

    pub(super) async fn c02_an_unknown_user_is_none<F: UserFactory>(f: &F) -> Verdict {
        let answer = timed(f, f.fresh().await.get(f.unknown())).await;
        ensure!(
            matches!(answer, Ok(None)),
            2,
            "an unknown user is Ok(None)",
            "{}",
            said(&answer)
        );
        Ok(())
    }

    pub(super) async fn c02_a_service_that_cannot_be_reached_is_an_error<F: UserFactory>(
        f: &F,
    ) -> Verdict {
        let service = f.fresh().await;
        ensure!(
            f.refuse_next_connection().await,
            2,
            "refuse_next_connection can be provoked, or is left out",
            "it answers false"
        );
        let answer = timed(f, service.get(f.user())).await;
        ensure!(
            !matches!(answer, Ok(None)),
            2,
            "a service that cannot be reached is an Err",
            "{}",
            said(&answer)
        );
        Ok(())
    }

    pub(super) async fn c02_a_service_that_fails_is_an_error<F: UserFactory>(f: &F) -> Verdict {
        for status in [401, 500, 503] {
            let service = f.fresh().await;
            provoked("answer_next", f.answer_next(status, "")).await?;
            let answer = timed(f, service.get(f.user())).await;
            ensure!(
                !matches!(answer, Ok(None)),
                2,
                format!("HTTP {status} is an Err"),
                "{}",
                said(&answer)
            );
        }
        Ok(())
    }
}
