-- The tables, in the schema that the URL names. One statement a step: each may be taken again, and what is there is left alone.
--
-- Every table leads with `bucket`, which an order's id and number carry: Citus distributes by it, and what is unique within a bucket is
-- unique. Amounts are minor units of the order's currency; the view order_amounts shows them as decimals. Texts are told apart and
-- sorted by their bytes. JSON columns are texts that no statement but the list by attention looks into, NULL when there is nothing to keep.
--
-- Steps on Citus are taken there alone. {partitions} is how many partitions the feed has, {citus} whether the store is one on Citus,
-- {schema} the schema: see `Layout`.

-- step: order_store
-- What the schema is, and which programs may use it: those whose schema has at least this number.
CREATE TABLE IF NOT EXISTS order_store (
    one smallint PRIMARY KEY CHECK (one = 1),
    -- What cursors of the feed name the store by, so that a cursor of another store is noticed.
    id uuid NOT NULL,
    min_reader integer NOT NULL,
    min_writer integer NOT NULL,
    -- How it was laid out when it was made: how many partitions the feed has, and whether its tables are distributed over the nodes of
    -- Citus.
    partitions smallint NOT NULL CHECK (partitions BETWEEN 1 AND 256),
    citus boolean NOT NULL,
    -- The partition of each bucket; NULL where there is one.
    partition_of smallint[] CHECK (cardinality(partition_of) = 4096)
);

-- step: order_store: its row
INSERT INTO order_store (one, id, min_reader, min_writer, partitions, citus)
VALUES (1, gen_random_uuid(), 1, 1, {partitions}, {citus}) ON CONFLICT (one) DO NOTHING;

-- step: orders
-- One row for each order: what is listed, and what seldom changes. Written only where one of its columns changes.
CREATE TABLE IF NOT EXISTS orders (
    bucket smallint NOT NULL CHECK (bucket BETWEEN 0 AND 4095),
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    order_number text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN (
        'PENDING', 'CONFIRMED', 'PROCESSING', 'PARTIALLY_SHIPPED', 'SHIPPED', 'PARTIALLY_DELIVERED', 'DELIVERED', 'COMPLETED',
        'CANCELLING', 'CANCELLED', 'PAYMENT_FAILED', 'REJECTED', 'EXPIRED')),
    payment_status text COLLATE "C" NOT NULL,
    fulfilment_status text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL CHECK (length(currency) = 3),
    subtotal bigint NOT NULL CHECK (subtotal >= 0),
    discount_amount bigint NOT NULL CHECK (discount_amount >= 0),
    tax_amount bigint NOT NULL CHECK (tax_amount >= 0),
    tax_included_amount bigint NOT NULL CHECK (tax_included_amount >= 0),
    shipping_amount bigint NOT NULL CHECK (shipping_amount >= 0),
    shipping_tax_amount bigint NOT NULL CHECK (shipping_tax_amount >= 0),
    total_amount bigint NOT NULL CHECK (total_amount >= 0),
    shipping_method text COLLATE "C",
    payment_method text COLLATE "C" NOT NULL,
    payment_terms text COLLATE "C" NOT NULL,
    -- What it is called elsewhere.
    external_ref text COLLATE "C",
    coupon_code text COLLATE "C",
    -- Whether nobody has seen one of the reasons to look.
    attention_open boolean NOT NULL,
    created_at timestamptz NOT NULL,
    notes text COLLATE "C",
    -- The idempotency key that it was made under, and a hash of the request.
    key_method text COLLATE "C",
    key text COLLATE "C",
    request_hash uuid,
    PRIMARY KEY (bucket, id),
    CHECK (total_amount = subtotal + tax_amount + shipping_amount - discount_amount),
    CHECK ((key IS NULL) = (key_method IS NULL) AND (key IS NULL) = (request_hash IS NULL))
) WITH (fillfactor = 90);

