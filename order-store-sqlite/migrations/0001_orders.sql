-- Orders, their records, their journal, and the work that is left to do for them.
--
-- Ids are BLOBs of 16 bytes, a UUID's: read them with hex(id), write them as x'3f2c8f0e6b1d4c589a0e3b6a2f0c1d11'.
-- Amounts are INTEGER minor units of orders.currency; times are INTEGER microseconds since 1970 in UTC, which
-- datetime(created_at / 1000000, 'unixepoch') shows. JSON columns are NULL when there is nothing to keep.
--
-- A list of allowed values is checked by CASE, because SQLite builds a temporary table for IN on every write.

-- A rowid table: its rows are too wide for a clustered one, whose inner pages hold whole rows.
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
    total_amount INTEGER NOT NULL CHECK (total_amount >= 0),
    subtotal INTEGER NOT NULL CHECK (subtotal >= 0),
    tax_amount INTEGER NOT NULL CHECK (tax_amount >= 0),
    tax_included_amount INTEGER NOT NULL CHECK (tax_included_amount >= 0),
    shipping_amount INTEGER NOT NULL CHECK (shipping_amount >= 0),
    shipping_tax_amount INTEGER NOT NULL CHECK (shipping_tax_amount >= 0),
    discount_amount INTEGER NOT NULL CHECK (discount_amount >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    payment_method TEXT NOT NULL,
    payment_terms TEXT NOT NULL,
    shipping_method TEXT,
    coupon_code TEXT,
    -- What it is called elsewhere.
    external_ref TEXT,
    notes TEXT,
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    -- JSON: the limited things it took; provider reports that fit no operation; holds; open reasons to look; what the
    -- customer is yet to be told.
    claims TEXT,
    unmatched TEXT,
    holds TEXT,
    attention TEXT,
    notices TEXT,
    -- The journal row up to which the customer was told. Changes without the version.
    notified INTEGER NOT NULL CHECK (notified >= 0),
    placing_deadline INTEGER NOT NULL,
    retry_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    completed_at INTEGER,
    cancelled_at INTEGER,
    CHECK (total_amount = subtotal + tax_amount + shipping_amount - discount_amount)
) STRICT;

-- A list without a status or a user merges the thirteen ranges of one of these, so that they need not exist twice.
CREATE INDEX orders_by_creation ON orders (status, created_at, id);
CREATE INDEX orders_by_user ON orders (user_id, status, created_at, id);
CREATE INDEX orders_by_update ON orders (status, updated_at, id);
CREATE INDEX orders_by_total ON orders (status, total_amount, id);
CREATE INDEX orders_with_attention ON orders (id) WHERE attention IS NOT NULL;

CREATE TABLE order_items (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    product_id BLOB NOT NULL CHECK (length(product_id) = 16),
    variant_id BLOB CHECK (length(variant_id) = 16),
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 1),
    unit_price INTEGER NOT NULL CHECK (unit_price >= 0),
    subtotal INTEGER NOT NULL CHECK (subtotal >= 0),
    discount_amount INTEGER NOT NULL CHECK (discount_amount >= 0),
    requires_shipping INTEGER NOT NULL,
    -- What became of the units.
    cancelled INTEGER NOT NULL CHECK (cancelled >= 0),
    planned INTEGER NOT NULL CHECK (planned >= 0),
    shipped INTEGER NOT NULL CHECK (shipped >= 0),
    delivered INTEGER NOT NULL CHECK (delivered >= 0),
    returned INTEGER NOT NULL CHECK (returned >= 0),
    -- JSON: of each group of equal units [units, subtotal, coupon, tax, tax included].
    lots TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n),
    CHECK (subtotal = quantity * unit_price - discount_amount)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_addresses (
    order_id BLOB NOT NULL REFERENCES orders (id),
    address_type TEXT NOT NULL CHECK (address_type = 'SHIPPING' OR address_type = 'BILLING'),
    id BLOB NOT NULL CHECK (length(id) = 16),
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
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, address_type)
) STRICT, WITHOUT ROWID;

-- The journal: append-only, numbered 1, 2, … within the order. A rowid table, because payloads are wide.
CREATE TABLE order_status_history (
    order_id BLOB NOT NULL REFERENCES orders (id),
    seq INTEGER NOT NULL CHECK (seq >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    event TEXT NOT NULL,
    from_status TEXT,
    status TEXT NOT NULL,
    -- JSON with a format number; without personal data.
    payload TEXT NOT NULL,
    notes TEXT,
    -- user:<uuid>, operator:<name>, service:<name> or system.
    created_by TEXT NOT NULL,
    cause TEXT NOT NULL,
    -- The key that the command was given under, and a hash of the command.
    command_key TEXT,
    command_hash BLOB CHECK (length(command_hash) = 16),
    changeset_id BLOB NOT NULL CHECK (length(changeset_id) = 16),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, seq),
    CHECK ((command_key IS NULL) = (command_hash IS NULL))
) STRICT;

CREATE UNIQUE INDEX order_command_keys ON order_status_history (order_id, command_key) WHERE command_key IS NOT NULL;

CREATE TABLE order_payment_transactions (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    -- The operation it acts on, for a capture, void or refund.
    parent INTEGER,
    kind TEXT NOT NULL,
    -- The provider's name for it, once it has given one.
    transaction_id TEXT,
    payment_method TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    settled_amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    status TEXT NOT NULL,
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
    id BLOB NOT NULL CHECK (length(id) = 16),
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    status TEXT NOT NULL,
    -- What is being done to a held one, and whether a call for it has an unknown outcome.
    closing TEXT,
    closing_unknown INTEGER,
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

CREATE TABLE order_idempotency_keys (
    user_id BLOB NOT NULL CHECK (length(user_id) = 16),
    method TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL CHECK (length(request_hash) = 16),
    order_id BLOB NOT NULL REFERENCES orders (id),
    PRIMARY KEY (user_id, method, key)
) STRICT, WITHOUT ROWID;

-- Which order holds a use of which limited thing, and how many uses are taken in all.
CREATE TABLE order_claims (
    order_id BLOB NOT NULL REFERENCES orders (id),
    name TEXT NOT NULL,
    PRIMARY KEY (order_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_claim_counts (
    name TEXT NOT NULL PRIMARY KEY,
    in_use INTEGER NOT NULL CHECK (in_use >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE order_work (
    order_id BLOB NOT NULL PRIMARY KEY REFERENCES orders (id),
    -- When to look next; NULL: stuck.
    due_at INTEGER,
    fence BLOB CHECK (length(fence) = 16),
    leased_until INTEGER,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    -- Whether the lease was taken over from a worker that never gave it back, and how many in a row began on it after that.
    taken_over INTEGER NOT NULL DEFAULT 0,
    runs INTEGER NOT NULL DEFAULT 0 CHECK (runs >= 0),
    -- JSON: what was tried, per operation.
    tries TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX order_work_due ON order_work (due_at);
