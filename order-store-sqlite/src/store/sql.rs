//! The statements that do not follow from the tables, but for the pages of a list, which
//! [`super::list`] puts together.

// --- commit: checks, clauses 2 to 9 ---

/// Clause 2: whether the row numbered ?2 was written by the changeset. It stands among the rows of
/// the last changeset that begins at it or before.
pub(super) const REPLAYED: &str = "SELECT 1 FROM \
     (SELECT position + ?2 - first_seq AS at FROM order_changesets \
     WHERE order_id = ?1 AND first_seq <= ?2 ORDER BY first_seq DESC LIMIT 1) \
     CROSS JOIN order_status_history h ON h.position = at \
     WHERE h.order_id = ?1 AND h.seq = ?2 AND h.changeset_id = ?3";

/// Clauses 3 and 6. Says what the index does, so that it is used.
pub(super) const SELECT_KEY: &str = "SELECT request_hash, id FROM orders \
     WHERE user_id = ?1 AND key_method = ?2 AND key = ?3 AND key IS NOT NULL";

/// Clause 7. Says what the index does, so that it is used.
pub(super) const COMMAND_KEY_USE: &str = "SELECT seq, command_hash FROM order_status_history WHERE order_id = ?1 AND command_key = ?2 AND command_key IS NOT NULL";

/// Clause 8: whether the order holds the name, and how many uses are taken.
pub(super) const SELECT_REDEMPTION: &str = "SELECT EXISTS (SELECT 1 FROM order_redemptions WHERE order_id = ?1 AND name = ?2), \
     coalesce((SELECT in_use FROM order_redemption_counts WHERE name = ?2), 0)";

/// Clauses 4 and 5.
pub(super) const SELECT_VERSION: &str = "SELECT version FROM orders WHERE id = ?1";

/// Clause 9.
pub(super) const NUMBER_IS_TAKEN: &str = "SELECT 1 FROM orders WHERE order_number = ?1";

// --- commit: writes, beside those of `statements` ---

/// Clause 5.
pub(super) const UPDATE_NOTIFIED: &str =
    "UPDATE orders SET notified = ?2 WHERE id = ?1 AND notified < ?2";

/// Redaction: what people wrote in the rows that are there already.
pub(super) const ERASE_NOTES: &str = "UPDATE order_status_history SET notes = NULL WHERE position IN \
     (SELECT h.position FROM order_changesets c CROSS JOIN order_status_history h \
     ON h.position >= c.position AND h.position < c.position + c.rows WHERE c.order_id = ?1) AND notes IS NOT NULL";

/// The first row of a changeset, of which the last was added just now: side by side, as SQLite
/// gives the next position.
pub(super) const INSERT_CHANGESET: &str = "INSERT INTO order_changesets (order_id, first_seq, rows, position) \
     VALUES (?1, ?2, ?3, last_insert_rowid() - ?3 + 1)";

/// Clause 8.
pub(super) const INSERT_REDEMPTION: &str =
    "INSERT INTO order_redemptions (order_id, name) VALUES (?1, ?2)";
/// Clause 8.
pub(super) const DELETE_REDEMPTION: &str =
    "DELETE FROM order_redemptions WHERE order_id = ?1 AND name = ?2";
/// Clause 8.
pub(super) const PUT_REDEMPTION_COUNT: &str = "INSERT INTO order_redemption_counts (name, in_use) VALUES (?1, ?2) \
     ON CONFLICT (name) DO UPDATE SET in_use = excluded.in_use";
/// Clause 8: one that nobody uses needs no row.
pub(super) const DELETE_REDEMPTION_COUNT: &str =
    "DELETE FROM order_redemption_counts WHERE name = ?1";

// --- work, clauses 11 to 15 ---

/// Clause 15.
pub(super) const DELETE_WORK: &str = "DELETE FROM order_work WHERE order_id = ?1";

/// Clause 14: items that anybody may take, soonest leasable first.
pub(super) const LEASABLE: &str = "SELECT order_id, leasable_at, due_at, leased_until, fence, revision, taken_over, runs, NULL \
     FROM order_work WHERE leasable_at <= ?1 ORDER BY leasable_at, order_id LIMIT ?2";

/// Clause 14: when the next item can be leased that is not stuck.
pub(super) const NEXT_LEASABLE: &str = "SELECT min(leasable_at) FROM order_work";

/// `work_summary`. Only orders that are not done have a row, so all of them are looked at.
pub(super) const WORK_SUMMARY: &str = "SELECT count(*), count(*) FILTER (WHERE due_at IS NULL), \
     min(due_at) FILTER (WHERE leased_until IS NULL OR leased_until <= ?1), \
     max(leased_until) FILTER (WHERE leased_until > ?1) FROM order_work";

/// `SqliteStore::backup`: in one read transaction, without what is no longer in use.
pub(super) const BACK_UP: &str = "VACUUM INTO ?1";

// --- reading, clauses 16 to 19, beside those of `statements` ---

/// `peek`.
pub(super) const PEEK: &str = "SELECT o.version, w.fence FROM orders o LEFT JOIN order_work w ON w.order_id = o.id WHERE o.id = ?1";

// --- reading the whole store, clauses 20 to 22 ---

/// Clause 21.
pub(super) const SELECT_STORE: &str = "SELECT id FROM order_store";

/// Clause 21: whether there is such a place, and what it stands on.
pub(super) const FEED_HAS: &str =
    "SELECT changeset_id FROM order_status_history WHERE position = ?1";
