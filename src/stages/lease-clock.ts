import { asyncScheduler, defer, from, tap } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";

/** What the clock tells of a lease, while the timers that end it may be late. */
export interface LeaseClock {
  /** Makes a call that begins or renews the lease, unless it answers `false`. */
  readonly renewing: <T>(call: () => ObservableInput<T>) => Observable<T>;
  /** Whether the lease stands. */
  readonly stands: () => boolean;
}

/**
 * Reads a lease off the clock.
 *
 * ```text
 * renew    R-----S----F---    R answered at once, S after 1, F fails
 * lease 8  --------)          Each begins when its call is sent.
 *                --------)
 * stands   ttttttttttttttff   t: it does, f: it does not
 * ```
 *
 * The clock of the scheduler can be set, so this decides nothing: it only says when to wait for the
 * timers, which cannot.
 */
export function leaseClock(leaseDurationMs: number): LeaseClock {
  let standsUntil = -Infinity;
  return {
    renewing: (call) =>
      defer(() => {
        const until = asyncScheduler.now() + leaseDurationMs;
        return from(call()).pipe(
          tap((answer) => {
            if (answer !== false) standsUntil = until;
          }),
        );
      }),
    stands: () => asyncScheduler.now() < standsUntil,
  };
}
