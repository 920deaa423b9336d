import { firstValueFrom, from } from "rxjs";
import type { ErrorRecord } from "../../src/core/error-record.ts";
import type {
  CancelFilter,
  ClaimedJob,
  FailedJob,
  JobSnapshot,
  JobState,
  NewJob,
} from "../../src/core/job.ts";
import type {
  Cancelled,
  Claim,
  ClaimRequest,
  Entered,
  Progress,
  Promoted,
  QueueDepth,
  Recovered,
  Registration,
  Settled,
  Settlement,
  WorkerSnapshot,
} from "../../src/core/store-calls.ts";
import type { Store } from "../../src/core/store.ts";

/** A store under test, and what only its author can do to it. */
export interface Subject {
  readonly store: Store;

  /**
   * Where every job is, by id: `select id::text, state from jobs`. Throws where an id comes twice,
   * for then a job is in two states.
   */
  states(): Promise<ReadonlyMap<string, JobState>>;

  /** Lets the lease of one worker run out, and no other. Postgres: an update of its lease. */
  expireLease(workerId: string): Promise<void>;

  /**
   * Lets time pass for jobs that are scheduled or waiting, and for kept results. Postgres: moves
   * their `run_at` and `expires_at` back. The
   * suite never lets more pass than fifteen minutes, and its leases last an hour, so a clock may be
   * moved instead.
   */
  elapse(ms: number): Promise<void>;

  /**
   * Completes a job in a transaction and commits it, where the store can. `false` or an error says
   * that the claim did not stand, and then nothing was changed.
   */
  readonly completeInTransaction?: (workerId: string, claim: Claim, kept?: string) => Promise<boolean>;

  /** Takes the store down. Called once, after the test. */
  close(): Promise<void>;
}

/** Makes an empty store. The id of the first job is `firstId`, where that is given. */
export type Setup = (options: { readonly firstId?: string }) => Promise<Subject>;

/** Makes a bench for the current test, and closes it when the test is over. */
export type Open = (options?: { readonly firstId?: string }) => Promise<Bench>;

/** How an attempt ends, in the words of `Settlement`. */
export type Written = Settlement["outcome"];

/** A store under test with defaults for all that a test does not name. */
export interface Bench extends Subject {
  /** Enqueues one job and answers with its id. */
  add(job?: Partial<NewJob>): Promise<string>;
  /** Enqueues many jobs and answers with the ids of those that stand. */
  addAll(jobs: readonly Partial<NewJob>[]): Promise<readonly string[]>;
  /** The same, and whether each was written. */
  enqueue(jobs: readonly Partial<NewJob>[]): Promise<readonly Entered[]>;
  /** Registers a worker with a lease of an hour. */
  worker(registration?: Partial<Registration>): Promise<string>;
  /** Claims up to 100 jobs of kind `mill` from queue `default`, all of them started. */
  claim(workerId: string, request?: Partial<ClaimRequest>): Promise<readonly ClaimedJob[]>;
  /** Claims one job, which must be there. */
  claimOne(workerId: string, request?: Partial<ClaimRequest>): Promise<ClaimedJob>;
  /** Writes the same outcome for all these claims. */
  settle(workerId: string, claims: readonly Claim[], outcome: Written): Promise<Settled>;
  /** Writes outcomes, each its own. */
  settleAll(workerId: string, settlements: readonly Settlement[]): Promise<Settled>;
  release(workerId: string, claims: readonly Claim[]): Promise<readonly string[]>;
  /** Promotes queue `default` for jobs of kind `mill`, as a worker that holds nothing where none is told. */
  promote(queues?: readonly string[], kinds?: readonly string[], workerId?: string): Promise<Promoted>;
  recover(limit?: number): Promise<Recovered>;
  heartbeat(workerId: string, leaseDurationMs?: number): Promise<boolean>;
  unregister(workerId: string): Promise<unknown>;
  listFailed(limit?: number): Promise<readonly FailedJob[]>;
  retryJob(id: string): Promise<boolean>;
  bulkRetry(kind: string | undefined, options: { readonly dryRun: boolean }): Promise<number>;
  deleteFailed(id: string): Promise<boolean>;
  pendingCount(): Promise<number>;
  progress(workerId: string, values: readonly Progress[]): Promise<readonly string[]>;
  /** Cancels, for the reason "enough". */
  cancel(filter: CancelFilter, reason?: string): Promise<Cancelled>;
  expireResults(limit?: number): Promise<number>;
  expireFailed(keepFailedMs: number, limit?: number): Promise<number>;
  find(ids: readonly string[]): Promise<readonly JobSnapshot[]>;
  /** Where one job stands, which must be there. */
  look(id: string): Promise<JobSnapshot>;
  depth(): Promise<readonly QueueDepth[]>;
  listActive(limit?: number): Promise<readonly JobSnapshot[]>;
  listWorkers(): Promise<readonly WorkerSnapshot[]>;
  /** The state of one job, or `undefined` when it has no row. */
  state(id: string): Promise<JobState | undefined>;
}

/** What went wrong in the tests. */
export const JAMMED: ErrorRecord = { name: "JamError", message: "the stone is jammed" };

