import { INTO, values } from "../columns.ts";
import { HAS_NOTIFY_ROOM } from "../notify-room.ts";
import { cancelJobs } from "./cancel-jobs.ts";
import type { Migration } from "./migration.ts";
import { PLPGSQL } from "./plpgsql.ts";

/**
 * Jobs that wait for other jobs.
 *
 * These steps are functions because each of their statements must see what was committed while the
 * one before it waited for a lock: inside a volatile function every statement has a snapshot of its
 * own, while the parts of one statement share one.
 *
 * Locks are always taken in this order, so that no two transactions wait for each other: rows of
 * `workers`; rows of `claimed`, `pending`, `scheduled` and `failed` in the order of ids; rows of
 * `waiting` in the order of ids, all at once.
 *
 * - `lock_parents`: before children are written. A parent is found in one of the tables, and its row
 *   then stays locked to the end of the transaction, so that it cannot settle unseen; or a fresh
 *   snapshot over all tables shows it nowhere, or completed: it has succeeded. When a job moved between two looks,
 *   all locks are given back (by a subtransaction, if there can be any) and the search begins anew,
 *   for going on would break the order above. Answers with `{"id": has failed}`.
 * - `lock_children`: locks every job that waits for parents that end, and theirs, and says which of
 *   them fail. Jobs that are to be cancelled while they wait are among those.
 * - `settle_children`: when some parents are gone and others have failed for good. However many
 *   parents of a child end at the same instant, exactly one brings its `parents_left` to 0, because
 *   each takes its share from the latest version of the child's row. That row is changed even when
 *   the child must go on waiting: so the second of two transactions under REPEATABLE READ gets 40001,
 *   and not a child that nobody starts. Children of failed parents do as their `after_failure` says,
 *   and so do the children of those that fail. Jobs that are cancelled while they wait fail with the
 *   others, for the reason that is given. Answers with the queues that have work now.
 * - `start_children`: makes jobs that wait for nothing more pending or, before their `run_at`,
 *   scheduled, and tells the workers of their queues. Its caller holds the locks.
 * - `expire_failed`: deletes failed jobs from before a moment, but for those that others wait for, and
 *   frees their keys: it locks them first and then looks for children, so that none can come meanwhile.
 *   It waits for nobody.
 *
 * A session plans each statement of a function once, for tables that are empty in most installations:
 * so reading them from end to end is ruled out, and rows are looked up one by one where a join could
 * be planned as a comparison of all with all.
 */
