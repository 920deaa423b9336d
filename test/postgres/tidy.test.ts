import { describe, expect, it, onTestFinished } from "vitest";
import { tidyStage } from "../../src/stages/tidy.ts";
import { statements } from "../../src/postgres/statements.ts";
import { kept } from "../contract/bench.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();

describe("tidyStage on Postgres", () => {
  it("deletes results that have expired, more than one statement does, and entries of processes that died", async () => {
    const bench = await openBench(database);
    await bench.addAll(
      Array.from({ length: 2_300 }, (_, index) => ({ keepResultMs: index < 2_200 ? 1_000 : 300_000 })),
    );
    const worker = await bench.worker();
    await bench.settle(worker, await bench.claim(worker, { limit: 2_300 }), kept(1));
    await bench.elapse(2_000);
    await database.pool.query(
      `insert into millrace.subscribers (id, filters, expires_at)
       values (gen_random_uuid(), '[]', now() - interval '2 minutes'), (gen_random_uuid(), '[]', now())`,
    );
    const store = database.store();
    const told: unknown[] = [];
    const subscription = tidyStage({
      expireFailed: () => [0],
      expireResults: (limit) => store.expireResults(limit),
      tidy: () => store.tidy(),
      random: () => 0,
    }).subscribe((event) => told.push(event));
    onTestFinished(() => subscription.unsubscribe());
    await until(
      database.pool,
      `select true where (select count(*) from millrace.completed) = 100
                     and (select count(*) from millrace.subscribers) = 1`,
    );
    expect(told).toEqual([]);
  });
});

describe("tidy", () => {
  it("asks how full the queue of notifications is", async () => {
    const { run } = database.open();
    const [row] = await run(statements("millrace").tidy);
    expect(row).toMatchObject({ queue_usage: expect.any(Number) as unknown, removed: 0 });
  });
});
