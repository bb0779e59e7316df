//! The five services as one process reaches them: every call may fail in every way, and the real
//! thing keeps its own ledger.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::dice::Table;
use super::faults::ServiceFault;
use super::lock;
use super::provider::{followed_up, provider};
use super::world::{World, short};
use order_core::audit::Invariant;
use order_core::ids::{OrderId, ProductId, Sku, UserId};
use order_core::order::{Lifecycle, OperationKind, OperationState};
use order_core::rules::{Purpose, event_id};
use order_core::runtime::virtual_time::ProcessRuntime;
use order_core::services::{
    AttemptRequest, Availability, CallDeadline, CallError, ClosingRequest, FollowUpRequest,
    InventoryCapabilities, InventoryService, Notification, NotificationService, PaymentAnswer,
    PaymentCapabilities, PaymentLookup, PaymentService, Product, ProductService, ReservationLookup,
    ReserveAnswer, ReserveRequest, User, UserService,
};
use order_core::testkit::services::LedgerReservation;

/// The services of one process. One type plays all five: what differs is the trait.
pub(super) struct SimClients {
    site: Site,
}

/// The process and the world that calls come from.
pub(super) struct Site {
    world: Arc<World>,
    index: usize,
    runtime: ProcessRuntime,
}

/// A call as the fault injection sees it.
struct Plan<'a, R> {
    table: &'a Table<ServiceFault>,
    /// The key it is made under, and from when on it is not sent any more; none for a question,
    /// which has no effect.
    under: Option<(Uuid, &'a CallDeadline)>,
    /// The effect that it really has.
    apply: &'a (dyn Fn() -> Result<R, CallError> + Sync),
    /// The same, to be done later or once more.
    later: &'a (dyn Fn() -> Box<dyn FnOnce(&World) + Send> + Sync),
    /// Makes nonsense of a good answer.
    garble: fn(R) -> Result<R, CallError>,
    /// The counter of the definite refusals of the same thing, if it may be refused now.
    refusable: Option<Uuid>,
}

impl<R> Plan<'_, R> {
    fn key(&self) -> Option<Uuid> {
        self.under.map(|(key, _)| key)
    }

    fn is_in_time(&self) -> Result<(), CallError> {
        self.under.map_or(Ok(()), |(_, deadline)| deadline.check())
    }
}

const NEVER: &(dyn Fn() -> Box<dyn FnOnce(&World) + Send> + Sync) = &|| Box::new(|_| {});

impl SimClients {
    pub(super) fn new(world: Arc<World>, index: usize, runtime: ProcessRuntime) -> Self {
        SimClients {
            site: Site {
                world,
                index,
                runtime,
            },
        }
    }
}

