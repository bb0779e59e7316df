//! Calls that no client library would make.

use std::net::SocketAddr;

use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost::bytes::Bytes;
use tokio::net::TcpStream;
use tonic::Code;

/// How a call was answered.
pub struct Answer {
    pub http: u16,
    /// From the trailers, or from the headers where there is nothing else.
    pub grpc: Option<Code>,
}

/// One message as it goes over the wire.
pub fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &bytes].concat()
}

/// Sends `body` as it is.
pub async fn call(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    send(address, path, headers, Full::new(Bytes::from(body))).await
}

/// Sends `start`, and never the rest.
pub async fn stall(address: SocketAddr, path: &str, headers: &[(&str, &str)], start: Vec<u8>) -> Answer {
    let first = Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(start)));
    send(address, path, headers, StreamBody::new(stream::iter([first]).chain(stream::pending()))).await
}

async fn send<B>(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let http = response.status().as_u16();
    let of = |headers: &http::HeaderMap| headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
    let at_once = of(response.headers());
    let trailers = response.into_body().collect().await.unwrap().trailers().cloned();
    Answer { http, grpc: at_once.or(trailers.as_ref().and_then(of)) }
}

/// Asks, and takes nothing of the answer; ends when the server has given up the connection.
pub async fn ask_and_take_nothing(address: SocketAddr, path: &str, body: Vec<u8>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}{path}")).header("content-type", "application/grpc");
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    // Closed or reset, as the system likes.
    let _ = connection.await.unwrap();
    drop(answer);
}
