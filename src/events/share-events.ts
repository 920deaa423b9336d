import {
  ReplaySubject,
  Subject,
  concat,
  defer,
  filter as where,
  finalize,
  of,
  mergeMap,
  share,
  takeUntil,
  tap,
} from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import { deliver } from "../rx/deliver.ts";
import { guard } from "../rx/guard.ts";
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
  /** Reads completed jobs: see `completedFrom`. */
  readonly completed: Pick<CompletedSetup, "read" | "readIntervalMs" | "isFatal">;
}

/** The most events that wait for one subscriber: some seconds of a busy cluster. */
const QUEUE_LIMIT = 50_000;

interface Subscriber {
  readonly filter: EventFilter;
  readonly key: string;
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
 * Subscribers that throw or are slow harm nobody: see `guard` and `deliver`; what is not delivered
 * to a slow one is a gap to it.
 */
export function shareEvents(setup: ShareSetup): ClusterEvents {
  const subscribers = new Set<Subscriber>();
  const changed$ = new Subject<void>();
  const closed$ = new ReplaySubject<void>(1);
  const leaving = new Set<Promise<unknown>>();
  let status: Extract<SessionEvent, { type: "joined" | "deaf" }> | undefined;

  const leave = (id: string, after: Promise<unknown>): void => {
    // When it cannot be removed, it expires.
    const left = after.then(() => setup.leave(id)).catch(() => undefined);
    leaving.add(left);
    void left.then(() => leaving.delete(left));
  };
  const session$ = session({
    ...setup,
    leave,
    changed$,
    filters: () => [...subscribers].map((subscriber) => subscriber.filter),
  }).pipe(
    tap((event) => {
      if (event.type === "joined" || event.type === "deaf") status = event;
    }),
    finalize(() => {
      status = undefined;
    }),
    share(),
  );

  const subscribed = (subscriber: Subscriber): Observable<ClusterEvent> =>
    defer(() => {
      const isNew = ![...subscribers].some(({ key }) => key === subscriber.key);
      const known = status;
      subscribers.add(subscriber);
      if (isNew) changed$.next();
      return concat(known === undefined ? [] : of(known), session$).pipe(
        tellOne(subscriber),
        finalize(() => {
          subscribers.delete(subscriber);
          if (![...subscribers].some(({ key }) => key === subscriber.key)) changed$.next();
        }),
      );
    });

  return {
    event$: (given = {}) => {
      checkEventsOptions(given);
      const { from, ...own } = given;
      const filter = structuredClone(own);
      const key = keyOf(filter);
      const live$ = defer(() => subscribed({ filter, key })).pipe(
        takeUntil(closed$),
        deliver({ limit: QUEUE_LIMIT, dropped: (missed): ClusterEvent => ({ type: "gap", missed }) }),
      );
      const event$ = from === undefined ? live$ : live$.pipe(completedSince(setup, from, filter));
      return guard(event$.pipe(takeUntil(closed$)), setup.report);
    },
    close: async () => {
      closed$.next();
      await Promise.all(leaving);
    },
  };
}

/** @throws OptionError for what is no cursor. */
function completedSince(
  { completed, delayMs }: ShareSetup,
  from: string,
  filter: EventFilter,
): MonoTypeOperatorFunction<ClusterEvent> {
  return completedFrom({
    ...completed,
    from: readFrom(from),
    wanted: (event) => matches(filter, event),
    delayMs,
  });
}

/** What one subscriber is told: that it is listening once workers know its filter, and what matches. */
function tellOne({
  filter: own,
  key,
}: Subscriber): (event$: Observable<SessionEvent>) => Observable<ClusterEvent> {
  return (event$) =>
    defer(() => {
      let listens = false;
      return event$.pipe(
        where((event) => event.type !== "joined" || (!listens && event.keys.has(key))),
        mergeMap((event): readonly ClusterEvent[] => {
          switch (event.type) {
            case "joined":
              listens = true;
              return [{ type: "listening" }];
            case "deaf":
              listens = false;
              return [event];
            case "listening":
            case "gap":
              return [event];
            default:
              return matches(own, event) ? [event] : [];
          }
        }),
      );
    });
}
