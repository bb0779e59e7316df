//! Calls that no client library would make.

use std::net::SocketAddr;

use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost::bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The answer to a call.
pub struct Answer {
    pub http: u16,
    /// From the trailers, or from the headers where there is nothing else.
    pub grpc: Option<Code>,
    /// Of its `ErrorInfo`.
    pub reason: String,
    /// Its message, as it came over the wire.
    pub framed: Bytes,
}

/// One message as it goes over the wire.
pub fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), &bytes].concat()
}

/// Sends `body` as it is.
pub async fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    send(address, path, headers, Full::new(Bytes::from(body))).await
}

/// Sends `start`, and never the rest.
pub async fn stall(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    start: Vec<u8>,
) -> Answer {
    let first = Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(start)));
    send(
        address,
        path,
        headers,
        StreamBody::new(stream::iter([first]).chain(stream::pending())),
    )
    .await
}

async fn send<B>(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: B) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let http = response.status().as_u16();
    let at_once = Status::from_header_map(response.headers());
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    let status = at_once.or_else(|| Status::from_header_map(&trailers?));
    let reason = status
        .as_ref()
        .and_then(|status| status.get_details_error_info())
        .map(|info| info.reason);
    Answer {
        http,
        grpc: status.map(|status| status.code()),
        reason: reason.unwrap_or_default(),
        framed: collected.to_bytes(),
    }
}

/// A connection whose answers stay where they are: the client gives them no room.
pub struct Unread {
    sender: hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Unread {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = client
            .initial_stream_window_size(0)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Unread { sender, address }
    }

    /// Asks `path`; what was said at once, and the answer that is not taken.
    pub async fn ask(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> (Option<Status>, http::Response<hyper::body::Incoming>) {
        let request = http::Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc");
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = self.sender.clone().send_request(request).await.unwrap();
        (Status::from_header_map(answer.headers()), answer)
    }
}

const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Frames by hand, as no library would send them.
pub struct Frames {
    stream: TcpStream,
    next: u32,
    unread: Vec<u8>,
}

impl Frames {
    /// A connection from an address of this machine, which gives each answer so much room.
    pub async fn connect(address: SocketAddr, from: [u8; 4], window: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let settings = frame(
            SETTINGS,
            0,
            0,
            &[&[0, 4][..], &window.to_be_bytes()].concat(),
        );
        let update = frame(WINDOW_UPDATE, 0, 0, &0x7000_0000u32.to_be_bytes());
        stream
            .write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &update].concat())
            .await
            .unwrap();
        Frames {
            stream,
            next: 1,
            unread: Vec::new(),
        }
    }

    /// Asks; without `body` it never comes. The number of the stream.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        timeout: Option<&str>,
        body: Option<&[u8]>,
    ) -> u32 {
        let id = self.next;
        self.next += 2;
        let usual = [
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let fields = usual
            .into_iter()
            .chain(timeout.map(|timeout| ("grpc-timeout", timeout)));
        // Not indexed, and short (RFC 7541, 6.2.2).
        let short = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let block: Vec<u8> = fields
            .flat_map(|(name, value)| [vec![0], short(name), short(value)].concat())
            .collect();
        let mut bytes = frame(HEADERS, END_HEADERS, id, &block);
        if let Some(body) = body {
            bytes.extend(frame(DATA, END_STREAM, id, body));
        }
        self.stream.write_all(&bytes).await.unwrap();
        id
    }

    pub async fn reset(&mut self, id: u32) {
        self.stream
            .write_all(&frame(RST_STREAM, 0, id, &8u32.to_be_bytes()))
            .await
            .unwrap();
    }

    /// Reads the next frame: its kind and stream; none at the end.
    pub async fn next(&mut self) -> Option<(u8, u32)> {
        loop {
            if let Some(head) = self.unread.first_chunk::<9>() {
                let length =
                    usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
                let (kind, id) = (
                    head[3],
                    u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                );
                if self.unread.len() >= 9 + length {
                    self.unread.drain(..9 + length);
                    return Some((kind, id));
                }
            }
            // Closed or reset, as the system likes.
            if !matches!(self.stream.read_buf(&mut self.unread).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// Reads until `n` frames of a kind have come; how many did before the end.
    pub async fn count(&mut self, kind: u8, n: usize) -> usize {
        let mut found = 0;
        while found < n {
            match self.next().await {
                None => break,
                Some((of, _)) => found += usize::from(of == kind),
            }
        }
        found
    }
}
