//! Taking turns with other processes that write to the same file.
//!
//! SQLite waits for a lock by looking again after longer and longer sleeps, up to a tenth of a second, while a process that writes
//! without a pause lets go of it for microseconds only: whoever waits may do so for seconds. So here those who wait look again
//! soon, and whoever has written while others write too leaves the lock alone for longer than they sleep.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

/// The longest sleep between two looks; the shortest is half of it.
const LOOK: Duration = Duration::from_micros(800);
/// How long the lock is left to others. More than they sleep.
const LEFT_TO_OTHERS: Duration = Duration::from_micros(1_500);
/// For how long after they were noticed others are taken to be still there.
const REMEMBERED: Duration = Duration::from_millis(500);

/// What a connection that writes knows of others.
#[derive(Default)]
pub(crate) struct Turns {
    ended: Option<Instant>,
    /// When somebody else was last seen to write, or to be about to.
    others: Option<Instant>,
    /// SQLite's count of others' commits.
    data_version: Option<i64>,
    random: u64,
}

impl Turns {
    /// Begins a transaction that writes, waiting for others at most as long as `patience`.
    pub(crate) fn begin(&mut self, db: &Connection, patience: Duration) -> rusqlite::Result<()> {
        self.leave_it_to_others();
        db.busy_timeout(Duration::ZERO)?;
        let begun = self.try_until(Instant::now() + patience, db);
        db.busy_timeout(patience)?;
        begun?;
        let version: i64 = db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.data_version.replace(version).is_some_and(|before| before != version) {
            self.others = Some(Instant::now());
        }
        Ok(())
    }

    /// Says that the transaction is over.
    pub(crate) fn end(&mut self) {
        self.ended = Some(Instant::now());
    }

    fn try_until(&mut self, deadline: Instant, db: &Connection) -> rusqlite::Result<()> {
        loop {
            match db.prepare_cached("BEGIN IMMEDIATE")?.execute([]) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                    self.others = Some(Instant::now());
                    std::thread::sleep(LOOK - LOOK / 2 * (self.dice() % 1024) as u32 / 1024);
                }
                begun => return begun.map(drop),
            }
        }
    }

    fn leave_it_to_others(&self) {
        if let (Some(ended), Some(others)) = (self.ended, self.others)
            && others.elapsed() < REMEMBERED
        {
            std::thread::sleep(LEFT_TO_OTHERS.saturating_sub(ended.elapsed()));
        }
    }

    /// So that those who wait do not look in step.
    fn dice(&mut self) -> u64 {
        if self.random == 0 {
            self.random = RandomState::new().hash_one(0u8) | 1;
        }
        // Xorshift, Marsaglia 2003.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Connection, Connection, std::path::PathBuf) {
        let path = std::env::temp_dir().join(format!("order-turns-{:x}.db", RandomState::new().hash_one(0u8)));
        let one = Connection::open(&path).unwrap();
        one.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        one.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE t (x)").unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("PRAGMA synchronous = OFF").unwrap();
        (one, other, path)
    }

    fn removed(path: &std::path::Path) {
        for name in [path.to_owned(), crate::file::log_of(path), crate::file::beside(path, "-shm")] {
            let _ = std::fs::remove_file(name);
        }
    }

    #[test]
    fn who_writes_without_a_pause_leaves_turns_to_another() {
        let (one, other, path) = pair();
        let done = std::sync::atomic::AtomicBool::new(false);
        let written = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            let (done, written) = (&done, &written);
            scope.spawn(move || {
                let mut turns = Turns::default();
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    turns.begin(&one, Duration::from_secs(60)).unwrap();
                    // As long as a group's commit with its wait for the disk.
                    std::thread::sleep(Duration::from_millis(4));
                    one.execute_batch("INSERT INTO t VALUES (1); COMMIT").unwrap();
                    turns.end();
                    written.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
            let mut turns = Turns::default();
            for _ in 0..20 {
                let before = written.load(std::sync::atomic::Ordering::Relaxed);
                turns.begin(&other, Duration::from_secs(60)).unwrap();
                other.execute_batch("INSERT INTO t VALUES (2); COMMIT").unwrap();
                turns.end();
                let waited_for = written.load(std::sync::atomic::Ordering::Relaxed) - before;
                assert!(waited_for < 200, "{waited_for} transactions of the other");
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        removed(&path);
    }

    #[test]
    fn a_lock_that_nobody_gives_back_is_waited_for_as_long_as_said() {
        let (one, other, path) = pair();
        one.execute_batch("BEGIN IMMEDIATE").unwrap();
        let started = Instant::now();
        let error = Turns::default().begin(&other, Duration::from_millis(30)).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        assert!(started.elapsed() >= Duration::from_millis(30));
        one.execute_batch("ROLLBACK").unwrap();
        Turns::default().begin(&other, Duration::from_millis(30)).unwrap();
        drop((one, other));
        removed(&path);
    }

    #[test]
    fn who_writes_alone_never_sleeps() {
        let (one, other, path) = pair();
        let mut turns = Turns::default();
        for _ in 0..10 {
            turns.begin(&one, Duration::ZERO).unwrap();
            one.execute_batch("INSERT INTO t VALUES (1); COMMIT").unwrap();
            turns.end();
        }
        assert_eq!(turns.others, None);
        other.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        turns.begin(&one, Duration::ZERO).unwrap();
        assert!(turns.others.is_some(), "a commit of another is noticed");
        drop((one, other));
        removed(&path);
    }
}
