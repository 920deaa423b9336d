import {
  NEVER,
  Observable,
  Subject,
  endWith,
  firstValueFrom,
  interval,
  lastValueFrom,
  share,
  takeUntil,
} from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { fromSignal, InterruptedError, payload, SchemaError } from "../../src/index.ts";
import type {
  AttemptContext,
  HandlerResult,
  Job,
  WorkerHandle,
  WorkerOptions,
  WorkerSettings,
} from "../../src/index.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>() };

type Work = (job: Job, context: AttemptContext) => HandlerResult;

function open(connectionString: string = database.connectionString) {
  return openClient({ connectionString, jobs });
}

async function spawnWorker(work: Work, settings: WorkerSettings = {}): Promise<WorkerHandle<"work">> {
  return open().spawnWorker({ abortGraceMs: 50, ...settings, handlers: { work } });
}

/** A handler that never ends and does not look at its signal. */
const hang: Work = () => new Promise(() => {});

/** A handler that ends when its signal fires. */
const obey: Work = (_job, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));

/** Never emits, and its teardown throws. */
const fragile$ = new Observable<never>(() => () => {
  throw new Error("a bug in a teardown");
});

async function rows(columns: string): Promise<readonly unknown[]> {
  return (await database.pool.query(`select ${columns} from millrace.jobs j order by j.id`))
    .rows as unknown[];
}

/** The connections of workers, without those of clients. */
const WORKER_SESSIONS = `select from pg_stat_activity where datname = current_database()
  and application_name like 'millrace%' and application_name not like 'millrace calls%'`;

