/**
 * What the bench asks of a queue library. Each system in this folder is a library in its best
 * documented configuration, which `docs/performance.md` states.
 */
export interface System {
  /** Creates tables and queues. */
  readonly prepare: () => Promise<unknown>;
  /** Enqueues one job, and resolves when the library says that it is stored. */
  readonly enqueue: (job: NewJob) => Promise<unknown>;
  /** Enqueues many jobs with one call of the library. */
  readonly enqueueMany: (jobs: readonly NewJob[]) => Promise<unknown>;
  /** Starts a worker, and resolves to what stops it when it works. */
  readonly work: (work: Work) => Promise<() => Promise<unknown>>;
  /** The jobs that are stored and did not succeed yet. */
  readonly left: () => Promise<Left>;
  /** Commands that Redis has carried out so far, for what is stored there. */
  readonly commands?: () => Promise<number>;
  /** Milliseconds until it tries a failed attempt again, where it does not let one choose `RETRY_MS`. */
  readonly retryMs?: number;
  /** How often it has complained of what since its start, for libraries that tell. */
  readonly troubles?: () => Readonly<Record<string, number>>;
  readonly close: () => Promise<unknown>;
}

/** Jobs that did not succeed yet. */
export interface Left {
  readonly count: number;
  /** The sum of the numbers that they carry, where the store can tell. */
  readonly sum?: number;
}

/** Where a system finds its store, and the queues that it needs there. */
export interface Target {
  /** Connects to a database of its own. */
  readonly postgres: string;
  /** The port of a Redis of its own, for the systems that need one. */
  readonly redisPort?: number | undefined;
  readonly queues: readonly string[];
}

/** What every job carries. */
export interface Payload {
  /** Numbers the jobs of a run, so that a missing one and one too many are found by their sum. */
  readonly n: number;
  /** When it was enqueued, on the clock of `now()`. */
  readonly sentAt: number;
  /** Whether its lateness is of interest. */
  readonly probe?: boolean;
  /** Milliseconds from `sentAt` until it is due. */
  readonly delayMs?: number;
  /** Whether its first attempt is to fail. */
  readonly fails?: boolean;
}

/** A job to enqueue; without a queue it goes to the first one. */
export interface NewJob {
  readonly payload: Payload;
  readonly queue?: string;
  /** Lower runs first. */
  readonly priority?: number;
  readonly delayMs?: number;
}

/** What a worker is to do. */
export interface Work {
  readonly queues: readonly string[];
  /** Attempts of a queue that run at once. */
  readonly concurrency: number;
  /** Jobs that `limit` claims and completes at once; libraries have their own mind. */
  readonly atOnce?: number | undefined;
  readonly jobs: JobSort;
  readonly handle: Handle;
}

/**
 * What sort of jobs come, for libraries that are best set up for it: `quick` ones of some microseconds,
 * `slow` ones that wait, `mixed` where some fail and some are delayed.
 */
export type JobSort = "quick" | "slow" | "mixed";

/** Is called for each attempt. */
export type Handle = (payload: Payload) => void | Promise<void>;

/**
 * Connections that a peer's pool may open to enqueue by: as many as there are callers at most, for most
 * of them send each job by itself. The pool of millrace stays as it comes.
 */
export const CALLERS = 64;

/** Milliseconds until a failed attempt is tried again. */
export const RETRY_MS = 1000;

/** Milliseconds on a clock that all processes of the machine share. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Jobs by the queue that they go to, for libraries that enqueue to one queue at a time. */
export function byQueue(jobs: readonly NewJob[], target: Target): ReadonlyMap<string, NewJob[]> {
  const found = new Map<string, NewJob[]>();
  for (const job of jobs) {
    const queue = job.queue ?? String(target.queues[0]);
    const ofQueue = found.get(queue);
    if (ofQueue === undefined) found.set(queue, [job]);
    else ofQueue.push(job);
  }
  return found;
}
