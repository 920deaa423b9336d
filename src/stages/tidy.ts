import { EMPTY, catchError, concat, defer, from, ignoreElements, of, repeat, tap, timer } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";

/** What tidying needs. */
export interface TidySetup {
  /** Deletes failed jobs that are not kept any longer, at most `limit`; answers with how many. */
  readonly expireFailed: (limit: number) => ObservableInput<number>;
  /** Deletes kept results that have expired, at most `limit`; answers with how many. */
  readonly expireResults: (limit: number) => ObservableInput<number>;
  /** Looks after what is nobody's: see `Store`. */
  readonly tidy: () => ObservableInput<unknown>;
  /** From 0 up to 1, to keep workers apart. */
  readonly random: () => number;
}

/** How many rows one statement deletes at most; a full one is followed by the next at once. */
const LIMIT = 1_000;

/** From one round to the next, in milliseconds, up to a fifth more or less. */
const INTERVAL_MS = 30_000;

/**
 * Deletes what has expired, in rounds. The first comes at any moment of the first half minute, so that
 * workers that start together do not delete together, and those that live shortly do their share.
 *
 * ```text
 * expireResults   --e-------F e-------#----   F full: the next follows at once; # fails
 * expireFailed    --x---------x-----------
 * tidy            --t---------t-----------
 * result          --------------------f----   f tidy-failed; the next round tries again
 * ```
 *
 * Never completes, never errors.
 */
export function tidyStage({ expireFailed, expireResults, tidy, random }: TidySetup): Observable<WorkerEvent> {
  return defer(() => {
    let waitMs = 0;
    const round$ = defer(() => {
      waitMs = INTERVAL_MS * (0.8 + 0.4 * random());
      return concat(whileFull(expireResults), whileFull(expireFailed), defer(tidy)).pipe(
        ignoreElements(),
        catchError((error: unknown) =>
          of<WorkerEvent>({ type: "tidy-failed", error: toErrorRecord(error), retryInMs: waitMs }),
        ),
      );
    });
    return concat(
      timer(INTERVAL_MS * random()).pipe(ignoreElements()),
      round$.pipe(repeat({ delay: () => timer(waitMs) })),
    );
  });
}

/** Repeats a deletion for as long as it deletes as much as it may. */
function whileFull(expire: (limit: number) => ObservableInput<number>): Observable<number> {
  return defer(() => {
    let full = false;
    return defer(() => from(expire(LIMIT))).pipe(
      tap((count) => (full = count >= LIMIT)),
      repeat({ delay: () => (full ? of(true) : EMPTY) }),
    );
  });
}
