import {
  EMPTY,
  NEVER,
  asyncScheduler,
  bufferTime,
  concat,
  delay,
  filter,
  finalize,
  from,
  groupBy,
  identity,
  map,
  merge,
  mergeMap,
  of,
  retry,
  switchMap,
  take,
  tap,
  throttleTime,
  throwError,
  timer,
} from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { wakeUp } from "../../../src/core/arrival.ts";
import type { WakeUp } from "../../../src/core/arrival.ts";
import type { WorkerEvent } from "../../../src/core/events.ts";
import type { Store } from "../../../src/core/store.ts";
import type { ClaimedJob } from "../../../src/core/job.ts";
import type { Ended } from "../../../src/core/outcome.ts";
import { jobRef } from "../../../src/core/events.ts";
import { dispatchThrough } from "../../../src/stages/dispatch.ts";
import type { Dispatch, DispatchSetup } from "../../../src/stages/dispatch.ts";
import type { Step } from "../../../src/stages/attempt.ts";
import { aNewJob } from "../../../src/testing/new-job.ts";
import { claimedJob, withMarbles } from "../../support/marbles.ts";
import { inVirtualTime, told } from "../../support/virtual.ts";

const [a, b, c] = ["a", "b", "c"].map((id) => claimedJob({ id, source: id === "c" ? "two" : "one" }));
const jobs = { a, b, c } as Readonly<Record<string, ClaimedJob>>;

function ended(job: ClaimedJob): Ended {
  return {
    type: "ended",
    job,
    outcome: { type: "succeeded", result: undefined },
    durationMs: 0,
    committed: false,
    progress: undefined,
  };
}

/** Steps in short: `a` an attempt of job a began, `A` it ended, `x` it was released, `F` the operator failed. */
function short(step: Step): string {
  if (step.type === "ended") return step.job.id.toUpperCase();
  if (step.type === "attempt-started") return step.job.id;
  return step.type === "dispatch-failed" ? "F" : "x";
}

/** A dispatch whose attempts take 4 ms, and whose releases take 1 ms. */
function dispatched(
  job$: Observable<ClaimedJob>,
  dispatch: Dispatch,
  setup: Partial<DispatchSetup & { stop$: Observable<unknown> }> = {},
): Observable<string> {
  const start = (job: ClaimedJob): Observable<Step> =>
    concat(
      of<Step>({ type: "attempt-started", job: jobRef(job), waitMs: 0 }),
      timer(4).pipe(map(() => ended(job))),
    );
  const letGo = (job: ClaimedJob): Observable<WorkerEvent> =>
    timer(1).pipe(map((): WorkerEvent => ({ type: "released", job: jobRef(job), reason: "dropped" })));
  const stage = dispatchThrough({ dispatch, holdMs: 8, delayMs: () => 2, ...setup });
  return job$.pipe(
    stage({ queue: "default", concurrency: 2 })({ start, letGo, stop$: setup.stop$ ?? NEVER }),
    map(short),
  );
}

