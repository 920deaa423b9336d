import fc from "fast-check";
import { ODD_KEYS } from "./odd-keys.ts";

/** A payload, and what becomes of it. */
export type Sample = Good | Bad;

/** A payload that is accepted. */
export interface Good {
  readonly good: true;
  /** Made anew at each call: some change when they are read. */
  readonly make: () => unknown;
}

/** A payload that is refused. */
export interface Bad {
  readonly good: false;
  readonly make: () => unknown;
  /** Where the fault is, as the error names it. */
  readonly path: string;
  /** What is wrong, in a word. */
  readonly fault: string;
}

/** The largest payload of the test, in bytes of JSON: small, so that the limit is often met. */
export const MAX_BYTES = 20_000;

/** As `src/core/payload.ts` has it. */
const MAX_DEPTH = 100;

/** Keys and texts that have broken somebody's code. */
const ODD_TEXTS: readonly string[] = [
  ...ODD_KEYS,
  "a.b",
  "[0]",
  "$1",
  "'; drop table millrace.pending; --",
  String.raw`\u0000`,
  String.raw`\\u0000`,
  String.raw`\ud800`,
  String.raw`\x00`,
  "{1,2}",
  'NULL","',
  "\u2028\u2029\ufeff\u200d\u{1f469}\u{10ffff}",
  "e\u0301",
  "\t\r\n\b\u0001\u007f",
];

const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "grapheme" }) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: "binary" }).map((letters) => letters.replaceAll("\0", "\u0001")),
  },
  { weight: 2, arbitrary: fc.constantFrom(...ODD_TEXTS) },
);

const number: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 53, 2 ** 53 + 2, 1e21, 1e-7, 0.1),
);

/** A class whose instances JSON keeps. */
class Money {
  readonly #cents: number;
  constructor(cents: number) {
    this.#cents = cents;
  }
  toJSON(): unknown {
    return { cents: this.#cents };
  }
}

/** A class whose instances JSON would change. */
class Plain {
  readonly value = 1;
}

/** Own members, also one called `__proto__`. */
function objectOf(entries: readonly (readonly [string, unknown])[], bare = false): object {
  const made = Object.fromEntries(entries);
  if (bare) Object.setPrototypeOf(made, null);
  return made;
}

/** What JSON keeps, and what it turns into something that it keeps. */
const value: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true }),
    fc.integer().map((cents) => new Money(cents)),
  ),
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    tie("leaf"),
    fc.array(tie("value"), { maxLength: 5 }),
    fc
      .tuple(
        fc.array(fc.tuple(text, fc.oneof(tie("value"), fc.constant(undefined))), { maxLength: 5 }),
        fc.boolean(),
      )
      .map(([entries, bare]) => objectOf(entries, bare)),
  ),
})).value;

/** Something that must be refused, where it stands below the place that it is put at, and why. */
interface Poison {
  readonly make: () => unknown;
  readonly below: string;
  readonly fault: string;
}

function poison(fault: string, make: () => unknown, below = ""): Poison {
  return { fault, make, below };
}

/** Changes from one reading to the next: what was checked must be what is written. */
function turning(first: unknown, later: unknown): () => unknown {
  let reads = 0;
  return () => ((reads += 1) > 1 ? later : first);
}

function nested(depth: number): unknown {
  let made: unknown = 1;
  for (let n = 0; n < depth; n += 1) made = n % 2 === 0 ? [made] : { in: made };
  return made;
}

function cycle(): unknown {
  const made: { self?: unknown } = {};
  made.self = [made];
  return made;
}

