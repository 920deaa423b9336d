import { defer, mergeMap, repeat, timer } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { wakeUp } from "../core/arrival.ts";
import type { Arrival } from "../core/arrival.ts";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { Recovered } from "../core/store-calls.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";

/** What recovery needs. */
export interface RecoverSetup {
  /** Gives back claims of dead workers, at most `limit`. */
  readonly recover: (limit: number) => ObservableInput<Recovered>;
  /** The worker's own lease; half of it is the longest wait between two looks. */
  readonly leaseDurationMs: number;
  /** Milliseconds before retry `n` of a call that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** From 0 up to 1, to keep workers apart. */
  readonly random: () => number;
}

/** How many claims that had not begun one recovery gives back at most; a full one is followed by the next at once. */
const LIMIT = 1_000;

/** The longest wait, so that the short lease of a worker that came later is not missed. */
const MAX_WAIT_MS = 5_000;

/**
 * Gives back the claims of workers whose lease ran out, whether or not the queue is busy. The next
 * round comes when the next lease could run out: live workers have renewed theirs by then, a dead
 * one is found within milliseconds. A random part of at most a tenth of the lease (200 ms at most)
 * keeps the workers of a cluster apart.
 *
 * ```text
 * recover    r----r----r---
 * leases     ok   ok   1 dead
 * recovered$ ----------w---    w: wake-up, with a `lease-recovered`
 * ```
 */
export function recoverStage(setup: RecoverSetup): Observable<Arrival> {
  return defer(() => {
    let waitMs = 0;
    return defer(() => setup.recover(LIMIT)).pipe(
      mergeMap(({ jobs, expiresInMs }): Arrival[] => {
        waitMs = jobs.length >= LIMIT ? 0 : nextWait(setup, expiresInMs);
        if (jobs.length === 0) return [];
        const queues = new Set(jobs.filter((job) => job.state === "pending").map((job) => job.queue));
        return [{ type: "lease-recovered", count: jobs.length, jobs }, wakeUp([...queues])];
      }),
      retryBackoff({
        delayMs: setup.delayMs,
        report: (error, retryInMs): WorkerEvent => ({
          type: "recovery-failed",
          error: toErrorRecord(error),
          retryInMs,
        }),
      }),
      repeat({ delay: () => timer(waitMs) }),
    );
  });
}

function nextWait(setup: RecoverSetup, expiresInMs: number | undefined): number {
  const spread = Math.min(200, setup.leaseDurationMs / 10) * setup.random();
  const longest = Math.min(MAX_WAIT_MS, setup.leaseDurationMs / 2);
  return Math.min(longest, Math.max(expiresInMs ?? longest, 1)) + spread;
}