export const fanIn: Migration = {
  version: 2,
  name: "fan-in",
  minVersion: 1,
  sql: ({ schema, channel }) => `
create function ${schema}.try_lock_parents(parents bigint[]) returns jsonb
${PLPGSQL} $$
declare
  parent bigint;
  unseen bigint[] := '{}';
  locked jsonb := '{}';
begin
  foreach parent in array parents loop
    update ${schema}.claimed c set has_children = true where c.id = parent;
    if not found then update ${schema}.pending p set has_children = true where p.id = parent; end if;
    if not found then update ${schema}.scheduled s set has_children = true where s.id = parent; end if;
    if found then
      locked := locked || jsonb_build_object(parent, false);
    else
      update ${schema}.failed f set has_children = true where f.id = parent;
      if found then
        locked := locked || jsonb_build_object(parent, true);
      else
        unseen := unseen || parent;
      end if;
    end if;
  end loop;
  foreach parent in array unseen loop
    update ${schema}.waiting w set has_children = true where w.id = parent;
    if found then
      locked := locked || jsonb_build_object(parent, false);
    elsif exists (select from ${schema}.jobs j where j.id = parent and j.state <> 'completed') then
      return null;
    end if;
  end loop;
  return locked;
end $$;

create function ${schema}.lock_parents(parents bigint[]) returns jsonb
${PLPGSQL} $$
declare
  ordered bigint[] := array(select distinct p from unnest(parents) p where p is not null order by p);
  locked jsonb;
begin
  while locked is null loop
    if cardinality(ordered) < 2 then
      locked := ${schema}.try_lock_parents(ordered);
    else
      begin
        locked := ${schema}.try_lock_parents(ordered);
        if locked is null then raise exception 'a parent moved' using errcode = 'ZM001'; end if;
      exception when sqlstate 'ZM001' then
        null;
      end;
    end if;
  end loop;
  return locked;
end $$;

create function ${schema}.start_children(children bigint[]) returns text[]
${PLPGSQL} $$
declare
  moment timestamptz := clock_timestamp();
  ready text[];
begin
  with freed as (
    delete from ${schema}.waiting w where w.id = any(children) returning *
  ), later as (
    insert into ${schema}.scheduled (${INTO})
    select ${values("f")} from freed f where f.run_at > moment
  ), now_pending as (
    insert into ${schema}.pending (${INTO})
    select ${values("f", { run_at: "moment" })} from freed f where f.run_at <= moment
    returning queue
  )
  select array(select distinct queue from now_pending) into ready;
  perform pg_notify(${channel}, json_build_object('queue', q)::text) from unnest(ready) q
    where ${HAS_NOTIFY_ROOM};
  perform pg_notify(${channel}, json_build_object('queue', s.queue, 'dueInMs',
            ceil(extract(epoch from min(s.run_at) - moment) * 1000)::bigint)::text)
     from ${schema}.scheduled s where s.id = any(children) and ${HAS_NOTIFY_ROOM} group by s.queue;
  return ready;
end $$;

create function ${schema}.lock_children(
  gone bigint[], failed bigint[], cancelled bigint[], out failing bigint[], out others bigint[]
) ${PLPGSQL} $$
declare
  found_failing bigint[];
  found_others bigint[];
begin
  failing := '{}';
  others := '{}';
  loop
    with recursive lost (id) as (
      select unnest(failed)
      union
      select w.id from ${schema}.waiting w where w.id = any(cancelled)
      union
      select d.child_id from lost l cross join lateral (
               select e.child_id from ${schema}.dependencies e where e.parent_id = l.id offset 0) d
       where 'fail' = (select w.after_failure from ${schema}.waiting w where w.id = d.child_id)
    ), runner (id) as (
      select d.child_id from lost l cross join lateral (
               select e.child_id from ${schema}.dependencies e where e.parent_id = l.id offset 0) d
       where 'run' = (select w.after_failure from ${schema}.waiting w where w.id = d.child_id)
      union
      select e.child_id from ${schema}.dependencies e where e.parent_id = any(gone)
    )
    select array(select l.id from lost l where l.id <> all(failed) order by l.id),
           array(select r.id from runner r order by r.id)
      into found_failing, found_others;
    exit when found_failing = failing and found_others = others;
    failing := found_failing;
    others := found_others;
    perform from ${schema}.waiting w where w.id = any(failing || others) order by w.id for update;
  end loop;
end $$;

create function ${schema}.settle_children(
  gone bigint[], failed bigint[], cancelled bigint[] default '{}', why text default null
) returns text[]
${PLPGSQL} $$
declare
  failing bigint[];
  others bigint[];
  links jsonb;
  free bigint[];
begin
  select l.failing, l.others into failing, others from ${schema}.lock_children(gone, failed, cancelled) l;

  if failing <> '{}' then
    with dead as (
      delete from ${schema}.waiting w where w.id = any(failing) returning *
    )
    insert into ${schema}.failed (${INTO}, failed_at, reason, cancelled)
    select ${values("x")}, clock_timestamp(),
           case when x.id = any(cancelled) then why else 'Job ' || (
             select min(d.parent_id) from ${schema}.dependencies d
              where d.child_id = x.id and d.parent_id = any(failed || failing)
           ) || ', which it waits for, failed' end,
           x.id = any(cancelled)
      from dead x;
    delete from ${schema}.dependencies d where d.child_id = any(failing);
  end if;

  with cut as (
    delete from ${schema}.dependencies d
     where d.parent_id = any(gone || failed || failing)
       and (d.parent_id = any(gone)
            or 'run' = (select w.after_failure from ${schema}.waiting w where w.id = d.child_id))
    returning d.child_id
  ), counted as (
    select c.child_id, count(*) as links from cut c group by c.child_id
  )
  select jsonb_object_agg(c.child_id, c.links) into links from counted c;
  free := array(select w.id from ${schema}.waiting w
                 where w.id = any(others) and w.parents_left <= (links ->> w.id::text)::int);
  update ${schema}.waiting w set parents_left = w.parents_left - (links ->> w.id::text)::int
   where w.id = any(others) and w.parents_left > (links ->> w.id::text)::int;
  if free = '{}' then return '{}'; end if;
  return ${schema}.start_children(free);
end $$;

create function ${schema}.expire_failed(before timestamptz, most int, out count int)
${PLPGSQL} $$
declare
  old bigint[];
  freed text[];
begin
  old := array(
    select f.id from ${schema}.failed f
     where f.failed_at <= before
       and (not f.has_children or not exists (select from ${schema}.dependencies d where d.parent_id = f.id))
     order by f.failed_at, f.id limit most for update skip locked);
  with gone as (
    delete from ${schema}.failed f
     where f.id = any(old) and not exists (select from ${schema}.dependencies d where d.parent_id = f.id)
    returning f.key
  )
  select count(*), array_agg(g.key) filter (where g.key is not null) into count, freed from gone g;
  if freed is not null then delete from ${schema}.keys k where k.key = any(freed); end if;
end $$;
${cancelJobs(schema, channel)}`,
};
