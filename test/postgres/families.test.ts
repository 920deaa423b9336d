import { describe, expect, it } from "vitest";
import type { AfterFailure } from "../../src/core/job.ts";
import { bench, FAILED, newJob, RELEASED, retried, SUCCEEDED } from "../contract/bench.ts";
import type { Bench } from "../contract/bench.ts";
import { postgresSetup } from "../contract/postgres-subject.ts";
import { usePostgres } from "../support/postgres.ts";
import { LEFT, NOTHING } from "./store-bench.ts";

const database = usePostgres();

const BATCHES = 400;
const POLICIES: readonly AfterFailure[] = ["wait", "run", "fail"];
const OUTCOMES = [SUCCEEDED, SUCCEEDED, FAILED, retried(0), RELEASED];

/** What everybody works on: the ids so far, and whether more will come. */
interface World {
  readonly on: Bench;
  readonly ids: string[];
  enqueuers: number;
}

describe("families of jobs under contention", () => {
  it("never wait for each other in a circle, and all come to an end", async () => {
    const subject = await postgresSetup(database)({});
    const on = bench({ ...subject, store: database.store({ max: 10 }) });
    const world: World = { on, ids: [], enqueuers: 3 };
    world.ids.push(...(await on.addAll(Array.from({ length: 50 }, () => newJob()))));
    const everybody = [enqueue(world), enqueue(world), enqueue(world), operate(world)];
    everybody.push(...Array.from({ length: 4 }, () => work(world)));
    await Promise.all(everybody);
    await finish(world);
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([NOTHING]);
  }, 120_000);
});

/** Enqueues jobs that wait for others, old and new, in any order and of any state. */
async function enqueue(world: World): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const jobs = Array.from({ length: 1 + below(8) }, () =>
      newJob({ after: some(world.ids, below(6)), afterFailure: POLICIES[below(3)] ?? "wait" }),
    );
    world.ids.push(...(await world.on.addAll(jobs)));
  }
  world.enqueuers -= 1;
}

/** Claims jobs, and settles them in two random halves at the same instant; sometimes dies. */
async function work(world: World): Promise<void> {
  const { on } = world;
  let worker = await on.worker();
  while (world.enqueuers > 0) {
    const jobs = shuffled(await on.claim(worker, { limit: 1 + below(30), startLimit: below(3) }));
    if (below(20) === 0) {
      await on.expireLease(worker);
      worker = await on.worker();
      continue;
    }
    const ended = jobs.map((job) => ({ ...job, outcome: OUTCOMES[below(OUTCOMES.length)] ?? SUCCEEDED }));
    const half = below(ended.length + 1);
    await Promise.all([on.settleAll(worker, ended.slice(0, half)), on.settleAll(worker, ended.slice(half))]);
  }
}

/** Recovers, retries and deletes. */
async function operate(world: World): Promise<void> {
  const { on, ids } = world;
  for (let round = 0; world.enqueuers > 0; round += 1) {
    await on.recover();
    for (const id of some(ids, 2)) await on.retryJob(id);
    for (const id of some(ids, 2)) await on.deleteFailed(id);
    if (round % 20 === 0) await on.bulkRetry(undefined, { dryRun: false });
  }
}

/** Lets every job that is left succeed, those that failed after a retry. */
async function finish({ on, ids }: World): Promise<void> {
  await database.pool.query("update millrace.workers set lease_expires_at = clock_timestamp()");
  const worker = await on.worker();
  for (let round = 0; round <= ids.length; round += 1) {
    await on.recover(10_000);
    await on.bulkRetry(undefined, { dryRun: false });
    const jobs = await on.claim(worker, { limit: 10_000 });
    await on.settle(worker, jobs, SUCCEEDED);
    if (jobs.length === 0) return;
  }
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}

/** Some of the latest hundred. */
function some(ids: readonly string[], count: number): readonly string[] {
  return Array.from({ length: count }, () => ids.at(-1 - below(Math.min(100, ids.length))) ?? "0");
}

function shuffled<T>(list: readonly T[]): readonly T[] {
  return list
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
