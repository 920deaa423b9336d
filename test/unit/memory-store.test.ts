import { concatMap, firstValueFrom, from, map, mergeMap, timer } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import type { NewJob } from "../../src/core/job.ts";
import { memoryStore } from "../../src/testing/index.ts";

const JOB: NewJob = {
  kind: "mill",
  queue: "default",
  payload: '{"grain":"rye"}',
  priority: 0,
  delayMs: 0,
  runAt: undefined,
  maxAttempts: 3,
  source: undefined,
  timeoutMs: undefined,
  backoff: undefined,
  after: [],
  afterFailure: "wait",
  keepResultMs: undefined,
  key: undefined,
};

const REQUEST = { queue: "default", kinds: ["mill"], limit: 1, startLimit: 1, started: [] };

function written(id: string) {
  return { id, inserted: true, dueInMs: 0 };
}

function inVirtualTime(run: (helpers: Parameters<Parameters<TestScheduler["run"]>[0]>[0]) => void) {
  new TestScheduler((actual, wanted) => expect(actual).toEqual(wanted)).run(run);
}

describe("memoryStore", () => {
  it("answers in the frame of the subscription", () => {
    inVirtualTime(({ expectObservable }) => {
      const store = memoryStore();
      expectObservable(from(store.enqueue([JOB, JOB]))).toBe("(a|)", { a: [written("1"), written("2")] });
    });
  });

  it("answers after latencyMs, with the work done at the call", () => {
    inVirtualTime(({ expectObservable }) => {
      const store = memoryStore({ latencyMs: 3 });
      expectObservable(from(store.enqueue([JOB]))).toBe("---(a|)", { a: [written("1")] });
      expect(store.jobs()).toHaveLength(1);
    });
  });

  it("answers an error after latencyMs too", () => {
    inVirtualTime(({ expectObservable }) => {
      const store = memoryStore({ latencyMs: 2 });
      const answer$ = from(store.enqueue([{ ...JOB, payload: "{" }]));
      expectObservable(answer$).toBe("--#", undefined, expect.any(SyntaxError));
    });
  });

  it("makes a scheduled job due in virtual time", () => {
    inVirtualTime(({ expectObservable }) => {
      const store = memoryStore();
      const due$ = from(store.enqueue([{ ...JOB, delayMs: 5 }])).pipe(
        concatMap(() => timer(0, 2)),
        concatMap(() => store.promote("1", ["default"], ["mill"])),
        map(({ readyQueues, dueInMs }) => readyQueues[0] ?? dueInMs),
      );
      expectObservable(due$, "-------!").toBe("a-b-c-d", { a: 5, b: 3, c: 1, d: "default" });
    });
  });

  it("lets a lease run out in virtual time", () => {
    inVirtualTime(({ expectObservable }) => {
      const store = memoryStore();
      const worker = { label: "a", queues: ["default"], leaseDurationMs: 4 };
      const alive$ = from(store.register(worker)).pipe(
        mergeMap((id) => timer(3, 4).pipe(concatMap(() => store.heartbeat(id, 4)))),
      );
      expectObservable(alive$, "------------!").toBe("---a---b---b", { a: true, b: false });
    });
  });

  it("tells how long a claimed job could have run", () => {
    inVirtualTime(({ expectObservable }) => {
      const store = memoryStore();
      const wait$ = from(store.enqueue([JOB])).pipe(
        concatMap(() => store.register({ label: "a", queues: [], leaseDurationMs: 100 })),
        concatMap((workerId) => timer(7).pipe(concatMap(() => store.claim({ ...REQUEST, workerId })))),
        map(([job]) => job?.waitMs),
      );
      expectObservable(wait$).toBe("-------(a|)", { a: 7 });
    });
  });

  it("shows every job with its state", () => {
    inVirtualTime(({ flush }) => {
      const store = memoryStore({ firstId: "9" });
      store.enqueue([JOB, { ...JOB, delayMs: 5 }]);
      store.enqueue([{ ...JOB, after: ["9"] }]);
      flush();
      expect(store.jobs().map(({ id, state, waitsFor }) => [id, state, waitsFor])).toEqual([
        ["9", "pending", []],
        ["10", "scheduled", []],
        ["11", "waiting", ["9"]],
      ]);
    });
  });

  it("forks into a store that goes its own way, from the same jobs, leases and ids", async () => {
    const store = memoryStore({ firstId: "9" });
    const label = { label: "miller", queues: ["default"], leaseDurationMs: 60_000 };
    await firstValueFrom(from(store.enqueue([JOB])));
    const workerId = await firstValueFrom(from(store.register(label)));
    const other = store.fork();
    const [job] = await firstValueFrom(from(other.claim({ workerId, ...REQUEST })));
    expect(job?.token).toBe(1);
    expect(await firstValueFrom(from(other.enqueue([JOB])))).toEqual([written("10")]);
    expect(await firstValueFrom(from(other.register(label)))).not.toBe(workerId);
    other.expireLease(workerId);
    expect(store.jobs().map(({ id, state }) => `${id} ${state}`)).toEqual(["9 pending"]);
    expect(await firstValueFrom(from(store.enqueue([JOB])))).toEqual([written("10")]);
    expect(await firstValueFrom(from(store.heartbeat(workerId, 60_000)))).toBe(true);
  });

  it.each([
    { latencyMs: -1 },
    { latencyMs: Number.NaN },
    { latencyMs: Infinity },
    { firstId: "" },
    { firstId: "0" },
    { firstId: "1.5" },
  ])("refuses %o", (options) => {
    expect(() => memoryStore(options)).toThrow(OptionError);
  });
});
