-- The feed: every changeset that wrote journal rows, in the order of their commits.

-- What cursors of the feed name the store by, so that a cursor of another store is noticed.
CREATE TABLE order_store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL CHECK (length(id) = 16)
) STRICT;

INSERT INTO order_store (one, id) VALUES (1, randomblob(16));

-- One row for each changeset rather than an index of the journal, which every placing would have to keep up. Nothing is ever
-- deleted, so the position that SQLite gives a new row, one more than the largest, is never given twice.
CREATE TABLE order_feed (
    position INTEGER PRIMARY KEY,
    order_id BLOB NOT NULL REFERENCES orders (id),
    -- The rows of order_status_history from this one on, so many.
    first_seq INTEGER NOT NULL CHECK (first_seq >= 1),
    rows INTEGER NOT NULL CHECK (rows >= 1)
) STRICT;

-- What was there before, by time: the running maximum keeps each order's in sequence, whatever the clock did.
INSERT INTO order_feed (order_id, first_seq, rows)
SELECT order_id, min(seq), count(*)
FROM (
    SELECT order_id, seq, changeset_id, max(created_at) OVER (PARTITION BY order_id ORDER BY seq) AS at
    FROM order_status_history
)
GROUP BY order_id, changeset_id
ORDER BY min(at), order_id, min(seq);