describe("shutdown", () => {
  it("lets what runs finish, claims no more, and leaves no connection", async () => {
    const done = gate();
    const worker = await spawnWorker(async () => done.opened, { concurrency: 1 });
    const heard = record(worker.event$);
    const client = open();
    const running = await client.enqueue("work", null);
    await heard.first("attempt-started");
    expect([worker.isShuttingDown, worker.signal.aborted]).toEqual([false, false]);

    const ending = worker.shutdown();
    expect([worker.isShuttingDown, worker.signal.aborted]).toEqual([true, true]);
    expect(await heard.first("draining")).toEqual({ type: "draining", running: 1 });
    const late = await client.enqueue("work", null);
    done.open();
    expect(await ending).toEqual({ outcome: "drained", interrupted: [], leaked: [] });
    await heard.ended;
    expect((await heard.first("succeeded")).job.id).toBe(running);
    expect(heard.events.slice(-2)).toEqual([{ type: "drained" }, { type: "exited", outcome: "drained" }]);
    expect(await rows("id::text, state, attempt")).toEqual([{ id: late, state: "pending", attempt: 0 }]);
    expect(await rows("id")).toHaveLength(1);
    await until(database.pool, `select where not exists (${WORKER_SESSIONS})`);
    expect((await database.pool.query("select from millrace.workers")).rowCount).toBe(0);
  });

  it.each<[string, Partial<WorkerOptions<typeof jobs>>]>([
    ["stop$", { stop$: fragile$ }],
    ["wakeup$", { wakeup$: fragile$ }],
    ["stages.wakeup", { stages: { wakeup: () => fragile$ } }],
  ])("is not held up by a teardown of %s that throws", async (_, options) => {
    const client = open();
    const worker = await client.spawnWorker({ ...options, handlers: { work: () => undefined } });
    expect(await worker.shutdown()).toMatchObject({ outcome: "drained" });
  });

  it("gives concurrent and later calls the same result", async () => {
    const worker = await spawnWorker(() => undefined);
    const ends = await Promise.all([worker.shutdown(), worker.shutdown(), worker.done]);
    ends.push(await worker.shutdown(), await worker.abort());
    expect(ends.every((end) => end === ends[0])).toBe(true);
    expect(ends[0]).toEqual({ outcome: "drained", interrupted: [], leaked: [] });
  });

  it("interrupts what does not finish in time, gives it back uncounted, and names what did not end", async () => {
    const reasons: unknown[] = [];
    const worker = await spawnWorker(
      (job, context) => {
        context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
        return job.payload === "obey" ? obey(job, context) : hang(job, context);
      },
      { drainTimeoutMs: 50, leaseDurationMs: 60_000 },
    );
    const heard = record(worker.event$);
    const [obeys, hangs] = await open().enqueueMany(
      ["obey", "hang"].map((word) => ({ kind: "work", payload: word, source: word }) as const),
    );
    await heard.until(() => heard.all("attempt-started").length === 2);
    const result = await worker.shutdown();
    expect(result.outcome).toBe("timeout");
    expect(new Set(result.interrupted.map(({ id }) => id))).toEqual(new Set([obeys, hangs]));
    expect(result.leaked).toEqual([
      { id: hangs, kind: "work", queue: "default", source: "hang", attempt: 1, maxAttempts: 3 },
    ]);
    expect(reasons).toEqual([expect.any(InterruptedError), expect.any(InterruptedError)]);
    expect(reasons).toMatchObject([{ reason: "shutdown" }, { reason: "shutdown" }]);
    expect(heard.all("released")).toMatchObject([{ job: { id: obeys }, reason: "shutdown" }]);
    expect(await rows("id::text, state, attempt, errors")).toEqual([
      { id: obeys, state: "pending", attempt: 0, errors: [] },
      { id: hangs, state: "claimed", attempt: 1, errors: [] },
    ]);
    // The worker stays entered, so that its lease can run out and the job come back.
    expect((await database.pool.query("select from millrace.workers")).rowCount).toBe(1);
  });

  it("gives back at once and uncounted what was claimed ahead, for others to run", async () => {
    const blocked = gate();
    const blocking = gate();
    const work = (job: { readonly payload: unknown }): Promise<unknown> | undefined => {
      if (job.payload !== "block") return undefined;
      blocking.open();
      return blocked.opened;
    };
    const worker = await spawnWorker(work, { concurrency: 1 });
    const heard = record(worker.event$);
    const client = open();
    const payloads = Array.from({ length: 2_000 }, (_, n) => (n === 500 ? "block" : n));
    await client.enqueueMany(payloads.map((word) => ({ kind: "work", payload: word }) as const));
    await blocking.opened;
    const ending = worker.shutdown();
    await heard.first("released");
    await until(database.pool, "select from millrace.claimed having count(*) = 1");
    const others = record(open().worker({ handlers: { work: () => undefined } }));
    await until(database.pool, "select where not exists (select from millrace.pending)");
    await others.until(
      () => others.all("succeeded").length + heard.all("succeeded").length >= payloads.length - 1,
    );
    expect(heard.all("released").every(({ reason }) => reason === "unstarted")).toBe(true);
    expect(others.all("attempt-started").every(({ job }) => job.attempt === 1)).toBe(true);
    blocked.open();
    expect(await ending).toEqual({ outcome: "drained", interrupted: [], leaked: [] });
  });

  it("lands the claim that is under way, and gives back what it brought", async () => {
    const started: string[] = [];
    const worker = await spawnWorker((job) => void started.push(job.id), { pollIntervalMs: 30_000 });
    const heard = record(worker.event$);
    const client = open();
    const blocker = await database.pool.connect();
    onTestFinished(() => blocker.release(true));
    // What a claim needs and an enqueue does not.
    await blocker.query("begin; lock table millrace.claimed in share mode");
    const id = await client.enqueue("work", null);
    await until(
      database.pool,
      "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%millrace%'",
    );
    const ending = worker.shutdown();
    await heard.first("draining");
    await blocker.query("commit");
    expect(await ending).toEqual({ outcome: "drained", interrupted: [], leaked: [] });
    expect(heard.all("released")).toMatchObject([{ job: { id }, reason: "unstarted" }]);
    expect(started).toEqual([]);
    expect(await rows("id::text, state, attempt")).toEqual([{ id, state: "pending", attempt: 0 }]);
  });

  it("ends though the database is gone, and names the jobs whose outcome it could not write", async () => {
    const url = new URL(database.connectionString);
    const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    url.port = String(proxy.port);
    const done = gate();
    const worker = await open(url.href).spawnWorker({
      drainTimeoutMs: 100,
      abortGraceMs: 50,
      handlers: { work: async () => done.opened },
    });
    const heard = record(worker.event$);
    const id = await open().enqueue("work", null);
    await heard.first("attempt-started");
    await proxy.refuse();
    done.open();
    await heard.first("settle-failed");
    const result = await worker.shutdown();
    expect(result).toMatchObject({ outcome: "timeout", leaked: [{ id }] });
    await heard.ended;
    expect(heard.all("leaked")).toMatchObject([{ job: { id }, reason: "unsettled" }]);
  });
});

