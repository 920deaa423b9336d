import type { Left } from "../systems/system.ts";

/**
 * The protocol between the bench and its children: one line of JSON an order, one an answer. A child
 * is a fresh process with one system in it, so that heaps and event loops do not mix.
 */
export interface Orders {
  /** Creates tables and queues. */
  readonly prepare: Order<object, null>;
  /** Enqueues many jobs, ten thousand a call. */
  readonly fill: Order<{ readonly count: number; readonly delayMs?: number | undefined }, Sent>;
  /** Enqueues all in one call. */
  readonly fillAtOnce: Order<{ readonly count: number }, Sent>;
  /** Enqueues one by one, by so many callers at once, each waiting for its last. */
  readonly call: Order<{ readonly count: number; readonly callers: number }, Sent>;
  /** Enqueues probes one by one, with a random pause around `gapMs` between. */
  readonly probe: Order<{ readonly count: number; readonly gapMs: number }, Sent>;
  /** Enqueues at a steady rate, a batch each 10 ms, until it is told to cease. */
  readonly load: Order<{ readonly perSecond: number }, Sent>;
  readonly cease: Order<object, null>;
  /** Enqueues jobs of all sorts one by one at a steady rate. */
  readonly mix: Order<{ readonly perSecond: number; readonly seconds: number }, Sent>;
  /** Starts a worker. */
  readonly work: Order<Working, null>;
  /** What the worker has done so far. */
  readonly tally: Order<object, Tally>;
  /** Begins to measure anew; what was handled so far counts on. */
  readonly lap: Order<object, null>;
  /** How late the probes began, in milliseconds, and the other lists of `mixed`. */
  readonly lateness: Order<object, Readonly<Record<string, readonly number[]>>>;
  /** What the process uses: processor time since its start, and megabytes after garbage is collected, which does not count. */
  readonly usage: Order<object, Usage>;
  /** Jobs that did not succeed yet. */
  readonly left: Order<object, Left>;
  /** Commands that Redis has carried out so far; only for what is stored there. */
  readonly commands: Order<object, number>;
  /** How often the library, or Node, has complained of what since the start. */
  readonly troubles: Order<object, Readonly<Record<string, number>>>;
  /** Stops the worker. */
  readonly stop: Order<object, null>;
}

interface Order<Asked, Answer> {
  readonly asked: Asked;
  readonly answer: Answer;
}

/** How a worker works. */
export interface Working {
  /** Attempts of a queue that run at once. */
  readonly concurrency: number;
  readonly sort: Sort;
  /** Jobs that `limit` claims and completes at once. */
  readonly atOnce?: number;
}

/** What handlers do: nothing, wait 5 ms, or nothing but to note how late they are, or to fail as told. */
export type Sort = "noop" | "wait" | "probe" | "mixed";

/** What a child uses. */
export interface Usage {
  readonly heapMb: number;
  readonly residentMb: number;
  readonly cpuUs: number;
}

/** What was enqueued. */
export interface Sent {
  readonly count: number;
  /** The sum of the numbers that the jobs carry. */
  readonly sum: number;
  readonly seconds: number;
  /** Processor time of the child. */
  readonly cpuUs: number;
}

/** What was handled. */
export interface Tally {
  /** Attempts that did not fail. */
  readonly handled: number;
  /** The sum of the numbers that their jobs carry. */
  readonly sum: number;
  /** Those of them since the last lap. */
  readonly inLap: number;
  /** When the first attempt of the lap began and the last one ended, on the clock of `now()`. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Processor time of the child since the first attempt of the lap began. */
  readonly cpuUs: number;
}

/** A line to a child. */
export interface Line {
  readonly id: number;
  readonly order: keyof Orders;
  readonly asked: never;
}

/** A line from a child. */
export interface Answer {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}
