import { Subject, catchError, concat, defer, from, mergeMap } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
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
 * while a write is under way are written together next (`gatherMap`).
 *
 * @param write Answers with one result an item, in their order. When it fails, every call of that
 * write is rejected with its error.
 * @param cut Cuts what gathered into parts, which are written one after the other. Default: one part.
 */
export function gathered<T, R>(
  write: (items: readonly T[]) => ObservableInput<readonly R[]>,
  cut: (items: readonly T[]) => readonly (readonly T[])[] = (items) => [items],
): Gathered<T, R> {
  const waiting$ = new Subject<Waiting<T, R>>();
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

  waiting$
    .pipe(
      gatherMap((batch) => {
        let begun = 0;
        const parts = cut(batch.map(({ item }) => item));
        return concat(...parts.map((items) => writePart(batch.slice(begun, (begun += items.length)), items)));
      }),
    )
    .subscribe();

  return {
    call: (item) =>
      new Promise((resolve, reject) => {
        under += 1;
        waiting$.next({ item, resolve, reject });
      }),
    idle: () => (under === 0 ? Promise.resolve() : new Promise((resolve) => idles.push(resolve))),
  };
}
