import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import type { ErrorRecord } from "../../src/core/error-record.ts";
import type { JobRef, RecoveredJob, WorkerEvent } from "../../src/core/events.ts";
import type { WorkerRef } from "../../src/events/cluster-event.ts";

/** Plain objects, as the library makes them. */
function plain<T extends object>(members: { [Key in keyof T]: Arbitrary<T[Key]> }): Arbitrary<T> {
  return fc.record<T>(members, { noNullPrototype: true });
}

/** Texts with quotes, backslashes, control characters and letters of any alphabet. */
const nastyText = (maxLength: number): Arbitrary<string> =>
  fc.string({
    minLength: 1,
    maxLength,
    unit: fc.oneof(
      fc.string({ minLength: 1, maxLength: 1 }),
      fc.constantFrom('"', "\\", "'", "\n", "\u0001", "ü", "字", "😀", "{", ","),
    ),
  });

/** A name: a few in common, so that runs occur, and anything that is allowed. */
const name: Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("extract", "default") },
  { weight: 1, arbitrary: nastyText(200) },
  { weight: 1, arbitrary: fc.constantFrom("字".repeat(200), '"'.repeat(200), "😀".repeat(100)) },
);

const id = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 2_000_000 }).map(String) },
  { weight: 1, arbitrary: fc.bigInt({ min: 1n, max: 9_223_372_036_854_775_807n }).map(String) },
);

const attempts = fc.integer({ min: 1, max: 10_000 });

export const job: Arbitrary<JobRef> = plain({
  id,
  kind: name,
  queue: name,
  source: fc.option(name, { nil: undefined }),
  attempt: attempts,
  maxAttempts: fc.oneof(fc.constant(3), attempts),
});

const ms = fc.oneof(fc.nat(100_000), fc.double({ min: 0, max: 1e9, noNaN: true }));
const count = fc.nat(10_000);
const error: Arbitrary<ErrorRecord> = fc.record(
  { name, message: nastyText(800), stack: nastyText(300) },
  { requiredKeys: ["name", "message"], noNullPrototype: true },
);

const recovered: Arbitrary<RecoveredJob> = fc
  .tuple(job, fc.constantFrom("pending" as const, "failed" as const))
  .map(([ref, state]) => ({ ...ref, state }));

const frequent: Arbitrary<WorkerEvent> = fc.oneof(
  plain({ type: fc.constant("attempt-started" as const), job, waitMs: ms }),
  plain({ type: fc.constant("succeeded" as const), job, durationMs: ms, result: fc.anything() }),
  plain({
    type: fc.constant("succeeded" as const),
    job,
    durationMs: ms,
    result: fc.anything(),
    kept: fc.constant(true as const),
  }),
);

const rare: Arbitrary<WorkerEvent> = fc.oneof(
  plain({ type: fc.constant("claimed" as const), queue: name, count }),
  plain({ type: fc.constant("progress" as const), job, value: fc.anything() }),
  plain({
    type: fc.constant("retry-scheduled" as const),
    job,
    durationMs: ms,
    delayMs: ms.map(Math.round),
    error,
  }),
  plain({ type: fc.constant("failed" as const), job, durationMs: ms, error }),
  plain({ type: fc.constant("cancelled" as const), job, reason: nastyText(900) }),
  plain({
    type: fc.constant("released" as const),
    job,
    reason: fc.constantFrom("unstarted", "shutdown", "aborted"),
  }),
  plain({ type: fc.constant("heartbeat-failed" as const), error, retryInMs: count }),
  plain({
    type: fc.constant("lease-recovered" as const),
    count,
    jobs: fc.array(recovered, { maxLength: 60 }),
  }),
  plain({ type: fc.constant("drain-timed-out" as const), interrupted: fc.array(job, { maxLength: 60 }) }),
  plain({ type: fc.constant("listen-restored" as const) }),
  fc.record(
    {
      type: fc.constant("degraded" as const),
      cause: fc.constant("old-snapshot" as const),
      pid: fc.nat(),
      ageMs: fc.nat(),
      holder: nastyText(63),
    },
    { requiredKeys: ["type", "cause", "ageMs"], noNullPrototype: true },
  ),
  plain({ type: fc.constant("draining" as const), running: count }),
);

/** Any event that a worker may say, mostly of those that are frequent. */
export const event: Arbitrary<WorkerEvent> = fc.oneof(
  { weight: 3, arbitrary: frequent },
  { weight: 1, arbitrary: rare },
);

export const worker: Arbitrary<WorkerRef> = plain({ id, label: name });
