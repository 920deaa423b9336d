import { NEVER, Observable, from, of } from "rxjs";
import { describe, expect, it } from "vitest";
import { PayloadError, PermanentError, Snooze } from "../../../src/core/errors.ts";
import { attemptStage } from "../../../src/stages/attempt.ts";
import type { Handler } from "../../../src/stages/handler.ts";
import { attemptSetup, steps } from "../../support/attempts.ts";
import { HOSTILE } from "../../support/hostile.ts";
import { claimedJob, withMarbles } from "../../support/marbles.ts";

const job = claimedJob();
const { s, p, ended } = steps(job);
const progress = { p: p("p"), r: p("r") };

/** An attempt of a handler that nothing interrupts. */
function attempt(
  handler: Handler,
  overrides: Parameters<typeof attemptSetup>[1] = {},
): ReturnType<ReturnType<typeof attemptStage>> {
  return attemptStage(attemptSetup(handler, overrides))(job, NEVER);
}

describe("attemptStage, of an Observable", () => {
  it("reports its values, and ends with the last one for a result", () => {
    withMarbles(({ cold, expectObservable }) => {
      const handler = cold("-----p---p--r|");
      const attempt$ = "    s----p---p--r(E|)";
      const E = ended({ type: "succeeded", result: "r" }, 13, false, "r");
      expectObservable(attempt(() => handler)).toBe(attempt$, { s, ...progress, E });
    });
  });

  it("ends without a result when it emits nothing", () => {
    withMarbles(({ cold, expectObservable }) => {
      const E = ended({ type: "succeeded", result: undefined }, 3);
      expectObservable(attempt(() => cold("---|"))).toBe("s--(E|)", { s, E });
    });
  });

  it("is retried when it errors", () => {
    withMarbles(({ cold, expectObservable }) => {
      const handler = cold("-------#", undefined, new Error("broken stone"));
      const attempt$ = "    s------(E|)";
      const error = expect.objectContaining({ message: "broken stone" });
      const E = ended({ type: "retried", delayMs: 1_000, error }, 7);
      expectObservable(attempt(() => handler)).toBe(attempt$, { s, E });
    });
  });

  it("keeps what it reported before it errored", () => {
    withMarbles(({ cold, expectObservable }) => {
      const handler = cold("  --p----#", undefined, new Error("broken stone"));
      const attempt$ = "      s-p----(E|)";
      const error = expect.objectContaining({ name: "Error", message: "broken stone" });
      const E = ended({ type: "retried", delayMs: 1_000, error }, 7, false, "p");
      expectObservable(attempt(() => handler)).toBe(attempt$, { s, ...progress, E });
    });
  });

  it("runs as long as it is subscribed, and is left then", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const handler = cold("                          --p--p--p-");
      expectObservable(
        attempt(() => handler),
        "      ------!",
      ).toBe("s-p--p", { s, ...progress });
      expectSubscriptions(handler.subscriptions).toBe("^-----!");
    });
  });

  it("calls the handler when it is subscribed, and again for each subscription", () => {
    let calls = 0;
    const attempt$ = attempt(() => {
      calls += 1;
    });
    expect(calls).toBe(0);
    attempt$.subscribe();
    attempt$.subscribe();
    expect(calls).toBe(2);
  });
});

describe("attemptStage, of progress", () => {
  const slowly = { progressIntervalMs: 4 };
  const values = Object.fromEntries(["a", "b", "c", "d", "e", "f", "g"].map((value) => [value, p(value)]));

  it("lets the first value go further, the latest of each interval, and at the end the last", () => {
    withMarbles(({ cold, expectObservable }) => {
      const handler = cold("  abc------d-ef--g|");
      const attempt$ = "      (sa)c----d---f--(gE|)";
      const E = ended({ type: "succeeded", result: "g" }, 16, false, "g");
      expectObservable(attempt(() => handler, slowly)).toBe(attempt$, { s, ...values, E });
    });
  });

  it("lets what waits go further when the attempt fails", () => {
    withMarbles(({ cold, expectObservable }) => {
      const handler = cold("  -ab#", undefined, new Error("broken stone"));
      const attempt$ = "      sa-(bE|)";
      const error = expect.objectContaining({ message: "broken stone" });
      const E = ended({ type: "retried", delayMs: 1_000, error }, 3, false, "b");
      expectObservable(attempt(() => handler, slowly)).toBe(attempt$, { s, ...values, E });
    });
  });

  it("is told of no undefined, which is what streams that only have an effect emit", () => {
    withMarbles(({ cold, expectObservable }) => {
      const handler = cold("  -a-u-|", { a: "a", u: undefined });
      const attempt$ = "      sa---(E|)";
      const E = ended({ type: "succeeded", result: undefined }, 5, false, "a");
      expectObservable(attempt(() => handler)).toBe(attempt$, { s, ...values, E });
    });
  });

  it("fails for good by what is no JSON, also when it would not have gone further", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const handler = cold("                             -ab--c", { a: "a", b: { stones: [1, NaN] } });
      const attempt$ = "                                 sa(E|)";
      const error = expect.objectContaining({
        name: "PayloadError",
        message: 'The progress of a "mill" job cannot be kept as JSON: progress.stones[1] is NaN (number)',
      });
      const E = ended({ type: "failed", error }, 2, false, "a");
      expectObservable(attempt(() => handler, slowly)).toBe(attempt$, { s, ...values, E });
      expectSubscriptions(handler.subscriptions).toBe("  ^-!");
    });
  });

  it("leaves no timer of an interval when it is left", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(
        attempt(() => cold("-ab------"), slowly),
        "---!",
      ).toBe("sa", { s, ...values });
    });
  });
});

