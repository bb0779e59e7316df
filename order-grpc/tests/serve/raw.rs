//! Calls that no client library would make.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
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
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let http = response.status().as_u16();
    let of = |headers: &http::HeaderMap| headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
    let at_once = of(response.headers());
    let trailers = response.into_body().collect().await.unwrap().trailers().cloned();
    Answer { http, grpc: at_once.or(trailers.as_ref().and_then(of)) }
}
