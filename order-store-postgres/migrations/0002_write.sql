-- Writes the rows of a group of changesets, of those that are not refused. Called by order_commit alone.

-- step: order_write_v1
CREATE OR REPLACE FUNCTION order_write_v1(
  -- The bucket of all changesets, where they have one; see order_commit_v1.
  p_bucket smallint,
  -- Of each changeset: the bucket and the order, and whether it is applied.
  p_buckets smallint[],
  p_orders uuid[],
  p_ok boolean[],
  -- Of each of the sections below: how many rows it has, how many rows were before it, and how many ids, integers, texts, flags and
  -- times. Which changeset each row is of, section by section; and the values of these rows, by kind, row by row in the order of the
  -- columns.
  p_counts integer[],
  p_of integer[],
  p_ids uuid[],
  p_ints bigint[],
  p_texts text[],
  p_flags boolean[],
  p_times timestamptz[]
) RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
  -- begin of what follows from the tables
  -- orders: new
  IF p_counts[1] > 0 THEN
    INSERT INTO orders (
      bucket, id, user_id, order_number, status, payment_status, fulfilment_status, currency, subtotal, discount_amount,
      tax_amount, tax_included_amount, shipping_amount, shipping_tax_amount, total_amount, shipping_method, payment_method,
      payment_terms, external_ref, coupon_code, attention_open, created_at, notes, key_method, key, request_hash)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ids[xi + 1], p_texts[xt + 1], p_texts[xt + 3], p_texts[xt + 4],
      p_texts[xt + 5], p_texts[xt + 7], p_ints[xn + 2], p_ints[xn + 3], p_ints[xn + 4], p_ints[xn + 5], p_ints[xn + 6],
      p_ints[xn + 7], p_ints[xn + 8], p_texts[xt + 8], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11], p_texts[xt + 12],
      p_flags[xf + 1], p_times[xm + 3], p_texts[xt + 18], p_texts[xt + 19], p_texts[xt + 20], p_ids[xi + 2]
    FROM (SELECT
      p_of[p_counts[2] + i] AS g, p_counts[3] + 2 * (i - 1) AS xi, p_counts[4] + 11 * (i - 1) AS xn,
      p_counts[5] + 20 * (i - 1) AS xt, p_counts[6] + i - 1 AS xf, p_counts[7] + 9 * (i - 1) AS xm
      FROM generate_series(1, p_counts[1]) i OFFSET 0) x WHERE p_ok[g];
    INSERT INTO order_state (
      bucket, order_id, version, lifecycle, return_status, redemptions, round, unmatched, holds, attention, notices, notified,
      placing_deadline, retry_until, updated_at, confirmed_at, completed_at, cancelled_at, stuck_retried_at, redacted_at, records)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_texts[xt + 2], p_texts[xt + 6], p_texts[xt + 13],
      p_ints[xn + 9], p_texts[xt + 14], p_texts[xt + 15], p_texts[xt + 16], p_texts[xt + 17], p_ints[xn + 10], p_times[xm + 1],
      p_times[xm + 2], p_times[xm + 4], p_times[xm + 5], p_times[xm + 6], p_times[xm + 7], p_times[xm + 8], p_times[xm + 9],
      p_ints[xn + 11]
    FROM (SELECT
      p_of[p_counts[2] + i] AS g, p_counts[3] + 2 * (i - 1) AS xi, p_counts[4] + 11 * (i - 1) AS xn,
      p_counts[5] + 20 * (i - 1) AS xt, p_counts[6] + i - 1 AS xf, p_counts[7] + 9 * (i - 1) AS xm
      FROM generate_series(1, p_counts[1]) i OFFSET 0) x WHERE p_ok[g];
    INSERT INTO order_updates (
      bucket, order_id, status, updated_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_texts[xt + 3], p_times[xm + 4]
    FROM (SELECT
      p_of[p_counts[2] + i] AS g, p_counts[3] + 2 * (i - 1) AS xi, p_counts[4] + 11 * (i - 1) AS xn,
      p_counts[5] + 20 * (i - 1) AS xt, p_counts[6] + i - 1 AS xf, p_counts[7] + 9 * (i - 1) AS xm
      FROM generate_series(1, p_counts[1]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- orders: changed
  IF p_counts[8] > 0 THEN
    UPDATE orders y SET
      status = z.status, payment_status = z.payment_status, fulfilment_status = z.fulfilment_status, currency = z.currency,
      subtotal = z.subtotal, discount_amount = z.discount_amount, tax_amount = z.tax_amount,
      tax_included_amount = z.tax_included_amount, shipping_amount = z.shipping_amount,
      shipping_tax_amount = z.shipping_tax_amount, total_amount = z.total_amount, shipping_method = z.shipping_method,
      payment_method = z.payment_method, payment_terms = z.payment_terms, coupon_code = z.coupon_code,
      attention_open = z.attention_open, notes = z.notes
    FROM (SELECT
      g, p_texts[xt + 3] AS status, p_texts[xt + 4] AS payment_status, p_texts[xt + 5] AS fulfilment_status,
      p_texts[xt + 7] AS currency, p_ints[xn + 2] AS subtotal, p_ints[xn + 3] AS discount_amount, p_ints[xn + 4] AS tax_amount,
      p_ints[xn + 5] AS tax_included_amount, p_ints[xn + 6] AS shipping_amount, p_ints[xn + 7] AS shipping_tax_amount,
      p_ints[xn + 8] AS total_amount, p_texts[xt + 8] AS shipping_method, p_texts[xt + 9] AS payment_method,
      p_texts[xt + 10] AS payment_terms, p_texts[xt + 12] AS coupon_code, p_flags[xf + 1] AS attention_open,
      p_texts[xt + 18] AS notes
    FROM (SELECT
      p_of[p_counts[9] + i] AS g, p_counts[10] + 2 * (i - 1) AS xi, p_counts[11] + 11 * (i - 1) AS xn,
      p_counts[12] + 20 * (i - 1) AS xt, p_counts[13] + i - 1 AS xf, p_counts[14] + 9 * (i - 1) AS xm
      FROM generate_series(1, p_counts[8]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.id = p_orders[z.g]
      AND (
        y.status, y.payment_status, y.fulfilment_status, y.currency, y.subtotal, y.discount_amount, y.tax_amount,
        y.tax_included_amount, y.shipping_amount, y.shipping_tax_amount, y.total_amount, y.shipping_method, y.payment_method,
        y.payment_terms, y.coupon_code, y.attention_open, y.notes)
      IS DISTINCT FROM (
        z.status, z.payment_status, z.fulfilment_status, z.currency, z.subtotal, z.discount_amount, z.tax_amount,
        z.tax_included_amount, z.shipping_amount, z.shipping_tax_amount, z.total_amount, z.shipping_method, z.payment_method,
        z.payment_terms, z.coupon_code, z.attention_open, z.notes);
    UPDATE order_state y SET
      version = z.version, lifecycle = z.lifecycle, return_status = z.return_status, redemptions = z.redemptions, round = z.round,
      unmatched = z.unmatched, holds = z.holds, attention = z.attention, notices = z.notices,
      notified = greatest(y.notified, z.notified), placing_deadline = z.placing_deadline, retry_until = z.retry_until,
      updated_at = z.updated_at, confirmed_at = z.confirmed_at, completed_at = z.completed_at, cancelled_at = z.cancelled_at,
      stuck_retried_at = z.stuck_retried_at, redacted_at = z.redacted_at, records = z.records
    FROM (SELECT
      g, p_ints[xn + 1] AS version, p_texts[xt + 2] AS lifecycle, p_texts[xt + 6] AS return_status,
      p_texts[xt + 13] AS redemptions, p_ints[xn + 9] AS round, p_texts[xt + 14] AS unmatched, p_texts[xt + 15] AS holds,
      p_texts[xt + 16] AS attention, p_texts[xt + 17] AS notices, p_ints[xn + 10] AS notified,
      p_times[xm + 1] AS placing_deadline, p_times[xm + 2] AS retry_until, p_times[xm + 4] AS updated_at,
      p_times[xm + 5] AS confirmed_at, p_times[xm + 6] AS completed_at, p_times[xm + 7] AS cancelled_at,
      p_times[xm + 8] AS stuck_retried_at, p_times[xm + 9] AS redacted_at, p_ints[xn + 11] AS records
    FROM (SELECT
      p_of[p_counts[9] + i] AS g, p_counts[10] + 2 * (i - 1) AS xi, p_counts[11] + 11 * (i - 1) AS xn,
      p_counts[12] + 20 * (i - 1) AS xt, p_counts[13] + i - 1 AS xf, p_counts[14] + 9 * (i - 1) AS xm
      FROM generate_series(1, p_counts[8]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g];
    UPDATE order_updates y SET
      status = z.status, updated_at = z.updated_at
    FROM (SELECT
      g, p_texts[xt + 3] AS status, p_times[xm + 4] AS updated_at
    FROM (SELECT
      p_of[p_counts[9] + i] AS g, p_counts[10] + 2 * (i - 1) AS xi, p_counts[11] + 11 * (i - 1) AS xn,
      p_counts[12] + 20 * (i - 1) AS xt, p_counts[13] + i - 1 AS xf, p_counts[14] + 9 * (i - 1) AS xm
      FROM generate_series(1, p_counts[8]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g];
  END IF;
  IF p_counts[37] > p_counts[16] THEN
  -- order_items: new
  IF p_counts[15] > 0 THEN
    INSERT INTO order_items (
      bucket, order_id, n, id, product_id, variant_id, sku, name, quantity, unit_price, discount_amount, subtotal,
      requires_shipping, cancelled, planned, shipped, delivered, returned, restocked, lost, lots, created_at, updated_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_ids[xi + 1], p_ids[xi + 2], p_ids[xi + 3], p_texts[xt + 1],
      p_texts[xt + 2], p_ints[xn + 2], p_ints[xn + 3], p_ints[xn + 4], p_ints[xn + 5], p_flags[xf + 1], p_ints[xn + 6],
      p_ints[xn + 7], p_ints[xn + 8], p_ints[xn + 9], p_ints[xn + 10], p_ints[xn + 11], p_ints[xn + 12], p_texts[xt + 3],
      p_times[xm + 1], p_times[xm + 2]
    FROM (SELECT
      p_of[p_counts[16] + i] AS g, p_counts[17] + 3 * (i - 1) AS xi, p_counts[18] + 12 * (i - 1) AS xn,
      p_counts[19] + 3 * (i - 1) AS xt, p_counts[20] + i - 1 AS xf, p_counts[21] + 2 * (i - 1) AS xm
      FROM generate_series(1, p_counts[15]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_items: changed
  IF p_counts[22] > 0 THEN
    UPDATE order_items y SET
      id = z.id, product_id = z.product_id, variant_id = z.variant_id, sku = z.sku, name = z.name, quantity = z.quantity,
      unit_price = z.unit_price, discount_amount = z.discount_amount, subtotal = z.subtotal,
      requires_shipping = z.requires_shipping, cancelled = z.cancelled, planned = z.planned, shipped = z.shipped,
      delivered = z.delivered, returned = z.returned, restocked = z.restocked, lost = z.lost, lots = z.lots,
      created_at = z.created_at, updated_at = z.updated_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_ids[xi + 1] AS id, p_ids[xi + 2] AS product_id, p_ids[xi + 3] AS variant_id,
      p_texts[xt + 1] AS sku, p_texts[xt + 2] AS name, p_ints[xn + 2] AS quantity, p_ints[xn + 3] AS unit_price,
      p_ints[xn + 4] AS discount_amount, p_ints[xn + 5] AS subtotal, p_flags[xf + 1] AS requires_shipping,
      p_ints[xn + 6] AS cancelled, p_ints[xn + 7] AS planned, p_ints[xn + 8] AS shipped, p_ints[xn + 9] AS delivered,
      p_ints[xn + 10] AS returned, p_ints[xn + 11] AS restocked, p_ints[xn + 12] AS lost, p_texts[xt + 3] AS lots,
      p_times[xm + 1] AS created_at, p_times[xm + 2] AS updated_at
    FROM (SELECT
      p_of[p_counts[23] + i] AS g, p_counts[24] + 3 * (i - 1) AS xi, p_counts[25] + 12 * (i - 1) AS xn,
      p_counts[26] + 3 * (i - 1) AS xt, p_counts[27] + i - 1 AS xf, p_counts[28] + 2 * (i - 1) AS xm
      FROM generate_series(1, p_counts[22]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_items: gone
  IF p_counts[29] > 0 THEN
    DELETE FROM order_items y USING (SELECT
      p_of[p_counts[30] + i] AS g, p_counts[32] + i - 1 AS xn
      FROM generate_series(1, p_counts[29]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[58] > p_counts[37] THEN
  -- order_addresses: new
  IF p_counts[36] > 0 THEN
    INSERT INTO order_addresses (
      bucket, order_id, address_type, first_name, last_name, address_line1, address_line2, city, state, postal_code, country,
      phone, email)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_texts[xt + 1], p_texts[xt + 2], p_texts[xt + 3], p_texts[xt + 4],
      p_texts[xt + 5], p_texts[xt + 6], p_texts[xt + 7], p_texts[xt + 8], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11]
    FROM (SELECT
      p_of[p_counts[37] + i] AS g, p_counts[40] + 11 * (i - 1) AS xt
      FROM generate_series(1, p_counts[36]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_addresses: changed
  IF p_counts[43] > 0 THEN
    UPDATE order_addresses y SET
      first_name = z.first_name, last_name = z.last_name, address_line1 = z.address_line1, address_line2 = z.address_line2,
      city = z.city, state = z.state, postal_code = z.postal_code, country = z.country, phone = z.phone, email = z.email
    FROM (SELECT
      g, p_texts[xt + 1] AS address_type, p_texts[xt + 2] AS first_name, p_texts[xt + 3] AS last_name,
      p_texts[xt + 4] AS address_line1, p_texts[xt + 5] AS address_line2, p_texts[xt + 6] AS city, p_texts[xt + 7] AS state,
      p_texts[xt + 8] AS postal_code, p_texts[xt + 9] AS country, p_texts[xt + 10] AS phone, p_texts[xt + 11] AS email
    FROM (SELECT
      p_of[p_counts[44] + i] AS g, p_counts[47] + 11 * (i - 1) AS xt
      FROM generate_series(1, p_counts[43]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.address_type = z.address_type;
  END IF;
  -- order_addresses: gone
  IF p_counts[50] > 0 THEN
    DELETE FROM order_addresses y USING (SELECT
      p_of[p_counts[51] + i] AS g, p_counts[54] + i - 1 AS xt
      FROM generate_series(1, p_counts[50]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.address_type = p_texts[xt + 1];
  END IF;
  END IF;
  IF p_counts[79] > p_counts[58] THEN
  -- order_payment_transactions: new
  IF p_counts[57] > 0 THEN
    INSERT INTO order_payment_transactions (
      bucket, order_id, n, parent, kind, origin, payment_method, amount, settled_amount, currency, status, verification,
      transaction_id, gateway_response, capture_before, deadline, token, return_url, action_url, action_data, created_at,
      updated_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_ints[xn + 2], p_texts[xt + 1], p_texts[xt + 2],
      p_texts[xt + 3], p_ints[xn + 3], p_ints[xn + 4], p_texts[xt + 4], p_texts[xt + 5], p_texts[xt + 6], p_texts[xt + 7],
      p_texts[xt + 8], p_times[xm + 1], p_times[xm + 2], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11], p_texts[xt + 12],
      p_times[xm + 3], p_times[xm + 4]
    FROM (SELECT
      p_of[p_counts[58] + i] AS g, p_counts[60] + 4 * (i - 1) AS xn, p_counts[61] + 12 * (i - 1) AS xt,
      p_counts[63] + 4 * (i - 1) AS xm
      FROM generate_series(1, p_counts[57]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_payment_transactions: changed
  IF p_counts[64] > 0 THEN
    UPDATE order_payment_transactions y SET
      parent = z.parent, kind = z.kind, origin = z.origin, payment_method = z.payment_method, amount = z.amount,
      settled_amount = z.settled_amount, currency = z.currency, status = z.status, verification = z.verification,
      transaction_id = z.transaction_id, gateway_response = z.gateway_response, capture_before = z.capture_before,
      deadline = z.deadline, token = z.token, return_url = z.return_url, action_url = z.action_url, action_data = z.action_data,
      created_at = z.created_at, updated_at = z.updated_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_ints[xn + 2] AS parent, p_texts[xt + 1] AS kind, p_texts[xt + 2] AS origin,
      p_texts[xt + 3] AS payment_method, p_ints[xn + 3] AS amount, p_ints[xn + 4] AS settled_amount, p_texts[xt + 4] AS currency,
      p_texts[xt + 5] AS status, p_texts[xt + 6] AS verification, p_texts[xt + 7] AS transaction_id,
      p_texts[xt + 8] AS gateway_response, p_times[xm + 1] AS capture_before, p_times[xm + 2] AS deadline,
      p_texts[xt + 9] AS token, p_texts[xt + 10] AS return_url, p_texts[xt + 11] AS action_url, p_texts[xt + 12] AS action_data,
      p_times[xm + 3] AS created_at, p_times[xm + 4] AS updated_at
    FROM (SELECT
      p_of[p_counts[65] + i] AS g, p_counts[67] + 4 * (i - 1) AS xn, p_counts[68] + 12 * (i - 1) AS xt,
      p_counts[70] + 4 * (i - 1) AS xm
      FROM generate_series(1, p_counts[64]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_payment_transactions: gone
  IF p_counts[71] > 0 THEN
    DELETE FROM order_payment_transactions y USING (SELECT
      p_of[p_counts[72] + i] AS g, p_counts[74] + i - 1 AS xn
      FROM generate_series(1, p_counts[71]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[100] > p_counts[79] THEN
  -- order_reservations: new
  IF p_counts[78] > 0 THEN
    INSERT INTO order_reservations (
      bucket, order_id, n, sku, quantity, round, status, committed, released, replaces, closing, closing_unknown, closing_serial,
      closing_units, closing_committed, closings, closing_refused, reference, expires_at, available, refusals, created_at,
      updated_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_ints[xn + 2], p_ints[xn + 3],
      p_texts[xt + 2], p_ints[xn + 4], p_ints[xn + 5], p_ints[xn + 6], p_texts[xt + 3], p_flags[xf + 1], p_ints[xn + 7],
      p_ints[xn + 8], p_flags[xf + 2], p_ints[xn + 9], p_flags[xf + 3], p_texts[xt + 4], p_times[xm + 1], p_ints[xn + 10],
      p_ints[xn + 11], p_times[xm + 2], p_times[xm + 3]
    FROM (SELECT
      p_of[p_counts[79] + i] AS g, p_counts[81] + 11 * (i - 1) AS xn, p_counts[82] + 4 * (i - 1) AS xt,
      p_counts[83] + 3 * (i - 1) AS xf, p_counts[84] + 3 * (i - 1) AS xm
      FROM generate_series(1, p_counts[78]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_reservations: changed
  IF p_counts[85] > 0 THEN
    UPDATE order_reservations y SET
      sku = z.sku, quantity = z.quantity, round = z.round, status = z.status, committed = z.committed, released = z.released,
      replaces = z.replaces, closing = z.closing, closing_unknown = z.closing_unknown, closing_serial = z.closing_serial,
      closing_units = z.closing_units, closing_committed = z.closing_committed, closings = z.closings,
      closing_refused = z.closing_refused, reference = z.reference, expires_at = z.expires_at, available = z.available,
      refusals = z.refusals, created_at = z.created_at, updated_at = z.updated_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_texts[xt + 1] AS sku, p_ints[xn + 2] AS quantity, p_ints[xn + 3] AS round,
      p_texts[xt + 2] AS status, p_ints[xn + 4] AS committed, p_ints[xn + 5] AS released, p_ints[xn + 6] AS replaces,
      p_texts[xt + 3] AS closing, p_flags[xf + 1] AS closing_unknown, p_ints[xn + 7] AS closing_serial,
      p_ints[xn + 8] AS closing_units, p_flags[xf + 2] AS closing_committed, p_ints[xn + 9] AS closings,
      p_flags[xf + 3] AS closing_refused, p_texts[xt + 4] AS reference, p_times[xm + 1] AS expires_at,
      p_ints[xn + 10] AS available, p_ints[xn + 11] AS refusals, p_times[xm + 2] AS created_at, p_times[xm + 3] AS updated_at
    FROM (SELECT
      p_of[p_counts[86] + i] AS g, p_counts[88] + 11 * (i - 1) AS xn, p_counts[89] + 4 * (i - 1) AS xt,
      p_counts[90] + 3 * (i - 1) AS xf, p_counts[91] + 3 * (i - 1) AS xm
      FROM generate_series(1, p_counts[85]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_reservations: gone
  IF p_counts[92] > 0 THEN
    DELETE FROM order_reservations y USING (SELECT
      p_of[p_counts[93] + i] AS g, p_counts[95] + i - 1 AS xn
      FROM generate_series(1, p_counts[92]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[226] > p_counts[100] THEN
  IF p_counts[121] > p_counts[100] THEN
  -- order_shipments: new
  IF p_counts[99] > 0 THEN
    INSERT INTO order_shipments (
      bucket, order_id, n, status, carrier, tracking_number, lines, shipped_at, delivered_at, lost_at, created_at, updated_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_texts[xt + 2], p_texts[xt + 3],
      p_texts[xt + 4], p_times[xm + 1], p_times[xm + 2], p_times[xm + 3], p_times[xm + 4], p_times[xm + 5]
    FROM (SELECT
      p_of[p_counts[100] + i] AS g, p_counts[102] + i - 1 AS xn, p_counts[103] + 4 * (i - 1) AS xt,
      p_counts[105] + 5 * (i - 1) AS xm
      FROM generate_series(1, p_counts[99]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_shipments: changed
  IF p_counts[106] > 0 THEN
    UPDATE order_shipments y SET
      status = z.status, carrier = z.carrier, tracking_number = z.tracking_number, lines = z.lines, shipped_at = z.shipped_at,
      delivered_at = z.delivered_at, lost_at = z.lost_at, created_at = z.created_at, updated_at = z.updated_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_texts[xt + 1] AS status, p_texts[xt + 2] AS carrier, p_texts[xt + 3] AS tracking_number,
      p_texts[xt + 4] AS lines, p_times[xm + 1] AS shipped_at, p_times[xm + 2] AS delivered_at, p_times[xm + 3] AS lost_at,
      p_times[xm + 4] AS created_at, p_times[xm + 5] AS updated_at
    FROM (SELECT
      p_of[p_counts[107] + i] AS g, p_counts[109] + i - 1 AS xn, p_counts[110] + 4 * (i - 1) AS xt,
      p_counts[112] + 5 * (i - 1) AS xm
      FROM generate_series(1, p_counts[106]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_shipments: gone
  IF p_counts[113] > 0 THEN
    DELETE FROM order_shipments y USING (SELECT
      p_of[p_counts[114] + i] AS g, p_counts[116] + i - 1 AS xn
      FROM generate_series(1, p_counts[113]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[142] > p_counts[121] THEN
  -- order_returns: new
  IF p_counts[120] > 0 THEN
    INSERT INTO order_returns (
      bucket, order_id, n, status, lines, created_at, updated_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_texts[xt + 2], p_times[xm + 1],
      p_times[xm + 2]
    FROM (SELECT
      p_of[p_counts[121] + i] AS g, p_counts[123] + i - 1 AS xn, p_counts[124] + 2 * (i - 1) AS xt,
      p_counts[126] + 2 * (i - 1) AS xm
      FROM generate_series(1, p_counts[120]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_returns: changed
  IF p_counts[127] > 0 THEN
    UPDATE order_returns y SET
      status = z.status, lines = z.lines, created_at = z.created_at, updated_at = z.updated_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_texts[xt + 1] AS status, p_texts[xt + 2] AS lines, p_times[xm + 1] AS created_at,
      p_times[xm + 2] AS updated_at
    FROM (SELECT
      p_of[p_counts[128] + i] AS g, p_counts[130] + i - 1 AS xn, p_counts[131] + 2 * (i - 1) AS xt,
      p_counts[133] + 2 * (i - 1) AS xm
      FROM generate_series(1, p_counts[127]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_returns: gone
  IF p_counts[134] > 0 THEN
    DELETE FROM order_returns y USING (SELECT
      p_of[p_counts[135] + i] AS g, p_counts[137] + i - 1 AS xn
      FROM generate_series(1, p_counts[134]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[163] > p_counts[142] THEN
  -- order_credits: new
  IF p_counts[141] > 0 THEN
    INSERT INTO order_credits (
      bucket, order_id, n, kind, line, amount, created_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_ints[xn + 2], p_ints[xn + 3],
      p_times[xm + 1]
    FROM (SELECT
      p_of[p_counts[142] + i] AS g, p_counts[144] + 3 * (i - 1) AS xn, p_counts[145] + i - 1 AS xt, p_counts[147] + i - 1 AS xm
      FROM generate_series(1, p_counts[141]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_credits: changed
  IF p_counts[148] > 0 THEN
    UPDATE order_credits y SET
      kind = z.kind, line = z.line, amount = z.amount, created_at = z.created_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_texts[xt + 1] AS kind, p_ints[xn + 2] AS line, p_ints[xn + 3] AS amount,
      p_times[xm + 1] AS created_at
    FROM (SELECT
      p_of[p_counts[149] + i] AS g, p_counts[151] + 3 * (i - 1) AS xn, p_counts[152] + i - 1 AS xt, p_counts[154] + i - 1 AS xm
      FROM generate_series(1, p_counts[148]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_credits: gone
  IF p_counts[155] > 0 THEN
    DELETE FROM order_credits y USING (SELECT
      p_of[p_counts[156] + i] AS g, p_counts[158] + i - 1 AS xn
      FROM generate_series(1, p_counts[155]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[184] > p_counts[163] THEN
  -- order_disputes: new
  IF p_counts[162] > 0 THEN
    INSERT INTO order_disputes (
      bucket, order_id, n, reference, payment, amount, status, created_at, closed_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_ints[xn + 2], p_ints[xn + 3],
      p_texts[xt + 2], p_times[xm + 1], p_times[xm + 2]
    FROM (SELECT
      p_of[p_counts[163] + i] AS g, p_counts[165] + 3 * (i - 1) AS xn, p_counts[166] + 2 * (i - 1) AS xt,
      p_counts[168] + 2 * (i - 1) AS xm
      FROM generate_series(1, p_counts[162]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_disputes: changed
  IF p_counts[169] > 0 THEN
    UPDATE order_disputes y SET
      reference = z.reference, payment = z.payment, amount = z.amount, status = z.status, created_at = z.created_at,
      closed_at = z.closed_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_texts[xt + 1] AS reference, p_ints[xn + 2] AS payment, p_ints[xn + 3] AS amount,
      p_texts[xt + 2] AS status, p_times[xm + 1] AS created_at, p_times[xm + 2] AS closed_at
    FROM (SELECT
      p_of[p_counts[170] + i] AS g, p_counts[172] + 3 * (i - 1) AS xn, p_counts[173] + 2 * (i - 1) AS xt,
      p_counts[175] + 2 * (i - 1) AS xm
      FROM generate_series(1, p_counts[169]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_disputes: gone
  IF p_counts[176] > 0 THEN
    DELETE FROM order_disputes y USING (SELECT
      p_of[p_counts[177] + i] AS g, p_counts[179] + i - 1 AS xn
      FROM generate_series(1, p_counts[176]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[205] > p_counts[184] THEN
  -- order_edits: new
  IF p_counts[183] > 0 THEN
    INSERT INTO order_edits (
      bucket, order_id, n, status, cause, due_amount, payment, reservation, reservation_end, deadline, plan, first_name,
      last_name, address_line1, address_line2, city, state, postal_code, country, phone, email, created_at, updated_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_texts[xt + 1], p_texts[xt + 2], p_ints[xn + 2],
      p_ints[xn + 3], p_ints[xn + 4], p_ints[xn + 5], p_times[xm + 1], p_texts[xt + 3], p_texts[xt + 4], p_texts[xt + 5],
      p_texts[xt + 6], p_texts[xt + 7], p_texts[xt + 8], p_texts[xt + 9], p_texts[xt + 10], p_texts[xt + 11], p_texts[xt + 12],
      p_texts[xt + 13], p_times[xm + 2], p_times[xm + 3]
    FROM (SELECT
      p_of[p_counts[184] + i] AS g, p_counts[186] + 5 * (i - 1) AS xn, p_counts[187] + 13 * (i - 1) AS xt,
      p_counts[189] + 3 * (i - 1) AS xm
      FROM generate_series(1, p_counts[183]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_edits: changed
  IF p_counts[190] > 0 THEN
    UPDATE order_edits y SET
      status = z.status, cause = z.cause, due_amount = z.due_amount, payment = z.payment, reservation = z.reservation,
      reservation_end = z.reservation_end, deadline = z.deadline, plan = z.plan, first_name = z.first_name,
      last_name = z.last_name, address_line1 = z.address_line1, address_line2 = z.address_line2, city = z.city, state = z.state,
      postal_code = z.postal_code, country = z.country, phone = z.phone, email = z.email, created_at = z.created_at,
      updated_at = z.updated_at
    FROM (SELECT
      g, p_ints[xn + 1] AS n, p_texts[xt + 1] AS status, p_texts[xt + 2] AS cause, p_ints[xn + 2] AS due_amount,
      p_ints[xn + 3] AS payment, p_ints[xn + 4] AS reservation, p_ints[xn + 5] AS reservation_end, p_times[xm + 1] AS deadline,
      p_texts[xt + 3] AS plan, p_texts[xt + 4] AS first_name, p_texts[xt + 5] AS last_name, p_texts[xt + 6] AS address_line1,
      p_texts[xt + 7] AS address_line2, p_texts[xt + 8] AS city, p_texts[xt + 9] AS state, p_texts[xt + 10] AS postal_code,
      p_texts[xt + 11] AS country, p_texts[xt + 12] AS phone, p_texts[xt + 13] AS email, p_times[xm + 2] AS created_at,
      p_times[xm + 3] AS updated_at
    FROM (SELECT
      p_of[p_counts[191] + i] AS g, p_counts[193] + 5 * (i - 1) AS xn, p_counts[194] + 13 * (i - 1) AS xt,
      p_counts[196] + 3 * (i - 1) AS xm
      FROM generate_series(1, p_counts[190]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.n = z.n;
  END IF;
  -- order_edits: gone
  IF p_counts[197] > 0 THEN
    DELETE FROM order_edits y USING (SELECT
      p_of[p_counts[198] + i] AS g, p_counts[200] + i - 1 AS xn
      FROM generate_series(1, p_counts[197]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.n = p_ints[xn + 1];
  END IF;
  END IF;
  IF p_counts[226] > p_counts[205] THEN
  -- order_metadata: new
  IF p_counts[204] > 0 THEN
    INSERT INTO order_metadata (
      bucket, order_id, key, value)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_texts[xt + 1], p_texts[xt + 2]
    FROM (SELECT
      p_of[p_counts[205] + i] AS g, p_counts[208] + 2 * (i - 1) AS xt
      FROM generate_series(1, p_counts[204]) i OFFSET 0) x WHERE p_ok[g];
  END IF;
  -- order_metadata: changed
  IF p_counts[211] > 0 THEN
    UPDATE order_metadata y SET
      value = z.value
    FROM (SELECT
      g, p_texts[xt + 1] AS key, p_texts[xt + 2] AS value
    FROM (SELECT
      p_of[p_counts[212] + i] AS g, p_counts[215] + 2 * (i - 1) AS xt
      FROM generate_series(1, p_counts[211]) i OFFSET 0) x WHERE p_ok[g]) z
    WHERE y.bucket = coalesce(p_bucket, p_buckets[z.g]) AND y.order_id = p_orders[z.g] AND y.key = z.key;
  END IF;
  -- order_metadata: gone
  IF p_counts[218] > 0 THEN
    DELETE FROM order_metadata y USING (SELECT
      p_of[p_counts[219] + i] AS g, p_counts[222] + i - 1 AS xt
      FROM generate_series(1, p_counts[218]) i OFFSET 0) x
    WHERE p_ok[g] AND y.bucket = coalesce(p_bucket, p_buckets[g]) AND y.order_id = p_orders[g] AND y.key = p_texts[xt + 1];
  END IF;
  END IF;
  END IF;
  -- order_status_history: new
  IF p_counts[225] > 0 THEN
    INSERT INTO order_status_history (
      bucket, order_id, seq, format, event, from_status, status, created_by, cause, notes, command_key, command_hash,
      changeset_id, created_at)
    SELECT
      coalesce(p_bucket, p_buckets[g]), p_orders[g], p_ints[xn + 1], p_ints[xn + 2], p_texts[xt + 1], p_texts[xt + 2],
      p_texts[xt + 3], p_texts[xt + 4], p_texts[xt + 5], p_texts[xt + 6], p_texts[xt + 7], p_ids[xi + 1], p_ids[xi + 2],
      p_times[xm + 1]
    FROM (SELECT
      p_of[p_counts[226] + i] AS g, p_counts[227] + 2 * (i - 1) AS xi, p_counts[228] + 2 * (i - 1) AS xn,
      p_counts[229] + 7 * (i - 1) AS xt, p_counts[231] + i - 1 AS xm
      FROM generate_series(1, p_counts[225]) i OFFSET 0) x WHERE p_ok[g];
  END IF;

  -- end of what follows from the tables
END
$function$;

-- step on Citus: order_write_v1: the schema, which sessions of nodes are not in
ALTER FUNCTION order_write_v1 SET search_path = {schema};

-- step on Citus: order_write_v1 on all nodes
SELECT create_distributed_function(oid::regprocedure)
FROM pg_proc WHERE proname = 'order_write_v1' AND pronamespace = '{schema}'::regnamespace;
