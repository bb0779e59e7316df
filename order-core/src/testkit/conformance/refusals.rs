//! Clauses 1 to 3: the checks, one by one and all together.

use std::sync::Arc;

use super::StoreFactory;
use super::support::*;
use crate::order::Order;
use crate::store::{Changeset, CommitError, Committed, OrderStore};
use crate::testkit::orders::*;

/// The faults of a changeset, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Key,
    CommandKey,
    Fence,
    Redemption,
    Version,
    Revision,
    Number,
}

const FAULTS: [Fault; 7] = [
    Fault::Key,
    Fault::CommandKey,
    Fault::Fence,
    Fault::Redemption,
    Fault::Version,
    Fault::Revision,
    Fault::Number,
];

/// Every set of faults but the empty one.
fn fault_sets() -> impl Iterator<Item = Vec<Fault>> {
    (1..1u32 << FAULTS.len()).map(|bits| {
        let chosen = FAULTS
            .iter()
            .enumerate()
            .filter(|(i, _)| bits >> i & 1 == 1);
        chosen.map(|(_, fault)| *fault).collect()
    })
}

/// A store in which everything is taken: order 1 was changed twice and is being worked on; order 2
/// has the key, the redemption and the number that others may want.
struct World<S> {
    store: S,
    /// The changesets that made order 1.
    sent: [Changeset; 3],
    revision: u64,
}

impl<S: OrderStore> World<S> {
    async fn new<F: StoreFactory<Store = S>>(f: &F) -> Self {
        let store = fresh(f).await;
        let placing = place(plain(1))
            .keyed("key-1")
            .working(lease(fence(1), 10, at(5)));
        let (order, _) = commit(&store, placing.clone()).await;
        let commanded = amend(&order, |_| {}).commanded("command");
        let (order, _) = commit(&store, commanded.clone()).await;
        let last = amend(&order, |_| {});
        let (_, revision) = commit(&store, last.clone()).await;
        let other = Order {
            user: user_id(1),
            ..plain(2)
        };
        commit(&store, place(other).keyed("key-2").taking("coupon", 1)).await;
        World {
            store,
            sent: [placing, commanded, last],
            revision,
        }
    }

    /// A changeset that would apply but for the faults. It brings a redemption and a change of its
    /// own, and a key if it makes an order.
    fn faulty(&self, faults: &[Fault]) -> Changeset {
        let has = |fault| faults.contains(&fault);
        let mut changeset = if has(Fault::Number) || has(Fault::Key) {
            let n = if self.must_exist(faults) { 1 } else { 3 };
            let number = number(if has(Fault::Number) { 2 } else { n });
            place(Order {
                number,
                user: user_id(1),
                ..plain(n)
            })
            .keyed(if has(Fault::Key) { "key-2" } else { "fresh" })
        } else {
            amend(
                if has(Fault::Version) {
                    &self.sent[1].after
                } else {
                    &self.sent[2].after
                },
                |order| order.round = 99,
            )
        };
        changeset = changeset.taking("free", 1);
        if has(Fault::CommandKey) {
            changeset = changeset.commanded("command");
        }
        if has(Fault::Redemption) {
            changeset = changeset.taking("coupon", 1);
        }
        let holder = fence(if has(Fault::Fence) { 9 } else { 1 });
        let revision = if has(Fault::Revision) {
            self.revision + 1
        } else {
            self.revision
        };
        let fenced = has(Fault::Fence) || has(Fault::Revision) || !has(Fault::Number);
        changeset.working(if fenced {
            extend(holder, revision, 60)
        } else {
            wake(at(1))
        })
    }

    /// Only a new order can want a number. These faults need one that exists, and placing that is a
    /// conflict as well.
    fn must_exist(&self, faults: &[Fault]) -> bool {
        [Fault::CommandKey, Fault::Version, Fault::Revision]
            .iter()
            .any(|fault| faults.contains(fault))
    }

    async fn check(&self, changeset: Changeset, first: Fault, faults: &[Fault]) {
        let answer = self.store.commit(changeset).await;
        let right = match (first, &answer) {
            (Fault::Key, Err(CommitError::KeyTaken(record))) => record.order == order_id(2),
            (Fault::CommandKey, Err(CommitError::CommandKeyTaken(used))) => {
                used.hash == command_key("command").hash
            }
            (Fault::Fence, Err(CommitError::Fenced)) => true,
            (Fault::Redemption, Err(CommitError::RedemptionExhausted { name })) => name == "coupon",
            (Fault::Version | Fault::Revision, Err(CommitError::Conflict)) => true,
            (Fault::Number, Err(CommitError::NumberTaken)) => true,
            _ => false,
        };
        assert!(right, "{faults:?} was answered with {answer:?}");
    }
}

pub(super) async fn c01_a_refused_changeset_leaves_nothing_behind<F: StoreFactory>(f: &F) {
    let world = World::new(f).await;
    let before = seen(&world.store).await;
    for fault in FAULTS {
        world.check(world.faulty(&[fault]), fault, &[fault]).await;
        assert_eq!(seen(&world.store).await, before, "{fault:?}");
        let key = key_record_of(&world.store, user_id(1), &text("fresh")).await;
        assert_eq!(key, None, "{fault:?}");
    }
    // The redemption that each of them brought along is free, and so is the key.
    applied(
        &world.store,
        place(Order {
            user: user_id(1),
            ..plain(4)
        })
        .keyed("fresh")
        .taking("free", 1),
    )
    .await;
}

pub(super) async fn c02_a_replay_is_noticed_before_anything_else<F: StoreFactory>(f: &F) {
    let world = World::new(f).await;
    let before = seen(&world.store).await;
    for mut faults in fault_sets() {
        // What was written once is sent again, at the version it had then.
        faults.push(Fault::Version);
        let mut again = world.faulty(&faults);
        let sent = if again.before.is_none() {
            &world.sent[0]
        } else {
            &world.sent[2]
        };
        assert_eq!(again.expected(), sent.expected());
        again.id = sent.id;
        for row in &mut again.journal {
            row.changeset = sent.id;
        }
        let answer = world.store.commit(again).await;
        assert!(
            matches!(
                answer,
                Ok(Committed {
                    replayed: true,
                    revision: 0
                })
            ),
            "{faults:?} was answered with {answer:?}"
        );
    }
    assert_eq!(seen(&world.store).await, before);
}

pub(super) async fn c03_the_first_check_that_fails_is_the_answer<F: StoreFactory>(f: &F) {
    let world = World::new(f).await;
    let before = seen(&world.store).await;
    for faults in fault_sets() {
        let mut failing = faults.clone();
        if faults.contains(&Fault::Number) && world.must_exist(&faults) {
            failing.push(Fault::Version);
        }
        failing.sort();
        world
            .check(world.faulty(&faults), failing[0], &faults)
            .await;
    }
    assert_eq!(seen(&world.store).await, before);
    let fine = world.faulty(&[]);
    assert_eq!(
        *applied(&world.store, fine.clone()).await,
        *Arc::clone(&fine.after)
    );
}
