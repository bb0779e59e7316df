//! Every statement, but for the pages of a list, which [`super::list`] puts together from enums.

/// What every change of an order writes. Neither of the two has a column of an index but `updated_at`.
macro_rules! update_order {
    () => {
        "UPDATE orders SET version = ?2, lifecycle = ?3, payment_status = ?4, fulfilment_status = ?5, return_status = ?6, \
         payment_method = ?7, payment_terms = ?8, shipping_method = ?9, coupon_code = ?10, notes = ?11, attempt = ?12, \
         claims = ?13, unmatched = ?14, holds = ?15, attention = ?16, notices = ?17, placing_deadline = ?18, retry_until = ?19, \
         updated_at = ?20, completed_at = ?21, cancelled_at = ?22, notified = max(notified, ?23), confirmed_at = ?24, \
         redriven_at = ?25, redacted_at = ?26, records = ?27, attention_open = ?28"
    };
}

macro_rules! order_columns {
    () => {
        "o.id, o.order_number, o.user_id, o.version, o.lifecycle, o.status, o.payment_status, o.fulfilment_status, \
         o.return_status, o.currency, o.subtotal, o.discount_amount, o.tax_amount, o.tax_included_amount, o.shipping_amount, \
         o.shipping_tax_amount, o.total_amount, o.shipping_method, o.payment_method, o.payment_terms, o.external_ref, o.coupon_code, o.claims, \
         o.attempt, o.unmatched, o.holds, o.attention, o.notices, o.notified, o.placing_deadline, o.retry_until, \
         o.created_at, o.updated_at, o.confirmed_at, o.completed_at, o.cancelled_at, o.notes, o.redriven_at, o.redacted_at, \
         o.records"
    };
}

macro_rules! load_order {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            order_columns!(),
            ", w.revision, w.due_at, w.fence, w.leased_until, w.taken_over, w.runs, w.tries \
             FROM orders o LEFT JOIN order_work w ON w.order_id = o.id WHERE ",
            $condition
        )
    };
}

// --- commit: checks, clauses 2 to 9 ---

/// Clause 2: whether the changeset was applied before.
pub(super) const REPLAYED: &str = "SELECT 1 FROM order_status_history WHERE order_id = ?1 AND seq = ?2 AND changeset_id = ?3";

/// Clauses 3 and 6, and `find_key`.
pub(super) const SELECT_KEY: &str = "SELECT user_id, method, key, request_hash, order_id FROM order_idempotency_keys \
     WHERE user_id = ?1 AND method = ?2 AND key = ?3";

/// The key that an order was made under.
pub(super) const SELECT_KEY_OF: &str = "SELECT user_id, method, key, request_hash, order_id FROM order_idempotency_keys \
     WHERE user_id = ?2 AND order_id = ?1 LIMIT 1";

/// Clause 7. Says what the index does, so that it is used.
pub(super) const COMMAND_KEY_USE: &str =
    "SELECT seq, command_hash FROM order_status_history WHERE order_id = ?1 AND command_key = ?2 AND command_key IS NOT NULL";

/// Clause 11.
pub(super) const SELECT_LEASE: &str = "SELECT fence, revision FROM order_work WHERE order_id = ?1";

/// Clause 8: whether the order holds the name, and how many uses are taken.
pub(super) const SELECT_CLAIM: &str = "SELECT EXISTS (SELECT 1 FROM order_claims WHERE order_id = ?1 AND name = ?2), \
     coalesce((SELECT in_use FROM order_claim_counts WHERE name = ?2), 0)";

/// Clauses 4 and 5.
pub(super) const ORDER_EXISTS: &str = "SELECT 1 FROM orders WHERE id = ?1";

// --- commit: writes ---

/// Clauses 4 and 9: no change means that the id or the number is taken.
pub(super) const INSERT_ORDER: &str = "INSERT INTO orders (id, version, lifecycle, payment_status, fulfilment_status, return_status, \
     payment_method, payment_terms, shipping_method, coupon_code, notes, attempt, claims, unmatched, holds, attention, notices, \
     placing_deadline, retry_until, updated_at, completed_at, cancelled_at, notified, confirmed_at, redriven_at, redacted_at, \
     records, attention_open, status, total_amount, subtotal, tax_amount, tax_included_amount, shipping_amount, \
     shipping_tax_amount, discount_amount, currency, user_id, order_number, created_at, external_ref) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, \
     ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41) ON CONFLICT DO NOTHING";