describe("attemptStage, of a job that keeps its result", () => {
  const keeping = claimedJob({ keepResultMs: 60_000 });
  const kept = steps(keeping);

  it.each<[string, unknown, string]>([
    ["a value", { flour: 3 }, '{"flour":3}'],
    ["nothing, as null", undefined, "null"],
  ])("has the JSON text of %s in its outcome", (_, result, text) => {
    withMarbles(({ expectObservable }) => {
      const attempt$ = attemptStage(attemptSetup(() => result))(keeping, NEVER);
      const E = kept.ended({ type: "succeeded", result, kept: text }, 0);
      expectObservable(attempt$).toBe("(sE|)", { s: kept.s, E });
    });
  });

  it("fails for good by a result that is no JSON", () => {
    withMarbles(({ expectObservable }) => {
      const attempt$ = attemptStage(attemptSetup(() => ({ flour: new Map() })))(keeping, NEVER);
      const error = expect.objectContaining({
        name: "PayloadError",
        message:
          'The result of a "mill" job cannot be kept as JSON: result.flour is an instance of a class, which JSON does not keep',
      });
      expectObservable(attempt$).toBe("(sE|)", { s: kept.s, E: kept.ended({ type: "failed", error }, 0) });
    });
  });

  it("takes any result where it is not kept", () => {
    withMarbles(({ expectObservable }) => {
      const result = { flour: new Map() };
      const E = ended({ type: "succeeded", result }, 0);
      expectObservable(attempt(() => result)).toBe("(sE|)", { s, E });
    });
  });
});

