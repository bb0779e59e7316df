-- Writes the rows of a group of changesets, of those that are not refused. Called by order_commit alone.

-- step: order_write_v1
CREATE OR REPLACE FUNCTION order_write_v1(
  -- Of each changeset: the bucket and the order, and whether it is applied.
  p_buckets smallint[],
  p_orders uuid[],
  p_ok boolean[],
  -- How many rows each of the sections below has; which changeset each row is of, section by section; and the values of these rows, by
  -- kind, row by row in the order of the columns.
  p_counts integer[],
  p_of integer[],
  p_ids uuid[],
  p_ints bigint[],
  p_texts text[],
  p_flags boolean[],
  p_times timestamptz[]
) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  -- How many rows the section has, and how many rows and values were before it: ids, integers, texts, flags, times.
  v_rows integer;
  v_row integer := 0;
  v_xi integer := 0;
  v_xn integer := 0;
  v_xt integer := 0;
  v_xf integer := 0;
  v_xm integer := 0;
BEGIN
  -- begin of what follows from the tables
  -- orders: new
  v_rows := p_counts[1];
  IF v_rows > 0 THEN
    INSERT INTO orders (
      bucket, id, user_id, order_number, status, payment_status, fulfilment_status, currency, subtotal, discount_amount,
      tax_amount, tax_included_amount, shipping_amount, shipping_tax_amount, total_amount, shipping_method, payment_method,
      payment_terms, external_ref, coupon_code, attention_open, created_at, notes, key_method, key, request_hash)
    SELECT
      p_buckets[g], p_orders[g], p_ids[xi + 1], p_texts[xt + 1], p_texts[xt + 3], p_texts[xt + 4], p_texts[xt + 5],
      p_texts[xt + 7], p_ints[xn + 2], p_ints[xn + 3], p_ints[xn + 4], p_ints[xn + 5], p_ints[xn + 6], p_ints[xn + 7],
      p_ints[xn + 8], p_texts[xt + 8], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11], p_texts[xt + 12], p_flags[xf + 1],
      p_times[xm + 3], p_texts[xt + 18], p_texts[xt + 19], p_texts[xt + 20], p_ids[xi + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 2 * (i - 1) AS xi, v_xn + 11 * (i - 1) AS xn, v_xt + 20 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 9 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    INSERT INTO order_state (
      bucket, order_id, version, lifecycle, return_status, redemptions, attempt, unmatched, holds, attention, notices, notified,
      placing_deadline, retry_until, updated_at, confirmed_at, completed_at, cancelled_at, redriven_at, redacted_at, records)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_texts[xt + 2], p_texts[xt + 6], p_texts[xt + 13], p_ints[xn + 9],
      p_texts[xt + 14], p_texts[xt + 15], p_texts[xt + 16], p_texts[xt + 17], p_ints[xn + 10], p_times[xm + 1], p_times[xm + 2],
      p_times[xm + 4], p_times[xm + 5], p_times[xm + 6], p_times[xm + 7], p_times[xm + 8], p_times[xm + 9], p_ints[xn + 11]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 2 * (i - 1) AS xi, v_xn + 11 * (i - 1) AS xn, v_xt + 20 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 9 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    INSERT INTO order_updates (
      bucket, order_id, status, updated_at)
    SELECT
      p_buckets[g], p_orders[g], p_texts[xt + 3], p_times[xm + 4]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 2 * (i - 1) AS xi, v_xn + 11 * (i - 1) AS xn, v_xt + 20 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 9 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xi := v_xi + 2 * v_rows; v_xn := v_xn + 11 * v_rows; v_xt := v_xt + 20 * v_rows; v_xf := v_xf + v_rows; v_xm := v_xm + 9 * v_rows;
  END IF;
  -- orders: changed
  v_rows := p_counts[2];
  IF v_rows > 0 THEN
    UPDATE orders y SET
      status = p_texts[xt + 3], payment_status = p_texts[xt + 4], fulfilment_status = p_texts[xt + 5], currency = p_texts[xt + 7],
      subtotal = p_ints[xn + 2], discount_amount = p_ints[xn + 3], tax_amount = p_ints[xn + 4],
      tax_included_amount = p_ints[xn + 5], shipping_amount = p_ints[xn + 6], shipping_tax_amount = p_ints[xn + 7],
      total_amount = p_ints[xn + 8], shipping_method = p_texts[xt + 8], payment_method = p_texts[xt + 9],
      payment_terms = p_texts[xt + 10], coupon_code = p_texts[xt + 12], attention_open = p_flags[xf + 1], notes = p_texts[xt + 18]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 2 * (i - 1) AS xi, v_xn + 11 * (i - 1) AS xn, v_xt + 20 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 9 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.id = p_orders[g]
      AND (
        y.status, y.payment_status, y.fulfilment_status, y.currency, y.subtotal, y.discount_amount, y.tax_amount,
        y.tax_included_amount, y.shipping_amount, y.shipping_tax_amount, y.total_amount, y.shipping_method, y.payment_method,
        y.payment_terms, y.coupon_code, y.attention_open, y.notes)
      IS DISTINCT FROM (
        p_texts[xt + 3], p_texts[xt + 4], p_texts[xt + 5], p_texts[xt + 7], p_ints[xn + 2], p_ints[xn + 3], p_ints[xn + 4],
        p_ints[xn + 5], p_ints[xn + 6], p_ints[xn + 7], p_ints[xn + 8], p_texts[xt + 8], p_texts[xt + 9], p_texts[xt + 10],
        p_texts[xt + 12], p_flags[xf + 1], p_texts[xt + 18]);
    UPDATE order_state y SET
      version = p_ints[xn + 1], lifecycle = p_texts[xt + 2], return_status = p_texts[xt + 6], redemptions = p_texts[xt + 13],
      attempt = p_ints[xn + 9], unmatched = p_texts[xt + 14], holds = p_texts[xt + 15], attention = p_texts[xt + 16],
      notices = p_texts[xt + 17], notified = greatest(y.notified, p_ints[xn + 10]), placing_deadline = p_times[xm + 1],
      retry_until = p_times[xm + 2], updated_at = p_times[xm + 4], confirmed_at = p_times[xm + 5], completed_at = p_times[xm + 6],
      cancelled_at = p_times[xm + 7], redriven_at = p_times[xm + 8], redacted_at = p_times[xm + 9], records = p_ints[xn + 11]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 2 * (i - 1) AS xi, v_xn + 11 * (i - 1) AS xn, v_xt + 20 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 9 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g];
    UPDATE order_updates y SET
      status = p_texts[xt + 3], updated_at = p_times[xm + 4]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 2 * (i - 1) AS xi, v_xn + 11 * (i - 1) AS xn, v_xt + 20 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 9 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g];
    v_row := v_row + v_rows; v_xi := v_xi + 2 * v_rows; v_xn := v_xn + 11 * v_rows; v_xt := v_xt + 20 * v_rows; v_xf := v_xf + v_rows; v_xm := v_xm + 9 * v_rows;
  END IF;
  -- order_items: new
  v_rows := p_counts[3];
  IF v_rows > 0 THEN
    INSERT INTO order_items (
      bucket, order_id, n, id, product_id, variant_id, sku, name, quantity, unit_price, discount_amount, subtotal,
      requires_shipping, cancelled, planned, shipped, delivered, returned, restocked, lost, lots, created_at, updated_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_ids[xi + 1], p_ids[xi + 2], p_ids[xi + 3], p_texts[xt + 1], p_texts[xt + 2],
      p_ints[xn + 2], p_ints[xn + 3], p_ints[xn + 4], p_ints[xn + 5], p_flags[xf + 1], p_ints[xn + 6], p_ints[xn + 7],
      p_ints[xn + 8], p_ints[xn + 9], p_ints[xn + 10], p_ints[xn + 11], p_ints[xn + 12], p_texts[xt + 3], p_times[xm + 1],
      p_times[xm + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 3 * (i - 1) AS xi, v_xn + 12 * (i - 1) AS xn, v_xt + 3 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 2 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xi := v_xi + 3 * v_rows; v_xn := v_xn + 12 * v_rows; v_xt := v_xt + 3 * v_rows; v_xf := v_xf + v_rows; v_xm := v_xm + 2 * v_rows;
  END IF;
  -- order_items: changed
  v_rows := p_counts[4];
  IF v_rows > 0 THEN
    UPDATE order_items y SET
      id = p_ids[xi + 1], product_id = p_ids[xi + 2], variant_id = p_ids[xi + 3], sku = p_texts[xt + 1], name = p_texts[xt + 2],
      quantity = p_ints[xn + 2], unit_price = p_ints[xn + 3], discount_amount = p_ints[xn + 4], subtotal = p_ints[xn + 5],
      requires_shipping = p_flags[xf + 1], cancelled = p_ints[xn + 6], planned = p_ints[xn + 7], shipped = p_ints[xn + 8],
      delivered = p_ints[xn + 9], returned = p_ints[xn + 10], restocked = p_ints[xn + 11], lost = p_ints[xn + 12],
      lots = p_texts[xt + 3], created_at = p_times[xm + 1], updated_at = p_times[xm + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 3 * (i - 1) AS xi, v_xn + 12 * (i - 1) AS xn, v_xt + 3 * (i - 1) AS xt, v_xf + i - 1 AS xf,
      v_xm + 2 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xi := v_xi + 3 * v_rows; v_xn := v_xn + 12 * v_rows; v_xt := v_xt + 3 * v_rows; v_xf := v_xf + v_rows; v_xm := v_xm + 2 * v_rows;
  END IF;
  -- order_items: gone
  v_rows := p_counts[5];
  IF v_rows > 0 THEN
    DELETE FROM order_items y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_addresses: new
  v_rows := p_counts[6];
  IF v_rows > 0 THEN
    INSERT INTO order_addresses (
      bucket, order_id, address_type, first_name, last_name, address_line1, address_line2, city, state, postal_code, country,
      phone, email)
    SELECT
      p_buckets[g], p_orders[g], p_texts[xt + 1], p_texts[xt + 2], p_texts[xt + 3], p_texts[xt + 4], p_texts[xt + 5],
      p_texts[xt + 6], p_texts[xt + 7], p_texts[xt + 8], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xt + 11 * (i - 1) AS xt
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xt := v_xt + 11 * v_rows;
  END IF;
  -- order_addresses: changed
  v_rows := p_counts[7];
  IF v_rows > 0 THEN
    UPDATE order_addresses y SET
      first_name = p_texts[xt + 2], last_name = p_texts[xt + 3], address_line1 = p_texts[xt + 4], address_line2 = p_texts[xt + 5],
      city = p_texts[xt + 6], state = p_texts[xt + 7], postal_code = p_texts[xt + 8], country = p_texts[xt + 9],
      phone = p_texts[xt + 10], email = p_texts[xt + 11]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xt + 11 * (i - 1) AS xt
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.address_type = p_texts[xt + 1];
    v_row := v_row + v_rows; v_xt := v_xt + 11 * v_rows;
  END IF;
  -- order_addresses: gone
  v_rows := p_counts[8];
  IF v_rows > 0 THEN
    DELETE FROM order_addresses y USING (SELECT
      p_of[v_row + i] AS g, v_xt + i - 1 AS xt
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.address_type = p_texts[xt + 1];
    v_row := v_row + v_rows; v_xt := v_xt + v_rows;
  END IF;
  -- order_payment_transactions: new
  v_rows := p_counts[9];
  IF v_rows > 0 THEN
    INSERT INTO order_payment_transactions (
      bucket, order_id, n, parent, kind, origin, payment_method, amount, settled_amount, currency, status, verification,
      transaction_id, gateway_response, capture_before, deadline, token, return_url, action_url, action_data, created_at,
      updated_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_ints[xn + 2], p_texts[xt + 1], p_texts[xt + 2], p_texts[xt + 3],
      p_ints[xn + 3], p_ints[xn + 4], p_texts[xt + 4], p_texts[xt + 5], p_texts[xt + 6], p_texts[xt + 7], p_texts[xt + 8],
      p_times[xm + 1], p_times[xm + 2], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11], p_texts[xt + 12], p_times[xm + 3],
      p_times[xm + 4]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 4 * (i - 1) AS xn, v_xt + 12 * (i - 1) AS xt, v_xm + 4 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xn := v_xn + 4 * v_rows; v_xt := v_xt + 12 * v_rows; v_xm := v_xm + 4 * v_rows;
  END IF;
  -- order_payment_transactions: changed
  v_rows := p_counts[10];
  IF v_rows > 0 THEN
    UPDATE order_payment_transactions y SET
      parent = p_ints[xn + 2], kind = p_texts[xt + 1], origin = p_texts[xt + 2], payment_method = p_texts[xt + 3],
      amount = p_ints[xn + 3], settled_amount = p_ints[xn + 4], currency = p_texts[xt + 4], status = p_texts[xt + 5],
      verification = p_texts[xt + 6], transaction_id = p_texts[xt + 7], gateway_response = p_texts[xt + 8],
      capture_before = p_times[xm + 1], deadline = p_times[xm + 2], token = p_texts[xt + 9], return_url = p_texts[xt + 10],
      action_url = p_texts[xt + 11], action_data = p_texts[xt + 12], created_at = p_times[xm + 3], updated_at = p_times[xm + 4]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 4 * (i - 1) AS xn, v_xt + 12 * (i - 1) AS xt, v_xm + 4 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + 4 * v_rows; v_xt := v_xt + 12 * v_rows; v_xm := v_xm + 4 * v_rows;
  END IF;
  -- order_payment_transactions: gone
  v_rows := p_counts[11];
  IF v_rows > 0 THEN
    DELETE FROM order_payment_transactions y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_reservations: new
  v_rows := p_counts[12];
  IF v_rows > 0 THEN
    INSERT INTO order_reservations (
      bucket, order_id, n, sku, quantity, attempt, status, committed, released, replaces, closing, closing_unknown,
      closing_serial, closing_units, closing_committed, closings, closing_refused, reference, expires_at, available, refusals,
      created_at, updated_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_ints[xn + 2], p_ints[xn + 3], p_texts[xt + 2], p_ints[xn + 4],
      p_ints[xn + 5], p_ints[xn + 6], p_texts[xt + 3], p_flags[xf + 1], p_ints[xn + 7], p_ints[xn + 8], p_flags[xf + 2],
      p_ints[xn + 9], p_flags[xf + 3], p_texts[xt + 4], p_times[xm + 1], p_ints[xn + 10], p_ints[xn + 11], p_times[xm + 2],
      p_times[xm + 3]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 11 * (i - 1) AS xn, v_xt + 4 * (i - 1) AS xt, v_xf + 3 * (i - 1) AS xf,
      v_xm + 3 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xn := v_xn + 11 * v_rows; v_xt := v_xt + 4 * v_rows; v_xf := v_xf + 3 * v_rows; v_xm := v_xm + 3 * v_rows;
  END IF;
  -- order_reservations: changed
  v_rows := p_counts[13];
  IF v_rows > 0 THEN
    UPDATE order_reservations y SET
      sku = p_texts[xt + 1], quantity = p_ints[xn + 2], attempt = p_ints[xn + 3], status = p_texts[xt + 2],
      committed = p_ints[xn + 4], released = p_ints[xn + 5], replaces = p_ints[xn + 6], closing = p_texts[xt + 3],
      closing_unknown = p_flags[xf + 1], closing_serial = p_ints[xn + 7], closing_units = p_ints[xn + 8],
      closing_committed = p_flags[xf + 2], closings = p_ints[xn + 9], closing_refused = p_flags[xf + 3],
      reference = p_texts[xt + 4], expires_at = p_times[xm + 1], available = p_ints[xn + 10], refusals = p_ints[xn + 11],
      created_at = p_times[xm + 2], updated_at = p_times[xm + 3]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 11 * (i - 1) AS xn, v_xt + 4 * (i - 1) AS xt, v_xf + 3 * (i - 1) AS xf,
      v_xm + 3 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + 11 * v_rows; v_xt := v_xt + 4 * v_rows; v_xf := v_xf + 3 * v_rows; v_xm := v_xm + 3 * v_rows;
  END IF;
  -- order_reservations: gone
  v_rows := p_counts[14];
  IF v_rows > 0 THEN
    DELETE FROM order_reservations y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_shipments: new
  v_rows := p_counts[15];
  IF v_rows > 0 THEN
    INSERT INTO order_shipments (
      bucket, order_id, n, status, carrier, tracking_number, lines, shipped_at, delivered_at, lost_at, created_at, updated_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_texts[xt + 2], p_texts[xt + 3], p_texts[xt + 4],
      p_times[xm + 1], p_times[xm + 2], p_times[xm + 3], p_times[xm + 4], p_times[xm + 5]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn, v_xt + 4 * (i - 1) AS xt, v_xm + 5 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows; v_xt := v_xt + 4 * v_rows; v_xm := v_xm + 5 * v_rows;
  END IF;
  -- order_shipments: changed
  v_rows := p_counts[16];
  IF v_rows > 0 THEN
    UPDATE order_shipments y SET
      status = p_texts[xt + 1], carrier = p_texts[xt + 2], tracking_number = p_texts[xt + 3], lines = p_texts[xt + 4],
      shipped_at = p_times[xm + 1], delivered_at = p_times[xm + 2], lost_at = p_times[xm + 3], created_at = p_times[xm + 4],
      updated_at = p_times[xm + 5]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn, v_xt + 4 * (i - 1) AS xt, v_xm + 5 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows; v_xt := v_xt + 4 * v_rows; v_xm := v_xm + 5 * v_rows;
  END IF;
  -- order_shipments: gone
  v_rows := p_counts[17];
  IF v_rows > 0 THEN
    DELETE FROM order_shipments y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_returns: new
  v_rows := p_counts[18];
  IF v_rows > 0 THEN
    INSERT INTO order_returns (
      bucket, order_id, n, status, lines, created_at, updated_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_texts[xt + 2], p_times[xm + 1], p_times[xm + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn, v_xt + 2 * (i - 1) AS xt, v_xm + 2 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows; v_xt := v_xt + 2 * v_rows; v_xm := v_xm + 2 * v_rows;
  END IF;
  -- order_returns: changed
  v_rows := p_counts[19];
  IF v_rows > 0 THEN
    UPDATE order_returns y SET
      status = p_texts[xt + 1], lines = p_texts[xt + 2], created_at = p_times[xm + 1], updated_at = p_times[xm + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn, v_xt + 2 * (i - 1) AS xt, v_xm + 2 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows; v_xt := v_xt + 2 * v_rows; v_xm := v_xm + 2 * v_rows;
  END IF;
  -- order_returns: gone
  v_rows := p_counts[20];
  IF v_rows > 0 THEN
    DELETE FROM order_returns y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_credits: new
  v_rows := p_counts[21];
  IF v_rows > 0 THEN
    INSERT INTO order_credits (
      bucket, order_id, n, kind, line, amount, created_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_ints[xn + 2], p_ints[xn + 3], p_times[xm + 1]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 3 * (i - 1) AS xn, v_xt + i - 1 AS xt, v_xm + i - 1 AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xn := v_xn + 3 * v_rows; v_xt := v_xt + v_rows; v_xm := v_xm + v_rows;
  END IF;
  -- order_credits: changed
  v_rows := p_counts[22];
  IF v_rows > 0 THEN
    UPDATE order_credits y SET
      kind = p_texts[xt + 1], line = p_ints[xn + 2], amount = p_ints[xn + 3], created_at = p_times[xm + 1]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 3 * (i - 1) AS xn, v_xt + i - 1 AS xt, v_xm + i - 1 AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + 3 * v_rows; v_xt := v_xt + v_rows; v_xm := v_xm + v_rows;
  END IF;
  -- order_credits: gone
  v_rows := p_counts[23];
  IF v_rows > 0 THEN
    DELETE FROM order_credits y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_disputes: new
  v_rows := p_counts[24];
  IF v_rows > 0 THEN
    INSERT INTO order_disputes (
      bucket, order_id, n, reference, payment, amount, status, created_at, closed_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_ints[xn + 2], p_ints[xn + 3], p_texts[xt + 2],
      p_times[xm + 1], p_times[xm + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 3 * (i - 1) AS xn, v_xt + 2 * (i - 1) AS xt, v_xm + 2 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xn := v_xn + 3 * v_rows; v_xt := v_xt + 2 * v_rows; v_xm := v_xm + 2 * v_rows;
  END IF;
  -- order_disputes: changed
  v_rows := p_counts[25];
  IF v_rows > 0 THEN
    UPDATE order_disputes y SET
      reference = p_texts[xt + 1], payment = p_ints[xn + 2], amount = p_ints[xn + 3], status = p_texts[xt + 2],
      created_at = p_times[xm + 1], closed_at = p_times[xm + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 3 * (i - 1) AS xn, v_xt + 2 * (i - 1) AS xt, v_xm + 2 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + 3 * v_rows; v_xt := v_xt + 2 * v_rows; v_xm := v_xm + 2 * v_rows;
  END IF;
  -- order_disputes: gone
  v_rows := p_counts[26];
  IF v_rows > 0 THEN
    DELETE FROM order_disputes y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_edits: new
  v_rows := p_counts[27];
  IF v_rows > 0 THEN
    INSERT INTO order_edits (
      bucket, order_id, n, status, cause, due_amount, payment, reservation, reservation_end, deadline, plan, first_name,
      last_name, address_line1, address_line2, city, state, postal_code, country, phone, email, created_at, updated_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_texts[xt + 2], p_ints[xn + 2], p_ints[xn + 3], p_ints[xn + 4],
      p_ints[xn + 5], p_times[xm + 1], p_texts[xt + 3], p_texts[xt + 4], p_texts[xt + 5], p_texts[xt + 6], p_texts[xt + 7],
      p_texts[xt + 8], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11], p_texts[xt + 12], p_texts[xt + 13], p_times[xm + 2],
      p_times[xm + 3]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 5 * (i - 1) AS xn, v_xt + 13 * (i - 1) AS xt, v_xm + 3 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xn := v_xn + 5 * v_rows; v_xt := v_xt + 13 * v_rows; v_xm := v_xm + 3 * v_rows;
  END IF;
  -- order_edits: changed
  v_rows := p_counts[28];
  IF v_rows > 0 THEN
    UPDATE order_edits y SET
      status = p_texts[xt + 1], cause = p_texts[xt + 2], due_amount = p_ints[xn + 2], payment = p_ints[xn + 3],
      reservation = p_ints[xn + 4], reservation_end = p_ints[xn + 5], deadline = p_times[xm + 1], plan = p_texts[xt + 3],
      first_name = p_texts[xt + 4], last_name = p_texts[xt + 5], address_line1 = p_texts[xt + 6], address_line2 = p_texts[xt + 7],
      city = p_texts[xt + 8], state = p_texts[xt + 9], postal_code = p_texts[xt + 10], country = p_texts[xt + 11],
      phone = p_texts[xt + 12], email = p_texts[xt + 13], created_at = p_times[xm + 2], updated_at = p_times[xm + 3]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xn + 5 * (i - 1) AS xn, v_xt + 13 * (i - 1) AS xt, v_xm + 3 * (i - 1) AS xm
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + 5 * v_rows; v_xt := v_xt + 13 * v_rows; v_xm := v_xm + 3 * v_rows;
  END IF;
  -- order_edits: gone
  v_rows := p_counts[29];
  IF v_rows > 0 THEN
    DELETE FROM order_edits y USING (SELECT
      p_of[v_row + i] AS g, v_xn + i - 1 AS xn
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
    v_row := v_row + v_rows; v_xn := v_xn + v_rows;
  END IF;
  -- order_metadata: new
  v_rows := p_counts[30];
  IF v_rows > 0 THEN
    INSERT INTO order_metadata (
      bucket, order_id, key, value)
    SELECT
      p_buckets[g], p_orders[g], p_texts[xt + 1], p_texts[xt + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xt + 2 * (i - 1) AS xt
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xt := v_xt + 2 * v_rows;
  END IF;
  -- order_metadata: changed
  v_rows := p_counts[31];
  IF v_rows > 0 THEN
    UPDATE order_metadata y SET
      value = p_texts[xt + 2]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xt + 2 * (i - 1) AS xt
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.key = p_texts[xt + 1];
    v_row := v_row + v_rows; v_xt := v_xt + 2 * v_rows;
  END IF;
  -- order_metadata: gone
  v_rows := p_counts[32];
  IF v_rows > 0 THEN
    DELETE FROM order_metadata y USING (SELECT
      p_of[v_row + i] AS g, v_xt + i - 1 AS xt
      FROM generate_series(1, v_rows) i) x
    WHERE p_ok[g] AND y.bucket = p_buckets[g] AND y.order_id = p_orders[g] AND y.key = p_texts[xt + 1];
    v_row := v_row + v_rows; v_xt := v_xt + v_rows;
  END IF;
  -- order_status_history: new
  v_rows := p_counts[33];
  IF v_rows > 0 THEN
    INSERT INTO order_status_history (
      bucket, order_id, seq, format, event, from_status, status, created_by, cause, notes, command_key, command_hash,
      changeset_id, created_at)
    SELECT
      p_buckets[g], p_orders[g], p_ints[xn + 1], p_ints[xn + 2], p_texts[xt + 1], p_texts[xt + 2], p_texts[xt + 3],
      p_texts[xt + 4], p_texts[xt + 5], p_texts[xt + 6], p_texts[xt + 7], p_ids[xi + 1], p_ids[xi + 2], p_times[xm + 1]
    FROM (SELECT
      p_of[v_row + i] AS g, v_xi + 2 * (i - 1) AS xi, v_xn + 2 * (i - 1) AS xn, v_xt + 7 * (i - 1) AS xt, v_xm + i - 1 AS xm
      FROM generate_series(1, v_rows) i) x WHERE p_ok[g];
    v_row := v_row + v_rows; v_xi := v_xi + 2 * v_rows; v_xn := v_xn + 2 * v_rows; v_xt := v_xt + 7 * v_rows; v_xm := v_xm + v_rows;
  END IF;

  -- end of what follows from the tables
END
$function$;
