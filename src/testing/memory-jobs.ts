import type { AfterFailure, AttemptError, JobState } from "../core/job.ts";
import { byId, jsonOf } from "./memory-tables.ts";
import type { Row, Tables } from "./memory-tables.ts";

/** A job as `MemoryStore.jobs()` shows it: one row of the SQL view `jobs`. */
export interface MemoryJob {
  /** Decimal digits. */
  readonly id: string;
  /** The table that holds it. */
  readonly state: JobState;
  /** What sort of work it is: it picks the handler. */
  readonly kind: string;
  /** The queue it is in. */
  readonly queue: string;
  /** A fresh copy: changing it changes nothing in the store. */
  readonly payload: unknown;
  /** -32,768 to 32,767; lower runs first. */
  readonly priority: number;
  /** The id of the record that it is about, if it was given one. */
  readonly source: string | undefined;
  /** Its key, if it was given one: as long as it is here, no other job of that key is written. */
  readonly key: string | undefined;
  /** How many attempts are counted, a running one included. */
  readonly attempt: number;
  /** How many attempts it has at most, from 1. */
  readonly maxAttempts: number;
  /** How often it was ever claimed. It only grows. */
  readonly token: number;
  /** How many workers died while they held it, since somebody retried it. */
  readonly crashes: number;
  /** When it was enqueued, by the clock of the scheduler. */
  readonly enqueuedAt: Date;
  /** From when it may run, or could have run. Never before `enqueuedAt`. */
  readonly runAt: Date;
  /** One record for each attempt that went wrong, oldest first; the latest 50. */
  readonly errors: readonly AttemptError[];
  /** The jobs that a waiting job still waits for; empty in every other state. */
  readonly waitsFor: readonly string[];
  /** What it does, while it waits, when one of those fails. */
  readonly afterFailure: AfterFailure;
  /** The incarnation that holds a claimed job, else `undefined`. */
  readonly workerId: string | undefined;
  /** The label of that worker. */
  readonly claimedBy: string | undefined;
  /** Whether a claimed job has begun, so that a crash is charged to it. */
  readonly started: boolean;
  /** Why a failed job failed, or why a claimed one is to be cancelled; else `undefined`. */
  readonly reason: string | undefined;
  /** Whether somebody cancelled a failed job. */
  readonly cancelled: boolean;
  /** The last progress that was kept, or `undefined`. A fresh copy. */
  readonly lastProgress: unknown;
  /** The result that a completed job keeps, else `undefined`. A fresh copy. */
  readonly result: unknown;
}

/** Every job of every table, in the order of ids. */
export function allJobs(tables: Tables): readonly MemoryJob[] {
  return [
    ...[...tables.waiting.values()].map(({ row, parents }) =>
      shown("waiting", row, { waitsFor: [...parents] }),
    ),
    ...[...tables.scheduled.values()].map((row) => shown("scheduled", row)),
    ...[...tables.pending.values()].map((row) => shown("pending", row)),
    ...[...tables.claimed.values()].map(({ row, workerId, started, cancelReason }) => {
      const claimedBy = tables.workers.get(workerId)?.label;
      return shown("claimed", row, { workerId, claimedBy, started, reason: cancelReason });
    }),
    ...[...tables.failed.values()].map(({ row, reason, cancelled }) =>
      shown("failed", row, { reason, cancelled }),
    ),
    ...[...tables.completed.values()].map(({ row, result }) =>
      shown("completed", row, { result: jsonOf(result) }),
    ),
  ].sort(byId);
}

/** One literal: objects of many members that are spread together are a hundred times as slow to make. */
function shown(state: JobState, row: Row, more: Partial<MemoryJob> = {}): MemoryJob {
  const { job } = row;
  return {
    id: row.id,
    state,
    kind: job.kind,
    queue: job.queue,
    payload: JSON.parse(job.payload) as unknown,
    priority: job.priority,
    source: job.source,
    key: job.key,
    attempt: row.attempt,
    maxAttempts: job.maxAttempts,
    token: row.token,
    crashes: row.crashes,
    enqueuedAt: new Date(row.enqueuedAt),
    runAt: new Date(row.runAt),
    errors: row.errors,
    waitsFor: more.waitsFor ?? [],
    afterFailure: job.afterFailure,
    workerId: more.workerId,
    claimedBy: more.claimedBy,
    started: more.started ?? false,
    reason: more.reason,
    cancelled: more.cancelled ?? false,
    lastProgress: jsonOf(row.progress),
    result: more.result,
  };
}
