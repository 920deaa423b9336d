import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanText, toErrorRecord } from "../../src/core/error-record.ts";

/** Everything that fast-check can make, with what JSON and strings dislike. */
const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});
const anyText = fc.string({ unit: "binary" });
const brokenText = fc
  .array(fc.oneof(anyText, fc.constantFrom("\u0000", "\ud800", "\udfff", "🌾", "\u0000\udc00")))
  .map((parts) => parts.join(""));

const bomb = (): never => {
  throw new Error("a trap");
};
const everyTrap = new Proxy({}, { get: () => bomb });
const circular: Record<string, unknown> = {};
circular["self"] = circular;
const revoked = Proxy.revocable({}, {});
revoked.revoke();

const HOSTILE: readonly (readonly [string, unknown])[] = [
  ["undefined", undefined],
  ["null", null],
  ["a symbol", Symbol("grain")],
  ["a BigInt in an object", { n: 1n }],
  ["a circular object", circular],
  ["an object without prototype", Object.create(null)],
  ["a frozen error", Object.freeze(new Error("frozen"))],
  ["a function", (): number => 1],
  ["a Proxy whose traps all throw", new Proxy({}, everyTrap)],
  ["a Proxy of an error whose traps all throw", new Proxy(new Error("x"), everyTrap)],
  ["a Proxy of a function whose traps all throw", new Proxy((): number => 1, everyTrap)],
  ["a revoked Proxy", revoked.proxy],
  ["an error with a throwing message", withGetter(new Error("x"), "message")],
  ["an error with a throwing name", withGetter(new Error("x"), "name")],
  ["an error with a throwing stack", withGetter(new Error("x"), "stack")],
  ["an object with a throwing message", withGetter({}, "message")],
  ["an object whose toJSON throws", { toJSON: bomb }],
  ["an object whose toJSON answers undefined", { toJSON: (): unknown => undefined }],
  ["an object whose toString throws", { toString: bomb, [Symbol.toPrimitive]: bomb }],
  ["an error whose message is no text", Object.assign(new Error("x"), { message: { a: 1 } })],
  ["an error whose name is a symbol", Object.assign(new Error("x"), { name: Symbol("x") })],
  ["a huge text", "x".repeat(1_000_000)],
  ["a huge error", new Error("\ud83c\udf3e".repeat(500_000))],
  ["an error of NUL", new Error("\u0000".repeat(5_000))],
  ["an error of lone surrogates", new Error("\ud83c".repeat(5_000))],
  ["an aggregate of errors", new AggregateError([new Error("a")], "many")],
];

describe("toErrorRecord", () => {
  it("makes a storable record of anything", () => {
    fc.assert(fc.property(anything, (thrown) => expectStorable(toErrorRecord(thrown))));
  });

  it("makes a storable record of any error", () => {
    const parts = fc.record({
      name: brokenText,
      message: brokenText,
      stack: fc.option(brokenText),
    });
    fc.assert(
      fc.property(parts, (part) => {
        expectStorable(toErrorRecord(Object.assign(new Error("x"), part)));
      }),
    );
  });

  it.each(HOSTILE)("makes a storable record of %s", (_, thrown) => {
    expectStorable(toErrorRecord(thrown));
  });

  it("keeps the name, the message and the stack of an error", () => {
    const error = new RangeError("too coarse");
    expect(toErrorRecord(error)).toEqual({
      name: "RangeError",
      message: "too coarse",
      stack: error.stack,
    });
  });

  it("keeps a message without a stack", () => {
    expect(toErrorRecord({ name: "Jam", message: "stuck" })).toEqual({
      name: "Jam",
      message: "stuck",
    });
  });

  it("says so where the message of an error is no text, or throws", () => {
    const message = "a message that cannot be read";
    expect(toErrorRecord(withGetter(new Error("x"), "message")).message).toBe(message);
    expect(toErrorRecord(Object.assign(new Error("x"), { message: { a: 1 } })).message).toBe(message);
  });

  it.each([
    ["a text", "grain", "grain"],
    ["a number", 7, "7"],
    ["undefined", undefined, "undefined"],
    ["an object", { code: 3 }, '{"code":3}'],
    ["a symbol", Symbol("x"), "Symbol(x)"],
  ])("names %s a NonError and shows it", (_, thrown, message) => {
    expect(toErrorRecord(thrown)).toEqual({ name: "NonError", message });
  });
});

describe("cleanText", () => {
  it("answers with a text that Postgres keeps, at most as long as asked", () => {
    fc.assert(
      fc.property(brokenText, fc.integer({ min: 1, max: 40 }), (text, max) => {
        const clean = cleanText(text, max);
        expect(clean.length).toBeLessThanOrEqual(max);
        expect(clean).not.toContain("\u0000");
        expect(clean.isWellFormed()).toBe(true);
      }),
    );
  });

  it("leaves a text that needs no cleaning as it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(cleanText(text, text.length + 1)).toBe(text);
      }),
    );
  });

  it("is idempotent", () => {
    fc.assert(
      fc.property(brokenText, fc.integer({ min: 1, max: 40 }), (text, max) => {
        const clean = cleanText(text, max);
        expect(cleanText(clean, max)).toBe(clean);
      }),
    );
  });

  it("marks where it cut, and what it replaced", () => {
    expect(cleanText("abcdef", 4)).toBe("abc…");
    expect(cleanText("a\u0000b\ud800c", 9)).toBe("a\u2400b\ufffdc");
    expect(cleanText("ab🌾🌾", 4)).toBe("ab\ufffd…");
  });
});

describe("toErrorRecord of an AggregateError", () => {
  it("tells the first message inside where there is none of its own", () => {
    const refused = new Error("connect ECONNREFUSED 127.0.0.1:5432");
    expect(toErrorRecord(new AggregateError([refused])).message).toBe(refused.message);
    expect(toErrorRecord(new AggregateError([])).message).toBe("");
  });
});

function withGetter(target: object, key: string): object {
  return Object.defineProperty(target, key, { get: bomb });
}

function expectStorable(record: ReturnType<typeof toErrorRecord>): void {
  const { name, message, stack, ...more } = record;
  expect(more).toEqual({});
  for (const [text, max] of [
    [name, 200],
    [message, 2_000],
    [stack ?? "", 4_000],
  ] as const) {
    expect(typeof text).toBe("string");
    expect(text.length).toBeLessThanOrEqual(max);
    expect(text.includes("\u0000")).toBe(false);
    expect(text.isWellFormed()).toBe(true);
  }
  expect(JSON.parse(JSON.stringify(record))).toEqual(record);
}
