import { EMPTY, concat, connect, defer, filter, from, merge, mergeMap, repeat, timer } from "rxjs";
import type { MonoTypeOperatorFunction, Observable, ObservableInput } from "rxjs";
import { deliver } from "../rx/deliver.ts";
import { gatherMap } from "../rx/gather-map.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";
import type { Turns } from "../rx/turns.ts";
import { withCompanion } from "../rx/with-companion.ts";
import type { EventOf, WorkerEvent } from "../core/events.ts";
import type { ClusterEvent, WorkerRef } from "./cluster-event.ts";
import { checkCursor, cursorText } from "./cursor.ts";
import type { From } from "./cursor.ts";

/** A job that succeeded and whose result is kept. */
export interface CompletedJob {
  readonly id: string;
  readonly kind: string;
  readonly queue: string;
  readonly source: string | null;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly workerId: string;
  readonly workerLabel: string;
  /** From its claim until it was settled. */
  readonly durationMs: number;
  readonly position: number;
}

/** What one read of completed jobs brings. */
export interface CompletedPage {
  /** Tells the schema from all others. */
  readonly identity: string;
  /** The last position that was given to a job. */
  readonly last: number;
  /** The highest position of a job that is gone because its time was over. 0: none. */
  readonly expired: number;
  /** In the order of their positions. */
  readonly jobs: readonly CompletedJob[];
  /** Whether there may be more now, or soon: another reader may be about to give some their position. */
  readonly more: boolean;
}

/** What reading completed jobs needs. */
export interface CompletedSetup {
  /** Where to begin. */
  readonly from: From;
  /** Reads the jobs after a position; after `undefined` none, but all that are there get a position. */
  readonly read: (after: number | undefined) => ObservableInput<CompletedPage>;
  /** Whether an event is wanted. */
  readonly wanted: (event: WorkerEvent) => boolean;
  /** Milliseconds between reads when nothing is heard. */
  readonly readIntervalMs: number;
  /** Milliseconds before retry `n` of a read that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** Errors of a read that no waiting mends. */
  readonly isFatal: (error: unknown) => boolean;
  /** When what was read is handed over. */
  readonly turns: Turns;
}

/**
 * Puts the completed jobs of the tables in the place of those that are heard, so that each comes once.
 *
 * ```text
 * read     ====(12)(3)                      from the cursor on, until there is no more
 * source             -l------s-K---------K  l listening, s another event, K a kept result was heard of
 * read                         ====4     ====(56)
 * result   ----(12)(3)l------s-----4---------(56)
 * ```
 *
 * The source is subscribed to when all that there was has been read. From then on it only says when to
 * read: what it does not hear of is read at the next interval, so nothing is lost when it is deaf. What
 * has expired before it was read is told as a gap. Reads wait until what they brought was delivered, in
 * short slices. Errors with what is fatal, and with an `OptionError` for a cursor of another schema.
 */
export function completedFrom(setup: CompletedSetup): MonoTypeOperatorFunction<ClusterEvent> {
  return (event$) =>
    defer(() => {
      const readOn$ = reader(setup);
      const live$ = event$.pipe(
        connect((heard$) => {
          const tick$ = timer(setup.readIntervalMs, setup.readIntervalMs);
          const read$ = merge(heard$.pipe(filter(isReason)), tick$).pipe(gatherMap(() => readOn$));
          return heard$.pipe(
            filter((event) => !isKept(event)),
            withCompanion(read$),
          );
        }),
      );
      return concat(readOn$, live$);
    });
}

/** Tells whether a success is in the tables as well. */
function isKept(event: ClusterEvent): boolean {
  return event.type === "succeeded" && event.kept === true;
}

function isReason(event: ClusterEvent): boolean {
  return event.type === "listening" || isKept(event);
}

/** How long a read waits after one that brought nothing though there is something, in milliseconds. */
const STALLED_MS = 20;

/** What each subscription reads to its end; the next goes on where that was. */
function reader(setup: CompletedSetup): Observable<ClusterEvent> {
  const { from: begin, read, wanted, delayMs, isFatal, turns } = setup;
  // A page is delivered to its end before the next is read, so none of it need be dropped.
  const all = deliver<ClusterEvent>({ limit: Infinity, dropped: () => ({ type: "gap" }), turns });
  let cursor = typeof begin === "object" ? begin : undefined;
  /** What expired up to this position is of no concern, or was told of. */
  let told = cursor?.position;
  let more = false;
  let last = -1;
  /** Whether the last read brought nothing on. */
  let stalled = false;

  const eventsOf = (page: CompletedPage): readonly ClusterEvent[] => {
    const { identity, expired, jobs } = page;
    ({ more } = page);
    stalled = jobs.length === 0 && page.last === last;
    ({ last } = page);
    if (cursor === undefined && begin === "now") {
      // Those that were there first get their positions.
      if (!more) cursor = { identity, position: last };
      told = last;
      return [];
    }
    cursor ??= { identity, position: 0 };
    checkCursor(cursor, page);
    told ??= expired;
    const isGap = expired > Math.max(cursor.position, told);
    told = Math.max(told, expired);
    cursor = { identity, position: jobs.at(-1)?.position ?? cursor.position };
    const events = jobs.map((job) => eventOf(job, identity)).filter(wanted);
    return isGap ? [{ type: "gap" }, ...events] : events;
  };
  const after = (): number | undefined => cursor?.position ?? (begin === "now" ? undefined : 0);
  return defer(() => read(after())).pipe(
    retryBackoff({ delayMs, fatal: isFatal, report: () => undefined }),
    mergeMap((page) => (page === undefined ? EMPTY : from(eventsOf(page)).pipe(all))),
    repeat({ delay: () => (more ? timer(stalled ? STALLED_MS : 0) : EMPTY) }),
  );
}

type CompletedEvent = EventOf<"succeeded"> & { readonly worker: WorkerRef; readonly cursor: string };

function eventOf(completed: CompletedJob, identity: string): CompletedEvent {
  const { workerId, workerLabel, durationMs, position, source, ...ref } = completed;
  return {
    type: "succeeded",
    job: { ...ref, source: source ?? undefined },
    durationMs,
    result: undefined,
    kept: true,
    worker: { id: workerId, label: workerLabel },
    cursor: cursorText({ identity, position }),
  };
}
