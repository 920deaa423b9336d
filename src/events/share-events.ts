import { ReplaySubject, Subject, defer, finalize, ignoreElements, merge, share, takeUntil, tap } from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import { deliver } from "../rx/deliver.ts";
import { guard } from "../rx/guard.ts";
import type { Turns } from "../rx/turns.ts";
import type { ClusterEvent, EventFilter, EventsOptions } from "./cluster-event.ts";
import { completedFrom } from "./completed.ts";
import type { CompletedSetup } from "./completed.ts";
import { readFrom } from "./cursor.ts";
import { checkEventsOptions, keyOf, matches } from "./filter.ts";
import { session } from "./session.ts";
import type { SessionEvent, SessionSetup } from "./session.ts";

/** The events of all workers of a schema, for the subscribers of this process. */
export interface ClusterEvents {
  /**
   * The events that match a filter; of all of its subscribers the first opens the connection that
   * listens, the last closes it.
   *
   * @throws OptionError at the call.
   */
  readonly event$: (options?: EventsOptions) => Observable<ClusterEvent>;
  /** Completes all subscribers; resolves when their entry in the table is gone. */
  readonly close: () => Promise<void>;
}

/** What `shareEvents` needs. */
export interface ShareSetup extends Omit<SessionSetup, "filters" | "changed$" | "leave"> {
  /** Removes the entry. */
  readonly leave: (id: string) => Promise<unknown>;
  /** Told what a subscriber throws. */
  readonly report: (thrown: unknown) => void;
  /** When subscribers are told. */
  readonly turns: Turns;
  /** Reads completed jobs: see `completedFrom`. */
  readonly completed: Pick<CompletedSetup, "read" | "readIntervalMs" | "isFatal">;
}

/** The most events that wait for one subscriber: some seconds of a busy cluster. */
const QUEUE_LIMIT = 50_000;

/** Subscribers with the same filter. */
interface Group extends Telling {
  readonly filter: EventFilter;
  readonly event$: Observable<ClusterEvent>;
}

/** What those with a filter are told. */
interface Telling {
  /** Tells them what is theirs of an event. */
  readonly tell: (event: SessionEvent) => void;
  readonly told$: Observable<ClusterEvent>;
  /** How well events are heard, as they were told last. */
  readonly said: () => ClusterEvent | undefined;
}

/**
 * Shares one session among all subscribers, each with a filter of its own.
 *
 * ```text
 * session$   --j-a-b----j-a-b-----     j joined: workers know the filters so far
 * first      --l-a------(-)a-------    l listening; wants a
 * second           s----l-a-b---!      subscribes, wants all: workers are told anew
 * ```
 *
 * Those with the same filter share what waits. Subscribers that throw or are slow harm nobody: see
 * `guard` and `deliver`; what is not delivered to a slow one is a gap to it.
 */
export function shareEvents(setup: ShareSetup): ClusterEvents {
  const groups = new Map<string, Group>();
  const changed$ = new Subject<void>();
  const closed$ = new ReplaySubject<void>(1);
  const { leave, allLeft } = departures(setup.leave);
  let status: Extract<SessionEvent, { type: "joined" | "deaf" }> | undefined;

  const session$ = session({
    ...setup,
    leave,
    changed$,
    filters: () => [...groups.values()].map(({ filter }) => filter),
  }).pipe(
    tap((event) => {
      if (event.type === "joined" || event.type === "deaf") status = event;
      for (const { tell } of groups.values()) tell(event);
    }),
    ignoreElements(),
    finalize(() => (status = undefined)),
    share(),
  );

  const groupOf = (key: string, filter: EventFilter): Group => {
    const telling = tellingOf(key, filter);
    const group: Group = {
      ...telling,
      filter,
      event$: merge(
        telling.told$,
        defer(() => {
          groups.set(key, group);
          changed$.next();
          if (status !== undefined) telling.tell(status);
          return session$;
        }),
      ).pipe(
        finalize(() => {
          groups.delete(key);
          changed$.next();
        }),
        takeUntil(closed$),
        delivered(setup.turns, telling.said),
      ),
    };
    return group;
  };

  return {
    event$: (given = {}) => {
      checkEventsOptions(given);
      const { from, ...own } = given;
      const filter = structuredClone(own);
      const key = keyOf(filter);
      const live$ = defer(() => (groups.get(key) ?? groupOf(key, filter)).event$);
      const event$ = from === undefined ? live$ : live$.pipe(completedSince(setup, from, filter));
      return guard(event$.pipe(takeUntil(closed$)), setup.report);
    },
    close: async () => {
      closed$.next();
      await allLeft();
    },
  };
}

function delivered(turns: Turns, greet: Telling["said"]): MonoTypeOperatorFunction<ClusterEvent> {
  return deliver<ClusterEvent>({
    limit: QUEUE_LIMIT,
    dropped: (missed) => ({ type: "gap", missed }),
    greet,
    turns,
  });
}

/** Removes entries, and knows when all of them are gone. */
function departures(remove: ShareSetup["leave"]): {
  readonly leave: SessionSetup["leave"];
  readonly allLeft: () => Promise<unknown>;
} {
  const leaving = new Set<Promise<unknown>>();
  return {
    leave: (id, after) => {
      // When it cannot be removed, it expires.
      const left = after.then(() => remove(id)).catch(() => undefined);
      leaving.add(left);
      void left.then(() => leaving.delete(left));
    },
    allLeft: () => Promise.all(leaving),
  };
}

function tellingOf(key: string, filter: EventFilter): Telling {
  const told$ = new Subject<ClusterEvent>();
  let said: ClusterEvent | undefined;
  const say = (event: ClusterEvent): void => {
    said = event;
    told$.next(event);
  };
  return {
    told$,
    said: () => said,
    tell: (event) => {
      if (event.type === "deaf") say(event);
      else if (event.type !== "joined") {
        if (isOfAll(event) || matches(filter, event)) told$.next(event);
      } else if (said?.type !== "listening" && event.keys.has(key)) say({ type: "listening" });
    },
  };
}

/** What is told to every subscriber, whatever it wants. */
function isOfAll(
  event: ClusterEvent,
): event is Extract<ClusterEvent, { readonly type: "listening" | "deaf" | "gap" }> {
  return event.type === "listening" || event.type === "deaf" || event.type === "gap";
}

/** @throws OptionError for what is no cursor. */
function completedSince(
  { completed, delayMs, turns }: ShareSetup,
  from: string,
  filter: EventFilter,
): MonoTypeOperatorFunction<ClusterEvent> {
  return completedFrom({
    ...completed,
    from: readFrom(from),
    wanted: (event) => matches(filter, event),
    delayMs,
    turns,
  });
}
