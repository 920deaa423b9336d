import { CLAIM_LIMIT } from "../../core/store-calls.ts";
import { INTO, values } from "../columns.ts";

/**
 * What a worker gets of the claims in `m`, in the order in which it is to run them. What most jobs have
 * is left out, for each value that is sent and read costs both sides: null stands for a priority and
 * crashes of 0, a first attempt, and a token that is the number of the attempt.
 */
const CLAIMED = `
select m.id::text, m.kind, m.payload::text, m.source, nullif(m.priority, 0) as priority,
       nullif(m.attempt, 1) as attempt, m.max_attempts, nullif(m.crashes, 0) as crashes,
       nullif(m.token, m.attempt) as token, date_part('epoch', m.created_at) * 1000 as created_at_ms,
       greatest(0, date_part('epoch', m.claimed_at - m.run_at) * 1000) as wait_ms,
       m.timeout_ms::float8, m.backoff::text, m.keep_result_ms::float8, m.progress::text`;

/**
 * CLAIM: takes up to `$4` pending jobs of queue `$2` and of the kinds `$3` for worker `$1`, in the
 * order of priority and id, and answers with them in that order, those whose worker died before the others. The first `$5` begin at once. The
 * prefetched jobs `$6` with the tokens `$7` are marked as begun. `$8` is the number of the call. Fresh
 * jobs are taken from behind the priority `$9` and id `$10`.
 *
 * Called by the claim stage, one at a time for a queue.
 *
 * - The worker's row is held FOR KEY SHARE until the commit: heartbeats go on, but nobody can remove
 *   the worker between this claim and its commit. No lease, no jobs; and none for a call that its
 *   worker has given up (see TAKE_OVER), however late it arrives.
 * - Rows are found by the index `pending_claim`, in its order, and those that others hold are
 *   skipped. They are picked by `ctid` in the same statement, which reads them once. A row that
 *   somebody changed meanwhile is left for the next claim.
 * - The most that a claim takes stands in the text as well: with `$4` alone Postgres plans for a tenth of the table,
 *   thinks the claim of one job expensive, and compiles it at each call where it has JIT.
 * - A job whose worker died counts as begun from its claim on, because the next one may die before it
 *   can tell that a prefetched job began. So no more of them are taken than begin at once, or one. Of
 *   suspects, whose workers died more than once, a worker holds one at a time: when it dies too, there is
 *   no doubt which job to charge. Both come before others of the same priority, by the index `pending_crashed`, which is
 *   empty on most days.
 * - Such a job is taken when its priority is at most that of the first fresh one behind `$9` and `$10`: of all
 *   that this claim may take, none that is more urgent is left for it. One before that place, however urgent,
 *   is none of them, and holds no crashed job up; so a claim brings no fewer of these than it would from the
 *   first place. Without the bound each claim would step over all dead rows there, for as long as one waits.
 * - Begun jobs are looked up one by one in the primary key of `claimed` (why: see SETTLE), skipping
 *   those that are being settled.
 * - The commit does not wait for the disk: a claim that a crash of Postgres undoes was not made.
 */
export const claim = (schema: string): string => `
with lease as materialized (
  select w.id, set_config('synchronous_commit', 'off', true)
    from ${schema}.workers w
   where w.id = $1::bigint and w.lease_expires_at > clock_timestamp() and w.calls_from <= $8::int
     for key share
), begun as (
  update ${schema}.claimed c set started = true where c.id = any(array(
    select b.id from unnest($6::bigint[], $7::int[]) as u (id, token) cross join lateral (
      select k.id from ${schema}.claimed k
       where k.id = u.id and k.token = u.token and k.worker_id = $1 and not k.started
         for update skip locked) b))
), first_fresh as materialized (
  select q.priority from ${schema}.pending q
   where q.queue = $2 and q.kind = any($3::text[]) and q.crashes = 0
     and (q.priority, q.id) > ($9::smallint, $10::bigint)
   order by q.priority, q.id limit 1
), suspect as materialized (
  select q.ctid from ${schema}.pending q
   where q.queue = $2 and q.kind = any($3::text[]) and q.crashes > 1 and $4::int > 0
     and exists (select from lease) and q.priority <= coalesce((select f.priority from first_fresh f), q.priority)
     and not exists (select from ${schema}.claimed k where k.worker_id = $1::bigint and k.crashes > 1)
   order by q.priority, q.id limit 1 for update skip locked
), crashed as materialized (
  select q.ctid from ${schema}.pending q
   where q.queue = $2 and q.kind = any($3::text[]) and q.crashes = 1
     and exists (select from lease) and q.priority <= coalesce((select f.priority from first_fresh f), q.priority)
   order by q.priority, q.id
   limit least($4::int, greatest($5::int, 1)) - (select count(*) from suspect) for update skip locked
), fresh as materialized (
  select p.ctid from (
    select q.ctid from ${schema}.pending q
     where q.queue = $2 and q.kind = any($3::text[]) and q.crashes = 0 and exists (select from lease)
       and (q.priority, q.id) > ($9::smallint, $10::bigint)
     order by q.priority, q.id limit ${CLAIM_LIMIT} for update skip locked) p
   limit $4::int - (select count(*) from suspect) - (select count(*) from crashed)
), taken as (
  delete from ${schema}.pending where ctid = any(array(
    select ctid from suspect union all select ctid from crashed union all select ctid from fresh))
  returning *
), moved as (
  insert into ${schema}.claimed (${INTO}, worker_id, claimed_at, call, started)
  select ${values("t", { attempt: "t.attempt + 1", token: "t.token + 1" })},
         $1, clock_timestamp(), $8,
         t.crashes > 0 or row_number() over (order by t.crashes = 0, t.priority, t.id) <= $5::int
    from taken t
  returning *
)${CLAIMED}
  from moved m order by m.crashes = 0, m.priority, m.id`;

