import { NEVER, Observable, Subject, concat, from, merge, mergeMap, of, tap, throwError, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { circuitBreaker } from "../../src/circuit-breaker.ts";
import type { WorkerEvent } from "../../src/core/events.ts";
import type { Store } from "../../src/core/store.ts";
import type { WorkerSettings } from "../../src/options.ts";
import type { MemoryStore } from "../../src/testing/memory-store.ts";
import { aNewJob } from "../../src/testing/new-job.ts";
import { marbles, virtualWorker } from "../../src/testing/index.ts";
import { inVirtualTime, told } from "../support/virtual.ts";

const handlers = { work: () => of("done") };

/** Never emits, and its teardown throws. */
const fragile$ = new Observable<never>(() => () => {
  throw new Error("a bug in a teardown");
});

const dry = (): Observable<never> => throwError(() => new Error("dry"));

describe("what the app's own Observables do wrong at once", () => {
  it.each<[string, WorkerSettings, string]>([
    ["a capacity$ that errors", { capacity$: dry() }, "capacity-failed"],
    ["a capacity$ of what is none", { capacity$: concat(of(-1), NEVER) }, "capacity-failed"],
    ["a wakeup$ that errors", { wakeup$: dry() }, "wakeup-failed"],
    ["a stages.wakeup that errors", { stages: { wakeup: dry } }, "wakeup-failed"],
    [
      "a stages.wakeup that throws",
      {
        stages: {
          wakeup: () => {
            throw new Error("dry");
          },
        },
      },
      "wakeup-failed",
    ],
  ])("tells %s, and works on", (_, settings, type) => {
    inVirtualTime({ handlers, settings }, ({ store, run }) => {
      store.enqueue([aNewJob()]);
      expect(told(run(500), "started", type, "succeeded")).toEqual([
        "started @0",
        `${type} @0`,
        "succeeded 1 @0",
      ]);
    });
  });
});

describe("teardowns of the app that throw", () => {
  it.each<[string, WorkerSettings]>([
    ["wakeup$", { wakeup$: fragile$ }],
    ["capacity$", { capacity$: fragile$ }],
    ["stages.wakeup", { stages: { wakeup: (wakeup$) => concat(wakeup$, fragile$) } }],
    ["stages.wakeup, while it runs", { stages: { wakeup: () => fragile$ } }],
    [
      "stages.dispatch",
      { stages: { dispatch: (attempt) => (job$) => concat(job$.pipe(mergeMap(attempt)), fragile$) } },
    ],
  ])("of %s hold up no shutdown", (_, settings) => {
    inVirtualTime({ handlers, settings }, ({ at, shutdown, run }) => {
      at(500, shutdown);
      expect(told(run(2_000), "exited", "complete")).toEqual(["exited @500", "complete @500"]);
    });
  });

  it("of stop$ hold up no shutdown", () => {
    marbles(({ expectEvents }) => {
      const stopped = virtualWorker({ handlers, stop$: merge(fragile$, timer(500)) });
      expectEvents(stopped.event$).toBe("500ms (D|)");
      const shutDown = virtualWorker({ handlers, stop$: fragile$ });
      shutDown.shutdown("500ms");
      expectEvents(shutDown.event$).toBe("500ms (D|)");
    });
  });
});

describe("capacity$ of a worker that lost its lease", () => {
  /** Lets the test end the lease of the first incarnation. */
  function known(): { readonly around: (store: MemoryStore) => Store; readonly workerId: () => string } {
    let workerId = "";
    return {
      around: (store) => ({
        ...store,
        register: (registration) => from(store.register(registration)).pipe(tap((id) => (workerId ||= id))),
      }),
      workerId: () => workerId,
    };
  }

  it("is not subscribed anew: what it said stands", () => {
    const { around, workerId } = known();
    const capacity$ = new Subject<boolean>();
    const settings = { leaseDurationMs: 3_000, capacity$ };
    inVirtualTime({ handlers, settings, around }, ({ store, at, run }) => {
      at(200, () => capacity$.next(false));
      at(300, () => store.enqueue([aNewJob()]));
      at(500, () => store.expireLease(workerId()));
      at(5_500, () => capacity$.next(true));
      const heard = run(6_000);
      expect(told(heard, "lease-expired", "started", "succeeded")).toEqual([
        "started @0",
        "lease-expired @1000",
        "started @1000",
        "succeeded 1 @5500",
      ]);
      expect(capacity$.observed).toBe(false);
    });
  });

  it("keeps a circuit breaker open", () => {
    const { around, workerId } = known();
    const event$ = new Subject<WorkerEvent>();
    const settings: WorkerSettings = {
      leaseDurationMs: 3_000,
      backoff: { initialMs: 50, factor: 1 },
      capacity$: event$.pipe(circuitBreaker({ failures: 2, coolDownMs: 60_000 })),
    };
    inVirtualTime({ handlers: { work: dry }, settings, around }, ({ store, at, run }) => {
      store.enqueue([aNewJob({ maxAttempts: 50 })]);
      at(500, () => store.expireLease(workerId()));
      const heard = run(5_000, (event) => event$.next(event));
      expect(told(heard, "attempt-started")).toEqual(["attempt-started 1 @0", "attempt-started 1 @50"]);
      expect(told(heard, "started")).toHaveLength(2);
    });
  });
});
