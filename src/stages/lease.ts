import {
  EMPTY,
  Subject,
  catchError,
  defer,
  exhaustMap,
  filter,
  from,
  interval,
  map,
  merge,
  mergeMap,
  of,
  share,
  takeUntil,
  takeWhile,
  tap,
  timer,
} from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import { MAX_TIMER_MS } from "../rx/long-timer.ts";

/** What holding a lease needs. */
export interface LeaseSetup {
  /** Enters the worker and answers with its id. */
  readonly register: () => ObservableInput<string>;
  /** Renews the lease. `false`: it ran out, and is not revived. */
  readonly heartbeat: (workerId: string) => ObservableInput<boolean>;
  /** Milliseconds that the lease stands without a heartbeat. */
  readonly leaseDurationMs: number;
}

/** What becomes of a lease. */
export type LeaseChange =
  | { readonly type: "held"; readonly workerId: string }
  /** It ran out, by the database's word or by the worker's own clock. */
  | { readonly type: "expired" };

/**
 * Registers a worker, renews its lease every third of the duration, and tells when it is lost.
 *
 * ```text
 * lease 9     R--1--#--3--#--#--#     R: register, numbers: beats that were answered
 * deadline 0  0--------)              Each deadline begins when its beat is *sent*, so that the
 * deadline 3           0--------)     worker never believes longer than the database does.
 * result      h-----f-----f--f--fx    h: held, f: heartbeat-failed, x: expired
 * ```
 *
 * Deadlines are timers, which count elapsed time: setting the clock has no effect on them. A beat
 * that hangs hides nothing, for the deadline of the beat before it goes on.
 * Completes after `expired`. Errors only when registering fails.
 */
export function leaseStage(setup: LeaseSetup): Observable<WorkerEvent | LeaseChange> {
  return defer(() => {
    // Believing shorter than the store is safe, and timers go no further.
    const leaseDurationMs = Math.min(setup.leaseDurationMs, MAX_TIMER_MS);
    const renewed$ = new Subject<number>();

    const deadline = (beat: number): Observable<LeaseChange> =>
      timer(leaseDurationMs).pipe(
        map((): LeaseChange => ({ type: "expired" })),
        takeUntil(renewed$.pipe(filter((renewed) => renewed > beat))),
      );

    const send = (workerId: string, beat: number): Observable<WorkerEvent | LeaseChange> =>
      defer(() => from(setup.heartbeat(workerId))).pipe(
        tap((held) => held && renewed$.next(beat)),
        mergeMap((held) => (held ? EMPTY : of<LeaseChange>({ type: "expired" }))),
        catchError((error: unknown) =>
          of<WorkerEvent>({
            type: "heartbeat-failed",
            error: toErrorRecord(error),
            retryInMs: Math.round(leaseDurationMs / 3),
          }),
        ),
      );

    const keep = (workerId: string): Observable<WorkerEvent | LeaseChange> => {
      const beat$ = interval(leaseDurationMs / 3).pipe(
        map((n) => n + 1),
        share(),
      );
      return merge(
        of<LeaseChange>({ type: "held", workerId }),
        beat$.pipe(mergeMap(deadline)),
        beat$.pipe(exhaustMap((beat) => send(workerId, beat))),
      );
    };

    return merge(deadline(0), defer(() => from(setup.register())).pipe(mergeMap(keep))).pipe(
      takeWhile((change) => change.type !== "expired", true),
    );
  });
}
