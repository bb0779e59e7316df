//! Whether a service counts as down, so that new orders are refused before they are accepted.

use std::sync::Mutex;
use std::time::Duration;

use crate::services::ServiceName;

/// One breaker for each service that an accepted order depends on.
#[derive(Debug)]
pub(super) struct Breakers {
    failures_before_open: u32,
    pause: Duration,
    inventory: Mutex<State>,
    payment: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Duration>,
}

impl Breakers {
    pub(super) fn new(failures_before_open: u32, pause: Duration) -> Self {
        Breakers { failures_before_open, pause, inventory: Mutex::default(), payment: Mutex::default() }
    }

    /// Notes how a call went. `now` is monotonic time.
    pub(super) fn note(&self, service: ServiceName, answered: bool, now: Duration) {
        let Some(state) = self.state(service) else { return };
        let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if answered {
            *state = State::default();
        } else {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= self.failures_before_open {
                state.open_until = Some(now + self.pause);
            }
        }
    }

    /// The service that counts as down, if one does.
    pub(super) fn open(&self, now: Duration) -> Option<ServiceName> {
        [ServiceName::Inventory, ServiceName::Payment].into_iter().find(|s| {
            self.state(*s).is_some_and(|state| {
                let state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                state.open_until.is_some_and(|t| now < t)
            })
        })
    }

    fn state(&self, service: ServiceName) -> Option<&Mutex<State>> {
        match service {
            ServiceName::Inventory => Some(&self.inventory),
            ServiceName::Payment => Some(&self.payment),
            ServiceName::Product | ServiceName::User | ServiceName::Notification => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_for_a_while_and_an_answer_closes_it() {
        let breakers = Breakers::new(2, Duration::from_secs(5));
        let at = Duration::from_secs;
        breakers.note(ServiceName::Payment, false, at(0));
        assert_eq!(breakers.open(at(0)), None);
        breakers.note(ServiceName::Payment, false, at(1));
        assert_eq!(breakers.open(at(2)), Some(ServiceName::Payment));
        assert_eq!(breakers.open(at(6)), None);
        breakers.note(ServiceName::Payment, true, at(6));
        breakers.note(ServiceName::Payment, false, at(7));
        assert_eq!(breakers.open(at(7)), None);
    }
}
