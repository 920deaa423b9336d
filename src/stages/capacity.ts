import { EMPTY, ReplaySubject, catchError, mergeMap, of, share } from "rxjs";
import type { Observable } from "rxjs";
import { OptionError, expected } from "../core/errors.ts";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import { isolate } from "../rx/isolate.ts";

/**
 * The app's capacity as a number: `true` is all there is, `false` is 0.
 *
 * ```text
 * given$      -4--f--x--t--#     f: false, x: -1, t: true
 * capacity$   -4--0-----∞--|     reports two capacity-failed; what was said before stands
 * ```
 *
 * Shared by the lanes of a worker. Never errors: what is no capacity, and an error, go to `report`.
 *
 * @param ended$ Until it emits, what was said last stands also when nobody listens for a while. Default:
 * it is asked anew then.
 */
export function capacityStage(
  given$: Observable<number | boolean> | undefined,
  report: (event: WorkerEvent) => void,
  ended$: Observable<unknown> = of(undefined),
): Observable<number> {
  const failed = (error: unknown): Observable<never> => {
    report({ type: "capacity-failed", error: toErrorRecord(error) });
    return EMPTY;
  };
  return isolate(given$ ?? EMPTY).pipe(
    mergeMap((given) => {
      if (typeof given === "boolean") return of(given ? Infinity : 0);
      if (Number.isSafeInteger(given) && given >= 0) return of(given);
      return failed(new OptionError(expected("capacity$", "integers from 0 up, true or false", given)));
    }),
    catchError(failed),
    share({
      connector: () => new ReplaySubject(1),
      resetOnComplete: false,
      resetOnError: false,
      resetOnRefCountZero: () => ended$,
    }),
  );
}
