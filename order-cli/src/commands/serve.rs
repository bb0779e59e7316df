//! `order serve`: the engine for other programs.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use order_grpc::services::CacheStats;
use order_grpc::{
    Auth, Drained, Level, Limits, Log, LogFormat, ServerOptions, Tls, TrackedRuntime,
};

use super::options::whole;
use crate::engine::Engine;
use crate::exit::{Code, Failure, Outcome};
use crate::output::note;
use crate::settings::{Access, Override, ServeLog, Server, Settings};
use crate::stop::Stop;

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen at; port 0 takes a free one, and `:PORT` is 127.0.0.1:PORT [env:
    /// ORDER_LISTEN] [default: 127.0.0.1:50053]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Listen also where other machines can reach it, although callers are not authenticated, or
    /// not by TLS
    #[arg(long)]
    pub insecure: bool,
    /// The form of the line that each call writes to standard error, if any [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log: Option<ServeLog>,
    /// The seconds in which what is under way may come to an end when it is told to stop, 0 to 3600
    /// [default: 10]
    #[arg(
        long,
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = whole::<0, 3600>
    )]
    pub grace: Option<u32>,
    /// The number of calls it works on at a time before it turns further ones away, 1 to 100000
    /// [default: 256]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole::<1, 100_000>
    )]
    pub in_flight: Option<u32>,
    /// The callers it knows.
    #[command(flatten)]
    pub callers: Callers,
}

/// Options of `serve` about those who may call it; docs/security.md says how the parts fit
/// together.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who may call")]
pub struct Callers {
    /// The server's certificate, in PEM, with those that lead to its root: calls come over TLS
    /// [env: ORDER_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM [env: ORDER_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The authorities, in PEM, whose client certificates are believed [env: ORDER_TLS_CLIENT_CA]
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// The demand for a client's certificate: optional or required [env: ORDER_TLS_CLIENT_CERT]
    /// [default: optional]
    #[arg(long, value_name = "optional|required")]
    pub tls_client_cert: Option<String>,
    /// The public keys, in PEM, that tokens are signed for [env: ORDER_AUTH_JWT_KEY]
    #[arg(long, value_name = "FILE")]
    pub jwt_key: Option<PathBuf>,
    /// The same as a JWKS: a file, or a URL with https [env: ORDER_AUTH_JWKS]
    #[arg(long, value_name = "FILE|URL")]
    pub jwks: Option<String>,
    /// The `iss` that a token must have [env: ORDER_AUTH_ISSUER]
    #[arg(long, value_name = "NAME")]
    pub jwt_issuer: Option<String>,
    /// The audience that must be among a token's `aud` [env: ORDER_AUTH_AUDIENCE]
    #[arg(long, value_name = "NAME")]
    pub jwt_audience: Option<String>,
    /// A service and the client certificate that it shows, such as desk=dns:desk.internal;
    /// repeatable [env: ORDER_AUTH_SERVICES]
    #[arg(long, value_name = "NAME=CERTIFICATE")]
    pub service: Vec<String>,
    /// The number of orders a customer may place in a minute; 0 for as many as they like [env:
    /// ORDER_SERVER_RATE_LIMIT] [default: 60]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole::<0, 1_000_000>
    )]
    pub rate_limit: Option<u32>,
    /// The number of them at once [env: ORDER_SERVER_RATE_BURST] [default: 20]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole::<1, 1_000_000>
    )]
    pub rate_burst: Option<u32>,
}

