//! A layer around calls of orders in a router that is not [`serve`](crate::serve)'s.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use prost::bytes::Bytes;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tower_layer::Layer;
use tracing::Instrument as _;

use crate::call::{Call, REQUEST_ID, RequestIds, Trailer};
use crate::limits::{CALL_WITHIN, timeout};
use crate::log::Log;
use crate::services::Serving;
use crate::status;

/// A [`tower_layer::Layer`] for an [`OrderApi`](crate::OrderApi) in a router of your own.
///
/// It gives each call what [`serve`](crate::serve) gives it beside its limits: an id
/// (`x-request-id`), in the answer, in the span of everything that is said of it and in calls of
/// services; the caller's time (`grpc-timeout`), within which the engine answers with what is known
/// by then; and the trailer `order-edit-id`. Places, shares, sizes and slow connections are the
/// router's affair, and so is who calls: put a [`Principal`](order_core::manager::Principal) among
/// the request's extensions.
///
/// ```
/// use order_core::manager::{OrderManager, Principal};
/// use order_core::services::Clients;
/// use order_core::store::OrderStore;
/// use order_grpc::proto::order_service_server::OrderServiceServer;
/// use order_grpc::{CallLayer, OrderApi};
/// use tower_layer::Layer as _;
///
/// # #[allow(dead_code)]
/// async fn beside_others<S: OrderStore, C: Clients>(
///     manager: OrderManager<S, C>,
/// ) -> Result<(), tonic::transport::Error> {
///     let orders = OrderServiceServer::with_interceptor(OrderApi::new(manager), |mut request: tonic::Request<()>| {
///         request.extensions_mut().insert(Principal::operator("gateway"));
///         Ok(request)
///     });
///     tonic::transport::Server::builder()
///         .add_service(CallLayer::default().layer(orders))
///         .serve(([127, 0, 0, 1], 50053).into())
///         .await
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct CallLayer {
    request_ids: Arc<RequestIds>,
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService {
            inner,
            request_ids: Arc::clone(&self.request_ids),
        }
    }
}

/// A service with a [`CallLayer`] around it.
#[derive(Debug, Clone)]
pub struct CallService<S> {
    inner: S,
    request_ids: Arc<RequestIds>,
}

impl<S: NamedService> NamedService for CallService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, A> Service<Request<B>> for CallService<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    A: http_body::Body<Data = Bytes> + Send + 'static,
    A::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = self.request_ids.of(request.headers());
        let given = timeout(request.headers());
        let deadline =
            Instant::now() + given.ok().flatten().unwrap_or(CALL_WITHIN).min(CALL_WITHIN);
        let serving = Serving::of(&id, request.headers());
        let span = Log::default().request(&id, serving.trace_id());
        let call = Call::until(given.ok().flatten().map(|_| deadline));
        request.extensions_mut().insert(call.clone());
        let answer = self.inner.call(request);
        let answered = async move {
            if given.is_err() {
                return Ok(status::bad_timeout().into_http());
            }
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(answered) => answered.map(|answer| Trailer::put(answer.map(Body::new))),
                Err(_elapsed) if call.has_begun() => Ok(status::too_late().into_http()),
                Err(_elapsed) => Ok(status::over_before_begun().into_http()),
            }
        };
        Box::pin(async move {
            let mut response = serving.during(answered.instrument(span)).await?;
            if let Ok(id) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        })
    }
}
