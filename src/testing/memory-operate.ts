import type { FailedJob } from "../core/job.ts";
import { parentGone } from "./memory-fan-in.ts";
import { byId, now } from "./memory-tables.ts";
import type { Failed, Tables } from "./memory-tables.ts";

/** The newest failed jobs, newest first; of those that failed at the same moment, the highest id. */
export function listFailed(tables: Tables, limit: number): readonly FailedJob[] {
  return newestFirst(tables).slice(0, limit).map(failedJob);
}

/** Makes a failed job pending, also one that was cancelled. */
export function retry(tables: Tables, id: string): boolean {
  const failed = tables.failed.get(id);
  if (failed === undefined) return false;
  tables.failed.delete(id);
  tables.pending.set(id, { ...failed.row, attempt: 0, crashes: 0, runAt: now(), progress: undefined });
  return true;
}

/** Makes the failed jobs (of a kind) pending, but for those that were cancelled; or only counts them. */
export function bulkRetry(tables: Tables, kind: string | undefined, dryRun: boolean): number {
  const chosen = newestFirst(tables).filter(
    ({ row, cancelled }) => !cancelled && (kind === undefined || row.job.kind === kind),
  );
  if (!dryRun) for (const { row } of chosen) retry(tables, row.id);
  return chosen.length;
}

/** Deletes a failed job; its children may run. */
export function deleteFailed(tables: Tables, id: string): boolean {
  if (!tables.failed.delete(id)) return false;
  parentGone(tables, id);
  return true;
}

/** Deletes jobs that failed so long ago, the oldest first, but for those that others wait for. */
export function expireFailed(tables: Tables, keepFailedMs: number, limit: number): number {
  const waitedFor = new Set([...tables.waiting.values()].flatMap(({ parents }) => [...parents]));
  const expired = newestFirst(tables)
    .toReversed()
    .filter(({ row, failedAt }) => failedAt <= now() - keepFailedMs && !waitedFor.has(row.id))
    .slice(0, limit);
  for (const { row } of expired) tables.failed.delete(row.id);
  return expired.length;
}

function newestFirst(tables: Tables): readonly Failed[] {
  return [...tables.failed.values()].sort((a, b) => b.failedAt - a.failedAt || byId(b.row, a.row));
}

function failedJob({ row, reason, failedAt, cancelled }: Failed): FailedJob {
  const { kind, queue, source, maxAttempts } = row.job;
  const { id, attempt, crashes, errors } = row;
  const enqueuedAt = new Date(row.enqueuedAt);
  const job = { id, kind, queue, source, attempt, maxAttempts, crashes };
  return { ...job, reason, errors, enqueuedAt, failedAt: new Date(failedAt), cancelled };
}
