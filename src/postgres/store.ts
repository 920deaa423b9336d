import type { ClaimedJob, JobState } from "../core/job.ts";
import { jobParts } from "../core/parts.ts";
import { CLAIM_LIMIT } from "../core/store-calls.ts";
import type { CancelOrder, ClaimRequest, Place, Progress, Promoted, Recovered } from "../core/store-calls.ts";
import type { Store } from "../core/store.ts";
import { arrayLiteral } from "./array-literal.ts";
import { cancelling } from "./cancel.ts";
import { channelOf } from "./channel.ts";
import type { Run, Transact } from "./database.ts";
import { enqueueParts } from "./enqueue-values.ts";
import type { EnqueuedRow } from "./enqueue-values.ts";
import { claimedJob, failedJob, recoveredJobs } from "./rows.ts";
import type { ClaimRow, FailedRow } from "./rows.ts";
import { settling } from "./settle.ts";
import { claimValues } from "./settlement-values.ts";
import { jobSnapshot, workerSnapshot } from "./snapshot-rows.ts";
import type { SnapshotRow, WorkerRow } from "./snapshot-rows.ts";
import { statements } from "./statements.ts";
import type { Statements } from "./statements.ts";
import { tidying } from "./tidy.ts";

/** Settings of `postgresStore`. One `run` may stand for all. */
export interface PostgresStoreOptions {
  /** The schema that holds the tables. */
  readonly schema: string;
  /** Runs claims, polls and recoveries. */
  readonly claims: Run;
  /** Runs what writes outcomes: a large claim must not keep them waiting. */
  readonly settles: Run;
  /** Runs what keeps leases: a connection of its own, which nothing else can keep busy. */
  readonly leases: Run;
  /** Runs what the app and its operators call: enqueues, listings, retries. Default: `settles`. */
  readonly calls?: Run;
  /** Runs enqueues that are too large for one statement. Default: each is one statement. */
  readonly transact?: Transact;
}

/** Makes the `Store` over a migrated Postgres schema. Every method is one statement, but for those in bulk and for large enqueues. */
export function postgresStore(options: PostgresStoreOptions): Store {
  const { schema, claims, settles, leases, calls = settles, transact } = options;
  const sql = statements(schema);
  const channel = channelOf(schema);
  const settle = settling(settles, sql);
  return {
    enqueue: async (jobs) => {
      const parts = jobs.length > 0 && transact === undefined ? [jobs] : jobParts(jobs);
      return transact === undefined || parts.length < 2
        ? enqueueParts(calls<EnqueuedRow>, sql, parts)
        : transact((run) => enqueueParts(run<EnqueuedRow>, sql, parts));
    },
    register: async ({ label, queues, leaseDurationMs }) => {
      const rows = await leases<{ id: string }>(sql.register, [label, arrayLiteral(queues), leaseDurationMs]);
      return first(rows).id;
    },
    heartbeat: async (workerId, leaseDurationMs) => {
      const rows = await leases(sql.heartbeat, [workerId, leaseDurationMs]);
      return rows.length > 0;
    },
    unregister: (workerId) => leases(sql.unregister, [workerId]),
    promote: (workerId, queues, kinds) =>
      promote(claims, sql, [workerId, arrayLiteral(queues), arrayLiteral(kinds)]),
    claim: (request) => claimJobs(claims, sql, request),
    settle,
    recover: (limit) => recover(claims, sql, limit),
    listFailed: async (limit) => (await calls<FailedRow>(sql.listFailed, [limit])).map(failedJob),
    retryJob: async (id) => (await calls(sql.retryJob, [channel, id])).length > 0,
    bulkRetry: (kind, { dryRun }) =>
      dryRun ? countFailed(calls, sql, kind) : bulkRetry(calls, sql, { kind, channel }),
    deleteFailed: async (id) => (await calls(sql.deleteFailed, [id])).length > 0,
    pendingCount: async () => first(await calls<{ count: number }>(sql.pendingCount)).count,
    progress: async (workerId, values) =>
      values.length === 0 ? [] : progress(settles, sql, { workerId, values }),
    cancel: cancelling(calls, sql),
    expireResults: async (limit) => first(await claims<{ count: number }>(sql.expireResults, [limit])).count,
    expireFailed: async (keepFailedMs, limit) =>
      first(await claims<{ count: number }>(sql.expireFailed, [keepFailedMs, limit])).count,
    tidy: tidying(claims, sql),
    find: async (ids) =>
      ids.length === 0 ? [] : (await calls<SnapshotRow>(sql.find, [arrayLiteral(ids)])).map(jobSnapshot),
    depth: () => calls<{ queue: string; state: JobState; count: number }>(sql.depth),
    listActive: async (limit) => (await calls<SnapshotRow>(sql.listActive, [limit])).map(jobSnapshot),
    listWorkers: async () => (await calls<WorkerRow>(sql.listWorkers)).map(workerSnapshot),
  };
}