-- step: orders_by_number
CREATE UNIQUE INDEX IF NOT EXISTS orders_by_number ON orders (order_number, bucket);

-- step: orders_by_key
CREATE UNIQUE INDEX IF NOT EXISTS orders_by_key ON orders (bucket, user_id, key_method, key) WHERE key IS NOT NULL;

-- step: orders_by_user
CREATE INDEX IF NOT EXISTS orders_by_user ON orders (bucket, user_id, id);

-- step: orders_by_status
CREATE INDEX IF NOT EXISTS orders_by_status ON orders (status, id);

-- step: orders_by_total
CREATE INDEX IF NOT EXISTS orders_by_total ON orders (status, total_amount, id);

-- step: orders_by_payment
CREATE INDEX IF NOT EXISTS orders_by_payment ON orders (payment_status, id);

-- step: orders_by_fulfilment
CREATE INDEX IF NOT EXISTS orders_by_fulfilment ON orders (fulfilment_status, id);

-- step: orders_by_external_ref
CREATE INDEX IF NOT EXISTS orders_by_external_ref ON orders (external_ref, id) WHERE external_ref IS NOT NULL;

-- step: orders_with_attention
CREATE INDEX IF NOT EXISTS orders_with_attention ON orders (id) WHERE attention_open;

-- step: order_state
-- What changes with nearly every commit and is not listed: no index but its key, and room on each page, so that changes are HOT.
CREATE TABLE IF NOT EXISTS order_state (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    lifecycle text COLLATE "C" NOT NULL CHECK (lifecycle IN (
        'PENDING', 'CONFIRMED', 'COMPLETED', 'CANCELLING', 'CANCELLED', 'PAYMENT_FAILED', 'REJECTED', 'EXPIRED')),
    return_status text COLLATE "C" NOT NULL,
    -- JSON: the limited things it took; provider reports that fit no operation; holds; open reasons to look; what the customer is
    -- yet to be told, above row `notified`.
    redemptions text COLLATE "C",
    round bigint NOT NULL CHECK (round >= 0),
    unmatched text COLLATE "C",
    holds text COLLATE "C",
    attention text COLLATE "C",
    notices text COLLATE "C",
    notified bigint NOT NULL CHECK (notified >= 0),
    placing_deadline timestamptz NOT NULL,
    retry_until timestamptz,
    updated_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    completed_at timestamptz,
    cancelled_at timestamptz,
    stuck_retried_at timestamptz,
    redacted_at timestamptz,
    -- Of which other tables it has rows, so that no others are looked at: 2 items, 4 addresses, 8 payments, 16 reservations,
    -- 32 shipments, 64 returns, 128 credits, 256 disputes, 512 edits, 1024 metadata.
    records bigint NOT NULL,
    PRIMARY KEY (bucket, order_id),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
) WITH (fillfactor = 60);

-- step: order_updates
-- When each order changed last, apart: the index that lists by it is the only one that every commit writes to.
CREATE TABLE IF NOT EXISTS order_updates (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    status text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
) WITH (fillfactor = 70);

-- step: orders_by_update
CREATE INDEX IF NOT EXISTS orders_by_update ON order_updates (status, updated_at, order_id);

-- step: order_items
-- One row for each line.
CREATE TABLE IF NOT EXISTS order_items (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    id uuid NOT NULL,
    product_id uuid NOT NULL,
    variant_id uuid,
    sku text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    unit_price bigint NOT NULL CHECK (unit_price >= 0),
    discount_amount bigint NOT NULL CHECK (discount_amount >= 0),
    subtotal bigint NOT NULL CHECK (subtotal >= 0),
    requires_shipping boolean NOT NULL,
    cancelled bigint NOT NULL CHECK (cancelled >= 0),
    planned bigint NOT NULL CHECK (planned >= 0),
    shipped bigint NOT NULL CHECK (shipped >= 0),
    delivered bigint NOT NULL CHECK (delivered >= 0),
    returned bigint NOT NULL CHECK (returned >= 0),
    restocked bigint NOT NULL CHECK (restocked >= 0),
    lost bigint NOT NULL CHECK (lost >= 0),
    lots text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, n),
    CHECK (subtotal = quantity * unit_price - discount_amount),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
) WITH (fillfactor = 85);

