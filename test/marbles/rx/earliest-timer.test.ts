import { EMPTY, NEVER, Subject, concat, merge, of, take, tap, throwError } from "rxjs";
import type { Subscription } from "rxjs";
import { describe, expect, it, vi } from "vitest";
import { earliestTimer } from "../../../src/rx/earliest-timer.ts";
import { pass, setClock, useFakeClock, withMarbles } from "../../support/marbles.ts";

const HOUR = 3_600_000;

/** Hints of a diagram: digits are milliseconds. */
const HINTS = Object.fromEntries(Array.from({ length: 10 }, (_, digit) => [String(digit), digit]));

/** A timer that fired. */
const FIRED = { f: undefined };

describe("earliestTimer", () => {
  it("keeps one timer for the earliest hint, and drops later ones", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const hint$ = hot("       8--9-1--------", HINTS);
      const result = "          ------f-------";
      expectObservable(hint$.pipe(earliestTimer()), "-------------!").toBe(result, FIRED);
      expectSubscriptions(hint$.subscriptions).toBe("^------------!");
    });
  });

  it("does not wait for a later hint", () => {
    withMarbles(({ hot, expectObservable }) => {
      const hint$ = hot("5--9---------|", HINTS);
      const result = "   -----f-------|";
      expectObservable(hint$.pipe(earliestTimer())).toBe(result, FIRED);
    });
  });

  it("fires again for a hint that comes after it fired", () => {
    withMarbles(({ hot, expectObservable }) => {
      const hint$ = hot("2---3---0--|", HINTS);
      const result = "   --f----ff--|";
      expectObservable(hint$.pipe(earliestTimer())).toBe(result, FIRED);
    });
  });

  it("fires at once for what was due before", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(concat(of(-5), NEVER).pipe(earliestTimer()), "--!").toBe("f", FIRED);
    });
  });

  it("fires once for hints of the same moment", () => {
    withMarbles(({ hot, expectObservable }) => {
      const hint$ = hot("(33)-------|", HINTS);
      const result = "   ---f-------|";
      expectObservable(hint$.pipe(earliestTimer())).toBe(result, FIRED);
    });
  });

  it("takes an hour and drops more, which a timer may not hold", () => {
    withMarbles(({ expectObservable }) => {
      const hint$ = merge(of(HOUR + 1), of(2 ** 40), of(Infinity), NEVER);
      expectObservable(hint$.pipe(earliestTimer()), "180m !").toBe("-");
      expectObservable(merge(of(HOUR), NEVER).pipe(earliestTimer()), "180m !").toBe("60m f", FIRED);
    });
  });

  it("never emits for a source that never does", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(NEVER.pipe(earliestTimer()), "--!").toBe("-");
    });
  });

  it("completes with its source", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(EMPTY.pipe(earliestTimer())).toBe("|");
      expectObservable(cold("9--|", HINTS).pipe(earliestTimer())).toBe("---|");
    });
  });

  it("errors with its source", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(throwError(() => "error").pipe(earliestTimer())).toBe("#");
      expectObservable(cold("9--#", HINTS).pipe(earliestTimer())).toBe("---#");
    });
  });

  it("takes a hint that its own firing brings forth", () => {
    withMarbles(({ expectObservable }) => {
      const next$ = new Subject<number>();
      const fired$ = merge(of(2), next$).pipe(
        earliestTimer(),
        tap(() => next$.next(3)),
        take(3),
      );
      expectObservable(fired$).toBe("--f--f--(f|)", FIRED);
    });
  });
});

describe("earliestTimer, with a clock that is set", () => {
  useFakeClock();

  it.each([3_600_000, -3_600_000])("fires when it is due, whatever %s ms say", async (ms) => {
    const hint$ = new Subject<number>();
    let fired = 0;
    const subscription = hint$.pipe(earliestTimer()).subscribe(() => (fired += 1));
    hint$.next(9);
    setClock(ms);
    hint$.next(3);
    await pass(3);
    expect(fired).toBe(1);
    hint$.next(2);
    setClock(ms);
    hint$.next(4);
    await pass(2);
    expect(fired).toBe(2);
    await pass(9);
    expect(fired).toBe(2);
    subscription.unsubscribe();
  });
});

describe("earliestTimer, left", () => {
  useFakeClock();

  it.each<[string, (hint$: Subject<number>, subscription: Subscription) => void]>([
    ["unsubscribed", (_, subscription) => subscription.unsubscribe()],
    ["its source completes", (hint$) => hint$.complete()],
    ["its source errors", (hint$) => hint$.error(new Error("dry"))],
  ])("leaves no timer when %s", (_, leave) => {
    const hint$ = new Subject<number>();
    const subscription = hint$.pipe(earliestTimer()).subscribe({ error: () => undefined });
    hint$.next(9);
    expect(vi.getTimerCount()).toBe(1);
    leave(hint$, subscription);
    expect(vi.getTimerCount()).toBe(0);
    expect(hint$.observed).toBe(false);
  });
});