/// Clause 4: no change means a conflict. Leaves alone what lists are sorted and filtered by.
pub(super) const UPDATE_ORDER: &str = concat!(update_order!(), " WHERE id = ?1 AND version = ?29");

/// Clause 4: as [`UPDATE_ORDER`], when the status or an amount changes with it.
pub(super) const UPDATE_ORDER_LISTED: &str = concat!(
    update_order!(),
    ", status = ?29, total_amount = ?30, subtotal = ?31, tax_amount = ?32, tax_included_amount = ?33, shipping_amount = ?34, \
     shipping_tax_amount = ?35, discount_amount = ?36, currency = ?37 WHERE id = ?1 AND version = ?38"
);

/// Clause 5.
pub(super) const UPDATE_NOTIFIED: &str = "UPDATE orders SET notified = ?2 WHERE id = ?1 AND notified < ?2";

pub(super) const PUT_ITEM: &str = "INSERT OR REPLACE INTO order_items (order_id, n, id, product_id, variant_id, sku, name, quantity, \
     unit_price, discount_amount, subtotal, requires_shipping, cancelled, planned, shipped, delivered, returned, restocked, lost, \
     lots, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";

pub(super) const PUT_ADDRESS: &str = "INSERT OR REPLACE INTO order_addresses (order_id, address_type, id, first_name, last_name, \
     address_line1, address_line2, city, state, postal_code, country, phone, email, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

pub(super) const PUT_RESERVATION: &str = "INSERT OR REPLACE INTO order_reservations (order_id, n, id, sku, quantity, attempt, status, \
     committed, released, replaces, closing, closing_unknown, closing_serial, closing_units, closing_committed, closings, \
     closing_refused, reference, expires_at, available, refusals, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

pub(super) const PUT_PAYMENT: &str = "INSERT OR REPLACE INTO order_payment_transactions (order_id, n, id, parent, kind, origin, \
     payment_method, amount, settled_amount, currency, status, transaction_id, gateway_response, capture_before, deadline, token, return_url, \
     action_url, action_data, created_at, updated_at, verification) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";

pub(super) const PUT_SHIPMENT: &str = "INSERT OR REPLACE INTO order_shipments (order_id, n, id, status, carrier, tracking_number, lines, \
     shipped_at, delivered_at, lost_at, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

pub(super) const PUT_RETURN: &str = "INSERT OR REPLACE INTO order_returns (order_id, n, id, status, lines, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) const PUT_CREDIT: &str = "INSERT OR REPLACE INTO order_credits (order_id, n, id, kind, line, amount, created_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) const PUT_DISPUTE: &str = "INSERT OR REPLACE INTO order_disputes (order_id, n, id, reference, payment, amount, status, \
     created_at, closed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(super) const PUT_EDIT: &str = "INSERT OR REPLACE INTO order_edits (order_id, n, id, status, cause, due_amount, payment, deadline, \
     plan, first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email, created_at, \
     updated_at, reservation, reservation_end) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

pub(super) const PUT_METADATA: &str = "INSERT OR REPLACE INTO order_metadata (order_id, key, value) VALUES (?1, ?2, ?3)";

pub(super) const DELETE_ITEM: &str = "DELETE FROM order_items WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_RESERVATION: &str = "DELETE FROM order_reservations WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_PAYMENT: &str = "DELETE FROM order_payment_transactions WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_ADDRESSES: &str = "DELETE FROM order_addresses WHERE order_id = ?1";
pub(super) const DELETE_SHIPMENT: &str = "DELETE FROM order_shipments WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_RETURN: &str = "DELETE FROM order_returns WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_CREDIT: &str = "DELETE FROM order_credits WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_DISPUTE: &str = "DELETE FROM order_disputes WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_EDIT: &str = "DELETE FROM order_edits WHERE order_id = ?1 AND n = ?2";
pub(super) const DELETE_METADATA: &str = "DELETE FROM order_metadata WHERE order_id = ?1 AND key = ?2";

/// Redaction: what people wrote in rows that are there already.
pub(super) const ERASE_NOTES: &str =
    "UPDATE order_status_history SET notes = NULL WHERE order_id = ?1 AND seq <= ?2 AND notes IS NOT NULL";

pub(super) const INSERT_JOURNAL: &str = "INSERT INTO order_status_history (order_id, seq, id, event, from_status, status, payload, notes, \
     created_by, cause, command_key, command_hash, changeset_id, created_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Clause 20: SQLite gives the next position.
