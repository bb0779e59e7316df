//! `order watch`: everything that happens to all orders, as it happens.

use std::time::Duration;

use clap::Args;
use order_core::error::Error;
use order_core::manager::FeedFilter;
use order_core::order::Status;
use order_core::store::{FeedCursor, FeedRow, OrderRef, StoreError, StoreErrorKind};
use order_core::text::one_line;

use crate::engine::{Engine, WatchAll};
use crate::exit::{Failure, Outcome};
use crate::input::words::words;
use crate::output::rows::feed_line;
use crate::output::{Format, Out, note, terminal, to_reader};
use crate::settings::Settings;
use crate::stop::Stop;
use order_core::json::FeedView;

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
    #[arg(long = "status", value_name = "STATUS", value_delimiter = ',', hide_possible_values = true, value_parser = words(Status::ALL, Status::as_str))]
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
    let form = match settings.format {
        Format::Table if terminal::columns().is_some() => Form::Sentences,
        _ => Form::Json,
    };
    if args.until_idle {
        until_idle(watch, form).await
    } else {
        follow(watch, form).await
    }
}

async fn until_idle(mut watch: WatchAll, form: Form) -> Outcome {
    while let Some(row) = watch.next_now().await? {
        if !print(&row, form)? {
            break;
        }
    }
    Ok(())
}

/// Ends when interrupted, or when nobody reads any more. A store that is busy is asked again: the
/// watch loses nothing by it.
async fn follow(mut watch: WatchAll, form: Form) -> Outcome {
    let mut stop = Stop::listen()?;
    let mut pause = Duration::ZERO;
    loop {
        let next = async {
            tokio::time::sleep(pause).await;
            watch.next().await
        };
        let row = tokio::select! {
            biased;
            () = stop.told() => return Ok(()),
            row = next => row,
        };
        pause = Duration::ZERO;
        match row {
            Ok(row) => {
                if !print(&row, form)? {
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

/// The form of a row of the feed.
#[derive(Clone, Copy)]
enum Form {
    /// A line for people, on a terminal.
    Sentences,
    /// An object, for programs.
    Json,
}

/// Prints a row, and returns true if somebody still reads.
fn print(row: &FeedRow, form: Form) -> Outcome<bool> {
    match form {
        Form::Sentences => to_reader(&feed_line(row)),
        Form::Json => Out::line(&FeedView::of(row)),
    }
}
