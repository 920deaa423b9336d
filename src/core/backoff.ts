import type { ErrorRecord } from "./error-record.ts";

/**
 * How long to wait before the next attempt, as data (it can be stored with a job).
 *
 * The delay after attempt `n` is `min(maxMs, initialMs × factor^(n-1))`, of which a random part of
 * at most `jitter` is taken away, so that jobs that failed together do not come back together.
 */
export interface BackoffPolicy {
  /** Delay after the first attempt, in milliseconds. From 0. Default 1,000. */
  readonly initialMs: number;
  /** What each further delay is multiplied by. From 1. Default 2. */
  readonly factor: number;
  /** The longest delay, in milliseconds. Default 3,600,000 (one hour). */
  readonly maxMs: number;
  /** Share of the delay that is random, 0 to 1. Default 0.5. */
  readonly jitter: number;
}

/** What a retry function may answer: a delay in milliseconds, or `"stop"` to fail the job now. */
export type RetryDecision = number | "stop";

/** Decides about the next attempt. Pure: the same error and attempt give the same answer. */
export type RetryFunction = (error: unknown, attempt: number, record: ErrorRecord) => RetryDecision;

/** The policy of jobs and workers that name none. */
export const DEFAULT_BACKOFF: BackoffPolicy = Object.freeze({
  initialMs: 1_000,
  factor: 2,
  maxMs: 3_600_000,
  jitter: 0.5,
});

/**
 * The delay before the attempt that follows attempt `attempt`, in milliseconds.
 *
 * ```text
 * initialMs 1000, factor 2, jitter 0
 * attempt   1      2        3
 *           #-1s---#---2s---#-------4s-------…
 * ```
 *
 * @param attempt The attempt that failed, from 1.
 * @param random From 0 up to 1; `Math.random()` outside tests.
 */
export function backoffDelay(policy: BackoffPolicy, attempt: number, random: number): number {
  // 0 × Infinity is NaN.
  if (policy.initialMs === 0) return 0;
  const full = Math.min(policy.maxMs, policy.initialMs * policy.factor ** (attempt - 1));
  return Math.round(full * (1 - policy.jitter * random));
}
