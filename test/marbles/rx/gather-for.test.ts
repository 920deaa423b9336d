import { describe, expect, it } from "vitest";
import { Subject, take } from "rxjs";
import { gatherFor } from "../../../src/rx/gather-for.ts";
import { withMarbles } from "../../support/marbles.ts";

const options = { max: 3, maxWaitMs: 4 };

describe("gatherFor", () => {
  it("gathers from the first value on, up to max or maxWaitMs, and hands on the rest at the end", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold(" -ab----c-de-f--|");
      const wanted = "      -----x----y----(z|)";
      const values = { x: ["a", "b"], y: ["c", "d", "e"], z: ["f"] };
      expectObservable(source.pipe(gatherFor(options))).toBe(wanted, values);
      expectSubscriptions(source.subscriptions).toBe("^--------------!");
    });
  });

  it("hands on nothing of an empty source, and waits for one that says nothing", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("--|").pipe(gatherFor(options))).toBe("--|");
      expectObservable(cold("-").pipe(gatherFor(options))).toBe("-");
    });
  });

  it("hands on each value at once with max 1, and those of one moment with maxWaitMs 0", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("ab|").pipe(gatherFor({ max: 1, maxWaitMs: 4 }))).toBe("xy|", {
        x: ["a"],
        y: ["b"],
      });
      const moment = { x: ["a", "b"] };
      expectObservable(cold("(ab)|").pipe(gatherFor({ max: 9, maxWaitMs: 0 }))).toBe("x---|", moment);
    });
  });

  it("lets go of what it gathered when the source errors", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("-a#").pipe(gatherFor(options))).toBe("--#");
    });
  });

  it("leaves its source and its timer when it is unsubscribed", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot("-a----");
      expectObservable(source.pipe(gatherFor(options)), "^-!").toBe("-");
      expectSubscriptions(source.subscriptions).toBe("^-!");
    });
  });

  it("takes values that come while it hands on a batch", () => {
    const source = new Subject<number>();
    const batches: (readonly number[])[] = [];
    source.pipe(gatherFor({ max: 2, maxWaitMs: 1_000 }), take(2)).subscribe((batch) => {
      batches.push(batch);
      if (batches.length === 1) for (const value of [3, 4]) source.next(value);
    });
    for (const value of [1, 2]) source.next(value);
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });
});
