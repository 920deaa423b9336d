import { EMPTY, Observable, of, throwError } from "rxjs";
import { describe, expect, it } from "vitest";
import { AttemptTimeoutError, payload, PermanentError, Snooze } from "../../src/index.ts";
import type { AttemptContext, HandlerResult, Job, JobOptions, WorkerSettings } from "../../src/index.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import type { Recording } from "../support/recording.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>() };

type Work = (job: Job, context: AttemptContext) => HandlerResult;

/** A worker with one handler, and the id of the one job that it finds. */
async function run(
  work: Work,
  { job = {}, worker = {} }: { readonly job?: JobOptions; readonly worker?: WorkerSettings } = {},
): Promise<Recording<"work"> & { readonly id: string }> {
  const client = openClient({ connectionString: database.connectionString, jobs });
  const id = await client.enqueue("work", null, job);
  const settings = { backoff: { initialMs: 1, jitter: 0 }, abortGraceMs: 50, ...worker };
  return { ...record(client.worker({ ...settings, handlers: { work } })), id };
}

async function listFailed() {
  return openClient({ connectionString: database.connectionString, jobs }).listFailed();
}

async function* numbers(): AsyncGenerator<number> {
  yield 1;
  yield await Promise.resolve(2);
}

const unreadable = Object.defineProperty(new Error("hidden"), "message", {
  get: () => {
    throw new Error("no access");
  },
});

describe("an attempt that succeeds", () => {
  it.each<[string, Work, unknown, readonly unknown[]]>([
    ["nothing", () => undefined, undefined, []],
    ["a promise", async () => Promise.resolve("done"), "done", []],
    ["a promise of nothing", async () => Promise.resolve(), undefined, []],
    ["an Observable", () => of("a", "b"), "b", ["a", "b"]],
    ["an empty Observable", () => EMPTY, undefined, []],
    ["an async generator", numbers, 2, [1, 2]],
    ["an array", () => [7, 8], 8, [7, 8]],
  ])("returns %s", async (_, work, result, progress) => {
    const heard = await run(work);
    expect((await heard.first("succeeded")).result).toEqual(result);
    expect(heard.all("progress").map(({ value }) => value)).toEqual(progress);
    expect((await database.pool.query("select from millrace.jobs")).rowCount).toBe(0);
  });
});

describe("an attempt that fails", () => {
  it.each<[string, Work, { readonly name: string; readonly message: unknown }]>([
    [
      "throws",
      () => {
        throw new TypeError("at once");
      },
      { name: "TypeError", message: "at once" },
    ],
    ["rejects", async () => Promise.reject(new Error("later")), { name: "Error", message: "later" }],
    [
      "errors after a value",
      () =>
        new Observable((to) => {
          to.next(1);
          to.error(new Error("then"));
        }),
      { name: "Error", message: "then" },
    ],
    ["throws a text", () => throwError(() => "a text"), { name: "NonError", message: "a text" }],
    ["throws nothing", async () => Promise.reject(undefined), { name: "NonError", message: "undefined" }],
    ["throws an object", () => throwError(() => ({ code: 7 })), { name: "NonError", message: '{"code":7}' }],
    [
      "throws a text that Postgres refuses",
      () => throwError(() => "NUL \u0000 half \ud800"),
      { name: "NonError", message: "NUL \u2400 half \ufffd" },
    ],
    [
      "throws without end",
      () => throwError(() => "x".repeat(1_000_000)),
      { name: "NonError", message: expect.stringMatching(/^x{1999}…$/u) as unknown },
    ],
    [
      "throws an error that cannot be read",
      () => throwError(() => unreadable),
      { name: "Error", message: "a message that cannot be read" },
    ],
    [
      "throws a frozen error",
      () => throwError(() => Object.freeze(new RangeError("cold"))),
      { name: "RangeError", message: "cold" },
    ],
  ])("%s: it is retried, fails for good at last, and its worker goes on", async (_, work, error) => {
    const heard = await run(work, { job: { maxAttempts: 2 } });
    const retried = await heard.first("retry-scheduled");
    expect(retried).toMatchObject({ job: { id: heard.id, attempt: 1 }, error });
    expect(await heard.first("failed")).toMatchObject({ job: { id: heard.id, attempt: 2 }, error });
    const [failed] = await listFailed();
    expect(failed?.errors).toMatchObject([
      { ...error, attempt: 1 },
      { ...error, attempt: 2 },
    ]);
    await openClient({ connectionString: database.connectionString, jobs }).enqueue("work", null);
    await heard.first("attempt-started", ({ job }) => job.id !== heard.id);
  });

  it("keeps the error of every attempt, oldest first, with its moment", async () => {
    const heard = await run((job) => throwError(() => new Error(`attempt ${job.attempt} broke`)), {
      job: { maxAttempts: 3, source: "turn 1" },
    });
    await heard.first("failed");
    const [failed, ...others] = await listFailed();
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ id: heard.id, source: "turn 1", attempt: 3, maxAttempts: 3, crashes: 0 });
    expect(failed?.reason).toContain("attempt 3 broke");
    expect(failed?.errors.map(({ attempt, message }) => [attempt, message])).toEqual([
      [1, "attempt 1 broke"],
      [2, "attempt 2 broke"],
      [3, "attempt 3 broke"],
    ]);
    const moments = failed?.errors.map(({ at }) => new Date(at).toISOString() === at);
    expect(moments).toEqual([true, true, true]);
  });
});

