import { NEVER, concat, of, take } from "rxjs";
import { describe, expect, it } from "vitest";
import { throttleLatest } from "../../../src/rx/throttle-latest.ts";
import { pass, useFakeClock, withMarbles } from "../../support/marbles.ts";

const DAY = 24 * 3_600_000;

describe("throttleLatest", () => {
  it.each([
    ["lets the first pass, then the latest of each interval", "abc------d-ef--g|", "a---c----d---f--(g|)"],
    ["never emits for a source that never does", "         -", "                -"],
    ["completes with an empty source", "                   --|", "              --|"],
    ["lets one value pass at once", "                      -a-------|", "       -a-------|"],
    ["completes at once when nothing waits", "             -a|", "             -a|"],
    ["completes at once with what waits", "                -ab|", "            -a-(b|)"],
    ["completes with several that came at once", "         -(abc|)", "        -(ac|)"],
    ["errors at once, after what waits", "                 -ab#", "            -a-(b#)"],
    ["begins anew after an interval without a value", "    ab--------cd----", "a---b-----c---d-"],
  ])("%s", (_, given, wanted) => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold(given.trim()).pipe(throttleLatest(4))).toBe(wanted.trim());
    });
  });

  it("lets all pass without an interval, also what comes at once", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("-(abc)-d|").pipe(throttleLatest(0))).toBe("-(abc)-d|");
      expectObservable(of("a", "b", "c").pipe(throttleLatest(0))).toBe("(abc|)");
    });
  });

  it("leaves the source, and no timer, when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("                               -ab-----");
      expectObservable(source.pipe(throttleLatest(4)), "  ---!").toBe("-a");
      expectSubscriptions(source.subscriptions).toBe("    ^--!");
    });
  });

  it("leaves the source, and no timer, when its first value is enough", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("-ab-----");
      expectObservable(source.pipe(throttleLatest(4), take(1))).toBe("-(a|)");
      expectSubscriptions(source.subscriptions).toBe("^!");
    });
  });

  it("throttles each subscription by itself", () => {
    withMarbles(({ cold, expectObservable }) => {
      const throttled$ = cold("      ab|").pipe(throttleLatest(4));
      expectObservable(throttled$).toBe("a-(b|)");
      expectObservable(throttled$, "--^").toBe("--a-(b|)");
    });
  });
});

describe("throttleLatest, beyond what a timer holds", () => {
  useFakeClock();

  it("does not let the next value pass at once", async () => {
    const heard: string[] = [];
    const value$ = concat(of("a", "b"), NEVER);
    const subscription = value$.pipe(throttleLatest(30 * DAY)).subscribe((value) => heard.push(value));
    await pass(30 * DAY - 1);
    expect(heard).toEqual(["a"]);
    await pass(1);
    expect(heard).toEqual(["a", "b"]);
    subscription.unsubscribe();
  });
});
