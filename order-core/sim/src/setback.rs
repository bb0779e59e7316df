//! A store that is set back to a copy of itself, as an operator sets it back who restores a backup.
//! Whoever follows its feed from a place that is lost must be told so, also once as many places
//! have been given out again, and whoever stands where the copy still has all goes on and misses
//! nothing.
//!
//! It happens when all is at rest. What the services did for what is lost cannot be undone, so
//! nothing that the copy left unfinished is worked any more, and what is judged is the feed, and
//! that orders can be placed and changed again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::customers::expect;
use super::faults::StoreFault;
use super::fixture::METHODS;
use super::follower::{check_feed, go_on};
use super::lock;
use super::operators::execute;
use super::world::{Manager, World, short};
use order_core::audit::{FeedAudit, Invariant};
use order_core::error::{Error, ErrorKind};
use order_core::ids::OrderId;
use order_core::manager::{PlaceOptions, Principal};
use order_core::rules::Command;
use order_core::store::{FeedCursor, FeedRow, MemoryCopy};

/// Copies of the store, as an operator makes them.
#[derive(Default)]
pub(super) struct Backups {
    /// The number of commits so far.
    commits: usize,
    kept: Option<Backup>,
}

struct Backup {
    copy: MemoryCopy,
    /// The orders in it, and their versions.
    orders: BTreeMap<OrderId, u64>,
}

/// The most notes that are taken to give out again the places that were lost.
const NOTES_MAX: u64 = 40;

/// Somebody who followed the feed up to a row of the life that has ended.
struct Follower {
    /// The number of rows seen.
    seen: usize,
    /// Set if the copy lacks the last of them.
    lost: bool,
}

impl World {
    /// Something was committed: makes a copy if it is time.
    pub(super) fn back_up(&self) {
        let Some(after) = self.config.copied_after else {
            return;
        };
        let mut backups = lock(&self.backups);
        backups.commits += 1;
        if backups.commits == after {
            self.trace(|| "the store is COPIED".into());
            let orders = self
                .store
                .orders()
                .iter()
                .map(|order| (order.id, order.version))
                .collect();
            backups.kept = Some(Backup {
                copy: self.store.copy(),
                orders,
            });
        }
    }
}

/// Sets the store back to the copy of it, if there is one; lets life go on for a little; and looks
/// at whoever follows the feed, before and after.
pub(super) async fn set_back(world: &Arc<World>) {
    let Some(Backup {
        copy,
        orders: copied,
    }) = lock(&world.backups).kept.take()
    else {
        return;
    };
    let Some(before) = whole_feed(world).await else {
        return;
    };
    let is_in_copy = |row: &FeedRow| {
        copied
            .get(&row.order)
            .is_some_and(|version| row.seq <= *version)
    };
    let kept = before.iter().take_while(|row| is_in_copy(row)).count();
    if let Some(row) = before[kept..].iter().find(|row| is_in_copy(row)) {
        return world.breach(
            Invariant::Feed,
            format!(
                "the feed shows row {} of {} behind what was committed later",
                row.seq, row.order
            ),
        );
    }
    world.trace(|| {
        format!(
            "the store is SET BACK: {} rows of its feed are lost, {kept} are not",
            before.len() - kept
        )
    });
    world.restart_all(|| world.store.set_back(&copy));
    lock(&world.oracle).set_back(world);
    lock(&world.coverage).store(StoreFault::SetBack);

    let Some((_, manager)) = world.any_manager() else {
        return world.breach(Invariant::WorkItem, "no process was started anew".into());
    };
    let mut followers: Vec<Follower> = Vec::new();
    // Where a mistake would be nearest, and anywhere.
    let last = before.len().checked_sub(1);
    let places = [kept.checked_sub(1), Some(kept), last]
        .into_iter()
        .flatten()
        .chain((0..3).map(|_| world.choose(before.len())));
    for at in places.filter(|at| *at < before.len()) {
        followers.push(Follower {
            seen: at + 1,
            lost: at >= kept,
        });
    }
    for follower in &followers {
        follow_on(world, &manager, &before, follower, "cursor of a lost place").await;
    }
    live_on(world, &copied, position(&before)).await;
    for follower in &followers {
        follow_on(
            world,
            &manager,
            &before,
            follower,
            "cursor of a place that was given out again",
        )
        .await;
    }
    let is_lost = |cursor: &FeedCursor| before[kept..].iter().any(|row| row.cursor == *cursor);
    go_on(world, &manager, is_lost).await;
    check_feed(world, &world.store.orders());
}

