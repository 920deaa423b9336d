/**
 * PROGRESS: keeps the progress `$4` of the jobs `$2` that worker `$1` holds with the tokens `$3`, and
 * answers with the ids of claims that do not stand.
 *
 * Called by the progress stage with the latest value of each job, one call at a time.
 *
 * - Rows are looked up one by one in the primary key of `claimed` (why: see SETTLE), which a join for
 *   the change would not keep to, and changed in place, for no index holds the progress. One that somebody has locked is passed over and not
 *   refused: it is ending or being marked, and a handler that completes its job in a long transaction
 *   must not hold up the others. What is passed over is written by the next value, or when the job is
 *   settled.
 * - The commit does not wait for the disk: what a crash of Postgres undoes is done again by the next
 *   attempt, from the value before.
 */
export const progress = (schema: string): string => `
with input as (
  select u.* from unnest($2::bigint[], $3::int[], $4::text[]) as u (id, token, value)
), held as materialized (
  select c.id, i.value from (select * from input order by id) i cross join lateral (
    select k.id from ${schema}.claimed k
     where k.id = i.id and k.token = i.token and k.worker_id = $1::bigint
       for update skip locked) c
), written as (
  update ${schema}.claimed k set progress = (select h.value::jsonb from held h where h.id = k.id limit 1)
   where k.id = any(array(select h.id from held h))
)
select array(
         select i.id::text from input i
          where (select true from ${schema}.claimed k
                  where k.id = i.id and k.token = i.token and k.worker_id = $1::bigint) is null
       ) as refused, set_config('synchronous_commit', 'off', true)`;
