//! `order shop serve`: the shop as five services that other programs call.

use std::future::Future;
use std::sync::Arc;

use clap::Args;
use order_grpc::offer::{self, FaultRule, Faults, OfferOptions};
use order_grpc::{Drained, Level, Log, LogFormat};

use crate::engine::existing_shop;
use crate::exit::{Code, Failure, Outcome};
use crate::output::note;
use crate::settings::{ServeLog, Settings, with_host};
use crate::stop::Stop;

/// Options of `shop serve`.
#[derive(Debug, Args)]
pub struct ShopServe {
    /// The address to listen at, for all five services; port 0 takes a free one, and `:PORT` is
    /// 127.0.0.1:PORT
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50060")]
    pub listen: String,
    /// Listen also where other machines can reach it, although callers are not authenticated
    #[arg(long)]
    pub insecure: bool,
    /// Have calls go wrong: `SERVICE[.CALL]=down`, `=slow:TIME` or `=lost`, each with
    /// `:PROBABILITY` if not always; may be repeated, and the first that names a call counts
    ///
    /// `down` is answered with UNAVAILABLE and not carried out; `slow` is carried out and answered
    /// so much later, such as 3s or 250ms; `lost` is carried out, and its answer never arrives.
    ///
    /// Services and their calls: inventory (describe, check, reserve, commit, release, look_up),
    /// payment (describe, charge, authorize, capture, void, refund, look_up), product (get), user
    /// (get), notification (notify).
    ///
    /// Examples: `--fault payment.charge=lost:0.3`, `--fault inventory.reserve=slow:3s`, `--fault
    /// notification=down`
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<FaultRule>,
    /// The form of the line that each call writes to standard error, if any
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub log: ServeLog,
}

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
    let listener = order_grpc::bind(&with_host(listen), insecure).await?;
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
    let level = settings.log.unwrap_or(Level::INFO);
    let written = match log {
        ServeLog::Text => Log::stderr_from(level, LogFormat::Text),
        ServeLog::Json => Log::stderr_from(level, LogFormat::Json),
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
    let mut stop = Stop::listen()?;
    Ok(async move { stop.told().await })
}
