import { asyncScheduler } from "rxjs";
import { JOB_STATES } from "../core/job.ts";
import type { AttemptError, JobState, NewJob } from "../core/job.ts";

/** What every job carries through all tables of the memory store. */
export interface Row {
  readonly id: string;
  /** The job as it was enqueued; its payload stays JSON text. */
  readonly job: NewJob;
  /** From when it may run, in milliseconds of virtual time. */
  readonly runAt: number;
  readonly enqueuedAt: number;
  /** How many attempts are counted, the running one included. */
  readonly attempt: number;
  /** How often it was ever claimed. */
  readonly token: number;
  /** How many workers died while they held it, since an attempt ended by itself or somebody retried it. */
  readonly crashes: number;
  readonly errors: readonly AttemptError[];
  /** JSON text of the last progress. */
  readonly progress: string | undefined;
}

/** A job that waits for others, and those of them that are not done. */
export interface Waiting {
  readonly row: Row;
  readonly parents: ReadonlySet<string>;
}

/** A job that a worker holds. */
export interface Claimed {
  readonly row: Row;
  readonly workerId: string;
  readonly claimedAt: number;
  /** Why somebody cancelled it while it runs. */
  readonly cancelReason: string | undefined;
  /** Whether a crash of its worker is charged to this job. */
  readonly started: boolean;
  /** The number of the call that claimed it. */
  readonly call: number;
}

/** A job that will not run again by itself. */
export interface Failed {
  readonly row: Row;
  readonly reason: string;
  readonly failedAt: number;
  readonly cancelled: boolean;
}

/** A job that succeeded and whose result is kept. */
export interface Completed {
  readonly row: Row;
  readonly completedAt: number;
  readonly expiresAt: number;
  /** JSON text. */
  readonly result: string;
}

/** One incarnation of a worker. */
export interface WorkerRow {
  readonly id: string;
  readonly label: string;
  readonly queues: readonly string[];
  readonly registeredAt: number;
  readonly leaseExpiresAt: number;
  /** Calls with a smaller number claim nothing any more. */
  readonly callsFrom: number;
}

/** The tables of the memory store. As in Postgres, the table that holds a job *is* its state. */
export interface Tables {
  readonly waiting: Map<string, Waiting>;
  readonly scheduled: Map<string, Row>;
  readonly pending: Map<string, Row>;
  readonly claimed: Map<string, Claimed>;
  readonly failed: Map<string, Failed>;
  readonly completed: Map<string, Completed>;
  readonly workers: Map<string, WorkerRow>;
  /** The ids that come next. */
  readonly next: { job: bigint; worker: number };
}

/** Makes empty tables, of which the first job gets the id `firstId`. */
export function createTables(firstId: bigint): Tables {
  return {
    waiting: new Map(),
    scheduled: new Map(),
    pending: new Map(),
    claimed: new Map(),
    failed: new Map(),
    completed: new Map(),
    workers: new Map(),
    next: { job: firstId, worker: 1 },
  };
}

/** Tables of their own with the same rows, which nobody changes in place. */
export function copyTables(tables: Tables): Tables {
  return {
    waiting: new Map(tables.waiting),
    scheduled: new Map(tables.scheduled),
    pending: new Map(tables.pending),
    claimed: new Map(tables.claimed),
    failed: new Map(tables.failed),
    completed: new Map(tables.completed),
    workers: new Map(tables.workers),
    next: { ...tables.next },
  };
}

/** The clock of the memory store, in milliseconds. A `TestScheduler` virtualises it inside `run`. */
export function now(): number {
  return asyncScheduler.now();
}

/** Tells in which table a job is, or `undefined` when it is in none. */
export function stateOf(tables: Tables, id: string): JobState | undefined {
  if (tables.waiting.has(id)) return "waiting";
  if (tables.scheduled.has(id)) return "scheduled";
  if (tables.pending.has(id)) return "pending";
  if (tables.claimed.has(id)) return "claimed";
  if (tables.failed.has(id)) return "failed";
  return tables.completed.has(id) ? "completed" : undefined;
}

/** The job that has a key, wherever it is: a key stands as long as its job has a row. */
export function idOfKey(tables: Tables, key: string): string | undefined {
  return JOB_STATES.flatMap((state) => rowsIn(tables, state)).find(({ job }) => job.key === key)?.id;
}

/** The rows of the jobs in one state. */
export function rowsIn(tables: Tables, state: JobState): readonly Row[] {
  return [...tables[state].values()].map((entry: Row | { readonly row: Row }) =>
    "row" in entry ? entry.row : entry,
  );
}

/** Puts a job that waits for nothing where its time says: `true` when it became pending. */
export function putByTime(tables: Tables, row: Row): boolean {
  const due = row.runAt <= now();
  (due ? tables.pending : tables.scheduled).set(row.id, row);
  return due;
}

/** Compares by id, as numbers: `"9"` before `"10"`, beyond 2^53 too. */
export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id.length - b.id.length || (a.id < b.id ? -1 : Number(a.id > b.id));
}

/** Compares in the order of claims: lower priority first, then id. */
export function byClaimOrder(a: Row, b: Row): number {
  return a.job.priority - b.job.priority || byId(a, b);
}

/** The value of a JSON text; `undefined` where there is none. A fresh copy each time. */
export function jsonOf(text: string | undefined): unknown {
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}
