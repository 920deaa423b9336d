import { EMPTY, Subject, catchError, concat, connect, defer, identity, map, merge, mergeMap, of } from "rxjs";
import type { MonoTypeOperatorFunction, Observable, ReplaySubject } from "rxjs";
import { wakeUp } from "./core/arrival.ts";
import type { Arrival, CancelOrders, DueHint, WakeUp } from "./core/arrival.ts";
import { backoffDelay } from "./core/backoff.ts";
import type { BackoffPolicy } from "./core/backoff.ts";
import { toErrorRecord } from "./core/error-record.ts";
import type { InterruptReason } from "./core/errors.ts";
import type { WorkerEvent } from "./core/events.ts";
import type { Interrupt } from "./core/interrupt.ts";
import type { ClaimedJob } from "./core/job.ts";
import type { CancelOrder } from "./core/store-calls.ts";
import type { Store } from "./core/store.ts";
import { PREFETCH_LIMIT } from "./settings.ts";
import type { ResolvedSettings } from "./settings.ts";
import type { Stages } from "./pipeline.ts";
import { held } from "./rx/held.ts";
import { isolate } from "./rx/isolate.ts";
import { attemptStage } from "./stages/attempt.ts";
import type { AttemptSetup } from "./stages/attempt.ts";
import { capacityStage } from "./stages/capacity.ts";
import { claimStage } from "./stages/claim.ts";
import { dispatchThrough, inSlots } from "./stages/dispatch.ts";
import type { Leaks } from "./stages/leaks.ts";
import { pollStage } from "./stages/poll.ts";
import { progressStage } from "./stages/progress.ts";
import { recoverStage } from "./stages/recover.ts";
import { releaseStage } from "./stages/release.ts";
import { settleStage } from "./stages/settle.ts";
import { tidyStage } from "./stages/tidy.ts";

/** What a worker runs on: any store, any source of notifications. */
export interface WorkerSetup {
  /** Where jobs are kept. */
  readonly store: Store;
  /** The worker's settings, with nothing left open. */
  readonly settings: ResolvedSettings;
  /** The kinds that it has handlers for. */
  readonly kinds: readonly string[];
  /** Attempts of jobs that do not say. */
  readonly maxAttempts: number;
  /** Wake-ups by notification, hints of due jobs, and reports of their source. Must not error. */
  readonly notify$: Observable<Arrival | DueHint | CancelOrders>;
  /** How handlers are called. */
  readonly handlers: Pick<AttemptSetup, "handlerOf" | "prepare" | "logOf">;
  /** Completes a job in a transaction of the handler's; `false` when its claim is gone. */
  readonly completeIn: (tx: unknown, workerId: string, job: ClaimedJob) => Promise<boolean>;
  /** Emits once, and again to late subscribers. */
  readonly shutdown$: Observable<unknown>;
  /** Emits once, and again to late subscribers. */
  readonly abort$: Observable<unknown>;
  /** Errors of the store after which going on makes no sense, such as a schema that does not fit. */
  readonly isFatal: (error: unknown) => boolean;
  /** From 0 up to 1. */
  readonly random: () => number;
  /**
   * How many attempts of a queue may run at once, one for all incarnations, each of which is told its
   * last value. Default: `settings.capacity$`, subscribed anew by each.
   */
  readonly capacity$?: Observable<number> | undefined;
  /** Counts attempts that were given up and still run, over all incarnations. Default: nobody does. */
  readonly leaks?: Leaks | undefined;
}

/** How tries against a store that cannot be reached are spaced: 50 ms, doubling to 1.5 s. */
export const STORE_BACKOFF: BackoffPolicy = { initialMs: 50, factor: 2, maxMs: 1_500, jitter: 0.5 };

