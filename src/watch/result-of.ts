import { EMPTY, filter, firstValueFrom, map, merge, mergeMap, tap, throwError, throwIfEmpty } from "rxjs";
import type { Observable } from "rxjs";
import { ClosedError, ResultError } from "../core/errors.ts";
import { fromSignal } from "../rx/from-signal.ts";
import { longTimer } from "../rx/long-timer.ts";
import { isLast } from "./job-update.ts";
import type { JobUpdate } from "./job-update.ts";

/** How long a result is waited for. */
export interface ResultOptions {
  /** Milliseconds to wait at most. From 1. Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  /** Ends the waiting: the promise is rejected with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for the end of a watched job and resolves to its result.
 *
 * @throws ResultError when it failed, was cancelled, did not end in time, or keeps no result.
 */
export function resultOf(
  id: string,
  update$: Observable<JobUpdate>,
  options: ResultOptions,
): Promise<unknown> {
  const { timeoutMs, signal } = options;
  let state: JobUpdate["state"] | undefined;
  const tooLate = (): ResultError => {
    const what = state === undefined ? "did not end within" : `is still ${state} after`;
    return new ResultError("timeout", `Job ${id} ${what} ${timeoutMs ?? 0} ms`);
  };
  const tooLate$ = timeoutMs === undefined ? EMPTY : failing(longTimer(timeoutMs), tooLate);
  const given$ = signal === undefined ? EMPTY : failing(fromSignal(signal), () => signal.reason);
  const ended$ = update$.pipe(
    tap((update) => (state = update.state)),
    filter(isLast),
    map((update) => resultIn(id, update)),
    throwIfEmpty(() => new ClosedError(`The client was closed while the result of job ${id} was waited for`)),
  );
  return firstValueFrom(merge(ended$, tooLate$, given$));
}

function failing(when$: Observable<unknown>, error: () => unknown): Observable<never> {
  return when$.pipe(mergeMap(() => throwError(error)));
}

function resultIn(id: string, { state, job }: JobUpdate): unknown {
  if (state === "completed" && job?.endedAt !== undefined) return job.result;
  if (state === "failed") {
    const cancelled = job?.cancelled === true;
    const error = job?.errors.at(-1);
    throw new ResultError(
      cancelled ? "cancelled" : "failed",
      `Job ${id} ${cancelled ? "was cancelled" : "failed"}: ${job?.reason ?? "for no known reason"}`,
      error === undefined ? {} : { cause: error },
    );
  }
  const why =
    state === "completed"
      ? "succeeded and keeps no result: enqueue it with `keepResultMs`; one that its handler completed in a transaction keeps none"
      : "has no row: it never was, or it succeeded without `keepResultMs`, or its result has expired";
  throw new ResultError("gone", `Job ${id} ${why}`);
}
