//! The SQLite library that this program is linked with, which the program may choose: the one that
//! its `rusqlite` brings along, or the system's.

/// The oldest SQLite that the tests pass with: the one that `rusqlite` 0.32 brings along.
const OLDEST: i32 = 3_046_000;

/// Refuses a SQLite that this crate was never tested with.
pub(crate) fn check() -> Result<(), String> {
    if rusqlite::version_number() >= OLDEST {
        return Ok(());
    }
    Err(format!(
        "the SQLite library is {}: link 3.46.0 or newer, 3.51.3 or newer if you can choose",
        rusqlite::version()
    ))
}

/// Returns whether the linked SQLite has the fault by which a checkpoint that runs while another
/// connection starts the log over can damage the file (sqlite.org/wal.html, "The WAL-Reset Bug").
pub(crate) fn has_reset_fault() -> bool {
    is_faulty(rusqlite::version_number())
}

/// It was mended in 3.51.3, and in later releases of two older lines.
const fn is_faulty(version: i32) -> bool {
    !matches!(version, 3_044_006..3_045_000 | 3_050_007..3_051_000 | 3_051_003..)
}

/// The answer of `Connection::progress_handler`: nothing before `rusqlite` 0.38, a result since.
pub(crate) trait Registered {
    /// Returns what went wrong, if anything can.
    fn registered(self) -> rusqlite::Result<()>;
}

impl Registered for () {
    fn registered(self) -> rusqlite::Result<()> {
        Ok(())
    }
}

impl Registered for rusqlite::Result<()> {
    fn registered(self) -> rusqlite::Result<()> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linked_sqlite_is_new_enough() {
        assert_eq!(check(), Ok(()));
    }

    #[test]
    fn the_releases_with_the_fault_are_known() {
        for faulty in [3_046_000, 3_050_006, 3_051_000, 3_051_002] {
            assert!(is_faulty(faulty), "{faulty}");
        }
        for mended in [3_044_006, 3_050_007, 3_051_003, 3_052_000, 3_053_002] {
            assert!(!is_faulty(mended), "{mended}");
        }
    }
}
