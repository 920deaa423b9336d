import {
  NEVER,
  Observable,
  asyncScheduler,
  delay,
  concat,
  from,
  map,
  mergeMap,
  of,
  take,
  throwError,
  timer,
} from "rxjs";
import { describe, expect, it } from "vitest";
import { wakeUp } from "../../src/core/arrival.ts";
import type { CancelOrders } from "../../src/core/arrival.ts";
import { PermanentError, Snooze } from "../../src/core/errors.ts";
import type { Store } from "../../src/core/store.ts";
import type { OwnStages } from "../../src/options.ts";
import type { Handler } from "../../src/stages/handler.ts";
import type { MemoryStore } from "../../src/testing/memory-store.ts";
import { aNewJob } from "../../src/testing/new-job.ts";
import { inVirtualTime, told } from "../support/virtual.ts";

/** A handler that takes its time. */
const taking =
  (ms: number): Handler =>
  () =>
    timer(ms);

describe("arrivals", () => {
  it("finds what is there at the first poll, and what comes later at the next tick", () => {
    inVirtualTime({ handlers: { work: taking(10) } }, ({ store, at, run }) => {
      store.enqueue([aNewJob()]);
      at(1_500, () => store.enqueue([aNewJob()]));
      expect(told(run(2_500), "attempt-started")).toEqual([
        "attempt-started 1 @0",
        "attempt-started 2 @2000",
      ]);
    });
  });

  it("wakes at once by a notification", () => {
    const notify$ = timer(1_500).pipe(map(() => wakeUp(["default"])));
    inVirtualTime({ handlers: { work: taking(10) }, notify$ }, ({ store, at, run }) => {
      at(1_500, () => store.enqueue([aNewJob()]));
      expect(told(run(1_900), "attempt-started")).toEqual(["attempt-started 1 @1500"]);
    });
  });

  it("claims seldom for a flood of notifications that bring nothing, and at once after it", () => {
    const claimedAt: number[] = [];
    const flood$ = timer(0, 1).pipe(take(1_000));
    const notify$ = concat(flood$, timer(501)).pipe(map(() => wakeUp(["default"])));
    const around = (store: MemoryStore): Store => ({
      ...store,
      claim: (request) => {
        claimedAt.push(asyncScheduler.now());
        return store.claim(request);
      },
    });
    const settings = { pollIntervalMs: 60_000 };
    inVirtualTime({ handlers: { work: taking(10) }, notify$, around, settings }, ({ store, at, run }) => {
      at(1_500, () => store.enqueue([aNewJob()]));
      expect(told(run(2_000), "attempt-started")).toEqual(["attempt-started 1 @1500"]);
    });
    expect(claimedAt.slice(0, 7)).toEqual([0, 1, 2, 3, 4, 64, 124]);
    expect(claimedAt.filter((ms) => ms < 1_000)).toHaveLength(21);
  });

  it("starts a scheduled job at its moment, not at the poll after it", () => {
    inVirtualTime({ handlers: { work: taking(10) } }, ({ store, run }) => {
      store.enqueue([aNewJob({ delayMs: 1_234 })]);
      expect(told(run(3_000), "attempt-started")).toEqual(["attempt-started 1 @1234"]);
    });
  });

  it("hears of a scheduled job by a hint", () => {
    const notify$ = timer(100).pipe(map(() => ({ type: "due-hint" as const, dueInMs: 150 })));
    const settings = { pollIntervalMs: 60_000 };
    inVirtualTime({ handlers: { work: taking(10) }, notify$, settings }, ({ store, at, run }) => {
      at(100, () => store.enqueue([aNewJob({ delayMs: 150 })]));
      expect(told(run(3_000), "attempt-started")).toEqual(["attempt-started 1 @250"]);
    });
  });

  it("recovers the job of a dead worker although its own queue is never empty", () => {
    inVirtualTime(
      { handlers: { work: taking(50) }, settings: { concurrency: 1, leaseDurationMs: 1_000 } },
      ({ store, run }) => {
        store.enqueue([aNewJob({ source: "orphan" })]);
        from(store.register({ label: "dead", queues: ["default"], leaseDurationMs: 300 }))
          .pipe(
            mergeMap((workerId) =>
              from(
                store.claim({
                  workerId,
                  queue: "default",
                  kinds: ["work"],
                  limit: 1,
                  startLimit: 1,
                  started: [],
                }),
              ),
            ),
          )
          .subscribe();
        store.enqueue(Array.from({ length: 100 }, () => aNewJob()));
        const heard = run(4_000);
        const recovered = heard.find(({ event }) => event.type === "lease-recovered");
        expect(recovered?.ms).toBeGreaterThanOrEqual(300);
        expect(recovered?.ms).toBeLessThan(600);
        expect(
          heard.filter(({ event }) => event.type === "succeeded" && event.job.source === "orphan"),
        ).toMatchObject([{ event: { job: { attempt: 2 } } }]);
      },
    );
  });

  it("follows at once where a claim ahead brings only some of the jobs that a worker died with", () => {
    const settings = { concurrency: 2, pollIntervalMs: 60_000, leaseDurationMs: 3_000 };
    const around = (store: MemoryStore): Store => ({
      ...store,
      claim: (request) => from(store.claim(request)).pipe(delay(5)),
    });
    inVirtualTime({ handlers: { work: taking(1) }, settings, around }, ({ store, at, run }) => {
      store.enqueue(Array.from({ length: 20 }, () => aNewJob()));
      const ask = { queue: "default", kinds: ["work"], limit: 10, startLimit: 10, started: [] };
      at(20_000, () => {
        store.enqueue(Array.from({ length: 10 }, () => aNewJob()));
        from(store.register({ label: "dead", queues: ["default"], leaseDurationMs: 300 }))
          .pipe(mergeMap((workerId) => from(store.claim({ workerId, ...ask }))))
          .subscribe();
      });
      expect(told(run(25_000), "attempt-started")).toHaveLength(30);
    });
  });

  it("finds an urgent job soon where claims from the first place are slow, and leaves none behind", () => {
    const begins: string[] = [];
    const around = (store: MemoryStore): Store => ({
      ...store,
      claim: (request) => {
        begins.push(request.after === undefined ? "first" : "behind");
        return from(store.claim(request)).pipe(delay(request.after === undefined ? 50 : 5));
      },
    });
    const settings = { concurrency: 1, pollIntervalMs: 60_000 };
    inVirtualTime({ handlers: { work: taking(60) }, around, settings }, ({ store, at, run }) => {
      store.enqueue(Array.from({ length: 100 }, () => aNewJob()));
      at(1_000, () => store.enqueue([aNewJob({ priority: -1, source: "urgent" })]));
      const heard = run(10_000);
      const started = heard.flatMap(({ event, ms }) =>
        event.type === "attempt-started" && event.job.source === "urgent" ? [ms] : [],
      );
      expect(started).toHaveLength(1);
      expect(started[0]).toBeLessThan(1_000 + 9 * 45 + 200);
      expect(told(heard, "succeeded")).toHaveLength(101);
      expect(begins.at(-1)).toBe("first");
      expect(begins.filter((begin) => begin === "first").length).toBeLessThan(25);
    });
  });

  it("goes on without a user's wakeup$ that errors", () => {
    const wakeup$ = concat(
      timer(100),
      throwError(() => new Error("dry")),
    );
    inVirtualTime(
      { handlers: { work: taking(10) }, settings: { wakeup$, pollIntervalMs: 1_000 } },
      ({ store, at, run }) => {
        at(50, () => store.enqueue([aNewJob()]));
        at(1_500, () => store.enqueue([aNewJob()]));
        expect(told(run(2_500), "attempt-started", "wakeup-failed")).toEqual([
          "attempt-started 1 @100",
          "wakeup-failed @100",
          "attempt-started 2 @2000",
        ]);
      },
    );
  });
});

