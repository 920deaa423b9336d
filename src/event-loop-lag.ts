import { defer, interval, map } from "rxjs";
import type { Observable } from "rxjs";
import { checkOptions, integer } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { monotonicClock } from "./rx/monotonic-clock.ts";

/** Options of `eventLoopLag`. */
export interface EventLoopLagOptions {
  /**
   * Milliseconds between two measurements: what is shorter can pass unseen between them. Integer
   * from 1 to 3,600,000. Default 100.
   */
  readonly intervalMs?: number | undefined;
}

const RULES: Readonly<Record<string, Rule>> = { intervalMs: integer(1, 3_600_000) };

const DEFAULT_INTERVAL_MS = 100;

/**
 * Measures how late the event loop comes to a timer, in whole milliseconds from 0, again and again:
 * how long everything else in this process has to wait for its turn.
 *
 * ```text
 * event loop  --------==-------      = busy
 * result      ----0-----2---0--      intervalMs: 4
 * ```
 *
 * With `map` and `distinctUntilChanged` it is a gate for `capacity$`: `docs/streams.md`. Cold, one
 * timer a subscriber, never completes. Setting the clock of the machine does not show in
 * it; a process that was stopped shows as one high value.
 *
 * @throws OptionError at the call.
 */
export function eventLoopLag(options: EventLoopLagOptions = {}): Observable<number> {
  checkOptions("eventLoopLag options", options, RULES);
  const { intervalMs = DEFAULT_INTERVAL_MS } = options;
  return defer(() => {
    const now = monotonicClock();
    let dueAt = now() + intervalMs;
    return interval(intervalMs).pipe(
      map(() => {
        const at = now();
        const lagMs = Math.max(0, Math.floor(at - dueAt));
        dueAt = at + intervalMs;
        return lagMs;
      }),
    );
  });
}
