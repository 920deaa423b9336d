import { describe, expect, it } from "vitest";
import type { ClaimedJob } from "../../src/core/job.ts";
import { bench, newJob, RELEASED, retried, SUCCEEDED } from "../contract/bench.ts";
import type { Bench, Written } from "../contract/bench.ts";
import { postgresSetup } from "../contract/postgres-subject.ts";
import { usePostgres } from "../support/postgres.ts";
import type { TestDatabase } from "../support/postgres.ts";
import { LEFT, NOTHING } from "./store-bench.ts";

const database = usePostgres();

const JOBS = 20_000;
const CONNECTIONS = 8;
const LARGEST_CLAIM = 100;

/** What all connections write down together. */
interface Tally {
  readonly succeeded: string[];
  readonly refused: { stale: number };
  readonly recovered: { jobs: number };
}

describe("a store under contention", () => {
  it("settles each job exactly once while others release, retry, crash and recover at random", async () => {
    const tally: Tally = { succeeded: [], refused: { stale: 0 }, recovered: { jobs: 0 } };
    const benches = await connections(database);
    const [first] = benches;
    const ids = await enqueueAll(first, JOBS);

    await Promise.all(benches.map((connected, seed) => work(connected, tally, randomFrom(seed + 1))));

    expect(tally.succeeded).toHaveLength(JOBS);
    expect(new Set(tally.succeeded)).toEqual(new Set(ids));
    expect(tally.refused.stale).toBeGreaterThan(0);
    expect(tally.recovered.jobs).toBeGreaterThan(0);
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([NOTHING]);
  }, 120_000);
});

async function connections(on: TestDatabase): Promise<readonly [Bench, ...Bench[]]> {
  const { store, ...subject } = await postgresSetup(on)({});
  const one = (): Bench => bench({ ...subject, store: on.store({ max: 1 }) });
  return [bench({ ...subject, store }), ...Array.from({ length: CONNECTIONS - 1 }, one)];
}

async function enqueueAll(on: Bench, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    ids.push(...(await on.addAll(Array.from({ length: 1_000 }, () => newJob({ maxAttempts: 1_000 })))));
  }
  return ids;
}

/** One worker after another on one connection, until all jobs have succeeded. */
async function work(on: Bench, tally: Tally, random: () => number): Promise<void> {
  let workerId = await on.worker();
  while (tally.succeeded.length < JOBS) {
    const limit = 1 + Math.floor(random() * LARGEST_CLAIM);
    const jobs = await on.claim(workerId, { limit, startLimit: Math.floor(random() * limit) });
    const chance = random();
    if (jobs.length === 0) {
      tally.recovered.jobs += (await on.recover(50)).jobs.length;
    } else if (chance < 0.05) {
      await crash(on, workerId, { jobs, tally });
      workerId = await on.worker();
    } else if (chance < 0.15) {
      await on.release(workerId, jobs);
    } else {
      await settle(on, workerId, { jobs, tally, outcome: chance < 0.25 ? mixed(random) : () => SUCCEEDED });
    }
  }
}

/** The lease runs out, somebody recovers the jobs, and then the dead worker writes after all. */
async function crash(
  on: Bench,
  workerId: string,
  { jobs, tally }: { readonly jobs: readonly ClaimedJob[]; readonly tally: Tally },
): Promise<void> {
  await on.expireLease(workerId);
  tally.recovered.jobs += (await on.recover(1_000)).jobs.length;
  await settle(on, workerId, { jobs, tally, outcome: () => SUCCEEDED });
}

async function settle(
  on: Bench,
  workerId: string,
  {
    jobs,
    tally,
    outcome,
  }: { readonly jobs: readonly ClaimedJob[]; readonly tally: Tally; readonly outcome: () => Written },
): Promise<void> {
  const settlements = jobs.map(({ id, token }) => ({ id, token, outcome: outcome() }));
  const accepted = new Set((await on.settleAll(workerId, settlements)).accepted);
  for (const { id, outcome: written } of settlements) {
    if (!accepted.has(id)) tally.refused.stale += 1;
    else if (written.type === "succeeded") tally.succeeded.push(id);
  }
}

function mixed(random: () => number): () => Written {
  return () => {
    const chance = random();
    if (chance < 0.5) return SUCCEEDED;
    return chance < 0.75 ? RELEASED : retried(0);
  };
}

/** A small generator of numbers from 0 up to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
