use super::*;

#[derive(Debug, PartialEq, Eq)]
enum Means {
    Done,
    Refused,
    Lost,
    NobodyKnows,
}

fn means(answer: Result<(), CallError>) -> Means {
    match answer {
        Ok(()) => Means::Done,
        Err(CallError::Refused {
            reservation_lost: true,
            ..
        }) => Means::Lost,
        Err(CallError::Refused { .. }) => Means::Refused,
        Err(CallError::Unknown {
            malformed: true, ..
        }) => Means::NobodyKnows,
        Err(other) => panic!("{other}"),
    }
}

fn known(confirmed: Confirmed, cancelled: Cancelled) -> Known {
    Known {
        quantity: None,
        confirmed,
        cancelled,
    }
}

#[test]
fn an_invalid_state_is_a_confirm_that_was_done_unless_a_cancel_may_have_been() {
    use Means::{Done, Lost, NobodyKnows, Refused};
    let of = |confirmed, cancelled, repeat, over| {
        means(meaning_for_confirm(
            known(confirmed, cancelled),
            repeat,
            over,
            Uuid::nil(),
        ))
    };
    for (confirmed, cancelled, repeat, over, expected) in [
        // The first request about a reservation that is gone.
        (Confirmed::Never, Cancelled::Never, false, false, Refused),
        // The repeat of what another process, or this one before it was started anew, sent.
        (Confirmed::Never, Cancelled::Never, true, false, Done),
        (Confirmed::Never, Cancelled::Never, true, true, NobodyKnows),
        // The repeat of what this process sent.
        (Confirmed::Perhaps, Cancelled::Never, true, false, Done),
        (Confirmed::Perhaps, Cancelled::Never, false, false, Done),
        (
            Confirmed::Perhaps,
            Cancelled::Never,
            true,
            true,
            NobodyKnows,
        ),
        (
            Confirmed::Perhaps,
            Cancelled::Perhaps,
            true,
            false,
            NobodyKnows,
        ),
        (
            Confirmed::Perhaps,
            Cancelled::Done,
            true,
            false,
            NobodyKnows,
        ),
        (
            Confirmed::Never,
            Cancelled::Perhaps,
            true,
            false,
            NobodyKnows,
        ),
        (Confirmed::Never, Cancelled::Perhaps, false, false, Refused),
        (Confirmed::Never, Cancelled::Done, true, false, Refused),
        // What was heard to have expired was never confirmed.
        (Confirmed::Never, Cancelled::Expired, true, true, Lost),
        (Confirmed::Never, Cancelled::Expired, false, true, Lost),
        (Confirmed::Perhaps, Cancelled::Expired, true, false, Lost),
        // What is known to be done stays done.
        (Confirmed::Done, Cancelled::Never, true, true, Done),
        (Confirmed::Done, Cancelled::Perhaps, true, false, Done),
        (Confirmed::Done, Cancelled::Never, false, false, Refused),
    ] {
        let seen = of(confirmed, cancelled, repeat, over);
        assert_eq!(
            seen, expected,
            "{confirmed:?}, {cancelled:?}, repeat {repeat}, over {over}"
        );
    }
}

#[test]
fn an_invalid_state_is_a_cancel_that_was_done_unless_a_confirm_may_have_been() {
    use Means::{Done, NobodyKnows, Refused};
    for (confirmed, cancelled, repeat, expected) in [
        (Confirmed::Never, Cancelled::Never, false, Refused),
        (Confirmed::Never, Cancelled::Never, true, Done),
        (Confirmed::Never, Cancelled::Perhaps, true, Done),
        (Confirmed::Never, Cancelled::Perhaps, false, Done),
        (Confirmed::Never, Cancelled::Done, true, Done),
        (Confirmed::Never, Cancelled::Done, false, Refused),
        (Confirmed::Never, Cancelled::Expired, false, Done),
        (Confirmed::Perhaps, Cancelled::Never, false, Refused),
        (Confirmed::Perhaps, Cancelled::Never, true, NobodyKnows),
        (Confirmed::Perhaps, Cancelled::Perhaps, true, NobodyKnows),
        (Confirmed::Done, Cancelled::Never, true, Refused),
        (Confirmed::Done, Cancelled::Perhaps, true, Refused),
    ] {
        let seen = means(meaning_for_cancel(
            known(confirmed, cancelled),
            repeat,
            Uuid::nil(),
        ));
        assert_eq!(
            seen, expected,
            "{confirmed:?}, {cancelled:?}, repeat {repeat}"
        );
    }
}

#[test]
fn whatever_the_service_did_not_answer_itself_may_be_under_way_still() {
    let message = || "said".to_owned();
    assert!(!may_be_at_work(&Failure::NotSent { message: message() }));
    assert!(!may_be_at_work(&Failure::Malformed { message: message() }));
    assert!(may_be_at_work(&Failure::Lost { message: message() }));
    for number in 1..=16 {
        let code = Code::from(number);
        let expected = matches!(
            code,
            Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Unavailable
        );
        assert_eq!(
            may_be_at_work(&Failure::Answered(tonic::Status::new(code, "said"))),
            expected,
            "{code:?}"
        );
    }
}
