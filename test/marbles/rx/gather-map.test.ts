import {
  EMPTY,
  NEVER,
  Observable,
  Subject,
  concat,
  defer,
  ignoreElements,
  map,
  merge,
  of,
  range,
  repeat,
  take,
  tap,
  timer,
} from "rxjs";
import { describe, expect, it } from "vitest";
import { gatherMap } from "../../../src/rx/gather-map.ts";
import { withMarbles } from "../../support/marbles.ts";

describe("gatherMap", () => {
  it("projects a value, gathers what arrives meanwhile, then projects all of it at once", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot("      -abc------d----|");
      const result = "          ----R--S-----T-|";
      const values = { R: ["a"], S: ["b", "c"], T: ["d"] };
      const write = gatherMap((gathered: readonly string[]) => timer(3).pipe(map(() => gathered)));
      expectObservable(source.pipe(write)).toBe(result, values);
      expectSubscriptions(source.subscriptions).toBe("^--------------!");
    });
  });

  it("projects no more than max at once, and the rest after that in the order of arrival", () => {
    withMarbles(({ hot, expectObservable }) => {
      const source = hot("   -abcdef|");
      const result = "       ----A--B--C--(D|)";
      const values = { A: ["a"], B: ["b", "c"], C: ["d", "e"], D: ["f"] };
      const write = gatherMap((gathered: readonly string[]) => timer(3).pipe(map(() => gathered)), 2);
      expectObservable(source.pipe(write)).toBe(result, values);
    });
  });

  it("never emits and never projects for a source that never does", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("-");
      const project = (): never => expect.unreachable();
      expectObservable(source.pipe(gatherMap(project)), "----!").toBe("-");
      expectSubscriptions(source.subscriptions).toBe("         ^---!");
    });
  });

  it("completes with an empty source", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("|").pipe(gatherMap(() => of(1)))).toBe("|");
      expectObservable(cold("--|").pipe(gatherMap(() => of(1)))).toBe("--|");
    });
  });

  it("projects what is gathered after the source has completed, and then completes", () => {
    withMarbles(({ cold, hot, expectObservable }) => {
      const source = hot("-ab|");
      const projected = cold("---(r|)");
      expectObservable(source.pipe(gatherMap(() => projected))).toBe("----r--(r|)");
    });
  });

  it("emits every value of a projection, or none", () => {
    withMarbles(({ cold, hot, expectObservable }) => {
      const source = hot("-a----b|");
      const projections: Observable<string>[] = [cold("-x-y|"), EMPTY];
      const project = (): Observable<string> => projections.shift() ?? NEVER;
      expectObservable(source.pipe(gatherMap(project))).toBe("--x-y--|");
    });
  });

  it("waits for a projection that never ends", () => {
    withMarbles(({ hot, expectObservable }) => {
      const source = hot("-a-b|");
      expectObservable(source.pipe(gatherMap(() => concat(of("r"), NEVER))), "---------!").toBe("-r");
    });
  });

  it("errors at once with the source, and drops the projection that runs", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("   -a--#");
      const projected = cold(" ------r|");
      expectObservable(source.pipe(gatherMap(() => projected))).toBe("----#");
      expectSubscriptions(projected.subscriptions).toBe(" -^--!");
    });
  });

  it("errors with a projection, and leaves the source", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("   -a-b-c-d-|");
      const projected = cold(" --#");
      expectObservable(source.pipe(gatherMap(() => projected))).toBe("---#");
      expectSubscriptions(source.subscriptions).toBe("^--!");
      expectSubscriptions(projected.subscriptions).toBe("-^-!");
    });
  });

  it("errors with what project throws", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("-a-b|");
      const project = (): never => {
        throw new Error("no");
      };
      expectObservable(source.pipe(gatherMap(project))).toBe("-#", {}, new Error("no"));
      expectSubscriptions(source.subscriptions).toBe("^!");
    });
  });

  it("drops the source and the projection when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("    -a-b---c|");
      const projected = cold("  ----r|");
      expectObservable(source.pipe(gatherMap(() => projected)), "---!").toBe("----");
      expectSubscriptions(source.subscriptions).toBe("   ^--!");
      expectSubscriptions(projected.subscriptions).toBe("-^-!");
    });
  });

  it("drops a projection that is unsubscribed while it is being subscribed", () => {
    withMarbles(({ cold, expectObservable }) => {
      let open = 0;
      const projected = new Observable<string>((subscriber) => {
        open += 1;
        subscriber.next("r");
        return () => (open -= 1);
      });
      expectObservable(
        cold("-a").pipe(
          gatherMap(() => projected),
          take(1),
        ),
      ).toBe("-(r|)");
      expectObservable(timer(5).pipe(map(() => open))).toBe("-----(o|)", { o: 0 });
    });
  });

  it("leaves a projection that never stops emitting while it is being subscribed", () => {
    withMarbles(({ cold, expectObservable }) => {
      const endless = of(1).pipe(repeat());
      expectObservable(
        cold("-a").pipe(
          gatherMap(() => endless),
          take(3),
        ),
      ).toBe("-(111|)", { 1: 1 });
    });
  });

  it("leaves a source that emits while it is being subscribed", () => {
    let emitted = 0;
    const heard: number[] = [];
    range(1, 100)
      .pipe(
        tap(() => (emitted += 1)),
        gatherMap(([n = 0]) => of(n)),
        take(3),
      )
      .subscribe((n) => heard.push(n));
    expect(heard).toEqual([1, 2, 3]);
    expect(emitted).toBe(3);
  });

  it("loops over synchronous projections, however many, and keeps the order", () => {
    const batches: (readonly number[])[] = [];
    const again$ = new Subject<number>();
    again$
      .pipe(
        gatherMap((numbers) =>
          defer(() => {
            batches.push(numbers);
            const last = numbers.at(-1) ?? 0;
            if (last < 20_000) {
              again$.next(last + 1);
              again$.next(last + 2);
            }
            return of(last);
          }),
        ),
      )
      .subscribe();
    again$.next(0);
    expect(batches.slice(0, 3)).toEqual([[0], [1, 2], [3, 4]]);
    expect(batches).toHaveLength(10_001);
  });

  it("gathers what its own result brings forth", () => {
    withMarbles(({ expectObservable }) => {
      const source$ = new Subject<string>();
      const feedback$ = source$.pipe(
        gatherMap((values) => of(values.join(""))),
        tap((value) => {
          if (value.length < 3) source$.next(`${value}x`);
          else source$.complete();
        }),
      );
      expectObservable(
        merge(
          feedback$,
          timer(1).pipe(
            tap(() => source$.next("a")),
            ignoreElements(),
          ),
        ),
      ).toBe("-(abc|)", { a: "a", b: "ax", c: "axx" });
    });
  });
});
