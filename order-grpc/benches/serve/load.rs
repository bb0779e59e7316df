//! Callers who call again as soon as they are answered. They send and take messages as bytes, so
//! that what they do themselves costs the same whatever is called.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use prost::bytes::{Buf as _, BufMut as _, Bytes};
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// The number of connections that callers share.
const CONNECTIONS: usize = 4;

/// Messages as bytes.
#[derive(Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw
    }
    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A method of a server, over a few connections.
pub struct Lane {
    channels: Vec<Channel>,
    path: http::uri::PathAndQuery,
    token: Option<MetadataValue<Ascii>>,
}

impl Lane {
    pub async fn connect(address: &str, path: &'static str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        Lane::over(&endpoint, path, None).await
    }

    /// The same over any endpoint, with a token in each call, if any.
    pub async fn over(
        endpoint: &Endpoint,
        path: &'static str,
        token: Option<MetadataValue<Ascii>>,
    ) -> Self {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(endpoint.connect().await.expect("it accepts"));
        }
        Lane {
            channels,
            path: http::uri::PathAndQuery::from_static(path),
            token,
        }
    }

    pub async fn call(&mut self, message: Bytes) -> Result<Bytes, Status> {
        let mut grpc = Grpc::new(self.channels[0].clone());
        call(&mut grpc, &self.path, &self.token, message).await
    }
}

async fn call(
    grpc: &mut Grpc<Channel>,
    path: &http::uri::PathAndQuery,
    token: &Option<MetadataValue<Ascii>>,
    message: Bytes,
) -> Result<Bytes, Status> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let name = "authorization";
        request.metadata_mut().insert(name, token.clone());
    }
    grpc.ready()
        .await
        .map_err(|e| Status::unavailable(e.to_string()))?;
    grpc.unary(request, path.clone(), Raw)
        .await
        .map(tonic::Response::into_inner)
}

/// Counts and times of the calls that were made.
#[derive(Debug, Default)]
pub struct Load {
    seconds: f64,
    /// The time that each call took that was done, in milliseconds.
    done_ms: Vec<f64>,
    pub failed: HashMap<Code, u64>,
}

impl Load {
    /// Calls done in a second.
    pub fn rate(&self) -> f64 {
        self.done_ms.len() as f64 / self.seconds
    }

    /// Calls turned away in a second.
    pub fn shed_rate(&self) -> f64 {
        self.failed
            .get(&Code::ResourceExhausted)
            .copied()
            .unwrap_or_default() as f64
            / self.seconds
    }

    /// Calls done in a second, if every one was.
    pub fn all_done(&self) -> f64 {
        assert!(self.failed.is_empty(), "{:?}", self.failed);
        self.rate()
    }

    pub fn percentiles(&self) -> (f64, f64) {
        let mut sorted = self.done_ms.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |q: f64| {
            sorted
                .get((sorted.len() as f64 * q) as usize)
                .copied()
                .unwrap_or_default()
        };
        (at(0.5), at(0.99))
    }
}

/// `callers` callers for about `time`, each sending what `message` makes of a number of its own.
pub async fn closed_loop(
    lane: &Lane,
    callers: usize,
    time: Duration,
    message: impl Fn(usize) -> Bytes + Clone + Send + 'static,
) -> Load {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for caller in 0..callers {
        let mut grpc = Grpc::new(lane.channels[caller % CONNECTIONS].clone());
        let (path, token) = (lane.path.clone(), lane.token.clone());
        let message = message.clone();
        tasks.spawn(async move {
            let mut load = Load::default();
            let mut n = caller;
            while started.elapsed() < time {
                let at = Instant::now();
                match call(&mut grpc, &path, &token, message(n)).await {
                    Ok(_) => load.done_ms.push(at.elapsed().as_secs_f64() * 1e3),
                    Err(status) => *load.failed.entry(status.code()).or_default() += 1,
                }
                n += callers;
            }
            load
        });
    }
    let mut all = Load::default();
    for load in tasks.join_all().await {
        all.done_ms.extend(load.done_ms);
        load.failed
            .into_iter()
            .for_each(|(code, n)| *all.failed.entry(code).or_default() += n);
    }
    all.seconds = started.elapsed().as_secs_f64();
    all
}

/// The same without a server: how often a second `work` is done.
pub async fn direct<F: Future<Output = ()> + Send>(
    callers: usize,
    time: Duration,
    work: impl Fn() -> F + Clone + Send + 'static,
) -> f64 {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for _ in 0..callers {
        let work = work.clone();
        tasks.spawn(async move {
            let mut n = 0u64;
            while started.elapsed() < time {
                work().await;
                n += 1;
            }
            n
        });
    }
    let n: u64 = tasks.join_all().await.into_iter().sum();
    n as f64 / started.elapsed().as_secs_f64()
}

/// The middle of them.
pub fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The middle of the ratios of rounds that ran next to each other: what else the machine does meets
/// both alike.
pub fn median_ratio(of: &[f64], to: &[f64]) -> f64 {
    median(
        &mut of
            .iter()
            .zip(to)
            .map(|(of, to)| of / to)
            .collect::<Vec<_>>(),
    )
}