impl Site {
    async fn call<R: Send>(&self, plan: Plan<'_, R>) -> Result<R, CallError> {
        let world = &self.world;
        world.count_call().await;
        if let Some(key) = plan.key()
            && lock(&world.oracle).refused.contains(&key)
        {
            return Err(CallError::refused("REFUSED_BEFORE"));
        }
        if world.is_calm() {
            plan.is_in_time()?;
            return self.heard((plan.apply)());
        }
        let mut fault = world.weighted(plan.table);
        if fault == ServiceFault::Refused && !self.may_refuse(&plan) {
            fault = ServiceFault::None;
        }
        if fault != ServiceFault::None {
            lock(&world.coverage).service(fault);
            world.trace(|| format!("p{} service fault {fault:?}", self.index));
        }
        match fault {
            ServiceFault::CrashBefore => self.die().await,
            ServiceFault::PauseBefore => world.pause(&self.runtime).await,
            ServiceFault::NotDone => {
                world.take_time(&self.runtime).await;
                return Err(CallError::not_done("simulated: cannot connect"));
            }
            ServiceFault::UnknownBefore => {
                world.take_time(&self.runtime).await;
                return Err(CallError::unknown("simulated: connection reset"));
            }
            ServiceFault::Refused => {
                if let Some(key) = plan.key() {
                    lock(&world.oracle).refused.insert(key);
                }
                return Err(CallError::refused("SIMULATED"));
            }
            ServiceFault::LateEffect => {
                let policy = &world.config.policy;
                let limit = policy.call_deadline + policy.settle_margin;
                let after = world.pick(&[1, 30, 55, 80, 99]);
                self.later(&plan, limit * after / 100);
                if world.chance(500) {
                    std::future::pending::<()>().await;
                }
                world.take_time(&self.runtime).await;
                return Err(CallError::unknown("simulated: connection reset"));
            }
            ServiceFault::Hang => {
                if world.chance(500) {
                    let _ = (plan.apply)();
                }
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        plan.is_in_time()?;
        // What is sent in time arrives, also if the process stands still from now on; the answer
        // takes its time.
        let answer = (plan.apply)();
        world.take_time(&self.runtime).await;
        match fault {
            ServiceFault::UnknownAfter => {
                return Err(CallError::unknown("simulated: the answer was lost"));
            }
            ServiceFault::Slow => {
                let slow = world.pick(&[
                    Duration::from_millis(900),
                    Duration::from_secs(4),
                    Duration::from_secs(9),
                ]);
                self.runtime.timer(slow).await;
            }
            ServiceFault::Twice => self.later(
                &plan,
                world.pick(&[Duration::from_millis(1), Duration::from_secs(5)]),
            ),
            ServiceFault::Malformed => return answer.and_then(plan.garble),
            ServiceFault::CrashAfter => self.die().await,
            ServiceFault::PauseAfter => world.pause(&self.runtime).await,
            _ => {}
        }
        self.heard(answer)
    }

    /// Notes that an answer was given.
    fn heard<R>(&self, answer: Result<R, CallError>) -> Result<R, CallError> {
        lock(&self.world.coverage).fact(match &answer {
            Ok(_) => "answer",
            Err(CallError::Refused { .. }) => "refusal",
            Err(CallError::NotDone { .. } | CallError::Unknown { .. }) => "failure",
        });
        answer
    }

    /// A service refuses for good only what it has not done, will not do, and has not refused too
    /// often.
    fn may_refuse<R>(&self, plan: &Plan<'_, R>) -> bool {
        let (Some(key), Some(about)) = (plan.key(), plan.refusable) else {
            return false;
        };
        let mut oracle = lock(&self.world.oracle);
        if oracle.late.contains(&key) {
            return false;
        }
        let count = oracle.refusals.entry(about).or_default();
        *count += 1;
        *count < self.world.config.policy.refusals_before_stuck
    }

    fn later<R>(&self, plan: &Plan<'_, R>, after: Duration) {
        let Some(key) = plan.key() else { return };
        let world = Arc::clone(&self.world);
        let effect = (plan.later)();
        let timer = world.runtime.timer(after);
        lock(&world.oracle).late.insert(key);
        self.world.executor.spawn(
            self.world.outside,
            Box::pin(async move {
                timer.await;
                world.trace(|| format!("a call under {key} takes effect now"));
                effect(&world);
                lock(&world.oracle).late.remove(&key);
            }),
        );
    }

    async fn die(&self) {
        self.world.crash(self.index);
        std::future::pending::<()>().await;
    }

    fn intends(&self, order: OrderId, purpose: Purpose, key: Uuid, request: String) {
        self.world
            .trace(|| format!("p{} calls for {}: {request}", self.index, short(order)));
        lock(&self.world.oracle).called(&self.world, self.index, order, purpose, key, request);
    }

    /// Before money is asked for, the inventory must hold all that the order wants.
    fn stock_is_held(&self, id: OrderId) {
        let world = &self.world;
        {
            let oracle = lock(&world.oracle);
            if oracle.leases_may_be_taken_early || oracle.lost.values().any(|o| *o == id) {
                return;
            }
        }
        let short = world.store.inspect(id, |order, _, _| {
            // What is left to be paid of it is not for goods that are yet to leave; or what was
            // lost is to be sent once more.
            if order.lifecycle == Lifecycle::Completed
                || order.lines.iter().any(|l| l.counters.lost > 0)
            {
                return false;
            }
            world.inventory.with_ledger(|holds| {
                // What has left is to be paid, also while it is not known whether the inventory has
                // taken it out of the stock.
                let held = |sku: &Sku| -> u32 {
                    let of_sku = || holds.iter().filter(|h| h.order == id && h.sku == *sku);
                    let committed: u32 = of_sku().map(|h| h.committed).sum();
                    of_sku().map(|h| h.held).sum::<u32>()
                        + committed.max(order.gone_from_stock(sku))
                };
                // What an edit wants besides may have been refused, and that not be written down
                // yet.
                let wanted = |sku: &Sku| -> u32 {
                    let of_sku = order.lines.iter().filter(|l| l.sku == *sku);
                    let wanted = |l: &order_core::order::Line| l.quantity + l.counters.lost;
                    of_sku
                        .map(|l| {
                            wanted(l).saturating_sub(l.counters.cancelled + l.counters.restocked)
                        })
                        .sum()
                };
                order.lines.iter().any(|l| held(&l.sku) < wanted(&l.sku))
            })
        });
        if short == Some(true) {
            world.breach(
                Invariant::ConfirmedHasStock,
                format!("money is asked for order {id} before its stock is held"),
            );
        }
    }

    /// An attempt: an authorization or a charge.
    async fn attempt(
        &self,
        request: &AttemptRequest,
        kind: OperationKind,
    ) -> Result<PaymentAnswer, CallError> {
        let world = &self.world;
        let token = request.token.get().map_or("none", String::as_str);
        let text = format!(
            "{kind} {} by {} with token {token}",
            request.amount, request.method
        );
        self.intends(request.order, Purpose::Payment, request.key, text);
        self.stock_is_held(request.order);
        let unseen = world.payments.report(request.key).is_none();
        let (key, order) = (request.key, request.order);
        let apply = || {
            let answer = world.payments.attempt_now(request, kind);
            provider(world, order, key);
            answer
        };
        let request2 = request.clone();
        let weak = Arc::downgrade(world);
        let later = move || -> Box<dyn FnOnce(&World) + Send> {
            let (request, world) = (request2.clone(), weak.clone());
            Box::new(move |w| {
                // Whatever it answers is lost.
                let _ = w.payments.attempt_now(&request, kind);
                if let Some(world) = world.upgrade() {
                    provider(&world, request.order, request.key);
                }
            })
        };
        let refusable = unseen.then_some(request.key);
        let table = &world.config.money;
        let under = Some((request.key, &request.deadline));
        self.call(Plan {
            table,
            under,
            apply: &apply,
            later: &later,
            garble: unnamed,
            refusable,
        })
        .await
    }

    /// A void, a capture or a refund.
    async fn follow_up(
        &self,
        request: &FollowUpRequest,
        kind: OperationKind,
    ) -> Result<PaymentAnswer, CallError> {
        let world = &self.world;
        let text = format!("{kind} {} of {}", request.amount, request.parent_key);
        self.intends(request.order, Purpose::Payment, request.key, text);
        let unseen = world.payments.report(request.key).is_none();
        let apply = || {
            let answer = world.payments.follow_up_now(request, kind);
            if matches!(answer, Err(CallError::Refused { .. })) {
                // It keeps to what it has said under a key.
                lock(&world.oracle).refused.insert(request.key);
            }
            followed_up(world, request.order, request.key, request.parent_key, kind);
            answer
        };
        let request2 = request.clone();
        let later = move || -> Box<dyn FnOnce(&World) + Send> {
            let request = request2.clone();
            Box::new(move |w| {
                if !lock(&w.oracle).refused.contains(&request.key) {
                    drop(w.payments.follow_up_now(&request, kind));
                }
            })
        };
        let refusable = unseen.then_some(request.parent_key);
        let table = &world.config.money;
        let under = Some((request.key, &request.deadline));
        self.call(Plan {
            table,
            under,
            apply: &apply,
            later: &later,
            garble: unnamed,
            refusable,
        })
        .await
    }

    async fn closing(&self, request: &ClosingRequest, purpose: Purpose) -> Result<(), CallError> {
        let world = &self.world;
        let what = match (purpose, request.committed) {
            (Purpose::Commit, _) => "COMMIT",
            (_, true) => "TAKE BACK",
            _ => "RELEASE",
        };
        let text = format!(
            "{what} {} of {} under {}",
            request.quantity, request.sku, request.reserve_key
        );
        self.intends(request.order, purpose, request.key, text);
        let close = move |w: &World, request: &ClosingRequest| match purpose {
            Purpose::Release => w.inventory.release_now(request),
            _ => w.inventory.commit_now(request),
        };
        let apply = || close(world, request);
        let request2 = request.clone();
        let later = move || -> Box<dyn FnOnce(&World) + Send> {
            let request = request2.clone();
            Box::new(move |w| drop(close(w, &request)))
        };
        let held = world.inventory.with_ledger(|holds| {
            let hold = holds.iter().find(|h| {
                request
                    .reference
                    .as_ref()
                    .is_some_and(|r| r.as_str() == h.reference)
            });
            let there = |h: &LedgerReservation| {
                if request.committed {
                    h.committed
                } else {
                    h.held
                }
            };
            hold.is_some_and(|h| there(h) >= request.quantity)
        });
        let refusable =
            (held && !world.inventory.has_closed(request.key)).then_some(request.reserve_key);
        let table = &world.config.closings;
        let under = Some((request.key, &request.deadline));
        self.call(Plan {
            table,
            under,
            apply: &apply,
            later: &later,
            garble: nonsense,
            refusable,
        })
        .await
    }

    /// Something that changes nothing.
    async fn ask<R: Send>(
        &self,
        question: impl FnOnce() -> String,
        apply: &(dyn Fn() -> Result<R, CallError> + Sync),
        garble: fn(R) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        self.world
            .trace(|| format!("p{} asks {}", self.index, question()));
        let table = &self.world.config.lookups;
        self.call(Plan {
            table,
            under: None,
            apply,
            later: NEVER,
            garble,
            refusable: None,
        })
        .await
    }
}

fn nonsense<R>(_: R) -> Result<R, CallError> {
    Err(CallError::malformed("simulated: nonsense"))
}

fn unnamed(mut answer: PaymentAnswer) -> Result<PaymentAnswer, CallError> {
    // What moved no money needs no name: there the status makes no sense.
    let moved = matches!(
        answer.status,
        OperationState::Authorized | OperationState::Captured | OperationState::Refunded
    );
    if !moved {
        answer.status = OperationState::Planned;
    }
    answer.reference = String::new();
    Ok(answer)
}

#[async_trait]
impl InventoryService for SimClients {
    fn capabilities(&self) -> InventoryCapabilities {
        self.site.world.config.inventory
    }

    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        let world = &self.site.world;
        self.site
            .ask(
                || format!("for stock of {skus:?}"),
                &|| Ok(world.inventory.check_now(skus)),
                nonsense,
            )
            .await
    }

    async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        let world = &self.site.world;
        let text = format!("RESERVE {} of {}", request.quantity, request.sku);
        self.site
            .intends(request.order, Purpose::Reserve, request.key, text);
        let apply = || match world.inventory.reserve_now(request) {
            Err(CallError::Refused { .. })
                if world.config.lost_races && !world.is_calm() && world.chance(500) =>
            {
                Err(CallError::unknown("simulated: internal server error"))
            }
            answer => answer,
        };
        let request2 = request.clone();
        let later = move || -> Box<dyn FnOnce(&World) + Send> {
            let request = request2.clone();
            Box::new(move |w| drop(w.inventory.reserve_now(&request)))
        };
        let garble = |mut answer: ReserveAnswer| {
            answer.reference = String::new();
            Ok(answer)
        };
        let table = &world.config.reserves;
        let under = Some((request.key, &request.deadline));
        let plan = Plan {
            table,
            under,
            apply: &apply,
            later: &later,
            garble,
            refusable: None,
        };
        let answer = self.site.call(plan).await;
        if let Ok(ReserveAnswer { reference, .. }) = &answer
            && !reference.is_empty()
        {
            lock(&world.oracle).told.push((
                self.site.runtime.process(),
                request.order,
                reference.clone(),
            ));
        }
        answer
    }

