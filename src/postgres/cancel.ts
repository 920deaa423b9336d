import type { CancelFilter } from "../core/job.ts";
import type { Cancelled } from "../core/store-calls.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Run } from "./database.ts";
import type { Statements } from "./statements.ts";
import { CANCEL_STEP } from "./statements/cancel.ts";

/** Cancels jobs: `cancel` of the `Store`. */
export type Cancel = (filter: CancelFilter, reason: string) => Promise<Cancelled>;

type CancelRow = {
  readonly ended: string;
  readonly requested: string;
  readonly ready_queues: readonly string[];
  readonly remaining: readonly string[];
};

type EndedRow = {
  readonly id: string;
  readonly kind: string;
  readonly queue: string;
  readonly source: string | null;
  readonly attempt: number;
  readonly max_attempts: number;
};

type RequestedRow = { readonly id: string; readonly token: number; readonly worker_id: string };

/**
 * Makes the function that cancels, in steps of at most 1,000 jobs, each a transaction of its own. What
 * a step leaves, because it was locked or just moving, is cancelled one by one: a single job is waited
 * for, while nothing else is held.
 */
export function cancelling(run: Run, sql: Statements): Cancel {
  const step = async (ids: readonly string[], reason: string): Promise<CancelRow> => {
    const [row] = await run<CancelRow>(sql.cancel, [arrayLiteral(ids), reason]);
    if (row === undefined) throw new Error("Expected a row in the answer of Postgres, got none");
    return row;
  };
  return async (filter, reason) => {
    const rows: CancelRow[] = [];
    for await (const ids of batches(run, sql, filter)) {
      const row = await step(ids, reason);
      rows.push(row);
      for (const id of row.remaining) {
        for (let left: readonly string[] = [id]; left.length > 0;) {
          const single = await step(left, reason);
          rows.push(single);
          left = single.remaining;
        }
      }
    }
    return answerOf(rows);
  };
}

/** The ids to cancel, in the order of ids, 1,000 at a time. */
async function* batches(run: Run, sql: Statements, filter: CancelFilter): AsyncGenerator<readonly string[]> {
  if ("ids" in filter) {
    const ids = [...new Set(filter.ids)];
    for (let from = 0; from < ids.length; from += CANCEL_STEP) yield ids.slice(from, from + CANCEL_STEP);
    return;
  }
  const { kind, queue, source } = filter;
  const [last] = await run<{ id: string | null }>(sql.lastJob);
  const upTo = last?.id;
  if (upTo === null || upTo === undefined) return;
  for (let after: string | undefined = "0"; after !== undefined;) {
    const rows: readonly { readonly id: string }[] = await run<{ id: string }>(sql.cancellable, [
      after,
      upTo,
      kind,
      queue,
      source,
    ]);
    if (rows.length > 0) yield rows.map(({ id }) => id);
    after = rows.length < CANCEL_STEP ? undefined : rows.at(-1)?.id;
  }
}

function answerOf(rows: readonly CancelRow[]): Cancelled {
  return {
    ended: rows.flatMap(({ ended }) =>
      (JSON.parse(ended) as readonly EndedRow[]).map(({ max_attempts, source, ...rest }) => ({
        ...rest,
        source: source ?? undefined,
        maxAttempts: max_attempts,
      })),
    ),
    requested: rows.flatMap(({ requested }) =>
      (JSON.parse(requested) as readonly RequestedRow[]).map(({ id, token, worker_id }) => ({
        id,
        token,
        workerId: worker_id,
      })),
    ),
    readyQueues: [...new Set(rows.flatMap(({ ready_queues }) => ready_queues))],
  };
}
