/**
 * REGISTER: enters a worker `$1` (label) of the queues `$2` with a lease of `$3` milliseconds, and
 * answers with its id. Called when a worker starts and after each lost lease. It is entered in
 * `since_crash` as well. The commit waits for the disk also where commits do not by default: a crash must
 * not give its id to another one.
 */
export const register = (schema: string): string => `
with worker as (
  insert into ${schema}.workers (label, queues, registered_at, lease_expires_at)
  values ($1, $2::text[], clock_timestamp(), clock_timestamp() + make_interval(secs => $3::float8 / 1000))
  returning id
), since_crash as (
  insert into ${schema}.since_crash (worker_id) select id from worker
)
select id::text, case current_setting('synchronous_commit') when 'off'
                 then set_config('synchronous_commit', 'local', true) end
  from worker`;

/**
 * HEARTBEAT: renews the lease of worker `$1` for `$2` milliseconds from now, unless it ran out.
 *
 * Called every third of a lease on a connection of its own. Changes one row, found by the primary
 * key of `workers`, in place (no index holds the lease). Waits for nobody but a recovery that is
 * removing this worker, and then finds no row. The commit does not wait for the disk: a renewal that
 * a crash of Postgres undoes equals a lease that ran out.
 */
export const heartbeat = (schema: string): string => `
update ${schema}.workers
   set lease_expires_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000)
 where id = $1::bigint and lease_expires_at > clock_timestamp()
returning set_config('synchronous_commit', 'off', true)`;

/** UNREGISTER: removes worker `$1` unless it holds claims; see migration 3. Called at its end. */
export const unregister = (schema: string): string => `
select ${schema}.remove_worker($1::bigint)`;

/**
 * RECOVER: gives back up to `$1` claims of workers whose lease ran out, and tells when the next lease
 * ends; see migration 3. Called whenever a lease could have run out. Reads `workers` only, unless
 * one has; then `claimed` from end to end.
 */
export const recover = (schema: string): string => `
select r.jobs::text, r.expires_in_ms from ${schema}.recover_claims($1::int) r`;
