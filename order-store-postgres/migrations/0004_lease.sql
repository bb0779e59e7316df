-- Leases on due work, in one durable transaction. The orders are read afterwards.

-- step: order_lease_v1
CREATE OR REPLACE FUNCTION order_lease_v1(
  -- As for order_commit_v1.
  p_store uuid,
  p_schema integer,
  p_now timestamptz,
  -- The new lease, and how long it lasts in microseconds; NULL: for ever.
  p_fence uuid,
  p_ttl bigint,
  -- How many at the most.
  p_limit bigint,
  -- Only items of this bucket; NULL: of any, where one node has all.
  p_bucket smallint,
  -- Only this order's item, which is of that bucket, due or not, unless it is stuck.
  p_order uuid,
  OUT leased uuid[],
  -- In how many microseconds there is more; NULL if nothing but stuck items waits, and where buckets are apart, for no node has them all.
  OUT next_in bigint,
  -- The time by which both were judged.
  OUT as_of timestamptz
) LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan SET jit = off
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $function$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_until timestamptz := coalesce(v_now + p_ttl * interval '1 microsecond', '294247-01-10 04:00:54.775807+00');
  v_store uuid;
  v_min_writer integer;
  v_partitions integer;
  v_buckets smallint[];
BEGIN
  as_of := v_now;
  SELECT s.id, s.min_writer, s.partitions INTO v_store, v_min_writer, v_partitions FROM order_store s WHERE s.one = 1;
  IF v_store IS DISTINCT FROM p_store THEN
    RAISE EXCEPTION 'another store stands in the schema by now' USING ERRCODE = 'OS001';
  ELSIF v_min_writer > p_schema THEN
    RAISE EXCEPTION 'the schema was migrated for newer programs, from version % on', v_min_writer USING ERRCODE = 'OS002';
  END IF;
  IF p_limit > 0 AND p_order IS NOT NULL THEN
    UPDATE order_work w SET fence = p_fence, leased_until = v_until, taken_over = w.fence IS NOT NULL, revision = w.revision + 1
    WHERE w.bucket = p_bucket AND w.order_id = p_order AND w.due_at IS NOT NULL
      AND (w.leased_until IS NULL OR w.leased_until <= v_now);
    IF FOUND THEN
      leased := ARRAY[p_order];
    END IF;
  ELSIF p_limit > 0 THEN
    -- Those that somebody else is about to take are passed over; nobody waits.
    SELECT array_agg(d.bucket ORDER BY d.leasable_at, d.order_id), array_agg(d.order_id ORDER BY d.leasable_at, d.order_id)
    INTO v_buckets, leased
    FROM (SELECT w.bucket, w.order_id, w.leasable_at FROM order_work w WHERE w.leasable_at <= v_now
        AND (p_bucket IS NULL OR w.bucket = p_bucket)
      ORDER BY w.leasable_at, w.order_id LIMIT p_limit FOR UPDATE SKIP LOCKED) d;
    IF leased IS NOT NULL THEN
      UPDATE order_work w SET fence = p_fence, leased_until = v_until, taken_over = w.fence IS NOT NULL, revision = w.revision + 1
      FROM generate_series(1, cardinality(leased)) i WHERE w.bucket = coalesce(p_bucket, v_buckets[i]) AND w.order_id = leased[i];
    END IF;
  END IF;
  IF v_partitions = 1 THEN
    SELECT greatest(extract(epoch FROM w.leasable_at - v_now) * 1000000, 0)::bigint INTO next_in
    FROM order_work w WHERE w.leasable_at IS NOT NULL ORDER BY w.leasable_at, w.order_id LIMIT 1;
  END IF;
END
$function$;

-- step on Citus: order_lease_v1: the schema, which sessions of nodes are not in
ALTER FUNCTION order_lease_v1 SET search_path = {schema};

-- step on Citus: order_lease_v1: planned for its values, which say on which node they are
ALTER FUNCTION order_lease_v1 SET plan_cache_mode = force_custom_plan;

-- step on Citus: order_lease_v1 on the node that has the bucket
SELECT create_distributed_function(oid::regprocedure, 'p_bucket', colocate_with => 'orders')
FROM pg_proc WHERE proname = 'order_lease_v1' AND pronamespace = '{schema}'::regnamespace;
