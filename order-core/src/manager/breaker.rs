//! Circuit breakers: a service that counts as down has new orders refused before they are accepted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::services::ServiceName;

/// One breaker for each service that placing cannot do without and that may be down for long.
#[derive(Debug)]
pub(super) struct Breakers {
    /// So many failures among the last twice as many calls open one.
    failures_before_open: usize,
    pause: Duration,
    /// The time for which whoever tries a service out has it for itself.
    trial: Duration,
    inventory: Mutex<Breaker>,
    product: Mutex<Breaker>,
    user: Mutex<Breaker>,
    payment: Mutex<Breaker>,
    pricing: Mutex<Breaker>,
}

/// Times are monotonic.
#[derive(Debug)]
enum Breaker {
    /// Everybody is let through. The last calls, the oldest first: whether each was answered.
    Closed {
        calls: VecDeque<bool>,
        failures: usize,
    },
    /// Nobody is let through before `until`.
    Open { until: Duration },
    /// Somebody tries the service out, and nobody else is let through before `until`.
    Tried { until: Duration },
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::Closed {
            calls: VecDeque::new(),
            failures: 0,
        }
    }
}

impl Breakers {
    pub(super) fn new(failures_before_open: u32, pause: Duration, trial: Duration) -> Self {
        Breakers {
            failures_before_open: failures_before_open as usize,
            pause,
            trial,
            inventory: Mutex::default(),
            product: Mutex::default(),
            user: Mutex::default(),
            payment: Mutex::default(),
            pricing: Mutex::default(),
        }
    }

    /// Notes how a call went, at `now`. While the service counts as down, an answer ends that only
    /// once its pause is over: before, it may be to a call of better times. Returns whether the
    /// service counts as down, if that is news.
    pub(super) fn note(&self, service: ServiceName, answered: bool, now: Duration) -> Option<bool> {
        let mut breaker = self.of(service)?;
        let was_down = breaker.is_open();
        match &mut *breaker {
            Breaker::Closed { calls, failures } => {
                calls.push_back(answered);
                *failures += usize::from(!answered);
                if calls.len() > 2 * self.failures_before_open && calls.pop_front() == Some(false) {
                    *failures -= 1;
                }
                if *failures >= self.failures_before_open {
                    *breaker = Breaker::Open {
                        until: now + self.pause,
                    };
                }
            }
            Breaker::Open { until } if answered && now < *until => {}
            Breaker::Open { .. } | Breaker::Tried { .. } if answered => {
                *breaker = Breaker::default()
            }
            Breaker::Open { .. } | Breaker::Tried { .. } => {
                *breaker = Breaker::Open {
                    until: now + self.pause,
                }
            }
        }
        let is_down = breaker.is_open();
        (is_down != was_down).then_some(is_down)
    }

    /// Returns every service that counts as down at `now`.
    pub(super) fn all_down(&self, now: Duration) -> Vec<ServiceName> {
        const ALL: [ServiceName; 5] = [
            ServiceName::Inventory,
            ServiceName::Product,
            ServiceName::User,
            ServiceName::Payment,
            ServiceName::Pricing,
        ];
        let down = |s: &ServiceName| self.of(*s).is_some_and(|breaker| breaker.is_shut(now));
        ALL.into_iter().filter(down).collect()
    }

    /// The first of `services` that counts as down at `now`, if one does.
    pub(super) fn down(&self, services: &[ServiceName], now: Duration) -> Option<ServiceName> {
        services
            .iter()
            .copied()
            .find(|s| self.of(*s).is_some_and(|breaker| breaker.is_shut(now)))
    }

    /// Lets an order through to `services`, or says which of them is down. Where one is only just
    /// tried out again, it is this order that does so, and the next one waits until it is answered,
    /// or for the time of a trial.
    pub(super) fn enter(&self, services: &[ServiceName], now: Duration) -> Result<(), ServiceName> {
        if let Some(service) = self.down(services, now) {
            return Err(service);
        }
        for service in services {
            let Some(mut breaker) = self.of(*service) else {
                continue;
            };
            if breaker.is_shut(now) {
                return Err(*service);
            }
            if !matches!(*breaker, Breaker::Closed { .. }) {
                *breaker = Breaker::Tried {
                    until: now + self.trial,
                };
            }
        }
        Ok(())
    }

