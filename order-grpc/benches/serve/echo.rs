//! The least that tonic can do: its own server, and a call that answers what it was asked.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request as HttpRequest, Response as HttpResponse};
use prost::bytes::Bytes;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::load::Raw;

/// Serves for as long as the program runs; the address.
pub async fn serve() -> String {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address"))
        .expect("it listens")
        .with_nodelay(Some(true));
    let address = incoming
        .local_addr()
        .expect("it has an address")
        .to_string();
    tokio::spawn(tonic::transport::Server::builder().serve_with_incoming(Echo, incoming));
    address
}

#[derive(Clone)]
struct Echo;

type Pinned<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Service<HttpRequest<Body>> for Echo {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Pinned<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(Raw).unary(Echo, request).await) })
    }
}

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Pinned<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}
