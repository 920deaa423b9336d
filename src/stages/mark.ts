import type { ClaimedJob } from "../core/job.ts";
import type { Place } from "../core/store.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";

/**
 * Where in the order of a queue its claims go on.
 *
 * A claim from the first place steps over every row that was claimed before and that Postgres could not
 * remove yet: hundreds of thousands of them, while some session holds an old snapshot. So the next claim
 * begins behind the last job, and what may wait before that is looked for from the first place again:
 *
 * - when the lane claims for its free slots only, as it does where jobs take longer than claims: there
 *   claims are not what it waits for, and a slot that took the wrong job would keep it for long;
 * - when the claim before was not full, so that there may be nothing behind;
 * - and when it is time: what claims from the first place take longer than others is a tenth of the
 *   time, as far as a second between them allows. On most days that is nothing.
 *
 * So a job that comes to stand before the mark (it is urgent, was retried, released or recovered, or
 * committed late) is brought by the next claim, or in a lane that claims ahead by the first that is sent
 * when that time, a second at most, is over. What was claimed until then begins before it, as all does
 * that is claimed ahead. A claim is also late because the thread was busy, so two of each have to agree.
 *
 * ```text
 * from the first place   F F           F    F F F F     excess of F: 1 ms, 1 ms, 0 ms
 * behind the mark           m m m m m m  m m            for 9 ms each, then none
 * ```
 */
export interface Mark {
  /**
   * A claim is sent, for free slots only or for more: the place behind which it begins, and what to call
   * when it landed.
   */
  readonly claiming: (isAhead: boolean) => { readonly after: Place | undefined; readonly landed: Landed };
}

/** Takes what a claim brought, and whether it was full. */
type Landed = (jobs: readonly ClaimedJob[], isFull: boolean) => void;

/** For how many times its excess a claim from the first place is not made again. */
const REST = 9;

/** The longest time between two of them, in milliseconds. */
const MAX_REST_MS = 1_000;

/** Makes the mark of a lane: none. */
export function createMark(): Mark {
  const now = monotonicClock();
  let last: Place | undefined;
  let firstMs: readonly number[] = [];
  let behindMs: readonly number[] = [];
  let fromFirstAt = -Infinity;
  return {
    claiming: (isAhead) => {
      const sentAt = now();
      const after = isAhead && sentAt < fromFirstAt ? last : undefined;
      const landed: Landed = (jobs, isFull) => {
        const landedAt = now();
        const ms = landedAt - sentAt;
        if (after !== undefined) behindMs = [...behindMs, ms].slice(-2);
        else {
          firstMs = [...firstMs, ms].slice(-2);
          if (firstMs.length === 2) fromFirstAt = landedAt + restMs(firstMs, behindMs);
        }
        last = isFull ? (placeOf(jobs.at(-1)) ?? last) : undefined;
      };
      return { after, landed };
    },
  };
}

function restMs(firstMs: readonly number[], behindMs: readonly number[]): number {
  const excessMs = Math.min(...firstMs) - Math.max(0, ...behindMs);
  return Math.min(MAX_REST_MS, REST * excessMs);
}

/** A job that a worker died with is claimed before its turn. */
function placeOf(job: ClaimedJob | undefined): Place | undefined {
  return job === undefined || job.crashes > 0 ? undefined : { priority: job.priority, id: job.id };
}