function first<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error("Expected a row in the answer of Postgres, got none");
  return row;
}

/** What lost calls claimed counts for the limits of this one, which tells also what has begun. */
async function claimJobs(run: Run, sql: Statements, request: ClaimRequest): Promise<readonly ClaimedJob[]> {
  const { workerId, queue, kinds, limit, startLimit, started, after, call = 0, lostFrom } = request;
  const lost =
    lostFrom === undefined
      ? []
      : await run<ClaimRow>(sql.takeOver, [workerId, queue, lostFrom, call, startLimit]);
  const limits = [Math.min(limit, CLAIM_LIMIT), startLimit].map((most) => Math.max(0, most - lost.length));
  const [, ids, tokens] = claimValues(workerId, started);
  const values = [workerId, queue, arrayLiteral(kinds), ...limits, ids, tokens, call, ...placeValues(after)];
  const rows = await run<ClaimRow>(sql.claim, values);
  return [...lost, ...rows].map((row) => claimedJob(row, queue));
}

/** Where a claim begins: by default before all jobs. */
function placeValues({ priority, id }: Place = { priority: -32_768, id: "0" }): readonly unknown[] {
  return [priority, id];
}

async function promote(run: Run, sql: Statements, values: readonly string[]): Promise<Promoted> {
  type Row = { ready_queues: readonly string[]; due_in_ms: number | null; cancelled: string | null };
  const row = first(await run<Row>(sql.promote, values));
  return {
    readyQueues: row.ready_queues,
    dueInMs: row.due_in_ms ?? undefined,
    cancelled: row.cancelled === null ? [] : (JSON.parse(row.cancelled) as readonly CancelOrder[]),
  };
}

async function progress(
  run: Run,
  sql: Statements,
  { workerId, values }: { readonly workerId: string; readonly values: readonly Progress[] },
): Promise<readonly string[]> {
  const texts = arrayLiteral(values.map(({ value }) => value));
  const rows = await run<{ refused: readonly string[] }>(sql.progress, [
    ...claimValues(workerId, values),
    texts,
  ]);
  return first(rows).refused;
}

async function recover(run: Run, sql: Statements, limit: number): Promise<Recovered> {
  type Row = { jobs: string; expires_in_ms: number | null };
  const row = first(await run<Row>(sql.recover, [limit]));
  return { jobs: recoveredJobs(row.jobs), expiresInMs: row.expires_in_ms ?? undefined };
}

async function countFailed(run: Run, sql: Statements, kind: string | undefined): Promise<number> {
  type Row = { count: number };
  return kind === undefined
    ? first(await run<Row>(sql.countFailed)).count
    : first(await run<Row>(sql.countFailedKind, [kind])).count;
}

/** Retries step by step, each job once: a job that fails again meanwhile has an id that is behind. */
async function bulkRetry(
  run: Run,
  sql: Statements,
  { kind, channel }: { readonly kind: string | undefined; readonly channel: string },
): Promise<number> {
  type Row = { last: string | null; moved: number };
  let moved = 0;
  let last: string | null = "0";
  while (last !== null) {
    const rows: readonly Row[] =
      kind === undefined
        ? await run<Row>(sql.retryAll, [channel, last])
        : await run<Row>(sql.retryKind, [channel, last, kind]);
    const row: Row = first(rows);
    moved += row.moved;
    last = row.last;
  }
  return moved;
}
