import type { BackoffPolicy } from "../core/backoff.ts";
import type { RecoveredJob } from "../core/events.ts";
import type { AttemptError, ClaimedJob, FailedJob } from "../core/job.ts";

/*
 * The only place where names change from snake_case to camelCase. The statements send big numbers as
 * text, moments as milliseconds and JSON as text, so that an app that gave `pg` other parsers for
 * these types changes nothing here.
 */

/** A row of CLAIM. Null stands for what most jobs have: see there. */
export type ClaimRow = {
  readonly id: string;
  readonly kind: string;
  readonly payload: string;
  readonly source: string | null;
  readonly priority: number | null;
  readonly attempt: number | null;
  readonly max_attempts: number;
  readonly crashes: number | null;
  readonly token: number | null;
  readonly created_at_ms: number;
  readonly wait_ms: number;
  readonly timeout_ms: number | null;
  readonly backoff: string | null;
  readonly keep_result_ms: number | null;
  readonly progress: string | null;
};

/** A row of LIST_FAILED. */
export type FailedRow = {
  readonly id: string;
  readonly kind: string;
  readonly queue: string;
  readonly source: string | null;
  readonly attempt: number;
  readonly max_attempts: number;
  readonly crashes: number;
  readonly reason: string;
  readonly errors: string;
  readonly created_at_ms: number;
  readonly failed_at_ms: number;
  readonly cancelled: boolean;
};

/** One of the jobs in the answer of RECOVER. */
export type RecoveredRow = {
  readonly id: string;
  readonly kind: string;
  readonly queue: string;
  readonly source: string | null;
  readonly attempt: number;
  readonly max_attempts: number;
  readonly state: RecoveredJob["state"];
};

/** Makes a claimed job of its row, and of the queue that it was claimed from. */
export function claimedJob(row: ClaimRow, queue: string): ClaimedJob {
  const attempt = row.attempt ?? 1;
  return {
    id: row.id,
    kind: row.kind,
    queue,
    payload: JSON.parse(row.payload) as unknown,
    source: row.source ?? undefined,
    priority: row.priority ?? 0,
    attempt,
    maxAttempts: row.max_attempts,
    crashes: row.crashes ?? 0,
    token: row.token ?? attempt,
    enqueuedAt: new Date(row.created_at_ms),
    waitMs: row.wait_ms,
    timeoutMs: row.timeout_ms ?? undefined,
    backoff: row.backoff === null ? undefined : (JSON.parse(row.backoff) as BackoffPolicy),
    keepResultMs: row.keep_result_ms ?? undefined,
    lastProgress: jsonOf(row.progress),
  };
}

/** Makes a failed job of its row. */
export function failedJob(row: FailedRow): FailedJob {
  return {
    id: row.id,
    kind: row.kind,
    queue: row.queue,
    source: row.source ?? undefined,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    crashes: row.crashes,
    reason: row.reason,
    errors: JSON.parse(row.errors) as readonly AttemptError[],
    enqueuedAt: new Date(row.created_at_ms),
    failedAt: new Date(row.failed_at_ms),
    cancelled: row.cancelled,
  };
}

/** Makes the recovered jobs of the JSON that RECOVER answers with. */
export function recoveredJobs(json: string): readonly RecoveredJob[] {
  return (JSON.parse(json) as readonly RecoveredRow[]).map((row) => ({
    id: row.id,
    kind: row.kind,
    queue: row.queue,
    source: row.source ?? undefined,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    state: row.state,
  }));
}

/** The value of a JSON text; `undefined` where there is none. */
export function jsonOf(text: string | null): unknown {
  return text === null ? undefined : (JSON.parse(text) as unknown);
}