-- step: order_items_by_sku
CREATE INDEX IF NOT EXISTS order_items_by_sku ON order_items (sku, order_id);

-- step: order_addresses
-- The billing address only where it is not the shipping address. Private.
CREATE TABLE IF NOT EXISTS order_addresses (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    address_type text COLLATE "C" NOT NULL,
    first_name text COLLATE "C" NOT NULL,
    last_name text COLLATE "C" NOT NULL,
    address_line1 text COLLATE "C" NOT NULL,
    address_line2 text COLLATE "C",
    city text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    postal_code text COLLATE "C" NOT NULL,
    country text COLLATE "C" NOT NULL,
    phone text COLLATE "C",
    email text COLLATE "C",
    PRIMARY KEY (bucket, order_id, address_type),
    CHECK (address_type IN ('SHIPPING', 'BILLING')),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_addresses_by_email
CREATE INDEX IF NOT EXISTS order_addresses_by_email ON order_addresses (email, order_id) WHERE email IS NOT NULL;

-- step: order_payment_transactions
-- One row for each payment operation. Tokens and URLs are private, and erased once the attempt is settled.
CREATE TABLE IF NOT EXISTS order_payment_transactions (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    parent bigint,
    kind text COLLATE "C" NOT NULL,
    origin text COLLATE "C" NOT NULL,
    payment_method text COLLATE "C" NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    settled_amount bigint NOT NULL,
    currency text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    verification text COLLATE "C" NOT NULL,
    transaction_id text COLLATE "C",
    gateway_response text COLLATE "C",
    capture_before timestamptz,
    deadline timestamptz,
    token text COLLATE "C",
    return_url text COLLATE "C",
    action_url text COLLATE "C",
    action_data text COLLATE "C",
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, n),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
) WITH (fillfactor = 70);

-- step: order_reservations
-- One row for each reservation: units of a SKU set aside at the inventory.
CREATE TABLE IF NOT EXISTS order_reservations (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    sku text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    round bigint NOT NULL CHECK (round >= 0),
    status text COLLATE "C" NOT NULL,
    committed bigint NOT NULL CHECK (committed >= 0),
    released bigint NOT NULL CHECK (released >= 0),
    replaces bigint,
    closing text COLLATE "C",
    closing_unknown boolean,
    closing_serial bigint,
    closing_units bigint,
    closing_committed boolean,
    closings bigint NOT NULL CHECK (closings >= 0),
    closing_refused boolean NOT NULL,
    reference text COLLATE "C",
    expires_at timestamptz,
    available bigint,
    refusals bigint NOT NULL CHECK (refusals >= 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, n),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
) WITH (fillfactor = 70);

-- step: order_shipments
-- One row for each shipment.
CREATE TABLE IF NOT EXISTS order_shipments (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    status text COLLATE "C" NOT NULL,
    carrier text COLLATE "C",
    tracking_number text COLLATE "C",
    lines text COLLATE "C" NOT NULL,
    shipped_at timestamptz,
    delivered_at timestamptz,
    lost_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, n),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_returns
-- One row for each return.
CREATE TABLE IF NOT EXISTS order_returns (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    status text COLLATE "C" NOT NULL,
    lines text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, n),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_credits
-- One row for each credit.
CREATE TABLE IF NOT EXISTS order_credits (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    kind text COLLATE "C" NOT NULL,
    line bigint,
    amount bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, n),
    CHECK (amount > 0),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_disputes
