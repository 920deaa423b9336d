import { defer, from, map } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Claim, ClaimRequest, Place } from "../core/store-calls.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";

/** What a lane wants of a claim. */
export interface Demand {
  /** How many jobs, from 1. */
  readonly limit: number;
  /** How many of them begin at once. */
  readonly startLimit: number;
  /** Prefetched jobs that have begun since the last claim. */
  readonly started: readonly Claim[];
  /** Where it begins: see `ClaimRequest.after`. */
  readonly after?: Place | undefined;
}

/** What a claim brought. */
export interface ClaimedBatch {
  /** Tells it from events. */
  readonly type: "batch";
  /** The claimed jobs, in the order of the claim; may be none. */
  readonly jobs: readonly ClaimedJob[];
}

/** What claiming needs. */
export interface ClaimSetup {
  /** Claims in the store. */
  readonly claim: (request: ClaimRequest) => ObservableInput<readonly ClaimedJob[]>;
  /** The incarnation that claims. */
  readonly workerId: string;
  /** The kinds that there are handlers for. */
  readonly kinds: readonly string[];
  /** Milliseconds before retry `n` of a call that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** Ends the waiting between two tries. */
  readonly stop$: Observable<unknown>;
}

/**
 * Claims, and tries again with backoff for as long as the store cannot be reached.
 *
 * ```text
 * store    ==#  ==#    ==(ab)
 * result   --f----f------B|    f: claim-failed, B: the batch
 * ```
 *
 * The demand is asked anew for each try. At stop a try in flight lands; no further one is made.
 *
 * A try that fails may have claimed all the same, and its answer got lost: then these jobs would stay
 * claimed for as long as the worker lives. So the calls are numbered, and the next try says from which
 * of them on nobody heard (`ClaimRequest.lostFrom`).
 */
export function claimStage(
  setup: ClaimSetup,
): (queue: string, demand: () => Demand) => Observable<ClaimedBatch | WorkerEvent> {
  const { workerId, kinds } = setup;
  let calls = 0;
  return (queue, demand) => {
    let lostFrom: number | undefined;
    const tried$ = defer(() => {
      const call = (calls += 1);
      const request = { workerId, queue, kinds, ...demand(), call, lostFrom };
      lostFrom ??= call;
      return from(setup.claim(request));
    });
    return tried$.pipe(
      map((jobs): ClaimedBatch => ({ type: "batch", jobs })),
      retryBackoff({
        delayMs: setup.delayMs,
        giveUp$: setup.stop$,
        report: (error, retryInMs): WorkerEvent => ({
          type: "claim-failed",
          queue,
          error: toErrorRecord(error),
          retryInMs,
        }),
      }),
    );
  };
}
