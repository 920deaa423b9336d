import { of, switchMap, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { checkOptions, milliseconds, rule } from "../core/check.ts";
import type { Rule } from "../core/check.ts";
import { UnknownParentError } from "../core/errors.ts";
import type { NewJob } from "../core/job.ts";
import type { Claim, Entered, Progress, Registration } from "../core/store-calls.ts";
import type { Store } from "../core/store.ts";
import { cancel } from "./memory-cancel.ts";
import { claim, leaseStands, promote, removeWorker } from "./memory-claim.ts";
import { recover } from "./memory-recover.ts";
import { enter } from "./memory-fan-in.ts";
import { allJobs } from "./memory-jobs.ts";
import type { MemoryJob } from "./memory-jobs.ts";
import { depth, expireResults, find, listActive, listWorkers } from "./memory-observe.ts";
import { bulkRetry, deleteFailed, expireFailed, listFailed, retry } from "./memory-operate.ts";
import { settle, succeed, take } from "./memory-settle.ts";
import { copyTables, createTables, idOfKey, now } from "./memory-tables.ts";
import type { Tables } from "./memory-tables.ts";

/** Settings of `memoryStore`. */
export interface MemoryStoreOptions {
  /**
   * Milliseconds of virtual time from the subscription to an answer until it comes, from 0.
   * Default 0: the answer comes in the frame of the subscription.
   */
  readonly latencyMs?: number;
  /** The id of the first job, in decimal digits. Default `"1"`. */
  readonly firstId?: string;
}

/** The `Store` in memory, and what a test may ask and do besides. */
export interface MemoryStore extends Store {
  /** Every job there is, in the order of ids, like the SQL view `jobs`. */
  jobs(): readonly MemoryJob[];

  /** Lets the lease of a worker run out now, as if its process had stopped long ago. */
  expireLease(workerId: string): void;

  /**
   * Completes a job as a handler's own transaction does when it commits: the row goes, or is kept
   * with its result (`kept`, JSON text), and its children may run. Answers `false`, and does nothing,
   * where the claim does not stand.
   */
  completeInTransaction(workerId: string, claim: Claim & { readonly kept?: string | undefined }): boolean;

  /**
   * A store of its own that holds the same, ids that come next included: for tests that try many calls
   * from one state, as a model checker does. What is done to one of the two is not done to the other.
   */
  fork(): MemoryStore;
}

/**
 * Makes an empty store in memory that changes the states of jobs exactly as Postgres does.
 *
 * Its only clock is that of RxJS (`asyncScheduler.now()`), so inside `testScheduler.run` leases,
 * delays and backoffs pass in virtual time. The work of a method is done when it is called, as a
 * server commits before it replies; `latencyMs` only delays the reply, and whoever unsubscribes
 * before it came has missed the answer, not undone the work.
 *
 * ```text
 * latencyMs 0   enqueue()  (a|)
 * latencyMs 3   enqueue()  ---(a|)
 * ```
 *
 * @throws OptionError Where an option breaks its rule.
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { latencyMs, firstId } = checked(options);
  return storeOf(createTables(firstId), latencyMs);
}

function storeOf(tables: Tables, latencyMs: number): MemoryStore {
  const answer = <T>(work: () => T): Observable<T> => {
    const answer$ = outcomeOf(work);
    return latencyMs === 0 ? answer$ : timer(latencyMs).pipe(switchMap(() => answer$));
  };
  return {
    enqueue: (jobs) => answer(() => enqueue(tables, jobs)),
    register: (worker) => answer(() => register(tables, worker)),
    heartbeat: (id, leaseDurationMs) => answer(() => heartbeat(tables, id, leaseDurationMs)),
    unregister: (id) => answer(() => removeWorker(tables, id)),
    promote: (workerId, queues, kinds) => answer(() => promote(tables, workerId, { queues, kinds })),
    claim: (request) => answer(() => claim(tables, request)),
    settle: (workerId, settlements) => answer(() => settle(tables, workerId, settlements)),
    recover: (limit) => answer(() => recover(tables, limit)),
    listFailed: (limit) => answer(() => listFailed(tables, limit)),
    retryJob: (id) => answer(() => retry(tables, id)),
    bulkRetry: (kind, { dryRun }) => answer(() => bulkRetry(tables, kind, dryRun)),
    deleteFailed: (id) => answer(() => deleteFailed(tables, id)),
    pendingCount: () => answer(() => tables.pending.size),
    progress: (workerId, values) => answer(() => progress(tables, workerId, values)),
    cancel: (filter, reason) => answer(() => cancel(tables, filter, reason)),
    expireFailed: (keepFailedMs, limit) => answer(() => expireFailed(tables, keepFailedMs, limit)),
    expireResults: (limit) => answer(() => expireResults(tables, limit)),
    tidy: () => answer(() => ({ holder: undefined })),
    find: (ids) => answer(() => find(tables, ids)),
    depth: () => answer(() => depth(tables)),
    listActive: (limit) => answer(() => listActive(tables, limit)),
    listWorkers: () => answer(() => listWorkers(tables)),
    jobs: () => allJobs(tables),
    expireLease: (id) => expireLease(tables, id),
    completeInTransaction: (workerId, claimed) => complete(tables, workerId, claimed),
    fork: () => storeOf(copyTables(tables), latencyMs),
  };
}

const RULES: Readonly<Record<keyof MemoryStoreOptions, Rule>> = {
  latencyMs: milliseconds(0),
  firstId: rule(
    "decimal digits, from 1 up",
    (value) => typeof value === "string" && /^[1-9]\d*$/u.test(value),
  ),
};

function checked(options: MemoryStoreOptions): {
  readonly latencyMs: number;
  readonly firstId: bigint;
} {
  checkOptions("memoryStore options", options, RULES);
  const { latencyMs = 0, firstId = "1" } = options;
  return { latencyMs, firstId: BigInt(firstId) };
}

function outcomeOf<T>(work: () => T): Observable<T> {
  try {
    return of(work());
  } catch (error) {
    return throwError(() => error);
  }
}

function enqueue(tables: Tables, jobs: readonly NewJob[]): readonly Entered[] {
  for (const job of jobs) JSON.parse(job.payload);
  // Postgres draws an id for each job before it looks for the keys.
  const drawn = jobs.map((job) => ({ job, id: String(tables.next.job++) }));
  checkParents(drawn);
  return drawn.map(({ job, id }) => {
    const standing = job.key === undefined ? undefined : idOfKey(tables, job.key);
    if (standing !== undefined) return { id: standing, inserted: false, dueInMs: undefined };
    const at = now();
    const runAt = Math.max(at, job.runAt?.getTime() ?? at + job.delayMs);
    const fresh = { attempt: 0, token: 0, crashes: 0, errors: [], progress: undefined };
    enter(tables, { id, job, runAt, enqueuedAt: at, ...fresh });
    return { id, inserted: true, dueInMs: runAt - at };
  });
}

/** Parents were enqueued before: their ids are below all that are drawn. */
function checkParents(drawn: readonly { readonly job: NewJob; readonly id: string }[]): void {
  const [first] = drawn;
  const strangers = drawn
    .flatMap(({ job }) => job.after.map(BigInt))
    .filter((id) => id < 1n || id >= BigInt(first?.id ?? 0))
    .sort((a, b) => (a < b ? -1 : 1));
  if (strangers[0] === undefined) return;
  const message = `Expected \`after\` to hold ids of jobs that were enqueued before, got ${strangers[0]}`;
  throw new UnknownParentError(message, String(strangers[0]));
}

function register(tables: Tables, { label, queues, leaseDurationMs }: Registration): string {
  const id = `worker-${tables.next.worker++}`;
  const times = { registeredAt: now(), leaseExpiresAt: now() + leaseDurationMs };
  tables.workers.set(id, { id, label, queues, callsFrom: 0, ...times });
  return id;
}

function heartbeat(tables: Tables, id: string, leaseDurationMs: number): boolean {
  const worker = tables.workers.get(id);
  if (worker === undefined || !leaseStands(tables, id)) return false;
  tables.workers.set(id, { ...worker, leaseExpiresAt: now() + leaseDurationMs });
  return true;
}

function expireLease(tables: Tables, id: string): void {
  const worker = tables.workers.get(id);
  if (worker !== undefined) tables.workers.set(id, { ...worker, leaseExpiresAt: -Infinity });
}

function complete(
  tables: Tables,
  workerId: string,
  claimed: Claim & { readonly kept?: string | undefined },
): boolean {
  const taken = take(tables, workerId, claimed);
  if (taken === undefined) return false;
  succeed(tables, taken.row, claimed.kept);
  return true;
}

function progress(tables: Tables, workerId: string, values: readonly Progress[]): readonly string[] {
  for (const { value } of values) JSON.parse(value);
  return values.flatMap(({ id, token, value }) => {
    const found = tables.claimed.get(id);
    if (found?.workerId !== workerId || found.row.token !== token) return [id];
    tables.claimed.set(id, { ...found, row: { ...found.row, progress: value } });
    return [];
  });
}
