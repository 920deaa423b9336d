import type { ClaimedJob } from "../core/job.ts";
import type { Place } from "../core/store-calls.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";
import { createFirstLooks } from "./first-looks.ts";
import { createMarkPlace } from "./mark-place.ts";

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
 * So a job that comes to stand before the mark (it is urgent, was delayed, waited for others, was retried,
 * released or recovered) is brought by the next claim, or in a lane that claims ahead when that time, five
 * seconds at most, is over. What was claimed until then begins before it, as all does that is claimed
 * ahead.
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

/** Makes the mark of a lane: none. */
export function createMark(): Mark {
  const now = monotonicClock();
  const { place, claimed } = createMarkPlace();
  const looks = createFirstLooks();
  return {
    claiming: (isAhead) => {
      const sentAt = now();
      const mark = isAhead ? place() : undefined;
      const after = looks.sent(sentAt, mark !== undefined) ? undefined : mark;
      const landed: Landed = (jobs, isFull) => {
        const at = now();
        if (after === undefined) looks.landed(at, at - sentAt);
        else looks.landedBehind(at, at - sentAt, jobs.length === 0);
        claimed(jobs, isFull, at);
        return looks.dueInMs(at);
      };
      return { after, landed };
    },
  };
}
