import { JOB_STATES } from "../core/job.ts";
import type { JobSnapshot, JobState } from "../core/job.ts";
import type { QueueDepth, WorkerSnapshot } from "../core/store-calls.ts";
import { byId, jsonOf, now, rowsIn } from "./memory-tables.ts";
import type { Claimed, Row, Tables } from "./memory-tables.ts";

/** Where jobs stand, in the order of ids. */
export function find(tables: Tables, ids: readonly string[]): readonly JobSnapshot[] {
  return [...new Set(ids)].flatMap((id) => snapshotOf(tables, id) ?? []).sort(byId);
}

/** How many jobs there are in each queue and state. */
export function depth(tables: Tables): readonly QueueDepth[] {
  return JOB_STATES.flatMap((state) => {
    const counts = new Map<string, number>();
    for (const { queue } of rowsIn(tables, state).map(({ job }) => job)) {
      counts.set(queue, (counts.get(queue) ?? 0) + 1);
    }
    return [...counts].map(([queue, count]) => ({ queue, state, count }));
  });
}

/** The claimed jobs, the longest-held first. */
export function listActive(tables: Tables, limit: number): readonly JobSnapshot[] {
  return [...tables.claimed.values()]
    .sort((a, b) => a.claimedAt - b.claimedAt || byId(a.row, b.row))
    .slice(0, limit)
    .map((claimed) => claimedSnapshot(tables, claimed));
}

/** The workers whose lease stands, the oldest first. */
export function listWorkers(tables: Tables): readonly WorkerSnapshot[] {
  const holders = [...tables.claimed.values()].map(({ workerId }) => workerId);
  return [...tables.workers.values()]
    .filter(({ leaseExpiresAt }) => leaseExpiresAt > now())
    .map(({ id, label, queues, registeredAt, leaseExpiresAt }) => ({
      id,
      label,
      queues,
      startedAt: new Date(registeredAt),
      leaseExpiresAt: new Date(leaseExpiresAt),
      claimed: holders.filter((holder) => holder === id).length,
    }));
}

/** Deletes kept results that have expired, the oldest first. */
export function expireResults(tables: Tables, limit: number): number {
  const expired = [...tables.completed.values()]
    .filter(({ expiresAt }) => expiresAt <= now())
    .sort((a, b) => a.expiresAt - b.expiresAt)
    .slice(0, limit);
  for (const { row } of expired) tables.completed.delete(row.id);
  return expired.length;
}

function snapshotOf(tables: Tables, id: string): JobSnapshot | undefined {
  const claimed = tables.claimed.get(id);
  if (claimed !== undefined) return claimedSnapshot(tables, claimed);
  const failed = tables.failed.get(id);
  if (failed !== undefined) {
    const { row, reason, cancelled, failedAt } = failed;
    return { ...shown(row, "failed"), reason, cancelled, endedAt: new Date(failedAt) };
  }
  const completed = tables.completed.get(id);
  if (completed !== undefined) {
    const { row, completedAt, result } = completed;
    return { ...shown(row, "completed"), endedAt: new Date(completedAt), result: jsonOf(result) };
  }
  for (const state of ["waiting", "scheduled", "pending"] as const) {
    const row = rowsIn(tables, state).find((one) => one.id === id);
    if (row !== undefined) return shown(row, state);
  }
  return undefined;
}

function claimedSnapshot(tables: Tables, claimed: Claimed): JobSnapshot {
  const { row, workerId, claimedAt, cancelReason } = claimed;
  const claimedBy = tables.workers.get(workerId)?.label;
  return { ...shown(row, "claimed"), claimedBy, claimedAt: new Date(claimedAt), reason: cancelReason };
}

function shown(row: Row, state: JobState): JobSnapshot {
  const { kind, queue, source, maxAttempts } = row.job;
  const { id, attempt, crashes, errors } = row;
  return {
    id,
    kind,
    queue,
    source,
    state,
    attempt,
    maxAttempts,
    crashes,
    errors,
    enqueuedAt: new Date(row.enqueuedAt),
    runAt: new Date(Math.max(row.enqueuedAt, row.runAt)),
    claimedBy: undefined,
    claimedAt: undefined,
    lastProgress: jsonOf(row.progress),
    reason: undefined,
    cancelled: false,
    endedAt: undefined,
    result: undefined,
  };
}
