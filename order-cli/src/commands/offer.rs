//! `order shop serve`: the shop as five services that other programs call.

use std::future::Future;
use std::sync::Arc;

use order_grpc::offer::{self, Faults, OfferOptions};
use order_grpc::{Drained, Log, LogFormat};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{ServeLog, ShopServe};
use crate::engine::existing_shop;
use crate::exit::{Code, Failure, Outcome};
use crate::output::note;
use crate::settings::Settings;

/// Offers the shop until an interrupt or a request to terminate, then lets calls under way come to
/// their end.
pub async fn serve(settings: &Settings, args: ShopServe) -> Outcome {
    let ShopServe {
        listen,
        insecure,
        faults,
        log,
    } = args;
    let stop = told_to_stop()?;
    let listener = order_grpc::bind(&listen, insecure).await?;
    let shop = Arc::new(existing_shop(settings)?);
    let at = listener
        .local_addr()
        .map_err(|e| Failure::caused(Code::Unavailable, &e).context("cannot listen"))?;
    match log {
        ServeLog::Json => note(format_args!(
            r#"{{"event":"listening","message":"listening on {at}"}}"#
        )),
        ServeLog::Text | ServeLog::Off => note(format_args!("listening on {at}")),
    }
    let written = match log {
        ServeLog::Text => Log::stderr(LogFormat::Text),
        ServeLog::Json => Log::stderr(LogFormat::Json),
        ServeLog::Off => Log::default(),
    };
    let written = written.install();
    for fault in &faults {
        written.warn("fault", &format!("as asked for: {fault}"));
    }
    let name = concat!("order shop serve ", env!("CARGO_PKG_VERSION")).to_owned();
    let options = OfferOptions {
        name,
        faults: Faults::new(faults),
        log: written,
        ..OfferOptions::default()
    };
    match offer::serve(shop, listener, options, stop).await {
        Drained::Clean => {}
        Drained::CutShort => {
            note("stopped before every call was answered: their callers look them up")
        }
    }
    Ok(())
}

/// Ends when the process is interrupted or asked to terminate.
fn told_to_stop() -> Outcome<impl Future<Output = ()> + Send> {
    let cannot = |e: std::io::Error| {
        Failure::caused(Code::Unavailable, &e).context("cannot listen for signals")
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
