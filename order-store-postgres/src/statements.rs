//! The statements that follow from the tables of [`order_core::store::records`], put together once.

use std::fmt::Write as _;
use std::sync::LazyLock;

use order_core::store::records::{CHILDREN, ORDER_STATUS_HISTORY, ORDER_WORK, ORDERS};

/// The columns of [`ORDERS`] that stand in the table `orders` itself: what is listed, and what
/// seldom changes. The others stand in `order_state`.
pub(crate) const LISTED: [&str; 25] = [
    "id",
    "user_id",
    "order_number",
    "status",
    "payment_status",
    "fulfilment_status",
    "currency",
    "subtotal",
    "discount_amount",
    "tax_amount",
    "tax_included_amount",
    "shipping_amount",
    "shipping_tax_amount",
    "total_amount",
    "shipping_method",
    "payment_method",
    "payment_terms",
    "external_ref",
    "coupon_code",
    "attention_open",
    "created_at",
    "notes",
    "key_method",
    "key",
    "request_hash",
];

/// See [`Statements`].
pub(crate) static STATEMENTS: LazyLock<Statements> = LazyLock::new(Statements::new);

/// Statements of which each reads in one round trip.
pub(crate) struct Statements {
    /// The columns that are selected of an order `o`: its own columns, those of its work item, and
    /// an array of records for each of its other tables, as bytes: nodes cannot hand records to
    /// each other.
    pub(crate) order: String,
    /// The tables that they are selected from, from `orders o` on.
    pub(crate) beside: &'static str,
    /// Clause 16. Parameters: bucket, id.
    pub(crate) load_by_id: String,
    /// Clause 16. Parameters: bucket, number.
    pub(crate) load_by_number: String,
    /// Clause 16. Parameters: bucket, user, method, key.
    pub(crate) load_by_key: String,
    /// The orders with leases, in the order of the ids. Parameters: ids, their buckets, the lease.
    pub(crate) load_leased: String,
    /// Clause 18. Parameters: bucket, order, after which row, how many.
    pub(crate) journal: String,
    /// Clause 18. Parameters: bucket, order, after which row, how many, the command key.
    pub(crate) journal_of_key: String,
    /// Clause 20: what comes next in each partition, no more of it than a page may have, merged by
    /// when it was fed. Parameters: the partitions, after which position and row of each, how many.
    pub(crate) feed: String,
}

/// The number of columns that [`Statements::order`] has.
pub(crate) fn order_columns() -> usize {
    ORDERS.columns.len() + ORDER_WORK.columns.len() + CHILDREN.len()
}

impl Statements {
    fn new() -> Self {
        let mut order = String::with_capacity(8_192);
        for column in ORDERS.columns {
            let table = if LISTED.contains(&column.name) {
                "o"
            } else {
                "s"
            };
            let _ = write!(order, "{table}.{}, ", column.name);
        }
        order.push_str(&ORDER_WORK.list("w."));
        for table in CHILDREN {
            let (bit, list) = (1u32 << table.n, table.list("t."));
            let key: Vec<String> = table
                .key_columns()
                .iter()
                .skip(1)
                .map(|column| format!("t.{}", column.name))
                .collect();
            let _ = write!(
                order,
                ", CASE WHEN s.records & {bit} <> 0 THEN array_send((SELECT array_agg(ROW({list}) ORDER BY {}) FROM {} t \
                 WHERE t.bucket = o.bucket AND t.order_id = o.id)) END",
                key.join(", "),
                table.name
            );
        }
        let beside = "JOIN order_state s ON s.bucket = o.bucket AND s.order_id = o.id \
             LEFT JOIN order_work w ON w.bucket = o.bucket AND w.order_id = o.id";
        // Of one bucket, in the records too, so that nodes see that one of them has all.
        let of_one = order.replace("t.bucket = o.bucket", "t.bucket = $1");
        let load =
            |condition: &str| format!("SELECT {of_one} FROM orders o {beside} WHERE {condition}");
        let (history, joined) = (
            ORDER_STATUS_HISTORY.list(""),
            ORDER_STATUS_HISTORY.list("h."),
        );
        Statements {
            load_by_id: load("o.bucket = $1 AND o.id = $2"),
            load_by_number: load("o.order_number = $2 AND o.bucket = $1"),
            load_by_key: load(
                "o.bucket = $1 AND o.user_id = $2 AND o.key_method = $3 AND o.key = $4 AND o.key IS NOT NULL",
            ),
            load_leased: format!(
                "SELECT {order} FROM unnest($1, $2) WITH ORDINALITY AS l (id, bucket, n) \
                 JOIN orders o ON o.bucket = l.bucket AND o.id = l.id {beside} WHERE w.fence = $3 ORDER BY l.n"
            ),
            journal: format!(
                "SELECT {history} FROM order_status_history WHERE bucket = $1 AND order_id = $2 AND seq > $3 \
                 ORDER BY bucket, order_id, seq LIMIT $4"
            ),
            journal_of_key: format!(
                "SELECT {history} FROM order_status_history WHERE bucket = $1 AND order_id = $2 AND seq > $3 \
                 AND command_key = $5 AND command_key IS NOT NULL LIMIT $4"
            ),
            feed: format!(
                "SELECT {joined}, f.position, h.seq - f.first_seq + 1, o.order_number, f.partition, o.currency FROM \
                 (SELECT f.bucket, f.partition, f.position, f.fed_at, f.order_id, f.first_seq, f.rows, \
                 CASE WHEN f.position = c.position THEN c.row ELSE 0 END AS after \
                 FROM unnest($1, $2, $3) AS c (partition, position, row) \
                 JOIN order_feed f ON f.partition = c.partition AND f.position >= c.position AND f.position <= c.position + $4 \
                 WHERE f.position > c.position OR f.rows > c.row \
                 ORDER BY f.fed_at, f.partition, f.position LIMIT $4) f \
                 JOIN order_status_history h ON h.bucket = f.bucket AND h.order_id = f.order_id \
                 AND h.seq >= f.first_seq AND h.seq < f.first_seq + f.rows AND h.seq - f.first_seq + 1 > f.after \
                 JOIN orders o ON o.bucket = f.bucket AND o.id = f.order_id \
                 ORDER BY f.fed_at, f.partition, f.position, h.seq LIMIT $4"
            ),
            order,
            beside,
        }
    }
}

