//! A line for each call and each event, for machines or for people, by `tracing`. Never what a
//! request or an order holds: the method, the code, how long it took, and the ids of the request
//! and of the order.
//!
//! Everything said here is a `tracing` event, so a program with a subscriber of its own has it
//! there. A [`Log`] is a subscriber for those that have none: it writes by `tracing-subscriber`'s
//! formats over a writer that holds up no call.

mod writer;

use std::fmt::{self, Write as _};
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use order_core::ids::OrderId;
use tonic::Code;
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Level, Span};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::prelude::*;

use writer::Writing;

/// A form in which lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `time LEVEL span: target: message key=value …`.
    #[default]
    Text,
    /// A JSON object, with its fields beside `timestamp`, `level`, `target` and `span`.
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

/// A place where events are written. Cheap to clone; the last clone that is dropped waits a second
/// at the most for what is left to be written.
///
/// The default has no place of its own: events go to the subscriber that the program has set, if
/// any. A server that is given a log of its own writes its own events there. What the engine and
/// the stores say goes to the program's subscriber, which [`Log::install`] makes this one.
#[derive(Clone, Default)]
pub struct Log {
    /// The subscriber that events are sent to. None: the program's.
    to: Option<Dispatch>,
    /// A second subscriber, which hears nothing. As long as there is one alone, `tracing` remembers
    /// for each place in the code that nobody listens if the first thread that comes by has no
    /// subscriber, such as that of another server without a log.
    _second: Option<Dispatch>,
    writing: Option<Arc<Writing>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("writes", &self.writing.is_some())
            .finish_non_exhaustive()
    }
}

/// The facts that are told of a call.
pub(crate) struct CallLine<'a> {
    pub(crate) span: &'a Span,
    pub(crate) method: &'static str,
    pub(crate) code: Code,
    pub(crate) took: Duration,
    pub(crate) order: Option<OrderId>,
    pub(crate) error: Option<&'a str>,
}

/// The crates whose events are written, at INFO and above if no other level is named. Others are
/// silent: nobody here knows what they would tell.
const OURS: [&str; 5] = [
    "order",
    "order_core",
    "order_grpc",
    "order_store_postgres",
    "order_store_sqlite",
];

/// Says the same at a level that is not known before.
macro_rules! say {
    ($level:expr, $($what:tt)+) => {
        match $level {
            Level::ERROR => tracing::error!($($what)+),
            Level::WARN => tracing::warn!($($what)+),
            _ => tracing::info!($($what)+),
        }
    };
}

impl Log {
    /// Writes to standard error.
    pub fn stderr(format: LogFormat) -> Self {
        Log::to(format, Box::new(std::io::stderr()))
    }

    /// Writes to standard error what is at least of `level`.
    pub fn stderr_from(level: Level, format: LogFormat) -> Self {
        Log::from_level(level, format, Box::new(std::io::stderr()))
    }

    /// Writes to `sink`. A line that it does not take is lost.
    pub fn to(format: LogFormat, sink: Box<dyn Write + Send>) -> Self {
        Log::from_level(Level::INFO, format, sink)
    }

    fn from_level(level: Level, format: LogFormat, sink: Box<dyn Write + Send>) -> Self {
        // Without a thread there is no log, which is no reason to take no orders.
        let Some((writing, lines)) = Writing::start(format, sink) else {
            return Log::default();
        };
        let targets = OURS.map(|target| (target, LevelFilter::from_level(level)));
        let targets = Targets::new().with_targets(targets);
        let registry = tracing_subscriber::registry().with(targets);
        let layer = tracing_subscriber::fmt::layer();
        let to = match format {
            LogFormat::Json => Dispatch::new(
                registry.with(
                    layer
                        .json()
                        .flatten_event(true)
                        .with_current_span(false)
                        .with_writer(lines),
                ),
            ),
            LogFormat::Text => Dispatch::new(
                registry.with(
                    layer
                        .with_ansi(false)
                        .fmt_fields(debug_fn(on_one_line).delimited(" "))
                        .with_writer(lines),
                ),
            ),
        };
        Log {
            to: Some(to),
            _second: Some(Dispatch::new(NoSubscriber::new())),
            writing: Some(Arc::new(writing)),
        }
    }

    /// Makes this the program's subscriber, so that it also writes what the engine and the stores
    /// say. A program that has one already keeps it, and this remains the server's alone.
    pub fn install(self) -> Self {
        match &self.to {
            Some(to) if tracing::dispatcher::set_global_default(to.clone()).is_ok() => Log {
                to: None,
                _second: None,
                writing: self.writing.clone(),
            },
            _ => self,
        }
    }