describe("abort", () => {
  it("ends without waiting, and leaves what runs to the lease", async () => {
    const reasons: unknown[] = [];
    const worker = await spawnWorker((job, context) => {
      context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
      return hang(job, context);
    });
    const heard = record(worker.event$);
    const id = await open().enqueue("work", null);
    await heard.first("attempt-started");
    const result = await worker.abort();
    expect(result).toMatchObject({ outcome: "aborted", interrupted: [], leaked: [{ id }] });
    expect([worker.isShuttingDown, worker.signal.aborted]).toEqual([true, true]);
    expect(reasons).toMatchObject([{ reason: "aborted" }]);
    // Events come from a queue of their own, a moment after the result.
    expect(await heard.first("exited")).toEqual({ type: "exited", outcome: "aborted" });
    expect(heard.events.at(-1)).toEqual({ type: "exited", outcome: "aborted" });
    expect(heard.all("aborted")).toHaveLength(1);
    expect(await rows("id::text, state")).toEqual([{ id, state: "claimed" }]);
    await until(database.pool, `select where not exists (${WORKER_SESSIONS})`);
  });

  it("works during a shutdown that waits, and both have the same result", async () => {
    const worker = await spawnWorker(hang, { drainTimeoutMs: 600_000 });
    const heard = record(worker.event$);
    await open().enqueue("work", null);
    await heard.first("attempt-started");
    const shutdown = worker.shutdown();
    await heard.first("draining");
    const aborted = await worker.abort();
    expect(aborted.outcome).toBe("aborted");
    expect(await shutdown).toBe(aborted);
  });
});

describe("a cold worker", () => {
  it("is aborted when it is unsubscribed: its lease runs out and another has the job", async () => {
    const reasons: unknown[] = [];
    const heard = record(
      open().worker({
        leaseDurationMs: 500,
        handlers: {
          work: (_job, { signal }) => {
            signal.addEventListener("abort", () => reasons.push(signal.reason));
            return NEVER;
          },
        },
      }),
    );
    const id = await open().enqueue("work", null);
    await heard.first("attempt-started");
    heard.stop();
    expect(reasons).toMatchObject([{ reason: "aborted" }]);
    await until(database.pool, `select where not exists (${WORKER_SESSIONS})`);
    const next = record(open().worker({ handlers: { work: () => undefined } }));
    expect((await next.first("succeeded")).job).toMatchObject({ id, attempt: 2 });
  });

  it.each<[string, (stop$: Subject<void>) => void]>([
    ["emits", (stop$) => stop$.next()],
    ["errors", (stop$) => stop$.error(new Error("of the app"))],
  ])("drains and completes when its stop$ %s", async (_, end) => {
    const done = gate();
    const stop$ = new Subject<void>();
    const heard = record(open().worker({ stop$, handlers: { work: async () => done.opened } }));
    await open().enqueue("work", null);
    await heard.first("attempt-started");
    end(stop$);
    await heard.first("draining");
    done.open();
    await heard.ended;
    expect(heard.events.at(-1)).toEqual({ type: "exited", outcome: "drained" });
    expect(heard.all("succeeded")).toHaveLength(1);
  });

  it("starts anew with each subscriber", async () => {
    const worker$ = open().worker({ handlers: { work: () => undefined } });
    const [one, other] = [record(worker$), record(worker$)];
    const ids = [(await one.first("started")).workerId, (await other.first("started")).workerId];
    expect(new Set(ids).size).toBe(2);
  });
});

