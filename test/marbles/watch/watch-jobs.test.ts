import { EMPTY, NEVER, from, map, of, throwError, timer } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { describe, expect, it } from "vitest";
import type { JobSnapshot, JobState } from "../../../src/core/job.ts";
import type { JobEvent, JobUpdate } from "../../../src/watch/job-update.ts";
import { watchJobs } from "../../../src/watch/watch-jobs.ts";
import type { WatchSetup } from "../../../src/watch/watch-jobs.ts";
import { jobRef } from "../../../src/core/events.ts";
import { claimedJob, withMarbles } from "../../support/marbles.ts";

const job = jobRef(claimedJob({ id: "7" }));
const a: JobEvent = { type: "attempt-started", job, waitMs: 0 };
const s: JobEvent = { type: "succeeded", job, durationMs: 1, result: undefined };
const strange: JobEvent = { ...a, job: { ...job, id: "8" } };

function snapshot(state: JobState, id = "7"): JobSnapshot {
  return {
    id,
    kind: "mill",
    queue: "default",
    source: undefined,
    state,
    attempt: 0,
    maxAttempts: 3,
    crashes: 0,
    enqueuedAt: new Date(0),
    runAt: new Date(0),
    claimedBy: undefined,
    claimedAt: undefined,
    lastProgress: undefined,
    errors: [],
    reason: undefined,
    cancelled: false,
    endedAt: state === "completed" || state === "failed" ? new Date(1) : undefined,
    result: undefined,
  };
}

/** A job whose row is in these states at the looks that follow each other; `undefined`: no row. */
function rows(...states: (JobState | undefined)[]): WatchSetup["find"] & { looks: number } {
  const find = Object.assign(
    () => {
      const state = states[Math.min(find.looks, states.length - 1)];
      find.looks += 1;
      return of(state === undefined ? [] : [snapshot(state)]);
    },
    { looks: 0 },
  );
  return find;
}

function watching(setup: Partial<WatchSetup>): (id: string) => Observable<JobUpdate> {
  return watchJobs({
    find: rows("pending"),
    event$: NEVER,
    pollIntervalMs: 8,
    delayMs: () => 2,
    isFatal: () => false,
    failed: () => undefined,
    ...setup,
  });
}

/** What an update tells in short: the state, and the types of what was heard. */
function told({ state, events }: JobUpdate): string {
  return [state, ...events.map(({ type }) => type)].join(" ");
}

