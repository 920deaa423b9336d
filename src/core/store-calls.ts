import type { JobRef, RecoveredJob } from "./events.ts";
import type { JobState } from "./job.ts";
import type { Outcome } from "./outcome.ts";

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

/** The most jobs that one claim brings, whatever it asks for. */
export const CLAIM_LIMIT = 10_000;

/** What a worker asks for. */
export interface ClaimRequest {
  /** The incarnation that claims. One whose lease ran out gets nothing. */
  readonly workerId: string;
  /** The queue to claim from. */
  readonly queue: string;
  /** Only jobs of these kinds are taken; the others are left for workers that know them. */
  readonly kinds: readonly string[];
  /** From 1. A claim brings at most 10,000, so one that asks for more is never full. */
  readonly limit: number;
  /**
   * How many of the claimed jobs begin at once. The others are prefetched: a crash does not charge
   * them an attempt until they are told of in `started`.
   */
  readonly startLimit: number;
  /** Prefetched jobs that have begun since the last claim. */
  readonly started: readonly Claim[];
  /**
   * Only jobs that stand behind this place are taken. Those that a worker died with are, wherever they
   * stand, unless a more urgent one that is not of these stands behind it. Default: from the first.
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