describe("slots", () => {
  it("claims for free slots only, and again when one frees", () => {
    inVirtualTime({ handlers: { work: taking(300) }, settings: { concurrency: 2 } }, ({ store, run }) => {
      store.enqueue(Array.from({ length: 5 }, () => aNewJob()));
      const heard = run(2_000);
      expect(
        heard.filter(({ event }) => event.type === "claimed").map(({ ms, event }) => [ms, event]),
      ).toMatchObject([
        [0, { count: 2 }],
        [300, { count: 1 }],
        [300, { count: 1 }],
        [600, { count: 1 }],
      ]);
      expect(told(heard, "succeeded")).toHaveLength(5);
    });
  });

  it("prefetches nothing for slow jobs and something for trivial ones, up to a cap", () => {
    const most = (handler: Handler): number => {
      let largest = 0;
      const around = (store: MemoryStore): Store => ({
        ...store,
        claim: (request) => {
          largest = Math.max(largest, request.limit);
          return store.claim(request);
        },
      });
      inVirtualTime(
        { handlers: { work: handler }, settings: { concurrency: 10 }, latencyMs: 2, around },
        ({ store, run }) => {
          store.enqueue(Array.from({ length: 20_000 }, () => aNewJob()));
          run(3_000);
        },
      );
      return largest;
    };
    expect(most(taking(1_000))).toBe(10);
    // Half of what may be claimed ahead, and the free slots.
    const trivial = most(() => undefined);
    expect(trivial).toBeGreaterThan(1_000);
    expect(trivial).toBeLessThanOrEqual(2_010);
  });

  it("gives back what it claimed ahead when its jobs turn slow, so that others can run it", () => {
    // 3,000 jobs that take no time, and among them some that take an hour.
    const work: Handler = (job) => (job.source === "slow" ? timer(3_600_000) : undefined);
    const settings = { concurrency: 10 };
    inVirtualTime({ handlers: { work }, settings, latencyMs: 2 }, ({ store, run }) => {
      const slow = (index: number): boolean => index >= 1_000 && index < 1_010;
      store.enqueue(
        Array.from({ length: 3_000 }, (_, index) => aNewJob(slow(index) ? { source: "slow" } : {})),
      );
      const heard = run(10_000);
      expect(told(heard, "succeeded")).toHaveLength(1_000);
      expect(store.jobs().filter(({ state }) => state === "claimed")).toHaveLength(10);
      expect(store.jobs().filter(({ state, attempt }) => state === "pending" && attempt === 0)).toHaveLength(
        1_990,
      );
    });
  });

  it("makes few round trips for many trivial jobs, claims and outcomes together", () => {
    let trips = 0;
    const counted = (store: MemoryStore): Store => ({
      ...store,
      claim: (request) => {
        trips += 1;
        return store.claim(request);
      },
      settle: (workerId, settlements) => {
        trips += 1;
        return store.settle(workerId, settlements);
      },
    });
    const setup = { settings: { concurrency: 10 }, latencyMs: 2, around: counted };
    inVirtualTime({ ...setup, handlers: { work: () => undefined } }, ({ store, run }) => {
      store.enqueue(Array.from({ length: 3_000 }, () => aNewJob()));
      expect(told(run(3_000), "succeeded")).toHaveLength(3_000);
      // One job after the other would take 6,000; these are 17.
      expect(trips).toBeLessThan(30);
    });
  });

  it("gives each queue slots of its own, and takes lower priorities first", () => {
    const settings = { queues: { fast: 2, slow: 1 } };
    inVirtualTime({ handlers: { work: taking(100) }, settings }, ({ store, run }) => {
      store.enqueue([
        aNewJob({ queue: "slow", priority: 5 }),
        aNewJob({ queue: "slow", priority: -5 }),
        aNewJob({ queue: "fast" }),
        aNewJob({ queue: "fast" }),
      ]);
      expect(told(run(500), "attempt-started")).toEqual([
        "attempt-started 3 @0",
        "attempt-started 4 @0",
        "attempt-started 2 @0",
        "attempt-started 1 @100",
      ]);
    });
  });
});

