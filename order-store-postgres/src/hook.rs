//! [`OnCommit`]: what an embedder writes beside orders, in the same transactions.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use order_core::store::records::Step;
use order_core::store::{Changeset, StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::timeout;
use tracing::{error, warn};

use crate::commit::{self, Answer, Meant, Prepared};
use crate::errors::{During, code, collided, is_broken, store_error};
use crate::writer::Failure;

/// The most changesets in one group with a hook: everybody who writes waits while it is called for
/// each of them.
pub(crate) const GROUP_MAX: usize = 32;

const TOO_LONG: &str = "the hook took longer than it may";
/// The setting that ends with the transaction.
const MARK: &str = "SELECT current_setting('order_store.hooked', true)";

/// The time that we wait longer than the server.
const AFTER_THE_SERVER: Duration = Duration::from_millis(100);

/// The reasons why a hook did not do what it was called for.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The changeset is refused, with this reason.
    #[error("{0}")]
    Refused(String),
    /// A statement failed. Serialization failures, deadlocks and locks that were not to be had are
    /// tried again; what a constraint or a mistake in a statement ends is refused.
    #[error("a statement of the hook failed")]
    Database(#[from] sqlx::Error),
}

/// The result of a hook's call.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), HookError>> + Send + 'a>>;

/// Called for every changeset that is applied, within its transaction, once its own rows are
/// written: what it writes to tables of its own is durable exactly if the changeset is.
///
/// It is called by the tasks that write, one changeset after the other, and everybody who writes to
/// the store waits for it, on all nodes: it should take few statements, and ask nobody else. One
/// that takes longer than twice `lock_timeout` is broken off, and the changeset refused as
/// [`StoreErrorKind::Unavailable`]. Names without a schema are looked for in the store's. It must
/// neither begin nor end a transaction, nor change settings of the session, nor write to the
/// store's tables; savepoints are its own affair. It may be called again for a changeset whose
/// transaction came to nothing, as when another of its group was refused; what it wrote then is
/// gone. It is not called for a changeset that was applied before, as one is that is sent again
/// since its commit was not answered, nor where only a lease is taken. (What writes no journal rows
/// is the work item's, and is applied again where it is sent again.)
///
/// If it refuses, nothing of the changeset is written, nor of what the hook wrote for it, and
/// whoever asked is refused with [`StoreErrorKind::Vetoed`] and the reason. Others that share the
/// transaction are not touched. So is it if it panics. Refuse what people ask for (rows whose cause
/// is a command), and not what the engine records of the world: a payment that was captured is
/// captured, and the worker can only try to record it again, a lease later, for ever.
///
/// ```
/// use order_store_postgres::OnCommit;
///
/// let to_pick = OnCommit::new(|db, changeset| {
///     Box::pin(async move {
///         let placed = changeset.before.is_none();
///         if placed {
///             let insert = "INSERT INTO to_pick (order_id) VALUES ($1)";
///             let order = changeset.after.id.to_string();
///             sqlx::query(insert).bind(order).execute(db).await?;
///         }
///         Ok(())
///     })
/// });
/// # drop(to_pick);
/// ```
#[derive(Clone)]
pub struct OnCommit(Arc<Hook>);

type Hook = dyn for<'a> Fn(&'a mut PgConnection, &'a Changeset) -> HookFuture<'a> + Send + Sync;

impl fmt::Debug for OnCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnCommit")
    }
}

/// A transaction that was not committed, or that may have been.
pub(crate) struct Stopped {
    pub(crate) failure: Failure,
    /// True if the connection is as it was before.
    pub(crate) is_usable: bool,
}

impl OnCommit {
    /// Calls `hook` with the connection of the transaction and what is applied:
    /// `OnCommit::new(|db, changeset| Box::pin(async move { …; Ok(()) }))`.
    pub fn new(
        hook: impl for<'a> Fn(&'a mut PgConnection, &'a Changeset) -> HookFuture<'a>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        OnCommit(Arc::new(hook))
    }

