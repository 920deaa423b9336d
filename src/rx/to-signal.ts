import { take } from "rxjs";
import type { Observable } from "rxjs";

/**
 * Makes an `AbortSignal` that fires with the first value of a stream, which becomes its reason, or
 * with its error: `fromSignal` the other way round.
 *
 * ```text
 * source$   ----r--
 * signal    ----!       its reason is r
 * ```
 *
 * For `fetch`, streams of Node and whatever else takes a signal. Subscribes at once and unsubscribes
 * when the signal fires. A stream that completes without a value leaves a signal that never fires:
 * end one that is not needed any more with `takeUntil`.
 */
export function toSignal(source$: Observable<unknown>): AbortSignal {
  const controller = new AbortController();
  const abort = (reason: unknown): void => controller.abort(reason);
  source$.pipe(take(1)).subscribe({ next: abort, error: abort });
  return controller.signal;
}
