//! Limits the rate at which each customer places orders.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use order_core::ids::UserId;

/// The number of customers that are remembered at most. If more place orders in the time that it
/// takes to forget one, all are forgotten.
const CUSTOMERS_MAX: usize = 100_000;
/// The time after which those are forgotten who may place as many as ever.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// The rate at which each customer may place orders. Operators and services place as many as they
/// like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Orders in a minute, over any longer time. 60.
    pub per_minute: NonZeroU32,
    /// Orders at once. 20.
    pub burst: NonZeroU32,
}

impl Default for RateLimit {
    fn default() -> Self {
        let n = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        RateLimit {
            per_minute: n(60),
            burst: n(20),
        }
    }
}

type Limiter<C> =
    RateLimiter<UserId, HashMapStateStore<UserId>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The orders that each customer has placed lately.
pub(crate) struct Rate<C: Clock = MonotonicClock> {
    quota: Quota,
    clock: C,
    customers_max: usize,
    placed: Mutex<Placed<C>>,
}

struct Placed<C: Clock> {
    limiter: Limiter<C>,
    tidied: C::Instant,
}

impl<C: Clock> std::fmt::Debug for Rate<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rate")
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}

impl Rate {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Rate::on(limit, MonotonicClock, CUSTOMERS_MAX)
    }
}

impl<C: Clock + Clone> Rate<C> {
    fn on(limit: RateLimit, clock: C, customers_max: usize) -> Self {
        let RateLimit { per_minute, burst } = limit;
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        let placed = Placed {
            limiter: limiter(quota, &clock),
            tidied: clock.now(),
        };
        Rate {
            quota,
            clock,
            customers_max,
            placed: Mutex::new(placed),
        }
    }

    /// Counts an order that `customer` wants to place, or says after what time they may.
    pub(crate) fn take(&self, customer: UserId) -> Result<(), Duration> {
        use governor::clock::Reference as _;
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let is_full = placed.limiter.len() >= self.customers_max;
        if is_full || Duration::from(now.duration_since(placed.tidied)) >= TIDY_EVERY {
            placed.tidied = now;
            placed.limiter.retain_recent();
            placed.limiter.shrink_to_fit();
            if placed.limiter.len() >= self.customers_max {
                placed.limiter = limiter(self.quota, &self.clock);
            }
        }
        placed
            .limiter
            .check_key(&customer)
            .map_err(|not_until| not_until.wait_time_from(now))
    }
}

fn limiter<C: Clock + Clone>(quota: Quota, clock: &C) -> Limiter<C> {
    RateLimiter::new(quota, HashMapStateStore::default(), clock.clone())
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn customer(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    fn limit(per_minute: u32, burst: u32) -> RateLimit {
        RateLimit {
            per_minute: per_minute.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }
    }

    #[test]
    fn each_customer_has_a_burst_and_then_a_rate() {
        let clock = FakeRelativeClock::default();
        let rate = Rate::on(limit(6, 2), clock.clone(), 100);
        assert_eq!(
            [rate.take(customer(1)), rate.take(customer(1))],
            [Ok(()), Ok(())]
        );
        assert_eq!(rate.take(customer(1)), Err(Duration::from_secs(10)));
        assert_eq!(rate.take(customer(2)), Ok(()), "others are not held up");
        clock.advance(Duration::from_secs(9));
        assert_eq!(rate.take(customer(1)), Err(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(rate.take(customer(1)), Ok(()));
        assert!(rate.take(customer(1)).is_err());
    }

    #[test]
    fn no_more_customers_are_remembered_than_there_is_room_for() {
        let clock = FakeRelativeClock::default();
        let rate = Rate::on(limit(60, 1), clock.clone(), 3);
        let remembered = || rate.placed.lock().unwrap().limiter.len();
        (1..=3).for_each(|n| rate.take(customer(n)).unwrap());
        assert_eq!(remembered(), 3);
        clock.advance(Duration::from_secs(3));
        rate.take(customer(4)).unwrap();
        assert_eq!(
            remembered(),
            1,
            "who may place as many as ever is forgotten first"
        );
        (5..=6).for_each(|n| rate.take(customer(n)).unwrap());
        rate.take(customer(7)).unwrap();
        assert_eq!(remembered(), 1);

        clock.advance(TIDY_EVERY);
        rate.take(customer(8)).unwrap();
        assert_eq!(remembered(), 1, "and once in a while in any case");
    }
}
