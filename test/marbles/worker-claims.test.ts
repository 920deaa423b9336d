import { concat, defer, delay, from, map, mergeMap, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { wakeUp } from "../../src/core/arrival.ts";
import type { Store } from "../../src/core/store.ts";
import { PREFETCH_LIMIT } from "../../src/settings.ts";
import type { Handler } from "../../src/stages/handler.ts";
import type { MemoryStore } from "../../src/testing/memory-store.ts";
import { aNewJob } from "../../src/testing/new-job.ts";
import { inVirtualTime, told } from "../support/virtual.ts";

/** A handler that takes its time. */
const taking =
  (ms: number): Handler =>
  () =>
    timer(ms);

describe("claims", () => {
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
    expect(trivial).toBeLessThanOrEqual(PREFETCH_LIMIT / 2 + 10);
  });

  it("never holds more than the cap, although its jobs, which were quick, end no more", () => {
    const work: Handler = ({ source }) => (source === "slow" ? timer(3_600_000) : undefined);
    const settings = { concurrency: 100 };
    inVirtualTime({ handlers: { work }, settings, latencyMs: 2 }, ({ store, run }) => {
      store.enqueue(Array.from({ length: 12_000 }, (_, n) => aNewJob(n < 3_000 ? {} : { source: "slow" })));
      const heldAt = new Map<number, number>();
      let held = 0;
      // After a second they are given back.
      for (const { ms, event } of run(900)) {
        if (event.type === "claimed") held += event.count;
        if (event.type === "attempt-started") held -= 1;
        heldAt.set(ms, held);
      }
      const most = Math.max(...heldAt.values());
      expect(most).toBeGreaterThan(PREFETCH_LIMIT / 2);
      expect(most).toBeLessThanOrEqual(PREFETCH_LIMIT);
    });
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

  it("goes on with what it gave back as soon as a slot is free, without a poll", () => {
    const work: Handler = (job) => (job.source === "slow" ? timer(1_500) : undefined);
    const settings = { concurrency: 1, pollIntervalMs: 60_000 };
    inVirtualTime({ handlers: { work }, settings, latencyMs: 2 }, ({ store, run }) => {
      store.enqueue(Array.from({ length: 300 }, (_, n) => aNewJob(n === 290 ? { source: "slow" } : {})));
      expect(told(run(2_000), "succeeded")).toHaveLength(300);
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

  it("claims the next suspect when the outcome of the last is written, not at the next poll", () => {
    const settings = { concurrency: 2, pollIntervalMs: 60_000, leaseDurationMs: 3_000 };
    const around = (store: MemoryStore): Store => ({
      ...store,
      settle: (...call) => timer(5).pipe(mergeMap(() => store.settle(...call))),
    });
    const notify$ = timer(200).pipe(map(() => wakeUp()));
    inVirtualTime({ handlers: { work: taking(100) }, settings, around, notify$ }, ({ store, at, run }) => {
      const ask = { queue: "default", kinds: ["work"], limit: 4, startLimit: 4, started: [] };
      const die$ = defer(() =>
        store.register({ label: "dead", queues: ["default"], leaseDurationMs: 1 }),
      ).pipe(
        mergeMap((workerId) => from(store.claim({ workerId, ...ask }))),
        delay(2),
        mergeMap(() => from(store.recover(100))),
      );
      at(100, () => {
        store.enqueue(Array.from({ length: 4 }, () => aNewJob()));
        concat(die$, die$).subscribe();
      });
      at(150, () => store.enqueue([aNewJob()]));
      const heard = run(2_000);
      expect(told(heard, "attempt-started").map((text) => text.slice("attempt-started ".length))).toEqual([
        "1 @200",
        "5 @200",
        "2 @305",
        "3 @410",
        "4 @515",
      ]);
    });
  });
});
