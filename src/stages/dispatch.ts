import {
  Subject,
  concat,
  defer,
  endWith,
  filter,
  finalize,
  from,
  ignoreElements,
  interval,
  merge,
  mergeMap,
  take,
  takeUntil,
  tap,
} from "rxjs";
import type { Observable, OperatorFunction } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import { OptionError } from "../core/errors.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Ended } from "../core/outcome.ts";
import { isolate } from "../rx/isolate.ts";
import { mergeInSlots } from "../rx/merge-in-slots.ts";
import { MAX_TIMER_MS } from "../rx/long-timer.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";
import type { Step } from "./attempt.ts";

/** Runs one attempt when it is subscribed, and emits how that ended. Never errors. */
export type RunAttempt = (job: ClaimedJob) => Observable<Ended>;

/** One queue of a worker, for operators that the app puts in. */
export interface Lane {
  /** The queue that it drains. */
  readonly queue: string;
  /** How many attempts may run at once. */
  readonly concurrency: number;
}

/** The app's own way from claimed jobs to attempts: an operator that calls `run` for each of them. */
export type Dispatch<OneJob extends ClaimedJob = ClaimedJob> = (
  run: RunAttempt,
  lane: Lane,
) => OperatorFunction<OneJob, unknown>;

/** What a lane offers to whoever dispatches its jobs. */
export interface Dispatched {
  /** Begins an attempt, to be subscribed at once; empty for a job that was given back meanwhile. */
  readonly start: (job: ClaimedJob) => Observable<Step>;
  /** Gives back a job that nobody runs. */
  readonly letGo: (job: ClaimedJob) => Observable<WorkerEvent>;
  /** Emits once, and again to late subscribers: no more attempts begin. */
  readonly stop$: Observable<unknown>;
}

/** How jobs of a lane get from their claim to their attempts. */
export type DispatchStage = (lane: Lane) => (offered: Dispatched) => OperatorFunction<ClaimedJob, Step>;

/** What the app's own dispatch needs. */
export interface DispatchSetup {
  /** The app's operator. */
  readonly dispatch: Dispatch;
  /** Milliseconds that a job may wait in it before it counts as dropped. */
  readonly holdMs: number;
  /** Milliseconds before it is subscribed again for the `n`th time, from 1. */
  readonly delayMs: (n: number) => number;
}

/** The usual dispatch: at once where a slot is free, in the order of the claim. */
export const inSlots: DispatchStage =
  ({ concurrency }) =>
  ({ start }) =>
    mergeInSlots(start, concurrency);

/**
 * Dispatches through an operator of the app's, which may hold jobs, reorder them and choose how many
 * run at once, but cannot lose one.
 *
 * ```text
 * job$       -a-b-c---------
 * operator    run(a), run(c)       b is passed over
 * step$      -A---C---------
 * released   -----------b---       after holdMs, as `dropped`
 * ```
 *
 * Steps do not pass through the operator, so it cannot drop an outcome. A job that it does not run
 * in time, or whose attempt it unsubscribes, is released with the reason `dropped`. An operator that
 * errors, or completes before its source, is reported as `dispatch-failed` and subscribed again, with
 * what it had not begun.
 */
export function dispatchThrough(setup: DispatchSetup): DispatchStage {
  return (lane) => (offered) => (job$) =>
    defer(() => {
      const now = monotonicClock();
      const attempts = trackedAttempts(offered);
      const { waiting, step$, left$ } = attempts;
      const in$ = new Subject<ClaimedJob>();
      let sourceDone = false;

      const fed$ = job$.pipe(
        tap({
          next: (job) => {
            waiting.set(job, now());
            in$.next(job);
          },
          complete: () => {
            sourceDone = true;
            in$.complete();
            left$.next();
          },
        }),
        ignoreElements(),
      );
      const dispatched$ = isolate(
        defer(() => concat(from([...waiting.keys()]), in$).pipe(setup.dispatch(attempts.run, lane))),
      ).pipe(
        ignoreElements(),
        endWith(undefined),
        tap(() => {
          if (!sourceDone) throw new OptionError("The operator of `dispatch` completed before its source");
        }),
        ignoreElements(),
        retryBackoff({
          delayMs: setup.delayMs,
          giveUp$: offered.stop$,
          report: (error, retryInMs): WorkerEvent => ({
            type: "dispatch-failed",
            queue: lane.queue,
            error: toErrorRecord(error),
            retryInMs,
          }),
        }),
      );
      const late$ = interval(Math.min(setup.holdMs / 4, MAX_TIMER_MS)).pipe(
        tap(() => attempts.dropBefore(now() - setup.holdMs)),
        ignoreElements(),
      );
      // What waits then was given back.
      const stopped$ = offered.stop$.pipe(
        take(1),
        tap(() => {
          waiting.clear();
          left$.next();
        }),
        ignoreElements(),
      );
      // Releases first: when all is unsubscribed, what runs is dropped, and that is not released.
      return merge(attempts.released$, step$, late$, stopped$, dispatched$, fed$).pipe(
        // An operator that goes on after its source holds up no shutdown.
        takeUntil(left$.pipe(filter(() => sourceDone && waiting.size === 0 && attempts.busy() === 0))),
      );
    });
}

/** The attempts of a lane that are run by an operator of the app's. */
interface TrackedAttempts {
  readonly run: RunAttempt;
  /** What entered the operator and has not begun, and since when. */
  readonly waiting: Map<ClaimedJob, number>;
  readonly step$: Observable<Step>;
  /** Releases what is dropped, and tells so. */
  readonly released$: Observable<WorkerEvent>;
  /** Emits when there is less to wait for. */
  readonly left$: Subject<void>;
  /** Drops what has waited since then or longer. */
  readonly dropBefore: (moment: number) => void;
  /** Attempts that run and releases under way. */
  readonly busy: () => number;
}

function trackedAttempts({ start, letGo }: Dispatched): TrackedAttempts {
  const step$ = new Subject<Step>();
  const dropped$ = new Subject<ClaimedJob>();
  const left$ = new Subject<void>();
  const waiting = new Map<ClaimedJob, number>();
  const busy = new Set<ClaimedJob>();
  const drop = (job: ClaimedJob): void => {
    busy.add(job);
    dropped$.next(job);
  };
  const forget = (job: ClaimedJob): void => {
    busy.delete(job);
    left$.next();
  };
  const run: RunAttempt = (job) =>
    defer(() => {
      let state: "new" | "begun" | "ended" = "new";
      waiting.delete(job);
      return start(job).pipe(
        tap((step) => {
          busy.add(job);
          state = step.type === "ended" ? "ended" : "begun";
          step$.next(step);
        }),
        filter((step): step is Ended => step.type === "ended"),
        finalize(() => (state === "begun" ? drop(job) : forget(job))),
      );
    });
  const dropBefore = (moment: number): void => {
    for (const [job, since] of waiting) {
      if (since > moment) continue;
      waiting.delete(job);
      drop(job);
    }
  };
  const released$ = dropped$.pipe(mergeMap((job) => letGo(job).pipe(finalize(() => forget(job)))));
  return { run, waiting, step$, released$, left$, dropBefore, busy: () => busy.size };
}
