//! One line for each call, for machines or for people. Never what a request or an order holds: the
//! method, the code, how long it took, the request's id and the order's.
//!
//! Lines are gathered in memory and written by a thread of their own, so that a slow terminal or
//! pipe holds up no call. If it falls too far behind, lines are dropped and counted.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use order_core::ids::OrderId;
use order_core::runtime::{Clock as _, SystemClock};
use tonic::Code;

/// How many bytes may wait to be written.
const WAITING_MAX: usize = 1024 * 1024;
/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(10);

/// How long is waited for what is left to be written. Whoever should read it may have stopped
/// reading.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `time LEVEL event key=value …`.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("{s:?} is not a log format: expected text or json")),
        }
    }
}

/// Where lines go. Cheap to clone; the last clone that is dropped waits a second at the most for
/// what is left to be written.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Open>>);

struct Open {
    format: LogFormat,
    shared: Arc<Shared>,
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

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log")
            .field(&self.0.as_ref().map(|open| open.format))
            .finish()
    }
}

/// What is said of a call.
pub(crate) struct CallLine<'a> {
    pub(crate) method: &'static str,
    pub(crate) code: Code,
    pub(crate) took: Duration,
    pub(crate) request: &'a str,
    pub(crate) order: Option<OrderId>,
    pub(crate) error: Option<&'a str>,
}

impl Log {
    /// Writes nothing.
    pub fn off() -> Self {
        Log(None)
    }

    /// Writes to standard error.
    pub fn stderr(format: LogFormat) -> Self {
        Log::to(format, Box::new(std::io::stderr()))
    }

