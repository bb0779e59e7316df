//! Answers on their way: how much of them is held, for how long, and by when each must be taken.
//!
//! A message's bytes are counted for as long as anything holds them, hyper's and h2's queues
//! included: the bytes themselves own what counts them. A call's answer must be taken within
//! [`Limits::answer`](crate::Limits::answer) of being made; then its task is dropped, by which h2
//! resets the stream and forgets what it has of it. Only what h2 alone still holds, a last piece
//! that the client gave no room for or that the connection does not take, cannot be reset: that is
//! what [`Unsent`](crate::unsent::Unsent) watches over.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use prost::bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

use crate::connections::Open;
use crate::limits::ROOM_WITHIN;
use crate::shares::{Held, Holder};
use crate::tally::{Kind, Tally};

/// The bytes of a long answer that are handed to h2 at a time. Nothing follows a piece before there
/// is room for all of it but its last byte.
const PIECE: usize = 16 * 1024;
/// The memory that an answer takes beside its bytes.
const OVERHEAD: usize = 1024;

/// The body of an answer.
pub(crate) struct Answer {
    kind: Kinds,
    /// Its mark among the open calls of its connection, which are counted.
    pub(crate) open: Option<Open>,
    /// The time at which its stream is reset at the latest; a usual answer when it has been made
    /// for long enough.
    pub(crate) until: Option<Instant>,
}

enum Kinds {
    /// Nothing: all is said in the headers.
    Empty,
    /// A stream that breaks: the caller never learns how the call ended.
    Broken(Status),
    /// A message, and what follows it.
    Whole {
        data: Bytes,
        trailers: Option<HeaderMap>,
        /// Of a long one: when all of it is gone.
        gone: Option<Arc<Gone>>,
    },
    /// Messages as they come, until a time.
    Running {
        inner: Body,
        ends: Pin<Box<Sleep>>,
        said: Status,
        ended: bool,
        _held: Vec<Held>,
    },
}

impl Answer {
    fn new(kind: Kinds) -> Self {
        Answer {
            kind,
            open: None,
            until: None,
        }
    }

    /// An answer without a message.
    pub(crate) fn empty<T>(response: Response<T>) -> Response<Self> {
        response.map(|_| Answer::new(Kinds::Empty))
    }

    /// A refusal.
    pub(crate) fn refusal(status: Status) -> Response<Self> {
        Answer::empty(status.into_http::<()>())
    }

    /// An answer that breaks off before it says anything.
    pub(crate) fn broken<T>(response: Response<T>, why: Status) -> Response<Self> {
        response.map(|_| Answer::new(Kinds::Broken(why)))
    }

    /// A stream of messages that ends with `said` after `within`.
    pub(crate) fn running(
        response: Response<Body>,
        within: Duration,
        said: Status,
        held: Vec<Held>,
    ) -> Response<Self> {
        let until = Instant::now() + within;
        response.map(|inner| {
            let kind = Kinds::Running {
                inner,
                ends: Box::pin(sleep_until(until)),
                said,
                ended: false,
                _held: held,
            };
            // A client that takes nothing does not see the end that it is given.
            Answer {
                until: Some(until + ROOM_WITHIN),
                ..Answer::new(kind)
            }
        })
    }

