import type { AttemptError, JobSnapshot, JobState } from "../core/job.ts";
import type { WorkerSnapshot } from "../core/store-calls.ts";
import { jsonOf } from "./rows.ts";

/** A row of FIND and LIST_ACTIVE. */
export type SnapshotRow = {
  readonly id: string;
  readonly kind: string;
  readonly queue: string;
  readonly source: string | null;
  readonly state: JobState;
  readonly attempt: number;
  readonly max_attempts: number;
  readonly crashes: number;
  readonly created_at_ms: number;
  readonly run_at_ms: number;
  readonly claimed_by: string | null;
  readonly claimed_at_ms: number | null;
  readonly progress: string | null;
  readonly errors: string;
  readonly reason: string | null;
  readonly cancelled: boolean;
  readonly ended_at_ms: number | null;
  readonly result: string | null;
};

/** A row of LIST_WORKERS. */
export type WorkerRow = {
  readonly id: string;
  readonly label: string;
  readonly queues: readonly string[];
  readonly registered_at_ms: number;
  readonly lease_expires_at_ms: number;
  readonly claimed: number;
};

/** Makes what is told of a job of its row. */
export function jobSnapshot(row: SnapshotRow): JobSnapshot {
  return {
    id: row.id,
    kind: row.kind,
    queue: row.queue,
    source: row.source ?? undefined,
    state: row.state,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    crashes: row.crashes,
    enqueuedAt: new Date(row.created_at_ms),
    runAt: new Date(row.run_at_ms),
    claimedBy: row.claimed_by ?? undefined,
    claimedAt: dateOf(row.claimed_at_ms),
    lastProgress: jsonOf(row.progress),
    errors: JSON.parse(row.errors) as readonly AttemptError[],
    reason: row.reason ?? undefined,
    cancelled: row.cancelled,
    endedAt: dateOf(row.ended_at_ms),
    result: jsonOf(row.result),
  };
}

/** Makes what is told of a worker of its row. */
export function workerSnapshot(row: WorkerRow): WorkerSnapshot {
  return {
    id: row.id,
    label: row.label,
    queues: row.queues,
    startedAt: new Date(row.registered_at_ms),
    leaseExpiresAt: new Date(row.lease_expires_at_ms),
    claimed: row.claimed,
  };
}

function dateOf(ms: number | null): Date | undefined {
  return ms === null ? undefined : new Date(ms);
}
