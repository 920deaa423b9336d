import type { ObservableInput } from "rxjs";
import type { JobRef, RecoveredJob } from "./events.ts";
import type { CancelFilter, ClaimedJob, FailedJob, JobSnapshot, JobState, NewJob } from "./job.ts";
import type { Outcome } from "./outcome.ts";

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

/** What became of a job that was enqueued. */
export interface Enqueued {
  /** The job that stands: the one that was given, or the one that had its key before. */
  readonly id: string;
  /** Whether the given job was written. `false`: a job of the same key was there. */
  readonly inserted: boolean;
}

/** What a store answers for a job that was given to it. */
export interface Entered extends Enqueued {
  /** Milliseconds from now until it may run, by the store's clock. Of jobs that were not written: `undefined`. */
  readonly dueInMs: number | undefined;
}

/** A progress value on its way to be kept. */
export interface Progress extends Claim {
  /** JSON text, already checked and serialised. */
  readonly value: string;
}

/** Answer of `cancel`. */
export interface Cancelled {
  /** Those that ended at once. */
  readonly ended: readonly JobRef[];
  /** Those that run and were marked, with the worker that holds them. */
  readonly requested: readonly (Claim & { readonly workerId: string })[];
  /** Queues in which children (`afterFailure: "run"`) became pending. */
  readonly readyQueues: readonly string[];
}

/** How many jobs of a queue are in a state. */
export interface QueueDepth {
  /** The queue. */
  readonly queue: string;
  /** The state; `completed` only where results are kept. */
  readonly state: JobState;
  /** How many there are, from 1. */
  readonly count: number;
}

/** A worker as its row tells. */
export interface WorkerSnapshot {
  /** Its id, new for each incarnation. */
  readonly id: string;
  /** Who it is, for people. */
  readonly label: string;
  /** The queues that it drains. */
  readonly queues: readonly string[];
  /** When it entered. */
  readonly startedAt: Date;
  /** When its lease runs out unless it is renewed. */
  readonly leaseExpiresAt: Date;
  /** How many jobs it holds. */
  readonly claimed: number;
}

/** What a worker tells of itself when it enters. */
export interface Registration {
  /** For people: who is this? Shown with every claim. */
  readonly label: string;
  /** The queues that it drains. */
  readonly queues: readonly string[];
  /** Milliseconds that its lease stands without a heartbeat. */
  readonly leaseDurationMs: number;
}

/** What a worker asks for. */
export interface ClaimRequest {
  /** The incarnation that claims. One whose lease ran out gets nothing. */
  readonly workerId: string;
  /** The queue to claim from. */
  readonly queue: string;
  /** Only jobs of these kinds are taken; the others are left for workers that know them. */
  readonly kinds: readonly string[];
  /** From 1. */
  readonly limit: number;
  /**
   * How many of the claimed jobs begin at once. The others are prefetched: a crash does not charge
   * them an attempt until they are told of in `started`.
   */
  readonly startLimit: number;
  /** Prefetched jobs that have begun since the last claim. */
  readonly started: readonly Claim[];
  /**
   * Only jobs that stand behind this place are taken; those that a worker died with, wherever they
   * stand. Default: from the first.
   */
  readonly after?: Place | undefined;
  /** The number of this call among all of its worker, which grows. Default 0. */
  readonly call?: number | undefined;
  /**
   * From which call on there was no answer, so that nobody knows whether they claimed. What they
   * claimed is answered first, under the claims that stand, and from then on none of them claims,
   * however late it arrives. Default: all were answered.
   */
  readonly lostFrom?: number | undefined;
}

/** A place in the order of a queue. */
export interface Place {
  /** Lower comes first. */
  readonly priority: number;
  /** Of the same priority, lower comes first. */
  readonly id: string;
}

/** One claim, as its holder knows it. */
export interface Claim {
  /** The job. */
  readonly id: string;
  /** The fencing token that came with the claim. */
  readonly token: number;
}

/** An outcome and the claim that it is written under. */
export interface Settlement extends Claim {
  /** How the attempt ended. Abandoned ones are not written. */
  readonly outcome: Exclude<Outcome, { readonly type: "abandoned" }>;
  /** JSON text of the last progress, to be kept where the job goes on; `undefined` leaves what is. */
  readonly progress?: string | undefined;
  /** The handler has completed the job in a transaction of its own, if that was committed. */
  readonly committed?: boolean | undefined;
}

/** Answer of `settle`. */
export interface Settled {
  /**
   * The ids whose outcome was written, by this call or by an earlier one with the same array. The others
   * were refused: their claim was gone, or it is not known what became of it.
   */
  readonly accepted: readonly string[];
  /** Those of the refused whose handler has completed them: its transaction was committed. */
  readonly completed: readonly string[];
  /** Queues in which children of these jobs became pending. */
  readonly readyQueues: readonly string[];
  /**
   * Those of the accepted that were to run again, but had been cancelled meanwhile: they have ended as
   * cancelled instead, with these reasons.
   */
  readonly cancelled: readonly { readonly id: string; readonly reason: string }[];
}

/** Answer of `promote`. */
export interface Promoted {
  /** Those of the given queues that hold pending jobs of the given kinds. */
  readonly readyQueues: readonly string[];
  /** Milliseconds until the next scheduled job of these queues is due, or `undefined`. */
  readonly dueInMs: number | undefined;
  /** Jobs that this worker holds and that were cancelled. */
  readonly cancelled: readonly CancelOrder[];
}

/** Answer of `tidy`. */
export interface Tidied {
  /** Who holds the oldest snapshot, however young that is; `undefined` where nobody holds one. */
  readonly holder: SnapshotHolder | undefined;
}

/** Who keeps dead rows from being removed: a session, a prepared transaction or a replication slot. */
export interface SnapshotHolder {
  /** From where on nothing can be removed. The same one in two answers is one snapshot, held throughout. */
  readonly horizon: string;
  /** The process of the session or of the reader of the slot, if there is one. */
  readonly pid?: number | undefined;
  /** What it is called. */
  readonly name?: string | undefined;
  /** Milliseconds since its transaction began, where that is known and may be seen. */
  readonly ageMs?: number | undefined;
}

/** The order to end a running attempt because its job was cancelled. */
export interface CancelOrder extends Claim {
  /** What was said about it. */
  readonly reason: string;
}

/** Answer of `recover`. */
export interface Recovered {
  /** What came back, each with where it is now. */
  readonly jobs: readonly RecoveredJob[];
  /**
   * Milliseconds until the next lease of any worker runs out, or `undefined` without workers. 200 where a
   * dead one still holds claims: others had locked them, or they were too many.
   */
  readonly expiresInMs: number | undefined;
}