/**
 * TAKE_OVER: answers with what worker `$1` claimed of queue `$2` in the calls from number `$3` to before
 * `$4`, of which it never heard, and sees to it that none of them claims later; see migration 3. The
 * first `$5` begin at once. Called before a claim is tried again.
 */
export const takeOver = (schema: string): string => `${CLAIMED}
  from ${schema}.take_over_claims($1::bigint, $2, $3::int, $4::int, $5::int) m order by m.priority, m.id`;

/**
 * PROMOTE: moves due jobs of the queues `$2` from `scheduled` to `pending`, at most 1,000 in all, and
 * tells which of these queues have pending work of the kinds `$3`, when the next job is due, and which
 * jobs that worker `$1` holds were cancelled.
 *
 * Called at each poll, so it writes nothing when nothing is due. Each queue costs a probe of
 * `scheduled_due` and one of `pending_claim` (measured: 0.49 ms for 1 queue, 0.54 ms for 100), and the
 * cancelled jobs cost one of `claimed_cancelled`, an index that is empty but for them. Due rows are
 * locked until the commit, skipping those
 * that others hold, and given out fairly among the queues.
 *
 * - A statement does not see what its own parts insert: the moved rows count as work themselves.
 * - Whether a queue has work is asked in the order of the index, or Postgres fetches all its entries, and
 *   from its end: what was worked off and cannot be removed yet stands at the begin. (Measured behind 800,000
 *   such rows: 1.4 ms instead of 150 with 1,000 that wait. With none it takes as long from either end.)
 * - `clock_timestamp()` is asked once, in a subquery, or no index could serve the comparison.
 */
export const promote = (schema: string): string => `
with moment as materialized (
  select clock_timestamp() as at, greatest(1, 1000 / greatest(1, cardinality($2::text[]))) as most
), due as (
  delete from ${schema}.scheduled where ctid = any(array(
    select s.ctid from unnest($2::text[]) as u (queue) cross join lateral (
      select d.ctid from ${schema}.scheduled d
       where d.queue = u.queue and d.run_at <= (select at from moment)
       order by d.run_at limit (select most from moment) for update skip locked) s))
  returning *
), moved as (
  insert into ${schema}.pending (${INTO})
  select ${values("d")} from due d
)
select array(
         select u.queue from unnest($2::text[]) as u (queue)
          where exists (select from due d where d.queue = u.queue and d.kind = any($3::text[]))
             or (select true from ${schema}.pending p where p.queue = u.queue and p.kind = any($3::text[])
                  order by p.priority desc, p.id desc limit 1)
       ) as ready_queues,
       case when exists (select from due d group by d.queue having count(*) >= (select most from moment))
            then 0
            else (select date_part('epoch', min(s.run_at) - (select at from moment)) * 1000
                    from unnest($2::text[]) as u (queue) cross join lateral (
                      select d.run_at from ${schema}.scheduled d
                       where d.queue = u.queue and d.run_at > (select at from moment)
                       order by d.run_at limit 1) s)
       end as due_in_ms,
       (select json_agg(json_build_object('id', c.id::text, 'token', c.token, 'reason', c.cancel_reason))
          from ${schema}.claimed c
         where c.worker_id = $1::bigint and c.cancel_reason is not null)::text as cancelled`;
