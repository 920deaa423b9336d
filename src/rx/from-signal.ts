import { Observable } from "rxjs";

/**
 * Emits once when an `AbortSignal` fires, its reason, and completes; at once when it has fired.
 *
 * ```text
 * signal   ----!
 * result   ----(r|)
 * ```
 *
 * Takes its listener off the signal when it is unsubscribed, so that a long-lived signal keeps
 * nothing alive. Use it for `stop$`, or with `takeUntil`.
 */
export function fromSignal(signal: AbortSignal): Observable<unknown> {
  return new Observable((subscriber) => {
    const emit = (): void => {
      subscriber.next(signal.reason);
      subscriber.complete();
    };
    if (signal.aborted) return emit();
    signal.addEventListener("abort", emit, { once: true });
    return () => signal.removeEventListener("abort", emit);
  });
}
