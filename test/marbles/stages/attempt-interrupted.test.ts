import { NEVER, Observable, map, of, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { CancelledError } from "../../../src/core/errors.ts";
import type { InterruptReason } from "../../../src/core/errors.ts";
import type { Interrupt } from "../../../src/core/interrupt.ts";
import { attemptStage } from "../../../src/stages/attempt.ts";
import type { AttemptSetup, Step } from "../../../src/stages/attempt.ts";
import type { AttemptContext } from "../../../src/stages/context.ts";
import type { Handler } from "../../../src/stages/handler.ts";
import { attemptSetup, steps } from "../../support/attempts.ts";
import { claimedJob, withMarbles } from "../../support/marbles.ts";

const job = claimedJob();
const { s, p, ended, leaked } = steps(job);
const progress = { p: p("p") };

const CANCELLED: Interrupt = {
  reason: "cancelled",
  claim: { id: job.id, token: job.token },
  message: "the grain is wet",
};

/** A handler that ends neither by itself nor by its signal. */
const deaf: Handler = () => new Promise(() => undefined);

/** An attempt that nothing but its timeout interrupts. */
function attempt(handler: Handler, setup: Partial<AttemptSetup> = {}): Observable<Step> {
  return attemptStage(attemptSetup(handler, setup))(job, NEVER);
}

/** An attempt that is interrupted by what comes from `interrupt$`. */
function interrupted(handler: Handler, interrupt$: Observable<InterruptReason>): Observable<Step> {
  return attemptStage(attemptSetup(handler))(job, interrupt$.pipe(map((reason) => ({ reason }))));
}

describe("attemptStage, interrupted", () => {
  const outcomes = {
    shutdown: { type: "released", reason: "shutdown" },
    aborted: { type: "released", reason: "aborted" },
    "lease-lost": { type: "abandoned", reason: "lease-lost" },
  } as const;

  it.each(["shutdown", "aborted", "lease-lost"] as const)("leaves an Observable at once by %s", (reason) => {
    withMarbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const handler = cold("                              -p---p--");
      const interrupt$ = hot("                            ----i---", { i: reason });
      const attempt$ = "                                  sp--(E|)";
      const E = ended(outcomes[reason], 4, false, "p");
      expectObservable(interrupted(() => handler, interrupt$)).toBe(attempt$, { s, ...progress, E });
      expectSubscriptions(handler.subscriptions).toBe("   ^---!");
    });
  });

  it("gives up a handler that ignores its signal, after the grace", () => {
    withMarbles(({ hot, expectObservable }) => {
      const interrupt$ = hot("  ----i-------", { i: "shutdown" as const });
      const attempt$ = "        s--------(LE|)";
      const values = { s, L: leaked("shutdown"), E: ended({ type: "abandoned", reason: "leaked" }, 9) };
      expectObservable(interrupted(deaf, interrupt$)).toBe(attempt$, values);
    });
  });

  it("does not wait for the grace when the worker is aborted", () => {
    withMarbles(({ hot, expectObservable }) => {
      const interrupt$ = hot("  ----i-------", { i: "aborted" as const });
      const attempt$ = "        s---(LE|)";
      const values = { s, L: leaked("aborted"), E: ended({ type: "abandoned", reason: "leaked" }, 4) };
      expectObservable(interrupted(deaf, interrupt$)).toBe(attempt$, values);
    });
  });

  it("writes nothing for a handler that ignores the loss of its lease", () => {
    withMarbles(({ hot, expectObservable }) => {
      const interrupt$ = hot("  ----i-------", { i: "lease-lost" as const });
      const attempt$ = "        s--------(LE|)";
      const values = { s, L: leaked("lease-lost"), E: ended({ type: "abandoned", reason: "lease-lost" }, 9) };
      expectObservable(interrupted(deaf, interrupt$)).toBe(attempt$, values);
    });
  });

  it("cancels, with what was said about it, in place of what the handler makes of it", () => {
    let reason: unknown;
    withMarbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const work$ = cold("                                 -p-----#");
      const order$ = hot("                                 ----i---", { i: CANCELLED });
      const attempt$ = "                                   sp--(E|)";
      const handler: Handler = (_, { signal }) => {
        signal.addEventListener("abort", () => (reason = signal.reason));
        return work$;
      };
      const error = expect.objectContaining({ name: "CancelledError", message: "the grain is wet" });
      const E = ended({ type: "cancelled", error }, 4, false, "p");
      const cancelled$ = attemptStage(attemptSetup(handler))(job, order$);
      expectObservable(cancelled$).toBe(attempt$, { s, ...progress, E });
      expectSubscriptions(work$.subscriptions).toBe("      ^---!");
    });
    expect(reason).toBeInstanceOf(CancelledError);
    expect(reason).toMatchObject({ reason: "cancelled", message: "the grain is wet" });
  });

  it("cancels an attempt that ignores its signal, after the grace, and tells of it", () => {
    withMarbles(({ hot, expectObservable }) => {
      const order$ = hot("      ----i-------", { i: CANCELLED });
      const attempt$ = "        s--------(LE|)";
      const error = expect.objectContaining({ name: "CancelledError", message: "the grain is wet" });
      const values = { s, L: leaked("cancelled"), E: ended({ type: "cancelled", error }, 9) };
      expectObservable(attemptStage(attemptSetup(deaf))(job, order$)).toBe(attempt$, values);
    });
  });

  it.each(["shutdown", "lease-lost"] as const)(
    "does not wait for the rest of the grace when the worker is aborted after %s",
    (first) => {
      withMarbles(({ hot, expectObservable }) => {
        const interrupt$ = hot("--f-a-----", { f: first, a: "aborted" as const });
        const attempt$ = "      s---(LE|)";
        const reason = first === "shutdown" ? "leaked" : "lease-lost";
        const values = { s, L: leaked(first), E: ended({ type: "abandoned", reason }, 4) };
        expectObservable(interrupted(deaf, interrupt$)).toBe(attempt$, values);
      });
    },
  );

  it("does not wait for the rest of the grace of a timeout when the worker is aborted", () => {
    withMarbles(({ hot, expectObservable }) => {
      const interrupt$ = hot("----a", { a: { reason: "aborted" } as const });
      const attempt$ = "      s---(LE|)";
      const error = expect.objectContaining({ name: "AttemptTimeoutError" });
      const values = { s, L: leaked("timeout"), E: ended({ type: "retried", delayMs: 1_000, error }, 4) };
      expectObservable(attemptStage(attemptSetup(deaf, { timeoutMs: 2 }))(job, interrupt$)).toBe(
        attempt$,
        values,
      );
    });
  });

  it("counts by its reason also when the handler returns because its signal fired", () => {
    withMarbles(({ hot, expectObservable }) => {
      const handler: Handler = (_, { signal }) =>
        new Observable((subscriber) => {
          signal.addEventListener("abort", () => {
            subscriber.next("half");
            subscriber.complete();
          });
        });
      const interrupt$ = hot("--i", { i: "shutdown" as const });
      const values = {
        s,
        h: p("half"),
        E: ended({ type: "released", reason: "shutdown" }, 2, false, "half"),
      };
      expectObservable(interrupted(handler, interrupt$)).toBe("s-(hE|)", values);
    });
  });

  it("ends an attempt at its timeout, and counts it", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const handler = cold("                              --p---------p");
      const attempt$ = "                                  s-p-----(E|)";
      const error = expect.objectContaining({
        name: "AttemptTimeoutError",
        message: "The attempt took longer than its timeoutMs of 8 ms",
      });
      const E = ended({ type: "retried", delayMs: 1_000, error }, 8, false, "p");
      expectObservable(attempt(() => handler, { timeoutMs: 8 })).toBe(attempt$, { s, ...progress, E });
      expectSubscriptions(handler.subscriptions).toBe("   ^-------!");
    });
  });

  it("prefers the timeout of the job to that of the worker", () => {
    withMarbles(({ expectObservable }) => {
      const limited = claimedJob({ timeoutMs: 3, attempt: 3 });
      const of3 = steps(limited);
      const attempt$ = attemptStage(attemptSetup(() => NEVER, { timeoutMs: 8 }))(limited, NEVER);
      const error = expect.objectContaining({ name: "AttemptTimeoutError" });
      expectObservable(attempt$).toBe("s--(E|)", { s: of3.s, E: of3.ended({ type: "failed", error }, 3) });
    });
  });

  it("settles a timed out handler that goes on as timed out, and tells of it", () => {
    withMarbles(({ expectObservable }) => {
      const error = expect.objectContaining({ name: "AttemptTimeoutError" });
      const values = { s, L: leaked("timeout"), E: ended({ type: "retried", delayMs: 1_000, error }, 8) };
      const attempt$ = attempt(deaf, { timeoutMs: 3 });
      expectObservable(attempt$).toBe("s-------(LE|)", values);
    });
  });

  it("keeps the first reason", () => {
    withMarbles(({ hot, expectObservable }) => {
      let reason: unknown;
      const handler: Handler = (_, { signal }) => {
        signal.addEventListener("abort", () => (reason = signal.reason));
        return new Promise(() => undefined);
      };
      const interrupt$ = hot("  --i-j-----", { i: "shutdown" as const, j: "lease-lost" as const });
      const attempt$ = "        s------(LE|)";
      const values = { s, L: leaked("shutdown"), E: ended({ type: "abandoned", reason: "leaked" }, 7) };
      expectObservable(interrupted(handler, interrupt$)).toBe(attempt$, values);
      expectObservable(timer(9).pipe(map(() => reason))).toBe("---------(r|)", {
        r: expect.objectContaining({ reason: "shutdown" }),
      });
    });
  });

  it("ends an attempt that was interrupted before it began", () => {
    withMarbles(({ expectObservable }) => {
      const E = ended({ type: "released", reason: "shutdown" }, 0);
      expectObservable(interrupted(() => NEVER, of("shutdown"))).toBe("(sE|)", { s, E });
    });
  });

  it("is aborted by being unsubscribed, with a signal that says so", () => {
    const reasons: unknown[] = [];
    let given: AttemptContext | undefined;
    const handler: Handler = (_, context) => {
      given = context;
      context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
      return new Promise(() => undefined);
    };
    attempt(handler).subscribe().unsubscribe();
    expect(reasons).toEqual([expect.objectContaining({ name: "InterruptedError", reason: "aborted" })]);
    expect(given?.signal.aborted).toBe(true);
  });

  it("does not fire the signal of an attempt that has ended", () => {
    let given: AttemptContext | undefined;
    const handler: Handler = (_, context) => void (given = context);
    attempt(handler).subscribe().unsubscribe();
    expect(given?.signal.aborted).toBe(false);
  });
});