    /// Commits a group with what the hook makes of it. If it stops at a changeset, nothing of the
    /// group is committed.
    pub(crate) async fn commit(
        &self,
        db: &mut PgConnection,
        meant: Meant<'_>,
        group: &[&Prepared],
        within: Duration,
    ) -> Result<Vec<Answer>, Stopped> {
        // A setting that ends with the transaction: as long as it is there, nobody has ended that.
        // The server ends a statement that takes too long, and before we do: what we leave it goes
        // on with, and with it the locks that all others wait for.
        let (mark, millis) = (
            format!("{:016x}", fastrand::u64(..)),
            within.as_millis().max(1),
        );
        let begin = format!(
            "BEGIN; SET LOCAL order_store.hooked = '{mark}'; \
             SET LOCAL statement_timeout = {millis}; SET LOCAL idle_in_transaction_session_timeout = {millis}"
        );
        // So that what a hook begins by the driver is a savepoint.
        let begun = db.begin_with(AssertSqlSafe(begin)).await;
        let mut transaction = begun.map_err(|error| before_commit(error, Step::Begin))?;
        let stopped = match self.write(&mut transaction, meant, group, within).await {
            // In a transaction in which a statement has failed this fails; COMMIT alone would roll
            // back without a word.
            Ok(answers) => match sqlx::query(MARK)
                .fetch_one(&mut *transaction)
                .await
                .and_then(|row| row.try_get(0))
            {
                Ok(Some(found)) if found == mark => {
                    return transaction
                        .commit()
                        .await
                        .map(|()| answers)
                        .map_err(at_commit);
                }
                Ok::<Option<String>, _>(_) => {
                    let message = "the hook ended the transaction, which it must not: whether it wrote is not known";
                    stopped(
                        Step::Commit,
                        StoreError::new(StoreErrorKind::Unknown, message),
                        None,
                        false,
                    )
                }
                Err(error) => at_commit(error),
            },
            Err(stopped) => stopped,
        };
        // What cannot be rolled back is left to the server, which rolls it back when the connection
        // is gone.
        let is_usable = stopped.is_usable && transaction.rollback().await.is_ok();
        Err(Stopped {
            is_usable,
            ..stopped
        })
    }

    async fn write(
        &self,
        db: &mut PgConnection,
        meant: Meant<'_>,
        group: &[&Prepared],
        within: Duration,
    ) -> Result<Vec<Answer>, Stopped> {
        let rows = commit::call(meant, group)
            .fetch_all(&mut *db)
            .await
            .map_err(|error| before_commit(error, Step::Apply))?;
        let answers =
            answers(group, &rows).map_err(|error| stopped(Step::Apply, error, None, true))?;
        for (at, (prepared, answer)) in group.iter().zip(&answers).enumerate() {
            if answer.as_ref().is_ok_and(|committed| !committed.replayed) {
                self.call(db, &prepared.changeset, within)
                    .await
                    .map_err(|why| self.refusal(why, at))?;
            }
        }
        Ok(answers)
    }

    /// Calls the hook, and outlives its panic.
    async fn call(
        &self,
        db: &mut PgConnection,
        changeset: &Changeset,
        within: Duration,
    ) -> Result<(), Why> {
        let mut called = Box::pin(async { (self.0)(db, changeset).await });
        let survived = poll_fn(|context| {
            match catch_unwind(AssertUnwindSafe(|| called.as_mut().poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(done)) => Poll::Ready(done.map_err(Why::Failed)),
                Err(_) => Poll::Ready(Err(Why::Panicked)),
            }
        });
        timeout(within + AFTER_THE_SERVER, survived)
            .await
            .unwrap_or(Err(Why::TookTooLong))
    }

