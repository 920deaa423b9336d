import { switchMap, timer } from "rxjs";
import type { Observable } from "rxjs";

/**
 * The longest delay of a timer, 2^31 - 1 ms or 24.8 days. Above it Node waits for one millisecond
 * instead.
 */
export const MAX_TIMER_MS = 2_147_483_647;

/**
 * Emits once after `ms`, however long that is, and completes.
 *
 * ```text
 * result   -------- 30 days --------(t|)
 * ```
 *
 * @param ms Milliseconds from 0.
 */
export function longTimer(ms: number): Observable<unknown> {
  if (ms <= MAX_TIMER_MS) return timer(ms);
  return timer(MAX_TIMER_MS).pipe(switchMap(() => longTimer(ms - MAX_TIMER_MS)));
}
