//! `order serve`: the engine for other programs.

use std::sync::Arc;
use std::time::Duration;

use order_grpc::{Drained, Limits, Log, LogFormat, ServerOptions, TrackedRuntime};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Serve, ServeLog};
use crate::engine::Engine;
use crate::exit::{Code, Failure, Outcome};
use crate::output::note;
use crate::settings::Settings;

/// Serves until an interrupt or a request to terminate, then drains.
pub async fn serve(settings: &Settings, args: Serve) -> Outcome {
    let cannot = |e: std::io::Error| Failure::caused(Code::Unavailable, &e).context("cannot listen for signals");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let address = args.listen.as_deref().unwrap_or(&settings.listen);
    let listener = order_grpc::bind(address, args.insecure).await?;
    let tasks = TrackedRuntime::default();
    let engine = Engine::open_on(settings, Arc::new(tasks.clone())).await?;
    let log = match args.log {
        ServeLog::Text => Log::stderr(LogFormat::Text),
        ServeLog::Json => Log::stderr(LogFormat::Json),
        ServeLog::Off => Log::off(),
    };
    let options = ServerOptions {
        limits: Limits { in_flight: args.in_flight as usize, ..Limits::default() },
        grace: Duration::from_secs(args.grace.into()),
        log,
        tasks: Some(tasks),
        ..ServerOptions::default()
    };
    let at = listener.local_addr().map_err(|e| Failure::caused(Code::Unavailable, &e).context("cannot listen"))?;
    match args.log {
        ServeLog::Json => note(format_args!(r#"{{"event":"listening","message":"listening on {at}"}}"#)),
        ServeLog::Text | ServeLog::Off => note(format_args!("listening on {at}")),
    }
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    // The log says how it ended, where there is one.
    let drained = order_grpc::serve(engine.manager, listener, options, stop).await;
    if drained == Drained::CutShort && args.log == ServeLog::Off {
        note("stopped before everything was done: what was under way is taken up again by whoever works next");
    }
    Ok(())
}
