import { EMPTY, NEVER, Observable, of, throwError } from "rxjs";
import { describe, it } from "vitest";
import { withCompanion } from "../../../src/rx/with-companion.ts";
import { withMarbles } from "../../support/marbles.ts";

describe("withCompanion", () => {
  it("runs the companion as long as the source", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("    ---a-----b--|");
      const companion = cold(" -x--x--x--x--x--x-");
      const result = "         -x-ax--x-bx-|";
      expectObservable(source.pipe(withCompanion(companion))).toBe(result);
      expectSubscriptions(source.subscriptions).toBe("   ^-----------!");
      expectSubscriptions(companion.subscriptions).toBe("^-----------!");
    });
  });

  it("goes on when the companion has completed", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("--a--b|").pipe(withCompanion(cold("-x|")))).toBe("-xa--b|");
      expectObservable(cold("--a--b|").pipe(withCompanion(EMPTY))).toBe("--a--b|");
      expectObservable(cold("--a--b|").pipe(withCompanion(NEVER))).toBe("--a--b|");
    });
  });

  it("completes with an empty source, and lets a synchronous companion speak first", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(EMPTY.pipe(withCompanion(NEVER))).toBe("|");
      expectObservable(of("a").pipe(withCompanion(of("x")))).toBe("(xa|)");
    });
  });

  it("lets the companion alone speak while the source never does", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const companion = cold("-x-x-x");
      expectObservable(NEVER.pipe(withCompanion(companion)), "----!").toBe("-x-x");
      expectSubscriptions(companion.subscriptions).toBe("         ^---!");
    });
  });

  it("errors with the source, and leaves the companion", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const companion = cold("-x-x-x");
      expectObservable(cold("--#").pipe(withCompanion(companion))).toBe("-x#");
      expectSubscriptions(companion.subscriptions).toBe("^-!");
      expectObservable(throwError(() => "error").pipe(withCompanion(NEVER))).toBe("#");
    });
  });

  it("errors with the companion, and leaves the source", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("-a-b-c");
      expectObservable(source.pipe(withCompanion(cold("--#")))).toBe("-a#");
      expectSubscriptions(source.subscriptions).toBe("^-!");
    });
  });

  it("errors with a companion that throws when it is subscribed", () => {
    withMarbles(({ cold, expectObservable }) => {
      const companion = new Observable<string>(() => {
        throw new Error("a bug");
      });
      expectObservable(cold("-a").pipe(withCompanion(companion))).toBe("#", {}, new Error("a bug"));
    });
  });

  it("leaves both when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("   -a-a-a");
      const companion = cold("-x-x-x");
      expectObservable(source.pipe(withCompanion(companion)), "--!").toBe("-(xa)");
      expectSubscriptions(source.subscriptions).toBe("          ^-!");
      expectSubscriptions(companion.subscriptions).toBe("       ^-!");
    });
  });

  it("subscribes to its source once for each subscriber", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("-a|");
      const result$ = source.pipe(withCompanion(NEVER));
      expectObservable(result$).toBe("-a|");
      expectObservable(result$, "---^").toBe("----a|");
      expectSubscriptions(source.subscriptions).toBe(["^-!", "---^-!"]);
    });
  });
});
