import { Observable, asyncScheduler } from "rxjs";
import type { MonoTypeOperatorFunction, SchedulerAction } from "rxjs";
import { monotonicClock } from "./monotonic-clock.ts";

/** How `deliver` bounds its queue. */
export interface DeliverOptions<T> {
  /** The most values that wait for one subscriber. The oldest are dropped. */
  readonly limit: number;
  /** Makes the value that says how many were dropped. */
  readonly dropped: (count: number) => T;
}

/** A subscriber gets this long before the event loop is given back, in milliseconds. */
const SLICE_MS = 5;

/** Above this a slice was held up by the subscriber itself, in milliseconds. */
const SLOW_MS = 20;

/** A slow subscriber waits this many times as long as it took: it gets a fifth of the thread. */
const PAUSE_FACTOR = 4;

/**
 * Hands values on from a queue of its own, in short slices, so that whoever emits them does not
 * wait for whoever takes them.
 *
 * ```text
 * source   (abc)-----d--|
 * result   (abc)-----d--|           in the same moment, but not in the same call
 * slow     a=----b=----c=----(d|)   = the subscriber's work: at most a fifth of the time
 * ```
 *
 * Each subscriber has its own queue. An error or a completion comes after what waits.
 */
export function deliver<T>(options: DeliverOptions<T>): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      const now = monotonicClock();
      let queue: T[] = [];
      let head = 0;
      let droppedCount = 0;
      let end: (() => void) | undefined;
      let scheduled = false;

      const handOver = function (this: SchedulerAction<void>): void {
        const from = now();
        let elapsed = 0;
        if (droppedCount > 0) {
          const count = droppedCount;
          droppedCount = 0;
          subscriber.next(options.dropped(count));
        }
        while (head < queue.length && elapsed < SLICE_MS && !subscriber.closed) {
          subscriber.next(queue[head++] as T);
          elapsed = now() - from;
        }
        // What was handed over is let go, also when the queue is never empty.
        queue = queue.slice(head);
        head = 0;
        if (queue.length > 0) {
          this.schedule(undefined, elapsed > SLOW_MS ? elapsed * PAUSE_FACTOR : 0);
          return;
        }
        scheduled = false;
        // An action that has run stays with its subscriber until it is unsubscribed.
        this.unsubscribe();
        end?.();
      };

      const plan = (): void => {
        if (scheduled) return;
        scheduled = true;
        subscriber.add(asyncScheduler.schedule(handOver, 0));
      };

      const drop = (): void => {
        if (queue.length - head <= options.limit) return;
        head += 1;
        droppedCount += 1;
        if (head < 1_000 || head * 2 < queue.length) return;
        queue = queue.slice(head);
        head = 0;
      };

      subscriber.add(
        source.subscribe({
          next: (value) => {
            queue.push(value);
            drop();
            plan();
          },
          error: (error: unknown) => {
            end = () => subscriber.error(error);
            plan();
          },
          complete: () => {
            end = () => subscriber.complete();
            plan();
          },
        }),
      );
    });
}