/// Returns how many changesets there are up to the last row.
fn position(rows: &[FeedRow]) -> u64 {
    rows.last()
        .and_then(|row| Some(row.cursor.places().first()?.position))
        .unwrap_or(0)
}

async fn whole_feed(world: &World) -> Option<Vec<FeedRow>> {
    let (_, manager) = world.any_manager()?;
    let mut rows: Vec<FeedRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.cursor.clone());
        match manager
            .changes(&Principal::operator("simulated"), after, 1000)
            .await
        {
            Ok(page) if page.rows.is_empty() => return Some(rows),
            Ok(page) => rows.extend(page.rows),
            Err(e) => {
                world.breach(Invariant::Feed, format!("the feed cannot be read: {e}"));
                return None;
            }
        }
    }
}

/// Customers come again, and things are noted until the feed is longer than the lost one, which
/// ended at `end`; mostly.
async fn live_on(world: &Arc<World>, copied: &BTreeMap<OrderId, u64>, end: u64) {
    for _ in 0..1 + world.choose(3) {
        place(world).await;
    }
    let orders = world.store.orders();
    let new: Vec<_> = orders
        .iter()
        .filter(|order| !copied.contains_key(&order.id))
        .collect();
    if new.is_empty() || world.chance(200) {
        return;
    }
    if world.chance(300) {
        execute(world, new[0], &Command::Cancel, None, None).await;
    }
    let Some(rows) = whole_feed(world).await else {
        return;
    };
    let left = (end + 1).saturating_sub(position(&rows));
    for _ in 0..left.min(NOTES_MAX) {
        if world.is_breached() {
            return;
        }
        let order = new[world.choose(new.len())];
        execute(world, order, &Command::Note, None, None).await;
    }
}

async fn place(world: &Arc<World>) {
    let fixture = world.fixture;
    let user = world.pick(&fixture.users);
    let request = fixture.request(user, &[(world.choose(3), 1)], world.pick(&METHODS), None);
    let principal = Principal::Customer(user);
    let answer = world
        .ask(|m| {
            Box::pin(async move { m.place(&principal, request, PlaceOptions::default()).await })
        })
        .await;
    match answer {
        Some(Ok(placed)) => {
            world.trace(|| {
                format!(
                    "{} is placed: {}",
                    short(placed.order.id),
                    placed.order.statuses.status
                )
            });
            world.seen(&placed.order);
        }
        Some(Err(e)) => expect(world, &e, &[ErrorKind::Rejected]),
        None => world.breach(
            Invariant::Readable,
            "placing was not answered though nothing is wrong".into(),
        ),
    }
}

/// Goes on to the end of the feed from the place to which somebody has followed it.
async fn follow_on(
    world: &World,
    manager: &Manager,
    before: &[FeedRow],
    follower: &Follower,
    name: &'static str,
) {
    let Follower { seen, lost } = *follower;
    let Some(place) = before[..seen].last().map(|row| &row.cursor) else {
        return;
    };
    let mut audit = FeedAudit::default();
    before[..seen].iter().for_each(|row| drop(audit.row(row)));
    let limit = world.pick(&[1, 3, 100]);
    let mut after = place.clone();
    loop {
        match manager
            .changes(&Principal::operator("simulated"), Some(after), limit)
            .await
        {
            Ok(page) if lost => {
                let detail = format!(
                    "{place} is of a life that is lost, and {} rows behind it are given",
                    page.rows.len()
                );
                return world.breach(Invariant::Feed, detail);
            }
            Ok(page) => {
                page.rows
                    .iter()
                    .for_each(|row| world.breaches(audit.row(row).into_iter().collect()));
                if page.rows.is_empty() {
                    break;
                }
                after = page.next;
            }
            Err(Error::Invalid(violations)) if lost => {
                if !violations
                    .iter()
                    .any(|v| v.field == "after" && v.problem.contains("start from the beginning"))
                {
                    world.breach(
                        Invariant::Feed,
                        format!("{place} is refused without saying what to do: {violations:?}"),
                    );
                }
                return lock(&world.coverage).fact(name);
            }
            Err(e) => {
                return world.breach(
                    Invariant::Feed,
                    format!("{place}, which the copy has, is refused: {e}"),
                );
            }
        }
    }
    lock(&world.coverage).fact("cursor of a place in the copy");
    for order in world.store.orders() {
        world.breaches(audit.order(order.id, order.version).into_iter().collect());
    }
}
