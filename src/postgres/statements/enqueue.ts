import { INTO } from "../columns.ts";
import { HAS_NOTIFY_ROOM } from "../notify-room.ts";

/**
 * ENQUEUE: writes jobs that wait for nothing and have no key, all or none.
 *
 * Called by `enqueue` and `enqueueIn`, once for all jobs that gathered. Takes one array for each
 * column: `unnest` reads them side by side. Answers with one row, the ids in the same order and the
 * moment, by which it is judged when a job is due; they are drawn before the jobs part ways into `pending` and `scheduled`, so that ids grow in that order.
 * Takes no locks but those of its new rows, and reads no index.
 *
 * A moment in the past counts as now, or a job would have waited before it was there.
 */
export const enqueue = (schema: string): string => `
with moment as materialized (
  select clock_timestamp() as at
), input as materialized (
  select nextval('${schema.replaceAll("'", "''")}.job_ids') as id, m.at as created_at,
         greatest(m.at, coalesce(to_timestamp(u.run_at_ms / 1000),
                                 m.at + make_interval(secs => u.delay_ms / 1000))) as run_at,
         u.timeout_ms, u.keep_result_ms, 0 as attempt, u.max_attempts, 0 as crashes, 0 as token, u.priority,
         false as has_children, u.kind, u.queue, u.payload::jsonb as payload, '[]'::jsonb as errors,
         u.source, null::text as key, u.backoff::jsonb as backoff, null::jsonb as progress
    from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::float8[], $6::float8[],
                $7::int[], $8::text[], $9::bigint[], $10::text[], $11::bigint[])
         as u (kind, queue, payload, priority, delay_ms, run_at_ms,
               max_attempts, source, timeout_ms, backoff, keep_result_ms)
         cross join moment m
), now_pending as (
  insert into ${schema}.pending (${INTO})
  select ${INTO} from input i where i.run_at = i.created_at
), now_scheduled as (
  insert into ${schema}.scheduled (${INTO})
  select ${INTO} from input i where i.run_at > i.created_at
)
select array_to_string(array(select i.id from input i), ',') as ids, date_part('epoch', m.at) * 1000 as at_ms from moment m`;

/**
 * ENQUEUE_JOBS: the same for a batch in which some job waits for others or has a key. Tells also which
 * ids it wrote: the others are of jobs that had the same key before.
 *
 * The function takes the keys, and waits for transactions that are doing the same (see migration 4).
 * Then it locks the rows of the parents until the transaction ends, each by the primary key of its
 * table (see migration 2), so that none of them can settle unseen.
 */
export const enqueueJobs = (schema: string): string => `
select array_to_string(e.ids, ',') as ids, array_to_string(e.inserted, ',') as inserted,
       date_part('epoch', clock_timestamp()) * 1000 as at_ms
  from ${schema}.enqueue_jobs($1::text[], $2::text[], $3::text[], $4::smallint[], $5::float8[],
  $6::float8[], $7::int[], $8::text[], $9::bigint[], $10::text[], $11::bigint[],
  $12::text[], $13::text[], $14::text[]) e`;

/**
 * NOTIFY: wakes workers, one notification for each payload. `$1` is the channel.
 *
 * Called after the enqueues of a gathering have committed, in a transaction of its own, for a
 * notifying commit takes a lock on the whole database; or inside the app's own transaction.
 */
export const notify = (): string => `
select count(pg_notify($1, u.payload)) from unnest($2::text[]) as u (payload) where ${HAS_NOTIFY_ROOM}`;
