import { EMPTY, Subject, catchError, concat, defer, from, ignoreElements, mergeMap } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { fifo } from "./fifo.ts";
import { gatherMap } from "./gather-map.ts";

/** Calls of one thing that are gathered into one write. */
export interface Gathered<T, R> {
  /** Resolves with the result of this item when the write that it was part of is done. */
  readonly call: (item: T) => Promise<R>;
  /** Resolves when nothing is under way. */
  readonly idle: () => Promise<void>;
}

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Turns a function that writes many items into one that takes them singly: the calls that come
 * while a write is under way are written together next (`gatherMap`), with those that come until
 * `turn$` completes.
 *
 * ```text
 * call     (abc)-------(abc)------   three callers, each of which calls again when it is answered
 * turn$    -----|      -----|
 * write          =====|      =====|  [a, b, c], and again; without a turn [a], [b, c], [a], [b, c]
 * ```
 *
 * @param write Answers with one result an item, in their order. When it fails, every call of that
 * write is rejected with its error.
 * @param cut Cuts what gathered into parts, which are written one after the other. Default: one part.
 * @param turn$ Is waited for before what gathered is written: whoever is answered may call again at once,
 * and would miss it. Default: nothing is waited for.
 */
export function gathered<T, R>(
  write: (items: readonly T[]) => ObservableInput<readonly R[]>,
  cut: (items: readonly T[]) => readonly (readonly T[])[] = (items) => [items],
  turn$: Observable<unknown> = EMPTY,
): Gathered<T, R> {
  const waiting = fifo<Waiting<T, R>>();
  const called$ = new Subject<void>();
  const idles: (() => void)[] = [];
  let under = 0;

  const settle = (
    batch: readonly Waiting<T, R>[],
    each: (one: Waiting<T, R>, index: number) => void,
  ): never[] => {
    under -= batch.length;
    batch.forEach(each);
    if (under === 0) for (const idle of idles.splice(0)) idle();
    return [];
  };

  const writePart = (batch: readonly Waiting<T, R>[], items: readonly T[]): Observable<never> =>
    defer(() => from(write(items))).pipe(
      mergeMap((results) => settle(batch, ({ resolve }, index) => resolve(results[index] as R))),
      catchError((error: unknown) => settle(batch, ({ reject }) => reject(error))),
    );

  const writeAll = (): Observable<never> => {
    const batch = waiting.take(waiting.size());
    let begun = 0;
    const parts = cut(batch.map(({ item }) => item));
    return concat(...parts.map((items) => writePart(batch.slice(begun, (begun += items.length)), items)));
  };

  // Whoever called while a turn was waited for is written with that turn.
  called$
    .pipe(
      gatherMap(() => (waiting.size() === 0 ? EMPTY : concat(turn$.pipe(ignoreElements()), defer(writeAll)))),
    )
    .subscribe();

  return {
    call: (item) =>
      new Promise((resolve, reject) => {
        under += 1;
        waiting.push({ item, resolve, reject });
        called$.next();
      }),
    idle: () => (under === 0 ? Promise.resolve() : new Promise((resolve) => idles.push(resolve))),
  };
}
