import { timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { isVirtual, monotonicClock } from "../../../src/rx/monotonic-clock.ts";
import { pass, setClock, useFakeClock, withMarbles, work } from "../../support/marbles.ts";

describe("monotonicClock", () => {
  it("is the virtual clock in virtual time", () => {
    withMarbles(() => {
      expect(isVirtual()).toBe(true);
      const now = monotonicClock();
      timer(5).subscribe(() => expect(now()).toBe(5));
    });
    expect(isVirtual()).toBe(false);
  });
});

describe("monotonicClock, in real time", () => {
  useFakeClock();

  it.each([3_600_000, -3_600_000])("goes on evenly when the clock is set by %s ms", async (ms) => {
    const now = monotonicClock();
    const from = now();
    await pass(3);
    setClock(ms);
    work(4);
    expect(now() - from).toBeCloseTo(7);
  });
});
