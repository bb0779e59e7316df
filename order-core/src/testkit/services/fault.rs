//! The faults of scripted services, and the calls they happen at.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A fault of one call.
///
/// Written as `decline`, `decline:CODE`, `reservation_lost`, `not_done`, `unknown_before`, `unknown_after` (also
/// `timeout_lost`, `timeout_done`), `malformed`, `late:8s` (also `ms`, `m` and `h`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A definite no, with this code.
    Decline(String),
    /// A definite no, because the reservation is over for certain.
    ReservationLost,
    /// It provably does not happen.
    NotDone,
    /// It does not happen, and nobody can tell.
    UnknownBefore,
    /// It happens, and nobody can tell.
    UnknownAfter,
    /// It happens, and the answer makes no sense.
    Malformed,
    /// It happens, and is answered after this long.
    Late(Duration),
}

/// A text that is not a fault or not a method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a {what}: expected {expected}")]
pub struct ParseFaultError {
    what: &'static str,
    value: String,
    expected: &'static str,
}

const FAULTS: &str = "one of decline, decline:CODE, reservation_lost, not_done, unknown_before, unknown_after, malformed, or late: and a duration such as late:8s";
const METHODS: &str = "one of check, reserve, commit, release, look_up, authorize, charge, capture, void, refund, get, notify";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Decline(code) if code == DECLINED => f.write_str("decline"),
            Fault::Decline(code) => write!(f, "decline:{code}"),
            Fault::ReservationLost => f.write_str("reservation_lost"),
            Fault::NotDone => f.write_str("not_done"),
            Fault::UnknownBefore => f.write_str("unknown_before"),
            Fault::UnknownAfter => f.write_str("unknown_after"),
            Fault::Malformed => f.write_str("malformed"),
            Fault::Late(by) => write!(f, "late:{}ms", by.as_millis()),
        }
    }
}

const DECLINED: &str = "DECLINED";

impl FromStr for Fault {
    type Err = ParseFaultError;
    fn from_str(s: &str) -> Result<Self, ParseFaultError> {
        let wrong = || ParseFaultError {
            what: "fault",
            value: s.chars().take(64).collect(),
            expected: FAULTS,
        };
        let (name, argument) = s
            .split_once(':')
            .map_or((s, None), |(name, argument)| (name, Some(argument)));
        match (name, argument) {
            ("decline", None) => Ok(Fault::Decline(DECLINED.into())),
            ("decline", Some(code)) if !code.is_empty() => Ok(Fault::Decline(code.into())),
            ("reservation_lost", None) => Ok(Fault::ReservationLost),
            ("not_done", None) => Ok(Fault::NotDone),
            ("unknown_before" | "timeout_lost", None) => Ok(Fault::UnknownBefore),
            ("unknown_after" | "timeout_done", None) => Ok(Fault::UnknownAfter),
            ("malformed", None) => Ok(Fault::Malformed),
            ("late", Some(by)) => duration(by).map(Fault::Late).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let n: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    n.checked_mul(millis).map(Duration::from_millis)
}

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A method of one of the five service traits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method { $($(#[$doc])* $variant,)* }

        impl Method {
            /// Its name in scripts: that of the trait's method.
            pub const fn as_str(self) -> &'static str { match self { $(Method::$variant => $text,)* } }
        }
        impl FromStr for Method {
            type Err = ParseFaultError;
            fn from_str(s: &str) -> Result<Self, ParseFaultError> {
                match s {
                    $($text => Ok(Method::$variant),)*
                    _ => Err(ParseFaultError { what: "method", value: s.chars().take(64).collect(), expected: METHODS }),
                }
            }
        }
    };
}

methods! {
    /// Ask the inventory how much there is.
    Check = "check",
    /// Hold units.
    Reserve = "reserve",
    /// Take held units out.
    Commit = "commit",
    /// Give held units back.
    Release = "release",
    /// Ask what became of a reserve or of a payment operation.
    LookUp = "look_up",
    /// Set money aside.
    Authorize = "authorize",
    /// Take money at once.
    Charge = "charge",
    /// Take money that was set aside.
    Capture = "capture",
    /// Give up an attempt.
    Void = "void",
    /// Send money back.
    Refund = "refund",
    /// Fetch a product or a user.
    Get = "get",
    /// Tell a customer.
    Notify = "notify",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_methods_are_read_as_they_are_written() {
        for text in [
            "decline",
            "decline:NO_FUNDS",
            "not_done",
            "unknown_before",
            "unknown_after",
            "malformed",
            "late:8000ms",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        assert_eq!("late:2m".parse(), Ok(Fault::Late(Duration::from_secs(120))));
        assert_eq!("timeout_done".parse(), Ok(Fault::UnknownAfter));
        for wrong in [
            "",
            "late",
            "late:8",
            "late:s",
            "late:99999999999999999999s",
            "not_done:x",
            "decline:",
            "Decline",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong:?}");
        }
        assert_eq!("look_up".parse(), Ok(Method::LookUp));
        assert!("lookup".parse::<Method>().is_err());
    }
}
