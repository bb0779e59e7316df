//! The ways of connecting to a store: its URL, and the bounds on what it asks of the database.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use order_core::runtime::Clock;
use order_core::store::{StoreError, StoreErrorKind};
use sqlx::postgres::PgConnectOptions;

use crate::hook::OnCommit;
use crate::tls;

/// The options with which a [`PostgresStore`](crate::PostgresStore) is opened.
///
/// ```
/// use order_store_postgres::PostgresOptions;
///
/// let options = PostgresOptions {
///     readers: 16,
///     replica: Some("postgres://orders@standby/shop".into()),
///     ..PostgresOptions::default()
/// };
/// # assert_eq!(options.writers, 2);
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    /// The number of tasks that write, at least 1; each has a connection, and commits what has
    /// queued while it was at the last group. 2.
    pub writers: usize,
    /// The number of changesets that wait to be written; one more is refused with
    /// [`StoreErrorKind::Unavailable`] before anything of it is done. 4,096.
    pub write_queue: usize,
    /// The number of reads of one order that run at a time, at least 1; each has a connection,
    /// opened when first needed. 8.
    pub readers: usize,
    /// The number of lists, sums and pages of the feed that are read at a time, at least 1: beside
    /// those of `readers`, which never wait for them. 2.
    pub long_readers: usize,
    /// The number of leases, and of looks before money moves, that are taken at a time, at least 1:
    /// workers never wait for callers. 2.
    pub workers: usize,
    /// The number of those who wait for a connection of each kind; one more is refused with
    /// [`StoreErrorKind::Unavailable`]. 1,024.
    pub wait_queue: usize,
    /// The time that a connection is waited for, and then the time that it may take to be made. 5
    /// s.
    pub connect_timeout: Duration,
    /// The longest that a statement may take before the server ends it; nothing of it has happened
    /// then. 30 s.
    pub statement_timeout: Duration,
    /// The longest that a statement waits for what others write. 5 s.
    pub lock_timeout: Duration,
    /// True if a server is accepted that does not wait for its disk, with `fsync` or
    /// `synchronous_commit` off: what it has answered may be lost. False.
    pub allow_volatile: bool,
    /// Writes rows of your own in the transaction of each changeset, and may refuse it. None: a
    /// group is one round trip; with one, it is BEGIN, COMMIT, and between them what the hook does.
    /// None.
    pub on_commit: Option<OnCommit>,
    /// The URL of a replica of the database, a standby that follows it: lists and the feed are read
    /// from it, as far as it has come, and nothing that anything is decided by; without `?schema=`,
    /// from the schema of the store. It must have the same store.
    ///
    /// While it cannot be used, the primary serves them, with its own `long_readers` and no more,
    /// so that orders do not wait for it:
    /// [`PostgresStore::replica_stats`](crate::PostgresStore::replica_stats) tells. What was
    /// redacted is not given out again however far it is behind, for which each page is held
    /// against the primary. A cursor of the feed that it has not come to gets an empty page; one
    /// that the primary does not know is refused. Dumps are the primary's. None.
    pub replica: Option<String>,
    /// Judges due and lease times in tests; none for the database's clock, which is the same for
    /// all nodes.
    pub clock: Option<Arc<dyn Clock>>,
}

/// Without what connects to the replica, which may hold a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PostgresOptions {
            writers,
            write_queue,
            readers,
            long_readers,
            workers,
            wait_queue,
            connect_timeout,
            statement_timeout,
            lock_timeout,
            allow_volatile,
            on_commit,
            replica,
            clock: _,
        } = self;
        f.debug_struct("PostgresOptions")
            .field("writers", writers)
            .field("write_queue", write_queue)
            .field("readers", readers)
            .field("long_readers", long_readers)
            .field("workers", workers)
            .field("wait_queue", wait_queue)
            .field("connect_timeout", connect_timeout)
            .field("statement_timeout", statement_timeout)
            .field("lock_timeout", lock_timeout)
            .field("allow_volatile", allow_volatile)
            .field("on_commit", on_commit)
            .field("has_replica", &replica.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        PostgresOptions {
            writers: 2,
            write_queue: 4_096,
            readers: 8,
            long_readers: 2,
            workers: 2,
            wait_queue: 1_024,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            allow_volatile: false,
            on_commit: None,
            replica: None,
            clock: None,
        }
    }
}

