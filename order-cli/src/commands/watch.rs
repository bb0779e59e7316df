//! `order watch`: everything that happens to all orders, as it happens.

use std::time::Duration;

use clap::Args;
use order_core::error::Error;
use order_core::manager::FeedFilter;
use order_core::order::Status;
use order_core::store::{FeedCursor, FeedRow, OrderRef, StoreError, StoreErrorKind};
use order_core::text::one_line;
use tokio::signal::unix::{SignalKind, signal};

use crate::engine::{Engine, WatchAll};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{Out, note};
use crate::settings::Settings;

/// Options of `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Go on after this place: the `cursor` of the last line that was seen; from the beginning if
    /// not given
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<FeedCursor>,
    /// Only what happens to this order
    #[arg(long, value_name = "ORDER")]
    pub order: Option<OrderRef>,
    /// Only what leaves an order with this status, such as CONFIRMED; repeatable, or several with
    /// commas between them
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',')]
    pub statuses: Vec<Status>,
    /// Stop when there is nothing new
    #[arg(long)]
    pub until_idle: bool,
}

/// The time for which a store that cannot be read is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints the feed: what there is, or for ever.
pub async fn watch(settings: &Settings, args: Watch) -> Outcome {
    let engine = Engine::open_to_list(settings).await?;
    let order = match args.order {
        Some(order) => Some(engine.manager.get(&engine.principal, order).await?.id),
        None => None,
    };
    let filter = FeedFilter {
        order,
        statuses: args.statuses,
    };
    let watch = engine
        .manager
        .watch(&engine.principal, args.after)?
        .only(filter);
    if args.until_idle {
        until_idle(watch).await
    } else {
        follow(watch).await
    }
}

async fn until_idle(mut watch: WatchAll) -> Outcome {
    while let Some(row) = watch.next_now().await? {
        if !print(&row)? {
            break;
        }
    }
    Ok(())
}

/// Ends when interrupted, or when nobody reads any more. A store that is busy is asked again: the
/// watch loses nothing by it.
async fn follow(mut watch: WatchAll) -> Outcome {
    let cannot = |e: std::io::Error| {
        Failure::caused(Code::Unavailable, &e).context("cannot listen for signals")
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut pause = Duration::ZERO;
    loop {
        let next = async {
            tokio::time::sleep(pause).await;
            watch.next().await
        };
        let row = tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            row = next => row,
        };
        pause = Duration::ZERO;
        match row {
            Ok(row) => {
                if !print(&row)? {
                    return Ok(());
                }
            }
            Err(Error::Store(
                error @ StoreError {
                    kind: StoreErrorKind::Unavailable,
                    ..
                },
            )) => {
                note(format_args!(
                    "error: {}",
                    one_line(Failure::from(error).message())
                ));
                pause = PAUSE;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Prints a row; false if nobody reads any more.
fn print(row: &FeedRow) -> Outcome<bool> {
    Out::line(&crate::output::rows::FeedView::of(row)?)
}
