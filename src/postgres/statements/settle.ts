import { INTO, values } from "../columns.ts";
import { errorEntry } from "../error-entry.ts";

/**
 * The claims of `input`, in the order of ids, each with the columns `taken` of its row where it
 * stands; and the rows deleted.
 *
 * - Each row is looked up, and locked, by itself: a join would be planned for the number of claims
 *   that Postgres last counted, which is 0 in a quiet hour, and would compare every claim with every
 *   input in a busy one (seen: 20 s for 9,900 outcomes, and this way less than 1 s).
 * - They are locked in the order of ids, before the first of them is deleted.
 * - The delete goes by id, not by ctid: a row that was changed while this waited for its lock (it was
 *   marked as begun, or got its first child) has another ctid then, and would be left standing.
 */
const gone = (schema: string, taken: string, more = ""): string => `
claim as materialized (
  select i.id as claim_id, i.token as claim_token${more}, c.*
    from (select * from input order by id) i left join lateral (
      select ${taken} from ${schema}.claimed k
       where k.id = i.id and k.token = i.token and k.worker_id = $1::bigint
         for update) c on true
), gone as (
  delete from ${schema}.claimed k where k.id = any(array(select c.id from claim c where c.id is not null))
)`;

/** The claims that did not stand, as `id:token`. */
const refused = `array(select c.claim_id || ':' || c.claim_token from claim c where c.id is null) as refused`;

/**
 * COMPLETE: deletes the jobs `$2` that worker `$1` holds with the tokens `$3`, starts children that
 * waited for nothing else, and frees the keys of the jobs.
 *
 * Called with a batch in which every job succeeded and keeps no result, and by `completeIn` with one job inside the app's
 * transaction. Answers with the claims that were refused and the queues in which children became
 * pending. Rows are found by the primary key of `claimed` and locked in the order of ids to the end of
 * the transaction; children are locked after all of them.
 */
export const complete = (schema: string): string => `
with input as (
  select u.id, u.token from unnest($2::bigint[], $3::int[]) as u (id, token)
), ${gone(schema, "k.id, k.has_children, k.key")}
select ${refused},
       case when exists (select from claim c where c.has_children or c.key is not null)
            then ${schema}.finish_jobs(
                   array(select c.id from claim c where c.has_children), '{}',
                   array(select c.key from claim c where c.key is not null))
       end as ready_queues`;

/**
 * A job that was not enqueued to keep its result goes without, and one that somebody cancelled while it
 * was held does not run again.
 */
const FATE = `case when i.asked = 'kept' and c.keep_result_ms is null then 'gone'
             when i.asked = 'runnable' and c.cancel_reason is not null then 'cancelled'
             else i.asked end`;

/**
 * SETTLE: the same for a batch of any outcomes, in one statement and so one commit.
 *
 * `$4` says where each job goes: `gone`, `kept` (to `completed` with its result `$9` for as long as it
 * was enqueued to; gone where it was not), `runnable` (to `scheduled` when its delay `$5` is above 0,
 * else to `pending`; after an attempt that ended by itself its crashes are forgotten), `failed`, or
 * `cancelled`, which is failed as well. What somebody cancelled ends as
 * that in the place of `runnable`, uncounted, and is told as `cancelled`. A delay of null, of one that was
 * interrupted, keeps the moment from which it could run. `$6` is what to add to its attempts: 0, or -1 where the attempt does
 * not count. `$7` is an error to keep, `$8` the reason of a failure, `$10` the last progress, or null
 * for that which is kept already.
 *
 * A result is written by the statement that ends the job: it is there if and only if the job succeeded.
 */
