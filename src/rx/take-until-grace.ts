import { Observable, timer } from "rxjs";
import type { MonoTypeOperatorFunction } from "rxjs";

/** What `takeUntilGrace` is told. */
export interface Grace<N> {
  /** Milliseconds that the source may go on after a notification; `undefined` ends it at once. */
  readonly graceOf: (notification: N) => number | undefined;
  /** Called when the source did not end within them. */
  readonly overdue: () => void;
}

/**
 * Passes a source on until the grace after a notification is over, the first that is.
 *
 * ```text
 * source     -a---b-------c-…
 * notifier   ---!                 graceOf(!) is 4
 * result     -a---b-|             overdue
 * ```
 *
 * This is `takeUntil(notifier$.pipe(mergeMap((n) => timer(graceOf(n)))))`, and costs one subscription for
 * the notifier instead of four: each attempt that waits for something has one.
 *
 * What is notified in the call that subscribes may end it before the source is subscribed.
 */
export function takeUntilGrace<T, N>(
  notifier$: Observable<N>,
  { graceOf, overdue }: Grace<N>,
): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      const notified = notifier$.subscribe((notification) => {
        const ms = graceOf(notification);
        if (ms === undefined) {
          subscriber.complete();
          return;
        }
        const waiting = timer(ms).subscribe(() => {
          overdue();
          subscriber.complete();
        });
        subscriber.add(waiting);
      });
      subscriber.add(notified);
      if (!subscriber.closed) source.subscribe(subscriber);
    });
}
