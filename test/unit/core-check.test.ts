import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkOptions, hiding, integer, milliseconds, rule } from "../../src/core/check.ts";
import { MAX_DELAY_MS, OptionError } from "../../src/core/errors.ts";

const RULES = {
  concurrency: integer(1),
  priority: integer(-32_768, 32_767),
  leaseDurationMs: milliseconds(1_000),
  label: rule("a text", (value) => typeof value === "string"),
};

describe("integer", () => {
  it("holds for the integers between its bounds and for nothing else", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(), fc.double(), (min, length, value) => {
        const { holds } = integer(min, min + length);
        expect(holds(min)).toBe(true);
        expect(holds(min + length)).toBe(true);
        expect(holds(min - 1)).toBe(false);
        expect(holds(min + length + 1)).toBe(false);
        if (!Number.isInteger(value)) expect(holds(value)).toBe(false);
      }),
    );
  });

  it.each(["1", 1n, null, undefined, Number.NaN, Infinity, 2 ** 53, [1], new Number(1)])(
    "does not hold for %o",
    (value) => {
      expect(integer(0).holds(value)).toBe(false);
    },
  );

  it("says its bounds", () => {
    expect(integer(1).is).toBe("an integer from 1 up");
    expect(integer(-1, 5).is).toBe("an integer from -1 to 5");
  });
});

describe("milliseconds", () => {
  it("holds from its bound to ten years", () => {
    const { holds, is } = milliseconds(5);
    expect([5, 5.5, MAX_DELAY_MS].map(holds)).toEqual([true, true, true]);
    expect([4.99, MAX_DELAY_MS + 1, Number.NaN, Infinity, "6", 6n].map(holds)).toEqual(Array(6).fill(false));
    expect(is).toBe(`a number of milliseconds from 5 to ${MAX_DELAY_MS}`);
  });
});

describe("checkOptions", () => {
  it("takes options that keep their rules, or are not there", () => {
    expect(() => checkOptions("options", {}, RULES)).not.toThrow();
    const options = { concurrency: 1, priority: undefined, leaseDurationMs: 1_000, label: "a" };
    expect(() => checkOptions("options", options, RULES)).not.toThrow();
  });

  it.each([
    ["postgres://mill:grist@host/db", "a text of 29 characters"],
    [4711, "a number"],
    [4711n, "a bigint"],
    [["grist"], "an array of 1"],
    [null, "null"],
  ])("does not show what stands in the place of options: %o", (given, words) => {
    expect(() => checkOptions("options", given, RULES)).toThrow(
      new OptionError(`Expected \`options\` to be an object, got ${words}`),
    );
  });

  it.each([
    ["grist", "a text of 5 characters"],
    [4711, "a number"],
    [{ grist: 1 }, "an object"],
  ])("does not show what a rule hides: %o", (key, words) => {
    const rules = { key: hiding(rule("a key", () => false)) };
    expect(() => checkOptions("options", { key }, rules)).toThrow(
      new OptionError(`Expected \`key\` to be a key, got ${words}`),
    );
  });

  it("names the option, the rule and the value", () => {
    expect(() => checkOptions("options", { concurrency: 0 }, RULES)).toThrow(
      new OptionError("Expected `concurrency` to be an integer from 1 up, got 0 (number)"),
    );
  });

  it("names an unknown option and those that are known", () => {
    expect(() => checkOptions("worker options", { concurency: 1 }, RULES)).toThrow(
      new OptionError(
        'Unknown option "concurency" (string) in the worker options; known are concurrency, priority, leaseDurationMs, label',
      ),
    );
  });

  it.each(["toString", "constructor", "__proto__"])("knows no option %s", (name) => {
    const options: unknown = JSON.parse(`{${JSON.stringify(name)}: 1}`);
    expect(() => checkOptions("options", options, RULES)).toThrow(/^Unknown option/u);
  });

  it.each([null, undefined, [], 7, "x", () => 1])("refuses %o for the options", (options) => {
    expect(() => checkOptions("options", options, RULES)).toThrow(
      /^Expected `options` to be an object, got/u,
    );
  });
});