describe("watchJobs", () => {
  it("tells where the job stands at once, looks again at each event, and completes at its end", () => {
    withMarbles(({ hot, expectObservable }) => {
      const event$ = hot<JobEvent>("-----a------s---", { a, s });
      const watch = watching({ event$, find: rows("pending", "claimed", "claimed", "completed") });
      expectObservable(watch("7").pipe(map(told))).toBe("p----c------(d|)", {
        p: "pending",
        c: "claimed attempt-started",
        d: "completed succeeded",
      });
    });
  });

  it("finds out by its polls what no event told", () => {
    withMarbles(({ expectObservable }) => {
      const watch = watching({ find: rows("scheduled", "scheduled", "pending", "failed") });
      expectObservable(watch("7").pipe(map(told))).toBe("s 15ms p 7ms (f|)", {
        s: "scheduled",
        p: "pending",
        f: "failed",
      });
    });
  });

  it("looks again when it is told that something was missed", () => {
    withMarbles(({ hot, expectObservable }) => {
      const watch = watching({
        event$: hot("---l", { l: "look" as const }),
        find: rows("pending", "failed"),
      });
      expectObservable(watch("7").pipe(map(told))).toBe("p--(f|)", { p: "pending", f: "failed" });
    });
  });

  it("says gone at once of a job that has no row", () => {
    withMarbles(({ expectObservable }) => {
      const gone: JobUpdate = { id: "7", state: "gone", job: undefined, events: [] };
      expectObservable(watching({ find: rows(undefined) })("7")).toBe("(g|)", { g: gone });
    });
  });

  it("says completed of a job that lost its row by its success, with what was last seen of it", () => {
    withMarbles(({ hot, expectObservable }) => {
      const watch = watching({ event$: hot<JobEvent>("---s", { s }), find: rows("claimed", undefined) });
      expectObservable(watch("7")).toBe("c--(d|)", {
        c: { id: "7", state: "claimed", job: snapshot("claimed"), events: [] },
        d: { id: "7", state: "completed", job: { ...snapshot("claimed"), state: "completed" }, events: [s] },
      });
    });
  });

  it("waits a moment for the word of a job whose row is gone, and then says gone", () => {
    withMarbles(({ hot, expectObservable }) => {
      const heard = watching({
        event$: hot<JobEvent>("----------s", { s }),
        find: rows("claimed", undefined),
      });
      expectObservable(heard("7").pipe(map(told))).toBe("c---------(d|)", {
        c: "claimed",
        d: "completed succeeded",
      });
      const unheard = watching({ pollIntervalMs: 1_000, find: rows("claimed", undefined) });
      expectObservable(unheard("7").pipe(map(told))).toBe("c 1249ms (g|)", { c: "claimed", g: "gone" });
    });
  });

  it("says gone after that moment, however often it is told to look again", () => {
    withMarbles(({ expectObservable }) => {
      const looks$ = timer(100, 100).pipe(map(() => "look" as const));
      const watch = watching({
        event$: looks$,
        pollIntervalMs: 1_001,
        find: rows("claimed", "claimed", undefined),
      });
      expectObservable(watch("7").pipe(map(told))).toBe("c 449ms (g|)", { c: "claimed", g: "gone" });
    });
  });

  it("tells every event, also of what went by between two looks, and none twice", () => {
    withMarbles(({ hot, expectObservable }) => {
      const event$ = hot<JobEvent>("-(as)", { a, s });
      const slow = (): ObservableInput<readonly JobSnapshot[]> =>
        timer(3).pipe(map(() => [snapshot("completed")]));
      let looks = 0;
      const find = (): ObservableInput<readonly JobSnapshot[]> =>
        (looks += 1) === 1 ? of([snapshot("pending")]) : slow();
      expectObservable(watching({ event$, find })("7").pipe(map(told))).toBe("p---(d|)", {
        p: "pending",
        d: "completed attempt-started",
      });
    });
  });

  it("does not tell an event with a state from before it", () => {
    withMarbles(({ hot, expectObservable }) => {
      const event$ = hot<JobEvent>("-a", { a });
      const answers = [timer(2).pipe(map(() => [snapshot("pending")])), of([snapshot("claimed")])];
      const watch = watching({ event$, find: () => answers.shift() ?? NEVER });
      expectObservable(watch("7").pipe(map(told)), "^----!").toBe("--(pc)", {
        p: "pending",
        c: "claimed attempt-started",
      });
    });
  });

  it("passes over events of other jobs, and states that did not change", () => {
    withMarbles(({ hot, expectObservable }) => {
      const find = rows("pending");
      const watch = watching({ event$: hot<JobEvent>("-x-x", { x: strange }), find });
      expectObservable(watch("7").pipe(map(told)), "^ 20ms !").toBe("p", { p: "pending" });
    });
  });

  it("gathers the looks at all watched jobs, and shares the events", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const event$ = hot<JobEvent>("---a", { a });
      const asked: (readonly string[])[] = [];
      const find = (ids: readonly string[]): ObservableInput<readonly JobSnapshot[]> => {
        asked.push(ids);
        return timer(1).pipe(map(() => ids.map((id) => snapshot("pending", id))));
      };
      const watch = watching({ event$, find });
      for (const id of ["7", "8", "9", "7"]) {
        expectObservable(watch(id).pipe(map(told)), "^ 9ms !");
      }
      flush();
      expectSubscriptions(event$.subscriptions).toBe("^ 9ms !");
      expect(asked).toEqual([["7"], ["8", "9", "7"], ["7"], ["7"], ["7"], ["8", "9", "7"]]);
    });
  });

  it("goes on after looks that fail, tells so once, and errors with what is fatal", () => {
    withMarbles(({ expectObservable, flush }) => {
      let looks = 0;
      const find = (): ObservableInput<readonly JobSnapshot[]> =>
        (looks += 1) < 3 ? throwError(() => "away") : of([snapshot("failed")]);
      const errors: unknown[] = [];
      const failed = (error: unknown): number => errors.push(error);
      expectObservable(watching({ find, failed })("7").pipe(map(told))).toBe("----(f|)", { f: "failed" });
      const fatal = watching({ find: () => throwError(() => "broken"), isFatal: () => true });
      expectObservable(fatal("7")).toBe("#", {}, "broken");
      flush();
      expect(errors).toEqual(["away"]);
    });
  });

  it("leaves no look, no timer and no events behind when it is unsubscribed", () => {
    withMarbles(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const event$ = hot<JobEvent>("-");
      const find$ = cold<readonly JobSnapshot[]>("----(x|)", { x: [] });
      expectObservable(watching({ event$, find: () => find$ })("7"), "^-!").toBe("-");
      expectSubscriptions(event$.subscriptions).toBe("^-!");
      expectSubscriptions(find$.subscriptions).toBe("^-!");
    });
  });

  it("goes on when nothing more is heard", () => {
    withMarbles(({ expectObservable }) => {
      const watch = watching({ event$: EMPTY, find: rows("pending", "failed") });
      expectObservable(watch("7").pipe(map(told))).toBe("p-------(f|)", { p: "pending", f: "failed" });
    });
  });

  it("starts over for each subscription", () => {
    withMarbles(({ expectObservable }) => {
      const watch$ = watching({ find: rows("failed") })("7").pipe(map(told));
      expectObservable(watch$).toBe("(f|)", { f: "failed" });
      expectObservable(from([0, 1]).pipe(map(() => 0))).toBe("(00|)", { 0: 0 });
      expectObservable(watch$).toBe("(f|)", { f: "failed" });
    });
  });
});
