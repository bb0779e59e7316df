-- Everything an embedded shop knows. Amounts are minor units of `shop.currency` unless a currency stands beside them,
-- ids and keys are 16 bytes, times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE shop (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    currency TEXT    NOT NULL
) STRICT;

CREATE TABLE products (
    id                BLOB    PRIMARY KEY CHECK (length(id) = 16),
    sku               TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    price             INTEGER NOT NULL CHECK (price > 0),
    discount_price    INTEGER CHECK (discount_price >= 0 AND discount_price < price),
    published         INTEGER NOT NULL CHECK (published IN (0, 1)),
    requires_shipping INTEGER NOT NULL CHECK (requires_shipping IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE variants (
    product_id BLOB    NOT NULL REFERENCES products (id),
    n          INTEGER NOT NULL,
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    sku        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    price      INTEGER NOT NULL CHECK (price > 0),
    PRIMARY KEY (product_id, n)
) STRICT, WITHOUT ROWID;

-- Stored counters, so that no reserve ever sums the holds. A counter outlives the product it was loaded with.
CREATE TABLE stock (
    sku       TEXT    PRIMARY KEY,
    on_hand   INTEGER NOT NULL CHECK (on_hand >= 0),
    reserved  INTEGER NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND on_hand),
    committed INTEGER NOT NULL DEFAULT 0 CHECK (committed >= 0),
    stocked   INTEGER NOT NULL CHECK (stocked = on_hand + committed)
) STRICT, WITHOUT ROWID;

-- Which product or variant a SKU stands for: one place that keeps SKUs unique across both tables.
CREATE TABLE skus (
    sku        TEXT PRIMARY KEY REFERENCES stock (sku),
    product_id BLOB NOT NULL REFERENCES products (id),
    variant_id BLOB REFERENCES variants (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX skus_by_product ON skus (product_id);
CREATE INDEX skus_by_variant ON skus (variant_id);

CREATE TABLE customers (
    id         BLOB PRIMARY KEY CHECK (length(id) = 16),
    email      TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name  TEXT NOT NULL,
    status     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE shipping_methods (
    n         INTEGER PRIMARY KEY,
    method    TEXT    NOT NULL UNIQUE,
    price     INTEGER NOT NULL CHECK (price >= 0),
    free_from INTEGER CHECK (free_from >= 0)
) STRICT;

CREATE TABLE tax_rates (
    n              INTEGER PRIMARY KEY,
    country        TEXT    NOT NULL,
    state          TEXT,
    rate           TEXT    NOT NULL,
    inclusive      INTEGER NOT NULL CHECK (inclusive IN (0, 1)),
    taxes_shipping INTEGER NOT NULL CHECK (taxes_shipping IN (0, 1))
) STRICT;

CREATE TABLE coupons (
    n                 INTEGER PRIMARY KEY,
    code              TEXT    NOT NULL UNIQUE,
    percent           TEXT,
    amount            INTEGER CHECK (amount > 0),
    minimum           INTEGER CHECK (minimum >= 0),
    valid_from        INTEGER,
    valid_until       INTEGER,
    uses              INTEGER CHECK (uses >= 1),
    uses_per_customer INTEGER CHECK (uses_per_customer >= 1),
    CHECK ((percent IS NULL) <> (amount IS NULL))
) STRICT;

CREATE TABLE payment_methods (
    n       INTEGER PRIMARY KEY,
    method  TEXT    NOT NULL UNIQUE,
    outcome TEXT    NOT NULL
        CHECK (outcome IN ('approve', 'decline', 'pending', 'action_required', 'timeout_done', 'timeout_lost')),
    due     TEXT    NOT NULL CHECK (due IN ('confirm', 'shipment', 'invoice', 'delivery')),
    -- For how long its authorizations can be captured; without limit if null.
    capture_within_days INTEGER CHECK (capture_within_days >= 1)
) STRICT;

-- One row per reserve key, a refused one included (it has a code), and one whose units are all gone: a late duplicate gets the
-- answer the first one got. Holds are committed and given back in parts, so that their units are counted.
CREATE TABLE holds (
    order_id   BLOB    NOT NULL CHECK (length(order_id) = 16),
    key        BLOB    NOT NULL CHECK (length(key) = 16),
    sku        TEXT    NOT NULL,
    quantity   INTEGER NOT NULL CHECK (quantity >= 1),
    held       INTEGER NOT NULL CHECK (held >= 0),
    committed  INTEGER NOT NULL CHECK (committed >= 0),
    code       TEXT    CHECK (code IS NULL OR held + committed = 0),
    available  INTEGER CHECK (available >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (order_id, key),
    CHECK (held + committed <= quantity)
) STRICT, WITHOUT ROWID;

-- Commits and releases by their own keys, with what was asked for, so that a key that comes back with another request is told,
-- and with the answer they got.
CREATE TABLE hold_calls (
    key           BLOB    PRIMARY KEY CHECK (length(key) = 16),
    reserve_key   BLOB    NOT NULL CHECK (length(reserve_key) = 16),
    kind          TEXT    NOT NULL CHECK (kind IN ('COMMIT', 'RELEASE')),
    quantity      INTEGER NOT NULL CHECK (quantity >= 1),
    was_committed INTEGER NOT NULL CHECK (was_committed IN (0, 1)),
    refused       TEXT
) STRICT, WITHOUT ROWID;

-- The payment desk's ledger. `captured` counts what was taken of an authorization, `refunded` what went back of a
-- charge or capture. The parent of a void may have no row of its own: then the void came first.
CREATE TABLE payments (
    seq        INTEGER PRIMARY KEY,
    key        BLOB    NOT NULL UNIQUE CHECK (length(key) = 16),
    order_id   BLOB    NOT NULL CHECK (length(order_id) = 16),
    kind       TEXT    NOT NULL CHECK (kind IN ('AUTHORIZE', 'CHARGE', 'CAPTURE', 'VOID', 'REFUND')),
    parent     BLOB    CHECK ((parent IS NULL) = (kind IN ('AUTHORIZE', 'CHARGE'))),
    method     TEXT    CHECK ((method IS NULL) = (parent IS NOT NULL)),
    amount     INTEGER NOT NULL CHECK (amount > 0),
    currency   TEXT    NOT NULL,
    status     TEXT    NOT NULL
        CHECK (status IN ('AUTHORIZED', 'CAPTURED', 'PENDING', 'ACTION_REQUIRED', 'DECLINED', 'VOIDED', 'REFUNDED', 'FAILED')),
    code       TEXT,
    captured   INTEGER NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    refunded   INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    -- When an authorization can no longer be captured. Fixed when it is approved: a catalogue loaded later does not move it.
    capture_before INTEGER CHECK (capture_before IS NULL OR kind = 'AUTHORIZE'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX payments_by_order ON payments (order_id);
CREATE INDEX payments_by_parent ON payments (parent) WHERE parent IS NOT NULL;

-- Orders whose first attempt was lost on the way to the desk.
CREATE TABLE lost_attempts (
    order_id BLOB PRIMARY KEY CHECK (length(order_id) = 16),
    key      BLOB NOT NULL CHECK (length(key) = 16)
) STRICT, WITHOUT ROWID;

CREATE TABLE notifications (
    n        INTEGER PRIMARY KEY,
    event_id BLOB    NOT NULL UNIQUE CHECK (length(event_id) = 16),
    order_id BLOB    NOT NULL CHECK (length(order_id) = 16),
    number   TEXT    NOT NULL,
    user_id  BLOB    NOT NULL CHECK (length(user_id) = 16),
    seq      INTEGER NOT NULL CHECK (seq >= 1),
    kind     TEXT    NOT NULL,
    told_at  INTEGER NOT NULL
) STRICT;
