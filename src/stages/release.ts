import { filter } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { isReport } from "../core/arrival.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Ended } from "../core/outcome.ts";
import type { Settled, Settlement } from "../core/store-calls.ts";
import { writeOutcomes } from "./settle.ts";

/** What releasing needs. */
export interface ReleaseSetup {
  /** Writes outcomes in the store. */
  readonly settle: (settlements: readonly Settlement[]) => ObservableInput<Settled>;
  /** Milliseconds before retry `n` of a call that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** Ends the tries: what is not released then is reported as `leaked`. */
  readonly giveUp$: Observable<unknown>;
}

/**
 * Gives back jobs that were claimed and did not begin, or that the app dropped; they may run elsewhere
 * at once, uncounted.
 *
 * ```text
 * store    ==#  ==(ab)
 * result   --f----(RR)|    f: settle-failed, R: released
 * ```
 */
export function releaseStage(
  setup: ReleaseSetup,
): (jobs: readonly ClaimedJob[], reason?: "unstarted" | "dropped") => Observable<WorkerEvent> {
  return (jobs, reason = "unstarted") => {
    const ended = jobs.map((job): Ended => {
      const outcome = { type: "released", reason } as const;
      return { type: "ended", job, outcome, durationMs: 0, committed: false, progress: undefined };
    });
    // Children of jobs that were cancelled meanwhile are found by the next poll.
    return writeOutcomes({ ...setup, dueIn: () => undefined }, ended).pipe(filter(isReport));
  };
}
