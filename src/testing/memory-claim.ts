import type { ClaimedJob } from "../core/job.ts";
import { CLAIM_LIMIT } from "../core/store-calls.ts";
import type { Claim, ClaimRequest, Place, Promoted } from "../core/store-calls.ts";
import { byClaimOrder, byId, jsonOf, now } from "./memory-tables.ts";
import type { Row, Tables } from "./memory-tables.ts";

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
 * A job whose worker died counts as begun at once: whoever dies before it could tell that a
 * prefetched job began would otherwise never be charged for it. So these come first, and no more of
 * them than begin at once, or one; and one suspect at a time for a worker.
 */
export function claim(tables: Tables, request: ClaimRequest): readonly ClaimedJob[] {
  const { workerId, queue, kinds, limit, startLimit, started, after, call = 0 } = request;
  for (const begun of started) markStarted(tables, workerId, begun);
  if (!leaseStands(tables, workerId)) return [];
  const lost = takeOver(tables, request);
  if (call < (tables.workers.get(workerId)?.callsFrom ?? 0)) return [];
  const most = Math.max(0, Math.min(limit, CLAIM_LIMIT) - lost.length);
  const startMost = Math.max(0, startLimit - lost.length);
  const rows = [...tables.pending.values()]
    .filter((row) => row.job.queue === queue && kinds.includes(row.job.kind))
    .sort(byClaimOrder);
  const fresh = rows.filter((row) => row.crashes === 0 && isBehind(row, after));
  const crashed = [...suspectFor(tables, workerId, rows), ...rows.filter(({ crashes }) => crashes === 1)]
    .filter(({ job }) => job.priority <= (fresh[0]?.job.priority ?? job.priority))
    .slice(0, Math.max(1, startMost))
    .sort(byClaimOrder);
  const claimed = [...crashed, ...fresh].slice(0, most).map((pending, index) => {
    const row = { ...pending, attempt: pending.attempt + 1, token: pending.token + 1 };
    tables.pending.delete(row.id);
    const isStarted = row.crashes > 0 || index < startMost;
    const held = { row, workerId, claimedAt: now(), cancelReason: undefined, started: isStarted, call };
    tables.claimed.set(row.id, held);
    return claimedJob(row);
  });
  return [...lost, ...claimed];
}

function isBehind({ id, job: { priority } }: Row, after: Place | undefined): boolean {
  if (after === undefined) return true;
  return priority === after.priority ? byId(after, { id }) < 0 : priority > after.priority;
}

/** Whether more than one worker died with a job. */
function isSuspect({ crashes }: Row): boolean {
  return crashes > 1;
}

/** The first suspect, or none where the worker holds one. */
function suspectFor(tables: Tables, workerId: string, rows: readonly Row[]): readonly Row[] {
  const held = [...tables.claimed.values()].some((one) => one.workerId === workerId && isSuspect(one.row));
  return held ? [] : rows.filter(isSuspect).slice(0, 1);
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
