import { EMPTY, concat, defer, from, mergeMap, takeUntil } from "rxjs";
import type { Observable, ObservableInput, OperatorFunction } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import { jobRef } from "../core/events.ts";
import type { WorkerEvent } from "../core/events.ts";
import type { Ended, Outcome } from "../core/outcome.ts";
import { inParts } from "../core/parts.ts";
import type { Settled, Settlement } from "../core/store-calls.ts";
import { wakeUp } from "../core/arrival.ts";
import type { Arrival } from "../core/arrival.ts";
import { gatherMap } from "../rx/gather-map.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";

/** What settling needs. */
export interface SettleSetup {
  /** Writes outcomes in the store. */
  readonly settle: (settlements: readonly Settlement[]) => ObservableInput<Settled>;
  /** Milliseconds before retry `n` of a write that failed. */
  readonly delayMs: (n: number) => number;
  /** Ends the retries: what is not written then is reported as `leaked`. */
  readonly giveUp$: Observable<unknown>;
  /** Told when a job was scheduled, in how many milliseconds it is due. */
  readonly dueIn: (ms: number) => void;
}

/**
 * Writes outcomes, all that gathered while the last write was in flight, and reports each when it
 * is written. A write that fails is tried again: the work is done, only its record is missing.
 *
 * ```text
 * ended$   -A-B-C--------|
 *           ==a           settle([A])
 *              ==(bc)     settle([B, C])
 * event$   ---a--(bc)----|
 * ```
 *
 * A refused outcome (its claim was gone) is reported as `lease-lost`, or as success when the
 * handler had completed the job itself. Children that became ready come out as wake-ups. Results that
 * are too large for one write are written in parts, one after the other.
 */
export function settleStage(setup: SettleSetup): OperatorFunction<Ended, Arrival> {
  return gatherMap((gathered) =>
    concat(...inParts(gathered, lengthOf).map((ended) => writeOutcomes(setup, ended))),
  );
}

/**
 * Writes outcomes once, trying again while that fails, and reports each; what is not written when it is
 * given up is reported as `leaked`. Attempts without an outcome to write are reported with the others.
 */
export function writeOutcomes(setup: SettleSetup, ended: readonly Ended[]): Observable<Arrival> {
  const written = oneAJob(ended.filter(isWritten));
  const settlements = [...written.values()].map(({ job, outcome, committed, progress }) => ({
    id: job.id,
    token: job.token,
    progress,
    committed,
    outcome: committed ? unlessCommitted(outcome, job.attempt >= job.maxAttempts) : outcome,
  }));
  if (settlements.length === 0) return from(ended.flatMap((end) => eventOf(end, false) ?? []));
  let answered = false;
  const write$ = defer(() => setup.settle(settlements)).pipe(
    mergeMap(({ accepted, completed, readyQueues, cancelled }): Arrival[] => {
      answered = true;
      const taken = new Set(accepted);
      const done = new Set(completed);
      const reasons = new Map(cancelled.map(({ id, reason }) => [id, reason]));
      const eventFor = (end: Ended): WorkerEvent | undefined => {
        const { id } = end.job;
        if (isWritten(end) && written.get(id) !== end) return { type: "lease-lost", job: jobRef(end.job) };
        const reason = reasons.get(id);
        if (reason !== undefined) return { type: "cancelled", job: jobRef(end.job), reason };
        return done.has(id) ? completedEvent(end) : eventOf(end, taken.has(id));
      };
      const ready = new Set(readyQueues);
      const arrivals: Arrival[] = [];
      let heldSuspect = false;
      for (const end of ended) {
        const event = eventFor(end);
        if (end.job.crashes > 1) heldSuspect = true;
        if (event === undefined) continue;
        arrivals.push(event);
        if (!("delayMs" in event)) continue;
        if (event.delayMs > 0) setup.dueIn(event.delayMs);
        else ready.add(event.job.queue);
      }
      // A worker holds one suspect at a time: the next may be claimed, of any queue.
      if (heldSuspect) arrivals.push(wakeUp());
      else if (ready.size > 0) arrivals.push(wakeUp([...ready]));
      return arrivals;
    }),
    retryBackoff({
      delayMs: setup.delayMs,
      report: (error, retryInMs): WorkerEvent => ({
        type: "settle-failed",
        count: settlements.length,
        error: toErrorRecord(error),
        retryInMs,
      }),
    }),
    takeUntil(setup.giveUp$),
  );
  const givenUp$ = defer(() => (answered ? EMPTY : from(ended.flatMap(unsettled))));
  return concat(write$, givenUp$);
}

