import { EMPTY, Observable, ReplaySubject } from "rxjs";
import type { ObservableInput } from "rxjs";

/** What a handler returned, and what tells its end. */
export interface Tracked {
  /** To be used in place of what the handler returned. */
  readonly output: ObservableInput<unknown>;
  /** Completes when it has ended, whoever subscribes to it and when. Never errors. */
  readonly ended$: Observable<unknown>;
}

/**
 * Makes the end of a thenable or a stream known, also when nobody subscribes to it any more.
 *
 * ```text
 * output   -a--b-----|
 * unsub    ----!           the attempt is given up
 * ended$   ----------|     and this is when it has ended
 * ```
 *
 * What ends when it is unsubscribed, or cannot be asked, counts as ended from the start.
 */
export function trackedEnd(output: ObservableInput<unknown>): Tracked {
  const ended$ = new ReplaySubject<never>(1);
  const ended = (): void => ended$.complete();
  if ("then" in output && typeof output.then === "function") {
    return { output: calledOnce(output, ended), ended$ };
  }
  if (Symbol.asyncIterator in output) return { output: untilEnd(output, ended), ended$ };
  return { output, ended$: EMPTY };
}

/** A `then` is called once: what some libraries return starts its work there. */
function calledOnce(output: PromiseLike<unknown>, ended: () => void): Observable<unknown> {
  return new Observable((subscriber) => {
    output.then(
      (value) => {
        ended();
        subscriber.next(value);
        return subscriber.complete();
      },
      (error: unknown) => {
        ended();
        subscriber.error(error);
      },
    );
  });
}

async function* untilEnd(values: AsyncIterable<unknown>, ended: () => void): AsyncGenerator {
  try {
    yield* values;
  } finally {
    ended();
  }
}
