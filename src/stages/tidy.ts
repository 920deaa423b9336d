import {
  EMPTY,
  catchError,
  concat,
  defer,
  from,
  ignoreElements,
  mergeMap,
  of,
  repeat,
  tap,
  timer,
} from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { Tidied } from "../core/store-calls.ts";
import { watchOldSnapshots } from "./old-snapshot.ts";

/** What tidying needs. */
export interface TidySetup {
  /** Deletes failed jobs that are not kept any longer, at most `limit`; answers with how many. */
  readonly expireFailed: (limit: number) => ObservableInput<number>;
  /** Deletes kept results that have expired, at most `limit`; answers with how many. */
  readonly expireResults: (limit: number) => ObservableInput<number>;
  /** Looks after what is nobody's, and tells who holds the oldest snapshot: see `Store`. */
  readonly tidy: () => ObservableInput<Tidied>;
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
 * tidy            --t-------t---------t----
 * expireResults   --e-------F-e-------#----   F full: the next follows at once; # fails
 * expireFailed    --x---------x------------
 * result          ----------d---------f----   d degraded, see `watchOldSnapshots`
 * ```                                          f tidy-failed; the next round tries again
 *
 * Never completes, never errors.
 */
export function tidyStage({ expireFailed, expireResults, tidy, random }: TidySetup): Observable<WorkerEvent> {
  return defer(() => {
    let waitMs = 0;
    const watch = watchOldSnapshots();
    const tidied$ = defer(tidy).pipe(mergeMap(({ holder }) => watch(holder)));
    const round$ = defer(() => {
      waitMs = INTERVAL_MS * (0.8 + 0.4 * random());
      // First what is quick: where there is an old snapshot, deleting may take long.
      const expired$ = concat(whileFull(expireResults), whileFull(expireFailed)).pipe(ignoreElements());
      return concat(tidied$, expired$).pipe(
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
