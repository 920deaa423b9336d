import { NEVER, map, of, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { jobRef } from "../../../src/core/events.ts";
import type { WorkerEvent } from "../../../src/core/events.ts";
import type { Interrupt } from "../../../src/core/interrupt.ts";
import type { ClaimedJob } from "../../../src/core/job.ts";
import type { Progressed } from "../../../src/core/outcome.ts";
import { MAX_PART_LENGTH } from "../../../src/core/parts.ts";
import type { Progress } from "../../../src/core/store-calls.ts";
import { progressStage } from "../../../src/stages/progress.ts";
import { claimedJob, withMarbles } from "../../support/marbles.ts";

const FIRST = claimedJob({ id: "1", token: 4 });
const SECOND = claimedJob({ id: "2", token: 7 });

/** What the jobs report: lower case by the first one, upper case by the second. */
const GIVEN = Object.fromEntries(["a", "b", "c", "A"].map((value) => [value, progressedTo(value)]));

/** What is reported of it. */
const TOLD = Object.fromEntries(
  Object.entries(GIVEN).map(([mark, { job, value }]) => [mark, told(job, value)]),
);

function progressedTo(value: string): Progressed {
  const job = value === value.toLowerCase() ? FIRST : SECOND;
  return { type: "progressed", job, value, text: JSON.stringify(value) };
}

function told(job: ClaimedJob, value: unknown): WorkerEvent {
  return { type: "progress", job: jobRef(job), value };
}

/** The stage over a store, and what came of it beside its events. */
function stage(
  answer: (values: readonly Progress[]) => Observable<readonly string[]>,
  running: ReadonlySet<ClaimedJob> = new Set([FIRST, SECOND]),
): {
  readonly run: ReturnType<typeof progressStage>;
  readonly asked: (readonly Progress[])[];
  readonly interrupts: Interrupt[];
} {
  const asked: (readonly Progress[])[] = [];
  const interrupts: Interrupt[] = [];
  const run = progressStage({
    progress: (values) => {
      asked.push(values);
      return answer(values);
    },
    running,
    delayMs: (n) => 5 * n,
    interrupt: (interrupt) => interrupts.push(interrupt),
  });
  return { run, asked, interrupts };
}

const first = (value: string): Progress => ({ id: "1", token: 4, value: JSON.stringify(value) });
const second = (value: string): Progress => ({ id: "2", token: 7, value: JSON.stringify(value) });
const failure = (retryInMs: number): WorkerEvent => ({
  type: "progress-failed",
  count: 1,
  error: expect.objectContaining({ message: "away" }),
  retryInMs,
});

describe("progressStage", () => {
  it("keeps values in parts that are too large for one write", () => {
    const { run, asked } = stage(() => timer(4).pipe(map(() => [])));
    const text = "x".repeat(0.6 * MAX_PART_LENGTH);
    withMarbles(({ hot, expectObservable }) => {
      const values = { a: GIVEN["a"], b: { ...progressedTo("b"), text }, A: { ...progressedTo("A"), text } };
      expectObservable(
        hot("-abA----------|", values).pipe(
          map((value) => value as Progressed),
          run,
        ),
      ).toBe("-abA----------|", TOLD);
    });
    expect(asked.map((part) => part.map(({ id }) => id))).toEqual([["1"], ["1"], ["2"]]);
  });

  it("reports at once, and keeps the latest of each job that gathered during the last write", () => {
    const { run, asked, interrupts } = stage(() => timer(4).pipe(map(() => [])));
    withMarbles(({ hot, expectObservable }) => {
      const progressed$ = hot("-abcA------|", GIVEN);
      const event$ = "         -abcA------|";
      expectObservable(progressed$.pipe(run)).toBe(event$, TOLD);
    });
    expect(asked).toEqual([[first("a")], [first("c"), second("A")]]);
    expect(interrupts).toEqual([]);
  });

  it("begins the next write when the last one has been answered", () => {
    withMarbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const progressed$ = hot("  -a-b------|", GIVEN);
      const event$ = "           -a-b------|";
      const answers = {
        '"a"': cold("             ---(n|)", { n: [] }),
        '"b"': cold("                --(n|)", { n: [] }),
      };
      const { run } = stage(([only]) => answers[only?.value as keyof typeof answers]);
      expectObservable(progressed$.pipe(run)).toBe(event$, TOLD);
      expectSubscriptions(answers['"a"'].subscriptions).toBe("-^--!");
      expectSubscriptions(answers['"b"'].subscriptions).toBe("----^-!");
    });
  });

  it("interrupts the attempt whose claim was gone, and no other", () => {
    const { run, interrupts } = stage((values) => of(values.map(({ id }) => id).filter((id) => id === "2")));
    withMarbles(({ hot, expectObservable }) => {
      expectObservable(hot("-a-A-b-|", GIVEN).pipe(run)).toBe("-a-A-b-|", TOLD);
    });
    expect(interrupts).toEqual([{ reason: "lease-lost", claim: { id: "2", token: 7 } }]);
  });

  it.each<[string, () => Observable<never>]>([
    ["fails", () => throwError(() => new Error("away"))],
    [
      "throws",
      () => {
        throw new Error("away");
      },
    ],
  ])("reports a write that %s, and tries again, later each time, before it writes on", (_, fail) => {
    let tries = 0;
    const { run, asked, interrupts } = stage(() => (++tries < 3 ? fail() : of([])));
    withMarbles(({ hot, expectObservable }) => {
      const progressed$ = hot("-a---b--------------|", GIVEN);
      const event$ = "         -(af)bg-------------|";
      expectObservable(progressed$.pipe(run)).toBe(event$, { ...TOLD, f: failure(5), g: failure(10) });
    });
    expect(asked).toEqual([[first("a")], [first("a")], [first("a")], [first("b")]]);
    expect(interrupts).toEqual([]);
  });

  it("does not write what has ended, neither at first nor between two tries", () => {
    const running = new Set([FIRST]);
    const { run, asked } = stage(() => throwError(() => new Error("away")), running);
    withMarbles(({ hot, expectObservable }) => {
      const progressed$ = hot("-A-a--------b--|", GIVEN);
      const event$ = "         -A-(af)-----b--|";
      expectObservable(progressed$.pipe(run)).toBe(event$, { ...TOLD, f: failure(5) });
      timer(6).subscribe(() => running.clear());
    });
    expect(asked).toEqual([[first("a")]]);
  });

  it.each<[string, () => Observable<never>, string]>([
    ["a write that hangs", () => NEVER, "-a-|"],
    ["the next try", () => throwError(() => new Error("away")), "-(af)|"],
  ])("does not wait for %s at the end", (_, answer, event$) => {
    withMarbles(({ hot, expectObservable }) => {
      const progressed$ = hot(event$.replace("(af)", "a---"), GIVEN);
      expectObservable(progressed$.pipe(stage(answer).run)).toBe(event$, { ...TOLD, f: failure(5) });
    });
  });

  it.each([
    ["never emits for a source that never does", "-", "-"],
    ["completes with an empty source", "---|", "---|"],
    ["reports all that comes at once", "(abA|)", "(abA|)"],
    ["errors with the source", "-a#", "-a#"],
  ])("%s", (_, given, wanted) => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold(given, GIVEN).pipe(stage(() => of([])).run)).toBe(wanted, TOLD);
    });
  });

  it("reports what a source says while it is subscribed", () => {
    withMarbles(({ expectObservable }) => {
      const progressed$ = of(progressedTo("a"), progressedTo("A"));
      expectObservable(progressed$.pipe(stage(() => of([])).run)).toBe("(aA|)", TOLD);
    });
  });

  it("leaves the source and the write that runs when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const progressed$ = cold("                            -a-b---", GIVEN);
      const answer$ = cold<readonly string[]>("              -------");
      expectObservable(progressed$.pipe(stage(() => answer$).run), "----!").toBe("-a-b", TOLD);
      expectSubscriptions(progressed$.subscriptions).toBe("  ^---!");
      expectSubscriptions(answer$.subscriptions).toBe("      -^--!");
    });
  });
});
