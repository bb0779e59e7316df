//! The schema: its numbered migrations, and whether a program may use what stands in a database.

#[cfg(test)]
mod write_function;

use std::sync::Arc;
use std::time::Duration;

use order_core::ids::Bucket;
use order_core::store::{StoreError, StoreErrorKind};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use tracing::info;
use uuid::Uuid;

use crate::errors::{During, code, store_error};
use crate::options::{PostgresOptions, Target};
use crate::places::connect;
use crate::statements::STORE;
use crate::wire::{Bound, Fields};

/// A migration: its statements are taken one by one, each in a transaction of its own, and may be
/// taken again.
struct Migration {
    number: i32,
    name: &'static str,
    sql: &'static str,
}

/// Never edited once released.
const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "tables",
        sql: include_str!("../migrations/0001_tables.sql"),
    },
    Migration {
        number: 2,
        name: "write",
        sql: include_str!("../migrations/0002_write.sql"),
    },
    Migration {
        number: 3,
        name: "commit",
        sql: include_str!("../migrations/0003_commit.sql"),
    },
    Migration {
        number: 4,
        name: "lease",
        sql: include_str!("../migrations/0004_lease.sql"),
    },
];

/// The number of the last migration that this program knows.
pub(crate) const SCHEMA: i32 = 4;

/// The time that somebody may take for one statement of a migration before another may go on with
/// it. Statements may be taken twice, at the same time too, so that nothing goes wrong where one
/// takes longer.
const LEASE: Duration = Duration::from_secs(600);
/// The time between two looks of one who waits until another has migrated.
const LOOK: Duration = Duration::from_millis(200);

/// One statement of a migration.
struct Step {
    name: &'static str,
    /// True if it is taken only where the store is laid out on Citus.
    on_citus: bool,
    sql: &'static str,
}

impl Migration {
    fn steps(&self) -> impl Iterator<Item = Step> {
        let marked = self.sql.split("-- step").skip(1);
        marked.map(|step| {
            let (head, sql) = step.split_once('\n').unwrap_or((step, ""));
            let (on_citus, name) = match head.strip_prefix(" on Citus: ") {
                Some(name) => (true, name),
                None => (false, head.trim_start_matches(": ")),
            };
            Step {
                name,
                on_citus,
                sql,
            }
        })
    }
}

/// The layout of a store; fixed when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The number of partitions of the feed, 1 to 256; none for 1, or on Citus for 32. With more
    /// than one, changesets share a durable transaction only with others of their bucket: of use
    /// where a database is spread over nodes.
    pub partitions: Option<u16>,
    /// True if the tables are distributed by bucket over the nodes of Citus, with a shard for each
    /// partition of the feed.
    pub citus: bool,
}

impl Layout {
    /// Returns whether a store that was made in this layout is what somebody asks for, who may
    /// leave to it what it is.
    fn agrees_with(self, asked: Layout) -> bool {
        let partitions = asked
            .partitions
            .is_none_or(|asked| Some(asked) == self.partitions);
        asked == Layout::default() || (asked.citus == self.citus && partitions)
    }

    const PARTITIONS_MAX: u16 = 256;
    const SHARDS: u16 = 32;

    /// The number of partitions.
    fn count(self) -> Result<u16, StoreError> {
        let count = self
            .partitions
            .unwrap_or(if self.citus { Layout::SHARDS } else { 1 });
        let least = if self.citus { 2 } else { 1 };
        if (least..=Layout::PARTITIONS_MAX).contains(&count) {
            return Ok(count);
        }
        let most = Layout::PARTITIONS_MAX;
        let citus = if self.citus { " on Citus" } else { "" };
        let message = format!(
            "{count} partitions of the feed: expected {least} to {most} for a store{citus}"
        );
        Err(StoreError::new(StoreErrorKind::Misconfigured, message))
    }
}

/// Brings the schema that the URL names up to date, and makes it if it is not there; returns the
/// names of the migrations that it took. It may be run beside running programs, by several at a
/// time, and again after it failed: it goes on where it ended.
///
/// # Errors
///
/// [`StoreErrorKind::Misconfigured`] where the user may not do so, [`StoreErrorKind::Unavailable`]
/// where the database cannot be reached or somebody else is at it for longer than
/// `statement_timeout`.
pub async fn migrate(url: &str, options: &PostgresOptions) -> Result<Vec<String>, StoreError> {
    migrate_as(url, options, Layout::default()).await
}

