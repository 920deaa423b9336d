import type { WorkerEvent } from "../../src/index.ts";
import { addDuration, EMPTY_HISTOGRAM } from "./histogram.ts";
import type { Histogram } from "./histogram.ts";
import { KINDS } from "./kinds.ts";
import type { Kind } from "./kinds.ts";

/** What became of the attempts of one kind of job. */
export interface KindStats {
  /** Running now. */
  readonly running: number;
  /** Done. */
  readonly succeeded: number;
  /** Failed attempts after which another follows. */
  readonly retried: number;
  /** Jobs given up. */
  readonly failed: number;
}

/** What happened in a worker so far. */
export interface Stats {
  readonly jobs: Readonly<Record<Kind, KindStats>>;
  /** Times from "may run" to "claimed". */
  readonly pickup: Histogram;
  /** The last few remarkable events, in words, oldest first. */
  readonly recent: readonly string[];
}

/** Before the first event. */
export const NO_STATS: Stats = {
  jobs: Object.fromEntries(
    KINDS.map((kind) => [kind, { running: 0, succeeded: 0, retried: 0, failed: 0 }]),
  ) as Record<Kind, KindStats>,
  pickup: EMPTY_HISTOGRAM,
  recent: [],
};

/** How many events `recent` holds. */
const RECENT = 5;

/** Adds one event to the stats: the reducer for `scan`. */
export function addEvent(stats: Stats, event: WorkerEvent<Kind>): Stats {
  switch (event.type) {
    case "attempt-started":
      return {
        ...withChange(stats, event.job.kind, { running: 1 }),
        pickup: addDuration(stats.pickup, event.waitMs),
      };
    case "succeeded":
      return withChange(remembering(stats, event), event.job.kind, { running: -1, succeeded: 1 });
    case "retry-scheduled":
      return withChange(remembering(stats, event), event.job.kind, { running: -1, retried: 1 });
    case "failed":
      return withChange(remembering(stats, event), event.job.kind, { running: -1, failed: 1 });
    case "snoozed":
    case "lease-lost":
    case "leaked":
      return withChange(remembering(stats, event), event.job.kind, { running: -1 });
    case "released":
      return event.reason === "unstarted"
        ? stats
        : withChange(remembering(stats, event), event.job.kind, { running: -1 });
    case "claimed":
    case "progress":
      return stats;
    default:
      return remembering(stats, event);
  }
}

/** All kinds together. */
export function total(stats: Stats): KindStats {
  return Object.values(stats.jobs).reduce(added);
}

function withChange(stats: Stats, kind: Kind, change: Partial<KindStats>): Stats {
  const none = { running: 0, succeeded: 0, retried: 0, failed: 0 };
  return {
    ...stats,
    jobs: { ...stats.jobs, [kind]: added(stats.jobs[kind], { ...none, ...change }) },
  };
}

const added = (a: KindStats, b: KindStats): KindStats => ({
  running: a.running + b.running,
  succeeded: a.succeeded + b.succeeded,
  retried: a.retried + b.retried,
  failed: a.failed + b.failed,
});

const remembering = (stats: Stats, event: WorkerEvent<Kind>): Stats => ({
  ...stats,
  recent: [...stats.recent, inWords(event)].slice(-RECENT),
});

function inWords(event: WorkerEvent<Kind>): string {
  const subject =
    "job" in event ? `${event.type} ${event.job.kind} of ${event.job.source ?? "?"}` : event.type;
  const duration = "durationMs" in event ? ` after ${event.durationMs.toFixed(0)} ms` : "";
  const reason = "error" in event ? `: ${event.error.message}` : "";
  return subject + duration + reason;
}
