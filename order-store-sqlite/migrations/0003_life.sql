-- What becomes of an order after it is placed: shipments, returns, credits, disputes, edits, and what programs keep with it.
--
-- A bit in orders.records says of which of these tables an order has rows, so that most orders are loaded without a look
-- at any of them: 1 shipments, 2 returns, 4 credits, 8 disputes, 16 edits, 32 metadata.

ALTER TABLE orders ADD COLUMN confirmed_at INTEGER;
-- When what repeating could not cure was last asked for again.
ALTER TABLE orders ADD COLUMN redriven_at INTEGER;
-- When its personal data was erased.
ALTER TABLE orders ADD COLUMN redacted_at INTEGER;
ALTER TABLE orders ADD COLUMN records INTEGER NOT NULL DEFAULT 0;
-- Whether one of the reasons to look has not been seen by anybody.
ALTER TABLE orders ADD COLUMN attention_open INTEGER NOT NULL DEFAULT 0;

UPDATE orders SET attention_open = 1 WHERE attention IS NOT NULL;
UPDATE orders SET confirmed_at = (SELECT h.created_at FROM order_status_history h
    WHERE h.order_id = orders.id AND h.event = 'CONFIRMED' ORDER BY h.seq DESC LIMIT 1);

DROP INDEX orders_with_attention;
CREATE INDEX orders_with_attention ON orders (id) WHERE attention_open = 1;

-- An edit may take every unit off a line, so the quantity may now be 0: SQLite changes a CHECK only with its table.
CREATE TABLE order_items_with_life (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    product_id BLOB NOT NULL CHECK (length(product_id) = 16),
    variant_id BLOB CHECK (length(variant_id) = 16),
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 0),
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
    restocked INTEGER NOT NULL CHECK (restocked >= 0),
    lost INTEGER NOT NULL CHECK (lost >= 0),
    -- JSON: of each group of equal units [units, subtotal, coupon, tax, tax included], and its credit if there is one.
    lots TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, n),
    CHECK (subtotal = quantity * unit_price - discount_amount)
) STRICT, WITHOUT ROWID;

INSERT INTO order_items_with_life (order_id, n, id, product_id, variant_id, sku, name, quantity, unit_price, subtotal,
    discount_amount, requires_shipping, cancelled, planned, shipped, delivered, returned, restocked, lost, lots, created_at,
    updated_at)
SELECT order_id, n, id, product_id, variant_id, sku, name, quantity, unit_price, subtotal,
    discount_amount, requires_shipping, cancelled, planned, shipped, delivered, returned, 0, 0, lots, created_at, updated_at
FROM order_items;

DROP TABLE order_items;
ALTER TABLE order_items_with_life RENAME TO order_items;

-- ENGINE if the engine asked for it, OUTSIDE or CHARGEBACK if it was reported.
ALTER TABLE order_payment_transactions ADD COLUMN origin TEXT NOT NULL DEFAULT 'ENGINE';
-- Whether what is recorded was compared with the provider's records.
ALTER TABLE order_payment_transactions ADD COLUMN verification TEXT NOT NULL DEFAULT 'NONE';

-- How many units left the stock, and how many were given back.
ALTER TABLE order_reservations ADD COLUMN committed INTEGER NOT NULL DEFAULT 0 CHECK (committed >= 0);
ALTER TABLE order_reservations ADD COLUMN released INTEGER NOT NULL DEFAULT 0 CHECK (released >= 0);
-- The larger hold it takes the place of.
ALTER TABLE order_reservations ADD COLUMN replaces INTEGER;
-- Of what is being done: which of the reservation's closings it is, to how many units, and whether they had left the stock.
ALTER TABLE order_reservations ADD COLUMN closing_serial INTEGER;
ALTER TABLE order_reservations ADD COLUMN closing_units INTEGER;
ALTER TABLE order_reservations ADD COLUMN closing_committed INTEGER;
-- How many closings were begun, and whether the last was refused.
ALTER TABLE order_reservations ADD COLUMN closings INTEGER NOT NULL DEFAULT 0 CHECK (closings >= 0);
ALTER TABLE order_reservations ADD COLUMN closing_refused INTEGER NOT NULL DEFAULT 0;

-- So far a hold was given back or committed as a whole. How often that was begun stands in the journal.
UPDATE order_reservations SET
    committed = CASE status WHEN 'COMMITTED' THEN quantity ELSE 0 END,
    released = CASE status WHEN 'RELEASED' THEN quantity ELSE 0 END,
    closings = (SELECT count(*) FROM order_status_history h WHERE h.order_id = order_reservations.order_id
        AND h.event IN ('STOCK_RELEASING', 'STOCK_COMMITTING')
        AND h.payload ->> '$.event.stock_closing.n' = order_reservations.n),
    closing_refused = coalesce((SELECT h.event = 'STOCK_CLOSING_REFUSED' FROM order_status_history h
        WHERE h.order_id = order_reservations.order_id
        AND h.event IN ('STOCK_RELEASING', 'STOCK_COMMITTING', 'STOCK_CLOSING_REFUSED')
        AND coalesce(h.payload ->> '$.event.stock_closing.n', h.payload ->> '$.event.stock_closing_refused.n') = order_reservations.n
        ORDER BY h.seq DESC LIMIT 1), 0)
    WHERE status IN ('HELD', 'COMMITTED', 'RELEASED', 'EXPIRED', 'LOST') OR refusals > 0;
UPDATE order_reservations SET
    closing_serial = max(closings, 1) - 1,
    closing_units = CASE status WHEN 'HELD' THEN quantity ELSE 0 END,
    closing_committed = 0
    WHERE closing IS NOT NULL;

CREATE TABLE order_shipments (
    order_id BLOB NOT NULL REFERENCES orders (id),
    n INTEGER NOT NULL CHECK (n >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
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
    id BLOB NOT NULL CHECK (length(id) = 16),
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
    id BLOB NOT NULL CHECK (length(id) = 16),
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
    id BLOB NOT NULL CHECK (length(id) = 16),
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
    id BLOB NOT NULL CHECK (length(id) = 16),
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