    fn of(&self, service: ServiceName) -> Option<MutexGuard<'_, Breaker>> {
        let breaker = match service {
            ServiceName::Inventory => &self.inventory,
            ServiceName::Product => &self.product,
            ServiceName::User => &self.user,
            ServiceName::Payment => &self.payment,
            ServiceName::Pricing => &self.pricing,
            // Nobody waits for it: what it is to tell is told later.
            ServiceName::Notification => return None,
        };
        Some(breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Breaker {
    fn is_open(&self) -> bool {
        !matches!(self, Breaker::Closed { .. })
    }

    fn is_shut(&self, now: Duration) -> bool {
        match self {
            Breaker::Closed { .. } => false,
            Breaker::Open { until } | Breaker::Tried { until } => now < *until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENT: [ServiceName; 1] = [ServiceName::Payment];

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Opens after two failures, for five seconds; a trial takes at most ten.
    fn breakers() -> Breakers {
        Breakers::new(2, at(5), at(10))
    }

    impl Breakers {
        fn noted(self, calls: &[(u64, bool)]) -> Self {
            for (when, answered) in calls {
                self.note(ServiceName::Payment, *answered, at(*when));
            }
            self
        }

        fn lets_through(&self, seconds: u64) -> bool {
            self.enter(&PAYMENT, at(seconds)).is_ok()
        }
    }

    #[test]
    fn so_many_failures_among_the_last_twice_as_many_calls_open_it() {
        for (calls, through) in [
            (&[(0, false)][..], true),
            (&[(0, false), (0, false)], false),
            (&[(0, false), (0, true), (0, true), (0, false)], false),
            (
                &[(0, false), (0, true), (0, true), (0, true), (0, false)],
                true,
            ),
            (
                &[
                    (0, false),
                    (0, true),
                    (0, true),
                    (0, true),
                    (0, false),
                    (0, true),
                    (0, false),
                ],
                false,
            ),
        ] {
            assert_eq!(
                breakers().noted(calls).lets_through(1),
                through,
                "{calls:?}"
            );
        }
    }

    #[test]
    fn the_service_that_is_down_is_named_and_the_others_are_not_touched() {
        let breakers = breakers().noted(&[(0, false), (0, false)]);
        assert_eq!(
            breakers.down(&[ServiceName::Inventory, ServiceName::Payment], at(1)),
            Some(ServiceName::Payment)
        );
        assert_eq!(
            breakers.down(
                &[
                    ServiceName::Inventory,
                    ServiceName::Pricing,
                    ServiceName::User
                ],
                at(1)
            ),
            None
        );
    }

    #[test]
    fn after_its_pause_one_at_a_time_tries_it_out() {
        let breakers = breakers().noted(&[(0, false), (0, false)]);
        assert_eq!(
            [4, 5, 5, 14, 15, 15].map(|t| breakers.lets_through(t)),
            [false, true, false, false, true, false]
        );
        assert_eq!(
            breakers.down(&PAYMENT, at(16)),
            Some(ServiceName::Payment),
            "asking is not trying"
        );
    }

    #[test]
    fn an_answer_to_who_tries_it_out_closes_it_and_a_failure_is_another_pause() {
        let down = || {
            let breakers = breakers().noted(&[(0, false), (0, false)]);
            assert!(breakers.lets_through(5));
            breakers
        };
        let up = down().noted(&[(6, true), (6, false)]);
        assert_eq!([6, 6, 6].map(|t| up.lets_through(t)), [true; 3]);
        let still_down = down().noted(&[(6, false)]);
        assert_eq!(
            [10, 11, 11].map(|t| still_down.lets_through(t)),
            [false, true, false]
        );
    }

    #[test]
    fn it_says_when_it_opens_and_when_it_closes_and_nothing_between() {
        let breakers = breakers();
        let news = [
            (0, false),
            (0, false),
            (1, false),
            (2, true),
            (7, false),
            (13, true),
            (13, true),
        ];
        let news =
            news.map(|(when, answered)| breakers.note(ServiceName::Payment, answered, at(when)));
        let quiet = None;
        assert_eq!(
            news,
            [quiet, Some(true), quiet, quiet, quiet, Some(false), quiet]
        );
        let breakers = breakers.noted(&[(14, false), (14, false)]);
        assert_eq!(breakers.all_down(at(15)), PAYMENT);
        assert_eq!(breakers.all_down(at(19)), [], "its pause is over");
    }

    #[test]
    fn an_answer_to_a_call_of_better_times_does_not_close_it() {
        let breakers = breakers().noted(&[(0, false), (0, false), (1, true)]);
        assert_eq!([2, 5].map(|t| breakers.lets_through(t)), [false, true]);
    }
}
