//! Customers and operators: what they ask for, and what they may rely on afterwards.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::bank::{dispute, move_outside};
use super::fixture::METHODS;
use super::keys::KeyWatch;
use super::lock;
use super::operators::operate;
use super::provider::confuse;
use super::world::{Manager, World, short};
use order_core::audit::Invariant;
use order_core::error::{Error, ErrorKind};
use order_core::ids::OrderId;
use order_core::manager::{Answered, CommandOptions, PlaceOptions, Principal, RetryPayment};
use order_core::money::{Currency, Minor, Money};
use order_core::order::{Lifecycle, Order, PaymentTerms};
use order_core::rules::Command;
use order_core::runtime::{BoxFuture, Clock};
use order_core::store::ListQuery;
use order_core::text::Private;

impl World {
    /// Starts a task outside of all processes.
    pub(super) fn outside_task(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let world = Arc::clone(self);
        self.outstanding
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.executor.spawn(
            self.outside,
            Box::pin(async move {
                task.await;
                world
                    .outstanding
                    .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            }),
        );
    }

    /// Asks some process; none if it died, or took too long for whoever asked.
    pub(super) async fn ask<R: Send + 'static>(
        self: &Arc<Self>,
        request: impl FnOnce(Manager) -> BoxFuture<R> + Send,
    ) -> Option<R> {
        let (process, manager) = loop {
            match self.alive() {
                Some(found) => break found,
                None => self.runtime.timer(Duration::from_secs(1)).await,
            }
        };
        let (answer, answered) = oneshot::channel();
        let future = request(manager);
        self.executor.spawn(
            process,
            Box::pin(async move { drop(answer.send(future.await)) }),
        );
        if !self.is_calm() && self.chance(80) {
            let patience = self
                .runtime
                .timer(self.pick(&[Duration::from_millis(5), Duration::from_secs(2)]));
            return match select(answered, Box::pin(patience)).await {
                Either::Left((answer, _)) => answer.ok(),
                Either::Right(_) => None,
            };
        }
        answered.await.ok()
    }

    /// Demands that what was answered is readable, and stays so.
    pub(super) fn seen(&self, order: &Order) {
        let stored = self.store.inspect(order.id, |o, _, _| o.version);
        if stored.is_none_or(|v| v < order.version) {
            self.breach(
                Invariant::Readable,
                format!(
                    "order {} was answered at version {}, stored is {stored:?}",
                    order.id, order.version
                ),
            );
        }
        lock(&self.oracle).answered(order.id, order.version);
    }
}

/// One customer's visit.
pub(super) async fn customer(world: Arc<World>, n: usize) {
    let actions = 1 + world.choose(world.config.actions_max);
    let mut own: Vec<OrderId> = Vec::new();
    for _ in 0..actions {
        let think = world.weighted(&world.config.think);
        if !think.is_zero() {
            world.runtime.timer(think).await;
        }
        if world.is_breached() {
            return;
        }
        if own.is_empty() {
            own.extend(place(&world, n).await);
            continue;
        }
        let order = own[own.len() - 1];
        let over = world
            .store
            .inspect(order, |o, _, _| o.lifecycle.is_terminal())
            == Some(true);
        if over && world.chance(700) {
            own.extend(place(&world, n).await);
            continue;
        }
        if world.chance(world.config.life) {
            operate(&world, order).await;
            continue;
        }
        match world.choose(16) {
            0..5 => own.extend(place(&world, n).await),
            5..7 => cancel(&world, order).await,
            7..10 => retry(&world, order).await,
            10 => look(&world, order).await,
            11 => dispute(&world, order, None),
            12..14 => move_outside(&world, order, None),
            _ => confuse(&world).await,
        }
    }
}

async fn place(world: &Arc<World>, n: usize) -> Option<OrderId> {
    let fixture = world.fixture;
    let user = fixture.users[n % fixture.users.len()];
    // Requests under one key are the same request, but for a few.
    let key = (world.chance(500)).then(|| world.choose(3));
    let draw = |n: usize| match key {
        Some(k) if !world.chance(30) => k % n,
        _ => world.choose(n),
    };
    let items: &[(usize, i64)] = match draw(7) {
        0 | 1 => &[(0, 1)],
        2 => &[(0, 1), (1, 2)],
        3 => &[(2, 1)],
        4 => &[(1, 1), (0, 2), (1, 1)],
        5 => &[(0, 3), (1, 1)],
        _ => &[(2, 1), (0, 1)],
    };
    let method = METHODS[[0, 0, 1, 1, 1, 2, 3][draw(7)]];
    let coupon = [None, None, Some("FIRST"), Some("ONCE")][draw(4)];
    let request = fixture.request(user, items, method, coupon);
    let key_text = key.map(|k| format!("key-{k}"));
    for attempt in 0..3 {
        let options = PlaceOptions {
            key: key_text.as_deref().and_then(|k| k.parse().ok()),
            ..PlaceOptions::default()
        };
        let (principal, request) = (Principal::Customer(user), request.clone());
        let answer = world
            .ask(|m| Box::pin(async move { m.place(&principal, request, options).await }))
            .await;
        world.trace(|| match &answer {
            Some(Ok(p)) => {
                format!(
                    "customer {n} placed {} (replayed: {}): {}",
                    short(p.order.id),
                    p.replayed,
                    p.order.statuses.status
                )
            }
            Some(Err(e)) => format!("customer {n} could not place: {e}"),
            None => format!("customer {n} got no answer to placing"),
        });
        match answer {
            Some(Ok(placement)) => {
                world.seen(&placement.order);
                let id = placement.order.id;
                if let Some(k) = key_text {
                    let first = *lock(&world.oracle)
                        .keys
                        .entry((user, k.clone()))
                        .or_insert(id);
                    if first != id {
                        world.breach(
                            Invariant::OrderKeys,
                            format!("key {k} was answered with {first} and with {id}"),
                        );
                    }
                }
                return Some(id);
            }
            Some(Err(e)) if !e.is_retryable() => {
                expect(world, &e, &[ErrorKind::Rejected, ErrorKind::KeyReused]);
                return None;
            }
            Some(Err(_)) | None if attempt < 2 && key.is_some() => {
                world
                    .runtime
                    .timer(world.pick(&[Duration::from_millis(10), Duration::from_secs(5)]))
                    .await;
            }
            Some(Err(_)) | None => return None,
        }
    }
    None
}

