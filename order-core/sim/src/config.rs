//! The settings of a seed's world. Each seed enables some faults and not others (swarm testing:
//! Groce et al., ISSTA 2012), since some bugs only show when a common fault does not hide them.

use std::time::Duration;

use super::dice::{Dice, Table};
use super::faults::{Latency, ServiceFault, StoreFault};
use order_core::money::Minor;
use order_core::policy::{BeforeLapse, LostStock, Policy};
use order_core::services::{InventoryCapabilities, PaymentCapabilities};
use order_core::testkit::services::Outcome;

/// One seed's world.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub processes: usize,
    pub clients: usize,
    pub actions_max: usize,
    /// Units of each of the world's SKUs at the start.
    pub stock: u32,
    pub inventory: InventoryCapabilities,
    pub reservation_lifetime: Option<Duration>,
    pub lost_races: bool,
    pub payment: PaymentCapabilities,
    /// For how long authorizations can be captured; the provider does not keep to a time if `None`.
    pub capture_window: Option<Duration>,
    /// The things that customers and operators do besides placing orders: share of actions in
    /// 1,000.
    pub life: u32,
    pub notify: bool,
    pub policy: Policy,
    pub think: Table<Duration>,
    pub latency: Table<Latency>,
    pub reads: Table<StoreFault>,
    pub commits: Table<StoreFault>,
    pub reserves: Table<ServiceFault>,
    pub money: Table<ServiceFault>,
    pub closings: Table<ServiceFault>,
    pub lookups: Table<ServiceFault>,
    pub leases: Table<StoreFault>,
    pub outcomes: Table<Outcome>,
    /// The share that the provider moves of what it is asked for.
    pub amounts: Table<Share>,
    /// The rate at which callbacks say first what is not so, in 1,000.
    pub lies: u32,
    /// The rate at which a bank or a dashboard speaks of an attempt as soon as it has reached the
    /// provider, in 1,000.
    pub voices: u32,
    pub wrong_clocks: bool,
    /// After how many commits the copy is made that the store is set back to in the end; never if
    /// `None`.
    pub copied_after: Option<usize>,
}

/// The share of what it is asked for that a provider moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    All,
    /// A cent less.
    CentLess,
    /// Half of it.
    Half,
    /// A cent more.
    CentMore,
    /// A quarter more.
    More,
}

