import type { NewJob } from "../core/job.ts";
import type { Entered } from "../core/store-calls.ts";
import { isLinked } from "../core/parts.ts";
import { arrayLiteral, repeatedLiteral } from "./array-literal.ts";
import type { Statements } from "./statements.ts";
import type { Statement } from "./statements/statement.ts";

/** A statement and its values, ready to be run. */
export interface Call {
  readonly statement: Statement;
  readonly values: readonly string[];
}

/** The row that such a call answers with. */
export interface EnqueuedRow {
  /** The ids of the jobs that stand, in the order of what was given, with commas between. */
  readonly ids: string;
  /** Those of them that were written; absent where all were. */
  readonly inserted?: string;
  /** When they were written, by the database's clock, in milliseconds since 1970. */
  readonly at_ms: number | string;
}

/** The one call that writes these jobs: ENQUEUE, or ENQUEUE_JOBS when one of them waits for others or has a key. */
export function enqueueCall(sql: Statements, jobs: readonly NewJob[]): Call {
  const column = (of: (job: NewJob) => string | number | undefined): string => {
    const [first] = jobs;
    // What is the same for all, as most of it is, is written once.
    if (first === undefined) return "{}";
    const value = of(first);
    return jobs.every((job) => of(job) === value)
      ? repeatedLiteral(value, jobs.length)
      : arrayLiteral(jobs.map(of));
  };
  const values = [
    column(({ kind }) => kind),
    column(({ queue }) => queue),
    column(({ payload }) => payload),
    column(({ priority }) => priority),
    column(({ delayMs }) => delayMs),
    column(({ runAt }) => runAt?.getTime()),
    column(({ maxAttempts }) => maxAttempts),
    column(({ source }) => source),
    column(({ timeoutMs }) => wholeMs(timeoutMs)),
    column(({ backoff }) => (backoff === undefined ? undefined : JSON.stringify(backoff))),
    column(({ keepResultMs }) => wholeMs(keepResultMs)),
  ];
  if (!jobs.some(isLinked)) {
    return { statement: sql.enqueue, values };
  }
  const more = [
    column(({ after }) => arrayLiteral(after)),
    column(({ afterFailure }) => afterFailure),
    column(({ key }) => key),
  ];
  return { statement: sql.enqueueJobs, values: [...values, ...more] };
}

/**
 * Writes parts of jobs one after the other: where there are several, `run` must run them in one
 * transaction. Answers for none of the jobs where it does not answer with rows.
 */
export async function enqueueParts(
  run: (statement: Statement, values: readonly string[]) => Promise<readonly EnqueuedRow[]>,
  sql: Statements,
  parts: readonly (readonly NewJob[])[],
): Promise<readonly Entered[]> {
  const answers: (readonly Entered[])[] = [];
  let next = callOf(sql, parts[0]);
  for (const [index, part] of parts.entries()) {
    if (next === undefined) break;
    const running = run(next.statement, next.values);
    // Made while Postgres writes.
    next = callOf(sql, parts[index + 1]);
    const [row] = await running;
    if (row === undefined) return [];
    answers.push(enteredOf(part, row));
  }
  return answers.flat();
}

/** What became of each job. Of two with the same key in one call, the first was written. */
function enteredOf(jobs: readonly NewJob[], { ids, inserted, at_ms: at }: EnqueuedRow): readonly Entered[] {
  const written = inserted === undefined ? undefined : new Set(inserted.split(","));
  return ids
    .split(",")
    .map((id, index) =>
      written === undefined || written.delete(id)
        ? { id, inserted: true, dueInMs: dueInMs(jobs[index], Number(at)) }
        : { id, inserted: false, dueInMs: undefined },
    );
}

function callOf(sql: Statements, jobs: readonly NewJob[] | undefined): Call | undefined {
  return jobs === undefined ? undefined : enqueueCall(sql, jobs);
}

/** How long after a moment a job is due. */
function dueInMs(job: NewJob | undefined, at: number): number | undefined {
  return job?.runAt === undefined ? job?.delayMs : job.runAt.getTime() - at;
}

/** The columns of durations hold whole milliseconds, and none of them may be 0. */
function wholeMs(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.ceil(ms);
}
