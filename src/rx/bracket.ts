import { Observable } from "rxjs";

/** What `bracket` puts together. */
export interface Bracketed<T> {
  /** Comes first. */
  readonly first: T;
  /** Called when the first was emitted: what comes between, `undefined` for nothing. A throw is its error. */
  readonly begin: () => Observable<T> | undefined;
  /** Makes what comes last, given what the source errored with, if it did. Must not throw. */
  readonly last: (failure: { readonly error: unknown } | undefined) => Iterable<T>;
  /** Called when the result is unsubscribed before `last` was. */
  readonly left: () => void;
}

/**
 * Emits a first value, then what a source emits, then what `last` makes of its end, and completes.
 * Never errors, but for a throw of `open`.
 *
 * ```text
 * source   -a-b--#
 * result   fa-b--(LM|)     f first, L and M last
 * ```
 *
 * This is `concat(of(first), source$.pipe(catchError(…)), defer(last)).pipe(finalize(left))` in one
 * subscription instead of a dozen, for it is subscribed once for each attempt: those were a tenth of
 * what a job without work costs.
 *
 * @param open Called for each subscription.
 */
export function bracket<T>(open: () => Bracketed<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const { first, begin, last, left } = open();
    let ended = false;
    const end = (failure?: { readonly error: unknown }): void => {
      ended = true;
      for (const value of last(failure)) subscriber.next(value);
      subscriber.complete();
    };
    const go = (): void => {
      let source$: Observable<T> | undefined;
      try {
        source$ = begin();
      } catch (error) {
        end({ error });
        return;
      }
      if (source$ === undefined) {
        end();
        return;
      }
      subscriber.add(
        source$.subscribe({
          next: (value) => subscriber.next(value),
          error: (error: unknown) => end({ error }),
          complete: () => end(),
        }),
      );
    };
    subscriber.next(first);
    if (!subscriber.closed) go();
    return () => {
      if (!ended) left();
    };
  });
}
