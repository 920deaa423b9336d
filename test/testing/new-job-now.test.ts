import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import type { PayloadSchema, ValidationResult } from "../../src/core/schema.ts";
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

const DEFAULTS = { jobs: { mill: GRAIN }, maxAttempts: 7, maxPayloadBytes: 100 };

describe("newJobNow", () => {
  it("makes a job of a payload that fits, as it came", () => {
    expect(newJobNow(DEFAULTS, "mill", { grain: 5 }, { priority: 3 })).toMatchObject({
      kind: "mill",
      payload: '{"grain":5}',
      priority: 3,
      maxAttempts: 7,
      after: [],
    });
  });

  it("refuses what does not fit, and options that break their rule", () => {
    expect(() => newJobNow(DEFAULTS, "mill", {}, {})).toThrow("grain is missing");
    expect(() => newJobNow(DEFAULTS, "mill", { grain: 5 }, { priority: 0.5 })).toThrow(OptionError);
    expect(() => newJobNow(DEFAULTS, "mull", { grain: 5 }, {})).toThrow('Unknown kind "mull"');
  });

  it("refuses a schema that answers with a promise, and takes its rejection", () => {
    const jobs = { mill: schema(() => Promise.reject(new Error("never seen"))) };
    expect(() => newJobNow({ ...DEFAULTS, jobs }, "mill", {}, {})).toThrow(OptionError);
    expect(() => newJobNow({ ...DEFAULTS, jobs }, "mill", {}, {})).toThrow(
      'The schema of "mill" checks asynchronously',
    );
  });
});
