import {
  NEVER,
  ReplaySubject,
  Subject,
  asyncScheduler,
  catchError,
  from,
  ignoreElements,
  isObservable,
  merge,
  of,
  share,
  take,
  tap,
} from "rxjs";
import type { Observable } from "rxjs";
import { wakeUp } from "../core/arrival.ts";
import type { Arrival, CancelOrders, DueHint } from "../core/arrival.ts";
import { checkOptions, checkReason, integer, rule } from "../core/check.ts";
import type { Rule } from "../core/check.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { NewJob } from "../core/job.ts";
import { MAX_PAYLOAD_BYTES } from "../core/payload.ts";
import { checkJobs, payload } from "../core/schema.ts";
import type { JobSchemas, KindOf, PayloadInput } from "../core/schema.ts";
import type { Entered } from "../core/store-calls.ts";
import { checkKeepResults } from "../enqueue.ts";
import { checkId } from "../job-options.ts";
import type { JobOptions } from "../job-options.ts";
import { resolveHandlers } from "../handlers.ts";
import type { ClaimedJobOf, Handlers, JobHandler, JobOf } from "../handlers.ts";
import { arrivalsOf, hintsOf } from "../hints.ts";
import { DEFAULTS } from "../options.ts";
import { WORKER_RULES, resolveSettings } from "../settings.ts";
import type { WorkerSettings } from "../options.ts";
import { isolate } from "../rx/isolate.ts";
import { withCompanion } from "../rx/with-companion.ts";
import type { Log } from "../stages/context.ts";
import { workerStream } from "../worker-stream.ts";
import { SILENT_LOG } from "./builders.ts";
import { toMilliseconds } from "./event-marbles.ts";
import type { Moment } from "./event-marbles.ts";
import type { MemoryJob } from "./memory-jobs.ts";
import { memoryStore } from "./memory-store.ts";
import type { MemoryStore } from "./memory-store.ts";
import { now } from "./memory-tables.ts";
import { newJobNow } from "./new-job-now.ts";
import { settledAtOnce } from "./settled-at-once.ts";

/** Options of a virtual worker: those of `client.worker`, and what its client would know. */
export interface VirtualWorkerOptions<Jobs extends JobSchemas> extends WorkerSettings<
  ClaimedJobOf<NoInfer<Jobs>>,
  JobOf<NoInfer<Jobs>>
> {
  /** What does the work, by kind: the same that the real worker gets. */
  readonly handlers: VirtualHandlers<NoInfer<Jobs>>;
  /** Every kind of job and its schema, as for `createClient`. Default: the handlers' kinds, unchecked. */
  readonly jobs?: Jobs | undefined;
  /** Attempts of jobs that do not say. Integer from 1 to 10,000. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** How long results are kept, by kind, for jobs that do not say. From 1. Default: none is kept. */
  readonly keepResultMs?: { readonly [Kind in KindOf<NoInfer<Jobs>>]?: number | undefined } | undefined;
  /** Its first value (or its error) begins the shutdown. */
  readonly stop$?: Observable<unknown> | undefined;
  /** Where its jobs are. Default: a store of its own; give one to two workers to test both. */
  readonly store?: MemoryStore | undefined;
  /** What takes the place of chance in backoffs, from 0 up to 1. Default 0: each delay is at its longest. */
  readonly random?: (() => number) | undefined;
  /** What handlers get as `log`. Default: one that keeps nothing. */
  readonly log?: Log | undefined;
}

/** Handlers by kind; without schemas, of any kind and payload. */
export type VirtualHandlers<Jobs extends JobSchemas> = string extends keyof Jobs
  ? { readonly [kind: string]: JobHandler<JobSchemas, string> }
  : Handlers<Jobs>;

/** A worker over jobs in memory. */
export interface VirtualWorker<Jobs extends JobSchemas> {
  /**
   * What happens in the worker. Subscribing starts it. Later subscribers share it, and are told at
   * once what happened before; when the last one unsubscribes, the worker is aborted.
   *
   * Errors with an `OptionError` where a handler or a schema answers with a promise in virtual time.
   */
  readonly event$: Observable<WorkerEvent<KindOf<Jobs>>>;
  /**
   * Writes a job at this moment, wakes the worker, and answers with the job's id.
   *
   * @throws OptionError, PayloadError as `client.enqueue` rejects with them.
   */
  readonly enqueue: <Kind extends KindOf<Jobs>>(
    kind: Kind,
    payload: PayloadInput<Jobs[Kind]>,
    options?: JobOptions,
  ) => string;
  /** Stops: claims no more, lets run what runs. At once, or so much later. */
  readonly shutdown: (moment?: Moment) => void;
  /** Stops without waiting. At once, or so much later. */
  readonly abort: (moment?: Moment) => void;
  /**
   * Cancels a job, as `client.cancel` does: an attempt that runs is told at that moment. At once, or so
   * much later. Reason `"cancelled"` by default.
   *
   * @throws OptionError for what is no id and no reason.
   */
  readonly cancel: (id: string, reason?: string, moment?: Moment) => void;
  /** Its jobs: `store.jobs()` shows each with its state. */
  readonly store: MemoryStore;
}

const RULES: Readonly<Record<string, Rule>> = {
  ...WORKER_RULES,
  handlers: rule("an object of kinds and their handlers", (value) => typeof value === "object"),
  jobs: rule("an object of kinds and their schemas", (value) => typeof value === "object"),
  maxAttempts: integer(1, 10_000),
  keepResultMs: rule("an object of kinds and milliseconds", (value) => typeof value === "object"),
  stop$: rule("an Observable", isObservable),
  store: rule("a memoryStore()", (value) => typeof value === "object" && value !== null && "jobs" in value),
  random: rule("a function", (value) => typeof value === "function"),
  log: rule("a logger", (value) => typeof value === "object" && value !== null),
};

