import { INTO, values } from "../columns.ts";
import { HAS_NOTIFY_ROOM } from "../notify-room.ts";
import { PLPGSQL } from "./plpgsql.ts";

/** Above this many bytes of orders a further notification is begun: one order has at most 3,200. */
const NOTICE_BYTES = 4_000;

/** How much of a reason a notification carries, in characters. The row has all of it. */
const NOTICE_REASON = 500;

/**
 * The function that cancels jobs by their ids, at most a batch: those that nobody holds fail at once
 * and are marked as cancelled, those that run get a `cancel_reason`, which stays what it was where
 * somebody had asked before.
 *
 * It answers with those `ended`, with those `requested`, with the queues in which children became
 * pending, and with those `remaining` that were locked by somebody, or that moved from one table to
 * another between two looks: the caller tries these again, one by one.
 *
 * - Many jobs: rows of `claimed`, `pending` and `scheduled` that others have locked are passed over,
 *   for an app's transaction may hold one for long, and everything that is locked here would wait for
 *   it too. So this waits for nobody but for rows of `waiting`, which come last in the order of locks.
 * - One job: waits for the lock of its row, holding nothing else.
 * - The holders of running jobs are told in the transaction, many at a time. Postgres refuses 8,000
 *   bytes; a notification that is lost costs a poll interval.
 */
export const cancelJobs = (schema: string, channel: string): string => `
create function ${schema}.cancel_jobs(
  targets bigint[], why text,
  out ended json, out requested json, out ready_queues text[], out remaining bigint[]
) ${PLPGSQL} $$
declare
  marked_ids bigint[];
  ended_ids bigint[];
  parents bigint[];
  waited_ids bigint[];
begin
  if cardinality(targets) = 1 then
    perform from ${schema}.claimed c where c.id = targets[1] for update;
    if not found then perform from ${schema}.pending p where p.id = targets[1] for update; end if;
    if not found then perform from ${schema}.scheduled s where s.id = targets[1] for update; end if;
  end if;

  with marked as (
    update ${schema}.claimed c set cancel_reason = coalesce(c.cancel_reason, why)
     where c.id = any(array(select k.id from ${schema}.claimed k
                             where k.id = any(targets) order by k.id for update skip locked))
    returning c.id, c.token, c.worker_id
  )
  select coalesce(json_agg(json_build_object('id', m.id::text, 'token', m.token,
                    'worker_id', m.worker_id::text) order by m.id), '[]'),
         coalesce(array_agg(m.id), '{}')
    into requested, marked_ids from marked m;

  with now_gone as (
    delete from ${schema}.pending p
     where p.id = any(array(select q.id from ${schema}.pending q
                             where q.id = any(targets) order by q.id for update skip locked))
    returning p.*
  ), later_gone as (
    delete from ${schema}.scheduled s
     where s.id = any(array(select q.id from ${schema}.scheduled q
                             where q.id = any(targets) order by q.id for update skip locked))
    returning s.*
  ), hit as (
    insert into ${schema}.failed (${INTO}, failed_at, reason, cancelled)
    select ${values("g")}, clock_timestamp(), why, true
      from (select * from now_gone union all select * from later_gone) g
    returning id, has_children
  )
  select coalesce(array_agg(h.id), '{}'), coalesce(array_agg(h.id) filter (where h.has_children), '{}')
    into ended_ids, parents from hit h;

  select array(select t from unnest(targets) t where t = any(l.failing)) into waited_ids
    from ${schema}.lock_children('{}', parents, targets) l;
  if parents <> '{}' or waited_ids <> '{}' then
    ready_queues := ${schema}.settle_children('{}', parents, waited_ids, why);
  end if;

  select coalesce(json_agg(json_build_object('id', f.id::text, 'kind', f.kind, 'queue', f.queue,
           'source', f.source, 'attempt', f.attempt, 'max_attempts', f.max_attempts) order by f.id), '[]')
    into ended from ${schema}.failed f where f.id = any(ended_ids || waited_ids);
  remaining := array(select j.id from ${schema}.jobs j
    where j.id = any(targets) and j.state in ('waiting', 'scheduled', 'pending', 'claimed')
      and j.id <> all(marked_ids) order by j.id);

  perform pg_notify(${channel}, '{"cancel":[' || string_agg(o.text, ',') || ']}')
     from (select n.text, floor(sum(octet_length(n.text)) over (order by n.id) / ${NOTICE_BYTES}) as part
             from (select c.id, json_build_object('worker', c.worker_id::text, 'id', c.id::text, 'token', c.token,
                            'reason', left(c.cancel_reason, ${NOTICE_REASON}))::text as text
                     from ${schema}.claimed c where c.id = any(marked_ids)) n) o
    where ${HAS_NOTIFY_ROOM} group by o.part;
end $$;
`;
