//! The statements that follow from the tables of [`order_core::store::records`], put together once.

use std::fmt::Write as _;
use std::sync::LazyLock;

use order_core::store::records::{ORDER_STATUS_HISTORY, ORDER_WORK, ORDERS, TABLES, Table};

/// Those of every table.
pub(super) static STATEMENTS: LazyLock<Statements> = LazyLock::new(Statements::new);

/// See [`STATEMENTS`].
pub(super) struct Statements {
    tables: Vec<OfTable>,
    /// Clause 16: an order's own row, and its work item beside it. Parameter: its id.
    pub(super) load_by_id: String,
    /// Clause 16. Parameter: its number.
    pub(super) load_by_number: String,
    /// Clause 16. Parameters: user, method and key. Says what the index does, so that it is used.
    pub(super) load_by_key: String,
    /// The work item of an order but for what was tried. Parameter: its id.
    pub(super) work: String,
    /// A work item that keeps what was tried.
    pub(super) update_work: Update,
    /// Clause 18. Parameters: the order's id, after which row, how many.
    pub(super) journal: String,
    /// Clause 18, with the command key as fourth parameter. Says what the index does, so that it is
    /// used.
    pub(super) journal_of_key: String,
    /// Clause 20: rows of the journal, with their position and the order's number. Parameters:
    /// after which position, how many. The join is crossed so that it stays in this order, which
    /// needs no sorting.
    pub(super) feed: String,
}

/// Those of one table.
pub(super) struct OfTable {
    /// Parameters: all columns.
    pub(super) insert: String,
    updates: Vec<Update>,
    /// Parameters: the key.
    pub(super) delete: String,
    /// All columns of an order's rows, in the order of their keys. Parameter: its id.
    pub(super) select: String,
}

/// A statement that changes one row, and which of the table's columns its parameters are, in their
/// order.
pub(super) struct Update {
    pub(super) sql: String,
    pub(super) binds: Vec<usize>,
}

impl Statements {
    fn new() -> Self {
        let joined = format!(
            "SELECT {}, {} FROM orders o LEFT JOIN order_work w ON w.order_id = o.id WHERE ",
            ORDERS.list("o."),
            ORDER_WORK.list("w.")
        );
        let tries = ORDER_WORK.columns.len() - 1;
        Statements {
            tables: TABLES.iter().map(|table| OfTable::new(table)).collect(),
            load_by_id: format!("{joined}o.id = ?1"),
            load_by_number: format!("{joined}o.order_number = ?1"),
            load_by_key: format!(
                "{joined}o.user_id = ?1 AND o.key_method = ?2 AND o.key = ?3 AND o.key IS NOT NULL"
            ),
            work: format!(
                "SELECT {} FROM order_work WHERE order_id = ?1",
                ORDER_WORK.list("").replace("tries", "NULL")
            ),
            update_work: Update::new(
                ORDER_WORK,
                ORDER_WORK.set(u32::MAX).filter(|at| *at != tries),
            ),
            journal: format!(
                "SELECT {} FROM order_changesets c CROSS JOIN order_status_history h \
                 ON h.position >= c.position AND h.position < c.position + c.rows \
                 WHERE c.order_id = ?1 AND c.first_seq >= coalesce((SELECT max(first_seq) FROM order_changesets \
                 WHERE order_id = ?1 AND first_seq <= ?2), 0) AND h.seq > ?2 \
                 ORDER BY c.first_seq, h.position LIMIT ?3",
                ORDER_STATUS_HISTORY.list("h.")
            ),
            journal_of_key: format!(
                "SELECT {} FROM order_status_history \
                 WHERE order_id = ?1 AND seq > ?2 AND command_key = ?4 AND command_key IS NOT NULL LIMIT ?3",
                ORDER_STATUS_HISTORY.list("")
            ),
            feed: format!(
                "SELECT {}, h.position, o.order_number, o.currency FROM order_status_history h CROSS JOIN orders o ON o.id = h.order_id \
                 WHERE h.position > ?1 ORDER BY h.position LIMIT ?2",
                ORDER_STATUS_HISTORY.list("h.")
            ),
        }
    }

    pub(super) fn of(&self, table: &Table) -> &OfTable {
        &self.tables[table.n]
    }
}

