import type { ErrorRecord } from "./error-record.ts";
import type { ClaimedJob, JobState } from "./job.ts";

/** What an event tells about its job: never the payload. */
export interface JobRef<Kind extends string = string> {
  /** Decimal digits: ids go beyond 2^53. */
  readonly id: string;
  /** What sort of work it is: it picks the handler. */
  readonly kind: Kind;
  /** The queue it is in. */
  readonly queue: string;
  /** The id of the record that it is about, if it was given one. */
  readonly source: string | undefined;
  /** Which attempt, from 1. */
  readonly attempt: number;
  /** How many attempts it has at most, from 1. */
  readonly maxAttempts: number;
}

/** A job that came back because the lease of its worker ran out. `attempt` is the one that was lost. */
export interface RecoveredJob extends JobRef {
  /** Where it is now: `pending`, or `failed` when its attempts are used up. */
  readonly state: Extract<JobState, "pending" | "failed">;
}

/**
 * Everything that happens in a worker, as one discriminated union on `type`.
 * `docs/events.md` has the table of them.
 */
export type WorkerEvent<Kind extends string = string> =
  /** The worker is registered and begins to claim. Again after each lost lease, with a new id. */
  | {
      readonly type: "started";
      readonly workerId: string;
      readonly label: string;
      readonly queues: readonly string[];
      readonly kinds: readonly string[];
      readonly concurrency: number;
      readonly pollIntervalMs: number;
      readonly leaseDurationMs: number;
      readonly maxAttempts: number;
    }
  /** A claim brought jobs. */
  | { readonly type: "claimed"; readonly queue: string; readonly count: number }
  /** A claim failed; it is tried again after `retryInMs`. */
  | {
      readonly type: "claim-failed";
      readonly queue: string;
      readonly error: ErrorRecord;
      readonly retryInMs: number;
    }
  /** A poll failed; the next tick tries again. */
  | { readonly type: "poll-failed"; readonly error: ErrorRecord; readonly retryInMs: number }
  /** A handler was called. `waitMs` is the time from "may run" to "claimed". */
  | { readonly type: "attempt-started"; readonly job: JobRef<Kind>; readonly waitMs: number }
  /**
   * A handler that is an Observable or an (async) iterable emitted a value; the last one too. At
   * most one each `progressIntervalMs`, the latest. `undefined` is none; what is no JSON fails the
   * job with a `PayloadError`, without a retry.
   */
  | { readonly type: "progress"; readonly job: JobRef<Kind>; readonly value: unknown }
  /** The job is done, and that is written. */
  | {
      readonly type: "succeeded";
      readonly job: JobRef<Kind>;
      readonly durationMs: number;
      readonly result: unknown;
      /** There where the result is kept among the completed jobs. */
      readonly kept?: true;
    }
  /** The attempt failed and the next one is written down. */
  | {
      readonly type: "retry-scheduled";
      readonly job: JobRef<Kind>;
      readonly durationMs: number;
      readonly delayMs: number;
      readonly error: ErrorRecord;
    }
  /** The handler postponed the job. */
  | { readonly type: "snoozed"; readonly job: JobRef<Kind>; readonly delayMs: number }
  /** The job failed for good, and that is written. */
  | {
      readonly type: "failed";
      readonly job: JobRef<Kind>;
      readonly durationMs: number;
      readonly error: ErrorRecord;
    }
  /** The job was cancelled, and that is written. */
  | { readonly type: "cancelled"; readonly job: JobRef<Kind>; readonly reason: string }
  /** The job was given back, its attempt uncounted. */
  | {
      readonly type: "released";
      readonly job: JobRef<Kind>;
      /**
       * `unstarted`: it had not begun. `shutdown`: the drain timeout passed. `aborted`: the worker was
       * aborted. `dropped`: the app's own `dispatch` did not run it, or unsubscribed its attempt.
       */
      readonly reason: "unstarted" | "shutdown" | "aborted" | "dropped";
    }
  /**
   * The claim is gone, and as far as is known the outcome was not written: the lease was lost, and another
   * worker may own the job. Or the answer to the write was lost, and what it did cannot be found out any
   * more: the lease has run out, or Postgres has crashed.
   */
  | { readonly type: "lease-lost"; readonly job: JobRef<Kind> }
  /**
   * The attempt did not end when told to, or its outcome could not be written (`unsettled`). At
   * `shutdown`, `aborted` and `unsettled` the job stays claimed until the lease runs out. After
   * `timeout` and `cancelled` it is settled all the same, while its handler may still run. After
   * `lease-lost` its claim is gone already.
   */
  | {
      readonly type: "leaked";
      readonly job: JobRef<Kind>;
      readonly reason: "shutdown" | "aborted" | "timeout" | "lease-lost" | "cancelled" | "unsettled";
      /** How many given up attempts of this worker still run, with this one. Not told if `unsettled`. */
      readonly running?: number;
    }
  /** An attempt that had leaked has ended after all, `durationMs` after it began. */
  | {
      readonly type: "leak-ended";
      readonly job: JobRef<Kind>;
      readonly durationMs: number;
      /** How many given up attempts of this worker still run. */
      readonly running: number;
    }
  /** So many given up attempts still run (`maxLeaked`) that the worker claims no more. */
  | { readonly type: "claims-paused"; readonly running: number; readonly maxLeaked: number }
  /** Enough of them have ended: the worker claims again. */
  | { readonly type: "claims-resumed"; readonly running: number }
  /** Outcomes could not be written; they are tried again after `retryInMs`. */
  | {
      readonly type: "settle-failed";
      readonly count: number;
      readonly error: ErrorRecord;
      readonly retryInMs: number;
    }
  /** Progress could not be kept; the latest is tried again after `retryInMs`. */
  | {
      readonly type: "progress-failed";
      readonly count: number;
      readonly error: ErrorRecord;
      readonly retryInMs: number;
    }
  /** Events could not be published to other processes; they wait and are tried again. */
  | { readonly type: "publish-failed"; readonly error: ErrorRecord; readonly retryInMs: number }
  /** The worker could not renew its lease; it tries again while the lease stands. */
  | { readonly type: "heartbeat-failed"; readonly error: ErrorRecord; readonly retryInMs: number }
  /** The worker's lease ran out. Its attempts are interrupted and it starts anew with a new id. */
  | { readonly type: "lease-expired"; readonly workerId: string }
  /** Claims of dead workers were given back. */
  | { readonly type: "lease-recovered"; readonly count: number; readonly jobs: readonly RecoveredJob[] }
  | { readonly type: "recovery-failed"; readonly error: ErrorRecord; readonly retryInMs: number }
  /** Results that have expired could not be deleted; the next round tries again. */
  | { readonly type: "tidy-failed"; readonly error: ErrorRecord; readonly retryInMs: number }
  /** NOTIFY cannot be heard; polling goes on. */
  | { readonly type: "listen-lost"; readonly error: ErrorRecord }
  /** NOTIFY is heard (again). */
  | { readonly type: "listen-restored" }
  /** Somebody keeps vacuum from removing dead rows, so that claims have more and more to step over. */
  | {
      readonly type: "degraded";
      /** A transaction that was open for a minute, and the snapshot that it holds. */
      readonly cause: "old-snapshot";
      /** The server's process that holds it. None has a prepared transaction, or a slot that is not read. */
      readonly pid?: number | undefined;
      /** How long it has been held: since the transaction began, or where that is hidden, since it was seen. */
      readonly ageMs: number;
      /** The session's `application_name`, or which prepared transaction or replication slot it is. */
      readonly holder?: string | undefined;
    }
  /** That is over, and nobody else does so. */
  | { readonly type: "restored"; readonly cause: "old-snapshot" }
  /** The app's own `capacity$` errored, or said what is no capacity; what it said before stands. */
  | { readonly type: "capacity-failed"; readonly error: ErrorRecord }
  /** The app's own `dispatch` errored, or completed too early; it is subscribed again. */
  | {
      readonly type: "dispatch-failed";
      readonly queue: string;
      readonly error: ErrorRecord;
      readonly retryInMs: number;
    }
  /** The app's own `wakeup$`, or its operator on wake-ups, errored. It is not subscribed again. */
  | { readonly type: "wakeup-failed"; readonly error: ErrorRecord }
  /** Could not register; it is tried again after `retryInMs`. */
  | { readonly type: "start-failed"; readonly error: ErrorRecord; readonly retryInMs: number }
  /** Shutdown began: no more claims. */
  | { readonly type: "draining"; readonly running: number }
  /** Everything that ran has ended by itself. */
  | { readonly type: "drained" }
  /** The drain timeout passed: these attempts were told to end. */
  | { readonly type: "drain-timed-out"; readonly interrupted: readonly JobRef<Kind>[] }
  /** The worker was told to stop without waiting. */
  | { readonly type: "aborted" }
  /** A subscriber was too slow, so that this many events were not delivered to it. */
  | { readonly type: "events-dropped"; readonly count: number }
  /** The worker cannot go on, as when its tables are gone. The last event before the stream errors. */
  | { readonly type: "worker-failed"; readonly error: ErrorRecord }
  /** The last event of a worker that was stopped. */
  | { readonly type: "exited"; readonly outcome: "drained" | "timeout" | "aborted" };

/** Picks the members of `WorkerEvent` by their `type`. */
export type EventOf<Type extends WorkerEvent["type"], Kind extends string = string> = Extract<
  WorkerEvent<Kind>,
  { readonly type: Type }
>;

/** Whether the outcome of an attempt that was given up is written all the same. */
export function isSettledLeak({ reason }: EventOf<"leaked">): boolean {
  return reason === "timeout" || reason === "cancelled";
}

/** What events tell of a claimed job. */
export function jobRef(job: ClaimedJob): JobRef {
  return {
    id: job.id,
    kind: job.kind,
    queue: job.queue,
    source: job.source,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
  };
}