impl Serve {
    /// Returns the settings that its options stand for.
    pub fn overrides(&self) -> Vec<Override> {
        let Serve {
            listen,
            insecure,
            log,
            grace,
            in_flight,
            callers,
        } = self;
        let text = |n: &Option<u32>| n.map(|n| n.to_string());
        let mut given = vec![
            Override::of("listen", "--listen", listen.clone()),
            Override::of(
                "server.insecure",
                "--insecure",
                insecure.then(|| true.to_string()),
            ),
            Override::of("server.log", "--log", log.map(|log| log.name().to_owned())),
            Override::of(
                "server.grace",
                "--grace",
                grace.map(|seconds| format!("{seconds}s")),
            ),
            Override::of("server.in_flight", "--in-flight", text(in_flight)),
        ];
        let Callers {
            tls_cert,
            tls_key,
            tls_client_ca,
            tls_client_cert,
            jwt_key,
            jwks,
            jwt_issuer,
            jwt_audience,
            service,
            rate_limit,
            rate_burst,
        } = callers;
        let services = (!service.is_empty()).then(|| service.join(","));
        given.extend([
            Override::of_path("tls.cert", "--tls-cert", tls_cert.as_deref()),
            Override::of_path("tls.key", "--tls-key", tls_key.as_deref()),
            Override::of_path("tls.client_ca", "--tls-client-ca", tls_client_ca.as_deref()),
            Override::of(
                "tls.client_cert",
                "--tls-client-cert",
                tls_client_cert.clone(),
            ),
            Override::of_path("auth.jwt_key", "--jwt-key", jwt_key.as_deref()),
            Override::of("auth.jwks", "--jwks", jwks.clone()),
            Override::of("auth.issuer", "--jwt-issuer", jwt_issuer.clone()),
            Override::of("auth.audience", "--jwt-audience", jwt_audience.clone()),
            Override::of("auth.services", "--service", services),
            Override::of("server.rate_limit", "--rate-limit", text(rate_limit)),
            Override::of("server.rate_burst", "--rate-burst", text(rate_burst)),
        ]);
        given
    }
}

/// Serves until an interrupt or a request to terminate, then drains.
pub async fn serve(settings: &Settings) -> Outcome {
    let Server {
        listen,
        insecure,
        log,
        grace,
        in_flight,
        connections,
    } = settings.server.clone();
    let mut stop = Stop::listen()?;
    let Access {
        tls,
        auth,
        rate_limit,
    } = settings.access.clone();
    let (tls, auth) = (
        tls.map(Tls::open).transpose()?,
        auth.map(Auth::open).transpose()?,
    );
    let guarded = ServerOptions {
        tls,
        auth,
        rate_limit,
        ..ServerOptions::default()
    };
    let listener = order_grpc::bind(&listen, insecure || guarded.is_guarded()).await?;
    let tasks = TrackedRuntime::default();
    let engine = Engine::open_on(settings, Arc::new(tasks.clone())).await?;
    let level = settings.log.unwrap_or(Level::INFO);
    let written = match log {
        ServeLog::Text => Log::stderr_from(level, LogFormat::Text),
        ServeLog::Json => Log::stderr_from(level, LogFormat::Json),
        ServeLog::Off => Log::default(),
    };
    let limits = Limits {
        in_flight,
        connections,
        ..Limits::default()
    };
    let options = ServerOptions {
        limits,
        grace,
        log: written.install(),
        tasks: Some(tasks),
        ..guarded
    };
    let at = listener
        .local_addr()
        .map_err(|e| Failure::caused(Code::Unavailable, &e).context("cannot listen"))?;
    match log {
        ServeLog::Json => note(format_args!(
            r#"{{"event":"listening","message":"listening on {at}"}}"#
        )),
        ServeLog::Text | ServeLog::Off => note(format_args!("listening on {at}")),
    }
    let stop = async move { stop.told().await };
    // The log says how it ended, where there is one.
    let Engine {
        manager, memories, ..
    } = engine;
    let drained = order_grpc::serve(manager, listener, options, stop).await;
    if drained == Drained::CutShort && log == ServeLog::Off {
        note(
            "stopped before everything was done: what was under way is taken up again by \
             whoever works next",
        );
    }
    for (service, stats) in memories {
        let CacheStats { hits, misses } = stats();
        match log {
            ServeLog::Json => note(format_args!(
                r#"{{"event":"memory","service":"{service}","reads":{},"from_memory":{hits}}}"#,
                hits + misses
            )),
            ServeLog::Text => note(format_args!(
                "read {} times from the {service} service, {hits} of them from memory",
                hits + misses
            )),
            ServeLog::Off => {}
        }
    }
    Ok(())
}
