import {
  EMPTY,
  Subject,
  concat,
  concatMap,
  connect,
  defer,
  delay,
  filter,
  finalize,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  share,
  skipUntil,
  switchMap,
  take,
  takeUntil,
  tap,
  timer,
} from "rxjs";
import type { Observable, OperatorFunction } from "rxjs";
import type { WakeUp } from "../core/arrival.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { ClaimedJob } from "../core/job.ts";
import { gatherMap } from "../rx/gather-map.ts";
import type { Step } from "./attempt.ts";
import type { ClaimedBatch, Demand } from "./claim.ts";
import { inSlots } from "./dispatch.ts";
import type { DispatchStage } from "./dispatch.ts";
import { whenSure } from "./when-sure.ts";
import { createHoldings } from "./holdings.ts";
import type { Asked } from "./holdings.ts";

/** What one lane needs. */
export interface LaneSetup {
  /** The queue that the lane drains. */
  readonly queue: string;
  /** How many attempts run at once. From 1. */
  readonly concurrency: number;
  /** How many jobs may be claimed ahead at most. From 0. */
  readonly prefetchLimit: number;
  /** Claims, given what is wanted at the moment of each try. Must not error. */
  readonly claim: (queue: string, demand: () => Demand) => Observable<ClaimedBatch | WorkerEvent>;
  /** Runs one attempt. Must not error. */
  readonly attempt: (job: ClaimedJob) => Observable<Step>;
  /** Where the lane notes the attempts that run. */
  readonly running: Set<ClaimedJob>;
  /** How many attempts may run at once from now on, at most `concurrency`. Must not error. */
  readonly capacity$: Observable<number>;
  /** Gets jobs from their claim to their attempts: `inSlots`, or an operator of the app's. */
  readonly dispatch: DispatchStage;
  /** Gives back what was claimed and did not begin, or was dropped. */
  readonly release: (
    jobs: readonly ClaimedJob[],
    reason?: "unstarted" | "dropped",
  ) => Observable<WorkerEvent>;
  /**
   * Whether the lease stands, as far as the clock tells. Where it may be over, the timers are late,
   * for the thread was blocked or the process asleep: what tells of the loss then comes first, and
   * what has not begun is given back. Default: always.
   */
  readonly leaseStands?: () => boolean;
  /** Emits once, and again to late subscribers. */
  readonly stop$: Observable<unknown>;
}

/** How long a lane rests after a claim, when claims keep finding nothing, in milliseconds: 16 claims a second, however many wake-ups there are. */
const REST_MS = 60;

/**
 * How long jobs that were claimed ahead may wait before they are given back for others to run, in
 * milliseconds, from the last claim on.
 */
const HOLD_MS = 1_000;

/**
 * One queue's way from wake-ups to ended attempts.
 *
 * ```text
 * wakeup$    -w--------------------
 * freed$     -----f--f-------------   a slot came free and more work may wait
 *   merge → takeUntil(stop$) → gatherMap(claim)
 * job$       --abc--d--------------
 *   mergeInSlots(attempt, concurrency)
 * result     ----A--B--CD----------
 *
 * stop$      ---------!                no further claim; what runs goes on
 * released   ---------R                what has not begun is given back at once, and so is
 *                                      what a claim in flight still brings
 * ```
 *
 * Wake-ups may come without work, by the thousand: after some claims in a row that brought nothing the
 * lane rests for a moment after each, and gathers. A wake-up after that moment is followed at once.
 *
 * Completes after `stop$` when all that began has ended.
 */
