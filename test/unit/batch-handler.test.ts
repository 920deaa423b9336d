import { NEVER, Subject, of } from "rxjs";
import { describe, expect, expectTypeOf, it } from "vitest";
import { batchHandler } from "../../src/batch-handler.ts";
import type { BatchOptions } from "../../src/batch-handler.ts";
import { OptionError, PermanentError, createClient, payload } from "../../src/index.ts";
import type { AttemptContext, Job } from "../../src/index.ts";
import { claimedJob, pass, useFakeClock } from "../support/marbles.ts";

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function context(controller = new AbortController()): AttemptContext {
  return { signal: controller.signal, log, complete: () => Promise.resolve() };
}

function job(id: string): Job {
  return claimedJob({ id });
}

const two: BatchOptions = { max: 2, maxWaitMs: 50 };

describe("batchHandler", () => {
  useFakeClock();

  it("calls the handler once for max jobs, and gives each its own result", async () => {
    const calls: (readonly string[])[] = [];
    const handler = batchHandler(two, (jobs) => {
      calls.push(jobs.map(({ id }) => id));
      return Promise.resolve(jobs.map(({ id }) => `result of ${id}`));
    });
    const results = ["1", "2", "3"].map((id) => handler(job(id), context()));
    expect(await Promise.all(results.slice(0, 2))).toEqual(["result of 1", "result of 2"]);
    await pass(50);
    expect(await results[2]).toBe("result of 3");
    expect(calls).toEqual([["1", "2"], ["3"]]);
  });

  it("fails one job by an Error in its place, and all of them by a throw", async () => {
    const broken = new PermanentError("no rye");
    const handler = batchHandler(two, () => of([broken, "flour"]));
    const settled = await Promise.allSettled([handler(job("1"), context()), handler(job("2"), context())]);
    expect(settled).toEqual([
      { status: "rejected", reason: broken },
      { status: "fulfilled", value: "flour" },
    ]);
    const throwing = batchHandler(two, () => {
      throw broken;
    });
    const both = await Promise.allSettled([throwing(job("1"), context()), throwing(job("2"), context())]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  it("takes an array as the results, also one of an array for each job", async () => {
    const handler = batchHandler(two, (jobs) => jobs.map(({ id }) => [id, "flour"]));
    expect(await Promise.all([handler(job("1"), context()), handler(job("2"), context())])).toEqual([
      ["1", "flour"],
      ["2", "flour"],
    ]);
  });

  it.each<[string, unknown]>([
    ["too few", []],
    ["too many", [1, 2, 3]],
    ["no array", "two"],
  ])("fails all jobs for %s results", async (_, results) => {
    const handler = batchHandler(two, () => of(results as unknown[]));
    const settled = await Promise.allSettled([handler(job("1"), context()), handler(job("2"), context())]);
    for (const one of settled) {
      expect(one).toMatchObject({ reason: { message: expect.stringContaining("2 results") as unknown } });
    }
  });

  it("leaves out a job that was told to end before its batch began", async () => {
    const calls: (readonly string[])[] = [];
    const handler = batchHandler(two, (jobs) => {
      calls.push(jobs.map(({ id }) => id));
      return of(jobs.map(() => "done"));
    });
    const controller = new AbortController();
    const first = handler(job("1"), context(controller));
    controller.abort(new Error("shutdown"));
    await expect(first).rejects.toThrow("shutdown");
    const rest = [handler(job("2"), context()), handler(job("3"), context())];
    await Promise.all(rest);
    expect(calls).toEqual([["2", "3"]]);
  });

  it("fires the signal of the batch when its last job was told to end, and lets others go on until then", async () => {
    let signal: AbortSignal | undefined;
    const handler = batchHandler(two, (_jobs, batch) => {
      signal = batch.signal;
      return NEVER;
    });
    const [a, b] = [new AbortController(), new AbortController()];
    const settled = Promise.allSettled([handler(job("1"), context(a)), handler(job("2"), context(b))]);
    a.abort();
    await pass(0);
    expect(signal?.aborted).toBe(false);
    b.abort();
    await settled;
    expect(signal?.aborted).toBe(true);
  });

  it("runs batches side by side", async () => {
    const batches: Subject<unknown[]>[] = [];
    const handler = batchHandler({ max: 1, maxWaitMs: 0 }, () => {
      const answer$ = new Subject<unknown[]>();
      batches.push(answer$);
      return answer$;
    });
    const [one, other] = [handler(job("1"), context()), handler(job("2"), context())];
    const answer = (batch: Subject<unknown[]> | undefined, value: unknown): void => {
      batch?.next([value]);
      batch?.complete();
    };
    answer(batches[1], "second");
    expect(await other).toBe("second");
    answer(batches[0], "first");
    expect(await one).toBe("first");
  });

  it.each<[string, unknown, string]>([
    ["no max", { maxWaitMs: 1 }, "`max`"],
    ["a max of 0", { max: 0, maxWaitMs: 1 }, "`max`"],
    ["a negative wait", { max: 1, maxWaitMs: -1 }, "`maxWaitMs`"],
    ["an unknown option", { max: 1, maxWaitMs: 1, size: 2 }, 'Unknown option "size"'],
  ])("refuses %s", (_, options, words) => {
    expect(() => batchHandler(options as BatchOptions, () => of([]))).toThrow(OptionError);
    expect(() => batchHandler(options as BatchOptions, () => of([]))).toThrow(words);
  });

  it("knows the payload of its jobs from the client's kinds", () => {
    const client = createClient({
      connectionString: "postgres://h/d",
      jobs: { mill: payload<{ grain: string }>() },
    });
    client.worker({
      handlers: {
        mill: batchHandler(two, (jobs) => {
          expectTypeOf(jobs[0]?.payload).toEqualTypeOf<{ grain: string } | undefined>();
          return of(jobs.map(({ payload: { grain } }) => grain));
        }),
      },
    });
  });
});
