import type { ErrorRecord } from "./error-record.ts";
import type { ClaimedJob } from "./job.ts";

/** How an attempt ended, before it is written. */
export type Outcome =
  /** The handler finished. `kept` is the JSON text of its result, where the job keeps it. */
  | { readonly type: "succeeded"; readonly result: unknown; readonly kept?: string }
  /** Somebody cancelled it while it ran; the attempt is not counted. */
  | { readonly type: "cancelled"; readonly error: ErrorRecord }
  /** It failed and is tried again after `delayMs`. */
  | { readonly type: "retried"; readonly delayMs: number; readonly error: ErrorRecord }
  /** It failed for good. */
  | { readonly type: "failed"; readonly error: ErrorRecord }
  /** It asked to be run later; the attempt is not counted. */
  | { readonly type: "snoozed"; readonly delayMs: number }
  /** It was given back; the attempt is not counted. `reason` as in the event. */
  | { readonly type: "released"; readonly reason: "unstarted" | "shutdown" | "aborted" | "dropped" }
  /** Its lease was lost, or it did not end when told to: nothing is written. */
  | { readonly type: "abandoned"; readonly reason: "lease-lost" | "leaked" };

/** The outcomes after which a job runs again, unless somebody has cancelled it. */
export const RUNNABLE: ReadonlySet<Outcome["type"]> = new Set(["retried", "snoozed", "released"]);

/** An attempt that ended, on its way to be settled. */
export interface Ended {
  /** Tells it from events. */
  readonly type: "ended";
  /** The job, under the claim that was run. */
  readonly job: ClaimedJob;
  /** How it ended. */
  readonly outcome: Outcome;
  /** Milliseconds that the handler ran. */
  readonly durationMs: number;
  /**
   * The handler completed the job in a transaction of its own. When that was committed, the row is
   * gone and so the outcome will be refused; then the job has succeeded.
   */
  readonly committed: boolean;
  /** JSON text of the last progress, which may not be kept yet. */
  readonly progress: string | undefined;
}

/** A progress value of a running attempt. */
export interface Progressed {
  /** Tells it from events. */
  readonly type: "progressed";
  /** The job, under the claim that runs. */
  readonly job: ClaimedJob;
  /** What the handler emitted. */
  readonly value: unknown;
  /** Its JSON text. */
  readonly text: string;
}