-- Numbered as they were opened: the provider's name for a dispute is its own.
CREATE TABLE IF NOT EXISTS order_disputes (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    reference text COLLATE "C" NOT NULL,
    payment bigint,
    amount bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (bucket, order_id, n),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_edits
-- One row for each edit. Where the goods go then is private, and erased once the edit is over.
CREATE TABLE IF NOT EXISTS order_edits (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    status text COLLATE "C" NOT NULL,
    cause text COLLATE "C",
    due_amount bigint NOT NULL,
    payment bigint,
    reservation bigint NOT NULL,
    reservation_end bigint,
    deadline timestamptz NOT NULL,
    plan text COLLATE "C" NOT NULL,
    first_name text COLLATE "C",
    last_name text COLLATE "C",
    address_line1 text COLLATE "C",
    address_line2 text COLLATE "C",
    city text COLLATE "C",
    state text COLLATE "C",
    postal_code text COLLATE "C",
    country text COLLATE "C",
    phone text COLLATE "C",
    email text COLLATE "C",
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, n),
    CHECK (status = 'OPEN' OR first_name IS NULL),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_metadata
-- Private.
CREATE TABLE IF NOT EXISTS order_metadata (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    key text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, order_id, key),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_metadata_by_value
CREATE INDEX IF NOT EXISTS order_metadata_by_value ON order_metadata (key, value, order_id);

-- step: order_status_history
-- The journal: append-only, numbered 1, 2, … within the order, but for notes that are erased.
CREATE TABLE IF NOT EXISTS order_status_history (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    format bigint NOT NULL,
    event text COLLATE "C" NOT NULL,
    from_status text COLLATE "C",
    status text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    cause text COLLATE "C" NOT NULL,
    notes text COLLATE "C",
    command_key text COLLATE "C",
    command_hash uuid,
    changeset_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, order_id, seq),
    CHECK ((command_key IS NULL) = (command_hash IS NULL)),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_command_keys
CREATE UNIQUE INDEX IF NOT EXISTS order_command_keys ON order_status_history (bucket, order_id, command_key) WHERE command_key IS NOT NULL;

-- step: order_redemptions
-- Which order holds a use of which limited thing.
CREATE TABLE IF NOT EXISTS order_redemptions (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (bucket, order_id, name),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
);

-- step: order_redemption_counts
-- How many uses of each limited thing are in use. It belongs to no order: its bucket is of its name.
CREATE TABLE IF NOT EXISTS order_redemption_counts (
    bucket smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    in_use bigint NOT NULL CHECK (in_use >= 0),
    PRIMARY KEY (bucket, name)
) WITH (fillfactor = 20);

-- step: order_work
-- One row for each order with something left to do.
CREATE TABLE IF NOT EXISTS order_work (
    bucket smallint NOT NULL,
    order_id uuid NOT NULL,
    -- From when on the lease can be taken: the later of due_at and leased_until; NULL: stuck.
    leasable_at timestamptz GENERATED ALWAYS AS (CASE WHEN due_at IS NOT NULL THEN greatest(due_at, leased_until) END) STORED,
    -- When to look next; NULL: stuck.
    due_at timestamptz,
    leased_until timestamptz,
    fence uuid,
    revision bigint NOT NULL CHECK (revision >= 1),
    -- Whether the lease was taken over from a worker that never gave it back, and how many in a row began on it after that.
    taken_over boolean NOT NULL,
    runs bigint NOT NULL CHECK (runs >= 0),
    -- JSON: what was tried, per operation.
    tries text COLLATE "C",
    PRIMARY KEY (bucket, order_id),
    FOREIGN KEY (bucket, order_id) REFERENCES orders (bucket, id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- step: order_work_leasable
CREATE INDEX IF NOT EXISTS order_work_leasable ON order_work (leasable_at, order_id);

-- step: order_work_by_order
CREATE INDEX IF NOT EXISTS order_work_by_order ON order_work (order_id);

-- step: order_work_stuck
CREATE INDEX IF NOT EXISTS order_work_stuck ON order_work (order_id) WHERE due_at IS NULL;

-- step: order_feed_head
-- The last position of each partition of the feed: taken last in a transaction and held until it is over, so that positions have no
-- gaps and are given in the order in which transactions become visible. It stands in the first of the partition's buckets.
CREATE TABLE IF NOT EXISTS order_feed_head (
    bucket smallint PRIMARY KEY,
    partition smallint NOT NULL,
    position bigint NOT NULL,
    -- The latest time at which one was taken; never goes back.
    fed_at timestamptz NOT NULL
) WITH (fillfactor = 10);

-- step: order_feed
-- Which rows of which order's journal stand at each position: those of one changeset. Partitions are merged by the time.
CREATE TABLE IF NOT EXISTS order_feed (
    partition smallint NOT NULL,
    position bigint NOT NULL,
    bucket smallint NOT NULL,
    fed_at timestamptz NOT NULL,
    order_id uuid NOT NULL,
    first_seq bigint NOT NULL CHECK (first_seq >= 1),
    rows bigint NOT NULL CHECK (rows >= 1),
    PRIMARY KEY (partition, position, bucket)
);

-- step: order_amounts
-- For people: amounts as decimals of their currency.
CREATE OR REPLACE VIEW order_amounts AS
SELECT o.bucket, o.id, o.order_number, o.status, o.currency,
    o.subtotal / e.scale AS subtotal, o.discount_amount / e.scale AS discount_amount, o.tax_amount / e.scale AS tax_amount,
    o.tax_included_amount / e.scale AS tax_included_amount, o.shipping_amount / e.scale AS shipping_amount,
    o.shipping_tax_amount / e.scale AS shipping_tax_amount, o.total_amount / e.scale AS total_amount
FROM orders o, LATERAL (SELECT CASE
    WHEN o.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF',
        'XPF') THEN 1::numeric
    WHEN o.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000::numeric
    ELSE 100::numeric END AS scale) e;

-- step on Citus: order_store on all nodes
SELECT create_reference_table('order_store')
WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'order_store'::regclass);

-- step on Citus: orders over the nodes
SELECT create_distributed_table('orders', 'bucket', colocate_with => 'none', shard_count => {partitions})
WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = 'orders'::regclass);

