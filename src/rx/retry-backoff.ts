import { NEVER, Subject, defer, finalize, merge, retry, takeUntil, throwError, timer } from "rxjs";
import type { Observable, OperatorFunction } from "rxjs";

/** How `retryBackoff` waits and what it says. */
export interface RetryBackoffOptions<R> {
  /** Milliseconds before retry number `n`, from 1; starts over after a value. */
  readonly delayMs: (n: number) => number;
  /** What the result emits for an error that is about to be retried for the `n`th time, from 1. */
  readonly report: (error: unknown, delayMs: number, n: number) => R;
  /** Ends the waiting: when it emits between two tries, the result completes. */
  readonly giveUp$?: Observable<unknown>;
  /** Errors that are not retried: the result errors with them. */
  readonly fatal?: (error: unknown) => boolean;
}

/**
 * Subscribes to a failing source again, for ever, and emits a report of each failure.
 *
 * ```text
 * source   -# -#   -a|
 * delayMs    2  4
 * result   -r--r----a|
 * ```
 *
 * Errors only with what is `fatal`. With `giveUp$` it completes between two tries; a try that runs is not cut short.
 */
export function retryBackoff<T, R>(options: RetryBackoffOptions<R>): OperatorFunction<T, T | R> {
  const { delayMs, report, giveUp$ = NEVER, fatal = () => false } = options;
  return (source) =>
    defer(() => {
      const report$ = new Subject<R>();
      const tried$ = source.pipe(
        retry({
          resetOnSuccess: true,
          delay: (error: unknown, n) => {
            if (fatal(error)) return throwError(() => error);
            const wait = delayMs(n);
            report$.next(report(error, wait, n));
            return timer(wait).pipe(takeUntil(giveUp$));
          },
        }),
        finalize(() => report$.complete()),
      );
      return merge(report$, tried$);
    });
}
