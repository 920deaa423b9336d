import type { ObservableInput } from "rxjs";
import type { CancelFilter, ClaimedJob, FailedJob, JobSnapshot, NewJob } from "./job.ts";
import type {
  Cancelled,
  ClaimRequest,
  Entered,
  Progress,
  Promoted,
  QueueDepth,
  Recovered,
  Registration,
  Settled,
  Settlement,
  Tidied,
  WorkerSnapshot,
} from "./store-calls.ts";

/**
 * Where jobs are kept. There are two: Postgres (`src/postgres/store.ts`) and memory
 * (`src/testing/memory-store.ts`), held to one contract suite (`test/contract`).
 *
 * Every method is lazy in nothing: calling it does the work. It answers with any `ObservableInput`
 * that emits once and completes, or errors, so that Postgres can pass promises and tests marbles.
 * All time is the store's own clock; durations go in and come out as milliseconds.
 */
export interface Store {
  /**
   * Writes jobs, all or none, and answers for each, in the same order. A job whose `key` another job
   * has, be it of the same call, is not written: the answer tells the one that stands.
   */
  enqueue(jobs: readonly NewJob[]): ObservableInput<readonly Entered[]>;

  /** Enters a new incarnation of a worker, with a lease, and answers with its id. */
  register(worker: Registration): ObservableInput<string>;

  /** Renews a worker's lease; `false` when it ran out already, for it is never revived. */
  heartbeat(workerId: string, leaseDurationMs: number): ObservableInput<boolean>;

  /** Removes a worker that holds no claims any more. */
  unregister(workerId: string): ObservableInput<unknown>;

  /**
   * Makes due jobs pending, and tells which queues have work, when the next job is due, and which
   * jobs of this worker somebody cancelled.
   */
  promote(workerId: string, queues: readonly string[], kinds: readonly string[]): ObservableInput<Promoted>;

  /** Takes up to `limit` pending jobs, lowest priority number first, then in the order of ids. */
  claim(request: ClaimRequest): ObservableInput<readonly ClaimedJob[]>;

  /**
   * Writes outcomes; each is written only while its claim still stands. To try again after an error,
   * pass the same array: then a store whose reply was lost can tell what it had written already.
   */
  settle(workerId: string, settlements: readonly Settlement[]): ObservableInput<Settled>;

  /**
   * Gives back the claims of workers whose lease ran out: all that had begun, and up to `limit` of the
   * others. Of those that a worker had begun, one attempt is counted (docs/decisions/0012-crashes.md).
   */
  recover(limit: number): ObservableInput<Recovered>;

  /** The newest failed jobs, newest first (by `failedAt`, then by id), without payloads. */
  listFailed(limit: number): ObservableInput<readonly FailedJob[]>;

  /** Makes one failed job pending, its attempts cleared; `false` when it is not among the failed. */
  retryJob(id: string): ObservableInput<boolean>;

  /** Makes all failed jobs (of a kind) pending, or only counts them; answers with how many. */
  bulkRetry(kind: string | undefined, options: { readonly dryRun: boolean }): ObservableInput<number>;

  /** Deletes one failed job; `false` when it is not among the failed. Its children may then run. */
  deleteFailed(id: string): ObservableInput<boolean>;

  /** How many jobs may run now. */
  pendingCount(): ObservableInput<number>;

  /** Keeps the last progress of running jobs; answers with the ids whose claim was gone. */
  progress(workerId: string, values: readonly Progress[]): ObservableInput<readonly string[]>;

  /**
   * Cancels jobs: those that nobody runs fail at once (marked as cancelled), those that run are
   * marked, for their worker to interrupt (`Promoted.cancelled`).
   */
  cancel(filter: CancelFilter, reason: string): ObservableInput<Cancelled>;

  /** Deletes kept results that have expired, at most `limit`; answers with how many. */
  expireResults(limit: number): ObservableInput<number>;

  /**
   * Deletes jobs that failed `keepFailedMs` ago or longer, at most `limit`, the oldest first, but for
   * those that other jobs wait for; answers with how many.
   */
  expireFailed(keepFailedMs: number, limit: number): ObservableInput<number>;

  /**
   * Looks after what is nobody's: removes what processes that died have left, and lets a queue of
   * notifications that was full take new ones. Answers with who keeps the store from tidying up.
   */
  tidy(): ObservableInput<Tidied>;

  /** Where these jobs stand; those that have no row are missing from the answer. */
  find(ids: readonly string[]): ObservableInput<readonly JobSnapshot[]>;

  /** How many jobs there are in each queue and state, for those that have any. */
  depth(): ObservableInput<readonly QueueDepth[]>;

  /** The jobs that are claimed, the longest-held first. */
  listActive(limit: number): ObservableInput<readonly JobSnapshot[]>;

  /** The workers whose lease stands, the oldest first. */
  listWorkers(): ObservableInput<readonly WorkerSnapshot[]>;
}
