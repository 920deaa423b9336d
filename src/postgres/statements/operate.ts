import { INTO, values } from "../columns.ts";
import { HAS_NOTIFY_ROOM } from "../notify-room.ts";

/** What an operator's retry resets. The errors stay, and so does the token: it only grows. */
const fresh = { attempt: "0", crashes: "0", run_at: "clock_timestamp()", progress: "null" };

/** The rest of a retry: the jobs of `gone` become pending and the workers of their queues are told. */
const retried = (schema: string): string => `
now_pending as (
  insert into ${schema}.pending (${INTO}) select ${values("g", fresh)} from gone g
), told as materialized (
  select pg_notify($1, json_build_object('queue', q.queue)::text) from (select distinct queue from gone) q
   where ${HAS_NOTIFY_ROOM}
)`;

/**
 * LIST_FAILED: the newest `$1` failed jobs, newest first, without payloads: those may hold personal
 * data. Served by the index `failed_newest`, locks nothing.
 */
export const listFailed = (schema: string): string => `
select f.id::text, f.kind, f.queue, f.source, f.attempt, f.max_attempts, f.crashes, f.reason,
       f.cancelled, f.errors::text, date_part('epoch', f.created_at) * 1000 as created_at_ms,
       date_part('epoch', f.failed_at) * 1000 as failed_at_ms
  from ${schema}.failed f order by f.failed_at desc, f.id desc limit $1::int`;

/**
 * RETRY_JOB: makes the failed job `$2` pending, its attempts and its progress cleared, also one that
 * was cancelled, and notifies on the channel `$1`. Locks that row, found by the primary key of `failed`. Children that still wait for it go on.
 */
export const retryJob = (schema: string): string => `
with gone as (
  delete from ${schema}.failed f where f.id = $2::bigint returning *
), ${retried(schema)}
select g.id::text, (select count(*) from told) as told from gone g`;

/** How many jobs one step of a bulk retry moves. */
const RETRY_STEP = 1_000;

const retryStep = (schema: string, where: string): string => `
with gone as (
  delete from ${schema}.failed f where f.id = any(array(
    select d.id from ${schema}.failed d where d.id > $2::bigint and not d.cancelled${where}
     order by d.id limit ${RETRY_STEP} for update))
  returning *
), ${retried(schema)}
select max(g.id)::text as last, count(*)::int as moved, (select count(*) from told) as told from gone g`;

/**
 * RETRY_ALL: makes failed jobs with ids above `$2` pending as RETRY_JOB does, but for those that were
 * cancelled, 1,000 in a step, and
 * answers with the last id for the next step: no step holds many locks or can reach a timeout. Rows
 * are locked in the order of ids, by the primary key of `failed`.
 */
export const retryAll = (schema: string): string => retryStep(schema, "");

/**
 * RETRY_KIND: the same for the kind `$3`, by the index `failed_kind` where the kind is rare among the
 * failed, else by the primary key: Postgres weighs that.
 */
export const retryKind = (schema: string): string => retryStep(schema, " and d.kind = $3::text");

/** COUNT_FAILED: how many jobs RETRY_ALL would move. */
export const countFailed = (schema: string): string => `
select count(*)::int as count from ${schema}.failed f where not f.cancelled`;

/** COUNT_FAILED_KIND: how many jobs of the kind `$1` RETRY_KIND would move, by `failed_kind`. */
export const countFailedKind = (schema: string): string => `
select count(*)::int as count from ${schema}.failed f where f.kind = $1::text and not f.cancelled`;

/**
 * DELETE_FAILED: deletes the failed job `$1`. A job that is gone counts as done, so its children
 * start, and its key is free. Locks the row, found by the primary key of `failed`, and then the rows of the children.
 */
export const deleteFailed = (schema: string): string => `
with gone as (
  delete from ${schema}.failed f where f.id = $1::bigint returning f.id, f.has_children, f.key
)
select g.id::text,
       case when g.has_children or g.key is not null
            then ${schema}.finish_jobs(case when g.has_children then array[g.id] else '{}' end, '{}',
                                       array_remove(array[g.key], null))
       end as ready_queues
  from gone g`;

/** PENDING_COUNT: how many jobs may run now, counted one by one. */
export const pendingCount = (schema: string): string => `
select count(*)::int as count from ${schema}.pending`;