impl Share {
    pub(super) const fn of(self, asked: Minor) -> Minor {
        match self {
            Share::All => asked,
            Share::CentLess => asked - 1,
            Share::Half => asked / 2,
            Share::CentMore => asked + 1,
            Share::More => asked + asked / 4,
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Config {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        // The fault rate of the whole seed: none at all in some, so that plain runs are covered
        // too.
        let rate = dice.pick(&[0, 10, 25, 60, 120]);
        let crashes = dice.chance(400);
        let pauses = dice.chance(350);
        let wrong_clocks = dice.chance(250);
        let steals = dice.chance(250);
        let lies = dice.chance(500);
        let silence = dice.chance(650);
        let damages = dice.chance(250);
        let refusals = dice.chance(400);
        let busy = dice.chance(500);
        let inexact = dice.chance(300);
        let (lies_told, voices) = (dice.pick(&[0, 0, 0, 60, 200]), dice.pick(&[0, 0, 30, 200]));
        let on = |enabled: bool, weight: u32| if enabled && rate > 0 { weight } else { 0 };
        // Weights of single faults are relative to 1,000 calls that go well.
        let some = |enabled: bool, share: u32| on(enabled, (rate * share).div_ceil(10));

        // What the answer of a read is worth nothing without is asked for again; a lease that
        // nobody is told of has to run out.
        let store = |commit: bool, leaves: bool| {
            Table::new(&[
                (1000, StoreFault::None),
                (some(busy, 4), StoreFault::Unavailable),
                (some(busy, 2), StoreFault::Slow),
                (
                    if leaves { some(silence, 5) } else { 0 },
                    StoreFault::AnswerLost,
                ),
                (
                    if commit { some(silence, 2) } else { 0 },
                    StoreFault::UnknownNotDone,
                ),
                (some(crashes, 3), StoreFault::CrashBefore),
                (some(crashes, 3), StoreFault::CrashAfter),
                (some(pauses, 2), StoreFault::PauseBefore),
                (some(pauses, 2), StoreFault::PauseAfter),
                (
                    if commit { some(steals, 3) } else { 0 },
                    StoreFault::StealBefore,
                ),
                (
                    if commit { some(steals, 3) } else { 0 },
                    StoreFault::StealAfter,
                ),
                (some(wrong_clocks, 2), StoreFault::ClockJump),
                (some(damages, 2), StoreFault::Unreadable),
            ])
        };
        let service = |effect: bool, refusable: bool, twice: bool| {
            Table::new(&[
                (1000, ServiceFault::None),
                (some(busy, 4), ServiceFault::NotDone),
                (some(busy, 2), ServiceFault::Slow),
                (some(silence, 4), ServiceFault::UnknownBefore),
                (
                    if effect { some(silence, 5) } else { 0 },
                    ServiceFault::UnknownAfter,
                ),
                // When a call has become quiet is kept as the store's clock has it: where that
                // jumps by an hour, a late effect cannot be told from one that never comes.
                (
                    if effect {
                        some(silence && !wrong_clocks, 4)
                    } else {
                        0
                    },
                    ServiceFault::LateEffect,
                ),
                (some(silence, 3), ServiceFault::Hang),
                (
                    if effect && twice { some(silence, 3) } else { 0 },
                    ServiceFault::Twice,
                ),
                (some(lies, 3), ServiceFault::Malformed),
                (
                    if refusable { some(refusals, 5) } else { 0 },
                    ServiceFault::Refused,
                ),
                (some(crashes, 3), ServiceFault::CrashBefore),
                (
                    if effect { some(crashes, 4) } else { 0 },
                    ServiceFault::CrashAfter,
                ),
                (some(pauses, 3), ServiceFault::PauseBefore),
                (some(pauses, 3), ServiceFault::PauseAfter),
            ])
        };

        let platform = dice.chance(450);
        let inventory = if platform {
            InventoryCapabilities::PLATFORM
        } else {
            InventoryCapabilities::IDEAL
        };
        let payment = match dice.choose(3) {
            0 | 1 => PaymentCapabilities::IDEAL,
            _ => PaymentCapabilities::IDEAL.with_repeat(false),
        };
        // Who has a wrong clock cannot know when others' holds lapse.
        let lapsing = !wrong_clocks && dice.chance(400);
        let reservation_lifetime = if lapsing {
            dice.pick(&[Some(20 * MINUTE), Some(5 * MINUTE), Some(2 * MINUTE)])
        } else {
            None
        };
        // The platform's are replaced one after the other, which makes too many calls if an
        // authorization is waited for meanwhile.
        let reservation_lifetime =
            reservation_lifetime.map(|life| if platform { 20 * MINUTE } else { life });
        let reservation_margin = if reservation_lifetime == Some(2 * MINUTE) {
            MINUTE / 3
        } else {
            2 * MINUTE
        };
        let (capture_window, capture_warning) = dice.pick(&[
            (None, DAY),
            (None, DAY),
            (Some(3 * DAY), DAY),
            (Some(20 * MINUTE), 2 * MINUTE),
        ]);
        let policy = Policy {
            capture_warning,
            reservation_margin,
            before_lapse: dice.pick(&[
                BeforeLapse::Capture,
                BeforeLapse::Reauthorize,
                BeforeLapse::Nothing,
            ]),
            commit_at_confirm: inventory.release_committed && dice.chance(150),
            completion_window: dice.pick(&[14 * DAY, 20 * MINUTE]),
            return_window: dice.pick(&[30 * DAY, 30 * DAY, 20 * MINUTE]),
            write_off_up_to: dice.pick(&[0, 0, 1, 400]),
            write_off_after_delivery: dice.chance(300),
            lost_stock: if dice.chance(250) {
                LostStock::Backorder
            } else {
                LostStock::Cancel
            },
            suspects_allowed: dice.pick(&[0, 1, 2]),
            tries_before_attention: dice.pick(&[2, 4, 10]),
            runs_before_stuck: dice.pick(&[2, 5]),
            retry_window: dice.pick(&[30 * MINUTE, 7 * DAY]),
            breaker_failures: dice.pick(&[3, 20]),
            ..Policy::default()
        };
        let slow = dice.chance(400);
        Config {
            processes: 1 + dice.choose(3),
            clients: 1 + dice.pick(&[0, 0, 0, 1, 1, 2, 3, 5]),
            actions_max: dice.pick(&[1, 4, 12, 24]),
            life: dice.pick(&[200, 700, 950]),
            stock: dice.pick(&[1, 4, 9, 100]),
            inventory,
            reservation_lifetime,
            lost_races: platform && dice.chance(500),
            payment,
            capture_window,
            notify: dice.chance(700),
            policy,
            think: Table::new(&[
                (40, Duration::ZERO),
                (20, Duration::from_millis(3)),
                (15, Duration::from_secs(1)),
                (10, Duration::from_secs(12)),
                (5, 4 * MINUTE),
                (3, 35 * MINUTE),
            ]),
            latency: Table::new(&[
                (500, Latency::None),
                (300, Latency::Yield),
                (150, Latency::Short),
                (on(slow, 30), Latency::Long),
            ]),
            reads: store(false, false),
            commits: store(true, true),
            leases: store(false, true),
            reserves: service(true, false, !platform),
            money: service(true, true, payment.repeat),
            closings: service(true, true, true),
            lookups: service(false, false, false),
            outcomes: Table::new(&match dice.choose(3) {
                0 => [
                    (1, Outcome::Approve),
                    (0, Outcome::Decline),
                    (0, Outcome::Pending),
                    (0, Outcome::ActionRequired),
                ],
                1 => [
                    (70, Outcome::Approve),
                    (20, Outcome::Decline),
                    (5, Outcome::Pending),
                    (5, Outcome::ActionRequired),
                ],
                _ => [
                    (30, Outcome::Approve),
                    (20, Outcome::Decline),
                    (25, Outcome::Pending),
                    (25, Outcome::ActionRequired),
                ],
            }),
            amounts: Table::new(&[
                (60, Share::All),
                (if inexact { 4 } else { 0 }, Share::CentLess),
                (if inexact { 6 } else { 0 }, Share::Half),
                (if inexact { 4 } else { 0 }, Share::CentMore),
                (if inexact { 4 } else { 0 }, Share::More),
            ]),
            lies: lies_told,
            voices,
            wrong_clocks,
            copied_after: dice.pick(&[
                None,
                None,
                None,
                None,
                None,
                Some(1),
                Some(4),
                Some(12),
                Some(30),
                Some(60),
            ]),
        }
    }
}

impl std::fmt::Display for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Config {
            processes,
            clients,
            actions_max,
            stock,
            inventory,
            reservation_lifetime,
            lost_races,
            payment,
            notify,
            ..
        } = self;
        let Policy {
            lost_stock,
            suspects_allowed,
            tries_before_attention,
            runs_before_stuck,
            ..
        } = &self.policy;
        let Policy {
            before_lapse,
            commit_at_confirm,
            completion_window,
            write_off_up_to,
            ..
        } = &self.policy;
        writeln!(
            f,
            "{processes} processes, {clients} customers of at most {actions_max} actions, {stock} units of each SKU"
        )?;
        writeln!(
            f,
            "  {inventory:?}, holds live {reservation_lifetime:?}, lost races: {lost_races}"
        )?;
        writeln!(
            f,
            "  {payment:?}, captured within {:?}, notifications: {notify}",
            self.capture_window
        )?;
        writeln!(
            f,
            "  before a lapse: {before_lapse:?}, commit at confirmation: {commit_at_confirm}, completion after {completion_window:?}"
        )?;
        writeln!(
            f,
            "  lost stock: {lost_stock:?}, suspects allowed: {suspects_allowed}, tries before attention: {tries_before_attention}, runs before stuck: {runs_before_stuck}"
        )?;
        writeln!(
            f,
            "  amounts: {:?}, lies: {}, voices: {}, written off up to {write_off_up_to}, after delivery: {}",
            self.amounts.outcomes().collect::<Vec<_>>(),
            self.lies,
            self.voices,
            self.policy.write_off_after_delivery,
        )?;
        let store = self.commits.outcomes().filter(|f| *f != StoreFault::None);
        let services = self.money.outcomes().filter(|f| *f != ServiceFault::None);
        write!(
            f,
            "  store faults: {:?}, service faults: {:?}",
            store.collect::<Vec<_>>(),
            services.collect::<Vec<_>>()
        )
    }
}