/// Does as [`migrate`], and makes a store that is not there yet in another layout than that of a
/// single PostgreSQL. One that is there keeps its own, which [`Layout::default`] always agrees
/// with.
///
/// # Errors
///
/// Besides those of [`migrate`], [`StoreErrorKind::Misconfigured`] where the store was made in
/// another layout, or the database has no Citus.
pub async fn migrate_as(
    url: &str,
    options: &PostgresOptions,
    layout: Layout,
) -> Result<Vec<String>, StoreError> {
    let target = Target::parse(url)?;
    layout.count()?;
    // An index of a large table takes its time.
    let session = target.session(options, &[("statement_timeout", "0")]);
    let mut db = connect(&session, options.connect_timeout)
        .await
        .map_err(|error| at(&target, error))?;
    prepare(&mut db, &target.schema)
        .await
        .map_err(|error| at(&target, error))?;
    let holder = Uuid::from_u128(fastrand::u128(..));
    lease(&mut db, holder, options.statement_timeout).await?;
    let mut taken = Vec::new();
    let outcome = take_all(&mut db, holder, &target.schema, layout, &mut taken)
        .await
        .map_err(|error| at(&target, error));
    let give_back = "UPDATE order_migration_lease SET until = '-infinity' WHERE holder = $1";
    let given_back = sqlx::query(give_back)
        .bind(Bound::id(Some(holder.as_bytes())))
        .execute(&mut db)
        .await;
    outcome?;
    given_back.map_err(|error| store_error(error, During::Read))?;
    Ok(taken)
}

/// The names of the migrations that [`migrate`] would take; none if the schema is up to date.
/// Changes nothing.
///
/// # Errors
///
/// [`StoreErrorKind::Unavailable`] where the database cannot be reached.
pub async fn pending_migrations(
    url: &str,
    options: &PostgresOptions,
) -> Result<Vec<String>, StoreError> {
    let target = Target::parse(url)?;
    let session = target.session(options, &[]);
    let mut db = connect(&session, options.connect_timeout)
        .await
        .map_err(|error| at(&target, error))?;
    let pending = pending(&mut db).await.map_err(|error| at(&target, error))?;
    Ok(pending
        .into_iter()
        .map(|migration| format!("{:04}_{}", migration.number, migration.name))
        .collect())
}

/// The error with where it is about.
pub(crate) fn at(target: &Target, error: StoreError) -> StoreError {
    StoreError {
        message: format!("{target}: {}", error.message),
        ..error
    }
}

/// Runs statements whose result is of no account, without parameters.
async fn run(db: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(db)
        .await
        .map(drop)
}

/// Runs a statement that may be run again, also where another does so at the same time.
async fn run_again(db: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    for _ in 0..10 {
        match run(db, sql).await {
            Err(error)
                if code(&error).is_some_and(|code| {
                    matches!(
                        code.as_str(),
                        "23505" | "42P07" | "42710" | "42P06" | "XX000"
                    )
                }) =>
            {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(5..50))).await;
            }
            done => return done,
        }
    }
    run(db, sql).await
}

/// The schema, and what says how far it is.
async fn prepare(db: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    let there = sqlx::query("SELECT to_regnamespace($1) IS NOT NULL")
        .bind(Bound::text(schema))
        .fetch_one(&mut *db)
        .await;
    let there: bool = there
        .and_then(|row| row.try_get(0))
        .map_err(|error| store_error(error, During::Read))?;
    let make_schema = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    let statements = [
        (!there).then_some(make_schema.as_str()),
        Some(
            "CREATE TABLE IF NOT EXISTS order_migrations (number integer PRIMARY KEY, name text NOT NULL, taken_at timestamptz NOT NULL)",
        ),
        Some(
            "CREATE TABLE IF NOT EXISTS order_migration_lease (one smallint PRIMARY KEY CHECK (one = 1), holder uuid NOT NULL, \
             until timestamptz NOT NULL)",
        ),
    ];
    for statement in statements.into_iter().flatten() {
        run_again(db, statement)
            .await
            .map_err(|error| store_error(error, During::Read))?;
    }
    Ok(())
}

