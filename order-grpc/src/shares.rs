//! Shares the server out: everything that can run out is counted for the connection that
//! holds it, for its peer, and in all, and none of them may hold more than its share.
//!
//! A peer is an address, or an IPv6 /64, which is what one machine is given. One alone may have
//! three quarters of everything: most, since all that ever calls may be one busy gateway; not all,
//! so that whatever it does there is a quarter left for others. A connection's share is so much
//! that a client needs no second one before it makes 128 calls at a time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::limits::{LIST_WITHIN, Limits, PLACE_WITHIN};
use crate::unsent::Unsent;

/// A thing that can run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// Connections, each from its first byte to its last.
    Connections,
    /// Calls from their headers until they are answered.
    Open,
    /// Messages that have begun to arrive, and not ended.
    Messages,
    /// Bytes of messages that have arrived, until their calls are answered.
    MessageBytes,
    /// Bytes of answers until the client has taken them.
    AnswerBytes,
    /// Streams without an end of their own: of health and reflection.
    Watches,
    /// Other calls of health.
    Checks,
}

const THINGS: usize = 7;

/// The amount of each thing that is held at a time.
#[derive(Debug, Default)]
struct Counts([AtomicUsize; THINGS]);

impl Counts {
    fn of(&self, thing: Thing) -> &AtomicUsize {
        &self.0[thing as usize]
    }

    fn add(&self, thing: Thing, n: usize, most: usize) -> bool {
        let more = |now: usize| now.checked_add(n).filter(|sum| *sum <= most);
        self.of(thing)
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .is_ok()
    }

    fn sub(&self, thing: Thing, n: usize) {
        self.of(thing).fetch_sub(n, Ordering::AcqRel);
    }
}

/// The amounts of a thing that may be held at a time.
#[derive(Debug, Clone, Copy)]
struct Bound {
    connection: usize,
    peer: usize,
    all: usize,
}

/// A peer's share of `all`.
const fn of_a_peer(all: usize) -> usize {
    let share = all - all / 4;
    if share == 0 { 1 } else { share }
}

impl Bound {
    /// Of which a connection may have one part in `parts`.
    fn new(all: usize, parts: usize) -> Self {
        Bound {
            connection: all.div_ceil(parts).max(1),
            peer: of_a_peer(all),
            all: all.max(1),
        }
    }

    fn of(thing: Thing, limits: &Limits) -> Self {
        match thing {
            Thing::Connections => Bound::new(limits.connections, limits.connections.max(1)),
            Thing::Open => Bound::new(limits.open, 8),
            Thing::Messages => Bound::new(limits.messages, 4),
            Thing::MessageBytes => Bound::new(limits.message_bytes, 8),
            Thing::AnswerBytes => Bound::new(limits.answer_bytes, 8),
            Thing::Watches => Bound::new(limits.watches, 64),
            Thing::Checks => Bound::new(limits.checks, 8),
        }
    }
}

fn places(n: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)))
}

/// Everything that a server shares out.
#[derive(Debug)]
pub(crate) struct Shares {
    limits: Limits,
    counts: Counts,
    in_flight: Arc<Semaphore>,
    lists: Arc<Semaphore>,
    peers: Mutex<HashMap<IpAddr, Weak<Peer>>>,
    /// Told when bytes of answers are taken.
    taken: Notify,
}

impl Shares {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let (in_flight, lists) = (places(limits.in_flight), places(limits.lists));
        let (counts, peers, taken) = (Counts::default(), Mutex::default(), Notify::new());
        Arc::new(Shares {
            limits,
            counts,
            in_flight,
            lists,
            peers,
            taken,
        })
    }

    /// A new connection's part in it.
    pub(crate) fn connection_from(self: &Arc<Self>, address: IpAddr) -> Arc<Holder> {
        let key = peer_of(address);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let new = Arc::new(Peer {
                key,
                counts: Counts::default(),
                in_flight: places(of_a_peer(self.limits.in_flight)),
                lists: places(of_a_peer(self.limits.lists)),
                shares: Arc::clone(self),
            });
            peers.insert(key, Arc::downgrade(&new));
            new
        });
        Arc::new(Holder {
            peer,
            counts: Counts::default(),
            unsent: Unsent::default(),
        })
    }
}

