import { describe, expect, it } from "vitest";
import { payload } from "../../src/index.ts";
import type { WorkerSettings } from "../../src/index.ts";
import { launchWorker, startWorker } from "../support/child.ts";
import type { ChildWorker } from "../support/child.ts";
import type { Deed } from "../support/children/worker.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

/** Shorter than the time that a child takes to start. */
const LEASE_MS = 700;

const jobs = { deed: payload<Deed>() };

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

async function child(worker: WorkerSettings): Promise<ChildWorker> {
  return startWorker({ connectionString: database.connectionString, worker });
}

describe("a worker whose process is killed", () => {
  it("has its job recovered within a second after its lease, counted, and run by another", async () => {
    const leaseDurationMs = 1_500;
    const doomed = await child({ leaseDurationMs, label: "doomed" });
    const client = open();
    const id = await client.enqueue("deed", "hang");
    await doomed.event("attempt-started");
    const rescuer = record(client.worker({ handlers: { deed: (job) => [job.crashes] } }));
    await rescuer.first("started");
    doomed.kill("SIGKILL");
    const killedAt = performance.now();
    const { job, waitMs, at } = await rescuer
      .first("attempt-started")
      .then((event) => ({ ...event, at: performance.now() }));
    expect(job).toMatchObject({ id, attempt: 2 });
    expect(waitMs).toBeLessThan(1_000);
    expect(at - killedAt).toBeLessThan(leaseDurationMs + 1_000);
    expect(rescuer.all("lease-recovered")).toMatchObject([
      { count: 1, jobs: [{ id, kind: "deed", attempt: 1, state: "pending" }] },
    ]);
    expect((await rescuer.first("succeeded")).result).toBe(1);
    await until(database.pool, "select from (select count(*) from millrace.workers) w where count = 1");
  });

  it("does not run a job for ever that kills it each time: that fails with its reason, and the others finish", async () => {
    const client = open();
    const [poison = ""] = await client.enqueueMany([
      { kind: "deed", payload: "kill", priority: -1, source: "turn 66" },
      ...Array.from({ length: 20 }, () => ({ kind: "deed", payload: "succeed" }) as const),
    ]);
    const worker = { leaseDurationMs: LEASE_MS, concurrency: 1 };
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const { ended } = launchWorker({ connectionString: database.connectionString, worker });
      expect(await ended()).toBe("SIGKILL");
      await until(database.pool, "select from millrace.claimed where id = $1 and attempt = $2", [
        poison,
        attempt,
      ]);
    }
    const survivor = record(client.worker({ handlers: { deed: () => undefined } }));
    expect(await survivor.first("lease-recovered")).toMatchObject({
      // What was prefetched beside it comes back, too, uncharged.
      jobs: expect.arrayContaining([
        expect.objectContaining({ id: poison, source: "turn 66", attempt: 3, state: "failed" }),
      ]) as unknown,
    });
    await until(database.pool, "select where not exists (select from millrace.jobs where state <> 'failed')");
    const [failed, ...others] = await client.listFailed();
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ id: poison, attempt: 3, crashes: 3 });
    expect(failed?.reason).toBe("WorkerDiedError: The lease of its worker ran out in attempt 3 of 3");
    expect(failed?.errors.map(({ attempt, name }) => [attempt, name])).toEqual([
      [1, "WorkerDiedError"],
      [2, "WorkerDiedError"],
      [3, "WorkerDiedError"],
    ]);
  });
});

describe("a worker that sleeps through its lease", () => {
  it("writes nothing when it wakes, says so, and comes back as a new incarnation", async () => {
    const sleeper = await child({ leaseDurationMs: LEASE_MS, label: "sleeper" });
    const client = open();
    const id = await client.enqueue("deed", { sleepMs: 2_000 });
    await sleeper.event("attempt-started");
    sleeper.kill("SIGSTOP");
    const stillRuns = gate();
    const rescuer = record(client.worker({ handlers: { deed: async () => stillRuns.opened } }));
    await rescuer.first("attempt-started", ({ job }) => job.id === id && job.attempt === 2);
    const HELD = "select claimed_by, attempt, token from millrace.jobs j where j.id = $1";
    const { rows: before } = await database.pool.query<{ claimed_by: string }>(HELD, [id]);

    sleeper.kill("SIGCONT");
    const { workerId } = await sleeper.event("lease-expired");
    await sleeper.event("started");
    expect((await sleeper.event("lease-lost")).job).toMatchObject({ id, attempt: 1 });
    const { rows: after } = await database.pool.query(HELD, [id]);
    expect(after).toEqual(before);
    expect(before).toMatchObject([{ attempt: 2, token: 2 }]);
    expect(before[0]?.claimed_by).not.toBe("sleeper");
    stillRuns.open();
    expect((await rescuer.first("succeeded")).job).toMatchObject({ id, attempt: 2 });
    rescuer.stop();

    const again = await client.enqueue("deed", "succeed");
    expect((await sleeper.event("succeeded")).job).toMatchObject({ id: again, attempt: 1 });
    const { rows: entered } = await database.pool.query<{ id: string }>(
      "select id::text from millrace.workers where label = 'sleeper'",
    );
    expect(entered.map((row) => row.id === workerId)).toEqual([false]);
    expect(sleeper.types().filter((type) => type === "lease-lost")).toHaveLength(1);
    sleeper.kill("SIGKILL");
    await sleeper.ended();
  });
});
