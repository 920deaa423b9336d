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
