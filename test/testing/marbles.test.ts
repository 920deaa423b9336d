import { EMPTY, NEVER, asyncScheduler, delay, interval, map, merge, of, take, throwError, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { marbles } from "../../src/testing/index.ts";
import type { MarbleHelpers } from "../../src/testing/index.ts";

/** The message of a test in virtual time that must fail. */
function failure(fn: (helpers: MarbleHelpers) => unknown): string {
  try {
    marbles(fn);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return (error as Error).message;
  }
  throw new Error("The marbles did not fail");
}

describe("marbles", () => {
  it("compares streams in virtual time", () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold("-a--b---|").pipe(delay(2))).toBe("---a--b-|");
      expectObservable(timer(3_600_000).pipe(map(() => "a"))).toBe("60m (a|)");
    });
  });

  it("compares values, errors and subscriptions", () => {
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const cold$ = cold("-a--#", { a: { id: 1 } }, new Error("dry"));
      const hot$ = hot("--a--b--c|");
      expectObservable(cold$).toBe("-a--#", { a: { id: 1, more: undefined } }, new Error("dry"));
      expectObservable(hot$, "---^---!").toBe("-----b");
      expectSubscriptions(cold$.subscriptions).toBe("^---!");
      expectSubscriptions(hot$.subscriptions).toBe(["---^---!"]);
      expectObservable(of(1, 2)).toEqual(of(1, 2));
    });
  });

  it("compares what never ends, what is empty and what errors at once", () => {
    marbles(({ expectObservable }) => {
      expectObservable(NEVER).toBe("");
      expectObservable(EMPTY).toBe("|");
      expectObservable(throwError(() => "error")).toBe("#");
      expectObservable(interval(2).pipe(take(2)), "^---!").toBe("--a", { a: 0 });
    });
  });

  it("takes what vitest and jest make with expect.any", () => {
    marbles(({ expectObservable }) => {
      const event$ = of({ at: new Date(), error: new TypeError("odd") });
      expectObservable(event$).toBe("(e|)", { e: { at: expect.any(Date), error: expect.any(TypeError) } });
    });
  });

  it("answers with what the function returns", () => {
    expect(marbles(({ time }) => time("25s !"))).toBe(25_000);
  });

  it("does things at a moment", () => {
    marbles(({ at, cold, expectObservable, flush }) => {
      const done: number[] = [];
      at("10s", () => done.push(asyncScheduler.now()));
      at(5, () => done.push(asyncScheduler.now()));
      expectObservable(cold("a")).toBe("a");
      flush();
      expect(done).toEqual([5, 10_000]);
    });
  });

  it("shows both marbles and the values where a stream differs", () => {
    const message = failure(({ cold, expectObservable }) => {
      const values = { a: { id: 1 }, b: { id: 2 } };
      expectObservable(cold("-a--b|", values)).toBe("-a--b|", { ...values, b: { id: 3 } });
    });
    expect(message).toBe(
      [
        "The stream differs from its marbles",
        "  expected  -a--b|",
        "  actual    -a--A|",
        "First difference: expected b at 4ms, which is { id: 3 }, got A at 4ms, which is { id: 2 }",
        "  a = { id: 1 }",
        "  b = { id: 3 }",
        "  A = { id: 2 }",
      ].join("\n"),
    );
  });

  it.each([
    ["a|", "a-|", "expected | at 1ms, got | at 2ms"],
    ["a", "ab", "expected nothing more, got b at 1ms"],
    ["ab", "", "expected a at 0ms, which is 'a', got nothing more"],
    ["a#", "a|", "expected # at 1ms, which is 'error', got | at 1ms"],
    ["#", "(ab)-c", "expected # at 0ms, which is 'error', got a at 0ms, which is 'a'"],
  ])("tells %s from %s", (wanted, came, told) => {
    expect(failure(({ cold, expectObservable }) => expectObservable(cold(came)).toBe(wanted))).toContain(
      told,
    );
  });

  it("writes long times as durations, and what comes too close to a group with ~", () => {
    const message = failure(({ expectObservable }) => {
      expectObservable(of("a").pipe(delay(90_000))).toBe("a");
    });
    expect(message).toContain("actual     90s (a|)");
    const close = failure(({ expectObservable }) => {
      expectObservable(merge(of("a", "b"), timer(2).pipe(map(() => "c")))).toBe("");
    });
    expect(close).toContain("actual    (ab)~(c|)");
  });

  it("shows subscriptions that differ", () => {
    const message = failure(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold("-a-|");
      expectObservable(source$).toBe("-a-|");
      expectSubscriptions(source$.subscriptions).toBe("^----!");
    });
    expect(message).toBe("The subscriptions differ\n  expected  ^----!\n  actual    ^--!");
  });

  it("refuses expectations that say nothing", () => {
    for (const fn of [
      ({ expectObservable }: MarbleHelpers) => void expectObservable(NEVER),
      ({ expectEvents }: MarbleHelpers) => void expectEvents(NEVER),
      ({ expectSubscriptions }: MarbleHelpers) => void expectSubscriptions([]),
    ]) {
      expect(failure(fn)).toContain("was called without saying what is expected: add .toBe(…)");
    }
  });

  it("refuses async functions, and nesting", () => {
    expect(() => marbles(async () => Promise.reject(new Error("never seen")))).toThrow(
      "The function of marbles() is async or returned a promise",
    );
    expect(() => marbles(() => marbles(() => 1))).toThrow(OptionError);
  });

  it("ends a test that would never end", () => {
    expect(failure(({ expectObservable }) => expectObservable(timer(0, 10)).toBe("a"))).toContain(
      "a stream that never ends needs an end",
    );
  });

  it("lets through what the function or an action throws, and gives the clock back", () => {
    expect(
      failure(() => {
        throw new Error("mine");
      }),
    ).toBe("mine");
    expect(
      failure(({ at }) =>
        at("1s", () => {
          throw new Error("later");
        }),
      ),
    ).toBe("later");
    expect(asyncScheduler.now()).toBeGreaterThan(1e12);
  });

  it("points at the test, not at the library", () => {
    try {
      marbles(({ cold, expectObservable }) => expectObservable(cold("a")).toBe("b"));
      expect.unreachable();
    } catch (error) {
      expect((error as Error).stack?.split("\n").find((line) => /^\s+at /u.test(line))).toContain(
        "marbles.test.ts",
      );
    }
  });
});
