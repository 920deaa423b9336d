import type { ErrorRecord } from "../core/error-record.ts";
import type { AttemptError } from "../core/job.ts";
import { RUNNABLE } from "../core/outcome.ts";
import type { Claim, Settled, Settlement } from "../core/store-calls.ts";
import { leaseStands } from "./memory-claim.ts";
import { fail, parentGone } from "./memory-fan-in.ts";
import { now, putByTime, stateOf } from "./memory-tables.ts";
import type { Claimed, Row, Tables } from "./memory-tables.ts";

/** How many errors a job keeps: the latest. */
const KEPT_ERRORS = 50;

/** Writes outcomes, each only while its claim stands. */
export function settle(tables: Tables, workerId: string, settlements: readonly Settlement[]): Settled {
  // As Postgres does, which refuses the whole batch for what is no JSON.
  for (const { outcome, progress = "null" } of settlements) {
    JSON.parse(progress);
    if (outcome.type === "succeeded" && outcome.kept !== undefined) JSON.parse(outcome.kept);
  }
  const accepted: string[] = [];
  const completed: string[] = [];
  const readyQueues = new Set<string>();
  const cancelled: { id: string; reason: string }[] = [];
  for (const settlement of settlements) {
    const claim = take(tables, workerId, settlement);
    if (claim === undefined) {
      if (settlement.committed === true && isCompleted(tables, workerId, settlement))
        completed.push(settlement.id);
      continue;
    }
    accepted.push(settlement.id);
    const row = { ...claim.row, progress: settlement.progress ?? claim.row.progress };
    const { cancelReason: reason } = claim;
    if (reason !== undefined && RUNNABLE.has(settlement.outcome.type)) cancelled.push({ id: row.id, reason });
    for (const queue of write(tables, { ...claim, row }, settlement.outcome)) readyQueues.add(queue);
  }
  return { accepted, completed, readyQueues: [...readyQueues], cancelled };
}

/** While the worker's lease stands, only its handler can have ended a job of which there is nothing left. */
function isCompleted(tables: Tables, workerId: string, { id }: Claim): boolean {
  const state = stateOf(tables, id);
  return leaseStands(tables, workerId) && (state === undefined || state === "completed");
}

/** Takes a claim out of its table, or answers `undefined` where it does not stand. */
export function take(tables: Tables, workerId: string, claim: Claim): Claimed | undefined {
  const found = tables.claimed.get(claim.id);
  if (found?.workerId !== workerId || found.row.token !== claim.token) return undefined;
  tables.claimed.delete(claim.id);
  return found;
}

/** Makes a job pending as if it had not been claimed; its token stays. */
export function giveBack(tables: Tables, row: Row): void {
  tables.pending.set(row.id, { ...row, attempt: row.attempt - 1 });
}

/** Keeps what went wrong in the attempt that a row is in. */
export function withError(row: Row, error: ErrorRecord): Row {
  const kept: AttemptError = {
    ...error,
    attempt: row.attempt,
    at: new Date(now()).toISOString(),
  };
  return { ...row, errors: [...row.errors, kept].slice(-KEPT_ERRORS) };
}

/** The reason that a failed job shows for an error, in one line. */
export function reasonOf(error: ErrorRecord): string {
  return oneLine(`${error.name}: ${error.message}`);
}

/**
 * Ends a job that has succeeded: its result, JSON text, is kept for as long as it was enqueued to.
 *
 * @returns The queues in which children became pending.
 */
export function succeed(tables: Tables, row: Row, kept: string | undefined): readonly string[] {
  const { keepResultMs } = row.job;
  if (kept !== undefined && keepResultMs !== undefined) {
    const times = { completedAt: now(), expiresAt: now() + Math.ceil(keepResultMs) };
    tables.completed.set(row.id, { row, result: kept, ...times });
  }
  return parentGone(tables, row.id);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, " ").trim();
}

function write(
  tables: Tables,
  { row, cancelReason }: Claimed,
  outcome: Settlement["outcome"],
): readonly string[] {
  if (cancelReason !== undefined && RUNNABLE.has(outcome.type)) {
    const ended = "error" in outcome ? withError(row, outcome.error) : row;
    return fail(tables, {
      row: { ...ended, attempt: row.attempt - 1 },
      reason: cancelReason,
      cancelled: true,
    });
  }
  switch (outcome.type) {
    case "succeeded":
      return succeed(tables, row, outcome.kept);
    case "failed":
      return fail(tables, {
        row: withError(row, outcome.error),
        reason: reasonOf(outcome.error),
        cancelled: false,
      });
    case "cancelled":
      return fail(tables, {
        row: { ...withError(row, outcome.error), attempt: row.attempt - 1 },
        reason: cancelReason ?? oneLine(outcome.error.message),
        cancelled: true,
      });
    case "retried":
      putByTime(tables, { ...withError(row, outcome.error), crashes: 0, runAt: now() + outcome.delayMs });
      return [];
    case "snoozed":
      putByTime(tables, { ...row, attempt: row.attempt - 1, crashes: 0, runAt: now() + outcome.delayMs });
      return [];
    case "released":
      giveBack(tables, row);
      return [];
  }
}
