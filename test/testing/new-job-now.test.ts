import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { payload } from "../../src/core/schema.ts";
import type { PayloadSchema, ValidationResult } from "../../src/core/schema.ts";
import { newJob } from "../../src/enqueue.ts";
import type { JobOptions } from "../../src/job-options.ts";
import { newJobNow } from "../../src/testing/new-job-now.ts";

type Grain = { readonly grain: string };

function schema(
  validate: (value: unknown) => ValidationResult<Grain> | Promise<ValidationResult<Grain>>,
): PayloadSchema<Grain> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

const GRAIN = schema((value) =>
  typeof value === "object" && value !== null && "grain" in value
    ? { value: { grain: String(value.grain) } }
    : { issues: [{ message: "grain is missing", path: ["grain"] }] },
);

const DEFAULTS = {
  jobs: { any: payload<unknown>(), mill: GRAIN },
  maxAttempts: 7,
  maxPayloadBytes: 100,
  keepResultMs: { mill: 60_000 },
};

/** What came of it: the job, or the error. */
async function told(work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

const CASES: readonly (readonly [kind: unknown, payload: unknown, options: unknown])[] = [
  ["any", { a: 1 }, {}],
  ["any", null, { queue: "slow", priority: -5, delayMs: 10, maxAttempts: 1, source: "a" }],
  ["any", 1, { runAt: new Date(5), timeoutMs: 5, backoff: { factor: 1 }, after: ["1", "1", "2"] }],
  ["any", 1, { afterFailure: "fail", keepResultMs: 5, queue: undefined }],
  ["mill", { grain: 5 }, {}],
  ["mill", { grain: 5 }, { keepResultMs: 5 }],
  ["any", 1, { timeoutMs: 1.5, keepResultMs: 2.5 }],
  ["mill", {}, {}],
  ["grind", 1, {}],
  ["toString", 1, {}],
  [5, 1, {}],
  ["any", undefined, {}],
  ["any", "x".repeat(200), {}],
  ["any", "\u0000", {}],
  ["any", 1, { runAt: new Date(5), delayMs: 5 }],
  ["any", 1, { colour: "red" }],
  ["any", 1, null],
  ["any", 1, { queue: "" }],
  ["any", 1, { queue: 5 }],
  ["any", 1, { source: " " }],
  ["any", 1, { key: "charge 7" }],
  ["any", 1, { key: "k".repeat(201) }],
  ["any", 1, { key: 7 }],
  ["any", 1, { priority: 0.5 }],
  ["any", 1, { priority: 40_000 }],
  ["any", 1, { runAt: new Date(Number.NaN) }],
  ["any", 1, { runAt: new Date(8e15) }],
  ["any", 1, { runAt: 5 }],
  ["any", 1, { delayMs: -1 }],
  ["any", 1, { maxAttempts: 0 }],
  ["any", 1, { timeoutMs: 0 }],
  ["any", 1, { backoff: { factor: 0 } }],
  ["any", 1, { backoff: 5 }],
  ["any", 1, { after: ["0"] }],
  ["any", 1, { after: ["9999999999999999999"] }],
  ["any", 1, { after: "1" }],
  ["any", 1, { keepResultMs: 0 }],
  ["any", 1, { afterFailure: "stop" }],
];

describe("newJobNow", () => {
  it.each(CASES)("agrees with newJob about %j, %j, %j", async (kind, value, options) => {
    const real = await told(() => newJob(DEFAULTS, kind, value, options as JobOptions));
    expect(await told(() => newJobNow(DEFAULTS, kind, value, options as JobOptions))).toEqual(real);
  });

  it("refuses a schema that answers with a promise, and takes its rejection", () => {
    const jobs = { mill: schema(() => Promise.reject(new Error("never seen"))) };
    expect(() => newJobNow({ ...DEFAULTS, jobs }, "mill", {}, {})).toThrow(OptionError);
    expect(() => newJobNow({ ...DEFAULTS, jobs }, "mill", {}, {})).toThrow(
      'The schema of "mill" checks asynchronously',
    );
  });
});
