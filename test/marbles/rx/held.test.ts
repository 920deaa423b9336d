import { take } from "rxjs";
import { describe, expect, it } from "vitest";
import { held } from "../../../src/rx/held.ts";
import { withMarbles } from "../../support/marbles.ts";

describe("held", () => {
  it("keeps what it is told until somebody subscribes, and tells it once", () => {
    withMarbles(({ hot, expectObservable }) => {
      const { value$, tell } = held<string>();
      hot("                     -a-b-----c--d-").subscribe(tell);
      expectObservable(value$, "----^---------").toBe("----(ab)-c--d");
      expectObservable(value$, "-----------^--").toBe("------------d");
    });
  });

  it("keeps again what comes between two subscribers", () => {
    withMarbles(({ hot, expectObservable }) => {
      const { value$, tell } = held<string>();
      hot("                     -a-b-----c-----d-").subscribe(tell);
      expectObservable(value$, "^-!").toBe("      -a");
      expectObservable(value$, "----------^------").toBe("----------(bc)-d");
    });
  });

  it("is left by a subscriber that has enough", () => {
    const { value$, tell } = held<string>();
    const got: string[] = [];
    tell("a");
    value$.pipe(take(1)).subscribe((value) => got.push(value));
    tell("b");
    value$.subscribe((value) => got.push(value));
    expect(got).toEqual(["a", "b"]);
  });
});