-- step on Citus: whatever else has buckets, beside them
SELECT create_distributed_table(c.oid, 'bucket', colocate_with => 'orders')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'bucket'
WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind = 'r' AND c.relname <> 'orders' AND c.relname LIKE 'order%'
    AND NOT EXISTS (SELECT 1 FROM pg_dist_partition d WHERE d.logicalrelid = c.oid)
ORDER BY c.relname;

-- step on Citus: a partition of the feed for each shard
UPDATE order_store SET partition_of = (
    SELECT array_agg(s.partition ORDER BY b.bucket)
    FROM (SELECT bucket, get_shard_id_for_distribution_column('orders', bucket::smallint) AS shard FROM generate_series(0, 4095) bucket) b
    JOIN (SELECT shardid AS shard, (row_number() OVER (ORDER BY shardminvalue::integer) - 1)::smallint AS partition
        FROM pg_dist_shard WHERE logicalrelid = 'orders'::regclass) s ON s.shard = b.shard)
WHERE partition_of IS NULL;

-- step: partitions of the feed
UPDATE order_store SET partition_of = (
    SELECT array_agg((bucket % {partitions})::smallint ORDER BY bucket) FROM generate_series(0, 4095) bucket)
WHERE partition_of IS NULL AND partitions > 1;

-- step: order_feed_head: its rows
INSERT INTO order_feed_head (bucket, partition, position, fed_at)
SELECT min(p.n) - 1, p.partition, 0, '-infinity'
FROM order_store s, unnest(coalesce(s.partition_of, ARRAY[0::smallint])) WITH ORDINALITY AS p (partition, n)
GROUP BY p.partition
ON CONFLICT (bucket) DO NOTHING;
