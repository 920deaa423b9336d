import type { ErrorRecord } from "./error-record.ts";
import type { BackoffPolicy } from "./backoff.ts";

/**
 * Where a job stands. The state of a job *is* the table that holds its row.
 *
 * - `pending`: may be claimed now.
 * - `scheduled`: becomes pending at its `runAt`.
 * - `waiting`: becomes pending (or scheduled) when every job named in its `after` has succeeded.
 * - `claimed`: belongs to a worker, until it settles or the worker's lease runs out.
 * - `failed`: will not run again unless somebody retries it; it used up its attempts or was cancelled.
 * - `completed`: succeeded, and its result is kept until it expires.
 *
 * A job that succeeded and keeps no result has no row and no state.
 */
export type JobState = (typeof JOB_STATES)[number];

/** Every state, in the order of a job's life. */
export const JOB_STATES = ["waiting", "scheduled", "pending", "claimed", "failed", "completed"] as const;

/** One allowed change of state. `undefined` stands for "no row": before enqueue, or gone. */
export interface Transition {
  readonly from: JobState | undefined;
  readonly to: JobState | undefined;
  /** What causes it. */
  readonly by: string;
}

/**
 * Every change of state there is. `docs/job-states.md` draws this table and a test keeps them equal.
 */
export const TRANSITIONS: readonly Transition[] = [
  { from: undefined, to: "pending", by: "enqueue" },
  { from: undefined, to: "scheduled", by: "enqueue" },
  { from: undefined, to: "waiting", by: "enqueue" },
  { from: undefined, to: "failed", by: "enqueue" },
  { from: "waiting", to: "pending", by: "parents done" },
  { from: "waiting", to: "scheduled", by: "parents done" },
  { from: "waiting", to: "failed", by: "parent failed" },
  { from: "scheduled", to: "pending", by: "promote" },
  { from: "pending", to: "claimed", by: "claim" },
  { from: "claimed", to: undefined, by: "succeed" },
  { from: "claimed", to: "scheduled", by: "retry" },
  { from: "claimed", to: "pending", by: "retry" },
  { from: "claimed", to: "scheduled", by: "snooze" },
  { from: "claimed", to: "pending", by: "snooze" },
  { from: "claimed", to: "pending", by: "release" },
  { from: "claimed", to: "pending", by: "recover" },
  { from: "claimed", to: "failed", by: "fail" },
  { from: "claimed", to: "failed", by: "recover" },
  { from: "claimed", to: "completed", by: "succeed" },
  { from: "waiting", to: "failed", by: "cancel" },
  { from: "scheduled", to: "failed", by: "cancel" },
  { from: "pending", to: "failed", by: "cancel" },
  { from: "claimed", to: "failed", by: "cancel" },
  { from: "failed", to: "pending", by: "retryJob" },
  { from: "failed", to: undefined, by: "deleteFailed" },
  { from: "completed", to: undefined, by: "expire" },
];

/** What a child of `after` does when a job that it waits for fails for good. */
export type AfterFailure = "wait" | "run" | "fail";

/** A job as it is about to be written. Every field is checked before it comes here. */
export interface NewJob {
  /** What sort of work it is: it picks the handler. */
  readonly kind: string;
  /** The queue it goes to. */
  readonly queue: string;
  /** JSON text, already checked and serialised. */
  readonly payload: string;
  /** -32,768 to 32,767; lower runs first. */
  readonly priority: number;
  /** Milliseconds until it may run, from the moment the database writes it. 0 is "now". */
  readonly delayMs: number;
  /** The moment from which it may run. Wins over `delayMs`. */
  readonly runAt: Date | undefined;
  /** How many attempts it has at most, from 1. */
  readonly maxAttempts: number;
  /** The id of the record that it is about, if it was given one. */
  readonly source: string | undefined;
  /** Milliseconds an attempt may take, or `undefined` for no limit. */
  readonly timeoutMs: number | undefined;
  /** Its own retry policy, or `undefined` for the worker's. */
  readonly backoff: BackoffPolicy | undefined;
  /** Ids of the jobs that must have succeeded first. Empty: none. */
  readonly after: readonly string[];
  /** What it does when one of those in `after` fails for good. */
  readonly afterFailure: AfterFailure;
  /** Milliseconds that its result is kept after it succeeded, or `undefined` to keep none. */
  readonly keepResultMs: number | undefined;
  /** It is not written while a job of the same key has a row. `undefined`: it is written in any case. */
  readonly key: string | undefined;
}

