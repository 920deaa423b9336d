import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { checkEventsOptions, keyOf, matches, readFilter, wanted } from "../../src/events/filter.ts";
import type { EventFilter } from "../../src/events/cluster-event.ts";
import { event } from "./arbitrary.ts";
import { started, succeeded } from "./fixtures.ts";

const NAME = "1 to 200 characters without NUL or lone surrogates";

describe("checkEventsOptions", () => {
  it.each([
    [
      { kind: "mail" },
      'Unknown option "kind" (string) in the options of events; known are types, kinds, queues, source, from',
    ],
    [
      { types: ["failed", "suceeded"] },
      'Expected `types` to be an array of types of events of workers, at least one, got an array of 2 with "suceeded" (string) in it',
    ],
    [
      { types: ["toString"] },
      'Expected `types` to be an array of types of events of workers, at least one, got an array of 1 with "toString" (string) in it',
    ],
    [
      { types: ["failed", "gap"] },
      'Expected `types` to be an array of types of events of workers, at least one, got an array of 2 with "gap" (string) in it',
    ],
    [
      { types: "failed" },
      'Expected `types` to be an array of types of events of workers, at least one, got "failed" (string)',
    ],
    [{ kinds: [] }, `Expected \`kinds\` to be an array of names of ${NAME}, at least one, got an array of 0`],
    [
      { queues: [7] },
      `Expected \`queues\` to be an array of names of ${NAME}, at least one, got an array of 1 with 7 (number) in it`,
    ],
    [
      { kinds: ["a", "\ud800"] },
      `Expected \`kinds\` to be an array of names of ${NAME}, at least one, got an array of 2 with "\\ud800" (string) in it`,
    ],
    [{ source: 7 }, `Expected \`source\` to be a text of ${NAME}, got 7 (number)`],
    [{ source: "a\u0000" }, `Expected \`source\` to be a text of ${NAME}, got "a\\u0000" (string)`],
    [{ from: 7 }, 'Expected `from` to be "start", "now" or the `cursor` of an event, got 7 (number)'],
    [
      { from: "now", types: ["failed"] },
      'Expected `types` to be left out, or to have "succeeded" among them, where `from` is given, got an array of 1',
    ],
    ["mail", "Expected `options of events` to be an object, got a text of 4 characters"],
    [null, "Expected `options of events` to be an object, got null"],
  ])("refuses %j", (filter, message) => {
    expect(() => checkEventsOptions(filter)).toThrow(new OptionError(message));
  });

  it("takes any members that keep their rules", () => {
    for (const filter of [
      {},
      { types: ["failed"], kinds: ["a"], queues: ["b"], source: "c" },
      { kinds: undefined },
      { from: "start", types: ["failed", "succeeded"] },
    ]) {
      checkEventsOptions(filter);
    }
  });
});

describe("matches", () => {
  const job = succeeded(1, { kind: "mail", queue: "slow", source: "42" });

  it.each<[EventFilter, boolean]>([
    [{}, true],
    [{ types: ["succeeded"] }, true],
    [{ types: ["failed"] }, false],
    [{ kinds: ["mail", "x"] }, true],
    [{ kinds: ["x"] }, false],
    [{ queues: ["slow"] }, true],
    [{ queues: ["default"] }, false],
    [{ source: "42" }, true],
    [{ source: "43" }, false],
    [{ types: ["succeeded"], kinds: ["mail"], queues: ["slow"], source: "42" }, true],
    [{ types: ["succeeded"], kinds: ["mail"], queues: ["slow"], source: "43" }, false],
  ])("of a job: %j is %s", (filter, answer) => {
    expect(matches(filter, job)).toBe(answer);
  });

  it("asks events of many jobs whether any fits, and takes those of a queue for that queue only", () => {
    const ref = { id: "1", kind: "mail", queue: "slow", source: undefined, attempt: 1, maxAttempts: 3 };
    const recovered = { type: "lease-recovered", count: 1, jobs: [{ ...ref, state: "pending" }] } as const;
    const claimed = { type: "claimed", queue: "slow", count: 1 } as const;
    for (const event of [recovered, { type: "drain-timed-out", interrupted: [ref] } as const]) {
      expect(
        [{ kinds: ["mail"] }, { kinds: ["x"] }, { queues: ["slow"] }].map((filter) => matches(filter, event)),
      ).toEqual([true, false, true]);
    }
    const filters = [
      { queues: ["slow"] },
      { queues: ["x"] },
      { kinds: ["mail"] },
      { source: "1" },
      { queues: ["slow"], kinds: ["mail"] },
    ];
    expect(filters.map((filter) => matches(filter, claimed))).toEqual([true, false, false, false, false]);
    expect(filters.map((filter) => matches(filter, started("7", "x")))).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("wanted", () => {
  const filter: fc.Arbitrary<EventFilter> = fc.record(
    {
      types: fc.constantFrom<EventFilter["types"]>(["succeeded"], ["failed", "progress"], ["claimed"]),
      kinds: fc.constantFrom(["extract"], ["default", "x"]),
      queues: fc.constantFrom(["extract"], ["default"]),
      source: fc.string(),
    },
    { requiredKeys: [] },
  );

  it("asks for everything that any subscriber wants, in few filters", () => {
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 40 }), event, (filters, one) => {
        const asked = wanted(filters);
        expect(asked.length).toBeLessThanOrEqual(16);
        if (filters.some((each) => matches(each, one)))
          expect(asked.some((each) => matches(each, one))).toBe(true);
      }),
    );
  });

  it("asks once for what several want", () => {
    expect(wanted([{ kinds: ["a"] }, { kinds: ["a"] }])).toEqual([{ kinds: ["a"] }]);
    expect(
      wanted(Array.from({ length: 20 }, (_, index) => ({ types: ["failed"] as const, source: `${index}` }))),
    ).toEqual([{ types: ["failed"] }]);
    expect(wanted(Array.from({ length: 20 }, (_, index) => ({ source: `${index}` })))).toEqual([{}]);
    expect(keyOf({ kinds: undefined })).toBe(keyOf({}));
  });
});

describe("readFilter", () => {
  it("reads what is written, and ignores what it does not know", () => {
    const filter = { types: ["failed"], source: "1" };
    expect(readFilter(JSON.parse(JSON.stringify(filter)))).toEqual(filter);
    expect(readFilter({ ...filter, ids: ["1"], types: ["invented"] })).toEqual({ source: "1" });
    for (const value of [null, 7, "x", []]) expect(readFilter(value)).toEqual({});
  });
});