describe("a handle", () => {
  it("is shut down at the end of its block, with await using", async () => {
    let handle: WorkerHandle<"work"> | undefined;
    {
      await using worker = await spawnWorker(() => undefined);
      handle = worker;
      expect(worker.isShuttingDown).toBe(false);
    }
    expect(handle.isShuttingDown).toBe(true);
    expect(await handle.done).toMatchObject({ outcome: "drained" });
    await until(database.pool, `select where not exists (${WORKER_SESSIONS})`);
  });

  it("is shut down when its client closes, after which no connection is left", async () => {
    const done = gate();
    const client = open();
    const workers = [
      await client.spawnWorker({ handlers: { work: async () => done.opened } }),
      await client.spawnWorker({ handlers: { work: async () => done.opened } }),
    ];
    await client.enqueueMany([1, 2].map((n) => ({ kind: "work", payload: n }) as const));
    await until(database.pool, "select from millrace.claimed having count(*) = 2");
    const closed = client.close();
    expect(workers.map(({ isShuttingDown }) => isShuttingDown)).toEqual([true, true]);
    done.open();
    await closed;
    await client.close();
    expect(await Promise.all(workers.map((worker) => worker.done))).toMatchObject([
      { outcome: "drained" },
      { outcome: "drained" },
    ]);
    expect(await rows("id")).toEqual([]);
    const MILLRACE =
      "select from pg_stat_activity where datname = current_database() and application_name like 'millrace%'";
    await until(database.pool, `select where not exists (${MILLRACE})`);
  });

  it("ends the app's own subtasks by its signal", async () => {
    const worker = await spawnWorker(() => undefined);
    const tick$ = interval(10).pipe(takeUntil(fromSignal(worker.signal)), share());
    const completed = lastValueFrom(tick$.pipe(endWith("completed")));
    await firstValueFrom(tick$);
    const ending = worker.shutdown();
    expect(await completed).toBe("completed");
    expect(await ending).toMatchObject({ outcome: "drained" });
  });

  it("goes on when the app ends subtasks by a signal of its own", async () => {
    const worker = await spawnWorker(() => undefined);
    const heard = record(worker.event$);
    const own = new AbortController();
    const either = AbortSignal.any([worker.signal, own.signal]);
    const completed = lastValueFrom(interval(10).pipe(takeUntil(fromSignal(either)), endWith("completed")));
    own.abort();
    expect(await completed).toBe("completed");
    expect([worker.isShuttingDown, worker.signal.aborted]).toEqual([false, false]);
    const id = await open().enqueue("work", null);
    expect((await heard.first("succeeded")).job.id).toBe(id);
  });

  it("does not stop the worker when it is dropped, and the worker does not outlive its client", async () => {
    const client = open();
    await client.spawnWorker({ handlers: { work: () => undefined } });
    await client.enqueue("work", null);
    await until(database.pool, "select where not exists (select from millrace.jobs)");
    await client.close();
    await until(database.pool, `select where not exists (${WORKER_SESSIONS})`);
  });

  it("says why, when the worker cannot go on", async () => {
    const client = openClient({ connectionString: database.connectionString, schema: "doomed", jobs });
    await client.migrate();
    const worker = await client.spawnWorker({ leaseDurationMs: 300, handlers: { work: () => undefined } });
    const heard = record(worker.event$);
    await database.pool.query("drop schema doomed cascade");
    const result = await worker.done;
    expect(result).toMatchObject({ outcome: "failed", error: expect.any(SchemaError) as unknown });
    await heard.ended;
    expect(heard.events.at(-1)).toMatchObject({ type: "worker-failed", error: { name: "SchemaError" } });
    expect(worker.signal.aborted).toBe(true);
    expect(await worker.shutdown()).toBe(result);
  });
});
