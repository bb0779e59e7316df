//! The services beside that of orders: health and reflection, with bounds of their own on how many
//! use them, how long, and how much they send, so that whoever uses them takes nothing from orders,
//! nor orders from them.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use prost::bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::answers::{Answer, count_details};
use crate::call::{BoxFuture, receive};
use crate::shares::{Holder, Thing};
use crate::status;
use crate::tally::{Kind, Tally};

/// The longest message of health and reflection, in bytes.
const SMALL_MESSAGE: usize = 16 * 1024;
/// The most that a stream of reflection may ask, in bytes.
const ASKED_MAX: usize = 64 * 1024;
/// The bytes that an answer of health takes, and those of answers that a stream of reflection has
/// under way: a file or two.
const CHECK_ROOM: usize = 2 * 1024;
const REFLECTION_ROOM: usize = 64 * 1024;
/// A stream of reflection ends after so many times as long as it may ask nothing.
const REFLECTION_TIMES: u32 = 10;

type Answers<B> = Arc<dyn Fn(Request<B>) -> BoxFuture<Response<Body>> + Send + Sync>;

/// Health and reflection.
pub(crate) struct Beside {
    health: Answers<Full<Bytes>>,
    reflection: Vec<(&'static str, Answers<Asked<Incoming>>)>,
    tally: Arc<Tally>,
}

fn answers<S, B>(service: S) -> Answers<B>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    Arc::new(move |request| {
        let mut service = service.clone();
        Box::pin(async move {
            service
                .call(request)
                .await
                .unwrap_or_else(|never| match never {})
        })
    })
}

/// Reflection, and where it is found: as version 1, and as its alpha, which older tools ask for.
/// Without the feature `reflection` there is none.
#[cfg(feature = "reflection")]
fn reflection() -> Vec<(&'static str, Answers<Asked<Incoming>>)> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(crate::proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Fails only on descriptors that are none; ours are made by the build, and a test asks for
    // them.
    let v1 = builder().build_v1().ok().map(|service| {
        let service = service.max_decoding_message_size(SMALL_MESSAGE);
        ("/grpc.reflection.v1.ServerReflection/", answers(service))
    });
    let alpha = builder().build_v1alpha().ok().map(|service| {
        let service = service.max_decoding_message_size(SMALL_MESSAGE);
        (
            "/grpc.reflection.v1alpha.ServerReflection/",
            answers(service),
        )
    });
    v1.into_iter().chain(alpha).collect()
}

#[cfg(not(feature = "reflection"))]
fn reflection() -> Vec<(&'static str, Answers<Asked<Incoming>>)> {
    Vec::new()
}

impl Beside {
    pub(crate) fn new<H: Health>(health: HealthServer<H>, tally: Arc<Tally>) -> Self {
        Beside {
            health: answers(health),
            reflection: reflection(),
            tally,
        }
    }

    pub(crate) async fn answer(
        &self,
        holder: &Arc<Holder>,
        request: Request<Incoming>,
    ) -> Response<Answer> {
        let path = request.uri().path();
        let answer = if path == "/grpc.health.v1.Health/Watch" {
            self.watch(holder, request).await
        } else if path.starts_with("/grpc.health.v1.Health/") {
            self.check(holder, request).await
        } else if let Some((_, reflection)) = self
            .reflection
            .iter()
            .find(|(service, _)| path.starts_with(service))
        {
            self.reflect(reflection, holder, request).await
        } else {
            Err(status::unimplemented(
                "no such service: order.OrderService, health and reflection are offered",
            ))
        };
        let mut response = answer.unwrap_or_else(Answer::refusal);
        count_details(holder, response.headers_mut());
        response
    }

    fn refused(&self) -> Status {
        self.tally.count(Kind::BesideRefused);
        status::overloaded()
    }

    async fn check(
        &self,
        holder: &Arc<Holder>,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Status> {
        let _check = holder
            .take(Thing::Checks, 1)
            .ok_or_else(|| self.refused())?;
        let (parts, body) = request.into_parts();
        let (message, _held) = receive(body, holder, SMALL_MESSAGE, false).await?;
        let room = holder
            .take(Thing::AnswerBytes, CHECK_ROOM)
            .ok_or_else(|| self.refused())?;
        let response = (self.health)(Request::from_parts(parts, Full::new(message))).await;
        Answer::whole(response, room, false)
            .await
            .ok_or_else(|| self.refused())
    }

    async fn watch(
        &self,
        holder: &Arc<Holder>,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Status> {
        let watch = holder
            .take(Thing::Watches, 1)
            .ok_or_else(|| self.refused())?;
        let (parts, body) = request.into_parts();
        let (message, _held) = receive(body, holder, SMALL_MESSAGE, false).await?;
        let response = (self.health)(Request::from_parts(parts, Full::new(message))).await;
        let said = Status::unavailable("watched for long enough: watch anew");
        Ok(Answer::running(
            response,
            holder.limits().watch,
            said,
            vec![watch],
        ))
    }

    async fn reflect(
        &self,
        reflection: &Answers<Asked<Incoming>>,
        holder: &Arc<Holder>,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Status> {
        let stream = holder
            .take(Thing::Watches, 1)
            .ok_or_else(|| self.refused())?;
        let room = holder
            .take(Thing::AnswerBytes, REFLECTION_ROOM)
            .ok_or_else(|| self.refused())?;
        let quiet_max = holder.limits().reflection;
        let response =
            reflection(request.map(|body| Asked::new(body, quiet_max, Arc::clone(&self.tally))))
                .await;
        let said = Status::deadline_exceeded("reflected for long enough: ask anew");
        Ok(Answer::running(
            response,
            quiet_max * REFLECTION_TIMES,
            said,
            vec![stream, room],
        ))
    }
}

/// A stream's questions: so many bytes at the most, and over when nothing more comes for a time.
struct Asked<B> {
    inner: B,
    left: usize,
    quiet_max: Duration,
    quiet: Pin<Box<Sleep>>,
    ended: bool,
    tally: Arc<Tally>,
}

impl<B> Asked<B> {
    fn new(inner: B, quiet_max: Duration, tally: Arc<Tally>) -> Self {
        Asked {
            inner,
            left: ASKED_MAX,
            quiet_max,
            quiet: Box::pin(sleep(quiet_max)),
            ended: false,
            tally,
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Asked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                if let Some(left) = this.left.checked_sub(length) {
                    this.left = left;
                    this.quiet.as_mut().reset(Instant::now() + this.quiet_max);
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
            Poll::Ready(end) => return Poll::Ready(end),
            Poll::Pending => std::task::ready!(this.quiet.as_mut().poll(cx)),
        }
        this.ended = true;
        this.tally.count(Kind::ReflectionEnded);
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_asks_nothing_or_too_much_is_over() {
        let quiet = Duration::from_secs(10);
        let asked = async |pieces: usize| {
            let piece = |_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 16 * 1024])));
            let frames = stream::iter(0..pieces).map(piece).chain(stream::pending());
            let started = Instant::now();
            let read = Asked::new(Box::pin(StreamBody::new(frames)), quiet, Arc::default())
                .collect()
                .await;
            (read.unwrap().to_bytes().len(), started.elapsed())
        };
        assert_eq!(asked(2).await, (2 * 16 * 1024, quiet));
        assert_eq!(asked(9).await, (ASKED_MAX, Duration::ZERO));
    }
}
