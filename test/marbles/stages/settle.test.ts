import { NEVER, ReplaySubject, map, mergeMap, of, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import type { Ended, Outcome } from "../../../src/core/outcome.ts";
import { MAX_PART_LENGTH } from "../../../src/core/parts.ts";
import type { Settled, Settlement } from "../../../src/core/store-calls.ts";
import { settleStage } from "../../../src/stages/settle.ts";
import { claimedJob, withMarbles } from "../../support/marbles.ts";

/** One text for all: what is large here takes no memory. */
const LARGE = "x".repeat(0.6 * MAX_PART_LENGTH);

function ended(id: string, outcome: Outcome, progress?: string): Ended {
  return { type: "ended", job: claimedJob({ id }), outcome, durationMs: 1, committed: false, progress };
}

function succeeded(id: string, kept?: string): Ended {
  return ended(id, { type: "succeeded", result: id, ...(kept === undefined ? {} : { kept }) });
}

/** The stage over a store that answers as is told until it is given up, and the ids that each write had. */
function stage(
  answer: (settlements: readonly Settlement[]) => Observable<Settled>,
  giveUp$: Observable<unknown> = NEVER,
) {
  const writes: string[] = [];
  const run = settleStage({
    settle: (settlements) => {
      writes.push(settlements.map(({ id }) => id).join(""));
      return answer(settlements);
    },
    delayMs: () => 5,
    giveUp$,
    dueIn: () => undefined,
  });
  return { run, writes };
}

const accepted = (settlements: readonly Settlement[]): Observable<Settled> =>
  timer(3).pipe(
    map(() => ({ accepted: settlements.map(({ id }) => id), completed: [], readyQueues: [], cancelled: [] })),
  );

/** Events by the id of their job. */
const ids = mergeMap((event: unknown) =>
  of((event as { readonly job?: { readonly id: string } }).job?.id ?? "F"),
);

/** Events by the id of their job and what they tell of it. */
const told = map((event: unknown) => {
  const { type, job } = event as { readonly type: string; readonly job: { readonly id: string } };
  return `${job.id} ${type}`;
});

describe("settleStage", () => {
  it("tells of each attempt when it is given up, also of those that had nothing to be written", () => {
    withMarbles(({ hot, expectObservable }) => {
      const giveUp$ = new ReplaySubject<unknown>(1);
      hot("------g").subscribe(giveUp$);
      const { run } = stage(() => NEVER, giveUp$);
      const values = {
        a: succeeded("a"),
        b: succeeded("b"),
        c: ended("c", { type: "abandoned", reason: "lease-lost" }),
      };
      const ended$ = hot("-abc---------|", values);
      const event$ = "    ------(ABC)--|";
      expectObservable(ended$.pipe(run, told)).toBe(event$, {
        A: "a leaked",
        B: "b leaked",
        C: "c lease-lost",
      });
    });
  });

  it("tells of what was refused that its lease is lost, but of success where the handler has completed it", () => {
    const { run } = stage(() => of({ accepted: [], completed: ["a"], readyQueues: [], cancelled: [] }));
    withMarbles(({ hot, expectObservable }) => {
      const values = { a: { ...succeeded("a"), committed: true }, b: { ...succeeded("b"), committed: true } };
      const event$ = "    -AB|";
      expectObservable(hot("-ab|", values).pipe(run, told)).toBe(event$, {
        A: "a succeeded",
        B: "b lease-lost",
      });
    });
  });

  it("writes one outcome of a job that ran twice, for its claim had been undone, and tells it once", () => {
    const { run, writes } = stage(accepted);
    withMarbles(({ hot, expectObservable }) => {
      const again = (id: string, token: number, result: string): Ended => ({
        ...ended(id, { type: "succeeded", result }),
        job: claimedJob({ id, token }),
      });
      const values = {
        a: succeeded("a"),
        b: again("b", 1, "first"),
        c: again("b", 1, "second"),
        d: again("d", 1, "first"),
        e: again("d", 2, "second"),
      };
      const ended$ = hot("-(abcde)------|", values);
      const event$ = "    ----a--(bcde)-|";
      expectObservable(ended$.pipe(run, told)).toBe(event$, {
        a: "a succeeded",
        b: "b succeeded",
        c: "b lease-lost",
        d: "d lease-lost",
        e: "d succeeded",
      });
    });
    expect(writes).toEqual(["a", "bd"]);
  });

  it("writes what gathered together, where it fits into one write", () => {
    const { run, writes } = stage(accepted);
    withMarbles(({ hot, expectObservable }) => {
      const values = { a: succeeded("a"), b: succeeded("b", LARGE), c: succeeded("c") };
      const ended$ = hot("-abc---|", values);
      const event$ = "    ----a--(bc|)";
      expectObservable(ended$.pipe(run, ids)).toBe(event$);
    });
    expect(writes).toEqual(["a", "bc"]);
  });

  it("writes in parts what does not, and tells of each part when it is written", () => {
    const { run, writes } = stage(accepted);
    withMarbles(({ hot, expectObservable }) => {
      const error = { name: "Error", message: "no", stack: LARGE };
      const values = {
        a: succeeded("a"),
        b: succeeded("b", LARGE),
        c: succeeded("c", LARGE),
        d: ended("d", { type: "snoozed", delayMs: 1 }, LARGE),
        e: ended("e", { type: "failed", error }),
        f: succeeded("f"),
      };
      const ended$ = hot("-(abcdef)---|", values);
      const event$ = "    ----a--b--c--d--(ef|)";
      expectObservable(ended$.pipe(run, ids)).toBe(event$);
    });
    expect(writes).toEqual(["a", "b", "c", "d", "ef"]);
  });

  it("tries a part that was not written again, before the parts behind it", () => {
    let broken = true;
    const { run, writes } = stage((settlements) => {
      if (settlements[0]?.id !== "b" || !broken) return accepted(settlements);
      broken = false;
      return throwError(() => new Error("away"));
    });
    withMarbles(({ hot, expectObservable }) => {
      const values = { a: succeeded("a"), b: succeeded("b", LARGE), c: succeeded("c", LARGE) };
      const ended$ = hot("-(abc)|", values);
      const event$ = "    ----(aF)----b--(c|)";
      expectObservable(ended$.pipe(run, ids)).toBe(event$);
    });
    expect(writes).toEqual(["a", "b", "b", "c"]);
  });
});
