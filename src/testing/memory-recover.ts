import type { ErrorRecord } from "../core/error-record.ts";
import type { RecoveredJob } from "../core/events.ts";
import type { Recovered } from "../core/store-calls.ts";
import { leaseStands, removeWorker } from "./memory-claim.ts";
import { fail } from "./memory-fan-in.ts";
import { giveBack, reasonOf, withError } from "./memory-settle.ts";
import { byId, now } from "./memory-tables.ts";
import type { Claimed, Tables } from "./memory-tables.ts";

/** When to look again for a dead worker that still holds claims, in milliseconds. */
const AGAIN_MS = 200;

/**
 * Gives back the claims of dead workers, all that had begun, and removes workers left with none.
 *
 * Of what a worker had begun, the job is charged that most workers died with. Where several share that
 * place it is not known which of them it was, and only suspects are charged. A job that may begin only
 * once is charged in any case. The limit is for what had not begun.
 */
export function recover(tables: Tables, limit: number): Recovered {
  const dead = [...tables.claimed.values()]
    .filter((claimed) => !leaseStands(tables, claimed.workerId))
    .sort((a, b) => byId(a.row, b.row));
  const waiting = dead.filter(({ started }) => !started).slice(0, limit);
  const jobs = [...dead.filter(({ started }) => started), ...waiting]
    .map((claimed) => ({ claimed, charged: isCharged(claimed, dead) }))
    .sort((a, b) => byId(a.claimed.row, b.claimed.row))
    .map(({ claimed, charged }) => recoverJob(tables, claimed, charged));
  for (const { id } of tables.workers.values()) {
    if (!leaseStands(tables, id)) removeWorker(tables, id);
  }
  const leases = [...tables.workers.values()]
    .map((worker) => worker.leaseExpiresAt - now())
    .map((leftMs) => (leftMs > 0 ? leftMs : AGAIN_MS));
  return { jobs, expiresInMs: leases.length === 0 ? undefined : Math.min(...leases) };
}

function isCharged({ row, workerId, started }: Claimed, dead: readonly Claimed[]): boolean {
  const rivals = dead.filter((other) => other.workerId === workerId && other.started && other.row !== row);
  const worst = Math.max(-1, ...rivals.map((rival) => rival.row.crashes));
  const isWorst = row.crashes > worst || (row.crashes === worst && row.crashes > 1);
  return started && (row.job.maxAttempts === 1 || isWorst);
}

function recoverJob(tables: Tables, claimed: Claimed, counts: boolean): RecoveredJob {
  tables.claimed.delete(claimed.row.id);
  const { id, job, attempt } = claimed.row;
  const { kind, queue, source, maxAttempts } = job;
  const ref = { id, kind, queue, source, attempt, maxAttempts };
  const held = { ...claimed.row, crashes: claimed.row.crashes + 1 };
  const error = died(attempt, maxAttempts);
  const charged = counts ? withError(held, error) : held;
  if (claimed.cancelReason !== undefined) {
    const uncounted = { ...charged, attempt: attempt - 1 };
    fail(tables, { row: uncounted, reason: claimed.cancelReason, cancelled: true });
    return { ...ref, state: "failed" };
  }
  const row = { ...charged, runAt: now() };
  if (!counts) {
    giveBack(tables, row);
    return { ...ref, state: "pending" };
  }
  if (attempt >= maxAttempts) {
    fail(tables, { row: charged, reason: reasonOf(error), cancelled: false });
    return { ...ref, state: "failed" };
  }
  tables.pending.set(id, row);
  return { ...ref, state: "pending" };
}

function died(attempt: number, maxAttempts: number): ErrorRecord {
  return {
    name: "WorkerDiedError",
    message: `The lease of its worker ran out in attempt ${attempt} of ${maxAttempts}`,
  };
}
