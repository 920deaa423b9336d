/**
 * The columns that every table of jobs has, in the order in which they stand there. Moving a job
 * from one table to another copies them all.
 */
export const JOB_COLUMNS = [
  "id",
  "created_at",
  "run_at",
  "timeout_ms",
  "keep_result_ms",
  "attempt",
  "max_attempts",
  "crashes",
  "token",
  "priority",
  "has_children",
  "kind",
  "queue",
  "payload",
  "errors",
  "source",
  "key",
  "backoff",
  "progress",
] as const;

/** One of the columns of a job. */
export type JobColumn = (typeof JOB_COLUMNS)[number];

/** The list of columns to insert into. */
export const INTO: string = JOB_COLUMNS.join(", ");

/**
 * The matching list of values: each column of `row`, except those for which `changed` has another
 * expression.
 */
export function values(row: string, changed: Partial<Record<JobColumn, string>> = {}): string {
  return JOB_COLUMNS.map((column) => changed[column] ?? `${row}.${column}`).join(", ");
}
