//! Services that fail on request, for trying out what becomes of orders.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use order_core::runtime::{Ids as _, RandomIds};
use order_core::services::ServiceName;

/// The calls of the five services, as faults and the log name them: the service, the call, and the
/// path on the wire.
pub(super) const CALLS: [(ServiceName, &str, &str); 16] = [
    (
        ServiceName::Inventory,
        "describe",
        "/stock.StockService/Describe",
    ),
    (ServiceName::Inventory, "check", "/stock.StockService/Check"),
    (
        ServiceName::Inventory,
        "reserve",
        "/stock.StockService/Reserve",
    ),
    (
        ServiceName::Inventory,
        "commit",
        "/stock.StockService/Commit",
    ),
    (
        ServiceName::Inventory,
        "release",
        "/stock.StockService/Release",
    ),
    (
        ServiceName::Inventory,
        "look_up",
        "/stock.StockService/LookUp",
    ),
    (
        ServiceName::Product,
        "get",
        "/product.ProductService/GetProduct",
    ),
    (ServiceName::User, "get", "/user.UserService/GetUser"),
    (
        ServiceName::Payment,
        "describe",
        "/payment.PaymentService/Describe",
    ),
    (
        ServiceName::Payment,
        "charge",
        "/payment.PaymentService/ProcessPayment",
    ),
    (
        ServiceName::Payment,
        "authorize",
        "/payment.PaymentService/Authorize",
    ),
    (
        ServiceName::Payment,
        "capture",
        "/payment.PaymentService/Capture",
    ),
    (ServiceName::Payment, "void", "/payment.PaymentService/Void"),
    (
        ServiceName::Payment,
        "refund",
        "/payment.PaymentService/Refund",
    ),
    (
        ServiceName::Payment,
        "look_up",
        "/payment.PaymentService/GetPayment",
    ),
    (
        ServiceName::Notification,
        "notify",
        "/notification.NotificationService/Notify",
    ),
];

/// The name of a service's description, which is no effect: one-time faults pass it over.
const DESCRIBE: &str = "describe";
/// The longest that an answer can be held back.
const SLOW_MAX: Duration = Duration::from_secs(60 * 60);

/// A way in which a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not carried out, and answered with UNAVAILABLE, as a proxy does that finds nobody
    /// behind it.
    Down,
    /// It is carried out, and answered so much later.
    Slow(Duration),
    /// It is carried out, and its answer is lost: the stream breaks.
    Lost,
}

/// A fault of some calls: `SERVICE[.CALL]=down|slow:TIME|lost[:PROBABILITY]`.
///
/// ```
/// # use order_grpc::offer::FaultRule;
/// for rule in ["payment=down", "inventory.reserve=slow:3s", "payment.charge=lost:0.3"] {
///     assert_eq!(rule.parse::<FaultRule>()?.to_string(), rule);
/// }
/// # Ok::<(), order_grpc::offer::ParseFaultError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    service: ServiceName,
    /// All of the service's if `None`.
    call: Option<&'static str>,
    fault: Fault,
    probability: f64,
}

/// An error of a text that is not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a fault: {problem}")]
pub struct ParseFaultError {
    /// The text, cut to 64 characters.
    pub given: String,
    /// Says what is wrong with it, and what is expected.
    pub problem: String,
}

impl FaultRule {
    fn hits(&self, service: ServiceName, call: &str) -> bool {
        self.service == service && self.call.is_none_or(|own| own == call)
    }
}

impl FromStr for FaultRule {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        parse(text).map_err(|problem| ParseFaultError {
            given: text.chars().take(64).collect(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<FaultRule, String> {
    let (whose, fault) = text
        .split_once('=')
        .ok_or("expected SERVICE[.CALL]=FAULT, such as payment.charge=lost or inventory=slow:3s")?;
    let (service, call) = whose
        .split_once('.')
        .map_or((whose, None), |(service, call)| (service, Some(call)));
    let services = [
        ServiceName::Inventory,
        ServiceName::Product,
        ServiceName::User,
        ServiceName::Payment,
        ServiceName::Notification,
    ];
    let Some(service) = services
        .into_iter()
        .find(|known| known.to_string() == service)
    else {
        return Err(format!(
            "{service:?} is no service: expected one of {}",
            services.map(|known| known.to_string()).join(", ")
        ));
    };
    let own: Vec<&'static str> = CALLS
        .iter()
        .filter(|(of, ..)| *of == service)
        .map(|(_, call, _)| *call)
        .collect();
    let call = match call {
        None => None,
        Some(given) => match own.iter().find(|known| **known == given) {
            Some(known) => Some(*known),
            None => {
                return Err(format!(
                    "{given:?} is no call of {service}: expected one of {}",
                    own.join(", ")
                ));
            }
        },
    };
    let mut parts = fault.split(':');
    let fault = match (parts.next(), parts.clone().next()) {
        (Some("down"), _) => Fault::Down,
        (Some("lost"), _) => Fault::Lost,
        (Some("slow"), time) => {
            parts.next();
            Fault::Slow(
                time.and_then(duration)
                    .ok_or("slow needs a time of at most an hour, such as slow:3s or slow:250ms")?,
            )
        }
        (other, _) => {
            return Err(format!(
                "{:?} is no kind of fault: expected down, slow:TIME or lost",
                other.unwrap_or_default()
            ));
        }
    };
    let probability = match parts.next() {
        None => 1.0,
        Some(given) => given
            .parse()
            .ok()
            .filter(|p| *p > 0.0 && *p <= 1.0)
            .ok_or_else(|| {
                format!(
                    "{given:?} is no probability: expected more than 0 and at most 1, such as 0.3"
                )
            })?,
    };
    match parts.next() {
        None => Ok(FaultRule {
            service,
            call,
            fault,
            probability,
        }),
        Some(more) => Err(format!(
            "{more:?} is too much: expected SERVICE[.CALL]=FAULT[:PROBABILITY]"
        )),
    }
}

/// A time such as `3s` or `250ms`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis)).filter(|time| *time <= SLOW_MAX)
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaultRule {
            service,
            call,
            fault,
            probability,
        } = self;
        write!(f, "{service}")?;
        if let Some(call) = call {
            write!(f, ".{call}")?;
        }
        match fault {
            Fault::Down => f.write_str("=down")?,
            Fault::Slow(time) if time.subsec_millis() == 0 => {
                write!(f, "=slow:{}s", time.as_secs())?
            }
            Fault::Slow(time) => write!(f, "=slow:{}ms", time.as_millis())?,
            Fault::Lost => f.write_str("=lost")?,
        }
        if *probability < 1.0 {
            write!(f, ":{probability}")
        } else {
            Ok(())
        }
    }
}

/// The faults of services that are offered. Clones are the same, and can be changed while they are
/// served.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    shared: Arc<Mutex<Standing>>,
}

#[derive(Debug, Default)]
struct Standing {
    rules: Vec<FaultRule>,
    next: VecDeque<Fault>,
}

impl Faults {
    /// Those of `rules`; the first that hits a call counts.
    pub fn new(rules: Vec<FaultRule>) -> Self {
        Faults {
            shared: Arc::new(Mutex::new(Standing {
                rules,
                next: VecDeque::new(),
            })),
        }
    }

