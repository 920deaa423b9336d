import pg from "pg";
import { filter, firstValueFrom, take, toArray } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { payload } from "../../src/index.ts";
import type { ClientOptions } from "../../src/index.ts";
import { memoryLog, openClient } from "../support/client.ts";
import { pgbouncer, startPgbouncer } from "../support/pgbouncer.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>(), other: payload<unknown>() };

const NOTE = pgbouncer === undefined ? " (skipped: there is no pgbouncer on the PATH)" : "";

function open(connectionString: string, options: Partial<ClientOptions<typeof jobs>> = {}) {
  return openClient({ connectionString, jobs, throughPooler: true, ...options });
}

/** What is left in the sessions of the server that PgBouncer holds, of which there is one. */
const LEFT = `
  select (select count(*)::int from pg_prepared_statements) as prepared,
         (select count(*)::int from pg_listening_channels()) as channels,
         (select count(*)::int from pg_locks where locktype = 'advisory') as locks,
         array(select name from pg_settings where source = 'session' order by name) as settings`;

/** PgBouncer sets these itself, as its clients wish. */
const TRACKED = [
  "DateStyle",
  "TimeZone",
  "application_name",
  "client_encoding",
  "standard_conforming_strings",
];

describe.skipIf(pgbouncer === undefined)(`a client with throughPooler, behind PgBouncer${NOTE}`, () => {
  it("runs jobs of every ending by polling, with one warning", async () => {
    const log = memoryLog("warn");
    const client = open(await startPgbouncer(database.connectionString), { logger: log.logger });
    const heard = record(
      client.worker({
        pollIntervalMs: 50,
        leaseDurationMs: 1_000,
        backoff: { initialMs: 10, jitter: 0 },
        handlers: {
          work: async (job, { signal }) => {
            if (job.payload === "forever") {
              await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error())));
            }
            if (job.payload === "again" && job.attempt === 1) throw new Error("not yet");
            return job.payload;
          },
          other: async (_job, { complete }) => {
            const tx = await database.client();
            await tx.query("begin");
            await complete(tx);
            await tx.query("commit");
          },
        },
      }),
    );
    await heard.first("started");
    const first = await client.enqueue("work", "first", { key: "once", keepResultMs: 60_000 });
    const ids = await client.enqueueMany([
      { kind: "work", payload: "after", after: [first], keepResultMs: 60_000 },
      { kind: "work", payload: "later", delayMs: 100 },
      { kind: "work", payload: "again" },
      { kind: "other", payload: null },
    ]);
    const forever = await client.enqueue("work", "forever");
    expect(await client.result(ids[0] ?? "", { timeoutMs: 10_000 })).toBe("after");
    await heard.first("attempt-started", ({ job }) => job.id === forever);
    expect(await client.cancel(forever)).toEqual({ ended: [], requested: [forever] });
    await heard.first("cancelled");
    await heard.until(() => heard.all("succeeded").length === 5);
    expect((await client.enqueueOnce("work", "first", { key: "once" })).inserted).toBe(false);
    expect(heard.all("retry-scheduled")).toHaveLength(1);
    expect(heard.all("listen-lost")).toHaveLength(1);
    expect(heard.events.filter(({ type }) => /-failed$|^lease/u.test(type))).toEqual([]);
    const lines = log.lines().filter(({ event }) => event !== "retry-scheduled");
    expect(lines).toMatchObject([
      { event: "listen-lost", err: { message: expect.stringContaining("throughPooler") } },
    ]);
  });

  it("leaves no state in the sessions that it shares with others", async () => {
    const connectionString = await startPgbouncer(database.connectionString, 1);
    const client = open(connectionString);
    await client.migrate();
    const worker = await client.spawnWorker({
      pollIntervalMs: 20,
      leaseDurationMs: 300,
      publish: "always",
      handlers: { work: () => undefined },
    });
    const heard = record(worker.event$);
    await client.enqueueMany(Array.from({ length: 50 }, () => ({ kind: "work" as const, payload: null })));
    await client.enqueue("work", null, { key: "one" });
    await heard.until(() => heard.all("succeeded").length === 51);
    await worker.shutdown();
    await client.listFailed();
    await client.close();
    const look = new pg.Client({ connectionString });
    await look.connect();
    onTestFinished(() => look.end());
    const [left] = (await look.query<{ settings: readonly string[] }>(LEFT)).rows;
    expect(left).toMatchObject({ prepared: 0, channels: 0, locks: 0 });
    expect(left?.settings.filter((name) => !TRACKED.includes(name))).toEqual([]);
  });

  it("watches jobs and counts by looking, and says of events that it hears none", async () => {
    const client = open(await startPgbouncer(database.connectionString));
    const told = firstValueFrom(client.events().pipe(take(1)));
    expect(await told).toMatchObject({ type: "deaf", error: { message: expect.stringContaining("LISTEN") } });
    const id = await client.enqueue("work", null, { keepResultMs: 60_000 });
    const states = firstValueFrom(client.watch(id).pipe(toArray()));
    const empty = firstValueFrom(client.depth().pipe(filter((depth) => depth[0]?.state === "completed")));
    record(client.worker({ pollIntervalMs: 50, handlers: { work: () => "done" } }));
    expect((await states).at(-1)).toMatchObject({ state: "completed", job: { result: "done" } });
    expect(await empty).toEqual([{ queue: "default", state: "completed", count: 1 }]);
  });

  it("takes the app's own pool", async () => {
    const pool = new pg.Pool({ connectionString: await startPgbouncer(database.connectionString) });
    onTestFinished(() => pool.end());
    const client = openClient({ pool, jobs, throughPooler: true });
    const heard = record(client.worker({ pollIntervalMs: 50, handlers: { work: () => undefined } }));
    const calls = Array.from({ length: 40 }, () => client.enqueue("work", null));
    await Promise.all(calls);
    await heard.until(() => heard.all("succeeded").length === 40);
  });

  it("tries to LISTEN where it is told to, hears nothing, and goes on by polling", async () => {
    const client = open(await startPgbouncer(database.connectionString));
    const heard = record(
      client.worker({ listen: true, pollIntervalMs: 50, handlers: { work: () => undefined } }),
    );
    await client.enqueue("work", null);
    await heard.first("succeeded");
    expect((await heard.first("listen-lost")).error.message).not.toContain("throughPooler");
    expect(heard.all("listen-restored")).toEqual([]);
  });

  it("is needed: without it PgBouncer refuses the connection", async () => {
    const client = open(await startPgbouncer(database.connectionString), { throughPooler: false });
    await expect(client.enqueue("work", null)).rejects.toThrow("statement_timeout");
  });
});

describe("throughPooler", () => {
  it("makes a worker poll, and say once that it does not listen", async () => {
    const client = open(database.connectionString);
    const heard = record(client.worker({ pollIntervalMs: 20, handlers: { work: () => undefined } }));
    const other = open(database.connectionString);
    await other.enqueue("work", null);
    await heard.first("succeeded");
    expect(heard.all("listen-lost")).toHaveLength(1);
    expect(heard.all("listen-restored")).toEqual([]);
    const { rows } = await database.pool.query(
      "select from pg_stat_activity where datname = current_database() and application_name like 'millrace listen%'",
    );
    expect(rows).toEqual([]);
  });

  it("says nothing where the worker was told not to listen", async () => {
    const client = open(database.connectionString);
    const heard = record(
      client.worker({ listen: false, pollIntervalMs: 20, handlers: { work: () => undefined } }),
    );
    await client.enqueue("work", null);
    await heard.first("succeeded");
    expect(heard.all("listen-lost")).toEqual([]);
  });

  it("must be true or false", () => {
    expect(() => open(database.connectionString, { throughPooler: "yes" as unknown as boolean })).toThrow(
      'Expected `throughPooler` to be true or false, got "yes" (string)',
    );
  });
});
