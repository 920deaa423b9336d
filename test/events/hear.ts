import { ReplaySubject, filter, firstValueFrom, timeout } from "rxjs";
import type { Observable, Subscription } from "rxjs";
import { onTestFinished } from "vitest";
import type { ClusterEvent } from "../../src/events/cluster-event.ts";

/** Longest wait for an event, in milliseconds. */
const PATIENCE_MS = 15_000;

/** A subscriber that keeps what it heard. */
export interface Hearer {
  readonly events: readonly ClusterEvent[];
  /** The first event that fits, past or to come. */
  first(fits: ClusterEvent["type"] | ((event: ClusterEvent) => boolean)): Promise<ClusterEvent>;
  /** Resolves when this holds for the events so far. */
  until(where: (events: readonly ClusterEvent[]) => boolean): Promise<unknown>;
  readonly types: () => readonly ClusterEvent["type"][];
  /** The ids of the jobs of its events, in order. */
  readonly ids: () => readonly string[];
  readonly completed: () => boolean;
  readonly stop: () => void;
}

/** Subscribes until the test is over. */
export function hear(event$: Observable<ClusterEvent>): Hearer {
  const events: ClusterEvent[] = [];
  const heard$ = new ReplaySubject<ClusterEvent>();
  let completed = false;
  const subscription: Subscription = event$.subscribe({
    next: (event) => {
      events.push(event);
      heard$.next(event);
    },
    error: (error: unknown) => heard$.error(new Error("The stream errored", { cause: error })),
    complete: () => {
      completed = true;
      heard$.error(new Error("The stream completed"));
    },
  });
  const stop = (): void => subscription.unsubscribe();
  onTestFinished(stop);
  const wait = async (fits: (event: ClusterEvent) => boolean): Promise<ClusterEvent> => {
    const fitting$ = heard$.pipe(filter(fits), timeout({ first: PATIENCE_MS }));
    return firstValueFrom(fitting$).catch((error: unknown) => {
      const seen = events.map(({ type }) => type).slice(-30);
      throw new Error(`Of ${events.length} events, at last ${seen.join(", ")}: ${String(error)}`, {
        cause: error,
      });
    });
  };
  return {
    events,
    first: async (fits) => wait(typeof fits === "function" ? fits : (event) => event.type === fits),
    until: async (where) => (where(events) ? undefined : wait(() => where(events))),
    types: () => events.map(({ type }) => type),
    ids: () => events.flatMap((event) => ("job" in event ? [event.job.id] : [])),
    completed: () => completed,
    stop,
  };
}