/** Every stage of the pipeline, over the store. */
export function stagesOf(
  setup: WorkerSetup,
  workerId: string,
  interrupt$: ReplaySubject<InterruptReason>,
): Stages {
  const { store, settings, kinds, random } = setup;
  const { stages, keepFailedMs } = settings;
  const queues = settings.lanes.map((lane) => lane.queue);
  const delayMs = delays(setup);
  const dueHint$ = new Subject<number>();
  const cancel$ = new Subject<Interrupt>();
  const reports = held<WorkerEvent>();
  const cancel = (orders: readonly CancelOrder[]): void => {
    for (const { id, token, reason } of orders) {
      cancel$.next({ reason: "cancelled", claim: { id, token }, message: reason });
    }
  };
  return {
    poll$: pollStage({
      promote: () => store.promote(workerId, queues, kinds),
      pollIntervalMs: settings.pollIntervalMs,
      dueInMs$: dueHint$,
      delayMs,
      cancel,
    }),
    notify$: setup.notify$.pipe(
      mergeMap((arrival): Arrival[] => {
        if (arrival.type === "due-hint") dueHint$.next(arrival.dueInMs);
        else if (arrival.type === "cancel-orders")
          cancel(arrival.orders.filter((order) => order.workerId === workerId));
        else return [arrival];
        return [];
      }),
    ),
    recovered$: merge(
      recoverStage({
        recover: (limit) => store.recover(limit),
        leaseDurationMs: settings.leaseDurationMs,
        delayMs,
        random,
      }),
      tidyStage({
        expireFailed: (limit) =>
          keepFailedMs === undefined ? of(0) : store.expireFailed(keepFailedMs, limit),
        expireResults: (limit) => store.expireResults(limit),
        tidy: () => store.tidy(),
        random,
      }),
    ),
    user$: merge(userWakeups(settings.wakeup$), reports.value$),
    cancel$,
    capacity$: (setup.capacity$ ?? capacityStage(settings.capacity$, reports.tell)).pipe(
      setup.leaks?.gated ?? identity,
    ),
    progress: (more) =>
      progressStage({ ...more, progress: (values) => store.progress(workerId, values), delayMs }),
    wakeup: ownWakeup(stages.wakeup, reports.tell),
    lanes: settings.lanes,
    prefetchLimit: PREFETCH_LIMIT,
    claim: claimStage({
      claim: (request) => store.claim(request),
      workerId,
      kinds,
      delayMs,
      stop$: merge(setup.shutdown$, interrupt$),
    }),
    dispatch:
      stages.dispatch === undefined
        ? inSlots
        : dispatchThrough({ dispatch: stages.dispatch, holdMs: settings.leaseDurationMs, delayMs }),
    attempt: attemptStage({
      ...setup.handlers,
      around: stages.attempt,
      retry: settings.backoff,
      timeoutMs: settings.timeoutMs,
      progressIntervalMs: settings.progressIntervalMs,
      graceMs: settings.abortGraceMs,
      completeIn: (tx, job) => setup.completeIn(tx, workerId, job),
      random,
      leaks: setup.leaks,
    }),
    settle: (giveUp$) =>
      settleStage({
        settle: (settlements) => store.settle(workerId, settlements),
        delayMs,
        giveUp$,
        dueIn: (ms) => dueHint$.next(ms),
      }),
    release: (giveUp$) =>
      releaseStage({ settle: (settlements) => store.settle(workerId, settlements), delayMs, giveUp$ }),
    shutdown$: setup.shutdown$,
    interrupt$,
    drainTimeoutMs: settings.drainTimeoutMs,
    graceMs: settings.abortGraceMs,
  };
}

/** Milliseconds before retry `n` of a call of the store, from 1. */
export function delays({ random }: WorkerSetup): (n: number) => number {
  return (n) => backoffDelay(STORE_BACKOFF, n, random());
}

/** The app's own operator on wake-ups; when it ends, wake-ups go on without it. */
function ownWakeup(
  operator: MonoTypeOperatorFunction<WakeUp> | undefined,
  report: (event: WorkerEvent) => void,
): MonoTypeOperatorFunction<WakeUp> {
  if (operator === undefined) return identity;
  return connect((wakeup$) =>
    concat(
      isolate(defer(() => wakeup$.pipe(operator))).pipe(
        catchError((error: unknown) => {
          report({ type: "wakeup-failed", error: toErrorRecord(error) });
          return EMPTY;
        }),
      ),
      wakeup$,
    ),
  );
}

/** The app's own wake-ups; when they error, that is reported and the others go on. */
function userWakeups(wakeup$: Observable<unknown> | undefined): Observable<Arrival> {
  return isolate(wakeup$ ?? EMPTY).pipe(
    map(() => wakeUp()),
    catchError((error: unknown) => of<WorkerEvent>({ type: "wakeup-failed", error: toErrorRecord(error) })),
  );
}