describe("attemptStage, at once", () => {
  it.each<[string, () => unknown, unknown, readonly unknown[]]>([
    ["nothing", () => undefined, undefined, []],
    ["null", () => null, null, []],
    ["a text, which is a value and no stream of letters", () => "rye", "rye", []],
    ["a number", () => 7, 7, []],
    ["an object", () => ({ grain: "rye" }), { grain: "rye" }, []],
    ["a function", () => Math.max, Math.max, []],
    ["an array", () => ["a", "b"], "b", ["a", "b"]],
    ["a Set", () => new Set([1, 2]), 2, [1, 2]],
    [
      "a generator",
      function* () {
        yield 1;
        yield 2;
      },
      2,
      [1, 2],
    ],
    ["an Observable", () => of("a", "b"), "b", ["a", "b"]],
    ["an Observable of another library", () => ({ "@@observable": () => of("a") }), "a", ["a"]],
  ])("succeeds with %s", (_, handler, result, values) => {
    withMarbles(({ expectObservable }) => {
      const steps$ = attempt(handler);
      const E = ended({ type: "succeeded", result }, 0, false, values.at(-1));
      const wanted$ = from([s, ...values.map(p), E]);
      expectObservable(steps$).toEqual(wanted$);
    });
  });

  it.each<[string, unknown, { readonly name: string; readonly message: string }]>([
    ["an error", new RangeError("too much"), { name: "RangeError", message: "too much" }],
    ["a text", "no", { name: "NonError", message: "no" }],
    ["undefined", undefined, { name: "NonError", message: "undefined" }],
    ["an object", { code: 7 }, { name: "NonError", message: '{"code":7}' }],
    ["a frozen error", Object.freeze(new Error("cold")), { name: "Error", message: "cold" }],
    ["NUL and half a letter", "a\u0000b\ud800", { name: "NonError", message: "a␀b�" }],
  ])("is retried when the handler throws %s", (_, thrown, error) => {
    withMarbles(({ expectObservable }) => {
      const E = ended({ type: "retried", delayMs: 1_000, error: expect.objectContaining(error) }, 0);
      const handler = (): never => {
        throw thrown;
      };
      expectObservable(attempt(handler)).toBe("(sE|)", { s, E });
    });
  });

  it.each(HOSTILE)("is retried when the handler throws %s", (_, make) => {
    withMarbles(({ expectObservable }) => {
      const E = expect.objectContaining({ outcome: expect.objectContaining({ type: "retried" }) });
      const handler = (): never => {
        throw make();
      };
      expectObservable(attempt(handler)).toBe("(sE|)", { s, E });
    });
  });

  it.each<[string, () => unknown]>([
    ["a Proxy that throws at every touch", HOSTILE[0]?.[1] ?? expect.unreachable],
    [
      "an iterable that throws",
      () => ({
        [Symbol.iterator]: () => {
          throw new Error("a bug");
        },
      }),
    ],
    ["what says that it can be iterated", () => ({ [Symbol.iterator]: 7 })],
    [
      "a thenable that throws",
      () => ({
        then: () => {
          throw new Error("a bug");
        },
      }),
    ],
    ["an Observable of nothing", () => ({ "@@observable": () => undefined })],
  ])("fails when the handler returns %s", (_, handler) => {
    withMarbles(({ expectObservable }) => {
      const E = expect.objectContaining({ outcome: expect.objectContaining({ type: "retried" }) });
      expectObservable(attempt(handler)).toBe("(sE|)", { s, E });
    });
  });

  it("fails for good by a PermanentError and a PayloadError, and postpones by a Snooze", () => {
    withMarbles(({ expectObservable }) => {
      const thrower = (thrown: unknown) => (): never => {
        throw thrown;
      };
      for (const thrown of [new PermanentError("never"), new PayloadError("no rye")]) {
        const error = expect.objectContaining({ name: thrown.name, message: thrown.message });
        expectObservable(attempt(thrower(thrown))).toBe("(sE|)", {
          s,
          E: ended({ type: "failed", error }, 0),
        });
      }
      const E = ended({ type: "snoozed", delayMs: 70 }, 0);
      expectObservable(attempt(thrower(new Snooze(70)))).toBe("(sE|)", { s, E });
    });
  });

  it("fails for good without a handler for the kind", () => {
    withMarbles(({ expectObservable }) => {
      const error = expect.objectContaining({
        name: "PermanentError",
        message: 'No handler for the kind "mill"',
      });
      const attempt$ = attempt(() => undefined, { handlerOf: () => undefined });
      expectObservable(attempt$).toBe("(sE|)", { s, E: ended({ type: "failed", error }, 0) });
    });
  });

  it("gives the handler what prepare made of the job", () => {
    withMarbles(({ expectObservable }) => {
      const prepare = (raw: typeof job): typeof job => ({ ...raw, payload: "flour" });
      const attempt$ = attempt(({ payload }) => payload, { prepare });
      expectObservable(attempt$).toBe("(sE|)", { s, E: ended({ type: "succeeded", result: "flour" }, 0) });
    });
  });

  it("tells of its own job, whatever the handler writes into the one that it gets", () => {
    withMarbles(({ expectObservable }) => {
      const attempt$ = attempt((given) => {
        Object.assign(given, { id: "0", token: -1, attempt: 99 });
      });
      expectObservable(attempt$).toBe("(sE|)", { s, E: ended({ type: "succeeded", result: undefined }, 0) });
    });
  });

  it("fails with what prepare throws, and does not call the handler", () => {
    withMarbles(({ expectObservable }) => {
      const prepare = (): never => {
        throw new PayloadError("no rye");
      };
      const error = expect.objectContaining({ name: "PayloadError" });
      const attempt$ = attempt(() => expect.unreachable(), { prepare });
      expectObservable(attempt$).toBe("(sE|)", { s, E: ended({ type: "failed", error }, 0) });
    });
  });
});

describe("attemptStage, of an Observable whose teardown throws", () => {
  const fragile = (source$: Observable<unknown>): Observable<unknown> =>
    new Observable((subscriber) => {
      subscriber.add(source$.subscribe(subscriber));
      return () => {
        throw new Error("a bug in a teardown");
      };
    });

  it("ends at its timeout", () => {
    withMarbles(({ expectObservable }) => {
      const E = expect.objectContaining({ outcome: expect.objectContaining({ type: "retried" }) });
      expectObservable(attempt(() => fragile(NEVER), { timeoutMs: 4 })).toBe("s---(E|)", { s, E });
    });
  });

  it("ends when it completes by itself", () => {
    withMarbles(({ cold, expectObservable }) => {
      const attempt$ = attempt(() => fragile(cold("--r|")));
      const E = ended({ type: "succeeded", result: "r" }, 3, false, "r");
      expectObservable(attempt$).toBe("s-r(E|)", { s, ...progress, E });
    });
  });
});
