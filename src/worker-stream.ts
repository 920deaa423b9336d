import {
  EMPTY,
  ReplaySubject,
  Subject,
  catchError,
  concat,
  defer,
  filter,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  repeat,
  take,
  takeUntil,
  tap,
  throwError,
  timeout,
  timer,
} from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import { toErrorRecord } from "./core/error-record.ts";
import type { InterruptReason } from "./core/errors.ts";
import { isSettledLeak } from "./core/events.ts";
import type { WorkerEvent } from "./core/events.ts";
import { pipeline } from "./pipeline.ts";
import type { Stages } from "./pipeline.ts";
import { retryBackoff } from "./rx/retry-backoff.ts";
import { withCompanion } from "./rx/with-companion.ts";
import { keepFinalizersYoung } from "./rx/young-finalizers.ts";
import { capacityStage } from "./stages/capacity.ts";
import { leaseClock } from "./stages/lease-clock.ts";
import { leaksOf } from "./stages/leaks.ts";
import { leaseStage } from "./stages/lease.ts";
import { delays, stagesOf } from "./worker-stages.ts";
import type { WorkerSetup } from "./worker-stages.ts";

/** How long a worker that ends waits for its entry to be removed; otherwise its lease runs out. */
const UNREGISTER_MS = 500;

/**
 * A worker over any store: a row of incarnations, each of which registers, runs the pipeline under
 * its lease, and ends; a new one follows when the lease was lost.
 *
 * ```text
 * incarnation 1   R====x            R: registered, x: lease lost, attempts interrupted
 * incarnation 2        R=====!==|   !: shutdown$, then drained
 * event$          s-···l-s-···d-e|  s: started, l: lease-expired, d: drained, e: exited
 * ```
 *
 * Cold: subscribing starts it. Errors only with what `isFatal` says, which is told as an event first.
 */
export function workerStream(setup: WorkerSetup): Observable<WorkerEvent> {
  return defer(() => {
    keepFinalizersYoung();
    const stop$ = merge(setup.shutdown$, setup.abort$);
    let exit: "drained" | "timeout" | "aborted" = "drained";
    const aborted$ = setup.abort$.pipe(
      take(1),
      map((): WorkerEvent => ({ type: "aborted" })),
    );
    const leaks = leaksOf(setup.settings.maxLeaked);
    const report$ = new Subject<WorkerEvent>();
    const ended$ = new ReplaySubject<void>(1);
    // What it said stands for the next incarnation: a breaker that is open stays open.
    const capacity$ = capacityStage(setup.settings.capacity$, (event) => report$.next(event), ended$);
    const event$ = defer(() => incarnation({ ...setup, leaks, capacity$ })).pipe(
      repeat({ delay: () => timer(0).pipe(takeUntil(stop$)) }),
      withCompanion(merge(aborted$, leaks.event$, report$)),
      finalize(() => ended$.next()),
      tap((event) => {
        if (event.type === "aborted") exit = "aborted";
        if (event.type === "drain-timed-out" && exit === "drained") exit = "timeout";
      }),
    );
    return concat(
      event$,
      defer(() => of<WorkerEvent>({ type: "exited", outcome: exit })),
    ).pipe(tellFailure());
  });
}

/** Tells what ends a worker as its last event, so that its log and other processes have it, too. */
export function tellFailure(): MonoTypeOperatorFunction<WorkerEvent> {
  return catchError((error: unknown) =>
    concat(
      of<WorkerEvent>({ type: "worker-failed", error: toErrorRecord(error) }),
      throwError(() => error),
    ),
  );
}

function incarnation(setup: WorkerSetup): Observable<WorkerEvent> {
  const { store, settings, shutdown$, abort$ } = setup;
  const stop$ = merge(shutdown$, abort$);
  const interrupt$ = new ReplaySubject<InterruptReason>(1);
  const done$ = new Subject<void>();
  let workerId: string | undefined;
  const { label, leaseDurationMs } = settings;
  const queues = settings.lanes.map((lane) => lane.queue);
  const clock = leaseClock(leaseDurationMs);
  const begin = (id: string): Observable<WorkerEvent> =>
    run(setup, { ...stagesOf(setup, id, interrupt$), leaseStands: clock.stands }, id);

  return leaseStage({
    register: () => clock.renewing(() => store.register({ label, queues, leaseDurationMs })),
    heartbeat: (id) => clock.renewing(() => store.heartbeat(id, leaseDurationMs)),
    leaseDurationMs,
  }).pipe(
    retryBackoff({
      delayMs: delays(setup),
      fatal: setup.isFatal,
      giveUp$: stop$,
      report: (error, retryInMs): WorkerEvent => ({
        type: "start-failed",
        error: toErrorRecord(error),
        retryInMs,
      }),
    }),
    takeUntil(merge(done$, stop$.pipe(filter(() => workerId === undefined)))),
    mergeMap((change): Observable<WorkerEvent> => {
      switch (change.type) {
        case "held":
          workerId = change.workerId;
          return concat(
            of(started(setup, change.workerId)),
            begin(change.workerId),
            defer(() => {
              done$.next();
              return EMPTY;
            }),
          );
        case "expired":
          return concat(
            workerId === undefined ? EMPTY : of<WorkerEvent>({ type: "lease-expired", workerId }),
            defer(() => {
              interrupt$.next("lease-lost");
              return EMPTY;
            }),
          );
        default:
          return of(change);
      }
    }),
    withCompanion(
      abort$.pipe(
        tap(() => interrupt$.next("aborted")),
        ignoreElements(),
      ),
    ),
  );
}

/** The pipeline of one incarnation, and its leaving when it holds nothing any more. */
function run({ store }: WorkerSetup, stages: Stages, workerId: string): Observable<WorkerEvent> {
  let holds = false;
  const leave$ = defer(() => (holds ? EMPTY : from(store.unregister(workerId)))).pipe(
    timeout({ first: UNREGISTER_MS }),
    ignoreElements(),
    catchError(() => EMPTY),
  );
  return concat(
    pipeline(stages).pipe(
      tap((event) => {
        if (event.type === "leaked" && !isSettledLeak(event)) holds = true;
      }),
    ),
    leave$,
  );
}

function started({ settings, kinds, maxAttempts }: WorkerSetup, workerId: string): WorkerEvent {
  return {
    type: "started",
    workerId,
    label: settings.label,
    queues: settings.lanes.map((lane) => lane.queue),
    kinds,
    concurrency: settings.lanes.reduce((sum, lane) => sum + lane.concurrency, 0),
    pollIntervalMs: settings.pollIntervalMs,
    leaseDurationMs: settings.leaseDurationMs,
    maxAttempts,
  };
}
