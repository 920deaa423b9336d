import { describe, expect, it } from "vitest";
import type { Tally } from "../../bench/child/orders.ts";
import { drained } from "../../bench/measure/drain.ts";

/** A worker that handled so many jobs of a lap in two seconds, with a second of processor time. */
function worked(inLap: number): Tally {
  return { handled: 1000, sum: 0, inLap, firstAt: 5000, lastAt: 7000, cpuUs: 1_000_000 };
}

describe("drained", () => {
  it("fails where no job was left for the lap", () => {
    expect(() => drained([worked(0)], { count: 100 })).toThrow(
      "Too few jobs to measure a rate: 0 of 100 were left for it",
    );
  });

  it("fails where less than 80 % of the jobs were left for the lap, over all workers", () => {
    expect(() => drained([worked(40), worked(39)], { count: 100 })).toThrow(
      "Too few jobs to measure a rate: 79 of 100 were left for it",
    );
    expect(drained([worked(40), worked(40)], { count: 100 })).toMatchObject({ jobsPerS: 40 });
  });

  it("counts from the begin of the first attempt of the lap to the end of the last", () => {
    expect(drained([worked(100)], { count: 100, serverUs: 5000 })).toEqual({
      jobsPerS: 50,
      nodeUsPerJob: 10_000,
      serverUsPerJob: 50,
    });
  });

  it("counts until it ended, where that is given", () => {
    expect(drained([worked(100)], { count: 100, endAt: 9000 })).toEqual({
      jobsPerS: 25,
      nodeUsPerJob: 10_000,
      serverUsPerJob: undefined,
    });
  });
});
