import { oldSubscribers } from "./events.ts";

const tidied = (schema: string, holder: string): string => `
with ${oldSubscribers(schema)}
select pg_notification_queue_usage() as queue_usage, (select count(*) from old)::int as removed,
       ${holder} as holder`;

/** Who holds the oldest snapshot, as JSON. */
const HOLDER = `(
  select json_strip_nulls(json_build_object(
           'horizon', h.xid::text, 'pid', h.pid, 'name', nullif(h.name, ''),
           'ageMs', date_part('epoch', clock_timestamp() - h.since) * 1000))::text
    from (
      select a.pid, a.application_name, unnest(array[a.backend_xid, a.backend_xmin]), a.backend_xid, a.xact_start
        from pg_stat_activity a
       where a.pid <> pg_backend_pid() and a.leader_pid is null
         and (a.backend_xid is not null or coalesce(a.datname, current_database()) = current_database())
         and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)
      union all
      select null, 'prepared transaction ' || p.gid, p.transaction, p.transaction, p.prepared
        from pg_prepared_xacts p
      union all
      select s.active_pid, 'replication slot ' || s.slot_name, s.xmin, null, null from pg_replication_slots s
    ) h (pid, name, xid, own, since)
   where h.xid is not null order by age(h.xid) desc, age(h.own) desc nulls last, h.since limit 1)`;

/**
 * TIDY: removes rows of `subscribers` that expired a minute ago, and asks how full the server's queue
 * of notifications is: a queue that was full refuses all that notify until somebody has asked, though
 * those that held it up have read on. Tells who holds the oldest snapshot: nothing that was deleted
 * since can be removed, and claims step over it. Called by the tidy stage every half minute. Locks
 * nothing for long.
 *
 * - Everybody may see which snapshots there are, but only some may see since when.
 * - Snapshots of other databases are no matter. Their transactions are, once they have written: every
 *   snapshot here reckons with them. So of those with the same horizon it is due to the one whose own
 *   id it is.
 * - A vacuum holds nobody up.
 */
export const tidy = (schema: string): string => tidied(schema, HOLDER);

/** TIDY_UNSEEN: what TIDY does, for roles that may not look who is there at all. */
export const tidyUnseen = (schema: string): string => tidied(schema, "null");
