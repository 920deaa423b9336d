import type { Observable, Subscription } from "rxjs";
import { fifo } from "./fifo.ts";

type Heard<T> = { readonly value: T } | { readonly error: unknown };

interface Asked<T> {
  readonly resolve: (step: IteratorResult<T, void>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads an Observable with `for await`.
 *
 * ```text
 * source$     -a-bc---d-|
 * for await    a  b c  d      one value at a time; what comes meanwhile waits
 * ```
 *
 * Subscribes at the first step and unsubscribes when the loop is left, by whatever way, also while a
 * step waits. Values that come faster than the loop takes them are kept: put `sample`,
 * `throttleTime` or the like before it where that could be too many. An error of the source is
 * thrown in the loop after the values before it.
 */
export function iterate<T>(source$: Observable<T>): AsyncGenerator<T, void, undefined> {
  // By hand, for an `async function*` hears of no `return` while it waits: a stream of Node that is
  // made of one would stay subscribed after it was destroyed.
  const heard = fifo<Heard<T>>();
  const asked = fifo<Asked<T>>();
  let subscription: Subscription | undefined;
  let ended = false;

  const canAnswer = (): boolean => asked.size() > 0 && (heard.size() > 0 || ended);
  const answer = (): void => {
    while (canAnswer()) {
      const [first] = heard.take(1);
      for (const { resolve, reject } of asked.take(1)) {
        if (first === undefined) resolve({ done: true, value: undefined });
        else if ("error" in first) reject(first.error);
        else resolve({ done: false, value: first.value });
      }
    }
  };
  const hear = (what: Heard<T>): void => {
    heard.push(what);
    answer();
  };
  const end = (): void => {
    ended = true;
    answer();
  };
  const leave = (): void => {
    subscription?.unsubscribe();
    heard.take(Infinity);
    end();
  };
  const subscribe = (): Subscription =>
    source$.subscribe({
      next: (value) => hear({ value }),
      error: (error: unknown) => {
        hear({ error });
        end();
      },
      complete: end,
    });

  return {
    next: () =>
      new Promise((resolve, reject) => {
        asked.push({ resolve, reject });
        if (!ended) subscription ??= subscribe();
        answer();
      }),
    return: async () => {
      leave();
      return { done: true, value: undefined };
    },
    throw: async (error: unknown) => {
      leave();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: async () => leave(),
  };
}
