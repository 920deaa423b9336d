import pg from "pg";
import { filter, firstValueFrom, lastValueFrom, map, skip, timeout, toArray } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { OptionError, payload } from "../../src/index.ts";
import type { Client, JobUpdate } from "../../src/index.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>(), other: payload<unknown>() };

function open(): Client<typeof jobs> {
  return openClient({ connectionString: database.connectionString, jobs });
}

/** The first value that `where` holds for. */
async function first<T>(value$: Observable<T>, where: (value: T) => boolean): Promise<T> {
  return firstValueFrom(value$.pipe(filter(where), timeout(20_000)));
}

async function statesOf(update$: Observable<JobUpdate>): Promise<readonly string[]> {
  const states$ = update$.pipe(
    map(({ state }) => state),
    toArray(),
    timeout(20_000),
  );
  const states = await lastValueFrom(states$);
  return states.filter((state, index) => state !== states[index - 1]);
}

describe("client.watch", () => {
  it("shows a job that another client runs: scheduled, claimed, retried, completed, and all events", async () => {
    const [app, mill] = [open(), open()];
    const begun = gate();
    const go = gate();
    const heard = record(
      mill.worker({
        backoff: { initialMs: 400, jitter: 0 },
        handlers: {
          work: async ({ attempt }) => {
            begun.open();
            if (attempt === 1) await go.opened;
            if (attempt === 1) throw new Error("too wet");
            return { flour: 3 };
          },
        },
      }),
    );
    await heard.first("started");
    const id = await app.enqueue("work", null, { delayMs: 300, keepResultMs: 60_000 });
    const updates: JobUpdate[] = [];
    const last = lastValueFrom(
      app.watch(id).pipe(
        timeout(20_000),
        map((update) => (updates.push(update), update)),
      ),
    );
    await begun.opened;
    await first(app.watch(id), ({ state }) => state === "claimed");
    go.open();
    expect(await last).toMatchObject({ state: "completed", job: { result: { flour: 3 }, attempt: 2 } });
    const states = updates.map(({ state }) => state);
    expect(states[0]).toBe("scheduled");
    expect(states).toContain("claimed");
    expect(states.at(-1)).toBe("completed");
    const types = updates.flatMap(({ events }) => events.map(({ type }) => type));
    expect(types).toContain("retry-scheduled");
    // A poll may find the end before its event comes.
    expect(types.filter((type) => type === "succeeded").length).toBeLessThanOrEqual(1);
    expect(await app.result(id)).toEqual({ flour: 3 });
  });

  it("says gone at once of a job that is not there, and refuses what is no id", async () => {
    const client = open();
    expect(await lastValueFrom(client.watch("123456789"))).toEqual({
      id: "123456789",
      state: "gone",
      job: undefined,
      events: [],
    });
    expect(() => client.watch("x")).toThrow(OptionError);
    await expect(client.result("1", { timeoutMs: -1 })).rejects.toThrow("`timeoutMs`");
  });

  it("goes on over the loss of its connection", async () => {
    const client = open();
    const go = gate();
    const heard = record(client.worker({ handlers: { work: () => go.opened } }));
    await heard.first("started");
    const id = await client.enqueue("work", null, { keepResultMs: 60_000 });
    const states = statesOf(client.watch(id));
    await heard.first("attempt-started");
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name in ('millrace events', 'millrace calls')`,
    );
    go.open();
    expect((await states).at(-1)).toBe("completed");
  });

  it("tells the end of a job that keeps nothing by its event", async () => {
    const client = open();
    const go = gate();
    const heard = record(client.worker({ handlers: { work: () => go.opened } }));
    const id = await client.enqueue("work", null);
    await heard.first("attempt-started");
    const claimed = first(client.watch(id), ({ state }) => state === "claimed");
    const end = lastValueFrom(client.watch(id));
    const listening = first(client.events(), ({ type }) => type === "listening");
    await Promise.all([claimed, listening]);
    go.open();
    expect(await end).toMatchObject({ id, state: "completed" });
    await expect(client.result(id)).rejects.toMatchObject({ name: "ResultError", reason: "gone" });
  });
});

describe("client.result", () => {
  it("rejects with what failed the job, and in time", async () => {
    const client = open();
    const slow = await client.enqueue("other", null);
    await expect(client.result(slow, { timeoutMs: 50 })).rejects.toMatchObject({ reason: "timeout" });
    record(
      client.worker({
        handlers: {
          work: () => {
            throw new Error("no rye");
          },
        },
      }),
    );
    const id = await client.enqueue("work", null, { maxAttempts: 1 });
    await expect(client.result(id)).rejects.toMatchObject({
      reason: "failed",
      cause: { message: "no rye", attempt: 1 },
    });
  });

  it("rejects with ClosedError when the client is closed meanwhile", async () => {
    const client = open();
    const id = await client.enqueue("other", null);
    const thrown = client.result(id).catch((error: unknown) => error);
    await first(client.watch(id), ({ state }) => state === "pending");
    await client.close();
    expect(await thrown).toMatchObject({ name: "ClosedError" });
  });
});

describe("keepResultMs of a client", () => {
  it("keeps the results of a kind, of jobs that do not say themselves", async () => {
    const { connectionString } = database;
    const client = openClient({ connectionString, jobs, keepResultMs: { work: 60_000 } });
    await client.spawnWorker({ handlers: { work: () => "flour", other: () => "dust" } });
    const ids = [
      await client.enqueue("work", null),
      ...(await client.enqueueMany([{ kind: "work", payload: null, keepResultMs: 120_000 }])),
    ];
    for (const id of ids) expect(await client.result<string>(id, { timeoutMs: 20_000 })).toBe("flour");
    const { rows } = await database.pool.query(
      "select keep_result_ms::int as ms from millrace.completed order by id",
    );
    expect(rows).toEqual([{ ms: 60_000 }, { ms: 120_000 }]);
    const other = await client.enqueue("other", null);
    await expect(client.result(other, { timeoutMs: 20_000 })).rejects.toMatchObject({ reason: "gone" });
  });
});

describe("client.cancel", () => {
  it("ends a waiting job at once, with its reason", async () => {
    const client = open();
    const id = await client.enqueue("work", null, { delayMs: 60_000 });
    expect(await client.cancel(id, "changed my mind")).toEqual({ ended: [id], requested: [] });
    expect(await client.listFailed()).toMatchObject([{ id, cancelled: true, reason: "changed my mind" }]);
    await expect(client.result(id)).rejects.toMatchObject({ reason: "cancelled" });
    expect(await client.bulkRetry()).toBe(0);
    expect(await client.cancel(id)).toEqual({ ended: [], requested: [] });
  });

  it("interrupts a running job of another process, which ends as cancelled and uncounted", async () => {
    const [app, mill] = [open(), open()];
    let reason: unknown;
    const heard = record(
      mill.worker({
        pollIntervalMs: 60_000,
        handlers: {
          work: (_job, { signal }) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener("abort", () => {
                reason = signal.reason;
                reject(new Error("stopped"));
              });
            }),
        },
      }),
    );
    await heard.first("listen-restored");
    const id = await app.enqueue("work", null);
    await heard.first("attempt-started");
    expect(await app.cancel(id, "no need")).toEqual({ ended: [], requested: [id] });
    expect(await heard.first("cancelled")).toMatchObject({ job: { id }, reason: "no need" });
    expect(reason).toMatchObject({ name: "CancelledError", reason: "cancelled", message: "no need" });
    expect(await app.listFailed()).toMatchObject([{ id, cancelled: true, attempt: 0 }]);
  });

  it("leaves nothing claimed where a cancelled attempt ignores its signal", async () => {
    const client = open();
    const worker = await client.spawnWorker({
      abortGraceMs: 20,
      handlers: { work: () => new Promise(() => undefined) },
    });
    const heard = record(worker.event$);
    const id = await client.enqueue("work", null);
    await heard.first("attempt-started");
    await client.cancel(id);
    await heard.first("cancelled");
    expect(heard.all("leaked")).toMatchObject([{ job: { id }, reason: "cancelled" }]);
    expect(await worker.shutdown()).toEqual({ outcome: "drained", interrupted: [], leaked: [] });
    expect((await database.pool.query("select from millrace.workers")).rowCount).toBe(0);
  });

  it("cancels by kind, queue or source, and refuses to cancel all by an empty filter", async () => {
    const client = open();
    const [a, b, c] = await client.enqueueMany([
      { kind: "work", payload: 1, source: "s" },
      { kind: "work", payload: 2, queue: "q" },
      { kind: "other", payload: 3, source: "s" },
    ]);
    expect((await client.cancel({ source: "s", kind: "other" })).ended).toEqual([c]);
    expect((await client.cancel({ queue: "q" })).ended).toEqual([b]);
    await expect(client.cancel({})).rejects.toThrow("got none of them");
    await expect(client.cancel({ kind: "nope" as "work" })).rejects.toThrow("Unknown kind");
    await expect(client.cancel({ knd: "work" } as object)).rejects.toThrow("Unknown option");
    await expect(client.cancel("x")).rejects.toThrow("`id`");
    await expect(client.cancel("1", "")).rejects.toThrow("`reason`");
    expect(await client.pendingCount()).toBe(1);
    expect((await client.cancel({ kind: "work" })).ended).toEqual([a]);
  });
});

describe("live queries", () => {
  it("tell depth, active jobs, workers and failed jobs, each at once and after each change", async () => {
    const [app, mill] = [open(), open()];
    const go = gate();
    expect(await firstValueFrom(app.depth())).toEqual([]);
    expect(await firstValueFrom(app.workers())).toEqual([]);
    const id = await app.enqueue("work", null, { maxAttempts: 1 });
    await first(app.depth(), (depth) => depth.some(({ state, count }) => state === "pending" && count === 1));
    const active = first(app.active(), (list) => list.length === 1);
    const failed = first(app.failed(), (list) => list.length === 1);
    const workers = first(app.workers(), (list) => list.length === 1);
    const worker = await mill.spawnWorker({
      label: "mill",
      handlers: { work: () => go.opened.then(() => Promise.reject(new Error("no"))) },
    });
    expect(await workers).toMatchObject([{ label: "mill", queues: ["default"] }]);
    expect(await active).toMatchObject([{ id, state: "claimed", claimedBy: "mill" }]);
    go.open();
    expect(await failed).toMatchObject([{ id, reason: expect.stringContaining("no") as unknown }]);
    await worker.shutdown();
    await first(app.workers(), (list) => list.length === 0);
    await app.deleteFailed(id);
    await first(app.failed(), (list) => list.length === 0);
    expect(() => app.failed(0)).toThrow("`limit`");
  });

  it("cost a hundred subscribers no more queries than one, and leave no connection behind", async () => {
    const pool = new pg.Pool({ connectionString: database.connectionString });
    onTestFinished(() => pool.end());
    let queries = 0;
    const query = pool.query.bind(pool) as (given: unknown) => Promise<unknown>;
    pool.query = ((given: unknown) => {
      if (JSON.stringify(given).includes("as state, count(*)")) queries += 1;
      return query(given);
    }) as typeof pool.query;
    const app = openClient({ pool, jobs });
    const values = Array.from({ length: 100 }, () =>
      firstValueFrom(app.depth().pipe(skip(1), timeout(20_000))),
    );
    await first(app.depth(), () => true);
    const before = queries;
    await app.enqueue("work", null);
    expect(new Set((await Promise.all(values)).map((value) => JSON.stringify(value))).size).toBe(1);
    expect(before).toBeLessThanOrEqual(2);
    expect(queries).toBeLessThanOrEqual(before + 3);
    await until(
      database.pool,
      `select where not exists (
         select from pg_stat_activity where application_name = 'millrace events' and datname = current_database())`,
    );
  });

  it("complete when the client is closed", async () => {
    const client = open();
    const ended = lastValueFrom(client.depth());
    await firstValueFrom(client.depth());
    await client.close();
    expect(await ended).toEqual([]);
  });
});