/**
 * Makes a worker that runs in virtual time over jobs in memory: the pipeline, the handlers, the
 * options and the checks of the real one, without Postgres and without waiting.
 *
 * ```ts
 * marbles(({ expectEvents }) => {
 *   const worker = virtualWorker({ handlers, backoff: { initialMs: 10_000, factor: 1 }, maxAttempts: 4 });
 *   worker.enqueue("mill", { grain: "rye" });
 *   worker.shutdown("25s");
 *   expectEvents(worker.event$).toBe("(ar) 10s (ar) 10s (ar) 5s (D|)");
 * });
 * ```
 *
 * Deterministic: nothing depends on chance, on the machine or on its clock.
 *
 * @throws OptionError at the call, for what `createClient` and `client.worker` would not take.
 */
export function virtualWorker<Jobs extends JobSchemas = JobSchemas>(
  options: VirtualWorkerOptions<Jobs>,
): VirtualWorker<Jobs> {
  checkOptions("virtual worker options", options, RULES);
  const { handlers, jobs: given, maxAttempts = DEFAULTS.maxAttempts, stop$ = NEVER, ...rest } = options;
  const { keepResultMs, store = memoryStore(), random = () => 0, log = SILENT_LOG, ...settings } = rest;
  const jobs: JobSchemas = given ?? uncheckedKinds(handlers);
  checkJobs(jobs);
  checkKeepResults(jobs, keepResultMs);
  const { kinds, ...resolved } = resolveHandlers(jobs, handlers);
  const shutdown$ = new ReplaySubject<unknown>(1);
  const abort$ = new ReplaySubject<unknown>(1);
  const arrival$ = new Subject<Arrival | DueHint | CancelOrders>();
  const broken$ = new ReplaySubject<never>(1);

  const told$ = isolate(stop$).pipe(
    catchError((error: unknown) => of(error)),
    take(1),
    tap((value) => shutdown$.next(value)),
    ignoreElements(),
  );
  const event$ = workerStream({
    store,
    settings: resolveSettings({ ...(settings as WorkerSettings), label: settings.label ?? "virtual" }),
    kinds,
    maxAttempts,
    notify$: arrival$,
    handlers: { ...settledAtOnce(resolved, (error) => broken$.error(error)), logOf: () => log },
    completeIn: (_tx, workerId, job) => Promise.resolve(store.completeInTransaction(workerId, job)),
    shutdown$,
    abort$,
    isFatal: () => false,
    random,
  }).pipe(
    withCompanion(merge(told$, broken$)),
    share({
      connector: () => new ReplaySubject(),
      resetOnComplete: false,
      resetOnError: false,
      resetOnRefCountZero: true,
    }),
  );
  return {
    event$: event$ as Observable<WorkerEvent<KindOf<Jobs>>>,
    enqueue: (kind, value, jobOptions = {}) => {
      const defaults = { jobs, maxAttempts, maxPayloadBytes: MAX_PAYLOAD_BYTES, keepResultMs };
      const job = newJobNow(defaults, kind, value, jobOptions);
      const id = enqueueNow(store, job);
      for (const arrival of arrivalsOf(hintsOf([job], [entered(id, job)]))) arrival$.next(arrival);
      return id;
    },
    shutdown: (moment) => later(moment, () => shutdown$.next(undefined)),
    abort: (moment) => later(moment, () => abort$.next(undefined)),
    cancel: (id, reason = "cancelled", moment) => {
      checkId(id);
      checkReason(reason);
      later(moment, () => cancelNow(store, { id, reason }, (arrival) => arrival$.next(arrival)));
    },
    store,
  };
}

/** Writes a job. The work is done at the call, even where the answer takes its time. */
function enqueueNow(store: MemoryStore, job: NewJob): string {
  let id: string | undefined;
  const answer$ = from(store.enqueue([job]));
  void answer$.forEach(([first]) => (id = first?.id));
  const isIt = ({ key }: MemoryJob): boolean => job.key === undefined || key === job.key;
  return id ?? store.jobs().findLast(isIt)?.id ?? "";
}

/** What the store answers for a job, in time. */
function entered(id: string, { runAt, delayMs }: NewJob): Entered {
  return { id, inserted: true, dueInMs: runAt === undefined ? delayMs : runAt.getTime() - now() };
}

/** Cancels a job. The work is done at the call; the worker is told as Postgres notifies it. */
function cancelNow(
  store: MemoryStore,
  { id, reason }: { readonly id: string; readonly reason: string },
  tell: (arrival: Arrival | CancelOrders) => void,
): void {
  const answer$ = from(store.cancel({ ids: [id] }, reason));
  void answer$.forEach(({ requested, readyQueues }) => {
    tell({ type: "cancel-orders", orders: requested.map((claim) => ({ ...claim, reason })) });
    if (readyQueues.length > 0) tell(wakeUp(readyQueues));
  });
}

/** @throws OptionError for what is no moment. */
function later(moment: Moment | undefined, action: () => void): void {
  if (moment === undefined) action();
  else asyncScheduler.schedule(action, toMilliseconds(moment));
}

function uncheckedKinds(handlers: unknown): JobSchemas {
  const kinds = typeof handlers === "object" && handlers !== null ? Object.keys(handlers) : [];
  return Object.fromEntries(kinds.map((kind) => [kind, payload<unknown>()]));
}
