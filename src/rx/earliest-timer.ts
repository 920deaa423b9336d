import { Observable, asyncScheduler } from "rxjs";
import type { OperatorFunction, Subscription } from "rxjs";
import { monotonicClock } from "./monotonic-clock.ts";

/** `setTimeout` overflows above 2^31 - 1 ms; nothing here needs to wait longer than an hour. */
const MAX_TIMER_MS = 3_600_000;

/**
 * Takes hints of how many milliseconds from now something is due, keeps one timer for the earliest,
 * and emits when it fires. Later hints than the one that is kept are dropped: whoever is woken asks
 * anew when the next is due. Hints beyond an hour are dropped too.
 *
 * ```text
 * hints    8--9-1--------
 * result   ------!-------
 * ```
 *
 * Completes with the source. Never errors by itself.
 */
export function earliestTimer(): OperatorFunction<number, void> {
  return (source) =>
    new Observable<void>((subscriber) => {
      const now = monotonicClock();
      let dueAt = Infinity;
      let armed: Subscription | undefined;
      subscriber.add(() => armed?.unsubscribe());
      subscriber.add(
        source.subscribe({
          next: (delayMs) => {
            const at = now() + delayMs;
            if (delayMs > MAX_TIMER_MS || at >= dueAt) return;
            armed?.unsubscribe();
            dueAt = at;
            armed = asyncScheduler.schedule(
              () => {
                dueAt = Infinity;
                subscriber.next();
              },
              Math.max(0, delayMs),
            );
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    });
}
