import { EMPTY, Subject, from, lastValueFrom, toArray } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError, PayloadError } from "../../src/core/errors.ts";
import type { WorkerEvent } from "../../src/core/events.ts";
import { payload } from "../../src/core/schema.ts";
import type { JobSchemas } from "../../src/core/schema.ts";
import { marbles, memoryStore, virtualWorker } from "../../src/testing/index.ts";
import type { VirtualWorker, VirtualWorkerOptions } from "../../src/testing/index.ts";

const JOBS = { mill: payload<{ grain: string }>(), sieve: payload<{ mesh: number }>() };

const one = (): number => 1;

describe("virtualWorker", () => {
  it.each([
    ["a promise", (): unknown => Promise.resolve(1)],
    ["a promise", (): unknown => Promise.reject(new Error("never seen"))],
    [
      "an async iterable",
      (): unknown =>
        (async function* () {
          yield 1;
        })(),
    ],
  ])("refuses a handler that returned %s in virtual time", (what, handler) => {
    expect(() => {
      marbles(({ expectEvents }) => {
        const worker = virtualWorker({ handlers: { mill: handler } });
        worker.enqueue("mill", {});
        expectEvents(worker.event$).toBe("(as) 5s");
      });
    }).toThrow(
      `OptionError: The handler of "mill" returned ${what}, and promises do not settle in virtual time`,
    );
  });

  it.each<[string, (worker: VirtualWorker<JobSchemas>) => void, string]>([
    [
      "a word for a moment",
      (worker) => worker.shutdown("soon"),
      "Expected a moment to be milliseconds from 0",
    ],
    ["no id of a job", (worker) => worker.cancel("x"), "Expected `id` to be a job id"],
    ["no reason", (worker) => worker.cancel("1", ""), "Expected `reason` to be a text of 1 to 1000"],
  ])("refuses %s", (_, call, message) => {
    const worker = virtualWorker({ handlers: { mill: () => EMPTY } });
    expect(() => call(worker)).toThrow(OptionError);
    expect(() => call(worker)).toThrow(message);
  });

  it("refuses a schema that asks a promise in virtual time", () => {
    const later = {
      "~standard": { version: 1, vendor: "test", validate: (value: unknown) => Promise.resolve({ value }) },
    } as const;
    expect(() => {
      marbles(({ expectEvents }) => {
        const store = memoryStore();
        virtualWorker({ store, handlers: { mill: () => EMPTY } }).enqueue("mill", {});
        expectEvents(
          virtualWorker({ store, jobs: { mill: later }, handlers: { mill: () => EMPTY } }).event$,
        ).toBe("a");
      });
    }).toThrow('The schema of "mill" checks asynchronously');
  });

  it("tells of a stream that waits for a promise", () => {
    expect(() => {
      marbles(({ expectEvents }) => {
        const worker = virtualWorker({ handlers: { mill: () => from(Promise.resolve(1)) } });
        worker.enqueue("mill", {});
        expectEvents(worker.event$).toBe("(as) 5s");
      });
    }).toThrow(
      "Still running: mill 1, attempt 1 of 3 (what waits for a promise stands still in virtual time)",
    );
  });

  it("runs promises outside of virtual time", async () => {
    const stop$ = new Subject<void>();
    const worker = virtualWorker({
      handlers: {
        mill: async (job, { complete }) => {
          await complete({ query: () => undefined });
          stop$.next();
          return job.id;
        },
      },
      stop$,
    });
    worker.enqueue("mill", {});
    const events: readonly WorkerEvent[] = await lastValueFrom(worker.event$.pipe(toArray()));
    expect(events.map(({ type }) => type)).toContain("succeeded");
    expect(worker.store.jobs()).toEqual([]);
  });

  it("refuses at enqueue what the client refuses", () => {
    const worker = virtualWorker({ jobs: JOBS, handlers: { mill: () => EMPTY } });
    expect(() => worker.enqueue("mill", { grain: "\u0000" })).toThrow(PayloadError);
    // @ts-expect-error No such kind.
    expect(() => worker.enqueue("grind", {})).toThrow(
      'Unknown kind "grind" (string): the client\'s `jobs` has mill, sieve',
    );
    expect(() => worker.enqueue("mill", { grain: "rye" }, { delayMs: -1 })).toThrow(OptionError);
    // @ts-expect-error Another payload.
    worker.enqueue("sieve", { grain: "rye" });
  });

  it.each([
    [{ handlers: {} }, "at least one handler"],
    [{ handlers: { grind: one }, jobs: JOBS }, 'Unknown kind "grind"'],
    [{ handlers: { mill: 5 }, jobs: JOBS }, "Expected `handlers.mill` to be a function"],
    [{ handlers: { mill: one }, concurrency: 0 }, "Expected `concurrency`"],
    [{ handlers: { mill: one }, maxAttempts: 0 }, "Expected `maxAttempts`"],
    [{ handlers: { mill: one }, store: {} }, "Expected `store` to be a memoryStore()"],
    [{ handlers: { mill: one }, stop$: 5 }, "Expected `stop$` to be an Observable"],
    [{ handlers: { mill: one }, retries: 5 }, 'Unknown option "retries"'],
    [{ handlers: { mill: one }, jobs: { mill: 5 } }, "Expected `jobs.mill` to be a Standard Schema"],
    [{}, "Expected `handlers`"],
  ])("refuses options %#", (options, told) => {
    const make = (): unknown => virtualWorker(options as unknown as VirtualWorkerOptions<typeof JOBS>);
    expect(make).toThrow(OptionError);
    expect(make).toThrow(told);
  });
});
