import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { same } from "../../src/testing/same.ts";

const cycle = (): unknown => {
  const made: Record<string, unknown> = { id: 1 };
  made["self"] = made;
  return made;
};

describe("same", () => {
  it("holds for every value and its copy", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(same(structuredClone(value), value)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [{ a: undefined }, {}],
    [
      [1, { a: [2] }],
      [1, { a: [2] }],
    ],
    [new Date(5), new Date(5)],
    [new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]])],
    [new TypeError("a"), new TypeError("a")],
    [Number.NaN, Number.NaN],
    [cycle(), cycle()],
    [{ at: new Date() }, { at: expect.any(Date) }],
  ])("finds %o and %o the same", (actual, expected) => {
    expect(same(actual, expected)).toBe(true);
  });

  it.each([
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, {}],
    [{}, { a: 1 }],
    [[1], [1, 2]],
    [[], {}],
    [null, {}],
    [new Date(5), new Date(6)],
    [new Set([1]), new Set([2])],
    [new TypeError("a"), new Error("a")],
    [new Error("a"), new Error("b")],
    [0, -0],
    ["1", 1],
    [{ at: 1 }, { at: expect.any(Date) }],
  ])("tells %o from %o", (actual, expected) => {
    expect(same(actual, expected)).toBe(false);
  });
});