    /// Runs `say` with this as the subscriber.
    fn within<T>(&self, say: impl FnOnce() -> T) -> T {
        match &self.to {
            Some(to) => tracing::dispatcher::with_default(to, say),
            None => say(),
        }
    }

    /// Warns of something that is no call, such as a fault that was asked for.
    pub fn warn(&self, event: &str, message: &str) {
        self.event(Level::WARN, event, message);
    }

    /// Says that something happened that is no call, such as a worker's failure.
    pub(crate) fn event(&self, level: Level, event: &str, message: &str) {
        self.within(|| say!(level, target: "order_grpc", event = %event, "{message}"));
    }

    /// The span of a request, in which everything that is said names it.
    pub(crate) fn request(&self, id: &str, trace: Option<&str>) -> Span {
        self.within(|| {
            tracing::info_span!(
                target: "order_grpc",
                "request",
                request_id = %id,
                trace_id = trace.map(tracing::field::display)
            )
        })
    }

    pub(crate) fn call(&self, call: &CallLine<'_>) {
        let CallLine {
            span,
            method,
            code,
            took,
            order,
            error,
        } = call;
        let level = match code {
            Code::Internal | Code::DataLoss | Code::Unknown => Level::ERROR,
            Code::Unavailable => Level::WARN,
            _ => Level::INFO,
        };
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let _within = span.enter();
        self.within(|| {
            say!(
                level,
                target: "order_grpc",
                event = %"call",
                method = %method,
                code = %code_name(*code),
                ms = f64::from(micros) / 1000.0,
                order_id = order.map(tracing::field::display),
                error = *error
            );
        });
    }

    /// Waits until everything said so far is written, for a second at the most.
    pub fn flush(&self) {
        if let Some(writing) = &self.writing {
            writing.flush();
        }
    }
}

/// Writes a field in such a way that no value begins a line of its own, or changes how a terminal
/// shows what follows.
fn on_one_line(
    writer: &mut Writer<'_>,
    field: &tracing::field::Field,
    value: &dyn fmt::Debug,
) -> fmt::Result {
    match field.name() {
        "message" => write!(Printable(writer), "{value:?}"),
        name => write!(Printable(writer), "{name}={value:?}"),
    }
}

/// Escapes control characters.
struct Printable<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Printable<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = from.chars();
            if let Some(control) = characters.next() {
                write!(self.0, "{}", control.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
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
    use std::sync::Mutex;

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

    fn call(log: &Log, error: Option<&str>) {
        let span = log.request("r-1", Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        log.call(&CallLine {
            span: &span,
            method: "GetOrder",
            code: Code::NotFound,
            took: Duration::from_micros(1234),
            order: "01890a5d-ac96-774b-bcce-b302099a8057".parse().ok(),
            error,
        });
    }

    #[test]
    fn a_line_of_text_says_what_was_called_and_how_it_ended() {
        let text = said(LogFormat::Text, |log| call(log, None));
        let expected = "  INFO request{request_id=r-1 trace_id=4bf92f3577b34da6a3ce929d0e0e4736}: \
                        order_grpc: event=call method=GetOrder code=NOT_FOUND ms=1.234 \
                        order_id=01890a5d-ac96-774b-bcce-b302099a8057\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_line_of_json_is_an_object_whatever_an_error_says() {
        let text = said(LogFormat::Json, |log| call(log, Some("a \"b\"\n{c}")));
        let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(value["event"], "call");
        assert_eq!(value["code"], "NOT_FOUND");
        assert_eq!(value["ms"], 1.234);
        assert_eq!(value["error"], "a \"b\"\n{c}");
        assert_eq!(value["spans"][0]["request_id"], "r-1");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn no_text_begins_a_line_of_its_own() {
        let text = said(LogFormat::Text, |log| {
            call(log, Some("a\nb \u{1b}[31m"));
            log.warn("x\ny", "one\ntwo");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with(r#" error="a\nb \u{1b}[31m""#), "{text}");
        assert!(
            lines[1].ends_with(r" order_grpc: one\ntwo event=x\ny"),
            "{text}"
        );
    }

    #[test]
    fn what_others_say_is_not_written() {
        let text = said(LogFormat::Text, |log| {
            log.within(|| {
                tracing::error!(target: "h2", "theirs");
                tracing::warn!(target: "order_core::manager", "the engine's");
                tracing::debug!(target: "order_core::manager", "too much");
            });
        });
        assert!(
            text.ends_with("order_core::manager: the engine's\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