    /// Replaces all rules.
    pub fn set(&self, rules: Vec<FaultRule>) {
        self.lock().rules = rules;
    }

    /// Has `fault` hit the next call that none of these hit before, whichever it is; but no
    /// description.
    pub fn hit_next(&self, fault: Fault) {
        self.lock().next.push_back(fault);
    }

    /// Returns what goes wrong with this call, if anything.
    pub(super) fn of(&self, service: ServiceName, call: &str) -> Option<Fault> {
        let mut standing = self.lock();
        if call != DESCRIBE
            && let Some(fault) = standing.next.pop_front()
        {
            return Some(fault);
        }
        // 53 bits are a fraction that floating point holds exactly.
        let drawn = || (RandomIds.random() >> 75) as f64 / (1u64 << 53) as f64;
        let rule = standing
            .rules
            .iter()
            .find(|rule| rule.hits(service, call))?;
        (rule.probability >= 1.0 || drawn() < rule.probability).then_some(rule.fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_whose_it_is_and_comes_back_as_it_was_written() {
        for text in [
            "payment=down",
            "inventory.look_up=slow:3s",
            "user.get=slow:250ms:0.5",
            "payment.charge=lost:0.3",
            "notification=lost",
        ] {
            assert_eq!(text.parse::<FaultRule>().unwrap().to_string(), text);
        }
        assert_eq!(
            "product=slow:2m".parse::<FaultRule>().unwrap().fault,
            Fault::Slow(Duration::from_secs(120))
        );
    }

    #[test]
    fn what_is_no_fault_says_what_would_be_one() {
        for (text, expected) in [
            ("payment", "expected SERVICE[.CALL]=FAULT"),
            (
                "payments=down",
                "\"payments\" is no service: expected one of inventory, product, user, payment, notification",
            ),
            ("pricing=down", "\"pricing\" is no service"),
            (
                "payment.pay=down",
                "\"pay\" is no call of payment: expected one of describe, charge, authorize",
            ),
            (
                "payment=gone",
                "\"gone\" is no kind of fault: expected down, slow:TIME or lost",
            ),
            ("payment=", "\"\" is no kind of fault"),
            ("payment=slow", "slow needs a time of at most an hour"),
            ("payment=slow:3", "slow needs a time"),
            ("payment=slow:61m", "slow needs a time of at most an hour"),
            ("payment=lost:0", "\"0\" is no probability"),
            ("payment=lost:1.5", "\"1.5\" is no probability"),
            ("payment=lost:NaN", "\"NaN\" is no probability"),
            ("payment=lost:0.5:1", "\"1\" is too much"),
        ] {
            let error = text.parse::<FaultRule>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?} is not a fault: "))
                    && error.contains(expected),
                "{error}"
            );
        }
    }

    #[test]
    fn the_first_rule_that_hits_counts_and_a_single_fault_comes_before_them() {
        let faults = Faults::new(vec![
            "payment.charge=lost".parse().unwrap(),
            "payment=down".parse().unwrap(),
        ]);
        assert_eq!(faults.of(ServiceName::Payment, "charge"), Some(Fault::Lost));
        assert_eq!(faults.of(ServiceName::Payment, "void"), Some(Fault::Down));
        assert_eq!(faults.of(ServiceName::Inventory, "check"), None);
        faults.hit_next(Fault::Slow(Duration::ZERO));
        assert_eq!(faults.of(ServiceName::Inventory, "describe"), None);
        assert_eq!(
            faults.of(ServiceName::Inventory, "check"),
            Some(Fault::Slow(Duration::ZERO))
        );
        assert_eq!(faults.of(ServiceName::Inventory, "check"), None);
        faults.set(Vec::new());
        assert_eq!(faults.of(ServiceName::Payment, "charge"), None);
    }

    #[test]
    fn a_probability_hits_about_as_often_as_it_says() {
        let faults = Faults::new(vec!["payment=lost:0.3".parse().unwrap()]);
        let hits = (0..10_000)
            .filter(|_| faults.of(ServiceName::Payment, "charge").is_some())
            .count();
        // Ten standard deviations of 46 on either side.
        assert!((2_540..=3_460).contains(&hits), "{hits} of 10,000");
    }
}
