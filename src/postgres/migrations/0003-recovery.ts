import { INTO, values } from "../columns.ts";
import { errorEntry } from "../error-entry.ts";
import type { Migration } from "./migration.ts";

/**
 * The end of workers. Functions, because what a claim committed while its worker's row was being
 * locked must be seen after the lock is held, and that takes a second snapshot.
 *
 * A claim holds its worker's row FOR KEY SHARE until it commits, and both functions take that row
 * FOR UPDATE first. So a worker's row never goes while a claim of it stands or is under way, and
 * `claimed` need not be searched for orphans unless some lease has run out.
 *
 * - `recover_claims`: gives back what workers had begun whose lease ran out, and up to `most` of their
 *   other claims, and removes those workers when none is left. Rows that others have locked are left for the next time, which it asks for 200 ms later. Jobs
 *   that somebody cancelled while they ran end as cancelled, their attempt uncounted.
 *   Of those that a worker had begun it charges the one that most workers died with. Where several
 *   share that place it is not known which of them it was, and only suspects are charged. A job that may
 *   begin only once is charged in any case.
 * - `take_over_claims`: for a worker that lives and did not hear the answers of its last calls. Taking
 *   its row FOR UPDATE waits for claims under way; those that come later find that their number is
 *   given up. So what is found then is all that there will ever be.
 * - `remove_worker`: removes a worker that holds nothing. One that does is left until its lease ends.
 */
export const recovery: Migration = {
  version: 3,
  name: "recovery",
  minVersion: 1,
  sql: ({ schema }) => `
create function ${schema}.recover_claims(most int, out jobs json, out expires_in_ms float8)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  dead bigint[];
  parents bigint[];
begin
  dead := array(select w.id from ${schema}.workers w where w.lease_expires_at <= clock_timestamp()
                 order by w.id for update skip locked);
  if dead <> '{}' then
    with moment as materialized (
      select clock_timestamp() as at
    ), worst as materialized (
      select distinct on (c.worker_id) c.worker_id, c.crashes, count(*) = 1 or c.crashes > 1 as is_sure
        from ${schema}.claimed c where c.worker_id = any(dead) and c.started
       group by c.worker_id, c.crashes order by c.worker_id, c.crashes desc
    ), begun as materialized (
      select c.id from ${schema}.claimed c where c.worker_id = any(dead) and c.started
       order by c.id for update skip locked
    ), waiting as materialized (
      select c.id from ${schema}.claimed c where c.worker_id = any(dead) and not c.started
       order by c.id limit most for update skip locked
    ), taken as (
      delete from ${schema}.claimed c
       where c.id = any(array(select b.id from begun b union all select w.id from waiting w))
      returning c.*
    ), suspected as materialized (
      select t.*, t.started and (t.max_attempts = 1 or t.crashes = w.crashes and w.is_sure) as is_charged
        from taken t left join worst w on w.worker_id = t.worker_id
    ), judged as materialized (
      select t.*, m.at, t.cancel_reason is not null as is_cancelled,
             t.cancel_reason is not null or t.is_charged and t.attempt >= t.max_attempts as is_lost,
             'The lease of its worker ran out in attempt ' || t.attempt || ' of ' || t.max_attempts as message
        from suspected t cross join moment m
    ), written as materialized (
      select j.*, case when j.is_charged then ${errorEntry({
        errors: "j.errors",
        error: "jsonb_build_object('name', 'WorkerDiedError', 'message', j.message)",
        attempt: "j.attempt",
        at: "j.at",
      })} else j.errors end as new_errors
        from judged j
    ), back as (
      insert into ${schema}.pending (${INTO})
      select ${values("j", {
        attempt: "case when j.is_charged then j.attempt else j.attempt - 1 end",
        crashes: "j.crashes + 1",
        errors: "j.new_errors",
        run_at: "j.at",
      })} from written j where not j.is_lost
    ), lost as (
      insert into ${schema}.failed (${INTO}, failed_at, reason, cancelled)
      select ${values("j", {
        attempt: "case when j.is_cancelled then j.attempt - 1 else j.attempt end",
        crashes: "j.crashes + 1",
        errors: "j.new_errors",
      })}, j.at, coalesce(j.cancel_reason, 'WorkerDiedError: ' || j.message), j.is_cancelled
        from written j where j.is_lost
    )
    select json_agg(json_build_object('id', j.id::text, 'kind', j.kind, 'queue', j.queue,
             'source', j.source, 'attempt', j.attempt, 'max_attempts', j.max_attempts,
             'state', case when j.is_lost then 'failed' else 'pending' end) order by j.id),
           array_agg(j.id) filter (where j.is_lost and j.has_children)
      into jobs, parents from written j;
    delete from ${schema}.workers w where w.id = any(dead)
       and not exists (select from ${schema}.claimed c where c.worker_id = w.id);
    if parents <> '{}' then perform ${schema}.settle_children('{}', parents); end if;
  end if;
  jobs := coalesce(jobs, '[]');
  select case when w.lease_expires_at <= clock_timestamp() then 200
              else date_part('epoch', w.lease_expires_at - clock_timestamp()) * 1000 end into expires_in_ms
    from ${schema}.workers w order by w.lease_expires_at limit 1;
end $$;

create function ${schema}.take_over_claims(
  worker bigint, lane text, lost_from int, this_call int, start_limit int
) returns setof ${schema}.claimed
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  perform from ${schema}.workers w where w.id = worker and w.lease_expires_at > clock_timestamp() for update;
  if not found then return; end if;
  update ${schema}.workers w set calls_from = this_call where w.id = worker;
  return query
    update ${schema}.claimed c set call = this_call, started = c.started or l.nth <= start_limit
      from (select k.id, row_number() over (order by k.priority, k.id) as nth from ${schema}.claimed k
             where k.worker_id = worker and k.queue = lane and k.call >= lost_from and k.call < this_call) l
     where c.id = l.id
    returning c.*;
end $$;

create function ${schema}.remove_worker(worker bigint) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  perform from ${schema}.workers w where w.id = worker for update;
  delete from ${schema}.workers w where w.id = worker
     and not exists (select from ${schema}.claimed c where c.worker_id = worker);
end $$;
`,
};
