import { Observable, Subject, from, takeUntil } from "rxjs";
import type { ObservableInput, OperatorFunction } from "rxjs";
import { fifo } from "./fifo.ts";

/**
 * Projects a value; while that runs, gathers what arrives; then projects all of it at once.
 *
 * ```text
 * source   -abc------d----|
 *           ===R               project([a])
 *              ===S            project([b, c])
 *                    ===T      project([d])
 * result   ----R--S-----T-|
 * ```
 *
 * At low load nothing waits; at high load batches grow by themselves; there is no timer and no
 * batch size to tune. Claims, settles, enqueues and notifications are gathered with it.
 *
 * One projection runs at a time. When the source completes, what is gathered is still projected.
 * An error of the source, of a projection or a throw of `project` errors the result.
 *
 * @param project Gets at least one value, in the order of arrival.
 * @param max How many values it gets at most. From 1. Default: all that is gathered.
 */
export function gatherMap<T, R>(
  project: (gathered: readonly T[]) => ObservableInput<R>,
  max: number = Infinity,
): OperatorFunction<T, R> {
  return (source) =>
    new Observable<R>((subscriber) => {
      const gathered = fifo<T>();
      let sourceDone = false;
      let projecting = false;
      /** Ends also a source or a projection whose first value, while it is being subscribed, ends the result. */
      const left$ = new Subject<void>();

      const advance = (): void => {
        // A projection that completes at once brings us back here: loop instead of recursing.
        while (!projecting && gathered.size() > 0 && !subscriber.closed) {
          const batch = gathered.take(max);
          projecting = true;
          let synchronous = true;
          let projected: Observable<R>;
          try {
            projected = from(project(batch));
          } catch (error) {
            subscriber.error(error);
            return;
          }
          projected.pipe(takeUntil(left$)).subscribe({
            next: (value) => subscriber.next(value),
            error: (error: unknown) => subscriber.error(error),
            complete: () => {
              projecting = false;
              if (!synchronous) advance();
            },
          });
          synchronous = false;
        }
        if (sourceDone && !projecting) subscriber.complete();
      };

      subscriber.add(() => left$.next());
      subscriber.add(
        source.pipe(takeUntil(left$)).subscribe({
          next: (value) => {
            gathered.push(value);
            advance();
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => {
            sourceDone = true;
            advance();
          },
        }),
      );
    });
}
