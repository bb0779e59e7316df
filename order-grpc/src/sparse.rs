//! Says seldom what may happen very often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Level;

use crate::log::Log;

/// After what time the same kind of thing is said again.
const AGAIN: Duration = Duration::from_secs(10);

/// A kind of event that anybody can cause as often as they like: the first is said, then one each
/// ten seconds, with how many there were.
#[derive(Debug, Default)]
pub(crate) struct Sparse(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    at: Option<Instant>,
    unsaid: u64,
}

impl Sparse {
    /// Says it, or counts it.
    pub(crate) fn say(
        &self,
        log: &Log,
        level: Level,
        event: &str,
        message: impl FnOnce() -> String,
    ) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.at.is_some_and(|at| at.elapsed() < AGAIN) {
            said.unsaid += 1;
            return;
        }
        let unsaid = std::mem::replace(
            &mut *said,
            Said {
                at: Some(Instant::now()),
                unsaid: 0,
            },
        )
        .unsaid;
        drop(said);
        let message = message();
        match unsaid {
            0 => log.event(level, event, &message),
            n => log.event(
                level,
                event,
                &format!("{message} (and {n} more since it was last said)"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::log::LogFormat;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_often_is_said_once_and_counted() {
        let sink = Sink::default();
        let log = Log::to(LogFormat::Text, Box::new(sink.clone()));
        let sparse = Sparse::default();
        for n in 0..1000 {
            sparse.say(&log, Level::WARN, "knock", || format!("nr {n}"));
        }
        tokio::time::advance(AGAIN).await;
        sparse.say(&log, Level::WARN, "knock", || "again".into());
        log.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let said: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("order_grpc: "))
            .map(|(_, said)| said)
            .collect();
        assert_eq!(
            said,
            [
                "nr 0 event=knock",
                "again (and 999 more since it was last said) event=knock"
            ]
        );
    }
}
