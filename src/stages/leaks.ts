import {
  BehaviorSubject,
  EMPTY,
  Subject,
  concat,
  defer,
  distinctUntilChanged,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  scan,
  skipWhile,
} from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import type { InterruptReason } from "../core/errors.ts";
import type { JobRef, WorkerEvent } from "../core/events.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";

/** An attempt that was given up while its handler still runs. */
export interface Leak {
  /** What it was an attempt of. */
  readonly job: JobRef;
  /** When its handler was called, by the `monotonicClock`, in milliseconds. */
  readonly startedAt: number;
  /** Completes when its handler has ended after all. Must not error. */
  readonly ended$: Observable<unknown>;
}

/** A leak, and why it was given up. */
export type ReportedLeak = Leak & { readonly reason: InterruptReason };

/** Tells of an attempt that was given up, and then counts it. */
export function* reportLeak(leaks: Leaks | undefined, leak: ReportedLeak): Generator<WorkerEvent> {
  const { job, reason } = leak;
  if (leaks === undefined) {
    yield { type: "leaked", job, reason };
    return;
  }
  yield { type: "leaked", job, reason, running: leaks.running() + 1 };
  leaks.add(leak);
}

/** The attempts of a worker that were given up and still run. */
export interface Leaks {
  /** How many there are. */
  readonly running: () => number;
  /** Counts one more, until it ends. */
  readonly add: (leak: Leak) => void;
  /** Tells of those that end, and when claims pause and resume. Counts down only while it is subscribed. */
  readonly event$: Observable<WorkerEvent>;
  /** Lets a capacity pass, as 0 while claims are paused. */
  readonly gated: MonoTypeOperatorFunction<number>;
}

/**
 * Counts attempts that were given up and still run: they hold no slot, so that nothing else would keep
 * a process from drowning in them. With `maxLeaked` of them no more jobs are claimed.
 *
 * ```text
 * add        --a-b--------      maxLeaked 2
 * a ended$     -----|
 * b ended$       -----|
 * event$     ----P--(AR)-B      P: claims-paused, A, B: leak-ended, R: claims-resumed
 * capacity$  4-----7-------      the app's
 * gated      4---0-0-7-----
 * ```
 *
 * @param maxLeaked From 1.
 */
export function leaksOf(maxLeaked: number): Leaks {
  const leak$ = new Subject<Leak>();
  const paused$ = new BehaviorSubject(false);
  const now = monotonicClock();
  let running = 0;
  const count = (change: 1 | -1): void => {
    running += change;
    paused$.next(running >= maxLeaked);
  };

  const ended = ({ job, startedAt, ended$ }: Leak): Observable<WorkerEvent> =>
    concat(
      ended$.pipe(ignoreElements()),
      defer(() => {
        const durationMs = Math.floor(now() - startedAt);
        return of<WorkerEvent>({ type: "leak-ended", job, durationMs, running: running - 1 });
      }),
      defer(() => {
        count(-1);
        return EMPTY;
      }),
    );
  /** Whether claims are paused, at each change; at once only where they are. */
  const change$ = paused$.pipe(
    skipWhile((paused) => !paused),
    distinctUntilChanged(),
  );
  return {
    running: () => running,
    add: (leak) => {
      count(1);
      leak$.next(leak);
    },
    event$: merge(
      leak$.pipe(mergeMap(ended)),
      change$.pipe(
        map((paused): WorkerEvent =>
          paused ? { type: "claims-paused", running, maxLeaked } : { type: "claims-resumed", running },
        ),
      ),
    ),
    gated: (capacity$) =>
      merge(
        // First: what the app says at once must not pass while claims are paused.
        change$.pipe(map((paused) => ({ paused }))),
        capacity$.pipe(map((capacity) => ({ capacity }))),
      ).pipe(
        scan((state, change) => ({ ...state, ...change }), { capacity: Infinity, paused: false }),
        map(({ capacity, paused }) => (paused ? 0 : capacity)),
      ),
  };
}
