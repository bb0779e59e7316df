//! `order serve`: the engine for other programs.

use std::sync::Arc;

use order_grpc::services::CacheStats;
use order_grpc::{Auth, Drained, Limits, Log, LogFormat, ServerOptions, Tls, TrackedRuntime};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::ServeLog;
use crate::engine::Engine;
use crate::exit::{Code, Failure, Outcome};
use crate::output::note;
use crate::settings::{Access, Server, Settings};

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
    let cannot = |e: std::io::Error| {
        Failure::caused(Code::Unavailable, &e).context("cannot listen for signals")
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
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
    let written = match log {
        ServeLog::Text => Log::stderr(LogFormat::Text),
        ServeLog::Json => Log::stderr(LogFormat::Json),
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
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    // The log says how it ended, where there is one.
    let Engine {
        manager, memories, ..
    } = engine;
    let drained = order_grpc::serve(manager, listener, options, stop).await;
    if drained == Drained::CutShort && log == ServeLog::Off {
        note(
            "stopped before everything was done: what was under way is taken up again by whoever works next",
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
