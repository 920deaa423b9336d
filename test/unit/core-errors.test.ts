import { inspect } from "node:util";
import fc from "fast-check";
import { describe as suite, expect, it } from "vitest";
import {
  AttemptTimeoutError,
  ClosedError,
  describe,
  EnqueueError,
  expected,
  InterruptedError,
  LeaseLostError,
  MAX_DELAY_MS,
  OptionError,
  PayloadError,
  PermanentError,
  SchemaError,
  Snooze,
} from "../../src/core/errors.ts";

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});

suite("Snooze", () => {
  it("takes every delay from 0 to ten years", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: MAX_DELAY_MS, noNaN: true }), (delayMs) => {
        const snooze = new Snooze(delayMs);
        expect(snooze.delayMs).toBe(delayMs);
        expect(snooze.message).toBe(`postponed by ${delayMs} ms`);
      }),
    );
    expect(new Snooze(0).delayMs).toBe(0);
    expect(new Snooze(MAX_DELAY_MS).delayMs).toBe(MAX_DELAY_MS);
  });

  it.each([-1, -0.001, MAX_DELAY_MS + 1, Number.NaN, Infinity, -Infinity, "5", undefined, null, 5n])(
    "refuses %s",
    (delayMs) => {
      expect(() => new Snooze(delayMs as number)).toThrow(OptionError);
      expect(() => new Snooze(delayMs as number)).toThrow(/^Expected `delayMs` to be a number of/u);
    },
  );

  it("says ten years in milliseconds", () => {
    expect(MAX_DELAY_MS).toBe(316_224_000_000);
  });
});

suite("EnqueueError", () => {
  it("hands out what is not written, and shows it nowhere", () => {
    const unwritten = [{ card: "4000-0000" }];
    const cause = new Error("gone");
    const error = new EnqueueError("write", "Enqueuing failed", {
      cause,
      written: 3,
      uncertain: 1,
      unwritten,
    });
    expect(error.unwritten).toBe(unwritten);
    expect(error).toMatchObject({ reason: "write", written: 3, uncertain: 1, cause });
    for (const shown of [inspect(error), JSON.stringify(error), Object.keys(error).join()]) {
      expect(shown).toContain("written");
      expect(shown).not.toContain("4000");
    }
  });
});

suite("describe", () => {
  it.each([
    [null, "null"],
    [undefined, "undefined"],
    [0, "0 (number)"],
    [-1.5, "-1.5 (number)"],
    [Number.NaN, "NaN (number)"],
    [true, "true (boolean)"],
    [12n, "12 (bigint)"],
    ["", '"" (string)'],
    ["grain", '"grain" (string)'],
    ["a\nb", '"a\\nb" (string)'],
    ["postgres://mill:grist@host/db", "a URL (string)"],
    [[], "an array of 0"],
    [[1, 2], "an array of 2"],
    [{}, "an object"],
    [Object.create(null), "an object"],
    [new Date(0), "a Date"],
    [new Date(Number.NaN), "an invalid Date"],
    [(): number => 1, "a function"],
    [Symbol("x"), "a symbol"],
  ])("tells %o in a few words", (value, words) => {
    expect(describe(value)).toBe(words);
  });

  it("is short and on one line for anything", () => {
    fc.assert(
      fc.property(anything, (value) => {
        const words = describe(value);
        expect(words).not.toBe("");
        expect(words).not.toContain("\n");
        expect(words.length).toBeLessThanOrEqual(100);
      }),
    );
  });

  it("cuts a long text", () => {
    expect(describe("x".repeat(61))).toBe(`"${"x".repeat(60)}…" (string)`);
    expect(describe("x".repeat(60))).toBe(`"${"x".repeat(60)}" (string)`);
  });

  // These fail until `describe` cuts what it made rather than what it was given.
  it.each([
    ["a text whose characters JSON escapes", "\u0000".repeat(1_000)],
    ["a huge BigInt", 10n ** 10_000n],
  ])("is short for %s", (_, value) => {
    expect(describe(value).length).toBeLessThanOrEqual(100);
  });
  it("never throws, whatever the value does", () => {
    const trap = new Proxy(
      {},
      {
        get: () => () => {
          throw new Error("a trap");
        },
      },
    );
    const revoked = Proxy.revocable([], {});
    revoked.revoke();
    expect(describe(new Proxy({}, trap))).toBe("an object");
    expect(describe(revoked.proxy)).toBe("an object");
  });

  it("tells nothing of what is inside of objects", () => {
    const secret = "hunter2";
    expect(describe({ password: secret })).not.toContain(secret);
    expect(describe([secret])).not.toContain(secret);
    expect(describe(Object.assign(() => 1, { secret }))).not.toContain(secret);
  });
});

suite("expected", () => {
  it("words a broken rule", () => {
    expect(expected("concurrency", "an integer from 1 up", 0)).toBe(
      "Expected `concurrency` to be an integer from 1 up, got 0 (number)",
    );
  });
});

suite("the error classes", () => {
  it.each([
    [new OptionError("x"), "OptionError", TypeError],
    [new SchemaError("x"), "SchemaError", Error],
    [new PayloadError("x"), "PayloadError", TypeError],
    [new PermanentError("x"), "PermanentError", Error],
    [new Snooze(1), "Snooze", Error],
    [new InterruptedError("aborted", "x"), "InterruptedError", Error],
    [new AttemptTimeoutError(5), "AttemptTimeoutError", InterruptedError],
    [new LeaseLostError(), "LeaseLostError", InterruptedError],
    [new ClosedError("x"), "ClosedError", Error],
  ])("%s has its name and its parent", (error, name, parent) => {
    expect(error.name).toBe(name);
    expect(error).toBeInstanceOf(parent);
    expect(error.message).not.toBe("");
  });

  it.each([
    ["OptionError", new OptionError("x", { cause: "c" })],
    ["SchemaError", new SchemaError("x", { cause: "c" })],
    ["PayloadError", new PayloadError("x", { cause: "c" })],
    ["PermanentError", new PermanentError("x", { cause: "c" })],
    ["InterruptedError", new InterruptedError("aborted", "x", { cause: "c" })],
    ["ClosedError", new ClosedError("x", { cause: "c" })],
  ])("%s keeps its cause", (_, error) => {
    expect(error.cause).toBe("c");
  });

  it("tell the reason of an interruption", () => {
    expect(new AttemptTimeoutError(5).reason).toBe("timeout");
    expect(new AttemptTimeoutError(5).message).toContain("5 ms");
    expect(new LeaseLostError().reason).toBe("lease-lost");
    expect(new InterruptedError("shutdown", "x").reason).toBe("shutdown");
  });
});