describe("retries", () => {
  it("are spaced by the default policy: half a second to a second after the first attempt", async () => {
    const heard = await run(() => throwError(() => new Error("no")), { worker: { backoff: undefined } });
    const { delayMs } = await heard.first("retry-scheduled");
    expect(delayMs).toBeGreaterThanOrEqual(500);
    expect(delayMs).toBeLessThanOrEqual(1_000);
    const { rows } = await database.pool.query(
      "select state, attempt, run_at >= created_at + interval '500 ms' as later from millrace.jobs",
    );
    expect(rows).toEqual([{ state: "scheduled", attempt: 1, later: true }]);
  });

  it("are spaced by the data of the worker", async () => {
    const backoff = { initialMs: 20, factor: 3, maxMs: 100, jitter: 0 };
    const heard = await run(() => throwError(() => new Error("no")), {
      job: { maxAttempts: 5 },
      worker: { backoff },
    });
    await heard.first("failed");
    expect(heard.all("retry-scheduled").map(({ delayMs }) => delayMs)).toEqual([20, 60, 100, 100]);
  });

  it("are spaced by the job's own data where it has some", async () => {
    const heard = await run(() => throwError(() => new Error("no")), {
      job: { backoff: { initialMs: 7, factor: 1, jitter: 0 } },
      worker: { backoff: () => "stop" },
    });
    await heard.first("failed");
    expect(heard.all("retry-scheduled").map(({ delayMs }) => delayMs)).toEqual([7, 7]);
  });

  it("are decided by a function of the error, the attempt and the record", async () => {
    const asked: unknown[] = [];
    const heard = await run((job) => throwError(() => new RangeError(`no ${job.attempt}`)), {
      job: { maxAttempts: 9 },
      worker: {
        backoff: (error, attempt, record) => {
          asked.push([error instanceof RangeError, attempt, record.message]);
          return attempt < 3 ? attempt : "stop";
        },
      },
    });
    expect((await heard.first("failed")).job.attempt).toBe(3);
    expect(asked).toEqual([
      [true, 1, "no 1"],
      [true, 2, "no 2"],
      [true, 3, "no 3"],
    ]);
    expect(heard.all("retry-scheduled").map(({ delayMs }) => delayMs)).toEqual([1, 2]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("confused");
      },
      "The retry function threw: confused",
    ],
    ["answers with nonsense", () => Number.NaN, 'The retry function must answer "stop" or a delay'],
  ])("fail for good when the function %s, and say so", async (_, backoff, message) => {
    const heard = await run(() => throwError(() => new Error("no")), { worker: { backoff } });
    const { job, error } = await heard.first("failed");
    expect(job.attempt).toBe(1);
    expect(error.message).toContain(message);
  });

  it("do not follow a PermanentError", async () => {
    const heard = await run(() => throwError(() => new PermanentError("never", { cause: new Error("why") })));
    expect((await heard.first("failed")).job).toMatchObject({ attempt: 1, maxAttempts: 3 });
    expect((await listFailed())[0]?.reason).toContain("never");
  });

  it("follow a Snooze uncounted, as often as it comes", async () => {
    let calls = 0;
    const heard = await run(
      (job) => {
        calls += 1;
        if (calls <= 5) throw new Snooze(10);
        return [job.attempt];
      },
      { job: { maxAttempts: 1 } },
    );
    expect(await heard.first("succeeded")).toMatchObject({ result: 1, job: { attempt: 1 } });
    expect(heard.all("snoozed").map(({ job, delayMs }) => [job.attempt, delayMs])).toEqual(
      Array.from({ length: 5 }, () => [1, 10]),
    );
  });
});

