import type { ClaimedJob } from "../core/job.ts";
import type { Place } from "../core/store.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";

/**
 * Where in the order of a queue its claims go on.
 *
 * A claim from the first place steps over every row that was claimed before and that Postgres could not
 * remove yet: a million of them, while some session holds an old snapshot. So claims begin behind what was
 * claimed some time ago, and what may wait before that is looked for from the first place again:
 *
 * - when the lane claims for its free slots only, as it does where jobs take longer than claims: there
 *   claims are not what it waits for, and a slot that took the wrong job would keep it for long;
 * - when it is time: what claims from the first place take longer than others is a tenth of the time, as
 *   far as five seconds between them allow. On most days that is nothing;
 * - and when a claim behind the mark brought nothing, for the job of a wake-up may stand before it; then
 *   that is a quarter of the time at most.
 *
 * So a job that comes to stand before the mark (it is urgent, was retried, released or recovered) is
 * brought by the next claim or the one after, or in a lane that is kept busy and claims ahead by the first
 * that is sent when that time, five seconds at most, is over. What was claimed until then begins before it,
 * as all does that is claimed ahead. A claim is also late because the thread was busy, so two of each have
 * to agree.
 *
 * ```text
 * from the first place   F F           F    F F F F     excess of F: 1 ms, 1 ms, 0 ms
 * behind the mark           m m m m m m  m m            for 9 ms each, then none
 * ```
 *
 * Ids are drawn before a job is enqueued for good, so one may be there later than those behind it. For
 * this the mark follows the last job half a second later.
 */
export interface Mark {
  /**
   * A claim is sent, for free slots only or for more: the place behind which it begins, and what to call
   * when it landed.
   */
  readonly claiming: (isAhead: boolean) => { readonly after: Place | undefined; readonly landed: Landed };
}

/**
 * Takes what a claim brought, and whether it was full. Answers with the milliseconds until the next may
 * begin at the first place.
 */
type Landed = (jobs: readonly ClaimedJob[], isFull: boolean) => number;

/** Where the mark stands, where it will stand after the next turn, and behind the last job. */
type Places = readonly [mark: Place, coming: Place, newest: Place];

/** For how many times its excess a claim from the first place is not made again. */
const REST = 9;

/** And for how many times, if a claim behind the mark brought nothing. */
const REST_IF_EMPTY = 3;

/** The longest time between two of them, in milliseconds. */
const MAX_REST_MS = 5_000;

/** The time between two turns, in milliseconds: the mark follows the last job after one to two of them. */
const TURN_MS = 500;

/** Makes the mark of a lane: none. */
export function createMark(): Mark {
  const now = monotonicClock();
  let places: Places | undefined;
  let turnedAt = -Infinity;
  let firstMs: readonly number[] = [];
  let behindMs: readonly number[] = [];
  /** From when on a claim begins at the first place, and from when on if a claim behind the mark brought nothing. */
  let fromFirstAt = -Infinity;
  let ifEmptyAt = -Infinity;
  return {
    claiming: (isAhead) => {
      const sentAt = now();
      const after = isAhead && sentAt < fromFirstAt ? places?.[0] : undefined;
      const landed: Landed = (jobs, isFull) => {
        const landedAt = now();
        const ms = landedAt - sentAt;
        if (after !== undefined) {
          behindMs = [...behindMs, ms].slice(-2);
          if (jobs.length === 0) fromFirstAt = Math.min(fromFirstAt, ifEmptyAt);
        } else {
          firstMs = [...firstMs, ms].slice(-2);
          const excessMs = firstMs.length === 2 ? excess(firstMs, behindMs) : 0;
          fromFirstAt = landedAt + Math.min(MAX_REST_MS, REST * excessMs);
          ifEmptyAt = landedAt + Math.min(MAX_REST_MS, REST_IF_EMPTY * excessMs);
        }
        const isTurn = landedAt - turnedAt >= TURN_MS;
        if (isTurn) turnedAt = landedAt;
        if (isTurn && places !== undefined) places = [places[1], places[2], places[2]];
        const last = placeOf(jobs.at(-1));
        if (last !== undefined) places = moved(places ?? [last, last, last], last, isFull);
        return Math.max(0, fromFirstAt - landedAt);
      };
      return { after, landed };
    },
  };
}

/**
 * Between where a claim began and its last job nothing waits any more. Behind that, more does if the claim
 * was full, so the mark stands before it.
 */
function moved([mark, coming, newest]: Places, last: Place, isFull: boolean): Places {
  if (!isFull) return [mark, coming, isBefore(newest, last) ? last : newest];
  return [isBefore(last, mark) ? last : mark, isBefore(last, coming) ? last : coming, last];
}

function isBefore(a: Place, b: Place): boolean {
  return a.priority === b.priority ? BigInt(a.id) < BigInt(b.id) : a.priority < b.priority;
}

/** By how many milliseconds the quicker of two claims is slower than the slower of two others, at least 0. */
function excess(firstMs: readonly number[], behindMs: readonly number[]): number {
  return Math.max(0, Math.min(...firstMs) - Math.max(0, ...behindMs));
}

/** A job that a worker died with is claimed before its turn. */
function placeOf(job: ClaimedJob | undefined): Place | undefined {
  return job === undefined || job.crashes > 0 ? undefined : { priority: job.priority, id: job.id };
}