describe("dispatchThrough", () => {
  it("runs each job that the operator runs, as many at once as that likes", () => {
    withMarbles(({ cold, expectObservable }) => {
      const job$ = cold("-(ab)-----c|", jobs);
      expectObservable(dispatched(job$, (run) => mergeMap(run, 1))).toBe("-a---(Ab)Bc---(C|)");
      expectObservable(dispatched(job$, (run) => mergeMap(run))).toBe("-(ab)(AB)-c---(C|)");
    });
  });

  it("releases as dropped what the operator passes over, after holdMs", () => {
    withMarbles(({ hot, expectObservable }) => {
      const job$ = hot("-a-b-c---------", jobs);
      const dispatch: Dispatch = (run) => (source$) =>
        source$.pipe(
          filter((job) => job !== b),
          mergeMap(run),
        );
      expectObservable(dispatched(job$, dispatch), "^ 18ms !").toBe("-a---(cA)C---x");
    });
  });

  it("releases as dropped what the operator unsubscribes", () => {
    withMarbles(({ hot, expectObservable }) => {
      const job$ = hot("-a-b------", jobs);
      expectObservable(
        dispatched(job$, (run) => switchMap(run)),
        "^ 9ms !",
      ).toBe("-a-bx--B");
    });
  });

  it("settles what runs although the operator drops its end", () => {
    withMarbles(({ cold, expectObservable }) => {
      const dispatch: Dispatch = (run) => (source$) =>
        source$.pipe(
          mergeMap(run),
          filter(() => false),
        );
      expectObservable(dispatched(cold("a|", jobs), dispatch)).toBe("a---(A|)");
    });
  });

  it("reports an operator that errors, and gives what had not begun to the next", () => {
    withMarbles(({ hot, expectObservable }) => {
      let times = 0;
      const dispatch: Dispatch = (run) => (source$) =>
        (times += 1) === 1
          ? source$.pipe(mergeMap((job) => (job === b ? throwError(() => new Error("a bug")) : run(job))))
          : source$.pipe(mergeMap(run));
      // At 3 the attempt of a is unsubscribed with the operator, so a is released.
      expectObservable(dispatched(hot("-a-b----", jobs), dispatch), "^ 12ms !").toBe("-a-Fxb---B");
    });
  });

  it("reports an operator that completes before its source", () => {
    withMarbles(({ hot, expectObservable }) => {
      let times = 0;
      const dispatch: Dispatch = (run) => (source$) =>
        (times += 1) === 1 ? EMPTY : source$.pipe(mergeMap(run));
      expectObservable(dispatched(hot("a--", jobs), dispatch), "^ 12ms !").toBe("F-a---A");
    });
  });

  it("reports a dispatch that throws", () => {
    withMarbles(({ expectObservable }) => {
      const dispatch: Dispatch = () => {
        throw new Error("a bug");
      };
      expectObservable(dispatched(NEVER, dispatch), "^ 3ms !").toBe("F-F");
    });
  });

  it("completes after a stop although the operator goes on", () => {
    withMarbles(({ cold, hot, expectObservable }) => {
      const dispatch: Dispatch = (run) => (source$) => merge(source$.pipe(mergeMap(run)), NEVER);
      const stop$ = hot("---s");
      expectObservable(dispatched(cold("-a-|", jobs), dispatch, { stop$ })).toBe("-a---(A|)");
    });
  });

  it("does not wait at a stop for what has not begun: that was given back", () => {
    withMarbles(({ cold, hot, expectObservable }) => {
      const dispatch: Dispatch = () => (source$) => source$.pipe(mergeMap(() => NEVER));
      const stop$ = hot("---s");
      expectObservable(dispatched(cold("-a-|", jobs), dispatch, { stop$ })).toBe("---|");
    });
  });

  it("releases nothing when it is unsubscribed, which is an abort", () => {
    withMarbles(({ cold, expectObservable }) => {
      let released = 0;
      const stage = dispatchThrough({ dispatch: (run) => mergeMap(run), holdMs: 8, delayMs: () => 2 });
      const job$ = cold("a-", jobs);
      const offered = {
        start: (job: ClaimedJob) =>
          concat(of<Step>({ type: "attempt-started", job: jobRef(job), waitMs: 0 }), NEVER),
        letGo: () => {
          released += 1;
          return EMPTY;
        },
        stop$: NEVER,
      };
      const step$ = job$.pipe(stage({ queue: "default", concurrency: 1 })(offered), map(short));
      expectObservable(step$.pipe(finalize(() => expect(released).toBe(0))), "^--!").toBe("a");
    });
  });
});

