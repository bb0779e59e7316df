-- One durable transaction for a group of changesets. A caller of this function sends no two changesets of one order, one idempotency key
-- or one order number in a group. A later version gets a new name, so that programs of either version can run.

-- step: order_commit_v1
CREATE OR REPLACE FUNCTION order_commit_v1(
  -- The bucket of all changesets, where the feed has several partitions; otherwise NULL, and a group mixes buckets. Where a database is
  -- spread over nodes by buckets, it is to see in each statement that one node has all of its rows.
  p_bucket smallint,
  -- Their partition of the feed, and the bucket that its head stands in.
  p_partition smallint,
  p_head smallint,
  -- The store that is meant, and the number of the schema that the caller knows.
  p_store uuid,
  p_schema integer,
  -- The time by which leases are judged, for tests; NULL: the database's.
  p_now timestamptz,
  -- Of each changeset: its bucket, order and id; the version it expects, and how many journal rows it has.
  p_buckets smallint[],
  p_orders uuid[],
  p_changesets uuid[],
  p_expected bigint[],
  p_rows bigint[],
  -- Whether it is refused whatever is stored, and only what it is refused with is asked for.
  p_doomed boolean[],
  -- Whether the notes of earlier journal rows are erased; the number to which `notified` rises, if it has no journal rows.
  p_redacts boolean[],
  p_notified bigint[],
  -- The order number, of a new order; the idempotency key, if it has one.
  p_numbers text[],
  p_users uuid[],
  p_key_methods text[],
  p_keys text[],
  -- What happens to the work item: 0 nothing, 1 lease, 2 wake, 3 begin, 4 extend, 5 release, 6 done; times to live are microseconds,
  -- NULL: for ever.
  p_work bigint[],
  p_fences uuid[],
  p_revisions bigint[],
  p_ttls bigint[],
  p_dues timestamptz[],
  p_tries text[],
  -- The command keys of journal rows, each with its changeset.
  p_command_of integer[],
  p_command_keys text[],
  -- Redemptions that are taken or given back, each with its changeset, one changeset's side by side; which of the names it is, and whether
  -- it is the last of that name in its changeset. Then the names, each once, with their buckets.
  p_redeem_of integer[],
  p_redeem_name integer[],
  p_redeem_limit bigint[],
  p_redeem_take boolean[],
  p_redeem_last boolean[],
  p_name_buckets smallint[],
  p_names text[],
  -- The rows: see order_write_v1.
  p_counts integer[],
  p_of integer[],
  p_ids uuid[],
  p_ints bigint[],
  p_texts text[],
  p_flags boolean[],
  p_times timestamptz[]
) RETURNS TABLE (
  applied boolean,
  -- The work item's revision afterwards.
  revision bigint,
  -- Of a changeset that is not applied, what the caller needs to know why.
  stored_version bigint,
  replayed boolean,
  stored_revision bigint,
  stored_fence uuid,
  key_order uuid,
  key_hash uuid,
  number_is_taken boolean,
  command_keys text[],
  command_seqs bigint[],
  command_hashes uuid[],
  redeem_names text[],
  redeem_held boolean[],
  redeem_in_use bigint[]
) LANGUAGE plpgsql
  -- What is written is always found by keys, whatever the planner believes of tables that were empty when it looked; and it looks once.
  SET plan_cache_mode = force_generic_plan SET jit = off
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $function$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  -- The last time that order-core knows: 2^63 - 1 microseconds after 1970.
  v_ever constant timestamptz := '294247-01-10 04:00:54.775807+00';
  v_count integer := cardinality(p_orders);
  v_store uuid;
  v_min_writer integer;
  v_version bigint[];
  v_fence uuid[];
  v_revision bigint[];
  v_key_order uuid[];
  v_key_hash uuid[];
  v_number_taken boolean[];
  v_ok boolean[];
  v_untils timestamptz[];
  v_one boolean;
  v_commands integer := cardinality(p_command_of);
  v_command_used boolean[];
  v_found_of integer[];
  v_found_key text[];
  v_found_seq bigint[];
  v_found_hash uuid[];
  v_redeems integer := cardinality(p_redeem_of);
  v_names integer := cardinality(p_names);
  v_in_use bigint[];
  v_in_use_before bigint[];
  v_in_use_seen bigint[];
  v_held_before boolean[];
  v_held boolean[];
  v_redeem integer := 1;
  v_first integer;
  v_name integer;
  v_name_bucket smallint;
  v_name_text text;
  v_count_in_use bigint;
  v_fed integer := 0;
  v_nth integer[];
  v_clock timestamptz;
  v_position bigint;
  v_fed_at timestamptz;
  j integer;