/** A job that a worker has claimed, as the store hands it over. */
export interface ClaimedJob {
  /** Decimal digits: ids go beyond 2^53. */
  readonly id: string;
  /** What sort of work it is: it picks the handler. */
  readonly kind: string;
  /** The queue it is in. */
  readonly queue: string;
  /** What was enqueued, read from its JSON. */
  readonly payload: unknown;
  /** The id of the record that it is about, if it was given one. */
  readonly source: string | undefined;
  /** -32,768 to 32,767; lower runs first. */
  readonly priority: number;
  /** Which attempt this is, from 1. Released attempts are not counted. */
  readonly attempt: number;
  /** How many attempts it has at most, from 1. */
  readonly maxAttempts: number;
  /**
   * How many workers in a row died while holding this job: since it was enqueued, retried by hand, or
   * an attempt of it ended by itself.
   */
  readonly crashes: number;
  /**
   * Fencing token: how often this job was ever claimed. It only grows, so that whoever holds an
   * older one writes nothing. Pass it on to outside systems that can refuse stale writers.
   */
  readonly token: number;
  /** When it was enqueued, by the database's clock. */
  readonly enqueuedAt: Date;
  /** Milliseconds from "may run" to "claimed", by the database's clock. */
  readonly waitMs: number;
  /** Milliseconds an attempt may take, or `undefined` for the worker's limit. */
  readonly timeoutMs: number | undefined;
  /** Its own retry policy, or `undefined` for the worker's. */
  readonly backoff: BackoffPolicy | undefined;
  /** Milliseconds that its result is kept after it succeeded, or `undefined` to keep none. */
  readonly keepResultMs: number | undefined;
  /** The last progress value that an earlier attempt reported, to go on from; else `undefined`. */
  readonly lastProgress: unknown;
}

/** A failed job as operators see it: never with its payload, which may hold personal data. */
export interface FailedJob {
  /** Decimal digits: ids go beyond 2^53. */
  readonly id: string;
  /** What sort of work it is: it picks the handler. */
  readonly kind: string;
  /** The queue it is in. */
  readonly queue: string;
  /** The id of the record that it is about, if it was given one. */
  readonly source: string | undefined;
  /** How many attempts are counted since it was enqueued or last retried by hand. */
  readonly attempt: number;
  /** How many attempts it has at most, from 1. */
  readonly maxAttempts: number;
  /** How many workers in a row died while holding this job. An attempt that ends by itself, and `retryJob`, clear it. */
  readonly crashes: number;
  /** Why it failed, in one line. */
  readonly reason: string;
  /** One record an attempt, oldest first; the latest 50, and they outlive `retryJob`. */
  readonly errors: readonly AttemptError[];
  /** When it was enqueued, by the database's clock. */
  readonly enqueuedAt: Date;
  /** When it failed for good, by the database's clock. */
  readonly failedAt: Date;
  /** It did not fail: somebody cancelled it. `bulkRetry` leaves it alone. */
  readonly cancelled: boolean;
}

/** Where one job stands at a moment: never with its payload. */
export interface JobSnapshot {
  /** Decimal digits: ids go beyond 2^53. */
  readonly id: string;
  /** What sort of work it is. */
  readonly kind: string;
  /** The queue it is in. */
  readonly queue: string;
  /** The id of the record that it is about, if it was given one. */
  readonly source: string | undefined;
  /** Where it stands. */
  readonly state: JobState;
  /** The attempt that runs or ran last, from 1; 0 before the first. */
  readonly attempt: number;
  /** How many attempts it has at most, from 1. */
  readonly maxAttempts: number;
  /** How many workers died while holding it. */
  readonly crashes: number;
  /** When it was enqueued, by the database's clock. */
  readonly enqueuedAt: Date;
  /** When it may run, or could. */
  readonly runAt: Date;
  /** The label of the worker that holds it. */
  readonly claimedBy: string | undefined;
  /** When that worker claimed it. */
  readonly claimedAt: Date | undefined;
  /** Its last reported progress, or `undefined`. */
  readonly lastProgress: unknown;
  /** One record an attempt, oldest first; the latest 50. */
  readonly errors: readonly AttemptError[];
  /** Why it failed or was cancelled, in one line. */
  readonly reason: string | undefined;
  /** It did not fail: somebody cancelled it. */
  readonly cancelled: boolean;
  /** When it failed or succeeded. */
  readonly endedAt: Date | undefined;
  /** What its handler resulted in, where `state` is `completed`. */
  readonly result: unknown;
}

/** Which jobs to cancel: those with these ids, or those that match every member that is given. */
export type CancelFilter =
  | { readonly ids: readonly string[] }
  | {
      readonly kind?: string | undefined;
      readonly queue?: string | undefined;
      readonly source?: string | undefined;
    };

/** What went wrong in one attempt. */
export interface AttemptError extends ErrorRecord {
  /** Which attempt it was, from 1. */
  readonly attempt: number;
  /** ISO 8601, by the database's clock. */
  readonly at: string;
}
