import { describe, expect, it } from "vitest";
import { MAX_TIMER_MS, longTimer } from "../../../src/rx/long-timer.ts";
import { pass, useFakeClock, withMarbles } from "../../support/marbles.ts";

const MONTH = 30 * 24 * 3_600_000;

describe("longTimer", () => {
  it("emits once and completes", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(longTimer(4)).toBe("----(t|)", { t: 0 });
      expectObservable(longTimer(0)).toBe("(t|)", { t: 0 });
    });
  });

  it("leaves no timer when it is unsubscribed", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(longTimer(2 * MONTH), "--!").toBe("-");
    });
  });
});

describe("longTimer, beyond what a timer holds", () => {
  useFakeClock();

  it.each([MAX_TIMER_MS, MAX_TIMER_MS + 1, MONTH, 2 * MONTH, 12 * MONTH])("waits for %d ms", async (ms) => {
    let fired = false;
    longTimer(ms).subscribe(() => (fired = true));
    await pass(ms - 1);
    expect(fired).toBe(false);
    await pass(1);
    expect(fired).toBe(true);
  });
});