pub(super) const INSERT_FEED: &str = "INSERT INTO order_feed (order_id, first_seq, rows) VALUES (?1, ?2, ?3)";

/// Clause 6.
pub(super) const INSERT_KEY: &str =
    "INSERT INTO order_idempotency_keys (user_id, method, key, request_hash, order_id) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Clause 8.
pub(super) const INSERT_CLAIM: &str = "INSERT INTO order_claims (order_id, name) VALUES (?1, ?2)";
/// Clause 8.
pub(super) const DELETE_CLAIM: &str = "DELETE FROM order_claims WHERE order_id = ?1 AND name = ?2";
/// Clause 8.
pub(super) const PUT_CLAIM_COUNT: &str = "INSERT INTO order_claim_counts (name, in_use) VALUES (?1, ?2) \
     ON CONFLICT (name) DO UPDATE SET in_use = excluded.in_use";
/// Clause 8: one that nobody uses needs no row.
pub(super) const DELETE_CLAIM_COUNT: &str = "DELETE FROM order_claim_counts WHERE name = ?1";

// --- work, clauses 11 to 15 ---

/// Clauses 11 and 13: a lease for the placer.
pub(super) const LEASE_WORK: &str = "INSERT INTO order_work (order_id, due_at, fence, leased_until, revision) \
     VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT (order_id) DO UPDATE SET due_at = excluded.due_at, fence = excluded.fence, \
     leased_until = excluded.leased_until, taken_over = 0, revision = revision + 1 RETURNING revision";

/// Clauses 12 and 13: forward, never back; the revision rises even then, so that nobody puts the item off unaware.
pub(super) const WAKE_WORK: &str = "INSERT INTO order_work (order_id, due_at, revision) VALUES (?1, ?2, 1) \
     ON CONFLICT (order_id) DO UPDATE SET due_at = min(coalesce(due_at, excluded.due_at), excluded.due_at), \
     revision = revision + 1 RETURNING revision";

/// Clauses 13 and 14.
pub(super) const BEGIN_WORK: &str =
    "UPDATE order_work SET leased_until = ?2, runs = runs + 1, revision = revision + 1 WHERE order_id = ?1";

/// Clause 13.
pub(super) const EXTEND_WORK: &str =
    "UPDATE order_work SET leased_until = ?2, tries = ?3, revision = revision + 1 WHERE order_id = ?1";

/// Clauses 13 and 15.
pub(super) const RELEASE_WORK: &str = "UPDATE order_work SET fence = NULL, leased_until = NULL, taken_over = 0, runs = 0, due_at = ?2, tries = ?3, \
     revision = revision + 1 WHERE order_id = ?1";

/// Clause 15.
pub(super) const DELETE_WORK: &str = "DELETE FROM order_work WHERE order_id = ?1";

/// Clause 14: items that can be leased, soonest first.
pub(super) const CLAIMABLE: &str = "SELECT order_id FROM order_work INDEXED BY order_work_due \
     WHERE due_at <= ?1 AND (leased_until IS NULL OR leased_until <= ?1) \
     ORDER BY max(due_at, coalesce(leased_until, due_at)), order_id LIMIT ?2";

/// Clause 14: one order's item, due or not, unless it is stuck or leased.
pub(super) const CLAIMABLE_OF: &str = "SELECT order_id FROM order_work WHERE order_id = ?1 AND due_at IS NOT NULL \
     AND (leased_until IS NULL OR leased_until <= ?2)";

/// Clauses 13 and 14.
pub(super) const TAKE_LEASE: &str = "UPDATE order_work SET taken_over = fence IS NOT NULL, fence = ?2, leased_until = ?3, \
     revision = revision + 1 WHERE order_id = ?1";

/// Clause 14: when the next item can be leased that is not stuck.
pub(super) const NEXT_CLAIMABLE: &str =
    "SELECT min(max(due_at, coalesce(leased_until, due_at))) FROM order_work WHERE due_at IS NOT NULL";

/// `work_summary`. Only orders that are not done have a row, so all of them are looked at.
pub(super) const WORK_SUMMARY: &str = "SELECT count(*), count(*) FILTER (WHERE due_at IS NULL), \
     min(due_at) FILTER (WHERE leased_until IS NULL OR leased_until <= ?1), \
     max(leased_until) FILTER (WHERE leased_until > ?1) FROM order_work";

/// `SqliteStore::backup`: in one read transaction, without what is no longer in use.
pub(super) const BACK_UP: &str = "VACUUM INTO ?1";

// --- reading, clauses 16 to 19 ---

