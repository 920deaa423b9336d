import { NEVER, Subject, of, tap, throwError, timer, map } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { describe, expect, it } from "vitest";
import { liveQuery } from "../../../src/watch/live-query.ts";
import type { LiveQuerySetup } from "../../../src/watch/live-query.ts";
import { withMarbles } from "../../support/marbles.ts";

/** A live query whose answers follow each other; the last one stays. */
function live(
  answers: readonly unknown[],
  setup: Partial<LiveQuerySetup<unknown>> = {},
): Observable<unknown> {
  const left = [...answers];
  return liveQuery({
    query: () => of(left.length > 1 ? left.shift() : left[0]),
    changed$: NEVER,
    pollIntervalMs: 18,
    throttleMs: 5,
    delayMs: () => 2,
    isFatal: () => false,
    failed: () => undefined,
    ...setup,
  });
}

describe("liveQuery", () => {
  it("asks at once, after changes and at each poll, and tells what differs", () => {
    withMarbles(({ hot, expectObservable }) => {
      const changed$ = hot("  ---x-xx---------");
      const value$ = live([5, 4, 2, 2], { changed$ });
      expectObservable(value$, "^ 20ms !").toBe("5--4----2-------", { 5: 5, 4: 4, 2: 2 });
    });
  });

  it("compares what values hold", () => {
    withMarbles(({ expectObservable }) => {
      const value$ = live([{ depth: 1 }, { depth: 1 }, { depth: 2 }]);
      expectObservable(value$, "^ 40ms !").toBe("a 35ms b", { a: { depth: 1 }, b: { depth: 2 } });
    });
  });

  it("costs a hundred subscribers one query, and gives late ones the last value at once", () => {
    withMarbles(({ expectObservable, flush }) => {
      let queries = 0;
      const value$ = live([], { query: () => of((queries += 1)) });
      for (let n = 0; n < 99; n += 1) expectObservable(value$, "^ 10ms !").toBe("1", { 1: 1 });
      expectObservable(value$, "----^ 5ms !").toBe("----1", { 1: 1 });
      flush();
      expect(queries).toBe(1);
    });
  });

  it("starts anew after the last one left", () => {
    withMarbles(({ expectObservable }) => {
      const value$ = live([1, 2]);
      expectObservable(value$, "^--!").toBe("1", { 1: 1 });
      expectObservable(value$, "-----^--!").toBe("-----2", { 2: 2 });
    });
  });

  it("keeps the last value while the query fails, and errors with what is fatal", () => {
    withMarbles(({ hot, expectObservable }) => {
      let queries = 0;
      const query = (): ObservableInput<unknown> => {
        queries += 1;
        return queries === 1 || queries > 3 ? of(queries) : throwError(() => new Error("away"));
      };
      expectObservable(live([], { query, changed$: hot("--x") }), "^ 10ms !").toBe("a-----b", { a: 1, b: 4 });
      const fatal = live([], { query: () => throwError(() => "broken"), isFatal: () => true });
      expectObservable(fatal).toBe("#", {}, "broken");
    });
  });

  it("leaves no query, no timer and no changes behind when it is unsubscribed", () => {
    withMarbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const changed$ = hot("-");
      const query$ = cold("----(x|)");
      expectObservable(live([], { changed$, query: () => query$ }), "^-!").toBe("-");
      expectSubscriptions(changed$.subscriptions).toBe("^-!");
      expectSubscriptions(query$.subscriptions).toBe("^-!");
    });
  });

  it("asks again for what changed while it was asking", () => {
    withMarbles(({ expectObservable }) => {
      let depth = 1;
      const changed$ = new Subject<void>();
      const query = (): Observable<number> => {
        const now = depth;
        return timer(2).pipe(map(() => now));
      };
      const change$ = timer(1).pipe(
        tap(() => {
          depth = 9;
          changed$.next();
        }),
      );
      expectObservable(live([], { query, changed$ }), "^ 10ms !").toBe("--a-b", { a: 1, b: 9 });
      expectObservable(change$).toBe("-(0|)", { 0: 0 });
    });
  });
});
