/** How many errors a job keeps: the latest. */
const KEPT_ERRORS = 50;

/**
 * The SQL expression that adds an error to those of a job, with its attempt and the moment as
 * ISO 8601 in UTC. The oldest goes where 50 are kept already, so that a job that is retried for ever
 * does not grow for ever.
 *
 * @param parts SQL expressions: `errors` and `error` of type jsonb, `attempt` int, `at` timestamptz.
 */
export function errorEntry(parts: {
  readonly errors: string;
  readonly error: string;
  readonly attempt: string;
  readonly at: string;
}): string {
  const { errors, error, attempt, at } = parts;
  const time = `to_char(${at} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  const kept = `case when jsonb_array_length(${errors}) >= ${KEPT_ERRORS} then ${errors} - 0 else ${errors} end`;
  return `(${kept}) || jsonb_build_array(${error} || jsonb_build_object('attempt', ${attempt}, 'at', ${time}))`;
}
