import { EMPTY, NEVER, asyncScheduler, ignoreElements, tap } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../../src/core/events.ts";
import { leaksOf } from "../../../src/stages/leaks.ts";
import type { Leaks } from "../../../src/stages/leaks.ts";
import { aJobRef } from "../../../src/testing/index.ts";
import { withMarbles } from "../../support/marbles.ts";

const JOBS = { a: aJobRef({ id: "1" }), b: aJobRef({ id: "2" }) };

const CAPACITY = { 0: 0, 4: 4, 7: 7 };

function ended(name: "a" | "b", durationMs: number, running: number): WorkerEvent {
  return { type: "leak-ended", job: JOBS[name], durationMs, running };
}

const P = (running: number, maxLeaked: number): WorkerEvent => ({
  type: "claims-paused",
  running,
  maxLeaked,
});
const R = (running: number): WorkerEvent => ({ type: "claims-resumed", running });

/** Gives up attempts as they come, which began at that moment. */
function adding(
  leaks: Leaks,
  name$: Observable<"a" | "b">,
  ends: { readonly a: Observable<unknown>; readonly b: Observable<unknown> },
): Observable<never> {
  return name$.pipe(
    tap((name) => leaks.add({ job: JOBS[name], startedAt: asyncScheduler.now(), ended$: ends[name] })),
    ignoreElements(),
  );
}

describe("leaksOf", () => {
  it("pauses claims at the most, and resumes them when one has ended", () => {
    withMarbles(({ hot, expectObservable }) => {
      const add$ = hot<"a" | "b">("  --a-b-----------");
      const a$ = hot("               -------|");
      const b$ = hot("               -------------|");
      const event$ = "               ----P--(AR)--B";
      const capacity$ = hot("        4-----7---------", CAPACITY);
      const gated$ = "               4---0-07--------";
      const leaks = leaksOf(2);
      const values = { P: P(2, 2), A: ended("a", 5, 1), R: R(1), B: ended("b", 9, 0) };
      expectObservable(leaks.event$).toBe(event$, values);
      expectObservable(capacity$.pipe(leaks.gated)).toBe(gated$, CAPACITY);
      expectObservable(adding(leaks, add$, { a: a$, b: b$ })).toBe("");
    });
  });

  it("counts what was given up, and says nothing below the most", () => {
    withMarbles(({ hot, expectObservable, flush }) => {
      const add$ = hot<"a" | "b">("--a-b--");
      const leaks = leaksOf(3);
      expectObservable(leaks.event$).toBe("");
      expectObservable(EMPTY.pipe(leaks.gated)).toBe("");
      expectObservable(adding(leaks, add$, { a: NEVER, b: NEVER })).toBe("");
      flush();
      expect(leaks.running()).toBe(2);
    });
  });

  it("counts one that has ended by then", () => {
    withMarbles(({ hot, expectObservable, flush }) => {
      const leaks = leaksOf(2);
      expectObservable(leaks.event$).toBe("--A", { A: ended("a", 0, 0) });
      expectObservable(adding(leaks, hot<"a" | "b">("--a-"), { a: EMPTY, b: EMPTY })).toBe("");
      flush();
      expect(leaks.running()).toBe(0);
    });
  });

  it("gates at once what begins while claims are paused, such as the next incarnation", () => {
    withMarbles(({ hot, cold, expectObservable }) => {
      const add$ = hot<"a" | "b">("      -a------");
      const a$ = hot("                   -----|");
      const event$ = "                   -P---(AR)";
      const leaks = leaksOf(1);
      expectObservable(leaks.event$).toBe(event$, { P: P(1, 1), A: ended("a", 4, 0), R: R(0) });
      expectObservable(adding(leaks, add$, { a: a$, b: NEVER })).toBe("");
      expectObservable(NEVER.pipe(leaks.gated), "---^---!").toBe("---0-i", { 0: 0, i: Infinity });
      expectObservable(cold("4", CAPACITY).pipe(leaks.gated), "---^!").toBe("---(00)", CAPACITY);
    });
  });
});
