import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_PART_LENGTH, inParts, jobParts } from "../../src/core/parts.ts";
import { aNewJob } from "../../src/testing/new-job.ts";

const itself = (weight: number): number => weight;

describe("inParts", () => {
  it("begins a part where the next item would be too much, and leaves a heavy item alone", () => {
    expect(inParts([2, 2, 9, 1, 1], itself, 4)).toEqual([[2, 2], [9], [1, 1]]);
    expect(inParts([9, 9], itself, 4)).toEqual([[9], [9]]);
    expect(inParts([4, 0, 0, 1], itself, 4)).toEqual([[4, 0, 0], [1]]);
  });

  it("answers with the list itself where all fit together, and with no part for no items", () => {
    const items = [1, 2, 3];
    expect(inParts(items, itself, 6)[0]).toBe(items);
    expect(inParts([], itself, 6)).toEqual([]);
  });

  it("keeps every item in its order, in parts that are full and not too full", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.integer({ min: 1, max: 30 }), (weights, max) => {
        const parts = inParts(weights, itself, max);
        const sum = (part: readonly number[]): number => part.reduce((all, weight) => all + weight, 0);
        expect(parts.flat()).toEqual(weights);
        parts.forEach((part, index) => {
          expect(part.length === 1 || (part.length > 1 && sum(part) <= max)).toBe(true);
          const next = parts[index + 1]?.[0];
          if (next !== undefined) expect(sum(part) + next).toBeGreaterThan(max);
        });
      }),
    );
  });

  it("stays far below the longest text of Node by default, however much is quoted", () => {
    // Quoted twice: as JSON in JSON, and as an element of an array.
    expect(4 * MAX_PART_LENGTH).toBeLessThan(2 ** 29 - 24);
  });
});

describe("jobParts", () => {
  const many = (job: Parameters<typeof aNewJob>[0]) => Array.from({ length: 12_000 }, () => aNewJob(job));

  it("cuts small jobs into parts of 5,000 at most", () => {
    const parts = jobParts(many({}));
    expect(parts.flat()).toHaveLength(12_000);
    expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(5_000);
    expect(parts).toHaveLength(3);
  });

  it.each([{ key: "k" }, { after: ["1"] }])("leaves jobs whole that take locks: %j", (job) => {
    expect(jobParts([...many({}), aNewJob(job)])).toHaveLength(1);
  });
});
