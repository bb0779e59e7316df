//! Counts of what is refused or cut short, for the log: a line for each kind once in a while,
//! however often it happens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::Level;

use crate::log::Log;

/// The times for which is counted before the first line, and until the next.
const GATHER: Duration = Duration::from_millis(100);
const AGAIN: Duration = Duration::from_secs(10);

/// A kind of thing that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An idle connection was closed to make room for another.
    Dismissed,
    /// A connection was refused, as none could be closed for it.
    ConnectionRefused,
    /// A connection could not be accepted.
    NotAccepted,
    /// An answer was reset, as it was not taken in time.
    AnswerReset,
    /// A connection was closed, as its client read nothing.
    NothingRead,
    /// A call of health or reflection was refused.
    BesideRefused,
    /// A stream of reflection was ended, as it asked nothing or too much.
    ReflectionEnded,
}

const KINDS: [Kind; 7] = [
    Kind::Dismissed,
    Kind::ConnectionRefused,
    Kind::NotAccepted,
    Kind::AnswerReset,
    Kind::NothingRead,
    Kind::BesideRefused,
    Kind::ReflectionEnded,
];

impl Kind {
    const fn said(self) -> &'static str {
        match self {
            Kind::Dismissed => {
                "idle connections were closed to make room for others: there are as many as may be, in all or of one peer"
            }
            Kind::ConnectionRefused => {
                "connections were refused: there are as many as may be, in all or of one peer, and none is idle"
            }
            Kind::NotAccepted => "connections could not be accepted",
            Kind::AnswerReset => "answers were reset: their clients did not take them in time",
            Kind::NothingRead => "connections were closed: their clients read nothing",
            Kind::BesideRefused => {
                "calls of health or reflection were refused: there are as many as may be, in all, of one peer or on one connection"
            }
            Kind::ReflectionEnded => {
                "streams of reflection were ended: they asked nothing, or too much"
            }
        }
    }
}

/// The counts since they were last told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [AtomicU64; KINDS.len()],
    /// The reason why a connection could not be accepted, the last time.
    cause: Mutex<Option<String>>,
    told: Notify,
}

impl Tally {
    pub(crate) fn count(&self, kind: Kind) {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        self.told.notify_one();
    }

    /// One more connection that could not be accepted.
    pub(crate) fn not_accepted(&self, error: &std::io::Error) {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        self.count(Kind::NotAccepted);
    }

    /// Keeps telling the log, for as long as it is polled.
    pub(crate) async fn keep_telling(&self, log: &Log) {
        loop {
            self.told.notified().await;
            tokio::time::sleep(GATHER).await;
            self.tell(log);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Tells the log what was not told yet.
    pub(crate) fn tell(&self, log: &Log) {
        for kind in KINDS {
            let n = self.counts[kind as usize].swap(0, Ordering::Relaxed);
            if n == 0 {
                continue;
            }
            let cause = match kind {
                Kind::NotAccepted => self
                    .cause
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
                _ => None,
            };
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            log.event(
                Level::WARN,
                "limits",
                &format!("{n} {}{cause}", kind.said()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::log::LogFormat;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_happens_a_thousand_times_makes_a_line_in_ten_seconds() {
        let sink = Sink::default();
        let (tally, log) = (
            Tally::default(),
            Log::to(LogFormat::Text, Box::new(sink.clone())),
        );
        let telling = tally.keep_telling(&log);
        let happening = async {
            for _ in 0..1000 {
                tally.count(Kind::AnswerReset);
                tally.not_accepted(&std::io::Error::other("too many open files"));
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        };
        tokio::select! { () = telling => {}, () = happening => {} }
        tally.tell(&log);
        log.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let of = |what: &str| {
            let lines = text.lines().filter(|line| line.contains(what));
            lines
                .map(|line| {
                    let (_, said) = line.split_once("order_grpc: ").unwrap();
                    said.split(' ').next().unwrap().parse::<u64>().unwrap()
                })
                .collect::<Vec<_>>()
        };
        for what in [
            "answers were reset",
            "could not be accepted: too many open files",
        ] {
            let counts = of(what);
            assert_eq!(
                (counts.len(), counts.iter().sum::<u64>()),
                (3, 1000),
                "{text}"
            );
        }
    }
}
