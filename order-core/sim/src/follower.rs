//! Somebody who follows the feed while everything goes wrong, and what must have been seen at rest.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::lock;
use super::world::{Manager, World};
use order_core::audit::{FeedAudit, Invariant};
use order_core::error::Error;
use order_core::manager::Principal;
use order_core::order::Order;
use order_core::store::{FeedCursor, FeedPage, FeedQuery, OrderStore};

/// The rows seen so far.
#[derive(Default)]
pub(super) struct Follower {
    feed: FeedAudit,
    after: Option<FeedCursor>,
}

impl Follower {
    fn take(&mut self, page: &FeedPage, world: &World) {
        for row in &page.rows {
            world.breaches(self.feed.row(row).into_iter().collect());
        }
        self.after = Some(page.next.clone());
    }
}

/// Reads a few pages through whichever process is there, as a consumer does that keeps its cursor.
pub(super) async fn follow(world: Arc<World>) {
    for _ in 0..world.choose(5) {
        world
            .runtime
            .timer(world.pick(&[
                Duration::from_millis(5),
                Duration::from_secs(2),
                Duration::from_secs(70),
            ]))
            .await;
        if world.is_calm() || world.is_breached() {
            return;
        }
        let (after, limit) = (
            lock(&world.follower).after.clone(),
            world.pick(&[1, 3, 100]),
        );
        let read = world
            .ask(move |manager| {
                Box::pin(async move {
                    manager
                        .changes(&Principal::operator("simulated"), after, limit)
                        .await
                })
            })
            .await;
        match read {
            // What a process that died had read is read again.
            None => {}
            Some(Ok(page)) => lock(&world.follower).take(&page, &world),
            Some(Err(e)) if e.is_retryable() => {}
            Some(Err(e)) => {
                world.breach(Invariant::Feed, format!("following the feed failed: {e}"))
            }
        }
    }
}

/// I23, after the store was set back: who stands where nothing is any more is told so, and starts
/// anew.
pub(super) async fn go_on(world: &World, manager: &Manager, is_lost: impl Fn(&FeedCursor) -> bool) {
    let after = lock(&world.follower).after.clone();
    let lost = after.as_ref().is_some_and(is_lost);
    match manager
        .changes(&Principal::operator("simulated"), after.clone(), 1)
        .await
    {
        Err(Error::Invalid(_)) if lost => *lock(&world.follower) = Follower::default(),
        Ok(_) if !lost => {}
        answer => world.breach(
            Invariant::Feed,
            format!("whoever followed to {after:?} (lost: {lost}) was answered {answer:?}"),
        ),
    }
}

/// I23, once nothing changes any more: the rest of the feed, and that it was all.
pub(super) fn check_feed(world: &World, orders: &[Arc<Order>]) {
    let mut follower = lock(&world.follower);
    loop {
        let query = FeedQuery {
            after: follower.after.clone(),
            limit: 100,
        };
        let Some(Ok(page)) = world.store.feed(&query).now_or_never() else {
            return world.breach(
                Invariant::Feed,
                format!("the feed cannot be read after {:?}", query.after),
            );
        };
        follower.take(&page, world);
        if page.rows.is_empty() {
            break;
        }
    }
    for order in orders {
        world.breaches(
            follower
                .feed
                .order(order.id, order.version)
                .into_iter()
                .collect(),
        );
    }
}
