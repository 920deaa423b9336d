/** What a job looks like to those who watch it: never its payload, which may hold personal data. */
const SNAPSHOT = `
       j.id::text, j.kind, j.queue, j.source, j.state, j.attempt, j.max_attempts, j.crashes,
       date_part('epoch', j.created_at) * 1000 as created_at_ms,
       date_part('epoch', j.run_at) * 1000 as run_at_ms,
       j.claimed_by, date_part('epoch', j.claimed_at) * 1000 as claimed_at_ms,
       j.progress::text, j.errors::text, j.reason, j.cancelled,
       date_part('epoch', j.ended_at) * 1000 as ended_at_ms, j.result::text`;

/**
 * FIND: where the jobs `$1` stand, in the order of ids.
 *
 * One snapshot over all tables: a job that moves meanwhile is seen in exactly one of them. Looks the
 * ids up in the primary key of each table; locks nothing.
 */
export const find = (schema: string): string => `
select ${SNAPSHOT}
  from ${schema}.jobs j where j.id = any($1::bigint[]) order by j.id`;

/**
 * LIST_ACTIVE: the claimed jobs, the longest-held first, at most `$1`. Reads `claimed` from end to end,
 * which holds only what is in flight: an index would slow down every claim. Locks nothing.
 */
export const listActive = (schema: string): string => `
select ${SNAPSHOT}
  from ${schema}.jobs j where j.state = 'claimed' order by j.claimed_at, j.id limit $1::int`;

/**
 * DEPTH: how many jobs are in each queue and state.
 *
 * Counts them one by one, but in the narrow indexes that hold the queue (`pending_claim`,
 * `scheduled_due`, `failed_newest`, `completed_expires`) and not in the rows, where vacuum has passed.
 * Locks nothing.
 */
export const depth = (schema: string): string => `
select queue, 'waiting' as state, count(*)::float8 as count from ${schema}.waiting group by queue
union all
select queue, 'scheduled', count(*)::float8 from ${schema}.scheduled group by queue
union all
select queue, 'pending', count(*)::float8 from ${schema}.pending group by queue
union all
select queue, 'claimed', count(*)::float8 from ${schema}.claimed group by queue
union all
select queue, 'failed', count(*)::float8 from ${schema}.failed group by queue
union all
select queue, 'completed', count(*)::float8 from ${schema}.completed group by queue`;

/**
 * LIST_WORKERS: the workers whose lease stands, the oldest first, and how many jobs each holds. Reads
 * `workers` and `claimed` from end to end, once each; both are small. Locks nothing.
 */
export const listWorkers = (schema: string): string => `
select w.id::text, w.label, w.queues,
       date_part('epoch', w.registered_at) * 1000 as registered_at_ms,
       date_part('epoch', w.lease_expires_at) * 1000 as lease_expires_at_ms,
       coalesce(c.jobs, 0)::float8 as claimed
  from ${schema}.workers w
       left join (select worker_id, count(*) as jobs from ${schema}.claimed group by worker_id) c
       on c.worker_id = w.id
 where w.lease_expires_at > clock_timestamp()
 order by w.registered_at, w.id`;

/**
 * EXPIRE_FAILED: deletes up to `$2` jobs that failed `$1` milliseconds ago or longer, the oldest first,
 * but for those that other jobs wait for; see migration 2.
 *
 * Called by the tidy stage of workers that have `keepFailedMs`. Served by the index `failed_newest`,
 * read from its old end; rows that others have locked are skipped.
 */
export const expireFailed = (schema: string): string => `
select ${schema}.expire_failed(clock_timestamp() - make_interval(secs => $1::float8 / 1000), $2::int) as count`;

/**
 * EXPIRE_RESULTS: deletes up to `$1` kept results that have expired, the oldest first, and frees the
 * keys of their jobs.
 *
 * Called by the tidy stage. Found by the index `completed_expires`; those that another process is
 * deleting are skipped. At its end it notes in `completed_log` up to which position something is
 * missing now, so that whoever goes on from a position below is told of a gap: jobs that nobody had
 * read take the next positions for that. It locks that row last, and whoever holds it waits for no row
 * of `completed`. Commits durably, for positions must not be given twice.
 */
export const expireResults = (schema: string): string => `
with moment as materialized (
  select clock_timestamp() as at
), gone as (
  delete from ${schema}.completed where ctid = any(array(
    select c.ctid from ${schema}.completed c
     where c.expires_at <= (select at from moment)
     order by c.expires_at limit $1::int for update skip locked))
  returning position, key
), counted as (
  select count(*)::int as count, count(*) filter (where position is null) as unread, max(position) as newest
    from gone
), noted as (
  update ${schema}.completed_log l
     set last = l.last + c.unread,
         expired = greatest(l.expired, c.newest, case when c.unread > 0 then l.last + c.unread end)
    from counted c where c.count > 0
)
select c.count,
       case when exists (select from gone g where g.key is not null)
            then ${schema}.finish_jobs('{}', '{}', array(select g.key from gone g where g.key is not null))
       end as freed
  from counted c`;
