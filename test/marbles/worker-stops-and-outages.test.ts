import { NEVER, Observable, asyncScheduler, concat, defer, from, map, tap, throwError, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { wakeUp } from "../../src/core/arrival.ts";
import { LeaseLostError } from "../../src/core/errors.ts";
import type { Store } from "../../src/core/store.ts";
import type { Handler } from "../../src/stages/handler.ts";
import type { MemoryStore } from "../../src/testing/memory-store.ts";
import { aNewJob } from "../../src/testing/new-job.ts";
import { inVirtualTime, told } from "../support/virtual.ts";

/** A handler that takes its time. */
const taking =
  (ms: number): Handler =>
  () =>
    timer(ms);

/** A handler that ends neither by itself nor by its signal. */
const deaf: Handler = () => new Promise(() => undefined);

/** The memory store with one method that fails for a while. */
function failing(method: keyof Store, fails: () => boolean): (store: MemoryStore) => Store {
  return (store) => ({
    ...store,
    [method]: (...args: readonly unknown[]) =>
      defer(() =>
        fails()
          ? throwError(() => new Error(`${method} is away`))
          : (Reflect.apply(store[method], store, args) as Observable<unknown>),
      ),
  });
}

describe("stopping", () => {
  it("lets what runs finish, then completes", () => {
    inVirtualTime({ handlers: { work: taking(500) } }, ({ store, at, shutdown, run }) => {
      store.enqueue([aNewJob()]);
      at(100, shutdown);
      at(200, () => store.enqueue([aNewJob()]));
      expect(
        told(run(5_000), "attempt-started", "draining", "succeeded", "drained", "exited", "complete"),
      ).toEqual([
        "attempt-started 1 @0",
        "draining @100",
        "succeeded 1 @500",
        "drained @500",
        "exited @500",
        "complete @500",
      ]);
    });
  });

  it("stops an idle worker at once, not at its next poll", () => {
    const settings = { pollIntervalMs: 60_000 };
    inVirtualTime({ handlers: { work: taking(1) }, settings }, ({ at, shutdown, run }) => {
      at(1_234, shutdown);
      expect(told(run(90_000), "draining", "exited", "complete")).toEqual([
        "draining @1234",
        "exited @1234",
        "complete @1234",
      ]);
    });
  });

  it.each<keyof Store>(["claim", "promote", "recover"])("does not wait for the next try to %s", (method) => {
    const around = failing(method, () => true);
    inVirtualTime({ handlers: { work: taking(1) }, around }, ({ store, at, shutdown, run }) => {
      store.enqueue([aNewJob()]);
      at(1_234, shutdown);
      const heard = run(90_000);
      const last = heard.findLast(({ event }) => "retryInMs" in event);
      expect(last?.ms).toBeLessThan(1_234);
      expect(last?.event).toHaveProperty("retryInMs", 800);
      expect(told(heard, "exited", "complete")).toEqual(["exited @1234", "complete @1234"]);
    });
  });

  it("gives back what a claim in flight still brings", () => {
    const settings = { pollIntervalMs: 10_000 };
    inVirtualTime(
      { handlers: { work: taking(500) }, latencyMs: 100, settings },
      ({ store, at, shutdown, run }) => {
        store.enqueue([aNewJob()]);
        // register 0-100, poll 100-200, claim 200-300
        at(250, shutdown);
        const heard = run(5_000);
        expect(told(heard, "attempt-started")).toEqual([]);
        expect(heard.filter(({ event }) => event.type === "released")).toMatchObject([
          { event: { reason: "unstarted" } },
        ]);
        expect(store.jobs()).toMatchObject([{ state: "pending", attempt: 0 }]);
      },
    );
  });

  it("interrupts what runs when the drain timeout passes, and releases it uncounted", () => {
    let reason: unknown;
    const work: Handler = (_job, { signal }) =>
      new Observable(() => signal.addEventListener("abort", () => (reason = signal.reason)));
    inVirtualTime(
      { handlers: { work }, settings: { drainTimeoutMs: 2_000 } },
      ({ store, at, shutdown, run }) => {
        store.enqueue([aNewJob()]);
        at(1_000, shutdown);
        const heard = run(9_000);
        expect(told(heard, "drain-timed-out", "released", "drained", "exited")).toEqual([
          "drain-timed-out @3000",
          "released 1 @3000",
          "exited @3000",
        ]);
        expect(heard.find(({ event }) => event.type === "released")).toMatchObject({
          event: { reason: "shutdown" },
        });
        expect(reason).toMatchObject({ name: "InterruptedError", reason: "shutdown" });
        expect(store.jobs()).toMatchObject([{ state: "pending", attempt: 0 }]);
      },
    );
  });

  it("lets what runs have 30 s by default", () => {
    inVirtualTime({ handlers: { work: () => NEVER } }, ({ store, at, shutdown, run }) => {
      store.enqueue([aNewJob()]);
      at(1_000, shutdown);
      expect(told(run(90_000), "drain-timed-out", "released", "exited")).toEqual([
        "drain-timed-out @31000",
        "released 1 @31000",
        "exited @31000",
      ]);
    });
  });

  it("leaves a promise that ignores its signal claimed, and tells of it", () => {
    const settings = { drainTimeoutMs: 2_000, abortGraceMs: 300 };
    inVirtualTime({ handlers: { work: deaf }, settings }, ({ store, at, shutdown, run }) => {
      store.enqueue([aNewJob()]);
      at(1_000, shutdown);
      expect(told(run(9_000), "leaked", "released", "exited")).toEqual(["leaked 1 @3300", "exited @3300"]);
      expect(store.jobs()).toMatchObject([{ state: "claimed" }]);
    });
  });

  it("aborts without waiting, also during a shutdown", () => {
    inVirtualTime({ handlers: { work: taking(60_000) } }, ({ store, at, shutdown, abort, run }) => {
      store.enqueue([aNewJob()]);
      at(100, shutdown);
      at(400, abort);
      const heard = run(90_000);
      expect(told(heard, "draining", "aborted", "released", "exited")).toEqual([
        "draining @100",
        "aborted @400",
        "released 1 @400",
        "exited @400",
      ]);
      expect(heard.find(({ event }) => event.type === "released")).toMatchObject({
        event: { reason: "aborted" },
      });
    });
  });

  it.each<[string, number, number]>([
    ["during the drain", 500, 30_000],
    ["during the grace after its timeout", 1_500, 1_000],
  ])("aborts without waiting for a promise that ignores its signal, %s", (_, abortAt, drainTimeoutMs) => {
    const settings = { drainTimeoutMs, abortGraceMs: 10_000 };
    inVirtualTime({ handlers: { work: deaf }, settings }, ({ store, at, shutdown, abort, run }) => {
      store.enqueue([aNewJob()]);
      at(100, shutdown);
      at(abortAt, abort);
      expect(told(run(90_000), "leaked", "exited")).toEqual([`leaked 1 @${abortAt}`, `exited @${abortAt}`]);
      expect(store.jobs()).toMatchObject([{ state: "claimed" }]);
    });
  });

  it.each<[string, number, readonly string[]]>([
    ["is there again meanwhile", 500, ["released 1 @550", "exited @550"]],
    ["stays away", Infinity, ["leaked 1 @800", "exited @800"]],
  ])("writes outcomes within one grace of an abort, when the store %s", (_, backAt, wanted) => {
    let away = true;
    const settings = { abortGraceMs: 400 };
    const around = failing("settle", () => away);
    inVirtualTime({ handlers: { work: taking(60_000) }, settings, around }, ({ store, at, abort, run }) => {
      store.enqueue([aNewJob()]);
      at(400, abort);
      if (Number.isFinite(backAt)) at(backAt, () => (away = false));
      const heard = run(90_000);
      expect(told(heard, "released", "leaked", "exited")).toEqual(wanted);
      for (const { event } of heard) if (event.type === "leaked") expect(event.reason).toBe("unsettled");
    });
  });

  it("writes outcomes within twice the grace of a drain timeout, or once that of an abort after it", () => {
    const settings = { drainTimeoutMs: 1_000, abortGraceMs: 400 };
    const around = failing("settle", () => true);
    for (const [abortAt, endsAt] of [
      [Infinity, 1_900],
      [1_200, 1_600],
      [1_700, 1_900],
    ] as const) {
      inVirtualTime({ handlers: { work: taking(60_000) }, settings, around }, (worker) => {
        worker.store.enqueue([aNewJob()]);
        worker.at(100, worker.shutdown);
        if (Number.isFinite(abortAt)) worker.at(abortAt, worker.abort);
        expect(told(worker.run(90_000), "leaked", "exited")).toEqual([
          `leaked 1 @${endsAt}`,
          `exited @${endsAt}`,
        ]);
      });
    }
  });

  it("completes when it is stopped before it is registered", () => {
    const around = (store: MemoryStore): Store => ({ ...store, register: () => NEVER });
    inVirtualTime({ handlers: { work: taking(1) }, around }, ({ at, shutdown, run }) => {
      at(500, shutdown);
      expect(told(run(90_000))).toEqual(["exited @500", "complete @500"]);
    });
  });
});

describe("a store that does not answer any more", () => {
  const settings = { drainTimeoutMs: 1_000, abortGraceMs: 400, concurrency: 2, progressIntervalMs: 0 };
  const reporting: Handler = () => concat(timer(50), NEVER);
  const silent = (method: keyof Store): ((store: MemoryStore) => Store) => {
    return (store) => ({
      ...store,
      [method]: (...args: readonly unknown[]) =>
        asyncScheduler.now() >= 50
          ? NEVER
          : (Reflect.apply(store[method], store, args) as Observable<unknown>),
    });
  };

  it.each<keyof Store>(["claim", "promote", "recover", "heartbeat", "settle", "progress", "unregister"])(
    "to %s holds no worker longer than the grace after an abort, or twice that after the drain timeout",
    (method) => {
      for (const [order, latest] of [
        ["abort", 600],
        ["shutdown", 2_000],
      ] as const) {
        const notify$ = timer(150).pipe(map(() => wakeUp()));
        const setup = { handlers: { work: reporting }, settings, notify$, around: silent(method) };
        inVirtualTime(setup, (worker) => {
          worker.store.enqueue([aNewJob()]);
          worker.at(150, () => worker.store.enqueue([aNewJob()]));
          worker.at(200, worker[order]);
          const exited = worker.run(90_000).find(({ event }) => event.type === "exited");
          expect(exited?.ms).toBeLessThanOrEqual(latest + (method === "unregister" ? 500 : 0));
        });
      }
    },
  );
});

describe("a store that cannot be reached", () => {
  it.each<[keyof Store, string]>([
    ["claim", "claim-failed"],
    ["promote", "poll-failed"],
    ["recover", "recovery-failed"],
    ["settle", "settle-failed"],
    ["register", "start-failed"],
  ])("is reported when %s fails, and the worker goes on", (method, type) => {
    let away = true;
    inVirtualTime(
      { handlers: { work: taking(10) }, around: failing(method, () => away) },
      ({ store, at, run }) => {
        store.enqueue([aNewJob()]);
        at(5_000, () => (away = false));
        const heard = run(9_000);
        const failures = heard.filter(({ event }) => event.type === type);
        expect(failures.length).toBeGreaterThan(3);
        expect(failures.length).toBeLessThan(20);
        expect(told(heard, "succeeded")).toHaveLength(1);
      },
    );
  });

  it("is asked again after 50 ms, then after twice as long each time, at most every 1.5 s", () => {
    inVirtualTime(
      { handlers: { work: taking(10) }, around: failing("claim", () => true) },
      ({ store, run }) => {
        store.enqueue([aNewJob()]);
        const failures = run(4_600).flatMap(({ ms, event }) =>
          event.type === "claim-failed" ? [[ms, event.retryInMs]] : [],
        );
        expect(failures).toEqual([
          [0, 50],
          [50, 100],
          [150, 200],
          [350, 400],
          [750, 800],
          [1_550, 1_500],
          [3_050, 1_500],
          [4_550, 1_500],
        ]);
      },
    );
  });

  it("writes a failure when it can be reached again, of an attempt that is not made again", () => {
    let away = true;
    inVirtualTime(
      {
        handlers: { work: () => throwError(() => new Error("the stone is jammed")) },
        around: failing("settle", () => away),
      },
      ({ store, at, run }) => {
        store.enqueue([aNewJob({ maxAttempts: 1 })]);
        at(2_000, () => (away = false));
        const heard = run(9_000);
        const failures = heard.filter(({ event }) => event.type === "settle-failed");
        expect(failures.map(({ ms }) => ms)).toEqual([0, 50, 150, 350, 750, 1_550]);
        expect(failures[0]?.event).toMatchObject({
          count: 1,
          error: { message: "settle is away" },
          retryInMs: 50,
        });
        expect(told(heard, "attempt-started", "failed", "retry-scheduled", "lease-lost")).toEqual([
          "attempt-started 1 @0",
          "failed 1 @3050",
        ]);
        expect(store.jobs()).toMatchObject([{ state: "failed", reason: /the stone is jammed/u }]);
      },
    );
  });

  // Some 10,000 tries, which take long on a busy machine.
  it("finds the worker waiting after an hour", { timeout: 60_000 }, () => {
    let away = false;
    const everything = (store: MemoryStore): Store =>
      (["claim", "promote", "recover", "heartbeat", "register", "settle"] as const).reduce<Store>(
        (wrapped, method) => ({ ...wrapped, [method]: failing(method, () => away)(store)[method] }),
        store,
      );
    inVirtualTime({ handlers: { work: taking(10) }, around: everything }, ({ store, at, run }) => {
      at(1_000, () => (away = true));
      at(3_601_000, () => {
        away = false;
        store.enqueue([aNewJob()]);
      });
      const heard = run(3_610_000);
      const [succeeded] = heard.filter(({ event }) => event.type === "succeeded");
      expect(succeeded?.ms).toBeLessThan(3_604_000);
      expect(told(heard, "lease-expired")).toHaveLength(1);
      expect(told(heard, "started")).toHaveLength(2);
    });
  });

  it("interrupts its attempts when it cannot renew its lease, and comes back with a new id", () => {
    let away = false;
    const reasons: unknown[] = [];
    const work: Handler = (_job, { signal }) =>
      new Observable(() => {
        signal.addEventListener("abort", () => reasons.push(signal.reason));
      });
    const settings = { leaseDurationMs: 3_000 };
    inVirtualTime(
      { handlers: { work }, settings, around: failing("heartbeat", () => away) },
      ({ store, at, run }) => {
        store.enqueue([aNewJob()]);
        at(1_500, () => (away = true));
        at(4_500, () => (away = false));
        const heard = run(5_000);
        // The beat at 1,000 was the last one: its lease ends at 4,000, by the worker's own timer.
        expect(told(heard, "heartbeat-failed", "lease-expired", "lease-lost")).toEqual([
          ...[2_000, 2_250, 2_500, 2_750, 3_000, 3_250, 3_500, 3_750, 4_000].map(
            (ms) => `heartbeat-failed @${ms}`,
          ),
          "lease-expired @4000",
          "lease-lost 1 @4000",
        ]);
        expect(heard.find(({ event }) => event.type === "heartbeat-failed")?.event).toMatchObject({
          error: { message: "heartbeat is away" },
          retryInMs: 250,
        });
        expect(reasons[0]).toBeInstanceOf(LeaseLostError);
        const ids = heard.flatMap(({ event }) => (event.type === "started" ? [event.workerId] : []));
        expect(new Set(ids).size).toBe(2);
      },
    );
  });

  it("hears from the store that its lease ran out", () => {
    let workerId = "";
    const around = (store: MemoryStore): Store => ({
      ...store,
      register: (registration) => from(store.register(registration)).pipe(tap((id) => (workerId ||= id))),
    });
    const settings = { leaseDurationMs: 3_000 };
    inVirtualTime({ handlers: { work: taking(60_000) }, settings, around }, ({ store, at, run }) => {
      store.enqueue([aNewJob()]);
      at(500, () => store.expireLease(workerId));
      const heard = run(1_200);
      expect(told(heard, "lease-expired", "lease-lost")).toEqual([
        "lease-expired @1000",
        "lease-lost 1 @1000",
      ]);
    });
  });
});