describe("attempts", () => {
  it("retries with growing delays and then fails", () => {
    inVirtualTime({ handlers: { work: () => throwError(() => new Error("no")) } }, ({ store, run }) => {
      store.enqueue([aNewJob()]);
      expect(told(run(10_000), "retry-scheduled", "failed")).toEqual([
        "retry-scheduled 1 @0",
        "retry-scheduled 1 @1000",
        "failed 1 @3000",
      ]);
    });
  });

  it("fails at once by a PermanentError, and postpones by a Snooze without counting", () => {
    let snoozed = false;
    const work: Handler = (job) => {
      if (job.source === "permanent") throw new PermanentError("never");
      if (snoozed) return undefined;
      snoozed = true;
      throw new Snooze(700);
    };
    inVirtualTime({ handlers: { work } }, ({ store, run }) => {
      store.enqueue([aNewJob({ source: "permanent" }), aNewJob()]);
      const heard = run(2_000);
      expect(told(heard, "failed", "snoozed", "succeeded")).toEqual([
        "failed 1 @0",
        "snoozed 2 @0",
        "succeeded 2 @700",
      ]);
      expect(heard.find(({ event }) => event.type === "succeeded")).toMatchObject({
        event: { job: { attempt: 1 } },
      });
    });
  });

  it("ends an attempt at its timeout", () => {
    let unsubscribed = false;
    const work: Handler = () => new Observable(() => () => (unsubscribed = true));
    inVirtualTime({ handlers: { work } }, ({ store, run }) => {
      store.enqueue([aNewJob({ timeoutMs: 250, maxAttempts: 1 })]);
      expect(told(run(1_000), "failed")).toEqual(["failed 1 @250"]);
      expect(unsubscribed).toBe(true);
    });
  });

  it("is given up at its timeout, and when too many go on, no more are claimed until one ends", () => {
    const work: Handler = ({ id }) => ({
      then: (ended: (value: unknown) => void) => void timer(1_000 * Number(id)).subscribe(ended),
    });
    const settings = { concurrency: 1, timeoutMs: 200, abortGraceMs: 100, maxLeaked: 2 };
    inVirtualTime({ handlers: { work }, settings }, ({ store, run }) => {
      store.enqueue(Array.from({ length: 4 }, () => aNewJob({ maxAttempts: 1 })));
      const heard = run(3_100);
      const types = ["attempt-started", "leaked", "leak-ended", "claims-paused", "claims-resumed"];
      expect(told(heard, ...types)).toEqual([
        "attempt-started 1 @0",
        "leaked 1 @300",
        "attempt-started 2 @300",
        "leaked 2 @600",
        "claims-paused @600",
        "leak-ended 1 @1000",
        "claims-resumed @1000",
        "attempt-started 3 @1000",
        "leaked 3 @1300",
        "claims-paused @1300",
        "leak-ended 2 @2300",
        "claims-resumed @2300",
        "attempt-started 4 @2300",
        "leaked 4 @2600",
        "claims-paused @2600",
      ]);
      expect(heard.flatMap(({ event }) => ("running" in event ? event.running : []))).toEqual([
        1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2,
      ]);
    });
  });

  it("stays counted over a lost lease, and holds up no shutdown", () => {
    let beats = true;
    const work: Handler = () => new Promise(() => undefined);
    const settings = { leaseDurationMs: 3_000, abortGraceMs: 100, timeoutMs: 200, maxLeaked: 1 };
    const around = (store: MemoryStore): Store => ({
      ...store,
      heartbeat: (...beat) => (beats ? store.heartbeat(...beat) : of(false)),
    });
    inVirtualTime({ handlers: { work }, settings, around }, ({ store, at, shutdown, run }) => {
      store.enqueue([aNewJob({ maxAttempts: 1 })]);
      at(500, () => (beats = false));
      at(2_000, () => (beats = true));
      at(4_000, () => store.enqueue([aNewJob()]));
      at(9_000, shutdown);
      const heard = run(10_000);
      expect(told(heard, "attempt-started", "claims-paused", "claims-resumed", "exited")).toEqual([
        "attempt-started 1 @0",
        "claims-paused @300",
        "exited @9000",
      ]);
      expect(heard.filter(({ event }) => event.type === "started")).toHaveLength(2);
      expect(store.jobs()).toMatchObject([
        { id: "1", state: "failed" },
        { id: "2", state: "pending" },
      ]);
    });
  });

  it("is ended by an order for its own claim, and by no order for another", () => {
    const order = (workerId: string, id: string, token: number): CancelOrders => ({
      type: "cancel-orders",
      orders: [{ workerId, id, token, reason: "the grain is wet" }],
    });
    const notify$ = concat(
      timer(100).pipe(map(() => order("worker-2", "1", 1))),
      timer(100).pipe(map(() => order("worker-1", "1", 2))),
      timer(100).pipe(map(() => order("worker-1", "3", 1))),
      timer(100).pipe(map(() => order("worker-1", "2", 1))),
    );
    inVirtualTime({ handlers: { work: () => NEVER }, notify$ }, ({ store, run }) => {
      store.enqueue([aNewJob(), aNewJob({ maxAttempts: 1 })]);
      const heard = run(5_000);
      expect(told(heard, "cancelled", "failed", "released", "lease-lost", "attempt-started")).toEqual([
        "attempt-started 1 @0",
        "attempt-started 2 @0",
        "cancelled 2 @400",
      ]);
      expect(heard.find(({ event }) => event.type === "cancelled")).toMatchObject({
        event: { reason: "the grain is wet" },
      });
      expect(store.jobs()).toMatchObject([
        { id: "1", state: "claimed", attempt: 1 },
        { id: "2", state: "failed", attempt: 0 },
      ]);
    });
  });

  it("is not begun when its job was cancelled while it waited for its turn", () => {
    const called: string[] = [];
    const work: Handler = (job) => void called.push(job.id);
    const stages: OwnStages = { dispatch: (run) => (job$) => job$.pipe(delay(500), mergeMap(run)) };
    const cancelled: CancelOrders = {
      type: "cancel-orders",
      orders: [{ workerId: "worker-1", id: "2", token: 1, reason: "the grain is wet" }],
    };
    const notify$ = timer(100).pipe(map(() => cancelled));
    inVirtualTime({ handlers: { work }, settings: { stages }, notify$ }, ({ store, run }) => {
      store.enqueue([aNewJob(), aNewJob()]);
      expect(told(run(900), "succeeded", "cancelled")).toEqual(["succeeded 1 @500", "cancelled 2 @500"]);
      expect(called).toEqual(["1"]);
    });
  });

  it("wakes a child at once when the last of its parents has succeeded", () => {
    inVirtualTime({ handlers: { work: taking(300) } }, ({ store, run }) => {
      store.enqueue([aNewJob(), aNewJob()]);
      store.enqueue([aNewJob({ after: ["1", "2"] })]);
      expect(told(run(900), "attempt-started")).toEqual([
        "attempt-started 1 @0",
        "attempt-started 2 @0",
        "attempt-started 3 @300",
      ]);
    });
  });
});
