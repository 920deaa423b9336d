import type { Observable, Subscription } from "rxjs";
import { fifo } from "./fifo.ts";

type Heard<T> = { readonly value: T } | { readonly error: unknown };

interface Asked<T> {
  readonly resolve: (step: IteratorResult<T, void>) => void;
  readonly reject: (error: unknown) => void;
}

/** How much `iterate` keeps for a loop that is slower than its stream. */
export interface IterateOptions<T> {
  /** The most values that wait, from 1. The oldest are dropped. */
  readonly limit: number;
  /** Makes the value that the loop gets in place of so many that were dropped. */
  readonly dropped: (count: number) => T;
}

interface Backlog<T> {
  readonly size: () => number;
  readonly push: (what: Heard<T>) => void;
  /** Removes what is next: how many were dropped, where some were. */
  readonly take: () => Heard<T> | undefined;
  readonly clear: () => void;
}

/** What was heard and not read. An error drops nothing, for it is the last. */
function backlog<T>(bound: IterateOptions<T> | undefined): Backlog<T> {
  const heard = fifo<Heard<T>>();
  let droppedCount = 0;
  return {
    size: heard.size,
    push: (what) => {
      heard.push(what);
      if (bound !== undefined && "value" in what && heard.size() > bound.limit)
        droppedCount += heard.take(1).length;
    },
    take: () => {
      if (bound === undefined || droppedCount === 0) return heard.take(1)[0];
      const value = bound.dropped(droppedCount);
      droppedCount = 0;
      return { value };
    },
    clear: () => {
      heard.take(Infinity);
      droppedCount = 0;
    },
  };
}

function give<T>({ resolve, reject }: Asked<T>, next: Heard<T> | undefined): void {
  if (next === undefined) resolve({ done: true, value: undefined });
  else if ("error" in next) reject(next.error);
  else resolve({ done: false, value: next.value });
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
 * step waits. Values that come faster than the loop takes them are kept, all or as many as `bound`
 * says. An error of the source is thrown in the loop after the values before it.
 */
export function iterate<T>(
  source$: Observable<T>,
  bound?: IterateOptions<T>,
): AsyncGenerator<T, void, undefined> {
  // By hand, for an `async function*` hears of no `return` while it waits: a stream of Node that is
  // made of one would stay subscribed after it was destroyed.
  const heard = backlog(bound);
  const asked = fifo<Asked<T>>();
  let subscription: Subscription | undefined;
  let ended = false;

  const canAnswer = (): boolean => asked.size() > 0 && (heard.size() > 0 || ended);
  const answer = (): void => {
    while (canAnswer()) {
      const next = heard.take();
      for (const one of asked.take(1)) give(one, next);
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
    heard.clear();
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