BEGIN
  SELECT s.id, s.min_writer INTO v_store, v_min_writer FROM order_store s WHERE s.one = 1;
  IF v_store IS DISTINCT FROM p_store THEN
    RAISE EXCEPTION 'another store stands in the schema by now' USING ERRCODE = 'OS001';
  ELSIF v_min_writer > p_schema THEN
    RAISE EXCEPTION 'the schema was migrated for newer programs, from version % on', v_min_writer USING ERRCODE = 'OS002';
  END IF;

  -- Locks, always in this order: orders, work items, names of redemptions, the head of the feed. Each statement sees what was
  -- committed before it began, so that what is locked here is as it was when the next ones look.
  IF 0 < ANY (p_expected) THEN
    PERFORM 1 FROM generate_series(1, v_count) i JOIN order_state s
        ON s.bucket = coalesce(p_bucket, p_buckets[i]) AND s.order_id = p_orders[i]
      WHERE p_rows[i] > 0 AND p_expected[i] > 0 ORDER BY s.bucket, s.order_id FOR NO KEY UPDATE OF s;
  END IF;
  -- A new order has no work item yet.
  IF 0 < ANY (p_expected) OR 2 <= ANY (p_work) THEN
    PERFORM 1 FROM generate_series(1, v_count) i JOIN order_work w
        ON w.bucket = coalesce(p_bucket, p_buckets[i]) AND w.order_id = p_orders[i]
      WHERE p_work[i] > 0 ORDER BY w.bucket, w.order_id FOR UPDATE OF w;
  END IF;
  IF v_names > 0 THEN
    v_in_use_before := array_fill(0::bigint, ARRAY[v_names]);
    FOR v_name, v_name_bucket, v_name_text IN
      SELECT n, p_name_buckets[n], p_names[n] FROM generate_series(1, v_names) n ORDER BY p_name_buckets[n], p_names[n] COLLATE "C"
    LOOP
      SELECT c.in_use INTO v_count_in_use FROM order_redemption_counts c
      WHERE c.bucket = v_name_bucket AND c.name = v_name_text FOR UPDATE;
      v_in_use_before[v_name] := coalesce(v_count_in_use, 0);
    END LOOP;
  END IF;

  -- What is stored that the changesets depend on.
  SELECT array_agg(x.version), array_agg(x.fence), array_agg(x.revision), array_agg(x.key_order), array_agg(x.request_hash),
    array_agg(x.number_is_taken)
  INTO v_version, v_fence, v_revision, v_key_order, v_key_hash, v_number_taken
  FROM (SELECT s.version, w.fence, w.revision, k.id AS key_order, k.request_hash, n.id IS NOT NULL AS number_is_taken
    FROM generate_series(1, v_count) i
      LEFT JOIN order_state s ON s.bucket = coalesce(p_bucket, p_buckets[i]) AND s.order_id = p_orders[i]
      LEFT JOIN order_work w ON w.bucket = coalesce(p_bucket, p_buckets[i]) AND w.order_id = p_orders[i]
      LEFT JOIN orders k ON k.bucket = coalesce(p_bucket, p_buckets[i]) AND k.user_id = p_users[i]
        AND k.key_method = p_key_methods[i] AND k.key = p_keys[i] AND k.key IS NOT NULL
      LEFT JOIN orders n ON n.order_number = p_numbers[i] AND n.bucket = coalesce(p_bucket, p_buckets[i])
    ORDER BY i) x;
  v_command_used := array_fill(false, ARRAY[v_count]);
  IF v_commands > 0 THEN
    SELECT array_agg(p_command_of[c]), array_agg(h.command_key), array_agg(h.seq), array_agg(h.command_hash)
    INTO v_found_of, v_found_key, v_found_seq, v_found_hash
    FROM generate_series(1, v_commands) c JOIN order_status_history h ON h.bucket = coalesce(p_bucket, p_buckets[p_command_of[c]])
      AND h.order_id = p_orders[p_command_of[c]] AND h.command_key = p_command_keys[c] AND h.command_key IS NOT NULL;
    FOR c IN 1 .. coalesce(cardinality(v_found_of), 0) LOOP
      v_command_used[v_found_of[c]] := true;
    END LOOP;
  END IF;
  IF v_names > 0 THEN
    SELECT array_agg(r.name IS NOT NULL ORDER BY x) INTO v_held_before
    FROM generate_series(1, v_redeems) x LEFT JOIN order_redemptions r ON r.bucket = coalesce(p_bucket, p_buckets[p_redeem_of[x]])
      AND r.order_id = p_orders[p_redeem_of[x]] AND r.name = p_names[p_redeem_name[x]];
    v_in_use := v_in_use_before;
    v_in_use_seen := array_fill(0::bigint, ARRAY[v_redeems]);
    v_held := v_held_before;
  END IF;

  -- Which of them apply. Why one does not is the caller's to say, by what is returned: here nothing stands of which comes first.
  FOR i IN 1 .. v_count LOOP
    v_one := NOT p_doomed[i] AND NOT v_command_used[i] AND v_key_order[i] IS NULL AND NOT v_number_taken[i];
    IF p_work[i] >= 3 THEN
      v_one := v_one AND v_fence[i] IS NOT DISTINCT FROM p_fences[i] AND v_revision[i] IS NOT DISTINCT FROM p_revisions[i]
        AND (p_rows[i] = 0 OR v_version[i] IS NOT DISTINCT FROM nullif(p_expected[i], 0));
    ELSIF p_rows[i] = 0 THEN
      v_one := v_one AND v_version[i] IS NOT NULL;
    ELSE
      v_one := v_one AND v_version[i] IS NOT DISTINCT FROM nullif(p_expected[i], 0);
    END IF;
    IF v_redeem <= v_redeems AND p_redeem_of[v_redeem] = i THEN
      v_first := v_redeem;
      WHILE v_redeem <= v_redeems AND p_redeem_of[v_redeem] = i LOOP
        v_name := p_redeem_name[v_redeem];
        v_in_use_seen[v_redeem] := v_in_use[v_name];
        v_redeem := v_redeem + 1;
      END LOOP;
      j := v_first;
      WHILE v_one AND j < v_redeem LOOP
        v_name := p_redeem_name[j];
        IF p_redeem_take[j] AND NOT v_held[j] THEN
          v_one := v_in_use[v_name] < p_redeem_limit[j];
          v_in_use[v_name] := v_in_use[v_name] + 1;
        ELSIF v_held[j] AND NOT p_redeem_take[j] THEN
          v_in_use[v_name] := greatest(v_in_use[v_name] - 1, 0);
        END IF;
        FOR k IN j + 1 .. v_redeem - 1 LOOP
          IF p_redeem_name[k] = v_name THEN
            v_held[k] := p_redeem_take[j];
          END IF;
        END LOOP;
        j := j + 1;
      END LOOP;
      IF NOT v_one THEN
        FOR k IN v_first .. v_redeem - 1 LOOP
          v_in_use[p_redeem_name[k]] := v_in_use_seen[k];
        END LOOP;
      END IF;
    END IF;
    v_ok[i] := v_one;
    IF p_work[i] IN (1, 3, 4) THEN
      v_untils[i] := coalesce(v_now + p_ttls[i] * interval '1 microsecond', v_ever);
    END IF;
    IF v_one AND p_rows[i] > 0 THEN
      v_fed := v_fed + 1;
    END IF;
    v_nth[i] := v_fed;
  END LOOP;

  -- Nothing is refused from here on.
  IF true = ANY (p_redacts) THEN
    UPDATE order_status_history h SET notes = NULL FROM generate_series(1, v_count) i
    WHERE v_ok[i] AND p_redacts[i] AND h.bucket = coalesce(p_bucket, p_buckets[i]) AND h.order_id = p_orders[i]
      AND h.notes IS NOT NULL;
  END IF;
  IF v_fed > 0 THEN
    PERFORM order_write_v1(p_bucket, p_buckets, p_orders, v_ok, p_counts, p_of, p_ids, p_ints, p_texts, p_flags, p_times);
  END IF;
  IF 0 < ANY (p_notified) THEN
    UPDATE order_state s SET notified = n.notified
    FROM (SELECT i, p_notified[i] AS notified FROM generate_series(1, v_count) i WHERE v_ok[i] AND p_notified[i] IS NOT NULL) n
    WHERE s.bucket = coalesce(p_bucket, p_buckets[n.i]) AND s.order_id = p_orders[n.i] AND s.notified < n.notified;
  END IF;
  IF p_work && ARRAY[1, 2]::bigint[] THEN
    INSERT INTO order_work (bucket, order_id, due_at, leased_until, fence, revision, taken_over, runs, tries)
    SELECT coalesce(p_bucket, p_buckets[i]), p_orders[i], p_dues[i], CASE p_work[i] WHEN 1 THEN v_untils[i] END,
      CASE p_work[i] WHEN 1 THEN p_fences[i] END, 1, false, 0, NULL
    FROM generate_series(1, v_count) i WHERE v_ok[i] AND p_work[i] IN (1, 2) AND v_revision[i] IS NULL;
  END IF;
  IF 0 < ANY (v_revision) AND p_work && ARRAY[1, 2, 3, 4, 5]::bigint[] THEN
    UPDATE order_work w SET
      due_at = CASE n.work WHEN 1 THEN n.due WHEN 2 THEN least(w.due_at, n.due) WHEN 5 THEN n.due ELSE w.due_at END,
      leased_until = CASE n.work WHEN 2 THEN w.leased_until WHEN 5 THEN NULL ELSE n.until END,
      fence = CASE n.work WHEN 1 THEN n.fence WHEN 5 THEN NULL ELSE w.fence END,
      revision = w.revision + 1,
      taken_over = CASE WHEN n.work IN (1, 5) THEN false ELSE w.taken_over END,
      runs = CASE n.work WHEN 3 THEN least(w.runs + 1, 4294967295) WHEN 5 THEN 0 ELSE w.runs END,
      tries = CASE WHEN n.work IN (4, 5) THEN n.tries ELSE w.tries END
    FROM (SELECT i, p_work[i] AS work, p_dues[i] AS due, v_untils[i] AS until, p_fences[i] AS fence, p_tries[i] AS tries
      FROM generate_series(1, v_count) i WHERE v_ok[i] AND p_work[i] BETWEEN 1 AND 5 AND v_revision[i] IS NOT NULL) n
    WHERE w.bucket = coalesce(p_bucket, p_buckets[n.i]) AND w.order_id = p_orders[n.i];
  END IF;
  IF 6 = ANY (p_work) THEN
    DELETE FROM order_work w USING generate_series(1, v_count) i
    WHERE v_ok[i] AND p_work[i] = 6 AND w.bucket = coalesce(p_bucket, p_buckets[i]) AND w.order_id = p_orders[i];
  END IF;
  IF v_names > 0 THEN
    INSERT INTO order_redemptions (bucket, order_id, name)
    SELECT coalesce(p_bucket, p_buckets[p_redeem_of[x]]), p_orders[p_redeem_of[x]], p_names[p_redeem_name[x]]
    FROM generate_series(1, v_redeems) x
    WHERE v_ok[p_redeem_of[x]] AND p_redeem_last[x] AND p_redeem_take[x] AND NOT v_held_before[x];
    DELETE FROM order_redemptions r USING generate_series(1, v_redeems) x
    WHERE v_ok[p_redeem_of[x]] AND p_redeem_last[x] AND NOT p_redeem_take[x] AND v_held_before[x]
      AND r.bucket = coalesce(p_bucket, p_buckets[p_redeem_of[x]]) AND r.order_id = p_orders[p_redeem_of[x]]
      AND r.name = p_names[p_redeem_name[x]];
    FOR n IN 1 .. v_names LOOP
      v_name_bucket := p_name_buckets[n];
      v_name_text := p_names[n];
      v_count_in_use := v_in_use[n];
      IF v_count_in_use = v_in_use_before[n] THEN
        CONTINUE;
      ELSIF v_in_use_before[n] = 0 THEN
        INSERT INTO order_redemption_counts (bucket, name, in_use) VALUES (v_name_bucket, v_name_text, v_count_in_use);
      ELSIF v_count_in_use = 0 THEN
        DELETE FROM order_redemption_counts c WHERE c.bucket = v_name_bucket AND c.name = v_name_text;
      ELSE
        UPDATE order_redemption_counts c SET in_use = v_count_in_use WHERE c.bucket = v_name_bucket AND c.name = v_name_text;
      END IF;
    END LOOP;
  END IF;
  IF v_fed > 0 THEN
    v_clock := clock_timestamp();
    UPDATE order_feed_head h SET position = h.position + v_fed, fed_at = greatest(h.fed_at, v_clock)
    WHERE h.bucket = p_head RETURNING h.position, h.fed_at INTO v_position, v_fed_at;
    INSERT INTO order_feed (bucket, partition, position, fed_at, order_id, first_seq, rows)
    SELECT coalesce(p_bucket, p_buckets[i]), p_partition, v_position - v_fed + v_nth[i], v_fed_at, p_orders[i], p_expected[i] + 1,
      p_rows[i]
    FROM generate_series(1, v_count) i WHERE v_ok[i] AND p_rows[i] > 0;
  END IF;

  IF NOT false = ANY (v_ok) THEN
    RETURN QUERY SELECT true, CASE p_work[x] WHEN 0 THEN coalesce(v_revision[x], 0) WHEN 6 THEN 0 ELSE coalesce(v_revision[x], 0) + 1 END,
      NULL::bigint, NULL::boolean, NULL::bigint, NULL::uuid, NULL::uuid, NULL::uuid, NULL::boolean, NULL::text[], NULL::bigint[], NULL::uuid[],
      NULL::text[], NULL::boolean[], NULL::bigint[]
    FROM generate_series(1, v_count) x ORDER BY x;
    RETURN;
  END IF;
  RETURN QUERY SELECT v_ok[x],
    CASE p_work[x] WHEN 0 THEN coalesce(v_revision[x], 0) WHEN 6 THEN 0 ELSE coalesce(v_revision[x], 0) + 1 END,
    v_version[x],
    CASE WHEN NOT v_ok[x] THEN EXISTS (SELECT 1 FROM order_status_history h
      WHERE h.bucket = coalesce(p_bucket, p_buckets[x]) AND h.order_id = p_orders[x] AND h.seq = p_expected[x] + 1
        AND h.changeset_id = p_changesets[x]) END,
    v_revision[x], v_fence[x], v_key_order[x], v_key_hash[x], v_number_taken[x],
    CASE WHEN NOT v_ok[x] THEN (SELECT array_agg(v_found_key[c]) FROM generate_series(1, cardinality(v_found_of)) c WHERE v_found_of[c] = x) END,
    CASE WHEN NOT v_ok[x] THEN (SELECT array_agg(v_found_seq[c]) FROM generate_series(1, cardinality(v_found_of)) c WHERE v_found_of[c] = x) END,
    CASE WHEN NOT v_ok[x] THEN (SELECT array_agg(v_found_hash[c]) FROM generate_series(1, cardinality(v_found_of)) c WHERE v_found_of[c] = x) END,
    CASE WHEN NOT v_ok[x] THEN
      (SELECT array_agg(p_names[p_redeem_name[c]]) FROM generate_series(1, v_redeems) c WHERE p_redeem_of[c] = x) END,
    CASE WHEN NOT v_ok[x] THEN (SELECT array_agg(v_held_before[c]) FROM generate_series(1, v_redeems) c WHERE p_redeem_of[c] = x) END,
    CASE WHEN NOT v_ok[x] THEN (SELECT array_agg(v_in_use_seen[c]) FROM generate_series(1, v_redeems) c WHERE p_redeem_of[c] = x) END
  FROM generate_series(1, v_count) x ORDER BY x;
END
$function$;

-- step on Citus: order_commit_v1: the schema, which sessions of nodes are not in
ALTER FUNCTION order_commit_v1 SET search_path = {schema};

-- step on Citus: order_commit_v1: planned for its values, which say on which node they are
ALTER FUNCTION order_commit_v1 SET plan_cache_mode = force_custom_plan;

-- step on Citus: order_commit_v1 on the node that has the bucket
SELECT create_distributed_function(oid::regprocedure, 'p_bucket', colocate_with => 'orders')
FROM pg_proc WHERE proname = 'order_commit_v1' AND pronamespace = '{schema}'::regnamespace;
