import {
  EMPTY,
  concat,
  connect,
  defer,
  endWith,
  from,
  ignoreElements,
  map,
  merge,
  takeUntil,
  tap,
} from "rxjs";
import type { Observable, ObservableInput, OperatorFunction } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import { jobRef } from "../core/events.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { Interrupt } from "../core/interrupt.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Progressed } from "../core/outcome.ts";
import { inParts } from "../core/parts.ts";
import type { Progress } from "../core/store-calls.ts";
import { gatherMap } from "../rx/gather-map.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";

/** What keeping progress needs. */
export interface ProgressSetup {
  /** Answers with the ids whose claim was gone. */
  readonly progress: (values: readonly Progress[]) => ObservableInput<readonly string[]>;
  /** The attempts that run: what has ended is not written any more. */
  readonly running: ReadonlySet<ClaimedJob>;
  /** Milliseconds before retry `n` of a write that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** Told of an attempt whose claim was gone. */
  readonly interrupt: (interrupt: Interrupt) => void;
}

/**
 * Reports progress at once, and keeps the latest value of each job, all that gathered while the last
 * write was in flight.
 *
 * ```text
 * progressed$   -abcA------|     a, b, c of one job, A of another
 * store          ====             keep([a])
 *                    ====         keep([c, A]): the latest of each
 * event$        -pppp------|
 * ```
 *
 * p progress. A refused write means that the claim is gone: its attempt is interrupted as
 * `lease-lost`. A write that fails is reported and tried again with what still runs. Nothing is
 * waited for at the end: what has ended is settled together with its last progress.
 */
export function progressStage(setup: ProgressSetup): OperatorFunction<Progressed, WorkerEvent> {
  return connect((progressed$: Observable<Progressed>) => {
    const ended$ = progressed$.pipe(ignoreElements(), endWith(undefined));
    return merge(
      progressed$.pipe(map(({ job, value }): WorkerEvent => ({ type: "progress", job: jobRef(job), value }))),
      progressed$.pipe(
        gatherMap((gathered) => {
          const latest = new Map(gathered.map(({ job, text }) => [job, text]));
          const parts = inParts([...latest], ([, text]) => text.length);
          return concat(...parts.map((part) => keep(setup, new Map(part))));
        }),
        takeUntil(ended$),
      ),
    );
  });
}

/** Keeps the latest values of those jobs that still run, until the store has answered. */
function keep(setup: ProgressSetup, latest: ReadonlyMap<ClaimedJob, string>): Observable<WorkerEvent> {
  return defer((): ObservableInput<never> => {
    const values = [...latest]
      .filter(([job]) => setup.running.has(job))
      .map(([{ id, token }, value]) => ({ id, token, value }));
    if (values.length === 0) return EMPTY;
    return from(setup.progress(values)).pipe(
      tap((refused) => {
        for (const { id, token } of values) {
          if (refused.includes(id)) setup.interrupt({ reason: "lease-lost", claim: { id, token } });
        }
      }),
      ignoreElements(),
    );
  }).pipe(
    retryBackoff({
      delayMs: setup.delayMs,
      report: (error, retryInMs): WorkerEvent => ({
        type: "progress-failed",
        count: latest.size,
        error: toErrorRecord(error),
        retryInMs,
      }),
    }),
  );
}
