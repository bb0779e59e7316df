//! Migrations of a file: numbered from 1, and never edited once released. The file records those
//! that it has seen, with checksums of their statements.

use order_core::time::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

/// A migration, whose number is its place in the list.
pub(crate) struct Migration {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl Migration {
    /// A name-based UUID (RFC 9562, 5.5) of the statements.
    fn checksum(&self) -> String {
        Uuid::new_v5(&Uuid::nil(), self.sql.as_bytes()).to_string()
    }
}

/// The table in which a file records its migrations.
pub(crate) struct Record {
    pub(crate) table: &'static str,
}

impl Record {
    /// Runs a migration and records it, within the caller's transaction.
    pub(crate) fn run(
        &self,
        db: &Connection,
        number: i64,
        migration: &Migration,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let Record { table } = self;
        db.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (version INTEGER NOT NULL PRIMARY KEY, \
             name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT"
        ))?;
        db.execute_batch(migration.sql)?;
        let insert = format!(
            "INSERT INTO {table} (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)"
        );
        let row = (
            number,
            migration.name,
            migration.checksum(),
            now.as_micros(),
        );
        db.execute(&insert, row).map(drop)
    }

    /// Returns whether the file records its migrations.
    #[cfg(feature = "shop")]
    pub(crate) fn is_kept(&self, db: &Connection) -> rusqlite::Result<bool> {
        db.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?1")?
            .exists([self.table])
    }

    /// Returns whether the file has seen all of `known` as they are; it may have seen more, of a
    /// newer program.
    pub(crate) fn agrees_with(
        &self,
        db: &Connection,
        known: &[Migration],
    ) -> rusqlite::Result<bool> {
        let Record { table } = self;
        let select = format!("SELECT version, checksum FROM {table} ORDER BY version");
        let mut statement = db.prepare(&select)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let recorded: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let known: Vec<(i64, String)> = (1i64..)
            .zip(known.iter().map(Migration::checksum))
            .collect();
        Ok(recorded.starts_with(&known))
    }
}