/// Takes the lease on migrating by compare-and-set, which is there on every engine, where advisory
/// locks may be none.
async fn lease(db: &mut PgConnection, holder: Uuid, within: Duration) -> Result<(), StoreError> {
    let waited = tokio::time::Instant::now();
    while !renew(db, holder)
        .await
        .map_err(|error| store_error(error, During::Read))?
    {
        if waited.elapsed() > within {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "somebody else is migrating the schema: try again later",
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn renew(db: &mut PgConnection, holder: Uuid) -> Result<bool, sqlx::Error> {
    let sql = "INSERT INTO order_migration_lease AS l (one, holder, until) \
         VALUES (1, $1, clock_timestamp() + $2 * interval '1 second') \
         ON CONFLICT (one) DO UPDATE SET holder = excluded.holder, until = excluded.until \
         WHERE l.holder = excluded.holder OR l.until < clock_timestamp()";
    let seconds = i64::try_from(LEASE.as_secs()).unwrap_or(i64::MAX);
    let done = sqlx::query(sql)
        .bind(Bound::id(Some(holder.as_bytes())))
        .bind(Bound::int(seconds))
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// The migrations that were not taken, in their order.
async fn pending(db: &mut PgConnection) -> Result<Vec<&'static Migration>, StoreError> {
    let failed = |error| store_error(error, During::Read);
    let there = sqlx::query("SELECT to_regclass('order_migrations') IS NOT NULL")
        .fetch_one(&mut *db)
        .await
        .map_err(failed)?;
    if !there.try_get::<bool, _>(0).map_err(failed)? {
        return Ok(MIGRATIONS.iter().collect());
    }
    let taken = sqlx::query("SELECT number FROM order_migrations")
        .fetch_all(db)
        .await
        .map_err(failed)?;
    let taken: Vec<i32> = taken
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    Ok(MIGRATIONS
        .iter()
        .filter(|migration| !taken.contains(&migration.number))
        .collect())
}

/// Takes what was not taken, in the layout that the store has or else is to get.
async fn take_all(
    db: &mut PgConnection,
    holder: Uuid,
    schema: &str,
    asked: Layout,
    taken: &mut Vec<String>,
) -> Result<(), StoreError> {
    let layout = match made_as(db).await? {
        Some(made) if !made.agrees_with(asked) => {
            let Layout { partitions, citus } = made;
            let on = if citus {
                "on Citus"
            } else {
                "on one PostgreSQL"
            };
            let message = format!(
                "the store was made {on}, with {} partitions of its feed, and that cannot be changed: make a new store, and `order copy` this one into it",
                partitions.unwrap_or(1)
            );
            return Err(StoreError::new(StoreErrorKind::Misconfigured, message));
        }
        Some(made) => made,
        None => asked,
    };
    if layout.citus && !has_citus(db).await? {
        let message =
            "the database has no Citus: create its extension there and add the nodes first";
        return Err(StoreError::new(StoreErrorKind::Misconfigured, message));
    }
    for migration in pending(db).await? {
        take(db, holder, migration, schema, layout).await?;
        info!(
            number = migration.number,
            name = migration.name,
            schema,
            "migration taken"
        );
        taken.push(format!("{:04}_{}", migration.number, migration.name));
    }
    Ok(())
}

/// Returns the layout of the store; none if it is not there yet.
async fn made_as(db: &mut PgConnection) -> Result<Option<Layout>, StoreError> {
    let failed = |error| store_error(error, During::Read);
    let there = sqlx::query("SELECT to_regclass('order_store') IS NOT NULL")
        .fetch_one(&mut *db)
        .await
        .map_err(failed)?;
    if !there.try_get::<bool, _>(0).map_err(failed)? {
        return Ok(None);
    }
    let made = sqlx::query("SELECT partitions, citus FROM order_store WHERE one = 1")
        .fetch_optional(db)
        .await
        .map_err(failed)?;
    let Some(made) = made else { return Ok(None) };
    let (partitions, citus): (i16, bool) = (
        made.try_get(0).map_err(failed)?,
        made.try_get(1).map_err(failed)?,
    );
    Ok(Some(Layout {
        partitions: Some(partitions.cast_unsigned()),
        citus,
    }))
}

async fn has_citus(db: &mut PgConnection) -> Result<bool, StoreError> {
    let failed = |error| store_error(error, During::Read);
    let found = sqlx::query("SELECT count(*) > 0 FROM pg_extension WHERE extname = 'citus'")
        .fetch_one(db)
        .await
        .map_err(failed)?;
    found.try_get(0).map_err(failed)
}

async fn take(
    db: &mut PgConnection,
    holder: Uuid,
    migration: &Migration,
    schema: &str,
    layout: Layout,
) -> Result<(), StoreError> {
    let partitions = layout.count()?.to_string();
    let mut renewed = tokio::time::Instant::now();
    for Step {
        name,
        on_citus,
        sql,
    } in migration.steps()
    {
        if on_citus && !layout.citus {
            continue;
        }
        let sql = sql
            .replace("{schema}", schema)
            .replace("{partitions}", &partitions)
            .replace("{citus}", &layout.citus.to_string());
        let failed = |error| {
            let error = store_error(error, During::Read);
            StoreError {
                message: format!(
                    "migration {:04}, {name}: {}",
                    migration.number, error.message
                ),
                ..error
            }
        };
        if renewed.elapsed() > LEASE / 10 {
            if !renew(db, holder).await.map_err(failed)? {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "somebody else went on migrating the schema",
                ));
            }
            renewed = tokio::time::Instant::now();
        }
        run_again(db, &sql).await.map_err(failed)?;
    }
    let done = "INSERT INTO order_migrations (number, name, taken_at) VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING";
    let done = sqlx::query(done)
        .bind(Bound::integer(migration.number))
        .bind(Bound::text(migration.name))
        .execute(db)
        .await;
    done.map(drop)
        .map_err(|error| store_error(error, During::Read))
}

/// A store that this program may use.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The id by which cursors of its feed name it.
    pub(crate) id: Uuid,
    pub(crate) buckets: Buckets,
}

