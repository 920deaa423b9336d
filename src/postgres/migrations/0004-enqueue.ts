import { MAX_DELAY_MS } from "../../core/errors.ts";
import { UNKNOWN_PARENT } from "../database-error.ts";
import { INTO } from "../columns.ts";
import { HAS_NOTIFY_ROOM } from "../notify-room.ts";
import { jobKeys } from "./job-keys.ts";
import type { Migration } from "./migration.ts";

/**
 * Enqueueing in SQL.
 *
 * - `enqueue_jobs`: writes jobs of which some run after others or have a key. One array a column, one
 *   element a job; `afters` holds each job's parents as the text of an array. Answers with the ids of
 *   the jobs that stand, in the same order, and with those of them that it wrote. Whoever knows the id of
 *   a parent knows it from before the call, so it is below all that the call draws: any other is of no
 *   job, and refused, or its child would run at once.
 * - `enqueue`: one job, for triggers, psql and other languages. Notifies in the transaction.
 *
 * Both run with the rights of their owner, because they lock and look at jobs that their caller need
 * not be able to read: so roles have to be given the right to call them (`src/postgres/grants.ts`).
 */
export const enqueue: Migration = {
  version: 4,
  name: "enqueue",
  minVersion: 1,
  sql: ({ schema, channel }) => `${jobKeys(schema)}
create function ${schema}.enqueue_jobs(
  kinds text[], queues text[], payloads text[], priorities smallint[], delays_ms float8[],
  run_ats_ms float8[], all_max_attempts int[], sources text[], timeouts_ms bigint[], backoffs text[],
  keep_results_ms bigint[], afters text[], after_failures text[], all_keys text[],
  out ids bigint[], out inserted bigint[]
)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  parents jsonb;
  stranger bigint;
  drawn bigint[] := array(select nextval('${schema.replaceAll("'", "''")}.job_ids')
                            from generate_series(1, cardinality(kinds)));
begin
  ids := drawn;
  if array_remove(all_keys, null) <> '{}' then
    ids := ${schema}.take_keys(all_keys, drawn);
  end if;
  select min(p) into stranger from unnest(afters) a cross join lateral unnest(a::bigint[]) p
   where p < 1 or p >= drawn[1];
  if stranger is not null then
    raise exception 'Expected \`after\` to hold ids of jobs that were enqueued before, got %', stranger
      using errcode = '${UNKNOWN_PARENT}', detail = stranger;
  end if;
  parents := ${schema}.lock_parents(array(
    select unnest(u.after::bigint[]) from unnest(drawn, ids, afters) as u (id, stands, after)
     where u.id = u.stands));
  with moment as materialized (
    select clock_timestamp() as at
  ), input as materialized (
    select u.id, m.at as created_at,
           greatest(m.at, coalesce(to_timestamp(u.run_at_ms / 1000),
                                   m.at + make_interval(secs => u.delay_ms / 1000))) as run_at,
           u.timeout_ms, u.keep_result_ms, 0 as attempt, u.max_attempts, 0 as crashes, 0 as token, u.priority,
           false as has_children, u.kind, u.queue, u.payload::jsonb as payload, '[]'::jsonb as errors,
           u.source, u.key, u.backoff::jsonb as backoff, null::jsonb as progress, u.after_failure,
           l.parent_ids, l.failed_parent
      from unnest(drawn, ids, kinds, queues, payloads, priorities, delays_ms, run_ats_ms, all_max_attempts,
                  sources, timeouts_ms, backoffs, keep_results_ms, afters, after_failures, all_keys)
           as u (id, stands, kind, queue, payload, priority, delay_ms, run_at_ms, max_attempts,
                 source, timeout_ms, backoff, keep_result_ms, after, after_failure, key)
           cross join moment m
           cross join lateral (
             select array_agg(distinct p) as parent_ids,
                    min(p) filter (where u.after_failure = 'fail' and (parents ->> p::text)::boolean)
                      as failed_parent
               from unnest(u.after::bigint[]) p
              where parents ? p::text and not (u.after_failure = 'run' and (parents ->> p::text)::boolean)) l
     where u.id = u.stands
  ), now_failed as (
    insert into ${schema}.failed (${INTO}, failed_at, reason)
    select ${INTO}, i.created_at, 'Job ' || i.failed_parent || ', which it waits for, failed'
      from input i where i.failed_parent is not null
  ), now_waiting as (
    insert into ${schema}.waiting (${INTO}, after_failure, parents_left)
    select ${INTO}, i.after_failure, cardinality(i.parent_ids)
      from input i where i.failed_parent is null and i.parent_ids is not null
  ), now_linked as (
    insert into ${schema}.dependencies (parent_id, child_id)
    select p, i.id from input i cross join lateral unnest(i.parent_ids) p where i.failed_parent is null
  ), now_scheduled as (
    insert into ${schema}.scheduled (${INTO})
    select ${INTO} from input i where i.parent_ids is null and i.run_at > i.created_at
  ), now_pending as (
    insert into ${schema}.pending (${INTO})
    select ${INTO} from input i where i.parent_ids is null and i.run_at = i.created_at
  )
  select array(select i.id from input i order by i.id) into inserted;
end $$;

create function ${schema}.enqueue(
  kind text, payload jsonb, queue text default 'default', priority int default 0,
  run_at timestamptz default null, delay interval default null, max_attempts int default 3,
  source text default null, after bigint[] default null, after_failure text default 'wait',
  keep_result_ms bigint default null, key text default null
) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  job bigint;
  written bigint[];
  due timestamptz := coalesce(run_at, clock_timestamp() + delay);
begin
  if kind is null or kind !~ '[^[:space:]]' or length(kind) > 200 then
    raise exception 'millrace: expected kind to be a text of 1 to 200 characters' using errcode = '22023';
  elsif payload is null then
    raise exception 'millrace: expected payload to be JSON, got null; say ''null''::jsonb for none'
      using errcode = '22023';
  elsif queue is null or queue !~ '[^[:space:]]' or length(queue) > 200 then
    raise exception 'millrace: expected queue to be a text of 1 to 200 characters' using errcode = '22023';
  elsif priority is null or priority not between -32768 and 32767 then
    raise exception 'millrace: expected priority to be an integer from -32768 to 32767' using errcode = '22023';
  elsif max_attempts is null or max_attempts not between 1 and 10000 then
    raise exception 'millrace: expected max_attempts to be an integer from 1 to 10000' using errcode = '22023';
  elsif not isfinite(coalesce(due, clock_timestamp())) then
    raise exception 'millrace: expected run_at and delay to be finite' using errcode = '22023';
  elsif after_failure is null or after_failure not in ('wait', 'run', 'fail') then
    raise exception 'millrace: expected after_failure to be wait, run or fail' using errcode = '22023';
  elsif keep_result_ms not between 1 and ${MAX_DELAY_MS} then
    raise exception 'millrace: expected keep_result_ms to be an integer from 1 to ${MAX_DELAY_MS}'
      using errcode = '22023';
  elsif key !~ '[^[:space:]]' or length(key) > 200 then
    raise exception 'millrace: expected key to be a text of 1 to 200 characters' using errcode = '22023';
  elsif array_position(after, null) is not null then
    raise exception 'millrace: expected after to hold no nulls' using errcode = '22023';
  end if;
  select e.ids[1], e.inserted into job, written from ${schema}.enqueue_jobs(
    array[kind], array[queue], array[payload::text], array[priority::smallint], array[0],
    array[date_part('epoch', due) * 1000], array[max_attempts], array[source], array[null::bigint],
    array[null::text], array[keep_result_ms], array[coalesce(after, '{}')::text], array[after_failure],
    array[key]) e;
  if written = '{}' or not ${HAS_NOTIFY_ROOM} then return job; end if;
  if exists (select from ${schema}.pending p where p.id = job) then
    perform pg_notify(${channel}, json_build_object('queue', queue)::text);
  elsif exists (select from ${schema}.scheduled s where s.id = job) then
    perform pg_notify(${channel}, json_build_object('queue', queue, 'dueInMs',
      greatest(0, ceil(date_part('epoch', due - clock_timestamp()) * 1000))::bigint)::text);
  end if;
  return job;
end $$;

revoke execute on function ${schema}.enqueue, ${schema}.enqueue_jobs from public;
`,
};