export function lane(setup: LaneSetup): OperatorFunction<WakeUp, Step> {
  const { queue, concurrency, running, stop$, leaseStands = () => true } = setup;
  return (wakeup$) =>
    defer(() => {
      const held = createHoldings(concurrency, setup.prefetchLimit);
      const freed$ = new Subject<void>();
      let stopped = false;

      const claim = (): Observable<ClaimedBatch | WorkerEvent> => {
        if (stopped || !held.wantsMore()) return EMPTY;
        let asked: Asked | undefined;
        const claimed$ = setup
          .claim(queue, () => (asked = held.ask()).demand)
          .pipe(tap((step) => step.type === "batch" && asked?.landed(step.jobs)));
        const ahead$ = defer(() => {
          if (held.isAhead()) freed$.next();
          return EMPTY;
        });
        const rest$ = defer(() => (held.findsNothing() ? timer(REST_MS) : EMPTY));
        return concat(claimed$, ahead$, rest$.pipe(ignoreElements(), takeUntil(stop$)));
      };

      /** There is room again, and more may wait. */
      const freed = (): void => {
        if (held.moreMayWait()) freed$.next();
      };

      const start = whenSure(leaseStands, (job) => {
        const end = held.begin(job);
        if (end === undefined) return EMPTY; // given back meanwhile
        running.add(job);
        return setup.attempt(job).pipe(
          finalize(() => {
            end();
            running.delete(job);
            freed();
          }),
        );
      });

      const giveBack = (): Observable<WorkerEvent> => {
        const jobs = held.letAllGo();
        return jobs.length === 0 ? EMPTY : setup.release(jobs);
      };

      const letGo = (job: ClaimedJob): Observable<WorkerEvent> => {
        held.letGo(job);
        return setup.release([job], "dropped").pipe(finalize(freed));
      };

      // What was claimed ahead was to begin within milliseconds. (An operator of the app's may hold jobs.)
      const stalled = (batch$: Observable<ClaimedBatch>): Observable<unknown> =>
        batch$.pipe(
          filter(({ jobs }) => setup.dispatch === inSlots && held.someWait(jobs)),
          switchMap(() => timer(HOLD_MS)),
          filter(() => held.someWait()),
          tap(() => held.stalled(HOLD_MS)),
          takeUntil(stop$),
        );

      // What stands before the mark is looked for when it is time. A later claim says anew whether and when.
      const again = (batch$: Observable<ClaimedBatch>): Observable<never> =>
        batch$.pipe(
          map(() => held.againInMs()),
          switchMap((ms) => (ms === undefined ? EMPTY : timer(ms))),
          tap(() => freed$.next()),
          ignoreElements(),
          takeUntil(stop$),
        );

      // More capacity is a wake-up. With less, what runs goes on, and what has not begun is given back.
      const capacity$ = setup.capacity$.pipe(tap(held.resize), takeUntil(stop$), share());

      return merge(wakeup$, freed$, capacity$).pipe(
        takeUntil(stop$),
        gatherMap(claim),
        connect((claimed$) => {
          const batch$ = claimed$.pipe(filter(isBatch));
          return merge(
            again(batch$),
            claimed$.pipe(filter(isReport)),
            batch$.pipe(
              filter(({ jobs }) => jobs.length > 0),
              map(({ jobs }): WorkerEvent => ({ type: "claimed", queue, count: jobs.length })),
            ),
            batch$.pipe(
              takeUntil(stop$),
              // A claim that follows at once is sent first: jobs that never wait would hold it up.
              concatMap(({ jobs }) =>
                held.isAhead() ? of(jobs).pipe(delay(0), takeUntil(stop$)) : of(jobs),
              ),
              mergeMap((jobs) => jobs),
              setup.dispatch({ queue, concurrency })({ start, letGo, stop$ }),
            ),
            merge(
              stop$.pipe(
                take(1),
                tap(() => (stopped = true)),
              ),
              batch$.pipe(skipUntil(stop$)),
              capacity$.pipe(filter(held.isTooMuch)),
              stalled(batch$),
            ).pipe(mergeMap(giveBack)),
          );
        }),
      );
    });
}

function isBatch(step: ClaimedBatch | WorkerEvent): step is ClaimedBatch {
  return step.type === "batch";
}

function isReport(step: ClaimedBatch | WorkerEvent): step is WorkerEvent {
  return step.type !== "batch";
}
