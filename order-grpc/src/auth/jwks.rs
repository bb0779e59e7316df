//! The keys of an issuer that publishes them at a URL: fetched in the background, kept when
//! fetching fails, and fetched early when a token names a key that is not there, but seldom,
//! however many such tokens come.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prost::bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Level;

use super::Refresh;
use super::keys::{self, Key};
use crate::dial::Target;
use crate::log::Log;
use crate::security::SecurityError;
use crate::sparse::Sparse;

/// The longest JWKS, in bytes.
const JWKS_MAX: usize = 256 * 1024;
/// The longest that fetching may take.
const FETCH_WITHIN: Duration = Duration::from_secs(5);
/// The shortest pause between two attempts, so that an issuer that fails at once is not asked all
/// the time.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The time within which the next attempt must begin for a call to wait for it.
const SOON: Duration = Duration::from_millis(200);
/// The longest that a call waits for keys that are being fetched.
const WAIT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Remote {
    target: Target,
    refresh: Refresh,
    current: RwLock<Option<Arc<Vec<Key>>>>,
    attempts: watch::Sender<Attempts>,
    wanted: Notify,
    failed: Sparse,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    /// The number of attempts that have ended.
    ended: u64,
    under_way: bool,
    /// The time at which the next may begin.
    next: Instant,
}

impl Remote {
    pub(super) fn new(
        url: &str,
        ca: Option<std::path::PathBuf>,
        refresh: Refresh,
    ) -> Result<Self, SecurityError> {
        let target = Target::parse(url, ca)?;
        let refresh = Refresh {
            pause: refresh.pause.max(PAUSE_MIN),
            ..refresh
        };
        let attempts = watch::Sender::new(Attempts {
            ended: 0,
            under_way: false,
            next: Instant::now(),
        });
        let (current, wanted, failed) = Default::default();
        Ok(Remote {
            target,
            refresh,
            current,
            attempts,
            wanted,
            failed,
        })
    }

    pub(super) fn current(&self) -> Option<Arc<Vec<Key>>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks for newer keys, and waits for them if they are to come soon. Says whether an attempt
    /// has ended meanwhile.
    pub(super) async fn newer(&self) -> bool {
        let mut attempts = self.attempts.subscribe();
        let seen = *attempts.borrow_and_update();
        self.wanted.notify_one();
        if !seen.under_way && Instant::now() + SOON < seen.next {
            return false;
        }
        tokio::time::timeout(WAIT, attempts.wait_for(|now| now.ended > seen.ended))
            .await
            .is_ok()
    }

    /// Keeps the keys fresh until `stop` turns true.
    pub(super) async fn keep_fresh(&self, log: &Log, mut stop: watch::Receiver<bool>) {
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        tokio::select! {
            () = stopped => {}
            () = self.keep_fetching(log) => {}
        }
    }

    async fn keep_fetching(&self, log: &Log) {
        loop {
            let begun = Instant::now();
            self.attempts
                .send_modify(|attempts| attempts.under_way = true);
            let fetched = tokio::time::timeout(FETCH_WITHIN, self.fetch()).await;
            let fetched = fetched.unwrap_or_else(|_| {
                Err(format!("it took longer than {} s", FETCH_WITHIN.as_secs()))
            });
            let is_fresh = fetched.is_ok();
            match fetched {
                Ok(keys) => self.put(keys, log),
                Err(problem) => {
                    let kept = if self.current().is_some() {
                        "the old ones stay in use"
                    } else {
                        "no token can be believed yet"
                    };
                    self.failed.say(log, Level::WARN, "jwks", || {
                        format!("the keys cannot be fetched, so {kept}: {problem}")
                    });
                }
            }
            // Whoever asked by now has what they asked for.
            let _ = self.wanted.notified().now_or_never();
            let next = begun + self.refresh.pause;
            self.attempts.send_modify(|attempts| {
                *attempts = Attempts {
                    ended: attempts.ended + 1,
                    under_way: false,
                    next,
                };
            });
            tokio::time::sleep_until(next).await;
            if is_fresh {
                let due = begun + self.refresh.max_age;
                let _ = tokio::time::timeout_at(due, self.wanted.notified()).await;
            }
        }
    }

    fn put(&self, keys: Vec<Key>, log: &Log) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_deref() == Some(&keys) {
            return;
        }
        let n = keys.len();
        *current = Some(Arc::new(keys));
        drop(current);
        log.event(
            Level::INFO,
            "jwks",
            &format!("{n} keys that can be used were fetched"),
        );
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let stream = self
            .target
            .connect()
            .await
            .map_err(|e| format!("cannot connect: {e}"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        // Ends with this.
        let mut background = JoinSet::new();
        background.spawn(connection);
        let uri = &self.target.uri;
        let path = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let host = uri.authority().map_or("", http::uri::Authority::as_str);
        let request = Request::get(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json");
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|e| e.to_string())?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|e| e.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!(
                "answered {}: expected 200, and no redirection",
                answer.status().as_u16()
            ));
        }
        let body = Limited::new(answer.into_body(), JWKS_MAX).collect().await;
        let body = body.map_err(|e| {
            format!("answered no more than a part, or more than {JWKS_MAX} bytes: {e}")
        })?;
        keys::from_jwks(&body.to_bytes()).map_err(|problem| format!("the answer {problem}"))
    }
}
