import { describe, expect, it } from "vitest";
import { median, percentiles, quantile } from "../../bench/measure/numbers.ts";

describe("quantile", () => {
  it("lies between the numbers beside it", () => {
    expect(quantile([30, 10, 20], 0.5, "late jobs")).toBe(20);
    expect(quantile([10, 20], 0.25, "late jobs")).toBe(12.5);
    expect(quantile([7], 0.99, "late jobs")).toBe(7);
  });

  it("fails where there is no number, and names what it lacks", () => {
    expect(() => quantile([], 0.99, "late jobs")).toThrow("Expected samples of late jobs, got none");
  });
});

describe("median", () => {
  it("is the middle number", () => {
    expect(median([3, 1, 2], "late jobs")).toBe(2);
  });

  it("fails where there is no number, and names what it lacks", () => {
    expect(() => median([], "late jobs")).toThrow("Expected samples of late jobs, got none");
  });
});

describe("percentiles", () => {
  it("go from the least to the most", () => {
    const all = percentiles([5, 105], "late jobs");
    expect([all.length, all[0], all[50], all[100]]).toEqual([101, 5, 55, 105]);
  });

  it("fail where there is no number, and name what they lack", () => {
    expect(() => percentiles([], "late jobs")).toThrow("Expected samples of late jobs, got none");
  });
});
