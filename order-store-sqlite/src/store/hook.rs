//! [`OnCommit`]: what an embedder writes beside orders, in the same transactions.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use order_core::store::{Changeset, CommitError, Committed, StoreError, StoreErrorKind};
use order_core::time::Timestamp;
use rusqlite::Connection;
use tracing::error;

use super::apply::{Prepared, apply};
use super::errors::Failed;

/// Called for every changeset that is applied, within its transaction, once its own rows are
/// written: what it writes to tables of its own is durable exactly if the changeset is.
///
/// It is called on the one thread that writes, and everybody waits for it: it should take
/// microseconds, and call nobody. It must neither begin nor end a transaction, nor write to the
/// store's tables. It may be called again for a changeset whose transaction failed as a whole; what
/// it wrote then is gone. It is not called for a changeset that was applied before, nor where only
/// a lease is taken.
///
/// If it refuses, nothing of the changeset is written, nor of what the hook wrote for it, and
/// whoever asked is refused with [`StoreErrorKind::Vetoed`] and the reason. Others that share the
/// transaction are not touched. So is it if it panics. Refuse what people ask for (rows whose cause
/// is a command), and not what the engine records of the world: a payment that was captured is
/// captured, and the worker can only try to record it again, a lease later, for ever.
///
/// Tables of your own stand in the same file: make them once it is a store, by a connection of your
/// own, under names that do not begin with `order`.
///
/// ```
/// use order_store_sqlite::OnCommit;
///
/// let to_pick = OnCommit::new(|db, changeset| {
///     let placed = changeset.before.is_none();
///     if placed {
///         let order = changeset.after.id.to_string();
///         db.execute("INSERT INTO to_pick (order_id) VALUES (?1)", [order])
///             .map_err(|error| error.to_string())?;
///     }
///     Ok(())
/// });
/// # drop(to_pick);
/// ```
#[derive(Clone)]
pub struct OnCommit(Arc<Hook>);

type Hook = dyn Fn(&Connection, &Changeset) -> Result<(), String> + Send + Sync;

impl OnCommit {
    /// Calls `hook` with the connection of the transaction and what is applied; it refuses with a
    /// reason.
    pub fn new(
        hook: impl Fn(&Connection, &Changeset) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        OnCommit(Arc::new(hook))
    }

    /// Applies a changeset, and what the hook makes of it.
    pub(super) fn apply(
        &self,
        db: &Connection,
        prepared: &Prepared,
        now: Timestamp,
    ) -> Result<Result<Committed, CommitError>, Failed> {
        db.prepare_cached("SAVEPOINT changeset")?.execute([])?;
        let applied = apply(db, prepared, now)?;
        let vetoed = match &applied {
            Ok(committed) if !committed.replayed => {
                let asked = catch_unwind(AssertUnwindSafe(|| (self.0)(db, &prepared.changeset)));
                asked
                    .unwrap_or_else(|_| {
                        error!(order = %prepared.changeset.after.id, "the hook panicked");
                        Err("the hook panicked".to_owned())
                    })
                    .err()
            }
            Ok(_) | Err(_) => None,
        };
        if vetoed.is_some() {
            db.prepare_cached("ROLLBACK TO changeset")?.execute([])?;
        }
        db.prepare_cached("RELEASE changeset")?.execute([])?;
        match vetoed {
            Some(reason) => Ok(Err(CommitError::Store(StoreError::new(
                StoreErrorKind::Vetoed,
                reason,
            )))),
            None => Ok(applied),
        }
    }
}

impl fmt::Debug for OnCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnCommit")
    }
}
