import { now, putByTime, stateOf } from "./memory-tables.ts";
import type { Failed, Row, Tables, Waiting } from "./memory-tables.ts";

/**
 * Puts a new job into its first table.
 *
 * A parent without a row has succeeded, and so has one whose result is kept. One that failed before counts as `afterFailure` says.
 */
export function enter(tables: Tables, row: Row): void {
  const { after, afterFailure } = row.job;
  const failedParent = after.find((id) => tables.failed.has(id));
  if (failedParent !== undefined && afterFailure === "fail") {
    putFailed(tables, parentFailed(row, failedParent));
    return;
  }
  const holds = (id: string): boolean => {
    const state = stateOf(tables, id);
    if (state === "failed") return afterFailure === "wait";
    return state !== undefined && state !== "completed";
  };
  const parents = new Set(after.filter(holds));
  if (parents.size > 0) tables.waiting.set(row.id, { row, parents });
  else putByTime(tables, row);
}

/**
 * Tells the children of a job that it has succeeded or was deleted. Those that wait for nothing more may run.
 *
 * @returns The queues in which children became pending.
 */
export function parentGone(tables: Tables, id: string): readonly string[] {
  return childrenOf(tables, id).flatMap((child) => forget(tables, child, id));
}

/** A job on its way to the failed, taken out of its table. */
export type Ending = Omit<Failed, "failedAt">;

/**
 * Puts jobs among the failed, and their children where their `afterFailure` says, and theirs.
 *
 * @returns The queues in which children became pending.
 */
export function fail(tables: Tables, ...endings: readonly Ending[]): readonly string[] {
  const ready: string[] = [];
  const failing: Ending[] = [...endings];
  for (const next of failing) {
    putFailed(tables, next);
    for (const child of childrenOf(tables, next.row.id)) {
      const { afterFailure } = child.row.job;
      if (afterFailure === "run") ready.push(...forget(tables, child, next.row.id));
      if (afterFailure === "fail") {
        tables.waiting.delete(child.row.id);
        failing.push(parentFailed(child.row, next.row.id));
      }
    }
  }
  return ready;
}

function putFailed(tables: Tables, ending: Ending): void {
  tables.failed.set(ending.row.id, { ...ending, failedAt: now() });
}

function childrenOf(tables: Tables, id: string): readonly Waiting[] {
  return [...tables.waiting.values()].filter((child) => child.parents.has(id));
}

function forget(tables: Tables, child: Waiting, parent: string): readonly string[] {
  const parents = new Set(child.parents);
  parents.delete(parent);
  if (parents.size > 0) {
    tables.waiting.set(child.row.id, { row: child.row, parents });
    return [];
  }
  tables.waiting.delete(child.row.id);
  const row = { ...child.row, runAt: Math.max(child.row.runAt, now()) };
  return putByTime(tables, row) ? [row.job.queue] : [];
}

function parentFailed(row: Row, parent: string): Ending {
  return { row, reason: `Job ${parent}, which it waits for, failed`, cancelled: false };
}