/// The schema that a store stands in if its URL names none.
const DEFAULT_SCHEMA: &str = "orders";

/// Writers for each one that groups of any buckets would need.
const WRITERS_APART: usize = 8;

/// The numbers of connections a URL can ask for.
const CONNECTIONS: std::ops::RangeInclusive<usize> = 4..=1_000;

/// The things that a URL may say besides the schema and [`tls::PARAMETERS`].
const PARAMETERS: [&str; 7] = [
    "host", "hostaddr", "port", "dbname", "user", "password", "options",
];

/// The text that stands for it in a URL; what is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = if *first == b'%' { after.get(..2) } else { None };
        let byte =
            escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns whether a value has swallowed what should stand beside it, as where `?` and `&` are
/// mixed up: it is not to be repeated then.
pub(crate) fn is_joined(value: &str) -> bool {
    value.contains(['?', '&', '=', '@'])
}

/// The place of a store: a database, and the schema in it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) connect: PgConnectOptions,
    pub(crate) schema: String,
    /// The number of connections that the store may have at a time; what its options say, if none.
    pub(crate) connections: Option<usize>,
}

/// Without the password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target {
            connect, schema, ..
        } = self;
        let database = connect
            .get_database()
            .unwrap_or_else(|| connect.get_username());
        match connect.get_socket() {
            Some(socket) => write!(
                f,
                "schema {schema} of database {database} at {}",
                socket.display()
            ),
            None => write!(
                f,
                "schema {schema} of database {database} at {}:{}",
                connect.get_host(),
                connect.get_port()
            ),
        }
    }
}

