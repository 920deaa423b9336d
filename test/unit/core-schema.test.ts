import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import {
  checkJobs,
  checkName,
  describeIssues,
  isUnchecked,
  MAX_NAME_LENGTH,
  payload,
} from "../../src/core/schema.ts";
import type { PayloadSchema } from "../../src/core/schema.ts";

const positive: PayloadSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "number" && value > 0 ? { value } : { issues: [{ message: "not positive" }] },
  },
};

describe("checkName", () => {
  it("takes every text that can name something in Postgres", () => {
    const name = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
      .filter((text) => text.trim() !== "" && !text.includes("\u0000") && text.length <= 200);
    fc.assert(fc.property(name, (text) => checkName("kind", text)));
    expect(() => checkName("kind", "x".repeat(MAX_NAME_LENGTH))).not.toThrow();
  });

  it.each([
    "",
    " \t\n",
    "x".repeat(MAX_NAME_LENGTH + 1),
    "a\u0000b",
    "a\ud800",
    undefined,
    null,
    7,
    ["kind"],
    { toString: () => "kind" },
  ])("refuses %j and names the option", (name) => {
    expect(() => checkName("queue", name)).toThrow(OptionError);
    expect(() => checkName("queue", name)).toThrow(/^Expected `queue` to be a text of 1 to 200/u);
  });
});

describe("checkJobs", () => {
  it("takes schemas and unchecked types", () => {
    expect(() => checkJobs({ mill: positive, sift: payload<string>() })).not.toThrow();
    expect(() => checkJobs({})).not.toThrow();
  });

  it("takes a schema that is a function, as those of arktype are", () => {
    const callable = Object.assign(() => undefined, positive);
    expect(() => checkJobs({ mill: callable })).not.toThrow();
  });

  it.each([undefined, null, "mill", 7, [positive], () => positive])("refuses %o for jobs", (jobs) => {
    expect(() => checkJobs(jobs)).toThrow(/^Expected `jobs` to be an object of kinds/u);
  });

  it.each([undefined, null, {}, "string", () => true, { "~standard": {} }, { "~standard": null }])(
    "refuses %o for a schema and names its kind",
    (schema) => {
      expect(() => checkJobs({ mill: schema })).toThrow(OptionError);
      expect(() => checkJobs({ mill: schema })).toThrow(/^Expected `jobs.mill` to be a Standard/u);
    },
  );

  it("refuses a kind whose name breaks the rules", () => {
    expect(() => checkJobs({ " ": positive })).toThrow(/^Expected `kind`/u);
  });
});

describe("payload", () => {
  it("takes every value as it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (value) => {
        const result = await payload<unknown>()["~standard"].validate(value);
        expect(result.issues).toBeUndefined();
        if (result.issues === undefined) expect(result.value).toBe(value);
      }),
    );
  });

  it("is told from a schema that checks", () => {
    expect(isUnchecked(payload<number>())).toBe(true);
    expect(isUnchecked(positive)).toBe(false);
  });
});

describe("describeIssues", () => {
  it("tells where and what, in one line", () => {
    const issues = [
      { message: "too short", path: ["user", { key: "name" }, 0] },
      { message: "missing", path: [] },
      { message: "odd" },
      { message: "strange", path: [Symbol("x")] },
    ];
    expect(describeIssues(issues, {})).toBe("user.name.0: too short; missing; odd; Symbol(x): strange");
  });

  it("tells the first five", () => {
    const issues = Array.from({ length: 9 }, (_, index) => ({ message: `${index}` }));
    expect(describeIssues(issues, {})).toBe("0; 1; 2; 3; 4");
    expect(describeIssues([], {})).toBe("");
  });

  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  const trap = Object.defineProperty({}, "text", { get: () => expect.fail("a trap"), enumerable: true });

  it.each<[string, unknown, readonly string[] | undefined]>([
    ['Expected a number but received "the secret"', { text: "the secret" }, ["text"]],
    ['must be a number (was {"text":"the secret"})', { text: "the secret" }, undefined],
    ['received "the \\"secret\\""', { text: 'the "secret"' }, ["text"]],
    ["must not be 4711", { numbers: [1, 4711] }, ["numbers"]],
    ["was 4711", 4711n, []],
    ["was -5", { number: -5 }, ["number"]],
    ["was 5", { number: 5 }, ["number"]],
    ["was secret, not a number", { text: "secret" }, ["text"]],
    ["was secret", { text: "secret" }, ["missing"]],
    ["whatever", circular, undefined],
    ["whatever", trap, ["text"]],
  ])("leaves out what quotes the value: %s", (message, value, path) => {
    const told = describeIssues([{ message, ...(path && { path }) }], value);
    expect(told).toMatch(/^(?:\w+: )?does not fit \(what its schema says quotes it\)$/u);
  });

  it.each<[string, unknown, readonly string[] | undefined]>([
    ["must be from 10 up", { age: 1 }, ["age"]],
    ["is too short", { text: "x", other: "short" }, ["text"]],
    ["is required", { text: null, flag: true }, ["text"]],
  ])("keeps what does not: %s", (message, value, path) => {
    expect(describeIssues([{ message, ...(path && { path }) }], value)).toContain(message);
  });
});
