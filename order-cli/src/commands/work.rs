//! `order work`: doing what is due.

use std::time::Duration;

use clap::Args;
use order_core::manager::{Resynced, Retried};
use order_core::runtime::{Clock, SystemClock};
use order_core::store::{Unreadable, WorkSummary};
use order_core::text::{chain, one_line};
use serde::Serialize;

use crate::engine::{Engine, time_of_day};
use crate::exit::Outcome;
use crate::output::time::{plain, plainly};
use crate::output::{Out, counted, note};
use crate::settings::Settings;
use crate::stop::Stop;

/// Options of `work`.
#[derive(Debug, Args)]
pub struct Work {
    /// Go on for ever: do what falls due, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// First try again whatever repeating could not cure
    #[arg(long, conflicts_with = "resync")]
    pub retry_stuck: bool,
    /// First look at every order anew, for when a policy or a service has changed
    #[arg(long)]
    pub resync: bool,
}

/// The number of orders that are worked on side by side.
const BATCH: u32 = 32;
/// The time after which another worker's lease is looked at again.
const POLL: Duration = Duration::from_millis(200);
/// The time for which leases are waited for in silence.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest sleep of a watching worker: others may make work due.
const WATCH_POLL: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
struct WorkView {
    worked: u64,
    waiting: u64,
    stuck: u64,
    next_due: Option<String>,
}

/// Does what is due, once or for ever.
pub async fn work(settings: &Settings, out: &Out, args: Work) -> Outcome {
    let engine = Engine::open_existing(settings).await?;
    if args.retry_stuck {
        let mut retried = 0;
        let say = |one: Retried| {
            retried += 1;
            note(said_of_retry(&one));
        };
        engine.manager.retry_stuck(&engine.principal, say).await?;
        if retried == 0 {
            note(NOTHING_STUCK);
        }
    }
    if args.resync {
        let resynced = engine.manager.resync(&engine.principal).await?;
        for line in said_of_resync(&resynced) {
            note(line);
        }
    }
    if args.watch {
        return watch(&engine).await;
    }
    let (worked, summary) = until_nothing_is_due(&engine).await?;
    let view = WorkView {
        worked,
        waiting: summary.total - summary.stuck,
        stuck: summary.stuck,
        next_due: summary.next_due.map(|t| t.to_string()),
    };
    out.one(&view, || report(&view))
}

/// Says that an order is tried again, or why it cannot be.
pub fn said_of_retry(
    Retried {
        before,
        stuck,
        after,
    }: &Retried,
) -> String {
    match after {
        Ok(_) => format!(
            "order {} is tried again: {}",
            before.number,
            stuck.join(", ")
        ),
        Err(error) => format!(
            "order {} cannot be tried again: {}",
            before.number,
            chain(error)
        ),
    }
}

/// The words for having tried nothing again.
pub const NOTHING_STUCK: &str = "nothing is stuck that trying again could cure";

/// Says which orders were woken, an order a line.
pub fn said_of_resync(resynced: &Resynced) -> Vec<String> {
    let Resynced { looked_at, woken } = resynced;
    let mut said = vec![format!(
        "looked at {}, woke {}",
        counted(*looked_at, "order"),
        counted(woken.len() as u64, "order")
    )];
    said.extend(
        woken
            .iter()
            .map(|(_, number, due)| format!("order {number} is due at {}", plain(*due))),
    );
    said
}

fn report(view: &WorkView) -> String {
    let mut text = format!(
        "worked {}; nothing is due now\n",
        counted(view.worked, "order")
    );
    if let Some(next) = &view.next_due {
        text.push_str(&format!(
            "{} to be looked at later, next at {}\n",
            counted(view.waiting, "order"),
            plainly(next)
        ));
    }
    if view.stuck > 0 {
        text.push_str(&format!(
            "{} stuck: `order stuck` shows why\n",
            counted(view.stuck, "order")
        ));
    }
    text
}

/// Works until nothing is due. Leases that are held now are waited for, at most as long as a lease
/// can last: whoever has them may have died.
async fn until_nothing_is_due(engine: &Engine) -> Outcome<(u64, WorkSummary)> {
    let patience = SystemClock.now().after(engine.manager.policy().lease);
    let mut worked = 0;
    let (mut waits_since, mut said) = (None, false);
    loop {
        let done = engine.manager.work_due(BATCH).await?;
        say_unreadable(&done.unreadable);
        worked += done.orders as u64;
        if done.orders > 0 {
            waits_since = None;
            continue;
        }
        let summary = engine.manager.work_summary().await?;
        let now = SystemClock.now();
        let due = summary.next_due.is_some_and(|t| t <= now);
        match summary
            .leased_until
            .filter(|until| *until > now && now < patience)
        {
            // A millisecond more than the lease: it must have run out by the store's clock.
            Some(until) => {
                let since = *waits_since.get_or_insert(now);
                if now.since(since) >= SILENCE && !said {
                    said = true;
                    note(format_args!(
                        "waiting for leases that other workers have (until {} at the latest)",
                        time_of_day(until)
                    ));
                }
                tokio::time::sleep(
                    until
                        .since(now)
                        .saturating_add(Duration::from_millis(1))
                        .min(POLL),
                )
                .await;
            }
            None if due => {}
            None => return Ok((worked, summary)),
        }
    }
}

/// Names orders that are due and cannot be read. Nothing else is kept waiting by them.
fn say_unreadable(unreadable: &[Unreadable]) {
    for Unreadable { order, reason } in unreadable {
        note(format_args!(
            "order {order} is due and cannot be read: {reason}"
        ));
    }
}

/// Works for ever. An interrupt ends it between two rounds, so that no lease is left behind.
async fn watch(engine: &Engine) -> Outcome {
    let mut stop = Stop::listen()?;
    note("working; interrupt to stop");
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            () = stop.told() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = match round(engine).await {
            Ok(pause) => pause,
            Err(failure) => {
                note(format_args!("error: {}", one_line(failure.message())));
                2 * WATCH_POLL
            }
        };
    }
}

/// Does what is due, and says when to look again.
async fn round(engine: &Engine) -> Outcome<Duration> {
    let done = engine.manager.work_due(BATCH).await?;
    say_unreadable(&done.unreadable);
    if done.orders > 0 {
        note(format_args!(
            "{} worked {}",
            plain(SystemClock.now()),
            counted(done.orders as u64, "order")
        ));
        return Ok(Duration::ZERO);
    }
    Ok(done
        .next_in
        .unwrap_or(WATCH_POLL)
        .clamp(Duration::from_millis(5), WATCH_POLL))
}
