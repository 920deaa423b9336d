import { defer, from, tap } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { monotonicClock } from "../rx/monotonic-clock.ts";

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
 * It is the clock that the timers go by, which nobody can set. What ends a lease is its timer all the
 * same: this only says whether that is overdue, and has to be waited for.
 */
export function leaseClock(leaseDurationMs: number): LeaseClock {
  const now = monotonicClock();
  let standsUntil = -Infinity;
  return {
    renewing: (call) =>
      defer(() => {
        const until = now() + leaseDurationMs;
        return from(call()).pipe(
          tap((answer) => {
            if (answer !== false) standsUntil = until;
          }),
        );
      }),
    stands: () => now() < standsUntil,
  };
}