/// Clause 16.
pub(super) const LOAD_BY_ID: &str = load_order!("o.id = ?1");
/// Clause 16.
pub(super) const LOAD_BY_NUMBER: &str = load_order!("o.order_number = ?1");

pub(super) const SELECT_ITEMS: &str = "SELECT n, id, product_id, variant_id, sku, name, quantity, unit_price, discount_amount, subtotal, \
     requires_shipping, cancelled, planned, shipped, delivered, returned, restocked, lost, lots, created_at, updated_at \
     FROM order_items WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_ADDRESSES: &str = "SELECT address_type = 'SHIPPING', first_name, last_name, address_line1, address_line2, city, \
     state, postal_code, country, phone, email FROM order_addresses WHERE order_id = ?1";

pub(super) const SELECT_RESERVATIONS: &str = "SELECT n, sku, quantity, attempt, status, committed, released, replaces, closing, \
     closing_unknown, closing_serial, closing_units, closing_committed, closings, closing_refused, reference, expires_at, \
     available, refusals, created_at, updated_at FROM order_reservations WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_PAYMENTS: &str = "SELECT n, parent, kind, origin, payment_method, amount, settled_amount, status, verification, transaction_id, \
     gateway_response, capture_before, deadline, token, return_url, action_url, action_data, created_at, updated_at \
     FROM order_payment_transactions WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_SHIPMENTS: &str = "SELECT n, lines, status, carrier, tracking_number, shipped_at, delivered_at, lost_at, \
     created_at, updated_at FROM order_shipments WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_RETURNS: &str =
    "SELECT n, lines, status, created_at, updated_at FROM order_returns WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_CREDITS: &str =
    "SELECT n, kind, line, amount, created_at FROM order_credits WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_DISPUTES: &str =
    "SELECT reference, payment, amount, status, created_at, closed_at FROM order_disputes WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_EDITS: &str = "SELECT n, plan, status, cause, due_amount, payment, reservation, reservation_end, deadline, created_at, updated_at, first_name, \
     last_name, address_line1, address_line2, city, state, postal_code, country, phone, email \
     FROM order_edits WHERE order_id = ?1 ORDER BY n";

pub(super) const SELECT_METADATA: &str = "SELECT key, value FROM order_metadata WHERE order_id = ?1";

/// Clause 18.
pub(super) const SELECT_JOURNAL: &str = "SELECT order_id, seq, payload, from_status, status, created_by, cause, notes, command_key, \
     command_hash, changeset_id, created_at FROM order_status_history WHERE order_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// Clause 18: the row of a command key, by the index of clause 7.
pub(super) const SELECT_JOURNAL_OF_KEY: &str = "SELECT order_id, seq, payload, from_status, status, created_by, cause, notes, \
     command_key, command_hash, changeset_id, created_at FROM order_status_history \
     WHERE order_id = ?1 AND seq > ?2 AND command_key = ?4 AND command_key IS NOT NULL LIMIT ?3";

/// `peek`.
pub(super) const PEEK: &str =
    "SELECT o.version, w.fence FROM orders o LEFT JOIN order_work w ON w.order_id = o.id WHERE o.id = ?1";

// --- reading the whole store, clauses 20 to 22 ---

/// Clause 21.
pub(super) const SELECT_STORE: &str = "SELECT id FROM order_store";

/// Clause 21: whether there is such a place.
pub(super) const FEED_HAS: &str = "SELECT h.changeset_id FROM order_feed f CROSS JOIN order_status_history h \
     ON h.order_id = f.order_id AND h.seq = f.first_seq + ?2 - 1 WHERE f.position = ?1 AND f.rows >= ?2";

/// Clause 20. Parameters: position and row of the cursor, limit. The joins are crossed so that they stay in this order, which
/// needs no sorting.
pub(super) const SELECT_FEED: &str = "SELECT h.order_id, h.seq, h.payload, h.from_status, h.status, h.created_by, h.cause, h.notes, \
     h.command_key, h.command_hash, h.changeset_id, h.created_at, f.position, h.seq - f.first_seq + 1, o.order_number \
     FROM order_feed f CROSS JOIN order_status_history h ON h.order_id = f.order_id \
     AND h.seq >= f.first_seq AND h.seq < f.first_seq + f.rows CROSS JOIN orders o ON o.id = f.order_id \
     WHERE f.position >= ?1 AND (f.position > ?1 OR h.seq >= f.first_seq + ?2) ORDER BY f.position, h.seq LIMIT ?3";
