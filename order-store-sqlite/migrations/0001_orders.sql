-- Orders, their records, their journal, and the work that is left to do for them.
--
-- The columns are those of order-core's `store::records`, which says what stands in them. Ids are BLOBs of 16 bytes, a
-- UUID's: read them with hex(id), write them as x'3f2c8f0e6b1d4c589a0e3b6a2f0c1d11'. Amounts are INTEGER minor units of
-- orders.currency; times are INTEGER microseconds since 1970 in UTC, which datetime(created_at / 1000000, 'unixepoch') shows.
-- JSON columns are NULL when there is nothing to keep.
--
-- A list of allowed values is checked by CASE, because SQLite builds a temporary table for IN on every write.

-- What the file is, and which programs may use it: those whose schema has at least this number.
CREATE TABLE order_store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- What cursors of the feed name the store by, so that a cursor of another store is noticed.
    id BLOB NOT NULL CHECK (length(id) = 16),
    min_reader INTEGER NOT NULL,
    min_writer INTEGER NOT NULL
) STRICT;

INSERT INTO order_store (one, id, min_reader, min_writer) VALUES (1, randomblob(16), 1, 1);

CREATE TABLE orders (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    order_number TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL CHECK (version >= 1),
    lifecycle TEXT NOT NULL CHECK (CASE lifecycle
        WHEN 'PENDING' THEN 1 WHEN 'CONFIRMED' THEN 1 WHEN 'COMPLETED' THEN 1 WHEN 'CANCELLING' THEN 1
        WHEN 'CANCELLED' THEN 1 WHEN 'PAYMENT_FAILED' THEN 1 WHEN 'REJECTED' THEN 1 WHEN 'EXPIRED' THEN 1 ELSE 0 END),
    status TEXT NOT NULL CHECK (CASE status
        WHEN 'PENDING' THEN 1 WHEN 'CONFIRMED' THEN 1 WHEN 'PROCESSING' THEN 1 WHEN 'PARTIALLY_SHIPPED' THEN 1
        WHEN 'SHIPPED' THEN 1 WHEN 'PARTIALLY_DELIVERED' THEN 1 WHEN 'DELIVERED' THEN 1 WHEN 'COMPLETED' THEN 1
        WHEN 'CANCELLING' THEN 1 WHEN 'CANCELLED' THEN 1 WHEN 'PAYMENT_FAILED' THEN 1 WHEN 'REJECTED' THEN 1
        WHEN 'EXPIRED' THEN 1 ELSE 0 END),
    payment_status TEXT NOT NULL,
    fulfilment_status TEXT NOT NULL,
    return_status TEXT NOT NULL,
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    subtotal INTEGER NOT NULL CHECK (subtotal >= 0),
    discount_amount INTEGER NOT NULL CHECK (discount_amount >= 0),
    tax_amount INTEGER NOT NULL CHECK (tax_amount >= 0),
    tax_included_amount INTEGER NOT NULL CHECK (tax_included_amount >= 0),
    shipping_amount INTEGER NOT NULL CHECK (shipping_amount >= 0),
    shipping_tax_amount INTEGER NOT NULL CHECK (shipping_tax_amount >= 0),
    total_amount INTEGER NOT NULL CHECK (total_amount >= 0),
    shipping_method TEXT,
    payment_method TEXT NOT NULL,
    payment_terms TEXT NOT NULL,
    -- What it is called elsewhere.
    external_ref TEXT,
    coupon_code TEXT,
    -- JSON: the limited things it took; provider reports that fit no operation; holds; open reasons to look; what the
    -- customer is yet to be told, above row `notified`.
    redemptions TEXT,
    round INTEGER NOT NULL CHECK (round >= 0),
    unmatched TEXT,
    holds TEXT,
    attention TEXT,
    attention_open INTEGER NOT NULL,
    notices TEXT,
    notified INTEGER NOT NULL CHECK (notified >= 0),
    placing_deadline INTEGER NOT NULL,
    retry_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    completed_at INTEGER,
    cancelled_at INTEGER,
    stuck_retried_at INTEGER,
    redacted_at INTEGER,
    notes TEXT,
    -- Of which other tables it has rows, so that no others are looked at: 2 items, 4 addresses, 8 payments, 16 reservations,
    -- 32 shipments, 64 returns, 128 credits, 256 disputes, 512 edits, 1024 metadata.
    records INTEGER NOT NULL,
    -- The idempotency key that it was made under, and a hash of the request.
    key_method TEXT,
    key TEXT,
    request_hash BLOB CHECK (length(request_hash) = 16),
    CHECK (total_amount = subtotal + tax_amount + shipping_amount - discount_amount),
    CHECK ((key IS NULL) = (key_method IS NULL) AND (key IS NULL) = (request_hash IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX orders_by_key ON orders (user_id, key_method, key) WHERE key IS NOT NULL;
-- Ids are built of the time, so that lists by creation are lists by id. A list that asks for no status merges the thirteen ranges
-- of one of these, so that they need not exist twice.
CREATE INDEX orders_by_status ON orders (status, id);
CREATE INDEX orders_by_user ON orders (user_id, status, id);
CREATE INDEX orders_by_payment ON orders (payment_status, id);
CREATE INDEX orders_by_fulfilment ON orders (fulfilment_status, id);
CREATE INDEX orders_by_update ON orders (status, updated_at, id);
CREATE INDEX orders_by_total ON orders (status, total_amount, id);
CREATE INDEX orders_by_external_ref ON orders (external_ref, id) WHERE external_ref IS NOT NULL;
CREATE INDEX orders_with_attention ON orders (id) WHERE attention_open = 1;

CREATE TABLE order_items (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    product_id BLOB NOT NULL CHECK (length(product_id) = 16),
    variant_id BLOB CHECK (length(variant_id) = 16),
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    unit_price INTEGER NOT NULL CHECK (unit_price >= 0),
    discount_amount INTEGER NOT NULL CHECK (discount_amount >= 0),
    subtotal INTEGER NOT NULL CHECK (subtotal >= 0),
    requires_shipping INTEGER NOT NULL,
    -- What became of the units.
    cancelled INTEGER NOT NULL CHECK (cancelled >= 0),
    planned INTEGER NOT NULL CHECK (planned >= 0),
    shipped INTEGER NOT NULL CHECK (shipped >= 0),
    delivered INTEGER NOT NULL CHECK (delivered >= 0),
    returned INTEGER NOT NULL CHECK (returned >= 0),
    restocked INTEGER NOT NULL CHECK (restocked >= 0),
    lost INTEGER NOT NULL CHECK (lost >= 0),
    -- JSON: of each group of equal units [units, subtotal, coupon, tax, tax included], and its credit if there is one.
    lots TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n),
    CHECK (subtotal = quantity * unit_price - discount_amount)
) STRICT, WITHOUT ROWID;

CREATE INDEX order_items_by_sku ON order_items (sku, order_id);

-- The billing address only where it is not the shipping address. Private.
CREATE TABLE order_addresses (
    order_id BLOB NOT NULL REFERENCES orders (id),
    address_type TEXT NOT NULL CHECK (address_type = 'SHIPPING' OR address_type = 'BILLING'),
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    address_line1 TEXT NOT NULL,
    address_line2 TEXT,
    city TEXT NOT NULL,
    state TEXT NOT NULL,
    postal_code TEXT NOT NULL,
    country TEXT NOT NULL,
    phone TEXT,
    email TEXT,
    PRIMARY KEY (order_id, address_type)
) STRICT, WITHOUT ROWID;

CREATE INDEX order_addresses_by_email ON order_addresses (email, order_id) WHERE email IS NOT NULL;

CREATE TABLE order_payment_transactions (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    -- The operation it acts on, for a capture, void or refund.
    parent INTEGER,
    kind TEXT NOT NULL,
    -- ENGINE if the engine asked for it, OUTSIDE or CHARGEBACK if it was reported.
    origin TEXT NOT NULL,
    payment_method TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    settled_amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    status TEXT NOT NULL,
    -- Whether what is recorded was compared with the provider's records.
    verification TEXT NOT NULL,
    -- The provider's name for it, once it has given one.
    transaction_id TEXT,
    -- The provider's reason for a decline or a failure.
    gateway_response TEXT,
    capture_before INTEGER,
    deadline INTEGER,
    -- Private, and erased once the attempt is settled.
    token TEXT,
    return_url TEXT,
    action_url TEXT,
    action_data TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_reservations (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    round INTEGER NOT NULL CHECK (round >= 0),
    status TEXT NOT NULL,
    -- How many units left the stock, and how many were given back.
    committed INTEGER NOT NULL CHECK (committed >= 0),
    released INTEGER NOT NULL CHECK (released >= 0),
    -- The larger reservation it takes the place of.
    replaces INTEGER,
    -- What is being done to one that is held: whether the call's outcome is unknown, which of its closings it is, to how many
    -- units, and whether they had left the stock.
    closing TEXT,
    closing_unknown INTEGER,
    closing_serial INTEGER,
    closing_units INTEGER,
    closing_committed INTEGER,
    -- How many closings were begun, and whether the last was refused.
    closings INTEGER NOT NULL CHECK (closings >= 0),
    closing_refused INTEGER NOT NULL,
    -- The inventory's name for it, once known.
    reference TEXT,
    expires_at INTEGER,
    available INTEGER,
    -- How often giving it back or committing it was refused.
    refusals INTEGER NOT NULL CHECK (refusals >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_shipments (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    status TEXT NOT NULL,
    carrier TEXT,
    tracking_number TEXT,
    -- JSON: units of lines.
    lines TEXT NOT NULL,
    shipped_at INTEGER,
    delivered_at INTEGER,
    -- When it was last taken for lost, whatever it is now.
    lost_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_returns (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    status TEXT NOT NULL,
    -- JSON: units of lines, and how many of them came back.
    lines TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_credits (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    kind TEXT NOT NULL,
    -- The line it is for, if it is for one.
    line INTEGER,
    amount INTEGER NOT NULL CHECK (amount > 0),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;

-- Numbered as they were opened: the provider's name for a dispute is its own.
CREATE TABLE order_disputes (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    reference TEXT NOT NULL,
    -- The payment operation it is about, if that is known.
    payment INTEGER,
    amount INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    closed_at INTEGER,
    PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_edits (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    status TEXT NOT NULL,
    cause TEXT,
    -- What must be paid before it applies, and the first payment operation that may be for it.
    due_amount INTEGER NOT NULL,
    payment INTEGER,
    -- The first reservation that may be for it, and, once it is over, the first that cannot be any more.
    reservation INTEGER NOT NULL,
    reservation_end INTEGER,
    deadline INTEGER NOT NULL,
    -- JSON: what changes, priced.
    plan TEXT NOT NULL,
    -- Where the goods go then, if that changes. Private, and erased once the edit is over.
    first_name TEXT,
    last_name TEXT,
    address_line1 TEXT,
    address_line2 TEXT,
    city TEXT,
    state TEXT,
    postal_code TEXT,
    country TEXT,
    phone TEXT,
    email TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n),
    CHECK (status = 'OPEN' OR first_name IS NULL)
) STRICT, WITHOUT ROWID;

-- Private.
CREATE TABLE order_metadata (
    order_id BLOB NOT NULL REFERENCES orders (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (order_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX order_metadata_by_value ON order_metadata (key, value, order_id);

-- The journal: append-only, numbered 1, 2, … within the order. In the order of commits, which is the feed's: nothing is ever deleted,
-- so the position that SQLite gives a new row, one more than the largest, is never given twice. A row is found by its order
-- through order_changesets rather than by an index of its own, which every placing would have to keep up row by row.
CREATE TABLE order_status_history (
    position INTEGER PRIMARY KEY,
    order_id BLOB NOT NULL REFERENCES orders (id),
    seq INTEGER NOT NULL CHECK (seq >= 1),
    -- The event as JSON, without personal data, and the format it is written in.
    format INTEGER NOT NULL,
    event TEXT NOT NULL,
    from_status TEXT,
    status TEXT NOT NULL,
    -- user:<uuid>, operator:<name>, service:<name> or system.
    created_by TEXT NOT NULL,
    cause TEXT NOT NULL,
    notes TEXT,
    -- The key that the command was given under, and a hash of the command.
    command_key TEXT,
    command_hash BLOB CHECK (length(command_hash) = 16),
    changeset_id BLOB NOT NULL CHECK (length(changeset_id) = 16),
    created_at INTEGER NOT NULL,
    CHECK ((command_key IS NULL) = (command_hash IS NULL))
) STRICT;

CREATE UNIQUE INDEX order_command_keys ON order_status_history (order_id, command_key) WHERE command_key IS NOT NULL;

-- Where the rows of each changeset stand in order_status_history: side by side from a position on, so many.
CREATE TABLE order_changesets (
    order_id BLOB NOT NULL REFERENCES orders (id),
    first_seq INTEGER NOT NULL CHECK (first_seq >= 1),
    rows INTEGER NOT NULL CHECK (rows >= 1),
    position INTEGER NOT NULL CHECK (position >= 1),
    PRIMARY KEY (order_id, first_seq)
) STRICT, WITHOUT ROWID;

-- Which order holds a use of which limited thing, and how many uses are taken in all.
CREATE TABLE order_redemptions (
    order_id BLOB NOT NULL REFERENCES orders (id),
    name TEXT NOT NULL,
    PRIMARY KEY (order_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_redemption_counts (
    name TEXT NOT NULL PRIMARY KEY,
    in_use INTEGER NOT NULL CHECK (in_use >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_work (
    order_id BLOB NOT NULL PRIMARY KEY REFERENCES orders (id),
    -- From when on the lease can be taken: the later of due_at and leased_until; NULL: stuck.
    leasable_at INTEGER CHECK (leasable_at IS max(due_at, coalesce(leased_until, due_at))),
    -- When to look next; NULL: stuck.
    due_at INTEGER,
    leased_until INTEGER,
    fence BLOB CHECK (length(fence) = 16),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    -- Whether the lease was taken over from a worker that never gave it back, and how many in a row began on it after that.
    taken_over INTEGER NOT NULL,
    runs INTEGER NOT NULL CHECK (runs >= 0),
    -- JSON: what was tried, per operation.
    tries TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX order_work_leasable ON order_work (leasable_at, order_id);
