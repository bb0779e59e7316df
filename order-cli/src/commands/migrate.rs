//! `order migrate`: the schema of the store.

use std::sync::Arc;

use clap::Args;
use order_core::runtime::SystemClock;
use order_store_postgres::{Layout, PostgresOptions};
use order_store_sqlite::Access;
use serde::Serialize;

use super::options::whole;
use crate::engine::open_store_as;
use crate::exit::{Code, Failure, Outcome};
use crate::output::{Out, counted};
use crate::settings::{Secret, Settings, StoreUrl};

/// Options of `migrate`.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Only say what would be done; exit 1 if there is anything
    #[arg(long)]
    pub check: bool,
    /// Spread a new store over the nodes of Citus, by bucket; --store names the coordinator
    #[arg(long, conflicts_with = "check")]
    pub citus: bool,
    /// The number of partitions of a new store's feed on PostgreSQL, 1 to 256; with --citus 2 to
    /// 256, one for each shard [default: 1, with --citus 32]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        conflicts_with = "check",
        value_parser = whole::<1, 256>
    )]
    pub partitions: Option<u32>,
}

#[derive(Debug, Serialize)]
struct MigrateView {
    /// The migrations that were made, or are to be.
    migrations: Vec<String>,
}

/// Brings the schema up to date, or says what that would take.
pub async fn migrate(settings: &Settings, out: &Out, args: &Migrate) -> Outcome {
    let options = PostgresOptions::default();
    let layout = Layout {
        partitions: args
            .partitions
            .map(|n| u16::try_from(n).unwrap_or(u16::MAX)),
        citus: args.citus,
    };
    let migrations = match &settings.store {
        StoreUrl::Postgres(Secret(url)) if args.check => {
            order_store_postgres::pending_migrations(url, &options).await?
        }
        StoreUrl::Postgres(Secret(url)) => {
            order_store_postgres::migrate_as(url, &options, layout).await?
        }
        StoreUrl::Sqlite(_) | StoreUrl::Memory if layout != Layout::default() => {
            return Err(Failure::new(
                Code::BadInput,
                "--citus and --partitions are for stores on PostgreSQL",
            )
            .hint("--store postgres://… names one"));
        }
        // A file is brought up to date by whatever opens it to write; a store in memory is always.
        StoreUrl::Sqlite(path) if args.check && !path.exists() => {
            vec!["the file is not there".to_owned()]
        }
        StoreUrl::Sqlite(_) | StoreUrl::Memory => {
            let access = if args.check {
                Access::ReadOnly
            } else {
                Access::Create
            };
            open_store_as(access, settings, Arc::new(SystemClock))?;
            Vec::new()
        }
    };
    let view = MigrateView { migrations };
    let (list, n) = (view.migrations.join(", "), view.migrations.len() as u64);
    if args.check && n > 0 {
        out.one(&view, String::new)?;
        return Err(Failure::new(
            Code::Refused,
            format!("{} to be made: {list}", counted(n, "change")),
        )
        .hint("`order migrate` makes them"));
    }
    out.one(&view, || match n {
        0 => "the schema is up to date\n".to_owned(),
        _ => format!("made {}: {list}\n", counted(n, "change")),
    })
}