/// The places of the things of a bucket, as was fixed when the store was made.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    /// The number of partitions of the feed.
    pub(crate) partitions: usize,
    /// Of each bucket, its partition of the feed, and the bucket where the head of that stands;
    /// empty where there is one partition.
    of: Arc<[(u16, u16)]>,
}

impl Buckets {
    /// From the partition of each bucket.
    fn new(partitions: usize, partition_of: &[u16]) -> Self {
        let mut heads = std::collections::HashMap::new();
        let buckets = (0u16..).zip(partition_of);
        let of = buckets
            .map(|(bucket, partition)| (*partition, *heads.entry(*partition).or_insert(bucket)))
            .collect();
        Buckets { partitions, of }
    }

    /// Returns whether each statement that writes is to be of one bucket.
    pub(crate) fn are_apart(&self) -> bool {
        self.partitions > 1
    }

    /// The partition of the feed that a bucket is in, and the bucket that its head stands in.
    pub(crate) fn partition_and_head(&self, bucket: Bucket) -> (u16, u16) {
        self.of
            .get(usize::from(bucket.number()))
            .copied()
            .unwrap_or_default()
    }
}

/// The store, if this program may use it.
pub(crate) async fn identify(db: &mut PgConnection) -> Result<Identity, StoreError> {
    let misconfigured = |message: String| StoreError::new(StoreErrorKind::Misconfigured, message);
    let missing = pending(db).await?;
    if let Some(migration) = missing.first() {
        let all = if missing.len() == MIGRATIONS.len() {
            "there is no store"
        } else {
            "the store is not up to date"
        };
        return Err(misconfigured(format!(
            "{all}: it is to be migrated, from {:04}_{} on",
            migration.number, migration.name
        )));
    }
    let row = sqlx::query(STORE)
        .fetch_one(db)
        .await
        .map_err(|error| store_error(error, During::Read))?;
    let read = || {
        let fields = Fields::of(&row)?;
        let null = "the store's row is not whole";
        let partitions = usize::try_from(fields.int(3)?.ok_or(null)?)?;
        let of = fields
            .ints(4)?
            .into_iter()
            .map(u16::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        if partitions > 1 && of.len() != 1 << Bucket::BITS {
            return Err(null.into());
        }
        Ok((
            fields.id(0)?.ok_or(null)?,
            fields.int(1)?.ok_or(null)?,
            fields.int(2)?.ok_or(null)?,
            Buckets::new(partitions, &of),
        ))
    };
    let (id, min_reader, min_writer, buckets) = read().map_err(crate::load::corrupt)?;
    let newest = min_reader.max(min_writer);
    if newest > SCHEMA.into() {
        let message = format!(
            "the schema is for programs that know version {newest} of it; this one knows {SCHEMA}: use a newer one"
        );
        return Err(misconfigured(message));
    }
    Ok(Identity {
        id: Uuid::from_bytes(id),
        buckets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_and_made_of_steps() {
        assert!(
            MIGRATIONS
                .iter()
                .map(|migration| migration.number)
                .eq(1..=SCHEMA)
        );
        for migration in MIGRATIONS {
            let steps: Vec<_> = migration.steps().collect();
            assert!(
                !steps.is_empty()
                    && steps
                        .iter()
                        .all(|step| !step.name.is_empty() && step.sql.trim_end().ends_with(';'))
            );
            let mut names: Vec<_> = steps.iter().map(|step| step.name).collect();
            names.dedup();
            assert_eq!(names.len(), steps.len());
        }
    }
}
