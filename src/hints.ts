import { asyncScheduler } from "rxjs";
import { wakeUp } from "./core/arrival.ts";
import type { Arrival, DueHint } from "./core/arrival.ts";
import type { NewJob } from "./core/job.ts";
import type { Hint } from "./postgres/channel.ts";

/**
 * What workers are to be told of new jobs: one hint a queue that has work, and one for the earliest
 * job of a queue that is due later. Jobs that wait for others get none: settling those tells.
 */
export function hintsOf(jobs: readonly NewJob[]): readonly Hint[] {
  const ready = new Set<string>();
  const due = new Map<string, number>();
  for (const job of jobs) {
    if (job.after.length > 0) continue;
    const dueInMs = job.runAt === undefined ? job.delayMs : job.runAt.getTime() - asyncScheduler.now();
    if (dueInMs <= 0) ready.add(job.queue);
    else due.set(job.queue, Math.min(dueInMs, due.get(job.queue) ?? Infinity));
  }
  return [
    ...[...ready].map((queue): Hint => ({ queue })),
    ...[...due].map(([queue, dueInMs]): Hint => ({ queue, dueInMs })),
  ];
}

/** Hints for the workers of this process, which need no notification. */
export function arrivalsOf(hints: readonly Hint[]): readonly (Arrival | DueHint)[] {
  return hints.map(({ queue, dueInMs }) =>
    dueInMs === undefined ? wakeUp([queue]) : { type: "due-hint", dueInMs },
  );
}
