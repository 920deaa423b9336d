import type { ErrorRecord } from "../core/error-record.ts";
import type { RecoveredJob } from "../core/events.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Claim, ClaimRequest, Promoted, Recovered } from "../core/store.ts";
import { fail } from "./memory-fan-in.ts";
import { giveBack, reasonOf, withError } from "./memory-settle.ts";
import { byClaimOrder, byId, jsonOf, now } from "./memory-tables.ts";
import type { Claimed, Row, Tables } from "./memory-tables.ts";

/** How many due jobs one `promote` moves. The rest is due at once (`dueInMs` 0). */
const PROMOTE_LIMIT = 1_000;

/** Makes due jobs pending, soonest first, and tells what there is to do, and to end. */
export function promote(
  tables: Tables,
  workerId: string,
  { queues, kinds }: { readonly queues: readonly string[]; readonly kinds: readonly string[] },
): Promoted {
  const scheduled = [...tables.scheduled.values()]
    .filter((row) => queues.includes(row.job.queue))
    .sort((a, b) => a.runAt - b.runAt || byId(a, b));
  const due = scheduled.filter((row) => row.runAt <= now()).slice(0, PROMOTE_LIMIT);
  for (const row of due) {
    tables.scheduled.delete(row.id);
    tables.pending.set(row.id, row);
  }
  const ready = new Set(
    [...tables.pending.values()].filter((row) => kinds.includes(row.job.kind)).map((row) => row.job.queue),
  );
  const next = scheduled[due.length];
  return {
    readyQueues: queues.filter((queue) => ready.has(queue)),
    dueInMs: next === undefined ? undefined : Math.max(0, next.runAt - now()),
    cancelled: [...tables.claimed.values()].flatMap(({ row, workerId: holder, cancelReason }) =>
      holder === workerId && cancelReason !== undefined
        ? [{ id: row.id, token: row.token, reason: cancelReason }]
        : [],
    ),
  };
}

/**
 * Takes pending jobs for a worker whose lease stands.
 *
 * A job that was held by a worker that died counts as begun at once: whoever dies before it could
 * tell that a prefetched job began would otherwise never be charged for it.
 */
export function claim(tables: Tables, request: ClaimRequest): readonly ClaimedJob[] {
  const { workerId, queue, kinds, limit, startLimit, started, call = 0 } = request;
  for (const begun of started) markStarted(tables, workerId, begun);
  if (!leaseStands(tables, workerId)) return [];
  const lost = takeOver(tables, request);
  if (call < (tables.workers.get(workerId)?.callsFrom ?? 0)) return [];
  const claimed = [...tables.pending.values()]
    .filter((row) => row.job.queue === queue && kinds.includes(row.job.kind))
    .sort(byClaimOrder)
    .slice(0, Math.max(0, limit - lost.length))
    .map((pending, index) => {
      const row = { ...pending, attempt: pending.attempt + 1, token: pending.token + 1 };
      tables.pending.delete(row.id);
      const isStarted = row.crashes > 0 || index < startLimit - lost.length;
      const held = { row, workerId, claimedAt: now(), cancelReason: undefined, started: isStarted, call };
      tables.claimed.set(row.id, held);
      return claimedJob(row);
    });
  return [...lost, ...claimed];
}

/** Gives out again what calls claimed whose answers were lost, and ends these calls. */
function takeOver(tables: Tables, request: ClaimRequest): readonly ClaimedJob[] {
  const { workerId, queue, startLimit, call = 0, lostFrom = call } = request;
  const worker = tables.workers.get(workerId);
  if (worker === undefined || lostFrom === call) return [];
  tables.workers.set(workerId, { ...worker, callsFrom: call });
  return [...tables.claimed.values()]
    .filter((held) => held.workerId === workerId && held.row.job.queue === queue)
    .filter((held) => held.call >= lostFrom && held.call < call)
    .sort((a, b) => byClaimOrder(a.row, b.row))
    .map((held, index) => {
      tables.claimed.set(held.row.id, { ...held, call, started: held.started || index < startLimit });
      return claimedJob(held.row);
    });
}

/** Gives back the claims of dead workers, oldest job first, and removes workers left with none. */
export function recover(tables: Tables, limit: number): Recovered {
  const jobs = [...tables.claimed.values()]
    .filter((claimed) => !leaseStands(tables, claimed.workerId))
    .sort((a, b) => byId(a.row, b.row))
    .slice(0, limit)
    .map((claimed) => recoverJob(tables, claimed));
  for (const { id } of tables.workers.values()) {
    if (!leaseStands(tables, id)) removeWorker(tables, id);
  }
  const leases = [...tables.workers.values()]
    .map((worker) => worker.leaseExpiresAt - now())
    .filter((leftMs) => leftMs > 0);
  return { jobs, expiresInMs: leases.length === 0 ? undefined : Math.min(...leases) };
}

/** Tells whether a worker exists and its lease has not run out. */
export function leaseStands(tables: Tables, workerId: string): boolean {
  return (tables.workers.get(workerId)?.leaseExpiresAt ?? -Infinity) > now();
}

/** Removes a worker, unless it still holds claims. */
export function removeWorker(tables: Tables, workerId: string): void {
  const holds = [...tables.claimed.values()].some((claimed) => claimed.workerId === workerId);
  if (!holds) tables.workers.delete(workerId);
}

function markStarted(tables: Tables, workerId: string, begun: Claim): void {
  const found = tables.claimed.get(begun.id);
  if (found?.workerId !== workerId || found.row.token !== begun.token) return;
  tables.claimed.set(begun.id, { ...found, started: true });
}

function claimedJob(row: Row): ClaimedJob {
  const { kind, queue, source, priority, maxAttempts, timeoutMs, backoff, keepResultMs } = row.job;
  const payload: unknown = JSON.parse(row.job.payload);
  return {
    id: row.id,
    kind,
    queue,
    payload,
    source,
    priority,
    attempt: row.attempt,
    maxAttempts,
    crashes: row.crashes,
    token: row.token,
    enqueuedAt: new Date(row.enqueuedAt),
    waitMs: now() - Math.max(row.enqueuedAt, row.runAt),
    timeoutMs,
    backoff,
    keepResultMs,
    lastProgress: jsonOf(row.progress),
  };
}

function recoverJob(tables: Tables, claimed: Claimed): RecoveredJob {
  tables.claimed.delete(claimed.row.id);
  const { id, job, attempt } = claimed.row;
  const { kind, queue, source, maxAttempts } = job;
  const ref = { id, kind, queue, source, attempt, maxAttempts };
  const held = { ...claimed.row, crashes: claimed.row.crashes + 1 };
  const error = crashed(attempt, maxAttempts);
  const charged = claimed.started ? withError(held, error) : held;
  if (claimed.cancelReason !== undefined) {
    const uncounted = { ...charged, attempt: attempt - 1 };
    fail(tables, { row: uncounted, reason: claimed.cancelReason, cancelled: true });
    return { ...ref, state: "failed" };
  }
  const row = { ...charged, runAt: now() };
  if (!claimed.started) {
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

function crashed(attempt: number, maxAttempts: number): ErrorRecord {
  return {
    name: "WorkerDiedError",
    message: `The lease of its worker ran out in attempt ${attempt} of ${maxAttempts}`,
  };
}