const POISONS: readonly Poison[] = [
  poison("NUL", () => "a\0b"),
  poison("lone surrogate", () => "a\ud800"),
  poison("lone surrogate", () => "\udfffa"),
  poison("NUL in a key", () => ({ ["a\0"]: 1 }), " (a key)"),
  poison("lone surrogate in a key", () => ({ ["\ud83d"]: 1 }), " (a key)"),
  poison("NaN", () => Number.NaN),
  poison("Infinity", () => -Infinity),
  poison("BigInt", () => 1n),
  poison("function", () => () => 1),
  poison("symbol", () => Symbol("a")),
  poison("undefined in an array", () => [1, undefined], "[1]"),
  poison(
    "hole",
    () =>
      Array.from({ length: 3 })
        .toSpliced(0, 1, 1)
        .map((n) => n),
    "[1]",
  ),
  poison("Map", () => new Map([[1, 2]])),
  poison("Set", () => new Set([1])),
  poison("RegExp", () => /a/),
  poison("Error", () => new Error("a")),
  poison("Promise", () => Promise.resolve(1)),
  poison("boxed text", () => Object("a") as unknown),
  poison("Buffer", () => Buffer.from("a")),
  poison("typed array", () => new Float64Array(2)),
  poison("class instance", () => new Plain()),
  poison("invalid Date", () => new Date(Number.NaN)),
  poison("cycle", cycle),
  poison("too deep", () => nested(MAX_DEPTH + 1)),
  poison("getter that throws", () => ({
    get bad(): unknown {
      throw new Error("no");
    },
  })),
  poison("toJSON that throws", () => ({
    toJSON: () => {
      throw new Error("no");
    },
  })),
  poison("toJSON to undefined", () => ({ toJSON: () => undefined })),
  poison("toJSON to a NUL", () => ({ toJSON: () => ["\0"] }), "[0]"),
  poison("array with a toJSON to a NUL", () => Object.assign([1], { toJSON: () => "\0" })),
  poison("revoked Proxy", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }),
];

/** One step down, and what stands beside it there. */
interface Step {
  readonly key: string | undefined;
  readonly beside: unknown;
}

const step: fc.Arbitrary<Step> = fc.record({
  key: fc.oneof(
    fc.constant(undefined),
    text.filter((key) => key !== "before" && key !== "after"),
  ),
  beside: value,
});

function under({ key, beside }: Step, made: unknown): unknown {
  return key === undefined
    ? [beside, made, beside]
    : objectOf([
        ["before", beside],
        [key, made],
        ["after", beside],
      ]);
}

const planted: fc.Arbitrary<Bad> = fc
  .tuple(fc.array(step, { maxLength: 5 }), fc.constantFrom(...POISONS))
  .map(([steps, { make, below, fault }]) => ({
    good: false,
    fault,
    path: `payload${steps.map(({ key }) => (key === undefined ? "[1]" : `.${key}`)).join("")}${below}`,
    make: () => steps.reduceRight((made, one) => under(one, made), make()),
  }));

/** About the limit of size, in two bytes a letter and in one. */
const sized: fc.Arbitrary<Sample> = fc
  .tuple(fc.integer({ min: -2, max: 2 }), fc.constantFrom("a", "é"))
  .map(([over, letter]) => {
    const room = MAX_BYTES - '""'.length + over;
    const bytes = Buffer.byteLength(letter);
    const letters = letter
      .repeat(Math.floor(room / bytes))
      .padEnd(Math.floor(room / bytes) + (room % bytes), "a");
    const make = (): unknown => letters;
    return over > 0 ? { good: false, make, path: "payload", fault: "too large" } : { good: true, make };
  });

/**
 * What changes between two readings is either refused or written as it was at one of them; that it is
 * never what Postgres refuses is what counts, so it may be either.
 */
export const FICKLE: readonly (() => unknown)[] = [
  () => {
    const read = turning("fine", "a\0b");
    return {
      get text(): unknown {
        return read();
      },
    };
  },
  () => ({ toJSON: turning({ a: 1 }, "\ud800") }),
  () => ({ toJSON: turning(1, undefined) }),
  () => ({ toJSON: turning(1, 1n) }),
  () => [{ toJSON: turning("a", () => 1) }],
  () => new Proxy({ a: 1 }, { get: (_, key) => (key === "toJSON" ? undefined : "\0") }),
];

/** As many that are accepted as that are refused. */
export const samples: fc.Arbitrary<Sample> = fc.oneof(
  { weight: 50, arbitrary: value.map((made): Sample => ({ good: true, make: () => made })) },
  {
    weight: 2,
    arbitrary: fc.nat({ max: MAX_DEPTH }).map((depth): Sample => ({ good: true, make: () => nested(depth) })),
  },
  { weight: 50, arbitrary: planted },
  { weight: 1, arbitrary: sized },
);
