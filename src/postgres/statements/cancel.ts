/** How many jobs one step of a cancellation takes. */
export const CANCEL_STEP = 1_000;

/**
 * CANCEL: cancels the jobs `$1` for the reason `$2`; see `cancel_jobs` in migration 2. Called for each
 * batch of a cancellation, and for single jobs that it left.
 */
export const cancel = (schema: string): string => `
select c.ended::text, c.requested::text, coalesce(c.ready_queues, '{}') as ready_queues, c.remaining::text[]
  from ${schema}.cancel_jobs($1::bigint[], $2) c`;

/**
 * LAST_JOB: the highest id there is, at which a cancellation of all that match ends: those that come
 * later are none of its business. Reads the ends of the primary keys.
 */
export const lastJob = (schema: string): string => `
select max(j.id)::text as id from ${schema}.jobs j`;

/**
 * CANCELLABLE: the first 1,000 jobs with ids above `$1`, up to `$2`, that are of kind `$3`, of queue
 * `$4` and of source `$5`, each only where it is given, and that have not ended.
 *
 * One snapshot over all tables: a job that moves is seen in exactly one of them. It walks the primary
 * keys side by side, so that all steps together read each table once; an index for the rare
 * cancellation would slow down every enqueue. Locks nothing.
 */
export const cancellable = (schema: string): string => `
select j.id::text from ${schema}.jobs j
 where j.id > $1::bigint and j.id <= $2::bigint and j.state in ('waiting', 'scheduled', 'pending', 'claimed')
   and ($3::text is null or j.kind = $3) and ($4::text is null or j.queue = $4)
   and ($5::text is null or j.source = $5)
 order by j.id limit ${CANCEL_STEP}`;