/// Names the peer whose connections count together.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Whoever calls from one address.
#[derive(Debug)]
struct Peer {
    key: IpAddr,
    counts: Counts,
    in_flight: Arc<Semaphore>,
    lists: Arc<Semaphore>,
    shares: Arc<Shares>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut peers = self
            .shares
            .peers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // It may have come back meanwhile.
        if peers
            .get(&self.key)
            .is_some_and(|peer| peer.strong_count() == 0)
        {
            peers.remove(&self.key);
        }
    }
}

/// A connection, as one that holds things.
#[derive(Debug)]
pub(crate) struct Holder {
    peer: Arc<Peer>,
    counts: Counts,
    /// The answers that its client has not taken.
    pub(crate) unsent: Unsent,
}

/// So much of a thing, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    holder: Arc<Holder>,
    thing: Thing,
    n: usize,
}

/// Places among the calls that are worked on, until they are dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Holder {
    fn shares(&self) -> &Shares {
        &self.peer.shares
    }

    /// `n` of `thing`; none if the connection, its peer or all together would hold more than they
    /// may.
    pub(crate) fn take(self: &Arc<Self>, thing: Thing, n: usize) -> Option<Held> {
        self.add(thing, n).then(|| Held {
            holder: Arc::clone(self),
            thing,
            n,
        })
    }

    fn add(&self, thing: Thing, n: usize) -> bool {
        let bound = Bound::of(thing, &self.shares().limits);
        let levels = [
            (&self.counts, bound.connection),
            (&self.peer.counts, bound.peer),
            (&self.shares().counts, bound.all),
        ];
        for (i, (counts, most)) in levels.iter().enumerate() {
            if !counts.add(thing, n, *most) {
                levels[..i]
                    .iter()
                    .for_each(|(counts, _)| counts.sub(thing, n));
                return false;
            }
        }
        true
    }

    fn sub(&self, thing: Thing, n: usize) {
        [&self.counts, &self.peer.counts, &self.shares().counts]
            .iter()
            .for_each(|counts| counts.sub(thing, n));
        if thing == Thing::AnswerBytes {
            self.shares().taken.notify_waiters();
        }
    }

    /// A place among the calls that are worked on; none if none becomes free soon. Who waits
    /// longest is next, after those of peers that have their share.
    pub(crate) async fn work(&self) -> Option<Place> {
        let permits = acquire(
            [&self.peer.in_flight, &self.shares().in_flight],
            PLACE_WITHIN,
        )
        .await?;
        Some(Place { _permits: permits })
    }

    /// The same for a list, of which few are worked on at a time: a long one is large, and takes
    /// its time.
    pub(crate) async fn work_on_list(&self) -> Option<Place> {
        let mut permits = acquire([&self.peer.lists, &self.shares().lists], LIST_WITHIN).await?;
        permits.extend(self.work().await?._permits);
        Some(Place { _permits: permits })
    }

    /// Returns how much there is of everything, and how long things may take.
    pub(crate) fn limits(&self) -> &Limits {
        &self.peer.shares.limits
    }

    /// Returns the number of connections that its peer has.
    pub(crate) fn of_its_peer(&self) -> usize {
        self.peer
            .counts
            .of(Thing::Connections)
            .load(Ordering::Acquire)
    }

    /// Tells whether its peer has all the connections it may have.
    pub(crate) fn peer_is_full(&self) -> bool {
        self.of_its_peer() >= Bound::of(Thing::Connections, &self.shares().limits).peer
    }

    pub(crate) fn is_of_the_peer_of(&self, other: &Holder) -> bool {
        Arc::ptr_eq(&self.peer, &other.peer)
    }
}

/// A permit of each; none if they are not to be had within `within`.
async fn acquire(of: [&Arc<Semaphore>; 2], within: Duration) -> Option<Vec<OwnedSemaphorePermit>> {
    let both = async {
        let mut permits = Vec::with_capacity(4);
        for places in of {
            permits.push(Arc::clone(places).acquire_owned().await.ok()?);
        }
        Some(permits)
    };
    tokio::time::timeout(within, both).await.ok().flatten()
}

impl Held {
    /// Makes it `n`, if there is so much.
    pub(crate) fn resize(&mut self, n: usize) -> bool {
        if n > self.n && !self.holder.add(self.thing, n - self.n) {
            return false;
        }
        if n < self.n {
            self.holder.sub(self.thing, self.n - n);
        }
        self.n = n;
        true
    }

    /// Makes it `n` bytes of answers as soon as there is so much; whether that was within `within`.
    pub(crate) async fn resize_within(&mut self, n: usize, within: Duration) -> bool {
        // What can never be is not waited for.
        if n > Bound::of(self.thing, &self.holder.shares().limits).connection {
            return false;
        }
        let holder = Arc::clone(&self.holder);
        let resized = async {
            loop {
                let taken = holder.shares().taken.notified();
                if self.resize(n) {
                    return;
                }
                taken.await;
            }
        };
        tokio::time::timeout(within, resized).await.is_ok()
    }