export const SUCCEEDED: Written = { type: "succeeded", result: undefined };
export const FAILED: Written = { type: "failed", error: JAMMED };
export const RELEASED: Written = { type: "released", reason: "shutdown" };
export const CANCELLED: Written = {
  type: "cancelled",
  error: { name: "CancelledError", message: "told to end" },
};

/** The outcome of an attempt whose result is kept where its job says so. */
export function kept(result: unknown): Written {
  return { type: "succeeded", result, kept: JSON.stringify(result) };
}

/** The outcome of an attempt that is tried again. */
export function retried(delayMs: number, error: ErrorRecord = JAMMED): Written {
  return { type: "retried", delayMs, error };
}

/** The outcome of an attempt that is postponed. */
export function snoozed(delayMs: number): Written {
  return { type: "snoozed", delayMs };
}

/** A job of kind `mill` in queue `default` that may run at once. */
export function newJob(job: Partial<NewJob> = {}): NewJob {
  return {
    kind: "mill",
    queue: "default",
    payload: "{}",
    priority: 0,
    delayMs: 0,
    runAt: undefined,
    maxAttempts: 3,
    source: undefined,
    timeoutMs: undefined,
    backoff: undefined,
    after: [],
    afterFailure: "wait",
    keepResultMs: undefined,
    key: undefined,
    ...job,
  };
}

/** The ids of jobs. */
export function idsOf(jobs: readonly { readonly id: string }[]): readonly string[] {
  return jobs.map(({ id }) => id);
}

const HOUR_MS = 3_600_000;

/** Makes a bench whose end is up to the caller. */
export function bench(subject: Subject): Bench {
  const { store } = subject;
  const enqueue: Bench["enqueue"] = (jobs) => firstValueFrom(from(store.enqueue(jobs.map(newJob))));
  const addAll: Bench["addAll"] = async (jobs) => idsOf(await enqueue(jobs));
  const claim: Bench["claim"] = (workerId, request) =>
    firstValueFrom(
      from(
        store.claim({
          workerId,
          queue: "default",
          kinds: ["mill"],
          limit: 100,
          startLimit: 100,
          started: [],
          ...request,
        }),
      ),
    );
  const settleAll: Bench["settleAll"] = (workerId, settlements) =>
    firstValueFrom(from(store.settle(workerId, settlements)));
  return {
    ...subject,
    addAll,
    enqueue,
    settleAll,
    add: async (job = {}) => only(await addAll([job])),
    worker: (registration) =>
      firstValueFrom(
        from(
          store.register({
            label: "miller",
            queues: ["default"],
            leaseDurationMs: HOUR_MS,
            ...registration,
          }),
        ),
      ),
    claim,
    claimOne: async (workerId, request) =>
      only(await claim(workerId, { limit: 1, startLimit: 1, ...request })),
    settle: (workerId, claims, outcome) =>
      settleAll(
        workerId,
        claims.map(({ id, token }) => ({ id, token, outcome })),
      ),
    release: (workerId, claims) =>
      settleAll(
        workerId,
        claims.map(({ id, token }) => ({ id, token, outcome: RELEASED })),
      ).then(({ accepted }) => accepted),
    promote: (queues = ["default"], kinds = ["mill"], workerId = "0") =>
      firstValueFrom(from(store.promote(workerId, queues, kinds))),
    recover: (limit = 100) => firstValueFrom(from(store.recover(limit))),
    heartbeat: (workerId, leaseDurationMs = HOUR_MS) =>
      firstValueFrom(from(store.heartbeat(workerId, leaseDurationMs))),
    unregister: (workerId) => firstValueFrom(from(store.unregister(workerId))),
    listFailed: (limit = 100) => firstValueFrom(from(store.listFailed(limit))),
    retryJob: (id) => firstValueFrom(from(store.retryJob(id))),
    bulkRetry: (kind, options) => firstValueFrom(from(store.bulkRetry(kind, options))),
    deleteFailed: (id) => firstValueFrom(from(store.deleteFailed(id))),
    pendingCount: () => firstValueFrom(from(store.pendingCount())),
    progress: (workerId, values) => firstValueFrom(from(store.progress(workerId, values))),
    cancel: (filter, reason = "enough") => firstValueFrom(from(store.cancel(filter, reason))),
    expireFailed: (keepFailedMs, limit = 100) =>
      firstValueFrom(from(store.expireFailed(keepFailedMs, limit))),
    expireResults: (limit = 100) => firstValueFrom(from(store.expireResults(limit))),
    find: (ids) => firstValueFrom(from(store.find(ids))),
    look: async (id) => only(await firstValueFrom(from(store.find([id])))),
    depth: () => firstValueFrom(from(store.depth())),
    listActive: (limit = 100) => firstValueFrom(from(store.listActive(limit))),
    listWorkers: () => firstValueFrom(from(store.listWorkers())),
    state: async (id) => (await subject.states()).get(id),
  };
}

function only<T>(values: readonly T[]): T {
  const [value] = values;
  if (value === undefined || values.length > 1) {
    throw new Error(`Expected one value, got ${values.length}`);
  }
  return value;
}
