import { filter, firstValueFrom, ReplaySubject, timeout } from "rxjs";
import type { Observable, Subscription } from "rxjs";
import { onTestFinished } from "vitest";
import type { EventOf, WorkerEvent } from "../../src/index.ts";

/** Longest wait for an event, in milliseconds; a busy machine takes a second. */
const EVENT_TIMEOUT_MS = 28_000;

/** What a worker said so far, and what it says next. */
export interface Recording<Kind extends string> {
  readonly events: readonly WorkerEvent<Kind>[];
  /** All events of a type so far. */
  all<Type extends WorkerEvent["type"]>(type: Type): readonly EventOf<Type, Kind>[];
  /** The first event of a type that `where` holds for, past or to come; rejects when it stays away. */
  first<Type extends WorkerEvent["type"]>(
    type: Type,
    where?: (event: EventOf<Type, Kind>) => boolean,
  ): Promise<EventOf<Type, Kind>>;
  /** Resolves when `where` holds for the events so far. */
  until(where: (events: readonly WorkerEvent<Kind>[]) => boolean): Promise<void>;
  /** Resolves when the stream has completed, rejects when it errored. */
  readonly ended: Promise<void>;
  /** Unsubscribes: of a cold worker, this aborts it. */
  readonly stop: () => void;
}

/** Subscribes to a worker and keeps its events. Unsubscribes when the test is over. */
export function record<Kind extends string>(event$: Observable<WorkerEvent<Kind>>): Recording<Kind> {
  const events: WorkerEvent<Kind>[] = [];
  const heard$ = new ReplaySubject<WorkerEvent<Kind>>();
  let subscription: Subscription | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    subscription = event$.subscribe({
      next: (event) => {
        events.push(event);
        heard$.next(event);
      },
      error: (error: unknown) => {
        heard$.error(error);
        reject(error);
      },
      complete: () => {
        heard$.complete();
        resolve();
      },
    });
  });
  // A test that does not look at the end must not fail by its rejection.
  ended.catch(() => {});
  const stop = (): void => subscription?.unsubscribe();
  onTestFinished(stop);

  const ofType =
    <Type extends WorkerEvent["type"]>(type: Type) =>
    (event: WorkerEvent<Kind>): event is EventOf<Type, Kind> =>
      event.type === type;
  return {
    events,
    all: (type) => events.filter(ofType(type)),
    first: async (type, where = () => true) =>
      firstValueFrom(
        heard$.pipe(
          filter(ofType(type)),
          filter(where),
          timeout({ first: EVENT_TIMEOUT_MS, with: () => failure(`no ${type}`, events) }),
        ),
      ),
    until: async (where) => {
      if (where(events)) return;
      await firstValueFrom(
        heard$.pipe(
          filter(() => where(events)),
          timeout({ first: EVENT_TIMEOUT_MS, with: () => failure("no such events", events) }),
        ),
      );
    },
    ended,
    stop,
  };
}

function failure(what: string, events: readonly WorkerEvent[]): never {
  const seen = events.slice(-30).map((event) => event.type);
  throw new Error(
    `Waited ${EVENT_TIMEOUT_MS} ms: ${what} among ${events.length} events, at last ${seen.join(", ")}`,
  );
}