impl Target {
    /// Reads `postgres://user:password@host:port/database?schema=…&connections=…`; the other
    /// parameters are [`PARAMETERS`], as libpq has them. What is wrong is said without repeating
    /// the URL, which may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let wrong = |message: String| StoreError::new(StoreErrorKind::Misconfigured, message);
        let (head, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut schema, mut connections) = (DEFAULT_SCHEMA, None);
        let mut of_tls = Vec::new();
        let mut rest = String::from(head);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name == "schema" {
                schema = value;
            } else if name == "connections" {
                let number = value
                    .parse()
                    .ok()
                    .filter(|number| CONNECTIONS.contains(number));
                let expected = format!(
                    "expected {} to {}, as each of the four kinds of work needs one",
                    CONNECTIONS.start(),
                    CONNECTIONS.end()
                );
                connections = Some(number.ok_or_else(|| {
                    wrong(format!("connections in the URL of the store: {expected}"))
                })?);
            } else if tls::PARAMETERS.contains(&name) {
                of_tls.push((name, percent_decoded(value)));
            } else if PARAMETERS.contains(&name)
                || name.starts_with("options[") && name.ends_with(']')
            {
                rest.push(if rest.len() == head.len() { '?' } else { '&' });
                rest.push_str(parameter);
            } else {
                // Not passed over: it may be a misspelt sslmode. Nor repeated: it may be the rest
                // of a password with an & in it.
                let known = PARAMETERS
                    .iter()
                    .chain(&tls::PARAMETERS)
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", ");
                let message = format!(
                    "the URL of the store has an unknown parameter: expected some of schema, connections, {known}, options[NAME]"
                );
                return Err(wrong(message));
            }
        }
        let first = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let plain = schema
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !first || !plain || schema.len() > 63 || schema.starts_with("pg_") {
            let expected = "expected 1 to 63 lower-case letters, digits and underscores, beginning with no digit and not with pg_";
            // What was joined to it wrongly may be a password.
            let named = if is_joined(schema) {
                "schema in the URL of the store".to_owned()
            } else {
                format!("{schema:?}")
            };
            return Err(wrong(format!(
                "{named} is no name of a schema for orders: {expected}"
            )));
        }
        if !(rest.starts_with("postgres://") || rest.starts_with("postgresql://")) {
            return Err(wrong(
                "the URL of the store is not one of PostgreSQL: expected postgres://…".into(),
            ));
        }
        let connect = PgConnectOptions::from_str(&rest).map_err(|_| {
            wrong("the URL of the store cannot be read: expected postgres://user:password@host:port/database?schema=…".into())
        })?;
        if connect.get_database().is_some_and(is_joined) {
            return Err(wrong(
                "the URL of the store cannot be read: expected ? before the first parameter, & before each other".into(),
            ));
        }
        let of_url = |name: &str| {
            of_tls
                .iter()
                .rev()
                .find(|(of, _)| *of == name)
                .map(|(_, value)| value.clone())
        };
        let connect = tls::secure(connect, of_url, |name| std::env::var(name).ok())?;
        Ok(Target {
            connect: connect.application_name("order"),
            schema: schema.to_owned(),
            connections,
        })
    }

    /// The options, with as many connections as the URL allows, shared out among the kinds of work
    /// as they are by default; where groups of changesets are small, because buckets are apart,
    /// writers get most of them.
    pub(crate) fn share_out(&self, options: PostgresOptions, are_apart: bool) -> PostgresOptions {
        let most = |options: PostgresOptions| PostgresOptions {
            writers: options.writers * WRITERS_APART,
            ..options
        };
        let Some(connections) = self.connections else {
            return if are_apart { most(options) } else { options };
        };
        let few = 1 + (connections - CONNECTIONS.start()) / 10;
        let writers = if are_apart {
            ((connections - 2 * few) * 2 / 3).max(1)
        } else {
            few
        };
        PostgresOptions {
            writers,
            long_readers: few,
            workers: few,
            readers: connections - writers - 2 * few,
            ..options
        }
    }

    /// Returns the place of a copy of it; in the same schema if its URL names none.
    pub(crate) fn replica(&self, url: &str) -> Result<Self, StoreError> {
        let of_it = |error: StoreError| StoreError {
            message: format!("replica: {}", error.message),
            ..error
        };
        let replica = Target::parse(url).map_err(of_it)?;
        if replica.connections.is_some() {
            let message = "it has as many connections as lists and the feed have: say connections in the URL of the store alone";
            return Err(of_it(StoreError::new(
                StoreErrorKind::Misconfigured,
                message,
            )));
        }
        let names_one = url
            .split_once('?')
            .is_some_and(|(_, query)| query.split('&').any(|part| part.starts_with("schema=")));
        Ok(if names_one {
            replica
        } else {
            Target {
                schema: self.schema.clone(),
                ..replica
            }
        })
    }

    /// Returns how to connect for a purpose: with the bounds that the options set, and settings of
    /// the session besides.
    pub(crate) fn session(
        &self,
        options: &PostgresOptions,
        settings: &[(&str, &str)],
    ) -> PgConnectOptions {
        let millis = |duration: Duration| duration.as_millis().max(1).to_string();
        let (statement, lock) = (
            millis(options.statement_timeout),
            millis(options.lock_timeout),
        );
        let own = [
            ("search_path", self.schema.as_str()),
            ("statement_timeout", statement.as_str()),
            ("lock_timeout", lock.as_str()),
            ("idle_in_transaction_session_timeout", statement.as_str()),
            ("jit", "off"),
        ];
        // A setting that is asked for besides comes last, and so is the one that counts.
        self.connect
            .clone()
            .options(own.into_iter().chain(settings.iter().copied()))
            .statement_cache_capacity(512)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connects_to_a_replica_is_not_shown() {
        let options = PostgresOptions {
            replica: Some("postgres://orders:secret@standby/shop".into()),
            ..PostgresOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("has_replica: true"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_schema_is_taken_off_the_url() {
        let target = Target::parse(
            "postgres://me:secret@db.example:5433/shop?sslmode=disable&schema=tenant_7",
        )
        .unwrap();
        assert_eq!(
            (target.schema.as_str(), target.connect.get_port()),
            ("tenant_7", 5433)
        );
        assert_eq!(
            target.to_string(),
            "schema tenant_7 of database shop at db.example:5433"
        );
        assert_eq!(
            Target::parse("postgresql://me@localhost/shop")
                .unwrap()
                .schema,
            "orders"
        );
    }

    #[test]
    fn connections_are_shared_out_and_none_is_left_without() {
        let shared = |connections: &str| {
            let target = Target::parse(&format!(
                "postgres://me@localhost/shop?{connections}&schema=a"
            ))
            .unwrap();
            let PostgresOptions {
                writers,
                readers,
                long_readers,
                workers,
                ..
            } = target.share_out(PostgresOptions::default(), false);
            [writers, readers, long_readers, workers]
        };
        let apart = |connections: &str| {
            let target =
                Target::parse(&format!("postgres://me@localhost/shop?{connections}")).unwrap();
            let PostgresOptions {
                writers,
                readers,
                long_readers,
                workers,
                ..
            } = target.share_out(PostgresOptions::default(), true);
            assert!(
                [writers, readers, long_readers, workers]
                    .iter()
                    .all(|n| *n > 0)
            );
            writers + readers + long_readers + workers
        };
        assert!(
            (4..100).all(|n| apart(&format!("connections={n}")) == n),
            "not more where buckets are apart"
        );
        assert_eq!(apart("sslmode=disable"), 28);
        assert_eq!(shared("connections=4"), [1, 1, 1, 1]);
        assert_eq!(
            shared("connections=14"),
            shared("sslmode=disable"),
            "the default is 14"
        );
        assert!((4..100).all(|n| shared(&format!("connections={n}")).iter().sum::<usize>() == n));
        for wrong in [
            "connections=3",
            "connections=",
            "connections=1001",
            "connections=-4",
            "connections=many",
        ] {
            let error = Target::parse(&format!("postgres://me:secret@localhost/shop?{wrong}"))
                .err()
                .unwrap();
            assert_eq!(error.kind, StoreErrorKind::Misconfigured);
            assert!(
                error
                    .to_string()
                    .contains("connections in the URL of the store: expected 4 to 1000"),
                "{error}"
            );
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn files_of_a_url_are_read_without_its_escapes() {
        for (escaped, plain) in [
            ("/etc/a%20b%2Fc.pem", "/etc/a b/c.pem"),
            ("/a+b", "/a+b"),
            ("50%", "50%"),
            ("%zz%C3%A9", "%zzé"),
        ] {
            assert_eq!(percent_decoded(escaped), plain);
        }
        let error = Target::parse("postgres://h/d?sslmode=verify-full&sslrootcert=/no%20such")
            .err()
            .expect("it is refused");
        assert!(
            error
                .message
                .contains("sslrootcert: /no such cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        let bad = [
            "mysql://me:secret@h/d",
            "postgres://me:secret@h:port/d",
            "postgres://me:secret@h/d?sslmode=secret",
            "postgres://me:&secret@h/d?sslmod=verify-full",
            "postgres://me@h/d?password=a&secret",
        ];
        let schemas = ["", "1a", "pg_a", "A", "a-b", "a\"b", &"a".repeat(64)];
        let named = schemas
            .iter()
            .map(|schema| format!("postgres://me:secret@h/d?schema={schema}"));
        let joined = [
            "?schema=a?password=secret",
            "?schema=a&sslmode=require&sslrootcert=/ca.pem?password=secret",
            "&password=secret",
        ];
        let named = joined
            .map(|rest| format!("postgres://me@h/d{rest}"))
            .into_iter()
            .chain(named);
        for url in bad.into_iter().map(str::to_owned).chain(named) {
            let error = Target::parse(&url)
                .err()
                .unwrap_or_else(|| panic!("{url} was accepted"));
            assert_eq!(error.kind, StoreErrorKind::Misconfigured);
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
