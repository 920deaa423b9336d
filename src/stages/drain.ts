import { EMPTY, concat, defer, map, merge, of, switchMap, take, takeUntil, timeout } from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import type { InterruptReason } from "../core/errors.ts";
import { jobRef } from "../core/events.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { ClaimedJob } from "../core/job.ts";
import { MAX_TIMER_MS } from "../rx/long-timer.ts";
import { withEnded } from "../rx/with-ended.ts";

/** What draining needs. */
export interface DrainSetup {
  /** Emits when the worker is told to stop. */
  readonly shutdown$: Observable<unknown>;
  /** Milliseconds from the shutdown until what still runs is interrupted. */
  readonly drainTimeoutMs: number;
  /** The attempts that run at the moment. */
  readonly running: ReadonlySet<ClaimedJob>;
  /** Tells the running attempts to end. */
  readonly interrupt: (reason: InterruptReason) => void;
}

/**
 * Watches the end of a worker: a `timeout` on the completion of what runs after the shutdown began.
 *
 * ```text
 * work$       -a--b---c-|              -a--b--------…
 * shutdown$   ----!                    ----!
 * result      -a--(Db)c-(d|)           -a--(Db)---T…
 * ```
 *
 * D draining, d drained, T drain-timed-out, at which the attempts that still run are interrupted.
 * Completes with the work; without a shutdown it says nothing.
 */
export function drain(setup: DrainSetup): MonoTypeOperatorFunction<WorkerEvent> {
  const { shutdown$, drainTimeoutMs, running, interrupt } = setup;
  return withEnded((ended$) => {
    const drained$ = ended$.pipe(
      map((): WorkerEvent => ({ type: "drained" })),
      timeout({
        first: Math.min(drainTimeoutMs, MAX_TIMER_MS),
        with: () =>
          defer(() => {
            const interrupted = [...running].map(jobRef);
            return concat(
              of<WorkerEvent>({ type: "drain-timed-out", interrupted }),
              defer(() => {
                interrupt("shutdown");
                return EMPTY;
              }),
            );
          }),
      }),
    );
    const draining$ = defer(() => of<WorkerEvent>({ type: "draining", running: running.size }));
    return shutdown$.pipe(
      take(1),
      takeUntil(ended$),
      switchMap(() => merge(draining$, drained$)),
    );
  });
}
