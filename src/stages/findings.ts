import type { ClaimedJob } from "../core/job.ts";
import type { Place } from "../core/store-calls.ts";
import type { Demand } from "./claim.ts";
import { createMark } from "./mark.ts";

/** So many claims in a row may find nothing before the lane rests after each that does. */
const EMPTY_CLAIMS = 5;

/** What the claims of one lane have shown of its queue. */
export interface Findings {
  /** A claim is sent: where it begins, and what to call with what it brought of the jobs it asked for. */
  readonly claiming: (asked: Pick<Demand, "limit" | "startLimit">) => {
    readonly after: Place | undefined;
    readonly landed: (jobs: readonly ClaimedJob[]) => void;
  };
  /** There was no room to claim, so nobody knows. */
  readonly hadNoRoom: () => void;
  /** Whether more may wait in the queue: the last claim did not reach its end, or there was no room for one. */
  readonly moreMayWait: () => boolean;
  /** Whether the last claim ended before the end of the queue, so that the next would bring more. */
  readonly isUnfinished: () => boolean;
  /** Whether claims keep coming back empty. */
  readonly findsNothing: () => boolean;
  /**
   * In how many milliseconds to claim again, because the last claim brought all behind the mark and did not
   * look before it. `undefined`: the next wake-up is early enough.
   */
  readonly againInMs: () => number | undefined;
}

/** Makes the findings of a lane: none. */
export function createFindings(): Findings {
  const mark = createMark();
  let moreMayWait = false;
  let unfinished = false;
  let emptyClaims = 0;
  let againInMs: number | undefined;
  return {
    claiming: ({ limit, startLimit }) => {
      const { after, landed } = mark.claiming(limit > startLimit);
      return {
        after,
        landed: (jobs) => {
          unfinished = jobs.length >= limit;
          const fromFirstInMs = landed(jobs, unfinished);
          againInMs = after === undefined || unfinished ? undefined : fromFirstInMs;
          // Of jobs that a worker died with, a claim brings only some.
          moreMayWait = unfinished || jobs.some(({ crashes }) => crashes > 0);
          emptyClaims = jobs.length > 0 ? 0 : emptyClaims + 1;
        },
      };
    },
    hadNoRoom: () => {
      moreMayWait = true;
    },
    moreMayWait: () => moreMayWait,
    isUnfinished: () => unfinished,
    findsNothing: () => emptyClaims >= EMPTY_CLAIMS,
    againInMs: () => againInMs,
  };
}