    /// The answer of a call, all of which is there, or is made now. It takes as much of `room` as
    /// it needs; none if there is not so much, or it cannot be made.
    pub(crate) async fn whole(
        response: Response<Body>,
        mut room: Held,
        large: bool,
    ) -> Option<Response<Self>> {
        let (head, body) = response.into_parts();
        if body.is_end_stream() {
            return Some(Response::from_parts(head, Answer::new(Kinds::Empty)));
        }
        let collected = if large {
            // Writing a long list takes milliseconds, in which a thread of the runtime could answer
            // many others.
            let collecting = tokio::task::spawn_blocking(move || {
                futures_util::FutureExt::now_or_never(body.collect())
            });
            collecting.await.ok()??.ok()?
        } else {
            body.collect().await.ok()?
        };
        let trailers = collected.trailers().cloned();
        let mut bytes = collected.to_bytes();
        if bytes.len() > PIECE {
            // Without the room that its buffer has left at the end, which nobody counts.
            bytes = Bytes::copy_from_slice(&bytes);
        }
        if !room
            .resize_within(bytes.len() + OVERHEAD, ROOM_WITHIN)
            .await
        {
            return None;
        }
        let gone = (bytes.len() > PIECE).then(|| Arc::new(Gone::default()));
        let data = Bytes::from_owner(Owned::new(bytes, room, gone.clone()));
        Some(Response::from_parts(
            head,
            Answer::new(Kinds::Whole {
                data,
                trailers,
                gone,
            }),
        ))
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut self.kind {
            Kinds::Empty => Poll::Ready(None),
            Kinds::Broken(why) => Poll::Ready(Some(Err(why.clone()))),
            Kinds::Whole {
                data,
                trailers,
                gone,
            } => {
                if !data.is_empty() {
                    let piece = if data.len() > PIECE {
                        data.split_to(PIECE)
                    } else {
                        std::mem::take(data)
                    };
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                // Once the trailers are out, the stream cannot be reset any more.
                if gone.as_ref().is_some_and(|gone| !gone.is_gone(cx)) {
                    return Poll::Pending;
                }
                Poll::Ready(
                    trailers
                        .take()
                        .map(|trailers| Ok(Frame::trailers(trailers))),
                )
            }
            Kinds::Running {
                inner,
                ends,
                said,
                ended,
                _held,
            } => {
                if *ended {
                    return Poll::Ready(None);
                }
                if let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) {
                    return Poll::Ready(frame);
                }
                std::task::ready!(ends.as_mut().poll(cx));
                *ended = true;
                let mut trailers = HeaderMap::new();
                Poll::Ready(Some(
                    said.add_header(&mut trailers)
                        .map(|()| Frame::trailers(trailers)),
                ))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kinds::Empty => true,
            Kinds::Broken(_) => false,
            Kinds::Whole { data, trailers, .. } => data.is_empty() && trailers.is_none(),
            Kinds::Running { inner, ended, .. } => *ended || inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Bytes with what counts them.
struct Owned {
    bytes: Bytes,
    room: Held,
    slot: usize,
    gone: Option<Arc<Gone>>,
}

impl Owned {
    fn new(bytes: Bytes, room: Held, gone: Option<Arc<Gone>>) -> Self {
        let slot = room.holder().unsent.add();
        Owned {
            bytes,
            room,
            slot,
            gone,
        }
    }
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.room.holder().unsent.remove(self.slot);
        if let Some(gone) = &self.gone {
            gone.tell();
        }
    }
}

/// Tells when an answer's bytes are all gone.
#[derive(Default)]
struct Gone {
    gone: AtomicUsize,
    waker: AtomicWaker,
}

impl Gone {
    fn tell(&self) {
        self.gone.store(1, Ordering::Release);
        self.waker.wake();
    }

    fn is_gone(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.gone.load(Ordering::Acquire) > 0
    }
}

tokio::task_local! {
    /// The time at which the stream that this task is of is to be reset.
    static UNTIL: Arc<OnceLock<Instant>>;
}

/// Sets by when the answer of this task's stream is to be taken.
pub(crate) fn must_be_taken_by(until: Instant) {
    let _ = UNTIL.try_with(|set| set.set(until));
}

/// Runs the streams of a connection, each in a task of its own that ends when its answer is not
/// taken in time.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    pub(crate) tally: Arc<Tally>,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let tally = Arc::clone(&self.tally);
        tokio::spawn(async move {
            let until = Arc::new(OnceLock::new());
            tokio::select! {
                biased;
                () = UNTIL.scope(Arc::clone(&until), stream) => {}
                // Looked at whenever the stream has been: that is where it is set.
                () = is_over(&until) => tally.count(Kind::AnswerReset),
            }
        });
    }
}

async fn is_over(until: &OnceLock<Instant>) {
    let until = poll_fn(|_| {
        until
            .get()
            .map_or(Poll::Pending, |until| Poll::Ready(*until))
    })
    .await;
    sleep_until(until).await;
}

/// The header with a refusal's details, which may be some thousand bytes long.
const DETAILS: &str = "grpc-status-details-bin";

/// Counts the details of a refusal too, for as long as they wait to be sent; leaves them out if
/// there is no room for them.
pub(crate) fn count_details(holder: &Arc<Holder>, headers: &mut HeaderMap) {
    let Some(value) = headers.get_mut(DETAILS) else {
        return;
    };
    let bytes = Bytes::copy_from_slice(value.as_bytes());
    let counted = holder
        .take(crate::shares::Thing::AnswerBytes, bytes.len() + OVERHEAD)
        .and_then(|room| {
            http::HeaderValue::from_maybe_shared(Bytes::from_owner(Owned::new(bytes, room, None)))
                .ok()
        });
    match counted {
        Some(counted) => *value = counted,
        None => drop(headers.remove(DETAILS)),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;
    use crate::limits::Limits;
    use crate::shares::{Shares, Thing};

    fn holder() -> Arc<Holder> {
        Shares::new(Limits::default()).connection_from([192, 0, 2, 1].into())
    }

    fn response(message: &'static [u8]) -> Response<Body> {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let frames = [
            Frame::data(Bytes::from_static(message)),
            Frame::trailers(trailers),
        ]
        .map(Ok::<_, Status>);
        Response::new(Body::new(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    }

    async fn next(answer: &mut Answer) -> Option<Frame<Bytes>> {
        answer.frame().await.map(Result::unwrap)
    }

    #[tokio::test]
    async fn a_short_answer_is_counted_until_nothing_holds_its_bytes() {
        let holder = holder();
        let room = holder.take(Thing::AnswerBytes, 10).unwrap();
        let mut answer = Answer::whole(response(b"message"), room, false)
            .await
            .unwrap()
            .into_body();
        let data = next(&mut answer).await.unwrap().into_data().unwrap();
        assert_eq!(
            next(&mut answer).await.unwrap().into_trailers().unwrap()["grpc-status"],
            "0"
        );
        assert!(next(&mut answer).await.is_none());
        drop(answer);
        let part = data.slice(2..3);
        drop(data);
        assert!(!holder.unsent.is_empty());
        assert_eq!(&part[..], b"s");
        drop(part);
        assert!(holder.unsent.is_empty());
    }

    #[tokio::test]
    async fn a_long_answer_goes_in_pieces_and_is_not_over_before_they_are_gone() {
        static LONG: [u8; 2 * PIECE + 1] = [7; 2 * PIECE + 1];
        let holder = holder();
        let room = holder.take(Thing::AnswerBytes, 10).unwrap();
        let mut answer = Answer::whole(response(&LONG), room, true)
            .await
            .unwrap()
            .into_body();
        let mut pieces = Vec::new();
        for _ in 0..3 {
            pieces.push(next(&mut answer).await.unwrap().into_data().unwrap());
        }
        assert_eq!(
            pieces.iter().map(Bytes::len).collect::<Vec<_>>(),
            [PIECE, PIECE, 1]
        );
        let mut last = tokio::spawn(async move { next(&mut answer).await.unwrap().is_trailers() });
        assert!(
            tokio::time::timeout(Duration::from_millis(20), &mut last)
                .await
                .is_err()
        );
        pieces.truncate(1);
        assert!(
            tokio::time::timeout(Duration::from_millis(20), &mut last)
                .await
                .is_err()
        );
        pieces.clear();
        assert!(last.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_an_end_is_given_one() {
        let never = Body::new(StreamBody::new(futures_util::stream::pending::<
            Result<Frame<Bytes>, Status>,
        >()));
        let said = Status::unavailable("ask anew");
        let answer = Answer::running(
            Response::new(never),
            Duration::from_secs(3600),
            said,
            Vec::new(),
        );
        let mut answer = answer.into_body();
        let started = Instant::now();
        assert_eq!(
            next(&mut answer).await.unwrap().into_trailers().unwrap()["grpc-status"],
            "14"
        );
        assert_eq!(started.elapsed(), Duration::from_secs(3600));
        assert!(answer.is_end_stream() && next(&mut answer).await.is_none());
    }

    #[test]
    fn the_details_of_a_refusal_are_counted_and_left_out_where_there_is_no_room() {
        let of = |answer_bytes| {
            let holder = Shares::new(Limits {
                answer_bytes,
                ..Limits::default()
            })
            .connection_from([192, 0, 2, 1].into());
            let mut headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(DETAILS),
                "abcd".parse().unwrap(),
            )]);
            count_details(&holder, &mut headers);
            (holder, headers)
        };
        let (holder, headers) = of(8 * 2048);
        assert_eq!(headers[DETAILS], "abcd");
        assert!(!holder.unsent.is_empty());
        drop(headers);
        assert!(holder.unsent.is_empty());
        assert!(of(8).1.is_empty());
    }
}
