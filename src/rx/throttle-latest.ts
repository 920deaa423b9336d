import { Observable, identity } from "rxjs";
import type { MonoTypeOperatorFunction, Subscription } from "rxjs";
import { longTimer } from "./long-timer.ts";

/**
 * Lets the first value pass at once, and then at most one in each interval, the latest.
 *
 * ```text
 * source   abc------d-ef--g|
 * result   a---c----d---f--(g|)    with 4 ms
 * ```
 *
 * The last value always passes: what waits when the source completes or errors comes with that.
 * (`throttleTime` with `trailing` lets the completion wait for the rest of the interval.)
 *
 * A subscription that gets no value costs next to nothing, for most attempts have no progress.
 *
 * @param intervalMs Milliseconds from 0, with which all values pass.
 */
export function throttleLatest<T>(intervalMs: number): MonoTypeOperatorFunction<T> {
  if (intervalMs === 0) return identity;
  return (source) =>
    new Observable<T>((subscriber) => {
      let waiting: { readonly value: T } | undefined;
      let interval: Subscription | undefined;

      const pass = (value: T): void => {
        interval = longTimer(intervalMs).subscribe(release);
        subscriber.add(interval);
        subscriber.next(value);
      };
      const release = (): void => {
        interval = undefined;
        flush(pass);
      };
      const flush = (hand: (value: T) => void): void => {
        if (waiting === undefined) return;
        const { value } = waiting;
        waiting = undefined;
        hand(value);
      };
      const end = (tell: () => void): void => {
        interval?.unsubscribe();
        flush((value) => subscriber.next(value));
        tell();
      };

      subscriber.add(
        source.subscribe({
          next: (value) => {
            if (interval === undefined) pass(value);
            else waiting = { value };
          },
          error: (error: unknown) => end(() => subscriber.error(error)),
          complete: () => end(() => subscriber.complete()),
        }),
      );
    });
}
