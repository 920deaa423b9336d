import type { Observable } from "rxjs";
import { iterate } from "../../src/index.ts";
import type { ClusterEvent, WorkerEvent } from "../../src/index.ts";

/** What the streams of the library tell. */
export type Told = WorkerEvent | ClusterEvent;

/** What a subscriber does with events. */
export type Behaviour =
  /** Nothing else than count them. */
  | "counts"
  | "throws"
  /** Blocks the thread for 50 ms at each. */
  | "blocks"
  /** Is a loop that takes one event and comes for no other. */
  | "never reads"
  /** Unsubscribes inside each event, and subscribes anew. */
  | "leaves";

/** All but the first. */
export const HOSTILE: readonly Behaviour[] = ["throws", "blocks", "never reads", "leaves"];

/** Somebody who listens. */
export interface Listener {
  readonly behaviour: Behaviour;
  /** How many events it was told of, or told to have missed. */
  readonly total: () => number;
  /** How many of them it missed. */
  readonly missed: () => number;
  /** The type of the last one. */
  readonly last: () => Told["type"] | undefined;
  /** From now on it only counts. */
  readonly calm: () => void;
  /** It listens no more. */
  readonly leave: () => void;
}

/** Makes a listener, which listens at once. */
export function listen(event$: Observable<Told>, behaviour: Behaviour): Listener {
  let heard = 0;
  let missed = 0;
  let last: Told["type"] | undefined;
  let calm = false;
  const hear = (event: Told): void => {
    const lacking = missedIn(event);
    last = event.type;
    if (lacking > 0) missed += lacking;
    else if (event.type !== "listening") heard += 1;
    if (!calm) misbehave(behaviour);
  };
  const start = (): { readonly calm?: () => void; readonly leave: () => void } => {
    if (behaviour === "never reads") return loop(event$, hear);
    if (behaviour === "leaves") return restless(event$, hear);
    const subscription = event$.subscribe(hear);
    return { leave: () => subscription.unsubscribe() };
  };
  const listening = start();
  return {
    behaviour,
    total: () => heard + missed,
    missed: () => missed,
    last: () => last,
    calm: () => {
      calm = true;
      listening.calm?.();
    },
    leave: listening.leave,
  };
}

const BLOCK_MS = 50;

function misbehave(behaviour: Behaviour): void {
  if (behaviour === "throws") throw new Error("A subscriber of the board throws");
  if (behaviour !== "blocks") return;
  const endsAt = performance.now() + BLOCK_MS;
  while (performance.now() < endsAt);
}

/** So many events wait for a loop at most. */
const LOOP_LIMIT = 1_000;

function loop(event$: Observable<Told>, hear: (event: Told) => void): ReturnType<typeof restless> {
  const steps = iterate(event$, {
    limit: LOOP_LIMIT,
    dropped: (count): Told => ({ type: "events-dropped", count }),
  });
  const read = async (): Promise<void> => {
    for await (const event of steps) hear(event);
  };
  const first = steps.next();
  void first.then(({ value }) => value !== undefined && hear(value));
  return { calm: () => void first.then(read), leave: () => void steps.return() };
}

function restless(
  event$: Observable<Told>,
  hear: (event: Told) => void,
): { readonly calm: () => void; readonly leave: () => void } {
  let left = false;
  const subscribe = (): { unsubscribe: () => void } => {
    const own = event$.subscribe((event) => {
      hear(event);
      own.unsubscribe();
      if (!left) subscription = subscribe();
    });
    return own;
  };
  let subscription = subscribe();
  const leave = (): void => {
    left = true;
    subscription.unsubscribe();
  };
  return { calm: leave, leave };
}

function missedIn(event: Told): number {
  if (event.type === "events-dropped") return event.count;
  return event.type === "gap" ? (event.missed ?? 0) : 0;
}
