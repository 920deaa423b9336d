import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addDuration, EMPTY_HISTOGRAM, quantile } from "../../examples/memory/histogram.ts";
import type { Kind } from "../../examples/memory/kinds.ts";
import { addEvent, NO_STATS, total } from "../../examples/memory/stats.ts";
import type { JobRef, WorkerEvent } from "../../src/index.ts";

const job: JobRef<Kind> = {
  id: "7",
  kind: "embed",
  queue: "default",
  source: "turn:3",
  attempt: 1,
  maxAttempts: 3,
};
const error = { name: "Error", message: "could not serialize" };
const started = { type: "attempt-started", job, waitMs: 4 } as const;
const after = (...events: WorkerEvent<Kind>[]) => events.reduce(addEvent, NO_STATS);

describe("addEvent", () => {
  it("counts what runs, and how long it waited", () => {
    const stats = after(started, started);
    expect(stats.jobs.embed).toEqual({ running: 2, succeeded: 0, retried: 0, failed: 0 });
    expect(quantile(stats.pickup, 0.5)).toBeCloseTo(4, 0);
  });

  it.each<[WorkerEvent<Kind>, object]>([
    [
      { type: "succeeded", job, durationMs: 1, result: null },
      { succeeded: 1, retried: 0, failed: 0 },
    ],
    [
      { type: "retry-scheduled", job, durationMs: 1, delayMs: 9, error },
      { succeeded: 0, retried: 1, failed: 0 },
    ],
    [
      { type: "failed", job, durationMs: 1, error },
      { succeeded: 0, retried: 0, failed: 1 },
    ],
    [
      { type: "released", job, reason: "aborted" },
      { succeeded: 0, retried: 0, failed: 0 },
    ],
    [
      { type: "released", job, reason: "shutdown" },
      { succeeded: 0, retried: 0, failed: 0 },
    ],
  ])("ends an attempt by $type", (event, counts) => {
    expect(after(started, event).jobs.embed).toEqual({ running: 0, ...counts });
  });

  it("does not end what was released before it began", () => {
    expect(after(started, { type: "released", job, reason: "unstarted" }).jobs.embed.running).toBe(1);
  });

  it("tells the last events in words, with the reason of a failure", () => {
    const retried = { type: "retry-scheduled", job, durationMs: 1.26, delayMs: 9, error } as const;
    expect(after(started, retried, { type: "draining", running: 0 }).recent).toEqual([
      "retry-scheduled embed of turn:3 after 1 ms: could not serialize",
      "draining",
    ]);
    expect(after(...Array.from({ length: 9 }, () => retried)).recent).toHaveLength(5);
  });

  it("changes no earlier stats", () => {
    after(started);
    expect(total(NO_STATS)).toEqual({ running: 0, succeeded: 0, retried: 0, failed: 0 });
  });
});

describe("quantile", () => {
  const of = (durations: readonly number[]) => durations.reduce(addDuration, EMPTY_HISTOGRAM);

  it("is 0 for nothing", () => {
    expect(quantile(EMPTY_HISTOGRAM, 0.5)).toBe(0);
  });

  it("is at most 10 % above the true value, and never below it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 100_000, noNaN: true }), {
          minLength: 1,
          maxLength: 50,
        }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (durations, share) => {
          const sorted = durations.toSorted((a, b) => a - b);
          const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
          expect(quantile(of(durations), share)).toBeGreaterThanOrEqual(exact * 0.999_999);
          expect(quantile(of(durations), share)).toBeLessThanOrEqual(exact * 1.100_001);
        },
      ),
    );
  });

  it("takes durations of 0", () => {
    expect(quantile(of([0, 0]), 0.99)).toBeCloseTo(0.1);
  });
});
