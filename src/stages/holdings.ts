import type { ClaimedJob } from "../core/job.ts";
import type { Demand } from "./claim.ts";
import { createFindings } from "./findings.ts";
import { createSlots } from "./slots.ts";

/** A claim that is being made. */
export interface Asked {
  /** What it is to bring. */
  readonly demand: Demand;
  /** To be called with what it brought. */
  readonly landed: (jobs: readonly ClaimedJob[]) => void;
}

/**
 * What one lane holds: its slots, the jobs that were claimed and have not begun, and what its claims
 * have shown of the queue. Counts only, and runs nothing.
 */
export interface Holdings {
  /** Whether there is room for more. If not, whoever makes room should claim. */
  readonly wantsMore: () => boolean;
  /** Begins a claim, for what is wanted at this moment. */
  readonly ask: () => Asked;
  /** Whether more may wait in the queue. */
  readonly moreMayWait: () => boolean;
  /** Whether the next claim should follow at once: jobs are so quick that more should be on the way. */
  readonly isAhead: () => boolean;
  /** Whether claims keep coming back empty. */
  readonly findsNothing: () => boolean;
  /** In how many milliseconds to claim again: see `Findings`. */
  readonly againInMs: () => number | undefined;
  /** Begins a job. Answers with what to call when it has ended; `undefined` if it was given back. */
  readonly begin: (job: ClaimedJob) => (() => void) | undefined;
  /** Lets all go that has not begun, and answers with it. */
  readonly letAllGo: () => readonly ClaimedJob[];
  /** Lets one go. */
  readonly letGo: (job: ClaimedJob) => void;
  /** Whether any of these was claimed ahead and has not begun; of all that are held, if none are given. */
  readonly someWait: (jobs?: readonly ClaimedJob[]) => boolean;
  /** What was claimed ahead has waited for so many milliseconds. */
  readonly stalled: (ms: number) => void;
  /** Changes how many may run at once. */
  readonly resize: (capacity: number) => void;
  /** Whether more is held than may run. */
  readonly isTooMuch: () => boolean;
}

/** Makes the holdings of a lane: none. `concurrency` from 1, `prefetchLimit` from 0. */
export function createHoldings(concurrency: number, prefetchLimit: number): Holdings {
  const slots = createSlots(concurrency, prefetchLimit);
  const findings = createFindings();
  /** What has not begun, and whether it was claimed ahead. */
  const unstarted = new Map<ClaimedJob, boolean>();
  /** Jobs that were claimed ahead and run, of which the store has not been told yet. */
  const begunEarly = new Set<ClaimedJob>();
  let ahead = false;

  return {
    wantsMore: () => {
      if (slots.demand() > 0) return true;
      findings.hadNoRoom();
      return false;
    },
    ask: () => {
      const limit = slots.demand();
      const startLimit = slots.free();
      const started = [...begunEarly];
      const measured = slots.claiming();
      const { after, landed: found } = findings.claiming({ limit, startLimit });
      const landed = (jobs: readonly ClaimedJob[]): void => {
        measured(jobs.length);
        found(jobs);
        for (const job of started) begunEarly.delete(job);
        jobs.forEach((job, index) => unstarted.set(job, index >= startLimit));
        ahead = findings.isUnfinished() && slots.demand() > 0;
      };
      return { demand: { limit, startLimit, started, after }, landed };
    },
    moreMayWait: () => findings.moreMayWait(),
    isAhead: () => ahead,
    findsNothing: () => findings.findsNothing(),
    againInMs: () => findings.againInMs(),
    begin: (job) => {
      const early = unstarted.get(job);
      if (early === undefined) return undefined;
      unstarted.delete(job);
      if (early) begunEarly.add(job);
      const end = slots.begin();
      return () => {
        if (early) begunEarly.delete(job);
        end();
      };
    },
    letAllGo: () => {
      const jobs = [...unstarted.keys()];
      unstarted.clear();
      slots.giveBack(jobs.length);
      // It waits in the queue again.
      if (jobs.length > 0) findings.hadNoRoom();
      return jobs;
    },
    letGo: (job) => {
      if (unstarted.delete(job)) slots.giveBack(1);
    },
    someWait: (jobs = [...unstarted.keys()]) => jobs.some((job) => unstarted.get(job) === true),
    stalled: (ms) => slots.stalled(ms),
    resize: (capacity) => slots.resize(capacity),
    isTooMuch: () => slots.excess() > 0,
  };
}
