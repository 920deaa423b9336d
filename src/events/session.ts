import {
  EMPTY,
  Subject,
  catchError,
  concatMap,
  connect,
  defer,
  exhaustMap,
  filter,
  finalize,
  from,
  map,
  merge,
  mergeMap,
  of,
  switchMap,
  timer,
} from "rxjs";
import type { Observable, OperatorFunction } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import type { ListenEvent } from "../postgres/listen.ts";
import { gatherMap } from "../rx/gather-map.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";
import type { ClusterEvent, EventFilter } from "./cluster-event.ts";
import { decode } from "./codec.ts";
import type { Chunk, Decoded } from "./codec.ts";
import { gaps } from "./gaps.ts";
import { keyOf, wanted } from "./filter.ts";

/** What a session of subscribing runs on. */
export interface SessionSetup {
  /** Listens on the channel of events. */
  readonly listen$: Observable<ListenEvent>;
  /** Enters what is wanted in the table, under the id of this session, and tells the workers. */
  readonly join: (id: string, filters: readonly EventFilter[]) => Promise<unknown>;
  /** Keeps the entry; `false` when it has expired. */
  readonly renew: (id: string) => Promise<boolean>;
  /** Removes the entry, when what is under way has ended. */
  readonly leave: (id: string, after: Promise<unknown>) => void;
  /** What the subscribers want now. */
  readonly filters: () => Iterable<EventFilter>;
  /** Emits when that has changed. */
  readonly changed$: Observable<unknown>;
  readonly newId: () => string;
  readonly renewIntervalMs: number;
  readonly delayMs: (n: number) => number;
}

/** What a session says: events, and for which filters they come from now on. */
export type SessionEvent =
  | ClusterEvent
  /** Workers were told of these filters (their `keyOf`), and notifications are heard. */
  | { readonly type: "joined"; readonly keys: ReadonlySet<string> };

/**
 * Listens to the events of a schema for all subscribers of this process, until it is unsubscribed.
 *
 * ```text
 * listen$   ---r--n-n-----l----r---n---     r restored, n notified, l lost
 * join         ==         x    ==           enters what is wanted, and workers look
 * result    -----j-e-e----d----g-j--e--     j joined, e events, d deaf, g gap
 * ```
 *
 * Never completes, never errors. Unsubscribing removes the entry, after a join that is under way.
 */
export function session(setup: SessionSetup): Observable<SessionEvent> {
  return defer(() => {
    const id = setup.newId();
    let underWay: Promise<unknown> = Promise.resolve();
    const join = async (filters: readonly EventFilter[]): Promise<unknown> => {
      const joined = setup.join(id, filters);
      underWay = Promise.allSettled([underWay, joined]);
      return joined;
    };
    return setup.listen$.pipe(
      connect((listen$) =>
        merge(
          listen$.pipe(
            filter((event) => event.type !== "notified"),
            switchMap((event): Observable<SessionEvent> =>
              event.type === "listen-restored"
                ? attend({ ...setup, join, renew: () => setup.renew(id) })
                : of({ type: "deaf", error: event.error }),
            ),
            silences(),
          ),
          listen$.pipe(
            mergeMap((event) => (event.type === "notified" ? [decode(event.payload)] : [])),
            read(),
          ),
        ),
      ),
      finalize(() => setup.leave(id, underWay)),
    );
  });
}

/** What `attend` needs: that of the session, with its id filled in. */
interface AttendSetup extends Pick<SessionSetup, "filters" | "changed$" | "renewIntervalMs" | "delayMs"> {
  readonly join: (filters: readonly EventFilter[]) => Promise<unknown>;
  readonly renew: () => Promise<boolean>;
}

/** Keeps the entry of this session, while notifications are heard. */
function attend(setup: AttendSetup): Observable<SessionEvent> {
  return defer(() => {
    const now = monotonicClock();
    const lost$ = new Subject<void>();
    let keptAt: number | undefined;
    const enter$ = defer(() => {
      const filters = [...setup.filters()];
      const keys = new Set(filters.map(keyOf));
      return from(setup.join(wanted(filters))).pipe(
        map((): SessionEvent => {
          keptAt ??= now();
          return { type: "joined", keys };
        }),
      );
    }).pipe(
      retryBackoff({
        delayMs: setup.delayMs,
        report: (error): SessionEvent => ({ type: "deaf", error: toErrorRecord(error) }),
      }),
    );
    const keep = (kept: boolean): readonly SessionEvent[] => {
      const at = now();
      const durationMs = Math.floor(at - (keptAt ?? at));
      keptAt = at;
      if (kept) return [];
      lost$.next();
      // Nobody knew of this process any more: it slept, or could not reach Postgres.
      return [{ type: "gap", durationMs }];
    };
    const renewed$ = timer(setup.renewIntervalMs, setup.renewIntervalMs).pipe(
      filter(() => keptAt !== undefined),
      exhaustMap(() => defer(() => setup.renew()).pipe(catchError(() => EMPTY))),
      mergeMap(keep),
    );
    return merge(merge(of(undefined), setup.changed$, lost$).pipe(gatherMap(() => enter$)), renewed$);
  });
}

/** Tells once that nothing is heard, and how long that was. */
function silences(): OperatorFunction<SessionEvent, SessionEvent> {
  return (source) =>
    defer(() => {
      const now = monotonicClock();
      let deafAt: number | undefined;
      return source.pipe(
        concatMap((event): readonly SessionEvent[] => {
          if (event.type === "deaf") {
            if (deafAt !== undefined) return [];
            deafAt = now();
          }
          if (event.type !== "joined" || deafAt === undefined) return [event];
          const durationMs = Math.floor(now() - deafAt);
          deafAt = undefined;
          return [{ type: "gap", durationMs }, event];
        }),
      );
    });
}

/** Notifications as events, with the gaps between them. What is none of ours is left out. */
function read(): OperatorFunction<Decoded, ClusterEvent> {
  return connect((decoded$) =>
    merge(
      decoded$.pipe(filter(isChunk), gaps()),
      decoded$.pipe(
        filter((decoded) => decoded === "unreadable"),
        map((): ClusterEvent => ({ type: "gap" })),
      ),
    ),
  );
}

function isChunk(decoded: Decoded): decoded is Chunk {
  return typeof decoded === "object";
}
