//! `order copy`: all orders of one store into another.

use clap::Args;
use order_core::store::Unreadable;
use serde::Serialize;

use super::progress::Progress;
use crate::engine::{Engine, must_exist};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{Out, counted, note};
use crate::settings::layers::Given;
use crate::settings::{Settings, StoreUrl};

/// Options of `copy`.
#[derive(Debug, Args)]
pub struct Copy {
    /// The store to copy from, as for --store; nothing may work on it any more
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// The store to copy to. A file is made; a schema on a server must have been made by `order
    /// migrate`
    #[arg(long, value_name = "URL")]
    pub to: String,
}

#[derive(Debug, Serialize)]
struct CopyView {
    copied: u64,
    there_already: u64,
    unreadable: u64,
}

/// Copies a store, and compares each order with its copy.
pub async fn copy(settings: &Settings, out: &Out, args: &Copy) -> Outcome {
    let of = |option, url| {
        let store = StoreUrl::parse(&Given::by_option(option, url))?;
        Ok::<_, Failure>(Settings {
            store,
            ..settings.clone()
        })
    };
    let (from, to) = (of("--from", &args.from)?, of("--to", &args.to)?);
    if from.store == to.store {
        return Err(
            Failure::bad_input("--to: is the same store as --from").hint("name another one")
        );
    }
    must_exist(&from.store)?;
    let from = Engine::open_for_reading(&from).await?;
    let to = Engine::open_without_services(&to).await?;
    let mut progress = Progress::new("copying", None);
    let copied = to
        .manager
        .copy_from(&to.principal, from.manager.store(), || progress.step(0))
        .await;
    drop(progress);
    let copied = copied.map_err(|e| {
        Failure::from(e).hint("what was copied stays: the same command goes on with the rest")
    })?;
    for Unreadable { order, reason } in &copied.unreadable {
        note(format_args!(
            "left out order {order}, which cannot be read: {reason}"
        ));
    }
    let view = CopyView {
        copied: copied.copied,
        there_already: copied.there,
        unreadable: copied.unreadable.len() as u64,
    };
    out.one(&view, || {
        let there = if view.there_already > 0 {
            format!(", {} were there already", view.there_already)
        } else {
            String::new()
        };
        format!(
            "copied {}{there}; each is the same in both stores\n",
            counted(view.copied, "order")
        )
    })?;
    match view.unreadable {
        0 => Ok(()),
        n => Err(Failure::new(
            Code::Unavailable,
            format!("{} cannot be read", counted(n, "order")),
        )),
    }
}