    pub(crate) fn size(&self) -> usize {
        self.n
    }

    pub(crate) fn holder(&self) -> &Arc<Holder> {
        &self.holder
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.holder.sub(self.thing, self.n);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn shares(limits: Limits) -> Arc<Shares> {
        Shares::new(limits)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_connection_and_a_peer_have_a_share_and_leave_some_to_others() {
        let shares = shares(Limits {
            open: 16,
            ..Limits::default()
        });
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let mut held = Vec::new();
        let mut had = |from: IpAddr| {
            let connection = shares.connection_from(from);
            let before = held.len();
            while let Some(more) = connection.take(Thing::Open, 1) {
                held.push(more);
            }
            held.len() - before
        };
        let theirs: Vec<usize> = (0..7).map(|_| had(one)).collect();
        assert_eq!(theirs, [2, 2, 2, 2, 2, 2, 0], "2 a connection, 12 in all");
        assert_eq!(
            [had(other), had(other), had(other)],
            [2, 2, 0],
            "what is left"
        );
        drop(held);
        assert!(
            shares.peers.lock().unwrap().is_empty(),
            "who is gone is forgotten"
        );
        assert!(shares.connection_from(other).take(Thing::Open, 2).is_some());
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_one_machine() {
        assert_eq!(peer_of(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
        assert_ne!(peer_of(ip("127.0.0.1")), peer_of(ip("127.0.0.2")));
        assert_eq!(
            peer_of(ip("2001:db8:1:2::1")),
            peer_of(ip("2001:db8:1:2:ffff::9"))
        );
        assert_ne!(
            peer_of(ip("2001:db8:1:2::1")),
            peer_of(ip("2001:db8:1:3::1"))
        );
    }

    #[test]
    fn a_share_is_never_nothing_and_never_all_where_there_are_two() {
        assert_eq!(
            [0, 1, 2, 3, 4, 8, 256].map(of_a_peer),
            [1, 1, 2, 3, 3, 6, 192]
        );
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_it_is_dropped_and_goes_to_whoever_waits() {
        let shares = shares(Limits {
            in_flight: 1,
            ..Limits::default()
        });
        let connection = shares.connection_from(ip("192.0.2.1"));
        let first = connection.work().await;
        assert!(first.is_some());
        assert!(connection.work().await.is_none(), "none became free");
        let (second, ()) = tokio::join!(connection.work(), async { drop(first) });
        assert!(second.is_some());
    }

    #[tokio::test]
    async fn a_peer_that_has_its_share_of_places_keeps_nobody_else_waiting() {
        let shares = shares(Limits {
            in_flight: 4,
            lists: 4,
            ..Limits::default()
        });
        let (busy, other) = (
            shares.connection_from(ip("192.0.2.1")),
            shares.connection_from(ip("192.0.2.2")),
        );
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(busy.work_on_list().await.unwrap());
        }
        let mut fourth = Box::pin(busy.work_on_list());
        assert!(
            std::future::poll_fn(|cx| Poll::Ready(fourth.as_mut().poll(cx).is_pending())).await
        );
        assert!(other.work_on_list().await.is_some());
    }

    #[tokio::test]
    async fn bytes_are_waited_for_until_somebody_takes_his() {
        let shares = shares(Limits {
            answer_bytes: 800,
            ..Limits::default()
        });
        let connection = shares.connection_from(ip("192.0.2.1"));
        let (mut first, mut second) = (
            connection.take(Thing::AnswerBytes, 90).unwrap(),
            connection.take(Thing::AnswerBytes, 10).unwrap(),
        );
        assert!(
            !second.resize_within(101, Duration::from_secs(3600)).await,
            "a hundred is a connection's share"
        );
        assert!(!second.resize_within(11, Duration::from_millis(1)).await);
        let (grown, ()) =
            tokio::join!(second.resize_within(60, Duration::from_secs(3600)), async {
                tokio::task::yield_now().await;
                assert!(first.resize(40));
            });
        assert!(grown);
        assert_eq!((first.size(), second.size()), (40, 60));
        drop((first, second));
        assert_eq!(
            connection
                .counts
                .of(Thing::AnswerBytes)
                .load(Ordering::Acquire),
            0
        );
    }
}
