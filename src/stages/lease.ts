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
  scan,
  share,
  switchMap,
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

/** After which part of the lease a beat is sent again that failed. */
const RETRY_PART = 12;

/**
 * Registers a worker, renews its lease every third of the duration, and tells when it is lost. A beat
 * that failed is sent again after a twelfth: of two answers that get lost in a row, each costs nothing.
 *
 * ```text
 * lease 12    R---1---#3--4---############    R: register, numbers: beats that were answered
 * deadline 1      0-----------)               Each deadline begins when its beat is *sent*, so that the
 * deadline 4              0-----------)       worker never believes longer than the database does.
 * result      h-------f-------fffffffffx      h: held, f: heartbeat-failed, x: expired
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
    const failed$ = new Subject<void>();
    const retryInMs = leaseDurationMs / RETRY_PART;

    const deadline = (beat: number): Observable<LeaseChange> =>
      timer(leaseDurationMs).pipe(
        map((): LeaseChange => ({ type: "expired" })),
        takeUntil(renewed$.pipe(filter((renewed) => renewed > beat))),
      );

    const send = (workerId: string, beat: number): Observable<WorkerEvent | LeaseChange> =>
      defer(() => from(setup.heartbeat(workerId))).pipe(
        tap((held) => held && renewed$.next(beat)),
        mergeMap((held) => (held ? EMPTY : of<LeaseChange>({ type: "expired" }))),
        catchError((error: unknown) => {
          failed$.next();
          return of<WorkerEvent>({
            type: "heartbeat-failed",
            error: toErrorRecord(error),
            retryInMs: Math.round(retryInMs),
          });
        }),
      );

    const keep = (workerId: string): Observable<WorkerEvent | LeaseChange> => {
      const beat$ = merge(
        interval(leaseDurationMs / 3),
        failed$.pipe(switchMap(() => timer(retryInMs))),
      ).pipe(
        scan((beat) => beat + 1, 0),
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