    async fn commit(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.site.closing(request, Purpose::Commit).await
    }

    async fn release(&self, request: &ClosingRequest) -> Result<(), CallError> {
        self.site.closing(request, Purpose::Release).await
    }

    async fn look_up(&self, request: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        let world = &self.site.world;
        let garble = |answer| match answer {
            ReservationLookup::Held(mut hold) => {
                hold.quantity += 1;
                Ok(ReservationLookup::Held(hold))
            }
            other => nonsense(other),
        };
        let question = || {
            format!(
                "what became of {} of {} for {}: {:?}",
                request.quantity,
                request.sku,
                short(request.order),
                world.inventory.look_up_now(request)
            )
        };
        self.site
            .ask(
                question,
                &|| Ok(world.inventory.look_up_now(request)),
                garble,
            )
            .await
    }
}

#[async_trait]
impl PaymentService for SimClients {
    fn capabilities(&self) -> PaymentCapabilities {
        self.site.world.config.payment
    }
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.site.attempt(request, OperationKind::Authorize).await
    }
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.site.attempt(request, OperationKind::Charge).await
    }
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.site.follow_up(request, OperationKind::Capture).await
    }
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.site.follow_up(request, OperationKind::Void).await
    }
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.site.follow_up(request, OperationKind::Refund).await
    }
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        let world = &self.site.world;
        let garble = |answer: Option<PaymentAnswer>| answer.map(unnamed).transpose();
        let question = || {
            format!(
                "what became of {} for {}: {:?}",
                request.key,
                short(request.order),
                world.payments.look_up_now(request).map(|a| a.status)
            )
        };
        self.site
            .ask(
                question,
                &|| Ok(world.payments.look_up_now(request)),
                garble,
            )
            .await
    }
}

