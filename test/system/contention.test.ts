import { describe, expect, it } from "vitest";
import { payload } from "../../src/index.ts";
import { startWorker } from "../support/child.ts";
import type { Deed } from "../support/children/worker.ts";
import { openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const jobs = { deed: payload<Deed>() };

const JOBS = 20_000;

describe("workers side by side", () => {
  it(`run each of ${JOBS} jobs once, in four workers of two processes`, async () => {
    const order = { connectionString: database.connectionString, quiet: true, signals: true, workers: 2 };
    const processes = await Promise.all([startWorker(order), startWorker(order)]);
    const client = openClient({ connectionString: database.connectionString, jobs });
    const batch = Array.from({ length: 1_000 }, () => ({ kind: "deed", payload: "succeed" }) as const);
    const enqueued: string[] = [];
    while (enqueued.length < JOBS) enqueued.push(...(await client.enqueueMany(batch)));
    await until(database.pool, "select where not exists (select from millrace.jobs)", [], 60_000);
    for (const { kill } of processes) kill("SIGTERM");
    const results = await Promise.all(processes.map(async ({ results: end }) => end(2)));
    expect(await Promise.all(processes.map(async ({ ended }) => ended()))).toEqual([0, 0]);
    const ran = results.map((of) => of.flatMap((one) => one.ran));
    expect(ran.flat()).toHaveLength(JOBS);
    expect(new Set(ran.flat())).toEqual(new Set(enqueued));
    // All of them had a share.
    expect(results.flat().map((one) => one.ran.length > 0)).toEqual([true, true, true, true]);
    expect(processes.map(({ types }) => types().filter((type) => type === "lease-lost"))).toEqual([[], []]);
  }, 120_000);
});
