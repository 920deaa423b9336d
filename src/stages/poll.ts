import { Subject, defer, from, merge, mergeMap, timer } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { wakeUp } from "../core/arrival.ts";
import type { Arrival } from "../core/arrival.ts";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { CancelOrder, Promoted } from "../core/store-calls.ts";
import { earliestTimer } from "../rx/earliest-timer.ts";
import { gatherMap } from "../rx/gather-map.ts";
import { MAX_TIMER_MS } from "../rx/long-timer.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";

/** What polling needs. */
export interface PollSetup {
  /** Makes due jobs pending and tells where there is work. */
  readonly promote: () => ObservableInput<Promoted>;
  /** Milliseconds between polls. */
  readonly pollIntervalMs: number;
  /** Hints that a job becomes due in so many milliseconds. */
  readonly dueInMs$: Observable<number>;
  /** Milliseconds before retry `n` of a call that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** Told of jobs of this worker that somebody cancelled. */
  readonly cancel: (orders: readonly CancelOrder[]) => void;
}

/**
 * Polls: at each tick, and when a scheduled job is due, makes due jobs pending and wakes the queues
 * that have work. One query serves all queues of a worker.
 *
 * ```text
 * poll$      p-------p-------p---   timer(0, pollIntervalMs)
 * hint$      --4-----------------   a job is due in 4
 * due$       ------d-------------   a timer, not a poll
 * promote    x-----x-x-------x---
 * wake-up    ------w-------------
 * ```
 *
 * A poll that fails is reported and tried again with backoff; ticks gather meanwhile.
 */
export function pollStage(setup: PollSetup): Observable<Arrival> {
  return defer(() => {
    const next$ = new Subject<number>();
    const poll$ = timer(0, Math.min(setup.pollIntervalMs, MAX_TIMER_MS));
    const due$ = merge(setup.dueInMs$, next$).pipe(earliestTimer());
    return merge(due$, poll$).pipe(
      gatherMap(() =>
        defer(() => from(setup.promote())).pipe(
          mergeMap(({ readyQueues, dueInMs, cancelled }): Arrival[] => {
            if (cancelled.length > 0) setup.cancel(cancelled);
            if (dueInMs !== undefined) next$.next(dueInMs);
            return readyQueues.length > 0 ? [wakeUp(readyQueues)] : [];
          }),
          retryBackoff({
            delayMs: setup.delayMs,
            report: (error, retryInMs): WorkerEvent => ({
              type: "poll-failed",
              error: toErrorRecord(error),
              retryInMs,
            }),
          }),
        ),
      ),
    );
  });
}
