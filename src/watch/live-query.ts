import {
  ReplaySubject,
  defer,
  distinctUntilChanged,
  filter,
  from,
  map,
  merge,
  share,
  throttleTime,
  timer,
} from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { gatherMap } from "../rx/gather-map.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";

/** What a live query needs. */
export interface LiveQuerySetup<T> {
  /** Asks for the value as it is now. */
  readonly query: () => ObservableInput<T>;
  /** Emits when the value may have changed. Must not error. */
  readonly changed$: Observable<unknown>;
  /** Milliseconds between queries in any case, for hints can be lost. */
  readonly pollIntervalMs: number;
  /** The least time between two queries that `changed$` leads to, in milliseconds. */
  readonly throttleMs: number;
  /** Milliseconds before retry `n` of a query that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** Told of the first error of each time that the database cannot be reached. */
  readonly failed: (error: unknown) => void;
  /** Errors after which asking makes no sense. */
  readonly isFatal: (error: unknown) => boolean;
}

/**
 * The answer of a query as a stream: the value at once, then each change. All subscribers share it:
 * the first one starts it, a later one gets the last value at once, and the last one ends it.
 *
 * ```text
 * changed$   ---x-xx---------
 * query      q--q---q------q-     at once, after changes, at each poll
 * result     5--4---2--------     only what differs
 * ```
 *
 * While the database cannot be reached the last value stands. Errors only with what is fatal.
 */
export function liveQuery<T>(setup: LiveQuerySetup<T>): Observable<T> {
  return defer(() =>
    merge(
      timer(0, setup.pollIntervalMs),
      setup.changed$.pipe(throttleTime(setup.throttleMs, undefined, { leading: true, trailing: true })),
    ),
  ).pipe(
    gatherMap(() =>
      defer(() => from(setup.query())).pipe(
        map((value) => ({ value, text: JSON.stringify(value) })),
        retryBackoff({
          delayMs: setup.delayMs,
          fatal: setup.isFatal,
          report: (error, _, n) => void (n === 1 && setup.failed(error)),
        }),
      ),
    ),
    filter((answer) => answer !== undefined),
    distinctUntilChanged((a, b) => a.text === b.text),
    map(({ value }) => value),
    share({ connector: () => new ReplaySubject<T>(1), resetOnRefCountZero: true, resetOnError: true }),
  );
}