export const settle = (schema: string): string => `
with moment as materialized (
  select clock_timestamp() as at
), input as (
  select u.* from unnest($2::bigint[], $3::int[], $4::text[], $5::float8[], $6::int[], $7::text[], $8::text[],
                         $9::text[], $10::text[])
         as u (id, token, asked, delay_ms, counted, error, told, kept, new_progress)
), ${gone(schema, "k.*", `, ${FATE} as fate, i.asked, i.delay_ms, i.counted, i.error, i.told, i.kept, i.new_progress`)}, written as materialized (
  select ${values("c", {
    attempt: "c.attempt + case c.fate when 'cancelled' then -1 else c.counted end as attempt",
    crashes: "case when c.fate = 'runnable' and c.delay_ms is not null then 0 else c.crashes end as crashes",
    run_at: "coalesce(m.at + make_interval(secs => c.delay_ms / 1000), c.run_at) as run_at",
    errors: `case when c.error is null then c.errors else ${errorEntry({
      errors: "c.errors",
      error: "c.error::jsonb",
      attempt: "c.attempt",
      at: "m.at",
    })} end as errors`,
    progress: "coalesce(c.new_progress::jsonb, c.progress) as progress",
  })}, c.fate, c.asked, c.delay_ms, c.told, c.kept, c.cancel_reason, c.claimed_at, m.at
    from claim c cross join moment m
   where c.id is not null and c.fate <> 'gone'
), now_scheduled as (
  insert into ${schema}.scheduled (${INTO})
  select ${INTO} from written where fate = 'runnable' and delay_ms > 0
), now_pending as (
  insert into ${schema}.pending (${INTO})
  select ${INTO} from written where fate = 'runnable' and coalesce(delay_ms, 0) <= 0
), now_failed as (
  insert into ${schema}.failed (${INTO}, failed_at, reason, cancelled)
  select ${INTO}, at, case fate when 'failed' then told else coalesce(cancel_reason, told) end, fate = 'cancelled'
    from written where fate in ('failed', 'cancelled')
), now_completed as (
  insert into ${schema}.completed (${INTO}, worker_id, worker_label, claimed_at, completed_at, expires_at, result)
  select ${INTO}, $1::bigint, coalesce((select w.label from ${schema}.workers w where w.id = $1::bigint), ''),
         claimed_at, at, at + make_interval(secs => keep_result_ms / 1000.0), kept::jsonb
    from written where fate = 'kept'
)
select ${refused},
       case when exists (select from claim c
                          where c.has_children and c.fate <> 'runnable' or c.key is not null and c.fate = 'gone')
            then ${schema}.finish_jobs(
                   array(select c.id from claim c where c.has_children and c.fate in ('gone', 'kept')),
                   array(select w.id from written w where w.has_children and w.fate in ('failed', 'cancelled')),
                   array(select c.key from claim c where c.key is not null and c.fate = 'gone'))
       end as ready_queues,
       (select json_agg(json_build_object('id', w.id::text, 'reason', w.cancel_reason))
          from written w where w.fate = 'cancelled' and w.asked = 'runnable')::text as cancelled`;

/**
 * LEFT: what there is of the jobs `$2`, whose claims by worker `$1` are gone: state, and whether and why
 * it was cancelled. A job without a row has none.
 *
 * Called where a write was refused that had been sent before and whose reply was lost, or whose job the
 * handler had completed itself. While the worker's lease stands, nobody recovers its claims: so it was
 * the worker that took them away. Where the lease has run out, or Postgres has crashed since the worker
 * registered, that does not follow, and it answers with nothing: a crash may have undone the claim, and
 * the job may have run again since. Locks nothing; looks each job up by the primary keys of the tables.
 */
export const left = (schema: string): string => `
select u.id::text, j.state, j.cancelled, j.reason
  from unnest($2::bigint[]) as u (id)
  left join lateral (select j.state, j.cancelled, j.reason from ${schema}.jobs j where j.id = u.id limit 1) j on true
 where exists (select from ${schema}.workers w
                where w.id = $1::bigint and w.lease_expires_at > clock_timestamp())
   and exists (select from ${schema}.since_crash s where s.worker_id = $1::bigint)`;