/**
 * Of each job the end that is written: of the newest claim, and of that the first. There are more where a
 * crash of Postgres undid a claim, and the job was claimed and run again before the first outcome was written.
 */
function oneAJob(ended: readonly Written[]): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>();
  for (const end of ended) {
    const other = written.get(end.job.id);
    if (other === undefined || other.job.token < end.job.token) written.set(end.job.id, end);
  }
  return written;
}

/** About how many characters of texts an outcome has. */
function lengthOf({ outcome, progress = "" }: Ended): number {
  if (outcome.type === "succeeded") return progress.length + (outcome.kept ?? "").length;
  if (!("error" in outcome)) return progress.length;
  const { message, stack = "" } = outcome.error;
  return progress.length + message.length + stack.length;
}

/** What there is to report of an attempt when the write is given up that it was to be reported with. */
function unsettled(end: Ended): WorkerEvent | [] {
  if (!isWritten(end)) return eventOf(end, false) ?? [];
  return { type: "leaked", job: jobRef(end.job), reason: "unsettled" };
}

type Written = Ended & { readonly outcome: Settlement["outcome"] };

function isWritten(end: Ended): end is Written {
  return end.outcome.type !== "abandoned";
}

/**
 * The handler said that it completed the job in its own transaction. What is written then is what
 * holds if that transaction was never committed; if it was, this write is refused.
 */
function unlessCommitted(outcome: Written["outcome"], last: boolean): Written["outcome"] {
  if (outcome.type !== "succeeded") return outcome;
  const error = toErrorRecord(
    new Error("The handler completed the job in a transaction that was not committed"),
  );
  return last ? { type: "failed", error } : { type: "retried", delayMs: 0, error };
}

/** What there is to report of an attempt, given whether its outcome was written. */
function eventOf(end: Ended, accepted: boolean): WorkerEvent | undefined {
  const job = jobRef(end.job);
  const { durationMs } = end;
  const outcome: Outcome =
    end.committed && accepted && isWritten(end)
      ? unlessCommitted(end.outcome, end.job.attempt >= end.job.maxAttempts)
      : end.outcome;
  if (outcome.type === "abandoned") {
    return outcome.reason === "lease-lost" ? { type: "lease-lost", job } : undefined;
  }
  if (!accepted) return { type: "lease-lost", job };
  switch (outcome.type) {
    case "succeeded":
      return { type: "succeeded", job, durationMs, result: outcome.result, ...keptOf(outcome) };
    case "retried":
      return { type: "retry-scheduled", job, durationMs, delayMs: outcome.delayMs, error: outcome.error };
    case "failed":
      return { type: "failed", job, durationMs, error: outcome.error };
    case "snoozed":
      return { type: "snoozed", job, delayMs: outcome.delayMs };
    case "cancelled":
      return { type: "cancelled", job, reason: outcome.error.message };
    case "released":
      return { type: "released", job, reason: outcome.reason };
  }
}

/** What there is to report of a job that its handler completed in a transaction of its own. */
function completedEvent({ job, outcome, durationMs }: Ended): WorkerEvent {
  const result = outcome.type === "succeeded" ? outcome.result : undefined;
  return { type: "succeeded", job: jobRef(job), durationMs, result };
}

/** What a handler completes in a transaction of its own keeps no result. */
function keptOf({ kept }: Extract<Outcome, { readonly type: "succeeded" }>): { readonly kept?: true } {
  return kept === undefined ? {} : { kept: true };
}
