//! Checkpoints for a SQLite whose own are not safe.
//!
//! A checkpoint copies the write-ahead log into the file; the next transaction then starts the log
//! over. A SQLite with the fault that [`has_reset_fault`](crate::linked::has_reset_fault) tells of
//! can damage the file if a second checkpoint runs in that very moment, in another connection than
//! the one that commits. So with such a library no connection checkpoints by itself. It is done
//! here, while a second connection of ours holds the lock for writing: nobody can commit meanwhile.
//! What SQLite does when the last connection to a file is closed is safe as it is, as nobody else
//! has the file then.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// The longest log that counts as cut back: its header, and the few pages of a transaction that
/// changes nothing.
pub(crate) const CUT: u64 = 64 << 10;

/// Copies the log into the file as far as readers let it, while nobody writes. Returns whether all
/// of it was copied, so that the next transaction can start the log over.
pub(crate) fn alone(db: &Connection, path: &Path, patience: Duration) -> rusqlite::Result<bool> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let guard = Connection::open_with_flags(path, flags)?;
    guard.busy_timeout(patience)?;
    guard.execute_batch("BEGIN IMMEDIATE")?;
    let copied = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    });
    guard.execute_batch("ROLLBACK")?;
    copied
}

/// Starts the log over with a transaction that changes nothing, and cuts it back to that one.
/// Returns whether the log is that short now: not if something reads, or somebody else has written
/// since.
pub(crate) fn start_over(db: &Connection, path: &Path, log: &Path, patience: Duration) -> bool {
    let start_over = || -> rusqlite::Result<()> {
        if alone(db, path, patience)? {
            let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            db.execute_batch("BEGIN IMMEDIATE")?;
            db.pragma_update(None, "user_version", version)
                .and_then(|()| db.execute_batch("COMMIT"))
                .inspect_err(|_| drop(db.execute_batch("ROLLBACK")))?;
        }
        Ok(())
    };
    start_over().is_ok() && std::fs::metadata(log).is_ok_and(|log| log.len() <= CUT)
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::*;
    use crate::store::Folder;
    use crate::{file, settings};

    const PATIENCE: Duration = Duration::ZERO;

    /// A file with a log of some 400 kB that no connection checkpoints by itself.
    fn filled(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        settings::switch_to_wal(&db, PATIENCE).unwrap();
        db.execute_batch(
            "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 0;
             CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(400000))",
        )
        .unwrap();
        db
    }

    #[test]
    fn the_log_is_copied_only_while_nobody_writes() {
        let folder = Folder::new("checkpoint-alone");
        let path = folder.0.join("some.db");
        let db = filled(&path);
        let before = std::fs::metadata(&path).unwrap().len();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = alone(&db, &path, PATIENCE).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), before);
        other.execute_batch("ROLLBACK").unwrap();
        assert!(alone(&db, &path, PATIENCE).unwrap());
        assert!(std::fs::metadata(&path).unwrap().len() > before + 400_000);
    }

    #[test]
    fn the_log_starts_over_unless_somebody_reads_what_is_in_it() {
        let folder = Folder::new("checkpoint-over");
        let path = folder.0.join("some.db");
        let log = file::log_of(&path);
        let db = filled(&path);
        let reader = Connection::open(&path).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM t")
            .unwrap();
        assert!(!start_over(&db, &path, &log, PATIENCE));
        reader.execute_batch("COMMIT").unwrap();
        assert!(start_over(&db, &path, &log, PATIENCE));
        assert!(std::fs::metadata(&log).unwrap().len() <= CUT);
        let length: i64 = reader
            .query_row("SELECT length(x) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(length, 400_000);
        assert!(db.is_autocommit());
    }
}
