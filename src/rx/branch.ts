import { Observable, Subject } from "rxjs";
import type { OperatorFunction } from "rxjs";

/**
 * Sends some values through an operator of their own; the others pass.
 *
 * ```text
 * source      -a-B--c-B-|
 * operator       ==x  ==x|
 * result      -a---xc---(x|)
 * ```
 *
 * This is `connect` with a `merge` of two filters, but what passes takes one step here instead of six:
 * everything that a worker tells passes some of these. Completes when both have, and errors with either.
 *
 * @param goes Which values go through the operator.
 */
export function branch<T, Some extends T, R>(
  goes: (value: T) => value is Some,
  operator: OperatorFunction<Some, R>,
): OperatorFunction<T, Exclude<T, Some> | R> {
  return (source) =>
    new Observable<Exclude<T, Some> | R>((subscriber) => {
      const branched$ = new Subject<Some>();
      let open = 2;
      const ended = (): void => {
        open -= 1;
        if (open === 0) subscriber.complete();
      };
      const error = (reason: unknown): void => subscriber.error(reason);
      subscriber.add(
        branched$
          .pipe(operator)
          .subscribe({ next: (value) => subscriber.next(value), error, complete: ended }),
      );
      if (subscriber.closed) return;
      subscriber.add(
        source.subscribe({
          next: (value) => (goes(value) ? branched$.next(value) : subscriber.next(value as Exclude<T, Some>)),
          error,
          complete: () => {
            branched$.complete();
            ended();
          },
        }),
      );
    });
}
