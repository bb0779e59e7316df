//! Connections: accepted always, at the limit in place of the idlest, closed when nobody uses them,
//! and drained when the server stops.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::answers::{Streams, must_be_taken_by};
use crate::call::Handler;
use crate::limits::{HEADERS_MAX, Limits, STREAM_WINDOW, STREAMS_MAX};
use crate::log::Log;
use crate::shares::{Held, Holder, Shares, Thing};
use crate::tally::{Kind, Tally};
use crate::tls::{self, Io, Peer, Tls};

/// The longest and the shortest time after which a connection is looked at again.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_SOONEST: Duration = Duration::from_millis(10);
/// The same while it is closing.
const LOOK_CLOSING: Duration = Duration::from_millis(20);
/// The time that a closing connection has to say goodbye after its last call. A stream of health
/// has no end of its own.
const GOODBYE: Duration = Duration::from_millis(200);
/// The number of connections that may be about to be closed for others, before new ones wait for
/// that.
const LEAVING_MAX: usize = 64;
/// The time after which an idle connection is asked whether its other end is alive, and the time it
/// has to say so.
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(20);
/// The pause after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until `stop` turns true, then lets them finish; whoever calls limits for how
/// long, by dropping this.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    handler: Handler,
    shares: Arc<Shares>,
    tally: Arc<Tally>,
    log: Log,
    mut stop: watch::Receiver<bool>,
) {
    let guests = Arc::new(Guests::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept(), if guests.leaving.load(Ordering::Acquire) < LEAVING_MAX => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                let Some(guest) = guests.enter(shares.connection_from(from.ip()), &tally) else {
                    continue;
                };
                let (tls, handler, tally, log) = (
                    tls.clone(),
                    Arc::clone(&handler),
                    Arc::clone(&tally),
                    log.clone(),
                );
                let (mut stopped, stop) = (stop.clone(), stop.clone());
                connections.spawn(async move {
                    let opened = tokio::select! {
                        opened = tls::open(tls.as_ref(), stream, guest.guest.holder.limits().first_call, &log) => opened,
                        () = guest.guest.dismissed.notified() => None,
                        _ = stopped.wait_for(|stop| *stop) => None,
                    };
                    if let Some((stream, peer)) = opened {
                        serve_one(stream, peer, handler, guest, tally, stop).await;
                    }
                });
            }
            Err(e) => {
                tally.not_accepted(&e);
                // There may be too many open files, one of which is then free.
                if guests.dismiss_idlest(|_| true) {
                    tally.count(Kind::Dismissed);
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From here on a new connection is refused by the system, not left waiting.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_one(
    stream: Box<dyn Io>,
    peer: Peer,
    handler: Handler,
    guest: Present,
    tally: Arc<Tally>,
    mut stop: watch::Receiver<bool>,
) {
    let Guest {
        holder,
        activity,
        dismissed,
        ..
    } = &*guest.guest;
    let limits = holder.limits();
    let answer_within = limits.answer;
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let open = Open::new(activity, &request);
        let answer = handler(Arc::clone(holder), request);
        async move {
            let mut response = answer.await;
            let until = response
                .body()
                .until
                .unwrap_or_else(|| Instant::now() + answer_within);
            must_be_taken_by(until);
            response.body_mut().open = Some(open);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http2::Builder::new(Streams {
        tally: Arc::clone(&tally),
    })
    .timer(TokioTimer::new())
    .max_concurrent_streams(STREAMS_MAX)
    .max_header_list_size(HEADERS_MAX)
    .initial_stream_window_size(STREAM_WINDOW)
    .keep_alive_interval(PING)
    .keep_alive_timeout(PONG)
    .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut closing: Option<Instant> = None;
    let pause = look_every(limits);
    let mut ticked = Instant::now();
    let mut look = pin!(tokio::time::sleep(pause));
    loop {
        tokio::select! {
            // How it ended is the client's affair.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if closing.is_none() => {}
            () = dismissed.notified(), if closing.is_none() => {}
            () = look.as_mut() => {
                if ticked.elapsed() >= (limits.answer / 6).max(LOOK_SOONEST) {
                    ticked = Instant::now();
                    if holder.unsent.tick() {
                        tally.count(Kind::NothingRead);
                        return;
                    }
                }
                let quiet = activity.quiet();
                let is_done = activity.calls() == 0 && holder.unsent.is_empty();
                match closing {
                    // Whoever comes in its place has waited for long enough.
                    Some(_) if guest.is_dismissed() => return,
                    Some(since) if is_done && since.elapsed().min(quiet) >= GOODBYE => return,
                    Some(_) => {}
                    None if activity.is_idle_for(quiet, limits) => {}
                    None => {
                        look.as_mut().reset(Instant::now() + pause);
                        continue;
                    }
                }
            }
        }
        if closing.is_none() {
            connection.as_mut().graceful_shutdown();
            closing = Some(Instant::now());
        }
        look.as_mut().reset(Instant::now() + LOOK_CLOSING);
    }
}

/// Often enough for the shortest of the times.
fn look_every(limits: &Limits) -> Duration {
    let shortest = (limits.answer / 6)
        .min(limits.first_call / 2)
        .min(limits.idle / 2);
    shortest.clamp(LOOK_SOONEST, LOOK)
}

/// The connections that there are.
#[derive(Debug, Default)]
struct Guests {
    number: AtomicU64,
    present: Mutex<BTreeMap<u64, Arc<Guest>>>,
    /// The number of them that are about to be closed for others.
    leaving: AtomicUsize,
}

/// A connection.
#[derive(Debug)]
struct Guest {
    holder: Arc<Holder>,
    activity: Arc<Activity>,
    /// Its place among the connections, until it has to leave it to another.
    place: Mutex<Option<Held>>,
    dismissed: Notify,
}

/// A connection that is among the others until this is dropped.
#[derive(Debug)]
struct Present {
    number: u64,
    guest: Arc<Guest>,
    guests: Arc<Guests>,
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Guest>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a connection, if need be in place of the idlest; none if all there is are in use.
    fn enter(self: &Arc<Self>, holder: Arc<Holder>, tally: &Tally) -> Option<Present> {
        let place = holder.take(Thing::Connections, 1).or_else(|| {
            // A peer that has its share makes room itself, and else the one that has most.
            let of_the_peer = holder.peer_is_full();
            if self.dismiss_idlest(|other| !of_the_peer || other.is_of_the_peer_of(&holder)) {
                tally.count(Kind::Dismissed);
            }
            holder.take(Thing::Connections, 1)
        });
        let Some(place) = place else {
            tally.count(Kind::ConnectionRefused);
            return None;
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (activity, place) = (Arc::new(Activity::default()), Mutex::new(Some(place)));
        let guest = Arc::new(Guest {
            holder,
            activity,
            place,
            dismissed: Notify::new(),
        });
        self.lock().insert(number, Arc::clone(&guest));
        Some(Present {
            number,
            guest,
            guests: Arc::clone(self),
        })
    }

    /// Tells the idlest of those who `may` go to do so; whether there is one.
    fn dismiss_idlest(&self, may: impl Fn(&Holder) -> bool) -> bool {
        let present = self.lock();
        let candidates = present
            .values()
            .filter(|guest| may(&guest.holder) && !guest.is_dismissed());
        let ranked = candidates.filter_map(|guest| {
            let use_ = guest.activity.use_of_it()?;
            Some((
                (
                    Reverse(guest.holder.of_its_peer()),
                    use_,
                    Reverse(guest.activity.quiet()),
                ),
                guest,
            ))
        });
        let Some((_, guest)) = ranked.min_by_key(|(rank, _)| *rank) else {
            return false;
        };
        drop(
            guest
                .place
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        guest.dismissed.notify_one();
        self.leaving.fetch_add(1, Ordering::AcqRel);
        true
    }
}

impl Guest {
    fn is_dismissed(&self) -> bool {
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }
}

impl Present {
    fn is_dismissed(&self) -> bool {
        self.guest.is_dismissed()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut present = self.guests.lock();
        present.remove(&self.number);
        if self.is_dismissed() {
            self.guests.leaving.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// The calls of a connection, and the time of the last change.
#[derive(Debug)]
struct Activity {
    /// Calls whose answer is not sent in full.
    calls: AtomicU32,
    /// The same of services whose answers may have no end.
    streams: AtomicU32,
    /// Set once there was one.
    used: AtomicBool,
    began: Instant,
    /// The time at which the last one began or ended, in microseconds since `began`.
    changed: AtomicU64,
}

impl Default for Activity {
    fn default() -> Self {
        let (calls, streams, used) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
        Activity {
            calls,
            streams,
            used,
            began: Instant::now(),
            changed: AtomicU64::new(0),
        }
    }
}

impl Activity {
    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    fn change(&self) {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.changed.store(now, Ordering::Relaxed);
    }

    /// The time in which nothing has begun or ended.
    fn quiet(&self) -> Duration {
        self.began
            .elapsed()
            .saturating_sub(Duration::from_micros(self.changed.load(Ordering::Relaxed)))
    }

    /// Ranks its use, the least first; none if somebody waits for an answer.
    fn use_of_it(&self) -> Option<u8> {
        match (self.calls(), self.streams.load(Ordering::Relaxed)) {
            (0, 0) => Some(u8::from(self.is_used())),
            (0, _) => Some(2),
            (_, _) => None,
        }
    }

    fn is_idle_for(&self, quiet: Duration, limits: &Limits) -> bool {
        let enough = if self.is_used() {
            limits.idle
        } else {
            limits.first_call
        };
        matches!(self.use_of_it(), Some(0 | 1)) && quiet >= enough
    }
}

/// A call that is not over before its answer is sent or given up.
#[derive(Debug)]
pub(crate) struct Open {
    activity: Arc<Activity>,
    is_call: bool,
}

impl Open {
    fn new(activity: &Arc<Activity>, request: &Request<Incoming>) -> Self {
        let path = request.uri().path();
        // Health and reflection, which may go on for ever.
        let is_call = !path.starts_with("/grpc.");
        if request.method() == Method::POST {
            activity.used.store(true, Ordering::Relaxed);
            activity.change();
        }
        let open = Open {
            activity: Arc::clone(activity),
            is_call,
        };
        open.counter().fetch_add(1, Ordering::Relaxed);
        open
    }

    fn counter(&self) -> &AtomicU32 {
        if self.is_call {
            &self.activity.calls
        } else {
            &self.activity.streams
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
        if self.activity.is_used() {
            self.activity.change();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection from the last byte of an address, with what is done on it.
    fn enter(
        guests: &Arc<Guests>,
        shares: &Arc<Shares>,
        from: u8,
        tally: &Tally,
    ) -> Option<Present> {
        guests.enter(shares.connection_from([192, 0, 2, from].into()), tally)
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_limit_the_idlest_goes_and_who_has_most_makes_room() {
        let shares = Shares::new(Limits {
            connections: 8,
            ..Limits::default()
        });
        let (guests, tally) = (Arc::new(Guests::default()), Tally::default());
        let enter = |from| {
            let entered = enter(&guests, &shares, from, &tally);
            (
                entered,
                guests
                    .lock()
                    .values()
                    .filter(|guest| guest.is_dismissed())
                    .count(),
            )
        };
        let mut of_one = Vec::new();
        for _ in 0..6 {
            of_one.push(enter(1).0.unwrap());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // The oldest has a call, the next made one, the third watches.
        of_one[0].guest.activity.calls.store(1, Ordering::Relaxed);
        of_one[1].guest.activity.used.store(true, Ordering::Relaxed);
        of_one[2].guest.activity.streams.store(1, Ordering::Relaxed);
        let others = [enter(2).0.unwrap(), enter(2).0.unwrap()];
        // Six are the share of one, which therefore leaves one of its own: of those that were never
        // used the oldest.
        assert!(matches!(enter(1), (Some(_), 1)));
        assert!(of_one[3].is_dismissed());
        of_one.remove(3);
        // All eight are there again once the one that has just come is counted with them.
        let mut late = Vec::new();
        for n in 1..=5 {
            let (entered, _) = enter(3);
            late.extend(entered);
            assert_eq!(late.len(), n);
        }
        assert!(!of_one[0].is_dismissed(), "somebody waits for its answer");
        assert!(
            others.iter().all(|other| !other.is_dismissed()),
            "they have fewer than the one had"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_in_use_a_new_one_is_refused() {
        let shares = Shares::new(Limits {
            connections: 1,
            ..Limits::default()
        });
        let (guests, tally) = (Arc::new(Guests::default()), Tally::default());
        let first = enter(&guests, &shares, 1, &tally).unwrap();
        first.guest.activity.calls.store(1, Ordering::Relaxed);
        assert!(enter(&guests, &shares, 1, &tally).is_none());
        first.guest.activity.calls.store(0, Ordering::Relaxed);
        let second = enter(&guests, &shares, 1, &tally).unwrap();
        assert!(first.is_dismissed() && !second.is_dismissed());
        assert_eq!(guests.leaving.load(Ordering::Relaxed), 1);
        drop(first);
        assert_eq!(
            (guests.leaving.load(Ordering::Relaxed), guests.lock().len()),
            (0, 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_sooner_if_it_never_made_a_call() {
        let (activity, limits) = (Activity::default(), Limits::default());
        assert!(!activity.is_idle_for(limits.first_call / 2, &limits));
        assert!(activity.is_idle_for(limits.first_call, &limits));
        activity.used.store(true, Ordering::Relaxed);
        assert!(!activity.is_idle_for(limits.first_call, &limits));
        assert!(activity.is_idle_for(limits.idle, &limits));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(activity.quiet(), Duration::from_secs(7));
        activity.change();
        assert_eq!(activity.quiet(), Duration::ZERO);
        activity.streams.store(1, Ordering::Relaxed);
        assert!(!activity.is_idle_for(limits.idle, &limits));
    }
}