describe("stages of the app's own", () => {
  const own = (dispatch: Dispatch) => ({ concurrency: 10, leaseDurationMs: 1_300, stages: { dispatch } });

  it("limit attempts by tenant", () => {
    const dispatch: Dispatch = (run) => (job$) =>
      job$.pipe(
        groupBy((job) => job.source),
        mergeMap((tenant$) => tenant$.pipe(mergeMap(run, 1))),
      );
    inVirtualTime({ handlers: { work: () => timer(10) }, settings: own(dispatch) }, ({ store, run }) => {
      store.enqueue(["x", "x", "y"].map((source) => aNewJob({ source })));
      expect(told(run(900), "attempt-started")).toEqual([
        "attempt-started 1 @0",
        "attempt-started 3 @0",
        "attempt-started 2 @10",
      ]);
    });
  });

  it("gather jobs before they run", () => {
    const dispatch: Dispatch = (run) => (job$) =>
      job$.pipe(
        bufferTime(90),
        mergeMap((batch) => merge(...batch.map(run))),
      );
    inVirtualTime({ handlers: { work: () => timer(10) }, settings: own(dispatch) }, ({ store, at, run }) => {
      store.enqueue([aNewJob()]);
      at(50, () => store.enqueue([aNewJob()]));
      expect(told(run(1_500), "attempt-started")).toEqual([
        "attempt-started 1 @90",
        "attempt-started 2 @1080",
      ]);
    });
  });

  it("lose no job at a shutdown: what waits in them is given back", () => {
    const dispatch: Dispatch = (run) => (job$) => job$.pipe(delay(100), mergeMap(run));
    inVirtualTime(
      { handlers: { work: () => timer(10) }, settings: own(dispatch) },
      ({ store, at, run, shutdown }) => {
        store.enqueue([aNewJob()]);
        at(50, shutdown);
        const heard = run(2_000);
        expect(told(heard, "released")).toEqual(["released 1 @50"]);
        expect(told(heard, "exited")).toEqual(["exited @50"]);
        expect(store.jobs()).toMatchObject([{ state: "pending", attempt: 0 }]);
      },
    );
  });

  it("lose no job that they pass over: it is released after the lease, and claimed again", () => {
    let passed = 0;
    const dispatch: Dispatch = (run) => (job$) =>
      job$.pipe(
        filter(() => (passed += 1) > 1),
        mergeMap(run),
      );
    inVirtualTime({ handlers: { work: () => timer(10) }, settings: own(dispatch) }, ({ store, run }) => {
      store.enqueue([aNewJob()]);
      const heard = run(4_000);
      expect(heard.map(({ event }) => event).filter(({ type }) => type === "released")).toMatchObject([
        { job: { id: "1" }, reason: "dropped" },
      ]);
      expect(told(heard, "succeeded")).toHaveLength(1);
    });
  });

  it("throttle wake-ups, and are taken out when they fail", () => {
    const notify$ = from([10, 20, 30]).pipe(
      mergeMap((ms) => timer(ms)),
      map(() => wakeUp()),
    );
    const claims = (wakeup: MonoTypeOperatorFunction<WakeUp>): readonly number[] => {
      const moments: number[] = [];
      const settings = { pollIntervalMs: 60_000, stages: { wakeup } };
      const around = (store: Store): Store => ({
        ...store,
        claim: (request) => {
          moments.push(asyncScheduler.now());
          return store.claim(request);
        },
      });
      inVirtualTime(
        { handlers: { work: () => timer(1) }, notify$, settings, around },
        ({ run }) => void run(900),
      );
      return moments;
    };
    expect(claims(identity)).toEqual([10, 20, 30]);
    expect(claims(throttleTime(15))).toEqual([10, 30]);
    expect(claims(take(1))).toEqual([10, 20, 30]);
    expect(
      claims(
        map(() => {
          throw new Error("a bug");
        }),
      ),
    ).toEqual([20, 30]);
  });

  it("retry a handler within its attempt", () => {
    let calls = 0;
    const handler = (): Observable<unknown> =>
      timer(10).pipe(
        tap(() => {
          calls += 1;
          if (calls < 3) throw new Error("wet");
        }),
      );
    const settings = { stages: { attempt: (value$: Observable<unknown>) => value$.pipe(retry(2)) } };
    inVirtualTime({ handlers: { work: handler }, settings }, ({ store, run }) => {
      store.enqueue([aNewJob()]);
      const heard = run(900);
      expect(told(heard, "attempt-started")).toHaveLength(1);
      expect(told(heard, "succeeded")).toEqual(["succeeded 1 @30"]);
    });
  });

  it("fail the attempt when what wraps it throws", () => {
    const settings = {
      stages: {
        attempt: () => {
          throw new Error("a bug");
        },
      },
    };
    inVirtualTime({ handlers: { work: () => timer(1) }, settings }, ({ store, run }) => {
      store.enqueue([aNewJob({ maxAttempts: 1 })]);
      expect(told(run(900), "failed")).toEqual(["failed 1 @0"]);
    });
  });
});
