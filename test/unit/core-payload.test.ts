import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PayloadError } from "../../src/core/errors.ts";
import { MAX_PAYLOAD_BYTES, toJsonText } from "../../src/core/payload.ts";

const SECRET = "hunter2";

/** What Postgres takes as jsonb: JSON without NUL and lone surrogates. */
const keepable = fc
  .jsonValue({ maxDepth: 6, stringUnit: "grapheme" })
  .filter((value) => !JSON.stringify(value).includes("\\u0000"));

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
  withTypedArray: true,
});

const circular: Record<string, unknown> = {};
circular["self"] = { circular };
const bomb = (): never => {
  throw new Error("a trap");
};

class Sack {
  readonly grain = "rye";
}

class Weight {
  toJSON(): unknown {
    return { grams: 5 };
  }
}

describe("toJsonText", () => {
  it("keeps everything that JSON knows", () => {
    fc.assert(
      fc.property(keepable, (payload) => {
        expect(JSON.parse(toJsonText("mill", payload))).toEqual(JSON.parse(JSON.stringify(payload)));
      }),
    );
  });

  it("refuses anything else, or makes a text that it takes again unchanged", () => {
    fc.assert(
      fc.property(anything, (payload) => {
        const text = attempt(() => toJsonText("mill", payload));
        if (text === undefined) return;
        expect(text).not.toContain("\\u0000");
        expect(text.isWellFormed()).toBe(true);
        expect(toJsonText("mill", JSON.parse(text))).toBe(text);
      }),
    );
  });

  it.each<[string, unknown]>([
    ["undefined", undefined],
    ["a function", (): number => 1],
    ["a symbol", Symbol("x")],
    ["a BigInt", 1n],
    ["NaN", Number.NaN],
    ["Infinity", -Infinity],
    ["NUL", "a\u0000b"],
    ["a lone surrogate", "a\ud800"],
    ["an invalid Date", new Date(Number.NaN)],
    ["a Map", new Map([[1, 2]])],
    ["a Set", new Set([1])],
    ["a RegExp", /x/u],
    ["an Error", new Error("x")],
    ["a Promise", Promise.resolve(1)],
    ["a boxed text", Object("x")],
    ["a typed array", new Uint8Array(2)],
    ["a Buffer", Buffer.from("x")],
    ["an instance of a class", new Sack()],
    ["a cycle", circular],
  ])("refuses %s, alone and inside", (_, value) => {
    expect(() => toJsonText("mill", value)).toThrow(PayloadError);
    expect(() => toJsonText("mill", { a: [value] })).toThrow(PayloadError);
    if (value !== undefined) expect(() => toJsonText("mill", { a: value })).toThrow(PayloadError);
  });

  it.each(["a\u0000", "\udfff"])("refuses a key that Postgres refuses: %j", (key) => {
    expect(() => toJsonText("mill", { [key]: 1 })).toThrow(PayloadError);
  });

  it("leaves members that are undefined out, and makes -0 0 and a Date its ISO text", () => {
    const payload = {
      a: undefined,
      b: -0,
      c: new Date(0),
      d: new Weight(),
      e: Object.create(null),
    };
    expect(toJsonText("mill", payload)).toBe('{"b":0,"c":"1970-01-01T00:00:00.000Z","d":{"grams":5},"e":{}}');
  });

  it("takes 100 levels and refuses one more", () => {
    expect(toJsonText("mill", nested(100))).toHaveLength(202);
    expect(() => toJsonText("mill", nested(101))).toThrow(/nested deeper than 100 levels/u);
  });

  it("counts bytes, not characters, and takes as many as it may", () => {
    expect(toJsonText("mill", "€€", 8)).toBe('"€€"');
    expect(() => toJsonText("mill", "€€", 7)).toThrow(/at most 7 bytes of JSON, it has 8/u);
    expect(toJsonText("mill", "x".repeat(MAX_PAYLOAD_BYTES - 2))).toHaveLength(MAX_PAYLOAD_BYTES);
    expect(() => toJsonText("mill", "x".repeat(MAX_PAYLOAD_BYTES - 1))).toThrow(PayloadError);
  });

  it("names the kind and the path, never a text", () => {
    const payload = { user: { names: [`${SECRET}\u0000`] } };
    expect(() => toJsonText("mill", payload)).toThrow(
      'The payload of a "mill" job cannot be kept as JSON: payload.user.names[0] is a text with a NUL character',
    );
    const tooLarge = attempt(() => toJsonText("mill", SECRET, 3), true);
    expect(tooLarge).not.toContain(SECRET);
  });
  it("refuses an array with holes, which JSON fills with null", () => {
    expect(() => toJsonText("mill", Array(2))).toThrow(PayloadError);
  });
  it.each<[string, unknown]>([
    ["a getter", Object.defineProperty({}, "a", { get: bomb, enumerable: true })],
    ["a toJSON", { toJSON: bomb }],
  ])("refuses %s that throws, and says where", (_, payload) => {
    const named = /: payload\.deep\[0\] is something of which a getter, toJSON or Proxy threw$/u;
    const refusal = thrown(() => toJsonText("mill", { deep: [payload] }));
    expect(refusal).toBeInstanceOf(PayloadError);
    expect(refusal).toMatchObject({ message: expect.stringMatching(named), cause: new Error("a trap") });
  });
  it("asks the toJSON of an array, too, as JSON does", () => {
    const payload = (answer: unknown): unknown => Object.assign([1], { toJSON: () => answer });
    expect(toJsonText("mill", payload("rye"))).toBe('"rye"');
    expect(() => toJsonText("mill", payload("\u0000"))).toThrow(/payload is a text with a NUL character/u);
  });
  it.each<[string, unknown]>([
    ["a NUL", "\u0000"],
    ["a lone surrogate", ["\udc00"]],
    ["nothing", undefined],
    ["a BigInt", 1n],
  ])("refuses what turns into %s after it was checked", (_, later) => {
    const answers: unknown[] = ["rye", later];
    const payload = { toJSON: () => answers.shift() };
    expect(() => toJsonText("mill", payload)).toThrow(/payload is something whose getters, toJSON or Proxy/u);
  });
  it("takes texts that only look like escapes of what Postgres refuses", () => {
    const texts = [String.raw`\u0000`, String.raw`\\u0000`, String.raw`\ud800`, "\u0001\\u0000"];
    expect(JSON.parse(toJsonText("mill", texts))).toEqual(texts);
  });
});

/** The text, or nothing where it was refused; with `message`, the message of the refusal. */
function attempt(make: () => string, message = false): string | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    return message ? error.message : undefined;
  }
}

function thrown(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

function nested(levels: number): unknown {
  return levels === 0 ? [] : [nested(levels - 1)];
}
