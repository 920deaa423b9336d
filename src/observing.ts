import { Subject, defer, map, merge, takeUntil } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { backoffDelay } from "./core/backoff.ts";
import { checkOptions, milliseconds, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import type { WorkerEvent } from "./core/events.ts";
import type { FailedJob, JobSnapshot } from "./core/job.ts";
import type { JobSchemas, KindOf } from "./core/schema.ts";
import type { QueueDepth, WorkerSnapshot } from "./core/store-calls.ts";
import type { Store } from "./core/store.ts";
import { checkId } from "./job-options.ts";
import type { ClusterEvent, EventFilter } from "./events/cluster-event.ts";
import { checkLimit } from "./operating.ts";
import { guard } from "./rx/guard.ts";
import { JOB_EVENTS } from "./watch/job-update.ts";
import type { JobEvent, JobUpdate } from "./watch/job-update.ts";
import { liveQuery } from "./watch/live-query.ts";
import { resultOf } from "./watch/result-of.ts";
import type { ResultOptions } from "./watch/result-of.ts";
import { watchJobs } from "./watch/watch-jobs.ts";
import { STORE_BACKOFF } from "./worker-stages.ts";

/** Passes a stream on to those who subscribe before the client is closed; later ones get the error of `open`. */
export function whenOpen<T>(open: () => void, value$: Observable<T>): Observable<T> {
  return defer(() => {
    open();
    return value$;
  });
}

/** The streams of a client that tell where jobs and workers stand. */
export interface Observations<Jobs extends JobSchemas> {
  /**
   * One job: where it stands now, then each change, with the events that led to it; completes after
   * its end. Right however it races with the job, for every state is looked up. Cold: all watches of
   * a client at a time share one connection that listens, and one query a look.
   *
   * @throws OptionError at the call.
   */
  readonly watch: (id: string) => Observable<JobUpdate<KindOf<Jobs>>>;

  /**
   * Waits for the end of a job and resolves to its result, which the job must keep (`keepResultMs`).
   * `T` says what it is, where it is written out: else it is `unknown`. Nothing checks it at run time, for
   * the result is whatever the handler returned and Postgres kept as JSON.
   *
   * @throws ResultError with the reason `failed`, `cancelled`, `timeout` or `gone`; OptionError.
   */
  readonly result: <T = unknown>(id: string, options?: ResultOptions) => Promise<NoInfer<T>>;

  /**
   * How many jobs are in each queue and state: now, and at each change.
   *
   * As all live queries: cold and shared, so that a hundred subscribers cost one query; asked again
   * when an event says that something changed, at most 5 times a second, and once a second in any
   * case. While the database cannot be reached the last value stands.
   */
  readonly depth: () => Observable<readonly QueueDepth[]>;

  /** The newest failed jobs, newest first: now, and at each change. `limit` from 1 to 10,000, default 100. */
  readonly failed: (limit?: number) => Observable<readonly FailedJob[]>;

  /**
   * The jobs that are claimed, the longest-held first: now, and at each change. `limit` from 1 to
   * 10,000, default 100.
   */
  readonly active: (limit?: number) => Observable<readonly JobSnapshot[]>;

  /** The workers whose lease stands, the oldest first: now, and at each change. */
  readonly workers: () => Observable<readonly WorkerSnapshot[]>;
}

/** What observing runs on. */
export interface ObserveSetup {
  readonly store: Store;
  /** The events of all workers of the schema. */
  readonly events: (filter: EventFilter) => Observable<ClusterEvent>;
  /** Emits when this process changed jobs. */
  readonly changed$: Observable<unknown>;
  /** Errors of the store after which asking makes no sense. */
  readonly isFatal: (error: unknown) => boolean;
  /** Told what a subscriber throws. */
  readonly report: (thrown: unknown) => void;
  /** Told of the first error of each time that the database cannot be reached. */
  readonly failed: (error: unknown) => void;
  /** Throws when the client is closed. */
  readonly open: () => void;
}

/** The streams, and how to end them. */
export interface Observing<Jobs extends JobSchemas> {
  readonly calls: Observations<Jobs>;
  /** Completes all streams; results that are waited for reject with `ClosedError`. */
  readonly close: () => void;
}

/** Milliseconds between looks, for events can be lost and enqueues are none. */
const POLL_INTERVAL_MS = 1_000;

/** The least time between two queries of a live query that changes lead to, in milliseconds. */
const THROTTLE_MS = 200;

type Types = readonly WorkerEvent["type"][];

const MOVES: Types = [...JOB_EVENTS, "claimed", "lease-recovered"];

const FAILURES: Types = ["failed", "cancelled", "lease-recovered"];

const LIVES: Types = ["started", "exited", "worker-failed", "lease-expired", "lease-recovered"];

const RESULT_RULES: Readonly<Record<keyof ResultOptions, Rule>> = {
  timeoutMs: milliseconds(1),
  signal: rule("an AbortSignal", (value) => value instanceof AbortSignal),
};

/** Makes the streams that tell where jobs and workers stand. */
export function observing<Jobs extends JobSchemas>(setup: ObserveSetup): Observing<Jobs> {
  const { store, changed$, isFatal, report, failed, open } = setup;
  const closed$ = new Subject<void>();
  const delayMs = (n: number): number => backoffDelay(STORE_BACKOFF, n, Math.random());
  const again = { pollIntervalMs: POLL_INTERVAL_MS, delayMs, isFatal, failed };
  const handedOut = <T>(value$: Observable<T>): Observable<T> =>
    guard(whenOpen(open, value$.pipe(takeUntil(closed$))), report);

  const watch = watchJobs({
    ...again,
    find: (ids) => store.find(ids),
    event$: merge(setup.events({ types: JOB_EVENTS }), changed$).pipe(
      map((event) => (isJobEvent(event) ? event : "look")),
    ),
  });
  const live = <T>(types: Types, query: () => ObservableInput<T>): (() => Observable<T>) => {
    const changes$ = merge(setup.events({ types }), changed$);
    const value$ = liveQuery({ ...again, query, throttleMs: THROTTLE_MS, changed$: changes$ });
    return () => handedOut(value$);
  };
  const limited = <T>(
    types: Types,
    query: (limit: number) => ObservableInput<T>,
  ): ((limit?: number) => Observable<T>) => {
    const streams = new Map<number, () => Observable<T>>();
    return (limit = 100) => {
      checkLimit(limit);
      const stream = streams.get(limit) ?? live(types, () => query(limit));
      streams.set(limit, stream);
      return stream();
    };
  };
  const calls = {
    watch: (id: string) => {
      checkId(id);
      return handedOut(watch(id));
    },
    result: async (id: string, options: ResultOptions = {}) => {
      open();
      checkId(id);
      checkOptions("result options", options, RESULT_RULES);
      return resultOf(id, watch(id).pipe(takeUntil(closed$)), options);
    },
    depth: live(MOVES, () => store.depth()),
    failed: limited(FAILURES, (limit) => store.listFailed(limit)),
    active: limited(MOVES, (limit) => store.listActive(limit)),
    workers: live(LIVES, () => store.listWorkers()),
  };
  return { calls: calls as Observations<Jobs>, close: () => closed$.next() };
}

/** Gaps and their like say nothing of a job, but that something was missed. */
function isJobEvent(event: unknown): event is JobEvent {
  return typeof event === "object" && event !== null && "job" in event;
}
