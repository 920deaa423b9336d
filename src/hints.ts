import { wakeUp } from "./core/arrival.ts";
import type { Arrival, DueHint } from "./core/arrival.ts";
import type { NewJob } from "./core/job.ts";
import type { Entered } from "./core/store-calls.ts";
import type { Hint } from "./postgres/channel.ts";

/**
 * What workers are to be told of new jobs: one hint a queue that has work, and one for the earliest
 * job of a queue that is due later, as the store judged that. Jobs that wait for others get none, for
 * settling those tells; nor do those that were not written.
 */
export function hintsOf(jobs: readonly NewJob[], answers: readonly Entered[]): readonly Hint[] {
  const ready = new Set<string>();
  const due = new Map<string, number>();
  jobs.forEach(({ queue, after }, index) => {
    const dueInMs = answers[index]?.dueInMs;
    if (dueInMs === undefined || after.length > 0) return;
    if (dueInMs <= 0) ready.add(queue);
    else due.set(queue, Math.min(dueInMs, due.get(queue) ?? Infinity));
  });
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
