import { asyncScheduler } from "rxjs";
import type { Subscription } from "rxjs";
import { monotonicClock } from "./monotonic-clock.ts";

/** Hands values over until it has no more or `isOver` says so, one at least; tells whether it has more. */
export type Turn = (isOver: () => boolean) => boolean;

/** Gives turns to whoever has values to hand over. */
export interface Turns {
  /** Gives it one turn, soon. */
  readonly ask: (turn: Turn) => void;
  /** Forgets it. */
  readonly leave: (turn: Turn) => void;
}

/** So long all turns together may take before the event loop is given back, in milliseconds. */
const SLICE_MS = 2;

/** A slice that was used up is followed by a pause of so many times its length. */
const PAUSE_FACTOR = 6;

/** The longest pause, in milliseconds: the process may have been stopped. */
const MAX_PAUSE_MS = 5_000;

/** After a slice that took longer there is a pause in any case, in milliseconds. */
const LONG_MS = 20;

/** Who is ahead of the others by less needs little, in milliseconds. */
const LITTLE_MS = 5;

/**
 * Makes turns that leave six sevenths of the thread to others, however many ask and whatever they do.
 * Where nobody else wants it, those that are quick go on.
 *
 * ```text
 * ask      (abc)         b takes long
 * turns    a=b====-----c=     and all rest from it
 * ```
 *
 * @param idleSince Begins to look at the event loop; the answer tells whether it had nothing to do since.
 */
export function createTurns(idleSince: () => () => boolean): Turns {
  const queue = fairQueue();
  const now = monotonicClock();
  let freeAt = 0;
  /** Whether nobody else wanted the thread since the last slice, where that matters. */
  let isIdle: (() => boolean) | undefined;
  let action: Subscription | undefined;

  const plan = (): void => {
    if (queue.isEmpty()) return;
    const pauseMs = isIdle === undefined ? Math.min(MAX_PAUSE_MS, Math.max(0, freeAt - now())) : 0;
    action ??= asyncScheduler.schedule(begin, pauseMs);
  };
  const rest = (): void => {
    action?.unsubscribe();
    action = undefined;
  };
  const begin = (): void => {
    const mayGoOn = isIdle?.() ?? true;
    isIdle = undefined;
    if (mayGoOn) slice();
    rest();
    plan();
  };
  const slice = (): void => {
    const from = now();
    const isOver = (): boolean => now() - from >= SLICE_MS;
    for (let turn = queue.next(); turn !== undefined; turn = isOver() ? undefined : queue.next()) {
      const began = now();
      queue.remove(turn);
      const hasMore = turn(isOver);
      queue.spent(turn, now() - began, hasMore);
    }
    if (!isOver()) return;
    const took = now() - from;
    freeAt = now() + took * PAUSE_FACTOR;
    if (took <= LONG_MS) isIdle = idleSince();
  };
  return {
    ask: (turn) => {
      queue.add(turn);
      plan();
    },
    leave: (turn) => {
      queue.remove(turn);
      if (queue.isEmpty()) rest();
    },
  };
}

interface FairQueue {
  readonly isEmpty: () => boolean;
  readonly next: () => Turn | undefined;
  readonly add: (turn: Turn) => void;
  readonly remove: (turn: Turn) => void;
  /** A turn took so long, and wants another or not. */
  readonly spent: (turn: Turn, ms: number, hasMore: boolean) => void;
}

/**
 * Whoever needs little is next. Of the others it is the one that had least time, so that those that
 * take long do not keep them from theirs.
 */
function fairQueue(): FairQueue {
  const light = new Set<Turn>();
  const waiting = new Set<Turn>();
  /** How much time each had; who comes, or comes back, no less than those that wait. */
  const had = new WeakMap<Turn, number>();
  /** What those had at least. */
  let least = 0;
  const timeOf = (turn: Turn): number => had.get(turn) ?? 0;
  return {
    isEmpty: () => light.size + waiting.size === 0,
    next: () => {
      const [first] = light;
      if (first !== undefined) return first;
      const found = leastOf(waiting, timeOf, least);
      if (found !== undefined) least = timeOf(found);
      return found;
    },
    add: (turn) => {
      const time = Math.max(least, timeOf(turn));
      had.set(turn, time);
      (time > least + LITTLE_MS ? waiting : light).add(turn);
    },
    remove: (turn) => {
      light.delete(turn);
      waiting.delete(turn);
    },
    spent: (turn, ms, hasMore) => {
      had.set(turn, timeOf(turn) + ms);
      if (hasMore) waiting.add(turn);
    },
  };
}

/** The one with the least time, or the first with no more than `enough`. */
function leastOf(turns: Iterable<Turn>, timeOf: (turn: Turn) => number, enough: number): Turn | undefined {
  let found: Turn | undefined;
  let least = Infinity;
  for (const turn of turns) {
    if (timeOf(turn) >= least) continue;
    found = turn;
    least = timeOf(turn);
    if (least <= enough) break;
  }
  return found;
}
