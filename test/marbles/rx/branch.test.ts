import { EMPTY, NEVER, concat, map, mergeMap, of, timer } from "rxjs";
import { describe, it } from "vitest";
import { branch } from "../../../src/rx/branch.ts";
import { withMarbles } from "../../support/marbles.ts";

const isUpper = (value: string): value is "B" | "C" => value === value.toUpperCase();

describe("branch", () => {
  it("sends some values through an operator, and lets the others pass", () => {
    withMarbles(({ cold, expectObservable }) => {
      const slow = mergeMap((value: string) => timer(3).pipe(map(() => value.toLowerCase())));
      expectObservable(cold("-a-B--a--C-|").pipe(branch(isUpper, slow))).toBe("-a----(ab)--(c|)");
    });
  });

  it("completes when both have", () => {
    withMarbles(({ cold, expectObservable }) => {
      const after = mergeMap(() => cold("--x|"));
      expectObservable(cold("-a-B|").pipe(branch(isUpper, after))).toBe("-a---x|");
      expectObservable(cold("-a-B-----|").pipe(branch(isUpper, after))).toBe("-a---x---|");
      expectObservable(EMPTY.pipe(branch(isUpper, after))).toBe("|");
    });
  });

  it("goes on when the operator has completed", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("-a-B-a|").pipe(branch(isUpper, () => EMPTY))).toBe("-a---a|");
    });
  });

  it("errors with either, and unsubscribes from both", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const own = cold("--#");
      const source = cold("-a-B---a");
      expectObservable(
        source.pipe(
          branch(
            isUpper,
            mergeMap(() => own),
          ),
        ),
      ).toBe("-a---#");
      expectSubscriptions(source.subscriptions).toBe("^----!");
      const other = cold("-----");
      expectObservable(
        cold("-B-#").pipe(
          branch(
            isUpper,
            mergeMap(() => other),
          ),
        ),
      ).toBe("---#");
      expectSubscriptions(other.subscriptions).toBe("-^-!");
    });
  });

  it("keeps the order of values of the same call", () => {
    withMarbles(({ expectObservable }) => {
      const source = concat(of("a", "B", "a", "C", "a"), NEVER);
      expectObservable(
        source.pipe(
          branch(
            isUpper,
            map((value) => value.toLowerCase()),
          ),
        ),
      ).toBe("(abaca)");
    });
  });
});
