import { CLAIM_LIMIT } from "../core/store-calls.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";

/**
 * Counts the slots of one lane, and decides how much to claim.
 *
 * The demand is the free slots, plus what is likely to finish in the time of some claims: jobs that take
 * much longer than a round trip prefetch nothing, trivial ones prefetch what keeps the slots busy. Where no
 * slot is free, there is no demand while more than half of what would be prefetched is held: so jobs of
 * some milliseconds are claimed many at a time and not each few that have ended. `prefetchLimit` bounds it,
 * and a claim brings at most half of that besides the free slots, so that one half can be on its way while
 * the other runs. It is never more than one claim can bring: a claim that brings less than it was asked for
 * says that the queue is empty.
 */
export interface Slots {
  /** Slots in which nothing runs and for which nothing is held. */
  free(): number;
  /** How many jobs to claim now. 0: none. */
  demand(): number;
  /** A claim was sent. Answers with the function to call when it landed, with its job count. */
  claiming(): (count: number) => void;
  /** A held job began. Answers with the function to call when it ended. */
  begin(): () => void;
  /** Held jobs were given back without beginning. */
  giveBack(count: number): void;
  /** Attempts that run. */
  running(): number;
  /** What was claimed ahead has waited for that many milliseconds: jobs are not as quick as they were. */
  stalled(ms: number): void;
  /** Held jobs for which there is no slot any more, after a `resize`. */
  excess(): number;
  /** Changes how many attempts may run at once. What runs goes on. From 0 to `concurrency`. */
  resize(to: number): void;
}

/** What finishes in the time of so many claims is claimed ahead. */
const CLAIMS_AHEAD = 4;

/** How quickly the moving averages follow: each new value weighs this much. */
const WEIGHT = 0.1;

/** Makes the counters of a lane. `concurrency` from 1, `prefetchLimit` from 0. */
export function createSlots(concurrency: number, prefetchLimit: number): Slots {
  const now = monotonicClock();
  let capacity = concurrency;
  let running = 0;
  let held = 0;
  let attemptMs: number | undefined;
  // The first claim of a connection is slow, and makes nobody claim ahead at once.
  let claimMs = 0;

  const prefetch = (): number => {
    if (attemptMs === undefined || capacity === 0) return 0;
    const finishing = (CLAIMS_AHEAD * capacity * claimMs) / Math.max(attemptMs, 0.01);
    return Math.min(prefetchLimit, Math.floor(finishing));
  };

  return {
    free: () => Math.max(0, capacity - running - held),
    demand: () => {
      const free = capacity - running - held;
      const ahead = prefetch();
      if (free <= 0 && held > ahead / 2) return 0;
      return Math.max(0, Math.min(free + ahead, Math.max(0, free) + prefetchLimit / 2, CLAIM_LIMIT));
    },
    running: () => running,
    stalled: (ms) => {
      attemptMs = Math.max(attemptMs ?? 0, ms);
    },
    claiming: () => {
      const sentAt = now();
      return (count) => {
        held += count;
        claimMs = average(claimMs, now() - sentAt);
      };
    },
    begin: () => {
      held -= 1;
      running += 1;
      const begunAt = now();
      return () => {
        running -= 1;
        const ms = now() - begunAt;
        attemptMs = average(attemptMs ?? ms, ms);
      };
    },
    giveBack: (count) => {
      held -= count;
    },
    excess: () => Math.min(held, Math.max(0, running + held - capacity)),
    resize: (to) => {
      capacity = Math.min(concurrency, to);
    },
  };
}

/** Follows a value by a tenth. */
function average(old: number, value: number): number {
  return old + WEIGHT * (value - old);
}
