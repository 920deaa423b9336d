import type { JobRef } from "../core/events.ts";
import type { CancelFilter } from "../core/job.ts";
import type { Cancelled } from "../core/store-calls.ts";
import { fail } from "./memory-fan-in.ts";
import { byId } from "./memory-tables.ts";
import type { Row, Tables } from "./memory-tables.ts";

/** Ends the jobs that nobody runs, as cancelled, and marks those that run. */
export function cancel(tables: Tables, filter: CancelFilter, reason: string): Cancelled {
  const chosen = matching(filter);
  const requested = [...tables.claimed.values()]
    .filter(({ row }) => chosen(row))
    .sort((a, b) => byId(a.row, b.row))
    .map((claimed) => {
      const { row, workerId, cancelReason = reason } = claimed;
      tables.claimed.set(row.id, { ...claimed, cancelReason });
      return { id: row.id, token: row.token, workerId };
    });
  const rows = [
    ...[...tables.waiting.values()].map(({ row }) => row),
    ...tables.scheduled.values(),
    ...tables.pending.values(),
  ].filter(chosen);
  for (const { id } of rows) {
    for (const table of [tables.waiting, tables.scheduled, tables.pending]) table.delete(id);
  }
  const readyQueues = fail(tables, ...rows.map((row) => ({ row, reason, cancelled: true })));
  return { ended: rows.sort(byId).map(refOf), requested, readyQueues: [...new Set(readyQueues)] };
}

function matching(filter: CancelFilter): (row: Row) => boolean {
  if ("ids" in filter) {
    const ids = new Set(filter.ids);
    return ({ id }) => ids.has(id);
  }
  const { kind, queue, source } = filter;
  return ({ job }) =>
    (kind === undefined || job.kind === kind) &&
    (queue === undefined || job.queue === queue) &&
    (source === undefined || job.source === source);
}

function refOf({ id, attempt, job }: Row): JobRef {
  const { kind, queue, source, maxAttempts } = job;
  return { id, kind, queue, source, attempt, maxAttempts };
}
