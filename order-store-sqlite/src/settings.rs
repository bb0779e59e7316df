//! The settings of connections that write, the same for orders and for the shop.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::linked;

/// Of SQLite's default.
const PAGE_BYTES: u64 = 4096;

/// Sets what durability and the erasing of data depend on; `log_limit` is how many bytes the
/// write-ahead log is to have at most. [`check`] says what came of it.
pub(crate) fn set(db: &Connection, log_limit: u64) -> rusqlite::Result<()> {
    let set = |name: &str, value: &str| db.pragma_update(None, name, value);
    set("synchronous", "FULL")?;
    set("fullfsync", "ON")?;
    set("checkpoint_fullfsync", "ON")?;
    set("foreign_keys", "ON")?;
    set("trusted_schema", "OFF")?;
    // What is deleted or replaced is overwritten, so that erased personal data and tokens do not
    // stay in unused bytes.
    set("secure_delete", "ON")?;
    if linked::has_reset_fault() {
        // See `checkpoint`. A log that starts over is cut back to what is in it, so that its size
        // says when the next checkpoint is due.
        set("wal_autocheckpoint", "0")?;
        return set("journal_size_limit", "0");
    }
    // A checkpoint syncs twice, so it is worth putting off; the log starts over after it, as long
    // as no read is in the way.
    let pages = (checkpoint_at(log_limit) / PAGE_BYTES).clamp(64, 1 << 20);
    set("wal_autocheckpoint", &pages.to_string())?;
    set(
        "journal_size_limit",
        &log_limit.min(i64::MAX.cast_unsigned()).to_string(),
    )
}

/// Returns how long the log is, in bytes, when it is copied into the file.
pub(crate) const fn checkpoint_at(log_limit: u64) -> u64 {
    log_limit / 2
}

/// Says in what the settings fall short of what was asked: commits could be lost.
pub(crate) fn check(db: &Connection) -> rusqlite::Result<Result<(), String>> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (synchronous, foreign_keys) = (number("synchronous")?, number("foreign_keys")?);
    Ok(if synchronous < 2 {
        Err(format!(
            "synchronous is {synchronous} and cannot be set to 2 (FULL): commits could be lost"
        ))
    } else if foreign_keys != 1 {
        Err("foreign_keys cannot be switched on".into())
    } else {
        Ok(())
    })
}

/// Switches to a write-ahead log and returns the mode that the file has then. SQLite does not wait
/// for a lock that this needs, so that two who open a new file at once must do it themselves.
pub(crate) fn switch_to_wal(db: &Connection, busy_timeout: Duration) -> rusqlite::Result<String> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        match db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && waited < busy_timeout =>
            {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            mode => return mode,
        }
    }
}
