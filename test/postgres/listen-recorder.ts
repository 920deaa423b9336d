import { filter, firstValueFrom, map, startWith, Subject, take, timeout } from "rxjs";
import type { Observable } from "rxjs";
import type { ListenEvent } from "../../src/postgres/listen.ts";

/** Subscribes to a stream that is to be watched; disposing it unsubscribes. */
export interface Recorder extends Disposable {
  /** All events so far. */
  readonly events: readonly ListenEvent[];
  /** How many of one type there were. */
  count(type: ListenEvent["type"]): number;
  /** The payloads so far. */
  payloads(): readonly string[];
  /** Waits for the next event that fits, among those not passed over by an earlier wait. */
  next(fits: ListenEvent["type"] | ((event: ListenEvent) => boolean)): Promise<ListenEvent>;
}

/** Longest wait for an event before a test fails, in milliseconds. */
const PATIENCE_MS = 15_000;

/** Records a stream that must neither error nor complete: if it does, the next wait rejects. */
export function record(event$: Observable<ListenEvent>): Recorder {
  const events: ListenEvent[] = [];
  const arrived$ = new Subject<void>();
  let seen = 0;
  const subscription = event$.subscribe({
    next: (event) => {
      events.push(event);
      arrived$.next();
    },
    error: (error: unknown) => arrived$.error(error),
    complete: () => arrived$.error(new Error("The stream completed")),
  });
  return {
    events,
    count: (type) => events.filter((event) => event.type === type).length,
    payloads: () => events.flatMap((event) => (event.type === "notified" ? [event.payload] : [])),
    next: (wanted) => {
      const fits = typeof wanted === "string" ? (event: ListenEvent) => event.type === wanted : wanted;
      return firstValueFrom(
        arrived$.pipe(
          startWith(undefined),
          map(() => events.findIndex((event, index) => index >= seen && fits(event))),
          filter((index) => index >= 0),
          take(1),
          timeout(PATIENCE_MS),
          map((index) => {
            seen = index + 1;
            return events[index] as ListenEvent;
          }),
        ),
      );
    },
    [Symbol.dispose]: () => subscription.unsubscribe(),
  };
}

/** Fits the notification with this payload. */
export function payload(text: string): (event: ListenEvent) => boolean {
  return (event) => event.type === "notified" && event.payload === text;
}
