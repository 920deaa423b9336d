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
