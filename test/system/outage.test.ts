import pg from "pg";
import { filter, firstValueFrom, shareReplay, skip } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import type { EmbeddedPostgres } from "../../src/embedded/index.ts";
import { payload } from "../../src/index.ts";
import { startWorker } from "../support/child.ts";
import type { Deed } from "../support/children/worker.ts";
import { memoryLog, openClient } from "../support/client.ts";
import { makeTempDir } from "../support/embedded-processes.ts";
import { record } from "../support/recording.ts";

const jobs = { deed: payload<Deed>() };

/** A server that can be stopped and started again at the same place, with its data. */
async function restartable(): Promise<{
  readonly connectionString: string;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}> {
  const dataDir = await makeTempDir();
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir, persistent: true });
  onTestFinished(() => server.stop());
  const { connectionString, port } = server;
  return {
    connectionString,
    stop: () => server.stop(),
    start: async () => {
      server = await startEmbeddedPostgres({ dataDir, persistent: true, port });
    },
  };
}

describe("a worker whose Postgres is restarted", () => {
  it("goes on with the same lease, in a process that neither exits nor complains", async () => {
    const server = await restartable();
    const client = openClient({ connectionString: server.connectionString, jobs });
    await client.migrate();
    const worker = await startWorker({ connectionString: server.connectionString, signals: true });
    const before = await client.enqueue("deed", "succeed");
    await worker.event("succeeded", ({ job }) => job.id === before);
    const during = await client.enqueue("deed", { sleepMs: 200 });
    await worker.event("attempt-started", ({ job }) => job.id === during);

    await server.stop();
    await worker.event("listen-lost");
    await server.start();

    expect((await worker.event("succeeded", ({ job }) => job.id === during)).job.attempt).toBe(1);
    const after = await client.enqueue("deed", "succeed");
    await worker.event("succeeded", ({ job }) => job.id === after);
    await worker.until((types) => types.lastIndexOf("listen-restored") > types.indexOf("listen-lost"));
    expect(worker.types()).not.toContain("started");
    expect(worker.types()).not.toContain("lease-expired");
    worker.kill("SIGTERM");
    expect((await worker.result()).result).toMatchObject({ outcome: "drained", leaked: [] });
    expect(await worker.ended()).toBe(0);
    expect(worker.errors()).toBe("");
  });
});

describe("the trace of a crash", () => {
  it("is left by a process of Postgres that is killed, and not by a restart", async () => {
    const server = await restartable();
    const client = openClient({ connectionString: server.connectionString, jobs });
    await client.migrate();
    const heard = record(client.worker({ handlers: { deed: () => undefined } }));
    await heard.first("started");
    const sinceCrash = async (): Promise<number> => {
      const { rows } = await onServer("select count(*)::int as workers from millrace.since_crash");
      return (rows[0] as { workers: number }).workers;
    };
    const onServer = async (text: string): Promise<pg.QueryResult> => {
      const admin = new pg.Client({ connectionString: server.connectionString });
      await admin.connect();
      try {
        return await admin.query(text);
      } finally {
        await admin.end();
      }
    };
    expect(await sinceCrash()).toBe(1);
    await server.stop();
    await server.start();
    expect(await sinceCrash()).toBe(1);

    const { rows } = await onServer(
      "select pid from pg_stat_activity where backend_type = 'background writer'",
    );
    process.kill((rows[0] as { pid: number }).pid, "SIGKILL");
    await expect.poll(() => sinceCrash().catch(String), { timeout: 10_000 }).toBe(0);
    const id = await client.enqueue("deed", "succeed");
    await heard.first("succeeded", ({ job }) => job.id === id);
  });
});

describe("a worker and a listener to events whose Postgres takes reads only all of a sudden", () => {
  it("leave it with every connection, though they have nothing to do", async () => {
    const { connectionString } = await restartable();
    const client = openClient({ connectionString, jobs });
    await client.migrate();
    const heard = record(client.worker({ handlers: { deed: () => undefined } }));
    const told$ = client.events().pipe(shareReplay());
    const listening$ = told$.pipe(filter(({ type }) => type === "listening"));
    await firstValueFrom(listening$);
    await heard.first("listen-restored");
    const admin = new pg.Client({ connectionString });
    await admin.connect();
    onTestFinished(() => admin.end());
    const readOnly = async (value: "on" | "off"): Promise<void> => {
      await admin.query(`alter system set default_transaction_read_only = ${value}`);
      await admin.query("select pg_reload_conf()");
    };
    const connections = async (): Promise<ReadonlyMap<number, string>> => {
      const { rows } = await admin.query<{ pid: number; name: string }>(
        "select pid, application_name as name from pg_stat_activity where application_name like 'millrace%'",
      );
      return new Map(rows.map(({ pid, name }) => [pid, name]));
    };
    const before = await connections();
    const names = [...before.values()].map((name) => name.split(" ")[1]);
    expect(new Set(names)).toEqual(new Set(["calls", "events", "lease", "listen", "work"]));

    await readOnly("on");
    // Each process of the server hears of a setting in a moment.
    const refused = () => client.enqueue("deed", "succeed").catch((error: unknown) => error);
    await expect.poll(refused).toMatchObject({ code: "25006" });
    await expect
      .poll(async () => [...(await connections()).keys()].filter((pid) => before.has(pid)), {
        timeout: 5_000,
      })
      .toEqual([]);
    await readOnly("off");
    await firstValueFrom(listening$.pipe(skip(1)));
    const id = await client.enqueue("deed", "succeed");
    await heard.first("succeeded", ({ job }) => job.id === id);
    await firstValueFrom(told$.pipe(filter((event) => event.type === "succeeded" && event.job.id === id)));
    expect(heard.all("lease-expired")).toEqual([]);
  });
});

describe("a worker that starts before its Postgres", () => {
  it("gives a handle at once, says that it could not start, and comes up when Postgres does", async () => {
    const server = await restartable();
    const { connectionString } = server;
    const client = openClient({ connectionString, jobs });
    await client.migrate();
    await server.stop();
    const log = memoryLog("info");
    const late = openClient({ connectionString, jobs, logger: log.logger });
    const worker = await late.spawnWorker({ handlers: { deed: () => undefined } });
    const heard = record(worker.event$);
    const cold = record(late.worker({ handlers: { deed: () => undefined }, label: "cold" }));
    const { error, retryInMs } = await cold.first("start-failed");
    expect(error.message).toContain("ECONNREFUSED");
    expect(retryInMs).toBeGreaterThan(0);
    expect(worker.isShuttingDown).toBe(false);

    await server.start();
    await heard.first("started");
    await cold.first("started");
    await client.enqueue("deed", "succeed");
    cold.stop();
    expect(await worker.shutdown()).toMatchObject({ outcome: "drained" });
    // An outage is a few lines, however many tries there were.
    const warnings = log.lines().filter(({ event, level }) => event === "start-failed" && level === 40);
    expect(warnings).toHaveLength(2);
  });

  it("can be shut down while it waits", async () => {
    const server = await restartable();
    await server.stop();
    const client = openClient({ connectionString: server.connectionString, jobs });
    const worker = await client.spawnWorker({ handlers: { deed: () => undefined } });
    expect(await worker.shutdown()).toEqual({ outcome: "drained", interrupted: [], leaked: [] });
    const aborted = await client.spawnWorker({ handlers: { deed: () => undefined } });
    expect(await aborted.abort()).toEqual({ outcome: "aborted", interrupted: [], leaked: [] });
  });
});
