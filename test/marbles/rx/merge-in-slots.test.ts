import type { Observable } from "rxjs";
import { EMPTY, NEVER, Subject, concat, defer, finalize, map, of, repeat, take, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { mergeInSlots } from "../../../src/rx/merge-in-slots.ts";
import { withMarbles } from "../../support/marbles.ts";

describe("mergeInSlots", () => {
  it("projects each value, as many at a time as there are slots, in their order", () => {
    withMarbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source = hot("   -abc-----|");
      const projected = cold("---(r|)");
      const result = "       ----rr-(r|)".replace("(r|)", "r-|");
      expectObservable(source.pipe(mergeInSlots(() => projected, 2))).toBe(result);
      expectSubscriptions(projected.subscriptions).toBe(["-^--!", "--^--!", "----^--!"]);
      expectSubscriptions(source.subscriptions).toBe("^--------!");
    });
  });

  it("never emits and never projects for a source that never does", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("-");
      const project = (): never => expect.unreachable();
      expectObservable(source.pipe(mergeInSlots(project, 1)), "----!").toBe("-");
      expectSubscriptions(source.subscriptions).toBe("         ^---!");
    });
  });

  it("completes with an empty source", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("|").pipe(mergeInSlots(() => of(1), 1))).toBe("|");
      expectObservable(cold("--|").pipe(mergeInSlots(() => of(1), 1))).toBe("--|");
    });
  });

  it("projects what waits after the source has completed, and then completes", () => {
    withMarbles(({ cold, hot, expectObservable }) => {
      const source = hot("   -(abc)|");
      const projected = cold("--(r|)");
      expectObservable(source.pipe(mergeInSlots(() => projected, 1))).toBe("---r-r-(r|)");
    });
  });

  it("emits every value of a projection, or none", () => {
    withMarbles(({ cold, hot, expectObservable }) => {
      const projections: Observable<string>[] = [cold("-x-y|"), EMPTY];
      const project = (): Observable<string> => projections.shift() ?? NEVER;
      expectObservable(hot("-a----b|").pipe(mergeInSlots(project, 1))).toBe("--x-y--|");
    });
  });

  it("keeps the slot of a projection that never ends", () => {
    withMarbles(({ hot, expectObservable }) => {
      const project = (): Observable<string> => concat(of("r"), NEVER);
      expectObservable(hot("-a-b-c|").pipe(mergeInSlots(project, 2)), "---------!").toBe("-r-r");
    });
  });

  it("errors at once with the source, and drops the projections that run", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const projected = cold("  ------r|");
      expectObservable(cold("-ab-#").pipe(mergeInSlots(() => projected, 2))).toBe("----#");
      expectSubscriptions(projected.subscriptions).toBe(["-^--!", "--^-!"]);
    });
  });

  it("errors with a projection, and leaves the source and the other projections", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("   -a-b-c-d-|");
      const projections = [cold("----r"), cold("-#")];
      const project = (): Observable<string> => projections.shift() ?? NEVER;
      const [first] = projections;
      expectObservable(source.pipe(mergeInSlots(project, 2))).toBe("----#");
      expectSubscriptions(source.subscriptions).toBe("^---!");
      expectSubscriptions(first?.subscriptions ?? []).toBe("-^--!");
    });
  });

  it("errors with what project throws", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("-a-b|");
      const project = (): never => {
        throw new Error("no");
      };
      expectObservable(source.pipe(mergeInSlots(project, 1))).toBe("-#", {}, new Error("no"));
      expectSubscriptions(source.subscriptions).toBe("^!");
    });
  });

  it("drops the source, the projections and what waits when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("    -(abc)---d|");
      const projected = cold(" ----r|");
      expectObservable(source.pipe(mergeInSlots(() => projected, 2)), "---!").toBe("----");
      expectSubscriptions(source.subscriptions).toBe("   ^--!");
      expectSubscriptions(projected.subscriptions).toBe(["-^-!", "-^-!"]);
    });
  });

  it("leaves a projection that never stops emitting while it is being subscribed", () => {
    withMarbles(({ cold, expectObservable }) => {
      const endless = of(1).pipe(repeat());
      const three = cold("-ab").pipe(
        mergeInSlots(() => endless, 2),
        take(3),
      );
      expectObservable(three).toBe("-(111|)", { 1: 1 });
    });
  });

  it("gives a slot on only when the projection before has been torn down", () => {
    const log: string[] = [];
    const source$ = new Subject<number>();
    const project = (value: number): Observable<number> =>
      defer(() => {
        log.push(`begin ${value}`);
        return timer(0).pipe(
          map(() => value),
          finalize(() => log.push(`end ${value}`)),
        );
      });
    const done = new Promise<void>((complete) => {
      source$.pipe(mergeInSlots(project, 1)).subscribe({ complete });
    });
    for (const value of [1, 2, 3]) source$.next(value);
    source$.complete();
    return done.then(() => expect(log).toEqual(["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]));
  });

  it("loops over projections that end at once, however many wait behind one that does not", () => {
    const first$ = new Subject<number>();
    const ended: number[] = [];
    const source$ = new Subject<number>();
    source$
      .pipe(mergeInSlots((value) => (value === 0 ? first$ : of(value).pipe(finalize(() => {}))), 1))
      .subscribe((value) => ended.push(value));
    const count = 20_000;
    for (let value = 0; value < count; value += 1) source$.next(value);
    expect(ended).toEqual([]);
    first$.complete();
    expect(ended).toHaveLength(count - 1);
    expect(ended.every((value, index) => value === index + 1)).toBe(true);
  });
});
