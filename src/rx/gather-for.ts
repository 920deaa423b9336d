import { Observable } from "rxjs";
import type { OperatorFunction, Subscription } from "rxjs";
import { longTimer } from "./long-timer.ts";

/** How long, and how many at most, `gatherFor` gathers. */
export interface GatherForOptions {
  /** The most values of a batch. From 1. */
  readonly max: number;
  /** Milliseconds from the first value of a batch until it is handed on, full or not. From 0. */
  readonly maxWaitMs: number;
}

/**
 * Gathers values from the first one on, until there are `max` or that one has waited `maxWaitMs`.
 *
 * ```text
 * source   -ab----c-de-f--|     max 3, maxWaitMs 4
 * result   -----x----y----(z|)   x [a, b] after 4, y [c, d, e] for they are 3, z [f] at the end
 * ```
 *
 * An error of the source comes at once, and what was gathered is let go.
 */
export function gatherFor<T>({ max, maxWaitMs }: GatherForOptions): OperatorFunction<T, readonly T[]> {
  return (source) =>
    new Observable<readonly T[]>((subscriber) => {
      let gathered: T[] = [];
      let due: Subscription | undefined;

      const flush = (): void => {
        due?.unsubscribe();
        due = undefined;
        if (gathered.length === 0) return;
        const batch = gathered;
        gathered = [];
        subscriber.next(batch);
      };

      subscriber.add(() => due?.unsubscribe());
      subscriber.add(
        source.subscribe({
          next: (value) => {
            gathered.push(value);
            if (gathered.length >= max) flush();
            else due ??= longTimer(maxWaitMs).subscribe(flush);
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => {
            flush();
            subscriber.complete();
          },
        }),
      );
    });
}
