import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { readMarbles, toMilliseconds, writeDuration, writeMarbles } from "../../src/testing/event-marbles.ts";

/** Marbles as one line: `a0 b10000 end10000`. */
function read(text: string): string {
  const { marbles, endMs } = readMarbles(text);
  return [...marbles.map(({ ms, mark }) => `${mark}${ms}`), `end${endMs}`].join(" ");
}

describe("readMarbles", () => {
  it.each([
    ["", "end0"],
    ["a", "a0 end0"],
    ["--a-b", "a2 b4 end4"],
    ["a|", "a0 |1 end1"],
    ["a 10s b", "a0 b10000 end10000"],
    ["(ab) 10s (cd|)", "a0 b0 c10000 d10000 |10000 end10000"],
    ["10s a 1.5s b 2m", "a10000 b11500 end131500"],
    ["- 10s a", "a10001 end10001"],
    ["a 1s 1s b", "a0 b2000 end2000"],
    ["( a b )-c", "a0 b0 c5 end5"],
    ["a--", "a0 end3"],
    ["a 5ms|", "a0 |5 end5"],
    ["🌾 1s #", "🌾0 #1000 end1000"],
  ])("reads %j as %s", (text, told) => {
    expect(read(text)).toBe(told);
  });

  it.each([
    ["a 10 b", "digit that is no duration"],
    ["a 10sb", "digit that is no duration"],
    ["(a-b)", "let time pass inside a group"],
    ["(a 1s b)", "let time pass inside a group"],
    ["((a))", "let time pass inside a group"],
    ["(ab", "open a group that is not closed"],
    ["ab)", "close a group that was not opened"],
    ["a|b", "go on with b after the stream has ended"],
  ])("refuses %j", (text, told) => {
    expect(() => readMarbles(text)).toThrow(OptionError);
    expect(() => readMarbles(text)).toThrow(told);
  });

  it("reads what writeMarbles writes", () => {
    const marble = fc.record({ ms: fc.nat(1_000_000), mark: fc.constantFrom("a", "b", "D") });
    fc.assert(
      fc.property(fc.array(marble), (marbles) => {
        const sorted = marbles.toSorted((a, b) => a.ms - b.ms);
        expect(readMarbles(writeMarbles(sorted)).marbles).toEqual(sorted);
      }),
    );
  });
});

describe("toMilliseconds", () => {
  it.each([
    [0, 0],
    [250, 250],
    ["25s", 25_000],
    ["---!", 3],
    ["10s !", 10_000],
    ["--|", 2],
    ["1m", 60_000],
  ])("takes %o for %i ms", (moment, ms) => {
    expect(toMilliseconds(moment)).toBe(ms);
  });

  it.each([-1, Number.NaN, Infinity, "25", undefined])("refuses %o", (moment) => {
    expect(() => toMilliseconds(moment as never)).toThrow(OptionError);
  });
});

describe("writeDuration", () => {
  it.each([
    [0, "0ms"],
    [999, "999ms"],
    [1_000, "1s"],
    [1_500, "1500ms"],
    [90_000, "90s"],
    [120_000, "2m"],
  ])("writes %i ms as %s", (ms, text) => {
    expect(writeDuration(ms)).toBe(text);
  });
});
