//! Taking turns with other processes that write to the same file.
//!
//! SQLite waits for a lock by looking again after longer and longer sleeps, up to a tenth of a
//! second, while a process that writes without a pause lets go of it for microseconds only: whoever
//! waits may do so for seconds. So here those who wait look again soon, and whoever has written
//! while others write too leaves the lock alone for longer than they sleep. Those who only wait
//! cannot be seen: so whoever writes without a pause leaves it alone now and then, whether others
//! were noticed or not.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tracing::debug;

/// The longest sleep between two looks; the shortest is half of it.
const LOOK: Duration = Duration::from_micros(800);
/// The time for which the lock is left to others. More than they sleep.
const LEFT_TO_OTHERS: Duration = Duration::from_micros(1_500);
/// For how long after they were noticed others are taken to be still there.
const REMEMBERED: Duration = Duration::from_millis(500);

/// For how long at most the lock is taken again and again without leaving it to others who may be
/// waiting unnoticed.
const UNBROKEN: Duration = Duration::from_millis(100);

/// The knowledge of a connection that writes about others that do.
#[derive(Default)]
pub(crate) struct Turns {
    ended: Option<Instant>,
    /// The time at which somebody else was last seen to write, or to be about to.
    others: Option<Instant>,
    /// The time at which the lock was last left to others, or not wanted for as long.
    left: Option<Instant>,
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
        let version: i64 = db
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if self
            .data_version
            .replace(version)
            .is_some_and(|before| before != version)
        {
            self.others = Some(Instant::now());
        }
        Ok(())
    }

    /// Says that the transaction is over.
    pub(crate) fn end(&mut self) {
        self.ended = Some(Instant::now());
    }

    fn try_until(&mut self, deadline: Instant, db: &Connection) -> rusqlite::Result<()> {
        let mut since = None;
        loop {
            match db.prepare_cached("BEGIN IMMEDIATE")?.execute([]) {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && Instant::now() < deadline =>
                {
                    self.others = Some(Instant::now());
                    since = since.or(self.others);
                    std::thread::sleep(LOOK - LOOK / 2 * (self.dice() % 1024) as u32 / 1024);
                }
                begun => {
                    if let Some(since) = since {
                        debug!(waited = ?since.elapsed(), "another process was waited for");
                    }
                    return begun.map(drop);
                }
            }
        }
    }

    fn leave_it_to_others(&mut self) {
        let rest = self.ended.map_or(Duration::ZERO, |ended| {
            LEFT_TO_OTHERS.saturating_sub(ended.elapsed())
        });
        let noticed = self
            .others
            .is_some_and(|others| others.elapsed() < REMEMBERED);
        let long_unbroken = self.left.is_some_and(|left| left.elapsed() >= UNBROKEN);
        if !rest.is_zero() && !noticed && !long_unbroken {
            return;
        }
        std::thread::sleep(rest);
        self.left = Some(Instant::now());
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
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    fn open(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.busy_timeout(Duration::from_secs(60)).unwrap();
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
            .unwrap();
        db.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS t (x)")
            .unwrap();
        db
    }

    fn pair() -> (Connection, Connection, PathBuf) {
        let path = std::env::temp_dir().join(format!(
            "order-turns-{:x}.db",
            RandomState::new().hash_one(0u8)
        ));
        (open(&path), open(&path), path)
    }

    fn removed(path: &Path) {
        for name in [
            path.to_owned(),
            crate::file::log_of(path),
            crate::file::beside(path, "-shm"),
        ] {
            let _ = std::fs::remove_file(name);
        }
    }

    /// Writes as a group does that waits for the disk.
    fn write(turns: &mut Turns, db: &Connection) {
        turns.begin(db, Duration::from_secs(60)).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        db.execute_batch("INSERT INTO t VALUES (1); COMMIT")
            .unwrap();
        turns.end();
    }

    #[test]
    fn who_writes_now_and_then_gets_a_turn_among_others_who_do_so_without_a_pause() {
        const OTHERS: u64 = 3;
        const TURNS: u64 = 25;
        let (one, other, path) = pair();
        drop(other);
        let (done, written) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..OTHERS {
                scope.spawn(|| {
                    let (db, mut turns) = (open(&path), Turns::default());
                    while !done.load(Ordering::Relaxed) {
                        write(&mut turns, &db);
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while written.load(Ordering::Relaxed) < 10 {
                std::thread::sleep(LOOK);
            }
            let mut waited = Vec::new();
            for _ in 0..TURNS {
                let before = written.load(Ordering::Relaxed);
                write(&mut Turns::default(), &one);
                waited.push(written.load(Ordering::Relaxed) - before);
            }
            done.store(true, Ordering::Relaxed);
            let all: u64 = waited.iter().sum();
            // Fair is three to one; with SQLite's own waiting it is thousands before the first.
            assert!(
                all <= TURNS * OTHERS * 4,
                "others' turns before each of its own: {waited:?}"
            );
        });
        removed(&path);
    }

    /// Nobody is noticed by waiting alone, without a commit.
    #[test]
    fn who_waits_for_one_that_writes_alone_and_without_a_pause_gets_a_turn_soon() {
        let (one, other, path) = pair();
        let (done, written) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let (done, written) = (&done, &written);
            scope.spawn(move || {
                let mut turns = Turns::default();
                while !done.load(Ordering::Relaxed) {
                    write(&mut turns, &other);
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
            while written.load(Ordering::Relaxed) < 10 {
                std::thread::sleep(LOOK);
            }
            let before = written.load(Ordering::Relaxed);
            write(&mut Turns::default(), &one);
            let waited = written.load(Ordering::Relaxed) - before;
            done.store(true, Ordering::Relaxed);
            // A write takes 2 ms: the lock is left alone once in 50 of them.
            assert!(
                waited <= 4 * 50,
                "the other's turns before the first: {waited}"
            );
        });
        removed(&path);
    }

    #[test]
    fn a_lock_that_nobody_gives_back_is_waited_for_as_long_as_said() {
        let (one, other, path) = pair();
        one.execute_batch("BEGIN IMMEDIATE").unwrap();
        let started = Instant::now();
        let error = Turns::default()
            .begin(&other, Duration::from_millis(30))
            .unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        assert!(started.elapsed() >= Duration::from_millis(30));
        one.execute_batch("ROLLBACK").unwrap();
        Turns::default()
            .begin(&other, Duration::from_millis(30))
            .unwrap();
        drop((one, other));
        removed(&path);
    }

    #[test]
    fn others_are_noticed_by_their_commits_and_nobody_else_is() {
        let (one, other, path) = pair();
        let mut turns = Turns::default();
        for _ in 0..10 {
            turns.begin(&one, Duration::ZERO).unwrap();
            one.execute_batch("INSERT INTO t VALUES (1); COMMIT")
                .unwrap();
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
