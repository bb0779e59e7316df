//! The error of a call to a service.

/// The error of a call to a service. It says one thing: did the call happen?
///
/// When in doubt it is [`CallError::Unknown`], which costs a look-up or a repeat under the same
/// key. The other two are believed at once: a `Refused` that did happen is a customer who paid for
/// nothing, and a `NotDone` that did happen is a customer who paid twice.
///
/// | what the adapter saw | error |
/// |---|---|
/// | no address, no connection, no TLS session: the request was never sent | [`not_done`](CallError::not_done) |
/// | a time-out, or a connection that broke, once any of the request was sent | [`unknown`](CallError::unknown) |
/// | an answer of success whose body cannot be read | [`malformed`](CallError::malformed) |
/// | any other HTTP status | [`of_http`](CallError::of_http) |
/// | a decline by a bank or a provider | none: `Ok` with [`PaymentAnswer::declined`](super::PaymentAnswer::declined) |
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// A definite no for a business reason: nothing happened, and asking again under the same key
    /// would answer the same.
    #[error("refused: {code}")]
    Refused {
        /// The service's reason, stable and free of personal data.
        code: String,
        /// For stock: how many units there are, if the service said so.
        available: Option<u32>,
        /// Of a commit: true if the reservation is over, and that is certain: none of its units is
        /// held any more, nor has left the stock, nor will. It counts as lost at once, and another
        /// is asked for. Any other refused commit is tried again, and then a person is told.
        reservation_lost: bool,
    },
    /// It provably did not happen: safe to repeat.
    #[error("not done: {message}")]
    NotDone {
        /// The failure, in words for operators.
        message: String,
    },
    /// It may have happened.
    #[error("outcome unknown: {message}")]
    Unknown {
        /// The failure, in words for operators.
        message: String,
        /// True if the service answered something that makes no sense, which a person must look at.
        malformed: bool,
    },
}

impl CallError {
    /// A definite no.
    pub fn refused(code: impl Into<String>) -> Self {
        CallError::Refused {
            code: code.into(),
            available: None,
            reservation_lost: false,
        }
    }

    /// A definite no to a reserve: there are only so many units.
    pub fn shortage(code: impl Into<String>, available: u32) -> Self {
        CallError::Refused {
            code: code.into(),
            available: Some(available),
            reservation_lost: false,
        }
    }

    /// A definite no to a commit, because the reservation is over for certain: none of its units is
    /// held any more, nor has left the stock, nor will.
    pub fn reservation_lost(code: impl Into<String>) -> Self {
        CallError::Refused {
            code: code.into(),
            available: None,
            reservation_lost: true,
        }
    }

    /// It provably did not happen.
    pub fn not_done(message: impl Into<String>) -> Self {
        CallError::NotDone {
            message: message.into(),
        }
    }

    /// It may have happened.
    pub fn unknown(message: impl Into<String>) -> Self {
        CallError::Unknown {
            message: message.into(),
            malformed: false,
        }
    }

    /// It was answered, and the answer makes no sense.
    pub fn malformed(message: impl Into<String>) -> Self {
        CallError::Unknown {
            message: message.into(),
            malformed: true,
        }
    }

    /// The error that an HTTP status means, with the service's own code (its body's, or the status'
    /// name).
    ///
    /// | status | error | why |
    /// |---|---|---|
    /// | 400, 402, 404, 410, 412, 413, 415, 422 | `Refused` | the service read the request and will not do it |
    /// | 401, 403, 405, 407, 421, 425, 429 | `NotDone` | turned away at the door; operators mend it, or time does |
    /// | 408, 409, 423 | `Unknown` | another request under this key may be under way |
    /// | 5xx | `Unknown` | it failed half-way, or a proxy lost the answer |
    /// | 2xx | `Unknown`, malformed | it was done, and what it says could not be read |
    /// | all others | `Unknown` | nothing is proven |
    ///
    /// Statuses of RFC 9110 and RFC 6585. Where a service uses one of them in another sense, its
    /// adapter decides by the body.
    pub fn of_http(status: u16, code: impl Into<String>) -> Self {
        let code = code.into();
        let message = || {
            if code.is_empty() {
                format!("HTTP {status}")
            } else {
                format!("HTTP {status}: {code}")
            }
        };
        match status {
            400 | 402 | 404 | 410 | 412 | 413 | 415 | 422 if code.is_empty() => {
                CallError::refused(format!("HTTP_{status}"))
            }
            400 | 402 | 404 | 410 | 412 | 413 | 415 | 422 => CallError::refused(code),
            401 | 403 | 405 | 407 | 421 | 425 | 429 => CallError::not_done(message()),
            200..=299 => CallError::malformed(message()),
            _ => CallError::unknown(message()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CallError;

    #[test]
    fn a_status_says_what_is_proven_and_no_more() {
        for status in 0..=u16::MAX {
            let error = CallError::of_http(status, "busy");
            let said = match &error {
                CallError::Refused {
                    code,
                    available: None,
                    reservation_lost: false,
                } => ("refused", code.as_str()),
                CallError::NotDone { message } => ("not done", message.as_str()),
                CallError::Unknown {
                    message,
                    malformed: false,
                } => ("unknown", message.as_str()),
                CallError::Unknown {
                    message,
                    malformed: true,
                } => ("malformed", message.as_str()),
                CallError::Refused { .. } => panic!("{status}: nobody said more than a code"),
            };
            let expected = match status {
                400 | 402 | 404 | 410 | 412 | 413 | 415 | 422 => "refused",
                401 | 403 | 405 | 407 | 421 | 425 | 429 => "not done",
                200..300 => "malformed",
                _ => "unknown",
            };
            assert_eq!(said.0, expected, "{status}");
            assert_eq!(
                said.1,
                if expected == "refused" {
                    "busy".into()
                } else {
                    format!("HTTP {status}: busy")
                }
            );
        }
    }

    #[test]
    fn a_refusal_without_a_code_has_one_all_the_same() {
        assert!(
            matches!(CallError::of_http(422, ""), CallError::Refused { code, .. } if code == "HTTP_422")
        );
        assert_eq!(
            CallError::of_http(503, "").to_string(),
            "outcome unknown: HTTP 503"
        );
    }
}