    fn refusal(&self, why: Why, at: usize) -> Stopped {
        let vetoed = |reason: String| StoreError::new(StoreErrorKind::Vetoed, reason);
        match why {
            Why::Failed(HookError::Refused(reason)) => {
                stopped(Step::Apply, vetoed(reason), Some(at), true)
            }
            Why::Failed(HookError::Database(error))
                if is_contention(&error) || is_broken(&error) =>
            {
                before_commit(error, Step::Apply)
            }
            Why::Failed(HookError::Database(error)) => stopped(
                Step::Apply,
                of_the_hook(error, "a statement of the hook failed"),
                Some(at),
                true,
            ),
            // It may have been in the middle of a statement.
            Why::Panicked => {
                error!("the hook panicked");
                stopped(
                    Step::Apply,
                    vetoed("the hook panicked".into()),
                    Some(at),
                    false,
                )
            }
            Why::TookTooLong => {
                warn!("the hook took longer than it may, and was broken off");
                let error = StoreError::new(StoreErrorKind::Unavailable, TOO_LONG);
                stopped(Step::Apply, error, Some(at), false)
            }
        }
    }
}

/// A call of a hook that did not succeed.
enum Why {
    Failed(HookError),
    Panicked,
    TookTooLong,
}

fn stopped(step: Step, error: StoreError, at: Option<usize>, is_usable: bool) -> Stopped {
    Stopped {
        failure: Failure {
            step,
            error,
            collided: false,
            at,
        },
        is_usable,
    }
}

/// Returns whether nothing happened because somebody else was at the same rows of a hook. A unique
/// index is not among it: somebody who was first stays so.
fn is_contention(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| matches!(code.as_str(), "40001" | "40P01" | "55P03"))
}

/// An error before COMMIT was sent: nothing has happened, also where the connection broke.
fn before_commit(error: sqlx::Error, step: Step) -> Stopped {
    let (collided, is_usable) = (collided(&error), !is_broken(&error));
    let error = store_error(error, During::Read);
    // As without a hook, a server that cannot be used is left, for it may be elsewhere by now.
    let is_usable = is_usable && (collided || error.kind != StoreErrorKind::Unavailable);
    Stopped {
        failure: Failure {
            step,
            error,
            collided,
            at: None,
        },
        is_usable,
    }
}

/// The error of a statement of the hook, which may come as late as at COMMIT; `vetoed` says what a
/// refusal is of.
fn of_the_hook(error: sqlx::Error, vetoed: &str) -> StoreError {
    match code(&error).unwrap_or_default() {
        code if code == "57014" => StoreError::caused(StoreErrorKind::Unavailable, TOO_LONG, error),
        // The server's own trouble: resources, its state, its disk.
        code if ["25", "53", "54", "55", "57", "58", "XX"]
            .iter()
            .any(|class| code.starts_with(class))
            && code != "25P02" =>
        {
            store_error(error, During::Read)
        }
        code if code == "25P02" => StoreError::caused(
            StoreErrorKind::Vetoed,
            "the hook passed over a statement that failed",
            error,
        ),
        _ => StoreError::caused(StoreErrorKind::Vetoed, vetoed, error),
    }
}

/// An error of COMMIT, or of the look before it.
fn at_commit(error: sqlx::Error) -> Stopped {
    if is_contention(&error) {
        return before_commit(error, Step::Apply);
    }
    let is_usable = !is_broken(&error);
    if is_usable && code(&error).is_some_and(|code| code != "40003") {
        return stopped(
            Step::Apply,
            of_the_hook(error, "what the hook wrote breaks a rule of its tables"),
            None,
            true,
        );
    }
    let error = store_error(error, During::Write);
    let step = if error.kind == StoreErrorKind::Unknown {
        Step::Commit
    } else {
        Step::Apply
    };
    stopped(step, error, None, is_usable)
}

fn answers(group: &[&Prepared], rows: &[PgRow]) -> Result<Vec<Answer>, StoreError> {
    if rows.len() != group.len() {
        // Nothing was committed.
        return Err(StoreError::new(
            StoreErrorKind::Unavailable,
            "the answer of the database cannot be read",
        ));
    }
    let answers = group
        .iter()
        .zip(rows)
        .map(|(prepared, row)| commit::answer(prepared, row));
    answers
        .map(|answer| {
            answer.map_err(|error| StoreError {
                kind: StoreErrorKind::Corrupt,
                ..error
            })
        })
        .collect()
}
