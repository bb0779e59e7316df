//! The settings of the server.

use std::time::Duration;

use clap::ValueEnum;

use super::layers::Layers;
use crate::exit::Outcome;

/// Longer than any work is under way.
const GRACE_MAX: Duration = Duration::from_secs(3600);
const IN_FLIGHT_MAX: i64 = 100_000;
/// The most connections a server can be told to have at a time; the system may allow fewer.
const CONNECTIONS_MAX: i64 = 100_000;

/// The form of the line that each call is logged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServeLog {
    /// `time LEVEL event key=value`, for people.
    Text,
    /// A JSON object a line, for machines.
    Json,
    /// Not at all.
    Off,
}

impl ServeLog {
    /// Every form.
    pub const ALL: [ServeLog; 3] = [ServeLog::Text, ServeLog::Json, ServeLog::Off];

    /// Returns its name, as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            ServeLog::Text => "text",
            ServeLog::Json => "json",
            ServeLog::Off => "off",
        }
    }
}

/// The settings of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The address it listens at, `HOST:PORT`.
    pub listen: String,
    /// It may listen where other machines reach it, although callers are not authenticated.
    pub insecure: bool,
    /// The form of the line that each call is logged by.
    pub log: ServeLog,
    /// The time in which what is under way may come to an end once it is told to stop.
    pub grace: Duration,
    /// The number of calls it works on at a time.
    pub in_flight: usize,
    /// The number of connections it has at a time.
    pub connections: usize,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "127.0.0.1:50053".into(),
            insecure: false,
            log: ServeLog::Text,
            grace: Duration::from_secs(10),
            in_flight: 256,
            connections: 512,
        }
    }
}

/// Returns an address to listen at with its host: `:PORT` is a port of this machine alone.
pub fn with_host(listen: String) -> String {
    match listen.starts_with(':') {
        true => format!("127.0.0.1{listen}"),
        false => listen,
    }
}

/// Reads the settings of the server.
///
/// # Errors
///
/// Bad input, with who gave it.
pub fn server(layers: &mut Layers) -> Outcome<Server> {
    let usual = Server::default();
    let log = ServeLog::ALL.map(|log| (log.name(), log));
    Ok(Server {
        listen: with_host(layers.or("listen", usual.listen)?),
        insecure: layers.or("server.insecure", usual.insecure)?,
        log: layers.choice("server.log", &log, usual.log)?,
        grace: layers.duration("server.grace", Duration::ZERO..=GRACE_MAX, usual.grace)?,
        in_flight: layers.whole(
            "server.in_flight",
            1..=IN_FLIGHT_MAX,
            usual.in_flight as i64,
        )? as usize,
        connections: layers.whole(
            "server.connections",
            1..=CONNECTIONS_MAX,
            usual.connections as i64,
        )? as usize,
    })
}