#[async_trait]
impl ProductService for SimClients {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        let catalogue = &self.site.world.fixture.catalogue;
        self.site
            .ask(
                || "for a product".into(),
                &|| Ok(catalogue.product(id)),
                nonsense,
            )
            .await
    }
}

#[async_trait]
impl UserService for SimClients {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        let catalogue = &self.site.world.fixture.catalogue;
        self.site
            .ask(|| "for a user".into(), &|| Ok(catalogue.user(id)), nonsense)
            .await
    }
}

#[async_trait]
impl NotificationService for SimClients {
    fn enabled(&self) -> bool {
        self.site.world.config.notify
    }
    async fn notify(&self, notification: &Notification) -> Result<(), CallError> {
        let world = &self.site.world;
        let (order, seq) = (notification.order, notification.seq);
        let told = world.store.inspect(order, |_, journal, _| {
            let row = journal.get(seq as usize - 1);
            let earlier = journal
                .iter()
                .take(seq as usize - 1)
                .filter(|r| r.event.notice().is_some());
            let in_order = world.notifications.with_log(|log| {
                let mut earlier = earlier;
                earlier.all(|r| log.contains_key(&event_id(order, r.seq)))
            });
            in_order && row.and_then(|r| r.event.notice()) == Some(notification.kind)
        });
        if told != Some(true) {
            world.breach(
                Invariant::IntentFirst,
                format!(
                    "a customer is told of row {seq} of {order}, out of order or without cause"
                ),
            );
        }
        let apply = || {
            world.notifications.notify_now(notification);
            Ok(())
        };
        let table = &world.config.lookups;
        self.site
            .call(Plan {
                table,
                under: None,
                apply: &apply,
                later: NEVER,
                garble: nonsense,
                refusable: None,
            })
            .await
    }
}

order_core::clients_in_one!(SimClients);
