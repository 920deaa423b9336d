import type { EventOf, WorkerEvent } from "../../src/core/events.ts";

/** Says that something was done to a job. */
export function succeeded(id: number | string, more: Partial<EventOf<"succeeded">["job"]> = {}): WorkerEvent {
  const job = {
    id: String(id),
    kind: "extract",
    queue: "default",
    source: undefined,
    attempt: 1,
    maxAttempts: 3,
  };
  return { type: "succeeded", job: { ...job, ...more }, durationMs: 1, result: undefined };
}

/** Says that a worker has registered. */
export function started(workerId: string, label: string): WorkerEvent {
  return {
    type: "started",
    workerId,
    label,
    queues: ["default"],
    kinds: ["extract"],
    concurrency: 10,
    pollIntervalMs: 1_000,
    leaseDurationMs: 60_000,
    maxAttempts: 3,
  };
}