    /// Writes to `sink`. A line that it does not take is lost.
    pub fn to(format: LogFormat, mut sink: Box<dyn Write + Send>) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || theirs.write_to(&mut *sink, format));
        // Without a thread there is no log, which is no reason to take no orders.
        Log(writer.ok().map(|_| Arc::new(Open { format, shared })))
    }

    /// Says that something happened that is no call, such as a worker's failure.
    pub fn event(&self, level: &str, event: &str, message: &str) {
        let Some(open) = &self.0 else { return };
        let mut line = String::with_capacity(160);
        start(&mut line, open.format, level, event);
        quoted(&mut line, open.format, "message", message);
        end(&mut line, open.format);
        open.shared.add(&line);
    }

    pub(crate) fn call(&self, call: &CallLine<'_>) {
        let Some(open) = &self.0 else { return };
        let CallLine {
            method,
            code,
            took,
            request,
            order,
            error,
        } = call;
        let level = match code {
            Code::Internal | Code::DataLoss | Code::Unknown => "ERROR",
            Code::Unavailable => "WARN",
            _ => "INFO",
        };
        let mut line = String::with_capacity(256);
        start(&mut line, open.format, level, "call");
        let name = code_name(*code);
        let micros = took.as_micros();
        let (ms, rest) = (micros / 1000, micros % 1000);
        // Writing to a text cannot fail.
        let _ = match open.format {
            LogFormat::Text => write!(
                line,
                " method={method} code={name} ms={ms}.{rest:03} request={request}"
            ),
            LogFormat::Json => {
                write!(
                    line,
                    r#","method":"{method}","code":"{name}","ms":{ms}.{rest:03},"request_id":"{request}""#
                )
            }
        };
        if let Some(order) = order {
            let _ = match open.format {
                LogFormat::Text => write!(line, " order={order}"),
                LogFormat::Json => write!(line, r#","order_id":"{order}""#),
            };
        }
        if let Some(error) = error {
            quoted(&mut line, open.format, "error", error);
        }
        end(&mut line, open.format);
        open.shared.add(&line);
    }

    /// Waits until everything said so far is written, for a second at the most.
    pub fn flush(&self) {
        let Some(open) = &self.0 else { return };
        open.shared
            .wait_until(|waiting| !waiting.writing && waiting.lines.is_empty());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        self.shared.wait_until(|waiting| waiting.ended);
    }
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

    fn add(&self, line: &str) {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > WAITING_MAX {
            waiting.dropped += 1;
            return;
        }
        let was_empty = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line.as_bytes());
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
                let mut line = String::new();
                start(&mut line, format, "WARN", "log");
                quoted(
                    &mut line,
                    format,
                    "message",
                    &format!(
                        "{dropped} lines were dropped: they came faster than they are written"
                    ),
                );
                end(&mut line, format);
                lines.extend_from_slice(line.as_bytes());
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

fn start(line: &mut String, format: LogFormat, level: &str, event: &str) {
    let now = SystemClock.now();
    let _ = match format {
        LogFormat::Text => write!(line, "{now} {level} {event}"),
        LogFormat::Json => write!(
            line,
            r#"{{"time":"{now}","level":"{level}","event":"{event}""#
        ),
    };
}

fn quoted(line: &mut String, format: LogFormat, key: &str, text: &str) {
    // Both formats quote as JSON does, so that no text can begin a line of its own.
    let text = serde_json::Value::from(text);
    let _ = match format {
        LogFormat::Text => write!(line, " {key}={text}"),
        LogFormat::Json => write!(line, r#","{key}":{text}"#),
    };
}

fn end(line: &mut String, format: LogFormat) {
    line.push_str(match format {
        LogFormat::Text => "\n",
        LogFormat::Json => "}\n",
    });
}

/// The name of a code as the gRPC specification spells it.
pub(crate) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
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

    fn said(format: LogFormat, speak: impl Fn(&Log)) -> String {
        let sink = Sink::default();
        let log = Log::to(format, Box::new(sink.clone()));
        speak(&log);
        log.flush();
        let flushed = sink.0.lock().unwrap().len();
        drop(log);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text.len(),
            flushed,
            "flushing waits for everything said before"
        );
        text
    }

    fn a_call<'a>(error: Option<&'a str>) -> CallLine<'a> {
        let order = "01890a5d-ac96-774b-bcce-b302099a8057".parse().ok();
        CallLine {
            method: "GetOrder",
            code: Code::NotFound,
            took: Duration::from_micros(1234),
            request: "r-1",
            order,
            error,
        }
    }

    #[test]
    fn a_line_of_text_says_what_was_called_and_how_it_ended() {
        let text = said(LogFormat::Text, |log| log.call(&a_call(None)));
        assert!(
            text.ends_with(
                " INFO call method=GetOrder code=NOT_FOUND ms=1.234 request=r-1 order=01890a5d-ac96-774b-bcce-b302099a8057\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_line_of_json_is_an_object_whatever_an_error_says() {
        let text = said(LogFormat::Json, |log| {
            log.call(&a_call(Some("a \"b\"\n{c}")))
        });
        let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(value["event"], "call");
        assert_eq!(value["code"], "NOT_FOUND");
        assert_eq!(value["ms"], 1.234);
        assert_eq!(value["error"], "a \"b\"\n{c}");
        assert_eq!(text.lines().count(), 1);
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
        let log = Log::to(
            LogFormat::Text,
            Box::new(Stuck {
                begun,
                go_on,
                sink: Sink::default(),
            }),
        );
        log.event("INFO", "test", "first");
        has_begun.recv().unwrap();
        let started = Instant::now();
        log.flush();
        drop(log);
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
        let log = Log::to(
            LogFormat::Text,
            Box::new(Stuck {
                begun,
                go_on,
                sink: sink.clone(),
            }),
        );
        log.event("INFO", "test", "first");
        has_begun.recv().unwrap();
        let long = "x".repeat(WAITING_MAX / 4);
        (0..5).for_each(|_| log.event("INFO", "test", &long));
        drop((go, has_begun));
        log.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text.lines().filter(|l| l.contains("INFO test")).count(),
            1 + 3
        );
        assert!(text.contains("2 lines were dropped"));
    }
}