describe("timeoutMs", () => {
  it.each<[string, { readonly job?: JobOptions; readonly worker?: WorkerSettings }]>([
    ["of the job", { job: { timeoutMs: 40, maxAttempts: 1 }, worker: { timeoutMs: 60_000 } }],
    ["of the worker", { job: { maxAttempts: 1 }, worker: { timeoutMs: 40 } }],
  ])("%s ends an attempt through its signal, and counts it", async (_, options) => {
    const reasons: unknown[] = [];
    const heard = await run(
      (_job, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            reasons.push(signal.reason);
            reject(new Error("told to end"));
          });
        }),
      options,
    );
    expect(await heard.first("failed")).toMatchObject({
      job: { attempt: 1 },
      error: { name: "AttemptTimeoutError", message: "The attempt took longer than its timeoutMs of 40 ms" },
    });
    expect(reasons).toEqual([expect.any(AttemptTimeoutError)]);
    expect(heard.all("leaked")).toEqual([]);
  });

  it("gives up a handler that ignores its signal, after the grace, and frees its slot", async () => {
    const stuck = gate();
    const heard = await run((job) => (job.attempt === 1 ? stuck.opened : Promise.resolve("again")), {
      job: { timeoutMs: 40 },
      worker: { concurrency: 1 },
    });
    expect(await heard.first("leaked")).toMatchObject({
      job: { id: heard.id, attempt: 1 },
      reason: "timeout",
    });
    expect(await heard.first("succeeded")).toMatchObject({ job: { attempt: 2 }, result: "again" });
    stuck.open();
  });

  it("claims no more while too many go on, and again when one has ended", async () => {
    const stuck = gate();
    const heard = await run((job) => (job.payload === null ? stuck.opened : "done"), {
      job: { timeoutMs: 20, maxAttempts: 1 },
      worker: { maxLeaked: 1, pollIntervalMs: 20 },
    });
    expect(await heard.first("claims-paused")).toMatchObject({ running: 1, maxLeaked: 1 });
    const client = openClient({ connectionString: database.connectionString, jobs });
    const other = await client.enqueue("work", "other");
    // Longer than polls and notifications take, which would have claimed it.
    await client.enqueue("work", "later", { delayMs: 100 });
    await until(database.pool, "select from millrace.pending having count(*) = 2");
    expect(heard.all("attempt-started")).toHaveLength(1);
    stuck.open();
    expect(await heard.first("leak-ended")).toMatchObject({ job: { id: heard.id }, running: 0 });
    await heard.first("succeeded", ({ job }) => job.id === other);
    expect(heard.all("claims-resumed")).toHaveLength(1);
  });

  it("unsubscribes a handler that is an Observable", async () => {
    let unsubscribed = 0;
    const work = (): Observable<never> => new Observable((to) => to.add(() => (unsubscribed += 1)));
    const heard = await run(work, { job: { timeoutMs: 20, maxAttempts: 1 } });
    await heard.first("failed");
    expect(unsubscribed).toBe(1);
    expect(heard.all("leaked")).toEqual([]);
  });

  it("swallows a rejection that comes after the attempt was given up", async () => {
    const stuck = gate();
    const heard = await run(
      async () => {
        await stuck.opened;
        throw new Error("too late");
      },
      { job: { timeoutMs: 20, maxAttempts: 1 } },
    );
    await heard.first("failed");
    stuck.open();
    await stuck.opened;
    // The worker lives, and nothing was rejected without a handler: that would fail the run.
    await openClient({ connectionString: database.connectionString, jobs }).enqueue("work", null);
    await heard.first("attempt-started", ({ job }) => job.id !== heard.id);
  });
});