impl OfTable {
    fn new(table: &Table) -> Self {
        let marks: Vec<String> = (1..=table.columns.len()).map(|n| format!("?{n}")).collect();
        let (name, list) = (table.name, table.list(""));
        let updates =
            (0..1 << table.indexed().count()).map(|changed| Update::new(table, table.set(changed)));
        let key: Vec<&str> = table
            .key_columns()
            .iter()
            .map(|column| column.name)
            .collect();
        OfTable {
            insert: format!("INSERT INTO {name} ({list}) VALUES ({})", marks.join(", ")),
            updates: updates.collect(),
            delete: format!("DELETE FROM {name} WHERE {}", where_key(table, 1)),
            select: format!(
                "SELECT {list} FROM {name} WHERE {} = ?1 ORDER BY {}",
                key[0],
                key.join(", ")
            ),
        }
    }

    /// The statement that leaves alone what stands in an index and does not change.
    pub(super) fn update(&self, changed: u32) -> &Update {
        &self.updates[changed as usize]
    }
}

impl Update {
    fn new(table: &Table, set: impl Iterator<Item = usize>) -> Self {
        let mut binds: Vec<usize> = set.collect();
        let mut sql = format!("UPDATE {} SET ", table.name);
        for (n, column) in (1..).zip(binds.iter().map(|at| &table.columns[*at])) {
            let comma = if n == 1 { "" } else { ", " };
            let name = column.name;
            let _ = match column.rises {
                true => write!(sql, "{comma}{name} = max({name}, ?{n})"),
                false => write!(sql, "{comma}{name} = ?{n}"),
            };
        }
        let _ = write!(sql, " WHERE {}", where_key(table, binds.len() + 1));
        binds.extend(0..table.key);
        Update { sql, binds }
    }
}

/// The condition that a row has the key whose first value is parameter `first`.
fn where_key(table: &Table, first: usize) -> String {
    let columns = (first..)
        .zip(table.key_columns())
        .map(|(n, column)| format!("{} = ?{n}", column.name));
    columns.collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open;

    #[test]
    fn the_schema_has_the_columns_in_their_kinds_and_every_statement_fits_it() {
        use order_core::store::records::Kind;
        let db = open::open_in_memory();
        for table in TABLES {
            let mut info = db
                .prepare(&format!(
                    "SELECT name, type, \"notnull\", pk FROM pragma_table_info('{}')",
                    table.name
                ))
                .unwrap();
            let found: Vec<(String, String, bool, isize)> = info
                .query_map([], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let expected: Vec<_> = (table.columns.iter().enumerate())
                .map(|(at, column)| {
                    let kind = match column.kind {
                        Kind::Id => "BLOB",
                        Kind::Int | Kind::Flag | Kind::Time => "INTEGER",
                        Kind::Text => "TEXT",
                    };
                    (
                        column.name.to_owned(),
                        kind.to_owned(),
                        !column.nullable,
                        if at < table.key { at as isize + 1 } else { 0 },
                    )
                })
                .collect();
            // The journal has a column more.
            if table.n == ORDER_STATUS_HISTORY.n {
                let (own, rest) = found.split_first().unwrap();
                assert_eq!((own.0.as_str(), own.3), ("position", 1));
                assert!(
                    rest.iter()
                        .zip(&expected)
                        .all(|(f, e)| (&f.0, &f.1, f.2) == (&e.0, &e.1, e.2))
                );
                assert_eq!(rest.len(), expected.len());
            } else {
                assert_eq!(found, expected, "{}", table.name);
            }
            let of_table = STATEMENTS.of(table);
            let all = [&of_table.insert, &of_table.delete, &of_table.select].into_iter();
            let sets = of_table
                .updates
                .iter()
                .filter(|update| update.binds.len() > table.key);
            for sql in all.chain(sets.map(|update| &update.sql)) {
                db.prepare(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
            }
        }
        for sql in [
            &STATEMENTS.load_by_id,
            &STATEMENTS.load_by_number,
            &STATEMENTS.load_by_key,
            &STATEMENTS.work,
            &STATEMENTS.update_work.sql,
        ] {
            db.prepare(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
        }
    }

    #[test]
    fn an_update_that_changes_nothing_listed_touches_no_index() {
        let Update { sql, binds } = STATEMENTS.of(ORDERS).update(0);
        assert!(
            !sql.contains(" status = ") && sql.contains(" lifecycle = "),
            "{sql}"
        );
        assert!(
            sql.contains("notified = max(notified, ?")
                && sql.ends_with(&format!("WHERE id = ?{}", binds.len())),
            "{sql}"
        );
    }
}