/// An error that such a request can never rightly get is a bug.
pub(super) fn expect(world: &World, error: &Error, kinds: &[ErrorKind]) {
    if !error.is_retryable() && !kinds.contains(&error.kind()) {
        world.breach(
            Invariant::Readable,
            format!("an error that cannot be: {error}"),
        );
    }
}

async fn cancel(world: &Arc<World>, order: OrderId) {
    let operator = Principal::operator("simulated");
    let request = |m: Manager| -> BoxFuture<_> {
        Box::pin(async move {
            let options = CommandOptions::default().with_notes("changed my mind");
            m.execute(&operator, order.into(), Command::Cancel, options)
                .await
        })
    };
    match world.ask(request).await {
        Some(Ok(after)) => {
            let after = after.order;
            world.trace(|| format!("{} was cancelled: {}", short(order), after.statuses.status));
            world.seen(&after);
            if !matches!(
                after.lifecycle,
                Lifecycle::Cancelling | Lifecycle::Cancelled
            ) {
                world.breach(
                    Invariant::CancelledForGood,
                    format!("cancelling {order} was answered with {}", after.lifecycle),
                );
            }
            lock(&world.oracle).cancelled.insert(order);
            lock(&world.coverage).command("cancel", true);
        }
        Some(Err(e)) => expect(world, &e, &[ErrorKind::Rejected]),
        None => {}
    }
}

pub(super) async fn retry(world: &Arc<World>, order: OrderId) {
    let method = METHODS[world.choose(METHODS.len())];
    let key = world.pick(&["retry", "retry-2"]);
    let short = world
        .store
        .inspect(order, |o, _, _| o.short(world.runtime.now()))
        .unwrap_or(0);
    let amount = (short > 0 && world.chance(400))
        .then(|| world.pick(&[short, short / 2, 1, short + 1]).max(1));
    if let Some(Err(e)) = pay(world, order, method, amount, Some(key)).await {
        expect(world, &e, &[ErrorKind::Rejected, ErrorKind::KeyReused]);
    }
}

/// Pays what is left to be paid of an order, or some of it.
pub(super) async fn pay(
    world: &Arc<World>,
    order: OrderId,
    method: &str,
    amount: Option<Minor>,
    key: Option<&str>,
) -> Option<Result<(), Error>> {
    let operator = Principal::operator("simulated");
    let options = CommandOptions {
        key: key.map(|k| k.parse().expect("a valid key")),
        ..CommandOptions::default()
    };
    let token = Some("tok_other".to_owned());
    let same = Command::RetryPayment {
        amount,
        method: method.parse().expect("a valid name"),
        terms: PaymentTerms::Confirm,
        token: Private(token.clone()),
        return_url: Private(None),
    };
    let watch = KeyWatch::new(world, order, options.key.as_ref(), || same.hash(None));
    let amount = amount.map(|minor| Money::new(minor, Currency::USD));
    let retry = RetryPayment {
        amount,
        method: method.into(),
        token,
        return_url: None,
    };
    let request = |m: Manager| -> BoxFuture<_> {
        Box::pin(async move {
            m.retry_payment(&operator, order.into(), retry, options)
                .await
        })
    };
    let answer = world.ask(request).await;
    if let (Some(watch), Some(answer)) = (watch, &answer) {
        watch.judge(world, answer.as_ref().map(|a| a.repeats));
    }
    world.trace(|| match &answer {
        Some(Ok(Answered { order: after, .. })) => {
            let what = amount.map_or_else(|| "all of it".to_owned(), |m| m.to_string());
            format!(
                "{} is paid again by {method}, {what}: {}",
                short(order),
                after.statuses.status
            )
        }
        Some(Err(e)) => format!("{} cannot be paid again by {method}: {e}", short(order)),
        None => format!("{} is paid again by {method}: no answer", short(order)),
    });
    match answer? {
        Ok(Answered { order: after, .. }) => {
            world.seen(&after);
            lock(&world.coverage).command("retry payment", true);
            Some(Ok(()))
        }
        Err(e) => Some(Err(e)),
    }
}

/// Reads the order in every way there is; a stranger must not see it.
async fn look(world: &Arc<World>, order: OrderId) {
    let stranger = Principal::Customer(order_core::ids::UserId::from_uuid(uuid::Uuid::from_u128(
        0xBAD,
    )));
    let operator = Principal::operator("simulated");
    let world2 = Arc::clone(world);
    world
        .ask(|m| {
            Box::pin(async move {
                if let Ok(found) = m.get(&stranger, order.into()).await {
                    world2.breach(
                        Invariant::OwnOrdersOnly,
                        format!("a stranger read order {}", found.id),
                    );
                }
                if let Ok(found) = m.get(&operator, order.into()).await {
                    world2.seen(&found);
                }
                // Whatever they say, they must not fail in any other way.
                let _ = m.explain(&operator, order.into()).await;
                let _ = m.list(&operator, ListQuery::default()).await;
            })
        })
        .await;
}
