import { describe, expect, it } from "vitest";
import { payload } from "../../src/index.ts";
import { startWorker } from "../support/child.ts";
import type { Deed } from "../support/children/worker.ts";
import { openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const jobs = { deed: payload<Deed>() };

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

const SESSIONS_OF_WORKERS = `select from pg_stat_activity where datname = current_database()
  and application_name like 'millrace%' and application_name not like 'millrace calls%'`;

async function states(): Promise<readonly unknown[]> {
  const { rows } = await database.pool.query<{ state: string; attempt: number }>(
    "select state, attempt from millrace.jobs j order by j.id",
  );
  return rows;
}

describe("stopOnSignals", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "drains on %s, after which the process exits by itself with code 0",
    async (signal) => {
      const client = open();
      const worker = await startWorker({
        connectionString: database.connectionString,
        signals: true,
        worker: { concurrency: 1 },
      });
      const running = await client.enqueue("deed", { sleepMs: 300 });
      await worker.event("attempt-started");
      worker.kill(signal);
      await worker.event("draining");
      await client.enqueue("deed", "succeed");
      const { result, succeeded } = await worker.result();
      expect(result).toEqual({ outcome: "drained", interrupted: [], leaked: [] });
      expect(succeeded).toEqual([running]);
      expect(await worker.ended()).toBe(0);
      expect(worker.errors()).toBe("");
      expect(await states()).toEqual([{ state: "pending", attempt: 0 }]);
      await until(database.pool, `select where not exists (${SESSIONS_OF_WORKERS})`);
    },
  );

  it("aborts on the second signal, after which the process exits by itself, with a handler that never ends", async () => {
    const worker = await startWorker({
      connectionString: database.connectionString,
      signals: true,
      worker: { drainTimeoutMs: 600_000 },
    });
    const id = await open().enqueue("deed", "hang");
    await worker.event("attempt-started");
    worker.kill("SIGTERM");
    await worker.event("draining");
    worker.kill("SIGINT");
    expect((await worker.result()).result).toMatchObject({ outcome: "aborted", leaked: [{ id }] });
    expect(await worker.ended()).toBe(0);
    expect(await states()).toEqual([{ state: "claimed", attempt: 1 }]);
  });

  it("gives an obedient job back uncounted when the drain timeout passes", async () => {
    const worker = await startWorker({
      connectionString: database.connectionString,
      signals: true,
      worker: { drainTimeoutMs: 100 },
    });
    const id = await open().enqueue("deed", "obey");
    await worker.event("attempt-started");
    worker.kill("SIGTERM");
    expect((await worker.result()).result).toMatchObject({
      outcome: "timeout",
      interrupted: [{ id }],
      leaked: [],
    });
    expect(await worker.ended()).toBe(0);
    expect(await states()).toEqual([{ state: "pending", attempt: 0 }]);
  });
});

describe("a process whose worker was shut down", () => {
  it("exits by itself, without signals", async () => {
    const worker = await startWorker({ connectionString: database.connectionString, stopAfter: 3 });
    await open().enqueueMany(
      Array.from({ length: 3 }, () => ({ kind: "deed", payload: "succeed" }) as const),
    );
    expect((await worker.result()).succeeded).toHaveLength(3);
    expect(await worker.ended()).toBe(0);
    expect(worker.errors()).toBe("");
  });
});

describe("a subscriber of the app", () => {
  it("that throws or is slow neither ends its process nor stops the worker", async () => {
    const count = 300;
    const worker = await startWorker({
      connectionString: database.connectionString,
      quiet: true,
      stopAfter: count,
      subscribers: ["throws", "slow"],
    });
    await open().enqueueMany(
      Array.from({ length: count }, () => ({ kind: "deed", payload: "succeed" }) as const),
    );
    await until(database.pool, "select where not exists (select from millrace.jobs)");
    const { result, succeeded } = await worker.result();
    expect(result.outcome).toBe("drained");
    expect(new Set(succeeded).size).toBe(count);
    expect(await worker.ended()).toBe(0);
    expect(worker.errors()).toBe("");
  });
});