/// The call of `order_commit_v1`, with a parameter for each of its own.
pub(crate) static COMMIT: LazyLock<String> = LazyLock::new(|| {
    let parameters: Vec<String> = (1..=COMMIT_PARAMETERS).map(|n| format!("${n}")).collect();
    format!("SELECT * FROM order_commit_v1({})", parameters.join(", "))
});

/// The number of parameters that `order_commit_v1` has.
pub(crate) const COMMIT_PARAMETERS: usize = 40;

/// Parameters: store, schema, now, lease, time to live, how many, bucket and order.
pub(crate) const LEASE: &str =
    "SELECT leased, next_in, as_of FROM order_lease_v1($1, $2, $3, $4, $5, $6, $7, $8)";

/// Parameters: bucket, order.
pub(crate) const PEEK: &str = "SELECT s.version, w.fence FROM order_state s \
     LEFT JOIN order_work w ON w.bucket = s.bucket AND w.order_id = s.order_id WHERE s.bucket = $1 AND s.order_id = $2";

/// Parameter: now.
pub(crate) const WORK_SUMMARY: &str = "SELECT count(*), count(*) FILTER (WHERE due_at IS NULL), \
     min(due_at) FILTER (WHERE leased_until IS NULL OR leased_until <= t.now), \
     max(leased_until) FILTER (WHERE leased_until > t.now) \
     FROM order_work, (SELECT coalesce($1, clock_timestamp()) AS now) t";

/// Selects what stands at places of the feed. Parameters: their partitions, positions and rows.
pub(crate) const FEED_HAS: &str = "SELECT c.partition, h.changeset_id FROM unnest($1, $2, $3) AS c (partition, position, row) \
     JOIN order_feed f ON f.partition = c.partition AND f.position = c.position \
     JOIN order_status_history h ON h.bucket = f.bucket AND h.order_id = f.order_id AND h.seq = f.first_seq + c.row - 1 \
     WHERE c.row <= f.rows";

/// The items whose leases can be had soonest, in how many microseconds each, and the time; a row
/// with the time alone where there are none. Parameters: now, how many.
pub(crate) const LEASABLE: &str = "SELECT coalesce(greatest(extract(epoch FROM w.leasable_at - t.now) * 1000000, 0)::bigint, 0), w.order_id, t.now \
     FROM (SELECT coalesce($1, clock_timestamp()) AS now) t LEFT JOIN (SELECT order_id, leasable_at FROM order_work \
     WHERE leasable_at IS NOT NULL ORDER BY leasable_at, order_id LIMIT $2) w ON true ORDER BY w.leasable_at, w.order_id";

/// Selects the identity of the store.
pub(crate) const STORE: &str =
    "SELECT id, min_reader, min_writer, partitions, partition_of FROM order_store WHERE one = 1";
