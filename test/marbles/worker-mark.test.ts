import { Subject, asyncScheduler, delay, from, map, mergeMap, tap, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { wakeUp } from "../../src/core/arrival.ts";
import type { Arrival } from "../../src/core/arrival.ts";
import type { NewJob } from "../../src/core/job.ts";
import type { Claim, ClaimRequest } from "../../src/core/store-calls.ts";
import type { Store } from "../../src/core/store.ts";
import type { Handler } from "../../src/stages/handler.ts";
import type { MemoryStore } from "../../src/testing/memory-store.ts";
import { aNewJob } from "../../src/testing/new-job.ts";
import { inVirtualTime, told } from "../support/virtual.ts";
import type { VirtualWorker } from "../support/virtual.ts";

/** How long claims take, in milliseconds: those from the first place step over dead rows. */
const FIRST_MS = 50;
const BEHIND_MS = 5;

/** When a job comes to stand before the mark, in milliseconds. */
const PUT_AT = 1_000;

/** Until when it must have begun: nine times the excess later, and after what was claimed before. */
const BEGUN_BY = PUT_AT + 9 * (FIRST_MS - BEHIND_MS) + 200;

/** How the first job, which is the early one, comes to stand before the mark. */
interface Way {
  readonly early: Partial<NewJob>;
  /** Whether its first attempt fails. */
  readonly fails: boolean;
  readonly put: (worker: VirtualWorker) => void;
}

const WAYS: Readonly<Record<string, Way>> = {
  "a higher priority": {
    early: { delayMs: PUT_AT, priority: -1 },
    fails: false,
    put: () => undefined,
  },
  "a retry after its backoff": {
    early: { backoff: { initialMs: PUT_AT, maxMs: PUT_AT, factor: 1, jitter: 0 } },
    fails: true,
    put: () => undefined,
  },
  "a retry by an operator": {
    early: { maxAttempts: 1 },
    fails: true,
    put: ({ store, at }) => at(PUT_AT, () => store.retryJob("1")),
  },
  "a release by another worker": {
    early: {},
    fails: false,
    put: ({ store, at }) =>
      claimedByAnother(store, 60_000, (workerId, claims) =>
        at(PUT_AT, () =>
          store.settle(
            workerId,
            claims.map((one) => ({ ...one, outcome: { type: "released", reason: "unstarted" } })),
          ),
        ),
      ),
  },
  "a recovery from another worker": {
    early: {},
    fails: false,
    put: ({ store }) => claimedByAnother(store, PUT_AT, () => undefined),
  },
};

/** Another worker claims the first job and does not begin it. */
function claimedByAnother(
  store: MemoryStore,
  leaseDurationMs: number,
  then: (workerId: string, claims: readonly Claim[]) => void,
): void {
  const ask = { queue: "default", kinds: ["work"], limit: 1, startLimit: 0, started: [] };
  from(store.register({ label: "other", queues: ["default"], leaseDurationMs }))
    .pipe(
      mergeMap((workerId) =>
        from(store.claim({ workerId, ...ask })).pipe(map((claims) => then(workerId, claims))),
      ),
    )
    .subscribe();
}

/** Claims of the memory store, each as slow as where it begins makes it. */
function slowFromFirst(
  store: MemoryStore,
  sent: (request: ClaimRequest, ids: readonly string[]) => void,
): Store {
  return {
    ...store,
    claim: (request) =>
      from(store.claim(request)).pipe(
        tap((jobs) =>
          sent(
            request,
            jobs.map(({ id }) => id),
          ),
        ),
        delay(request.after === undefined ? FIRST_MS : BEHIND_MS),
      ),
  };
}

describe("an urgent job among slow ones", () => {
  it("is brought by the next claim, however slow claims from the first place are", () => {
    for (let putAt = 20_000; putAt < 26_000; putAt += 100) {
      const claimed: (readonly string[])[] = [];
      let isPut = false;
      const around = (store: MemoryStore): Store =>
        slowFromFirst(store, (_, ids) => isPut && claimed.push(ids));
      // Two slots, of which one frees after the other.
      const work: Handler = ({ source }) => timer(source === "shorter" ? 4_600 : 5_000);
      const settings = { concurrency: 2, pollIntervalMs: 60_000 };
      inVirtualTime({ handlers: { work }, around, settings }, ({ store, at, run }) => {
        store.enqueue([aNewJob({ source: "shorter" }), ...Array.from({ length: 40 }, () => aNewJob())]);
        at(putAt, () => {
          store.enqueue([aNewJob({ priority: -1 })]);
          isPut = true;
        });
        run(putAt + 10_000);
        expect([putAt, claimed[0]]).toEqual([putAt, ["42"]]);
      });
    }
  });
});

describe("a job before the mark", () => {
  it.each(Object.entries(WAYS))(
    "begins soon after %s, while others wait behind it",
    (_, { early, fails, put }) => {
      const begins: string[] = [];
      const around = (store: MemoryStore): Store =>
        slowFromFirst(store, ({ after }) => begins.push(after === undefined ? "first" : "behind"));
      let isToFail = fails;
      const work: Handler = ({ source }) =>
        timer(60).pipe(
          map(() => {
            if (source !== "early" || !isToFail) return;
            isToFail = false;
            throw new Error("the first attempt");
          }),
        );
      const settings = { concurrency: 1, pollIntervalMs: 60_000 };
      inVirtualTime({ handlers: { work }, around, settings }, (worker) => {
        worker.store.enqueue([
          aNewJob({ source: "early", ...early }),
          ...Array.from({ length: 100 }, () => aNewJob()),
        ]);
        put(worker);
        let atPut = 0;
        worker.at(PUT_AT, () => (atPut = begins.length));
        const heard = worker.run(10_000);
        const started = heard.flatMap(({ event, ms }) =>
          event.type === "attempt-started" && event.job.source === "early" && ms >= PUT_AT ? [ms] : [],
        );
        expect(started).toEqual([expect.toSatisfy((ms: number) => ms < BEGUN_BY)]);
        expect(begins.slice(0, atPut)).toContain("behind");
        expect(told(heard, "succeeded")).toHaveLength(101);
        expect(begins.at(-1)).toBe("first");
        expect(begins.filter((begin) => begin === "first").length).toBeLessThan(25);
      });
    },
  );
});

describe("an urgent job that comes to stand before the mark while no job waits behind it", () => {
  const sent: [ms: number, begin: string, ids: readonly string[]][] = [];
  const run = (lastAt: number, last: readonly Partial<NewJob>[]): void => {
    sent.length = 0;
    const around = (store: MemoryStore): Store =>
      slowFromFirst(store, ({ after }, ids) =>
        sent.push([asyncScheduler.now(), after === undefined ? "first" : "behind", ids]),
      );
    const notify$ = new Subject<Arrival>();
    const settings = { pollIntervalMs: 60_000 };
    const handlers = { work: () => undefined };
    inVirtualTime({ handlers, around, settings, notify$ }, ({ store, at, run: runUntil }) => {
      const enqueue = (enqueued: readonly Partial<NewJob>[]): void => {
        store.enqueue(enqueued.map(aNewJob));
        notify$.next(wakeUp(["default"]));
      };
      for (const ms of [0, 100, 200]) at(ms, () => enqueue([{}]));
      at(lastAt, () => enqueue(last));
      runUntil(10_000);
    });
  };
  /** Two from the first place say how slow they are: the second lands at 150, 50 ms after it was sent. */
  const BEFORE = [
    [0, "first", ["1"]],
    [100, "first", ["2"]],
    [200, "behind", ["3"]],
  ];

  it("is claimed at once after a claim that brought nothing", () => {
    run(400, [{ priority: -1 }]);
    expect(sent).toEqual([...BEFORE, [400, "behind", []], [405, "first", ["4"]]]);
  });

  it("is claimed three times the excess after the last look there, after a claim that brought nothing", () => {
    run(250, [{ priority: -1 }]);
    expect(sent).toEqual([...BEFORE, [250, "behind", []], [300, "first", ["4"]]]);
  });

  it("is claimed nine times the excess after the last look there, if that claim brought others", () => {
    run(400, [{}, { priority: -1 }]);
    expect(sent).toEqual([...BEFORE, [400, "behind", ["4"]], [600, "first", ["5"]]]);
  });
});
