import type { Migration } from "./migration.ts";
import { PLPGSQL } from "./plpgsql.ts";

/**
 * Who listens to events, and the order of the jobs whose result is kept.
 *
 * `subscribers` has one row for each process with subscribers. Workers read it to know whether to
 * publish, and what. A process renews its row; that of one that died counts no more when it has
 * expired, and is removed by the others. `filters` is an array of objects of which each wants what
 * matches all of its members; what a reader does not know of them, it ignores.
 *
 * `completed_log` has one row: which schema this is, the last position that was given, and the highest
 * of a job whose result has expired.
 *
 * `read_completed(after, most)` reads completed jobs in the order of their positions. A job has no
 * position when it is written, for transactions commit in another order than that in which they take
 * numbers, and whoever had read up to 7 would miss a 6 that commits later. It gets one from the first
 * read that sees it, under the lock of the log's row, which is held until that is committed: so no
 * position ever appears below one that was read. Rows of `completed` are locked first, those that others
 * have locked (reads, `expireResults`) are passed over, and so nobody waits for anything but the log's
 * row. `more` says that there are such, or more than were asked for: read again. With `after` null no job is read, but all get their positions: that is where "now" is.
 * It names the columns that it reads, for who calls it may have no right to read payloads and results.
 *
 * Workers of an older version publish nothing and go on.
 */
export const events: Migration = {
  version: 5,
  name: "events",
  minVersion: 1,
  sql: ({ schema }) => `
create table ${schema}.subscribers (
    id         uuid        primary key,
    filters    jsonb       not null check (jsonb_typeof(filters) = 'array'),
    expires_at timestamptz not null
) with (fillfactor = 50);

create table ${schema}.completed_log (
    one      boolean primary key default true check (one),
    identity uuid    not null default gen_random_uuid(),
    last     bigint  not null default 0,
    expired  bigint  not null default 0
) with (fillfactor = 50);
insert into ${schema}.completed_log default values;

create function ${schema}.read_completed(
  after bigint, most int, out identity uuid, out last bigint, out expired bigint, out jobs json, out more boolean
) ${PLPGSQL} $$
declare
  unread bigint[] := '{}';
  begun bigint;
  found_jobs int;
  unread_left boolean;
begin
  if exists (select from ${schema}.completed c where c.position is null) then
    unread := array(select c.id from ${schema}.completed c where c.position is null
                     order by c.completed_at, c.id limit most for update skip locked);
    if unread <> '{}' then
      update ${schema}.completed_log l set last = l.last + cardinality(unread)
      returning l.last - cardinality(unread) into begun;
      update ${schema}.completed c set position = begun + u.place
        from unnest(unread) with ordinality u (id, place) where c.id = u.id;
    end if;
  end if;

  -- Before the jobs are read: what gets its position after this look is among them.
  unread_left := exists (select from ${schema}.completed c where c.position is null);
  select l.identity, l.last, l.expired, p.jobs, p.found_jobs
    into read_completed.identity, read_completed.last, read_completed.expired, read_completed.jobs, found_jobs
    from ${schema}.completed_log l cross join lateral (
      select count(*) as found_jobs, coalesce(json_agg(json_build_object(
               'id', c.id::text, 'kind', c.kind, 'queue', c.queue, 'source', c.source, 'attempt', c.attempt,
               'maxAttempts', c.max_attempts, 'workerId', c.worker_id::text, 'workerLabel', c.worker_label,
               'durationMs', round(extract(epoch from c.completed_at - c.claimed_at) * 1000, 2),
               'position', c.position) order by c.position), '[]') as jobs
        from (select k.id, k.kind, k.queue, k.source, k.attempt, k.max_attempts, k.worker_id, k.worker_label,
                     k.claimed_at, k.completed_at, k.position
                from ${schema}.completed k where k.position > after order by k.position limit most) c) p;
  more := unread_left or found_jobs = most;
end $$;
`,
};
