import { Observable, isObservable } from "rxjs";
import type { ObservableInput } from "rxjs";

/** What is read by asking for the next value, at the reader's own pace. */
export type Pullable<T> = AsyncIterable<T> | Iterable<T>;

/** How far `pull` reads. */
export interface PullOptions {
  /** How many values it reads at first. From 1. */
  readonly first: number;
  /** Lets it read so many more. */
  readonly more$: Observable<number>;
}

/** Tells iterables, async or not, from what pushes its values. */
export function isPullable<T>(source: ObservableInput<T>): source is Pullable<T> {
  if (typeof source !== "object" || source === null || isObservable(source)) return false;
  return Symbol.asyncIterator in source || Symbol.iterator in source;
}

/**
 * Reads an iterable, async or not, no further than it is let, where `from` would read on whether or
 * not anybody can follow.
 *
 * ```text
 * source   a b c d e f|
 * more$    -----1--2-----9--
 * result   (ab)-c--(de)--(f|)     first: 2
 * ```
 *
 * One value at a time is asked for. Completes and errors with the source. Unsubscribing ends the
 * iterator (`return`); an async generator that waits for something ends when that has come.
 */
export function pull<T>(source: Pullable<T>, { first, more$ }: PullOptions): Observable<T> {
  return new Observable<T>((subscriber) => {
    const steps = stepsOf(source);
    let credit = first;
    let reading = false;
    let ended = false;

    const fail = (error: unknown): void => {
      ended = true;
      subscriber.error(error);
    };
    const take = (step: IteratorResult<T, unknown>): void => {
      if (step.done !== true) {
        subscriber.next(step.value);
        return;
      }
      ended = true;
      subscriber.complete();
    };
    const read = (): void => {
      if (reading) return; // the loop goes on, now or when what it waits for is there
      reading = true;
      try {
        while (credit > 0 && !subscriber.closed) {
          credit -= 1;
          const step = steps.step();
          if (step instanceof Promise) {
            step.then(taken).catch(fail);
            return;
          }
          take(step);
        }
      } catch (error) {
        fail(error);
      }
      reading = false;
    };
    const taken = (step: IteratorResult<T, unknown>): void => {
      take(step);
      reading = false;
      read();
    };

    subscriber.add(() => {
      if (!ended) steps.leave();
    });
    subscriber.add(
      more$.subscribe({
        next: (more) => {
          credit += more;
          read();
        },
        error: fail,
      }),
    );
    read();
  });
}

interface Steps<T> {
  readonly step: () => IteratorResult<T, unknown> | Promise<IteratorResult<T, unknown>>;
  /** Ends the iterator early; what that throws is nobody's any more. */
  readonly leave: () => void;
}

function stepsOf<T>(source: Pullable<T>): Steps<T> {
  if (Symbol.asyncIterator in source) {
    const iterator = source[Symbol.asyncIterator]();
    return {
      step: async () => iterator.next(),
      leave: () => void (async () => iterator.return?.())().catch(() => undefined),
    };
  }
  const iterator = source[Symbol.iterator]();
  return {
    step: () => iterator.next(),
    leave: () => {
      try {
        iterator.return?.();
      } catch {
        // It has ended all the same.
      }
    },
  };
}
