import type { Observable } from "rxjs";
import { DEFAULT_BACKOFF } from "../../src/core/backoff.ts";
import type { InterruptReason } from "../../src/core/errors.ts";
import { jobRef } from "../../src/core/events.ts";
import type { WorkerEvent } from "../../src/core/events.ts";
import type { ClaimedJob } from "../../src/core/job.ts";
import type { Ended, Outcome, Progressed } from "../../src/core/outcome.ts";
import type { AttemptSetup, Step } from "../../src/stages/attempt.ts";
import type { Handler } from "../../src/stages/handler.ts";
import { claimedJob } from "./marbles.ts";

/** The setup of an attempt whose only handler is the given one. The grace is 5 ms. */
export function attemptSetup(handler: Handler, overrides: Partial<AttemptSetup> = {}): AttemptSetup {
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
  return {
    handlerOf: () => handler,
    prepare: (job) => job,
    retry: { ...DEFAULT_BACKOFF, jitter: 0 },
    timeoutMs: undefined,
    graceMs: 5,
    progressIntervalMs: 0,
    completeIn: () => Promise.resolve(true),
    logOf: () => log,
    random: () => 0,
    ...overrides,
  };
}

/** What an attempt emits, as values of a diagram. */
export function steps(job: ClaimedJob = claimedJob()): {
  readonly s: WorkerEvent;
  readonly p: (value: unknown) => Progressed;
  readonly leaked: (reason: InterruptReason) => WorkerEvent;
  readonly ended: (outcome: Outcome, durationMs: number, committed?: boolean, progress?: unknown) => Ended;
} {
  const ref = jobRef(job);
  return {
    s: { type: "attempt-started", job: ref, waitMs: job.waitMs },
    p: (value) => ({ type: "progressed", job, value, text: JSON.stringify(value) }),
    leaked: (reason) => ({ type: "leaked", job: ref, reason }),
    ended: (outcome, durationMs, committed = false, progress) => ({
      type: "ended",
      job,
      outcome,
      durationMs,
      committed,
      progress: progress === undefined ? undefined : JSON.stringify(progress),
    }),
  };
}

/** What an attempt emitted, and how it ended; subscribes at once. */
export function hear(attempt$: Observable<Step>): {
  readonly heard: Step[];
  readonly outcome: () => Outcome | undefined;
  readonly completed: () => boolean;
  readonly unsubscribe: () => void;
} {
  const heard: Step[] = [];
  let completed = false;
  const subscription = attempt$.subscribe({
    next: (step) => heard.push(step),
    complete: () => (completed = true),
  });
  return {
    heard,
    outcome: () => heard.find((step) => step.type === "ended")?.outcome,
    completed: () => completed,
    unsubscribe: () => subscription.unsubscribe(),
  };
}

function nothing(): void {}
