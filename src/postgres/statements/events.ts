import { HAS_NOTIFY_ROOM } from "../notify-room.ts";

/** Not on the disk before it is answered: a row that a crash of Postgres undoes is written again. */
const ASYNCHRONOUS = "set_config('synchronous_commit', 'off', true)";

/** Removes rows that expired a minute ago; waits for nobody, for what others have locked stays. */
export const oldSubscribers = (schema: string, more = ""): string => `old as (
  delete from ${schema}.subscribers s
   where s.ctid = any(array(select o.ctid from ${schema}.subscribers o
                             where o.expires_at < clock_timestamp() - interval '1 minute' ${more}
                               for update skip locked))
  returning ${ASYNCHRONOUS}
)`;

/**
 * ENTER_SUBSCRIBER: writes that process `$1` wants events that match `$2` (an array of filters) for the next
 * `$3` milliseconds, removes rows that expired a minute ago, and tells the workers on channel `$4`,
 * by the text `$5`, to look. Called when a process listens, again after it had not, and whenever what
 * it wants changes. Locks its own row.
 */
export const enterSubscriber = (schema: string): string => `
with ${oldSubscribers(schema, "and o.id <> $1::uuid")}, mine as (
  insert into ${schema}.subscribers (id, filters, expires_at)
  values ($1::uuid, $2::jsonb, clock_timestamp() + make_interval(secs => $3::float8 / 1000))
  on conflict (id) do update set filters = excluded.filters, expires_at = excluded.expires_at
  returning ${ASYNCHRONOUS}
)
select pg_notify($4, $5) from mine where ${HAS_NOTIFY_ROOM}`;

/**
 * RENEW_SUBSCRIBER: keeps the row of process `$1` for `$2` milliseconds from now; no row where it has
 * expired. Called every third of that. Changes one row in place, found by its primary key.
 */
export const renewSubscriber = (schema: string): string => `
update ${schema}.subscribers s
   set expires_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000)
 where s.id = $1::uuid and s.expires_at > clock_timestamp()
returning ${ASYNCHRONOUS}`;

/**
 * REMOVE_SUBSCRIBER: removes the row of process `$1`, and tells the workers on channel `$2`, by the text
 * `$3`, to look. Called when its last subscriber has gone. Locks that row.
 */
export const removeSubscriber = (schema: string): string => `
with gone as (
  delete from ${schema}.subscribers s where s.id = $1::uuid returning ${ASYNCHRONOUS}
)
select pg_notify($2, $3) from gone where ${HAS_NOTIFY_ROOM}`;

/**
 * READ_COMPLETED: up to `$2` jobs whose result is kept, after the position `$1` and in that order; see
 * migration 5. Called by each subscriber that reads from a cursor, when it hears of such a job and every
 * 5 s. Served by the indexes `completed_position` and, where there are jobs that nobody has read,
 * `completed_unread`; these it changes, and then commits durably, because somebody will keep the
 * position.
 */
export const readCompleted = (schema: string): string => `
select r.identity::text, r.last::float8, r.expired::float8, r.jobs::text, r.more
  from ${schema}.read_completed($1::bigint, $2::int) r`;

/**
 * SUBSCRIBERS: the filters of all processes that listen. Called by each worker every 5 s and when it
 * is told to look. Reads the whole table, which has a row a process; locks nothing.
 */
export const subscribers = (schema: string): string => `
select s.filters from ${schema}.subscribers s where s.expires_at > clock_timestamp()`;
