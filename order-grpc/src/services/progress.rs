//! Follows a call under way: whether its message was handed to a connection, and what was
//! heard of it.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, StatusCode, response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::LengthLimitError;
use order_core::services::CallDeadline;
use order_core::text::chain;
use prost::bytes::Bytes;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use super::channel::ANSWER_MAX;
use super::outcome::Failure;

/// The message waits: for a place in the queue, or for the connection.
const WAITING: u8 = 0;
/// The connection took the message.
const SENT: u8 = 1;
/// The message is not sent any more.
const GIVEN_UP: u8 = 2;

/// A call under way. Between sending and giving up there is one winner, so that what was given up
/// was never sent.
pub(super) struct Progress {
    stage: AtomicU8,
    /// The status that the service, or a proxy, answered with.
    answer: OnceLock<Code>,
    deadline: CallDeadline,
    until: Instant,
}

impl Progress {
    pub(super) fn new(deadline: CallDeadline, until: Instant) -> Self {
        Progress {
            stage: AtomicU8::new(WAITING),
            answer: OnceLock::new(),
            deadline,
            until,
        }
    }

    /// Returns the time that the call has left.
    pub(super) fn left(&self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        self.deadline
            .left()
            .map_or(left, |deadline| deadline.min(left))
    }

    /// Takes the message out for sending; false if it must not be sent any more.
    fn send(&self) -> bool {
        if self.deadline.is_over() || Instant::now() >= self.until {
            self.give_up();
        }
        self.stage
            .compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Gives the message up; false if it was sent before.
    pub(super) fn give_up(&self) -> bool {
        self.stage
            .compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire)
            .unwrap_or_else(|stage| stage)
            != SENT
    }

    /// Gives the message up when what is returned is dropped.
    pub(super) fn end_with_this(self: &Arc<Self>) -> EndWithThis {
        EndWithThis(Arc::clone(self))
    }

    /// Notes what the head of an answer says of its status.
    pub(super) fn heard_head(&self, head: &response::Parts) {
        if head.status == StatusCode::OK {
            self.heard(&head.headers);
        } else {
            // Which code it means is tonic's to say; that there was an answer is all that counts
            // here.
            let _ = self.answer.set(Code::Unknown);
        }
    }

    /// Notes the status among headers or trailers.
    pub(super) fn heard(&self, headers: &HeaderMap) {
        if let Some(code) = headers.get("grpc-status") {
            let _ = self.answer.set(Code::from_bytes(code.as_bytes()));
        }
    }

    /// Says of a failed call what is proven. Codes that tonic makes up by itself, when a connection
    /// breaks or an answer cannot be read, say nothing of what the service did.
    pub(super) fn failed(&self, url: &str, status: Status) -> Failure {
        let unsent = self.give_up();
        // The status of a failure of the transport says less than its causes, and writes them out
        // for programmers.
        let message = || {
            format!(
                "{url}: {}",
                status
                    .source()
                    .map_or_else(|| status.message().to_owned(), chain)
            )
        };
        match self.answer.get() {
            Some(Code::Ok) => Failure::Malformed { message: message() },
            Some(_) => Failure::Answered(status),
            None if unsent => Failure::NotSent { message: message() },
            None if is_too_long(&status) => Failure::Malformed {
                message: format!("{url}: longer than {ANSWER_MAX} bytes"),
            },
            // Without a cause in the transport it is the message that made no sense.
            None if status.source().is_none() => Failure::Malformed { message: message() },
            None => Failure::Lost { message: message() },
        }
    }
}

fn is_too_long(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Gives a message up when it is dropped.
pub(super) struct EndWithThis(Arc<Progress>);

impl Drop for EndWithThis {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// A request's body that is not given away once it is too late: the connection takes it directly
/// before it sends it.
pub(super) struct Guarded {
    inner: Body,
    progress: Arc<Progress>,
    sent: bool,
}

impl Guarded {
    pub(super) fn new(inner: Body, progress: Arc<Progress>) -> Self {
        Guarded {
            inner,
            progress,
            sent: false,
        }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.sent {
            if !self.progress.send() {
                return Poll::Ready(Some(Err(Status::cancelled("not sent: it was too late"))));
            }
            self.sent = true;
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.sent && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
