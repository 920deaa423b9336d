import { describe, expect, it } from "vitest";
import { completeIn, enqueueIn } from "../../src/postgres/transaction.ts";
import { statements } from "../../src/postgres/statements.ts";
import { bench, FAILED, newJob, SUCCEEDED } from "../contract/bench.ts";
import type { Bench } from "../contract/bench.ts";
import { postgresSetup } from "../contract/postgres-subject.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { LEFT, NOTHING, openBench, SOMEBODY_WAITS } from "./store-bench.ts";

const database = usePostgres();
const sql = statements("millrace");

const FAMILIES = 1_000;

async function twoBenches(): Promise<readonly [Bench, Bench]> {
  const { store, ...subject } = await postgresSetup(database)({});
  return [bench({ ...subject, store }), bench({ ...subject, store: database.store() })];
}

describe("fan-in", () => {
  it("starts each child once, a thousand times, when two siblings succeed at the same instant", async () => {
    const [left, right] = await twoBenches();
    const fathers = await left.addAll(Array.from({ length: FAMILIES }, () => newJob({ queue: "left" })));
    const mothers = await left.addAll(Array.from({ length: FAMILIES }, () => newJob({ queue: "right" })));
    await left.addAll(
      fathers.map((father, index) => newJob({ queue: "child", after: [father, mothers[index] ?? ""] })),
    );
    const [leftWorker, rightWorker] = [await left.worker(), await right.worker()];
    const limits = { limit: FAMILIES, startLimit: FAMILIES };
    const leftJobs = await left.claim(leftWorker, { queue: "left", ...limits });
    const rightJobs = await right.claim(rightWorker, { queue: "right", ...limits });

    let told = 0;
    for (const [index, leftJob] of leftJobs.entries()) {
      const rightJob = rightJobs[index];
      if (rightJob === undefined) throw new Error("Expected a sibling");
      const settled = await Promise.all([
        left.settle(leftWorker, [leftJob], SUCCEEDED),
        right.settle(rightWorker, [rightJob], SUCCEEDED),
      ]);
      told += settled.filter(({ readyQueues }) => readyQueues.includes("child")).length;
    }

    expect(told).toBe(FAMILIES);
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([{ ...NOTHING, pending: FAMILIES }]);
  }, 60_000);

  it("starts every child when large batches that share children settle at the same instant", async () => {
    const [left, right] = await twoBenches();
    const parents = await left.addAll(Array.from({ length: 200 }, () => newJob()));
    const [leftWorker, rightWorker] = [await left.worker(), await right.worker()];
    const leftJobs = await left.claim(leftWorker);
    const rightJobs = await right.claim(rightWorker);
    await left.addAll(
      parents.map((_, index) => newJob({ queue: "child", after: parents.slice(index).toReversed() })),
    );

    const settled = await Promise.all([
      left.settle(leftWorker, leftJobs, SUCCEEDED),
      right.settle(rightWorker, rightJobs.toReversed(), SUCCEEDED),
    ]);

    expect(settled.map(({ accepted }) => accepted.length)).toEqual([100, 100]);
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([{ ...NOTHING, pending: 200 }]);
  });

  it("never leaves a child waiting for a parent that settles while the child is enqueued", async () => {
    const [left, right] = await twoBenches();
    const worker = await left.worker();
    for (let round = 0; round < 200; round += 1) {
      const parent = await left.add();
      const claimed = await left.claimOne(worker);
      await Promise.all([
        left.settle(worker, [claimed], SUCCEEDED),
        right.add({ queue: "child", after: [parent] }),
      ]);
    }
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([{ ...NOTHING, pending: 200 }]);
  });

  it("never loses a parent that moves from table to table while the child is enqueued", async () => {
    const [left, right] = await twoBenches();
    const worker = await left.worker();
    const parent = await left.add();
    let moving = true;
    const move = async (): Promise<void> => {
      while (moving) await left.release(worker, await left.claim(worker));
    };
    const enqueue = async (): Promise<void> => {
      for (let round = 0; round < 200; round += 1) await right.add({ queue: "child", after: [parent] });
      moving = false;
    };
    await Promise.all([move(), enqueue()]);
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([{ ...NOTHING, pending: 1, waiting: 200, dependencies: 200 }]);
  });

  it.each([
    ["commits", "commit", { ...NOTHING, pending: 1 }],
    ["rolls back", "rollback", NOTHING],
  ])("holds a parent until the app's transaction %s, which enqueued a child", async (_, end, left) => {
    const on = await openBench(database);
    const worker = await on.worker();
    const parent = await on.add();
    const claimed = await on.claimOne(worker);
    const client = await database.client();
    await client.query("begin");
    await enqueueIn(client, sql, [newJob({ after: [parent] })]);
    const settling = on.settle(worker, [claimed], SUCCEEDED);
    await until(database.pool, SOMEBODY_WAITS);
    await client.query(end);
    expect((await settling).accepted).toEqual([parent]);
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([left]);
  });

  it("refuses the second of two siblings that complete under REPEATABLE READ, and loses no child", async () => {
    const on = await openBench(database);
    const worker = await on.worker();
    const parents = await on.addAll([newJob(), newJob()]);
    await on.add({ queue: "child", after: parents });
    const [first, second] = await on.claim(worker);
    if (first === undefined || second === undefined) throw new Error("Expected two jobs");
    const [one, other] = [await database.client(), await database.client()];
    for (const client of [one, other]) {
      await client.query("begin isolation level repeatable read");
      await client.query("select from millrace.waiting");
    }
    expect(await completeIn(one, sql, { workerId: worker, claim: first })).toBe(true);
    await one.query("commit");
    const completing = completeIn(other, sql, { workerId: worker, claim: second });
    await expect(completing).rejects.toMatchObject({ code: "40001" });
    await other.query("rollback");
    expect(await on.settle(worker, [second], SUCCEEDED)).toEqual({
      accepted: [second.id],
      completed: [],
      cancelled: [],
      readyQueues: ["child"],
    });
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([{ ...NOTHING, pending: 1 }]);
  });

  it("fails or starts every descendant once when two parents fail at the same instant", async () => {
    const [left, right] = await twoBenches();
    const [leftWorker, rightWorker] = [await left.worker(), await right.worker()];
    for (let round = 0; round < 100; round += 1) {
      const parents = await left.addAll([newJob(), newJob()]);
      const [failing, running] = await left.addAll([
        newJob({ after: parents, afterFailure: "fail" }),
        newJob({ after: parents, afterFailure: "run", queue: "child" }),
      ]);
      await left.addAll([
        newJob({ after: [failing ?? ""], afterFailure: "fail" }),
        newJob({ after: [failing ?? "", running ?? ""], afterFailure: "run", queue: "child" }),
      ]);
      const one = await left.claimOne(leftWorker);
      const other = await right.claimOne(rightWorker);
      await Promise.all([left.settle(leftWorker, [one], FAILED), right.settle(rightWorker, [other], FAILED)]);
    }
    const { rows } = await database.pool.query(LEFT);
    // Of each round: two parents and two descendants failed, one child started, one waits for that.
    expect(rows).toEqual([{ ...NOTHING, failed: 400, pending: 100, waiting: 100, dependencies: 100 }]);
  });
});
