import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import type { WakeUp } from "./core/arrival.ts";
import type { BackoffPolicy, RetryFunction } from "./core/backoff.ts";
import type { ClaimedJob } from "./core/job.ts";
import type { PublishMode } from "./events/cluster-event.ts";
import type { Dispatch } from "./stages/dispatch.ts";
import type { AroundAttempt } from "./stages/handler.ts";

/**
 * The settings of a worker, all with defaults: see `DEFAULTS`. The type arguments are the jobs of its
 * `stages`: see `OwnStages`.
 */
export interface WorkerSettings<
  Claimed extends ClaimedJob = ClaimedJob,
  Prepared extends ClaimedJob = ClaimedJob,
> {
  /**
   * The queues that it drains: names, each with `concurrency` slots, or an object of names and
   * their own numbers of slots. Default `["default"]`.
   */
  readonly queues?: readonly string[] | Readonly<Record<string, number>> | undefined;
  /** How many attempts of a queue run at once. Integer from 1 to 10,000. Default 10. */
  readonly concurrency?: number | undefined;
  /** Milliseconds between polls, the floor under NOTIFY. From 10. Default 1,000. */
  readonly pollIntervalMs?: number | undefined;
  /**
   * Milliseconds that the worker's claims stand without a heartbeat, of which it sends three in
   * that time. From 100. Default 60,000.
   */
  readonly leaseDurationMs?: number | undefined;
  /** Milliseconds that running attempts get to finish at shutdown. From 0. Default 30,000. */
  readonly drainTimeoutMs?: number | undefined;
  /**
   * Milliseconds that an attempt which was told to end (`signal`) is waited for, before it is given
   * up. From 0 to 10,000. Default 400.
   */
  readonly abortGraceMs?: number | undefined;
  /**
   * How many attempts that were given up may still run before the worker claims no more
   * (`claims-paused`). It claims again when some have ended. Integer from 1 to 100,000. Default 100.
   */
  readonly maxLeaked?: number | undefined;
  /** Milliseconds that an attempt may take, for jobs that do not say. From 1. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Retry policy for jobs that have none: data, or a pure function. Default `DEFAULT_BACKOFF`. */
  readonly backoff?: Partial<BackoffPolicy> | RetryFunction | undefined;
  /** Who this is, for people: stored with each claim. Default: host name and process id. */
  readonly label?: string | undefined;
  /**
   * Whether to LISTEN. `false` leaves polling. Default `true`; where the client is made with
   * `throughPooler` the default is to poll, and to say so once (`listen-lost`).
   */
  readonly listen?: boolean | undefined;
  /**
   * The least time between two progress values of an attempt that are reported and kept, in
   * milliseconds. From 0. Default 500.
   */
  readonly progressIntervalMs?: number | undefined;
  /**
   * How long failed jobs are kept, in milliseconds. From 0. Older ones are deleted within a minute, but
   * for those that other jobs wait for. It holds for all jobs of the schema. Default: until somebody
   * deletes them.
   */
  readonly keepFailedMs?: number | undefined;
  /**
   * Whether to publish events to `client.events()` of all processes: `auto` while somebody listens,
   * `always`, or `never`. Default `auto`.
   */
  readonly publish?: PublishMode | undefined;
  /** More reasons to look for work: each value wakes all queues. */
  readonly wakeup$?: Observable<unknown> | undefined;
  /** Operators of the app's own between arrival and settle, by where they stand. Default none. */
  readonly stages?: OwnStages<Claimed, Prepared> | undefined;
  /**
   * How many attempts of a queue may run at once from now on: an integer from 0, of which its
   * concurrency is the most, or a gate: `false` is 0, `true` is all. What runs is never interrupted
   * by it; what has not begun is given back. Default: always all.
   */
  readonly capacity$?: Observable<number | boolean> | undefined;
}

/**
 * Where the app puts operators of its own into the worker's stream. What they may not do is lose a
 * job: one that they drop is released and reported, and an operator that fails is reported.
 *
 * `Claimed` are jobs as they were claimed, their payload as it was enqueued; `Prepared` as handlers get
 * them, their payload as the schema of the kind made it.
 */
export interface OwnStages<
  Claimed extends ClaimedJob = ClaimedJob,
  Prepared extends ClaimedJob = ClaimedJob,
> {
  /**
   * On the wake-ups of a queue, before the claim: `throttleTime`, `debounceTime`, `auditTime`. One that
   * errors or completes is taken out, and an error reported as `wakeup-failed`.
   */
  readonly wakeup?: MonoTypeOperatorFunction<WakeUp> | undefined;
  /**
   * From claimed jobs to attempts: an operator that subscribes `run(job)` for each job, at once or
   * later, as many at a time as it likes. Default: `mergeMap(run, concurrency)`, in the order of the
   * claim. Jobs that wait in it hold slots. One that it does not run within the lease, or whose attempt
   * it unsubscribes, is released as `dropped`. One that errors is reported as `dispatch-failed` and
   * subscribed again.
   */
  readonly dispatch?: Dispatch<Claimed> | undefined;
  /**
   * Round what a handler returns, before that becomes an outcome: `retry`, `timeout`, `tap`. Each
   * subscription calls the handler.
   */
  readonly attempt?: AroundAttempt<Prepared> | undefined;
}

/** Settings that have a constant default. */
export interface Defaults {
  /** Attempts of a queue that run at once. */
  readonly concurrency: number;
  /** Milliseconds between polls. */
  readonly pollIntervalMs: number;
  /** Milliseconds that claims stand without a heartbeat. */
  readonly leaseDurationMs: number;
  /** Milliseconds that running attempts get to finish at shutdown. */
  readonly drainTimeoutMs: number;
  /** Milliseconds that an attempt which was told to end is waited for. */
  readonly abortGraceMs: number;
  /** Given up attempts that still run, at which a worker claims no more. */
  readonly maxLeaked: number;
  /** Milliseconds between two kept progress values of an attempt. */
  readonly progressIntervalMs: number;
  /** Whether a worker listens for notifications. */
  readonly listen: boolean;
  /** When a worker publishes its events to other processes. */
  readonly publish: PublishMode;
  /** Attempts that a job has at most. */
  readonly maxAttempts: number;
  /** The queue of jobs that name none. */
  readonly queue: string;
  /** The priority of jobs that name none. */
  readonly priority: number;
  /** The Postgres schema that holds the tables. */
  readonly schema: string;
}

/** The default of every setting that has a constant one. */
export const DEFAULTS: Defaults = Object.freeze({
  concurrency: 10,
  pollIntervalMs: 1_000,
  leaseDurationMs: 60_000,
  drainTimeoutMs: 30_000,
  abortGraceMs: 400,
  maxLeaked: 100,
  progressIntervalMs: 500,
  listen: true,
  publish: "auto",
  maxAttempts: 3,
  queue: "default",
  priority: 0,
  schema: "millrace",
});
