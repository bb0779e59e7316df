//! Every duration, budget and choice that a shop may want to set differently.

use std::time::Duration;

/// The choice for stock that was already paid for, is lost, and cannot be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostStock {
    /// Cancel the order and refund it; an imported order waits for a person instead.
    Cancel,
    /// Keep it, raise attention and keep trying to reserve.
    Backorder,
}

/// The choice for money that is authorized and needed, shortly before the authorization lapses. A
/// person is told anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeforeLapse {
    /// Capture what is owed, although not all of it has shipped.
    Capture,
    /// Ask for a new one, and give it up once that is there: for providers that authorize again
    /// without the customer.
    Reauthorize,
    /// Nothing: what is not covered any more cannot ship until it is paid again.
    Nothing,
}

/// The engine's settings. [`Policy::default`] gives the documented defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The longest time for a call to a service, after which its outcome counts as unknown. 5 s.
    pub call_deadline: Duration,
    /// The time beyond that for which a service may still be at work on a call. 5 s.
    pub settle_margin: Duration,
    /// The length of a worker's lease on an order, after which others may take it over. 10 s.
    pub lease: Duration,
    /// The longest time for placing, after which an unpaid order expires. 30 min.
    pub placing_deadline: Duration,
    /// The time for which a customer's action is waited for when the provider does not say. 30 min.
    pub action_deadline: Duration,
    /// For how long a failed payment may be retried. 7 days.
    pub retry_window: Duration,
    /// The lifetime of reservations, where they lapse by themselves. 30 days.
    pub reservation_lifetime: Duration,
    /// A reservation with less than this left is replaced before money moves. 2 min.
    pub reservation_margin: Duration,
    /// The first pause after a failed call; doubled for each further one, and drawn at random
    /// below. 200 ms.
    pub backoff_first: Duration,
    /// The longest pause after a failed call. 15 min.
    pub backoff_longest: Duration,
    /// After how many failures of one call a person is told. It is tried on. 10.
    pub tries_before_attention: u32,
    /// After how many definite refusals a refund, void or release is not tried again by itself. 3.
    pub refusals_before_stuck: u32,
    /// The number of workers in a row that may be lost over an order before it is set aside: they
    /// took it over from each other, and none gave it back. What fails at the store counts for none
    /// of them. 5.
    pub runs_before_stuck: u32,
    /// The number of further reserves that a suspect reservation allows. 1.
    pub suspects_allowed: u32,
    /// The choice for paid stock that is lost.
    pub lost_stock: LostStock,
    /// The time after its last delivery at which an order is completed by itself. 14 days.
    pub completion_window: Duration,
    /// The time after delivery for which goods may be sent back. 30 days.
    pub return_window: Duration,
    /// The time before an authorization lapses at which a person is told. 1 day.
    pub capture_warning: Duration,
    /// The choice for money that is still needed then.
    pub before_lapse: BeforeLapse,
    /// True if stock is committed as soon as an order is confirmed, rather than when it ships: for
    /// inventories that can give committed units back. No.
    pub commit_at_confirm: bool,
    /// The longest time that a provider or a customer is waited for, whatever the provider says. 30
    /// days.
    pub longest_wait: Duration,
    /// Up to how much an order that is short is written off by itself, in minor units. 0: never.
    pub write_off_up_to: i64,
    /// True if what goes back outside the engine after everything has arrived is written off by
    /// itself. No.
    pub write_off_after_delivery: bool,
    /// Account statuses that may order, compared ignoring case. `active` and the empty status.
    pub user_statuses: Vec<String>,
    /// The time that a caller waits for an order to be decided when it names no deadline. 10 s.
    pub answer_within: Duration,
    /// The time before its deadline at which a caller is answered. 200 ms.
    pub answer_margin: Duration,
    /// The number of failed calls to a service, among the last twice as many, that make it count as
    /// down, so that new orders are refused; 1 to 10,000. 20.
    pub breaker_failures: u32,
    /// The time for which a service that counts as down is left alone. Then one order at a time
    /// tries it out, and an answer ends it. 5 s.
    pub breaker_pause: Duration,
    /// The interval at which whoever follows the feed looks for new rows. 200 ms.
    pub watch_poll: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Policy {
            call_deadline: Duration::from_secs(5),
            settle_margin: Duration::from_secs(5),
            lease: Duration::from_secs(10),
            placing_deadline: 30 * MINUTE,
            action_deadline: 30 * MINUTE,
            retry_window: 7 * DAY,
            reservation_lifetime: 30 * DAY,
            reservation_margin: 2 * MINUTE,
            backoff_first: Duration::from_millis(200),
            backoff_longest: 15 * MINUTE,
            tries_before_attention: 10,
            refusals_before_stuck: 3,
            runs_before_stuck: 5,
            suspects_allowed: 1,
            lost_stock: LostStock::Cancel,
            completion_window: 14 * DAY,
            return_window: 30 * DAY,
            capture_warning: DAY,
            before_lapse: BeforeLapse::Capture,
            commit_at_confirm: false,
            longest_wait: 30 * DAY,
            write_off_up_to: 0,
            write_off_after_delivery: false,
            user_statuses: vec!["active".into(), String::new()],
            answer_within: Duration::from_secs(10),
            answer_margin: Duration::from_millis(200),
            breaker_failures: 20,
            breaker_pause: Duration::from_secs(5),
            watch_poll: Duration::from_millis(200),
        }
    }
}
