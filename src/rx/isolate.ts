import { Observable } from "rxjs";

/**
 * Passes a source on, and keeps what its teardown throws from whoever unsubscribes. RxJS leaves off
 * unsubscribing there: a `concat` that waits for the end of what it left would wait for ever.
 *
 * ```text
 * source   -a-b-c-…    its teardown throws
 * unsub    ----!
 * result   -a-b        as if it had not
 * ```
 *
 * For what the app gives: handlers that return Observables, its own wake-ups.
 */
export function isolate<T>(source$: Observable<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const subscription = source$.subscribe({
      next: (value) => subscriber.next(value),
      error: (error: unknown) => subscriber.error(error),
      complete: () => subscriber.complete(),
    });
    return () => {
      try {
        subscription.unsubscribe();
      } catch {
        // It has ended all the same, and nobody waits for more of it.
      }
    };
  });
}
