//! Lines that wait to be written by a thread of their own, so that a slow terminal or pipe holds up
//! no call. They are gathered for a moment and written together; if the thread falls too far
//! behind, lines are dropped and counted.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use order_core::runtime::{Clock as _, SystemClock};
use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;

/// The number of bytes that may wait to be written.
const WAITING_MAX: usize = 1024 * 1024;
/// The time for which lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(10);
/// The longest wait for what is left to be written. Whoever should read it may have stopped
/// reading.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// The thread that writes; it ends when this is dropped.
pub(super) struct Writing(Arc<Shared>);

/// A way to add lines. Each write is one line.
pub(super) struct Lines(Arc<Shared>);

impl Writing {
    /// Starts the thread; none if the system has none to give.
    pub(super) fn start(
        format: LogFormat,
        mut sink: Box<dyn Write + Send>,
    ) -> Option<(Self, Lines)> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || theirs.write_to(&mut *sink, format))
            .ok()?;
        Some((Writing(Arc::clone(&shared)), Lines(shared)))
    }

    /// Waits until everything added so far is written, for a second at the most.
    pub(super) fn flush(&self) {
        self.0
            .wait_until(|waiting| !waiting.writing && waiting.lines.is_empty());
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
        self.0.wait_until(|waiting| waiting.ended);
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;
    fn make_writer(&'a self) -> &'a Lines {
        self
    }
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    writing: bool,
    closed: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, done: impl Fn(&Waiting) -> bool) {
        let until = Instant::now() + FLUSH_WITHIN;
        let mut waiting = self.lock();
        while !done(&waiting) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self
                .changed
                .wait_timeout(waiting, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn add(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > WAITING_MAX {
            waiting.dropped += 1;
            return;
        }
        let was_empty = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if was_empty {
            self.changed.notify_all();
        }
    }

    fn write_to(&self, sink: &mut dyn Write, format: LogFormat) {
        let mut lines = Vec::new();
        loop {
            let mut waiting = self.lock();
            while waiting.lines.is_empty() && !waiting.closed {
                waiting = self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if !waiting.closed {
                drop(waiting);
                std::thread::sleep(GATHER);
                waiting = self.lock();
            }
            let closed = waiting.closed;
            std::mem::swap(&mut lines, &mut waiting.lines);
            let dropped = std::mem::take(&mut waiting.dropped);
            waiting.writing = true;
            drop(waiting);
            if dropped > 0 {
                lines.extend_from_slice(lost(format, dropped).as_bytes());
            }
            // Nobody is left to tell.
            let _ = sink.write_all(&lines).and_then(|()| sink.flush());
            lines.clear();
            let mut waiting = self.lock();
            waiting.writing = false;
            waiting.ended = closed && waiting.lines.is_empty();
            let ended = waiting.ended;
            drop(waiting);
            self.changed.notify_all();
            if ended {
                return;
            }
        }
    }
}

/// A line that says how many were lost.
fn lost(format: LogFormat, n: u64) -> String {
    let now = SystemClock.now();
    let said = format!("{n} lines were dropped: they came faster than they are written");
    match format {
        LogFormat::Text => format!("{now}  WARN order_grpc: {said} event=log\n"),
        LogFormat::Json => format!(
            concat!(
                r#"{{"timestamp":"{}","level":"WARN","message":"{}","#,
                r#""event":"log","target":"order_grpc"}}"#,
                "\n"
            ),
            now, said
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn start(sink: Stuck) -> (Writing, Lines) {
        Writing::start(LogFormat::Text, Box::new(sink)).expect("there is a thread")
    }

    #[test]
    fn what_was_lost_is_told_in_either_format() {
        assert!(lost(LogFormat::Text, 7).ends_with("are written event=log\n"));
        let line: serde_json::Value = serde_json::from_str(&lost(LogFormat::Json, 7)).unwrap();
        assert!(line["message"].as_str().unwrap().starts_with("7 lines"));
    }

    /// Takes nothing before it is told to.
    struct Stuck {
        begun: std::sync::mpsc::Sender<()>,
        go_on: std::sync::mpsc::Receiver<()>,
        sink: Sink,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.begun.send(()).is_ok() {
                let _ = self.go_on.recv();
            }
            self.sink.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_stopped_reading_holds_nobody_up() {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go, go_on) = std::sync::mpsc::channel();
        let (writing, lines) = start(Stuck {
            begun,
            go_on,
            sink: Sink::default(),
        });
        lines.0.add(b"first\n");
        has_begun.recv().unwrap();
        let started = Instant::now();
        writing.flush();
        drop(writing);
        assert!(
            (FLUSH_WITHIN..10 * FLUSH_WITHIN).contains(&started.elapsed()),
            "{:?}",
            started.elapsed()
        );
        drop(go);
    }

    #[test]
    fn lines_that_come_too_fast_are_dropped_and_counted() {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go, go_on) = std::sync::mpsc::channel();
        let sink = Sink::default();
        let (writing, lines) = start(Stuck {
            begun,
            go_on,
            sink: sink.clone(),
        });
        lines.0.add(b"first\n");
        has_begun.recv().unwrap();
        let long = format!("{}\n", "x".repeat(WAITING_MAX / 4 - 1));
        (0..6).for_each(|_| lines.0.add(long.as_bytes()));
        drop((go, has_begun));
        writing.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches("xx\n").count(), 4);
        assert!(text.contains("2 lines were dropped"));
    }
}
