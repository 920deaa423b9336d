import type { ClaimedJob } from "../core/job.ts";
import type { Place } from "../core/store.ts";
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
}

/** Makes the findings of a lane: none. */
export function createFindings(): Findings {
  const mark = createMark();
  let moreMayWait = false;
  let unfinished = false;
  let emptyClaims = 0;
  return {
    claiming: ({ limit, startLimit }) => {
      const { after, landed } = mark.claiming(limit > startLimit);
      return {
        after,
        landed: (jobs) => {
          const isFull = jobs.length >= limit;
          landed(jobs, isFull);
          // What stands before the mark was not looked at.
          unfinished = isFull || after !== undefined;
          // Of jobs that a worker died with, a claim brings only some.
          moreMayWait = unfinished || jobs.some(({ crashes }) => crashes > 0);
          emptyClaims = jobs.length > 0 ? 0 : emptyClaims + Number(!unfinished);
        },
      };
    },
    hadNoRoom: () => {
      moreMayWait = true;
    },
    moreMayWait: () => moreMayWait,
    isUnfinished: () => unfinished,
    findsNothing: () => emptyClaims >= EMPTY_CLAIMS,
  };
}
