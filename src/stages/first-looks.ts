/**
 * When claims begin at the first place of a queue, by what that costs: a claim from there steps over dead
 * rows that one behind the mark does not see. Times are in milliseconds of one clock.
 *
 * ```text
 * from the first place   F F           F    F F F F     excess of F: 1 ms, 1 ms, 0 ms
 * behind the mark           m m m m m m  m m            for 9 ms each, then none
 * ```
 */
export interface FirstLooks {
  /**
   * A claim is sent, and may begin behind the mark or not: whether it begins at the first place. After one
   * from there that failed, for it took too long, the next begin behind the mark.
   */
  readonly sent: (at: number, mayBeBehind: boolean) => boolean;
  /** In how many milliseconds one is to begin at the first place. */
  readonly dueInMs: (at: number) => number;
  /** A claim from the first place landed, after so many milliseconds. */
  readonly landed: (at: number, ms: number) => void;
  /** A claim behind the mark landed, and may have brought nothing. */
  readonly landedBehind: (at: number, ms: number, isEmpty: boolean) => void;
}

/** For how many times its excess a claim from the first place is not made again. */
const REST = 9;

/** And for how many times, if a claim behind the mark brought nothing. */
const REST_IF_EMPTY = 3;

/** The longest time between two of them, in milliseconds, and for how long it counts what others took. */
const MAX_REST_MS = 5_000;

/** Makes it. The first two claims begin at the first place. */
export function createFirstLooks(): FirstLooks {
  let firstMs: readonly number[] = [];
  let behindMs: readonly number[] = [];
  let behindAt = -Infinity;
  let dueAt = -Infinity;
  let dueIfEmptyAt = -Infinity;
  /** Whether the last claim from the first place has not landed. There is one claim at a time: at the next, it has failed. */
  let isOut = false;
  return {
    sent: (at, mayBeBehind) => {
      if (isOut) dueAt = at + MAX_REST_MS;
      isOut = !mayBeBehind || at >= dueAt;
      return isOut;
    },
    dueInMs: (at) => Math.max(0, dueAt - at),
    landed: (at, ms) => {
      isOut = false;
      firstMs = [...firstMs, ms].slice(-2);
      if (at - behindAt > MAX_REST_MS) behindMs = [];
      const excessMs = firstMs.length < 2 ? 0 : excess(firstMs, behindMs);
      dueAt = at + Math.min(MAX_REST_MS, REST * excessMs);
      dueIfEmptyAt = at + Math.min(MAX_REST_MS, REST_IF_EMPTY * excessMs);
    },
    landedBehind: (at, ms, isEmpty) => {
      behindMs = [...behindMs, ms].slice(-2);
      behindAt = at;
      if (isEmpty) dueAt = Math.min(dueAt, dueIfEmptyAt);
    },
  };
}

/** By how many milliseconds the quicker of two claims is slower than the slower of two others, at least 0: one may be late because the thread was busy. */
function excess(firstMs: readonly number[], behindMs: readonly number[]): number {
  return Math.max(0, Math.min(...firstMs) - Math.max(0, ...behindMs));
}
