import { lastValueFrom } from "rxjs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../examples/memory/database.ts";
import type { Database } from "../../examples/memory/database.ts";
import { memoryHandlers } from "../../examples/memory/handlers.ts";
import { untilIdle } from "../../examples/memory/idle.ts";
import { connectJobs, enqueueTurn } from "../../examples/memory/jobs.ts";
import type { JobClient } from "../../examples/memory/jobs.ts";
import { openMemory } from "../../examples/memory/memory.ts";
import { contentStems } from "../../examples/memory/text/language.ts";
import type { Turn } from "../../examples/memory/text/turns.ts";
import { rarityOf } from "../../examples/memory/text/vector.ts";
import { inTransaction } from "../../examples/memory/transaction.ts";

const [SCHEMA, JOBS] = ["memory_handlers_test", "memory_handlers_test_jobs"];
const TEXT = "Congress passed new laws for farmers. Private insurance helps very few people.";
const DENIAL = "Congress has not passed new laws.";
const memory = openMemory(SCHEMA);
const rarity = rarityOf([contentStems(TEXT)]);

let database: Database;
let client: JobClient;

beforeAll(async () => {
  database = await openDatabase({ connections: 12 });
}, 30_000);

afterAll(() => database[Symbol.asyncDispose]());

beforeEach(async ({ onTestFinished }) => {
  await database.pool.query(`drop schema if exists ${SCHEMA}, ${JOBS} cascade`);
  await memory.create(database.pool);
  client = connectJobs(database.connectionString, JOBS);
  await client.migrate();
  onTestFinished(() => client.close());
});

const handlers = () => memoryHandlers({ client, pool: database.pool, memory, rarity });
const summary = () => memory.synthesis.summarize(database.pool);

/** Writes a turn with its first jobs. */
async function say(id: number, text: string): Promise<void> {
  const turn: Turn = { id, year: 1900 + id, president: "Nobody", position: 0, text };
  await inTransaction(database.pool, async (tx) => {
    await memory.turns.insert(tx, [turn]);
    await enqueueTurn(client, tx, { turn: id, version: 1 });
  });
}

/** Runs a worker until nothing is left to do. */
async function work(): Promise<void> {
  const worker = await client.spawnWorker({ handlers: handlers(), concurrency: 8 });
  await lastValueFrom(untilIdle(database.pool, JOBS), { defaultValue: undefined });
  expect(await worker.shutdown()).toMatchObject({ outcome: "drained", leaked: [] });
  expect(await client.listFailed()).toEqual([]);
}

/** Waits until a transaction waits for an advisory lock. */
async function waitingForLock(): Promise<void> {
  while ((await count("pg_locks where locktype = 'advisory' and not granted")) === 0);
}

/** Counts the rows of a table of the memory or of the jobs. */
async function count(table: string): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    `select count(*)::integer as count from ${table}`,
  );
  return rows[0]?.count ?? -1;
}

describe("memoryHandlers", () => {
  it("makes a turn into facts with vectors and labels, and into judged triples", async () => {
    await say(1, TEXT);
    await work();
    expect(await summary()).toMatchObject({ turns: 1, facts: 2, triples: 2, confirmed: 0 });
    expect(await count(`${SCHEMA}.vectors`)).toBe(2);
    expect(await count(`${SCHEMA}.labels`)).toBe(3);
    expect(await count(`${SCHEMA}.triples where verdict = 'new' and fact_id is not null`)).toBe(2);
    expect(await count(`${SCHEMA}.synthesis`)).toBe(1);
  });

  it("keeps one fact of all that say the same at once", async () => {
    await Promise.all(Array.from({ length: 12 }, (_, at) => say(at + 1, TEXT)));
    await work();
    expect(await summary()).toMatchObject({ facts: 2, duplicates: 22, confirmed: 22 });
  }, 30_000);

  it("finds what one turn affirms and another denies", async () => {
    await say(1, TEXT);
    await say(2, DENIAL);
    await work();
    expect(await summary()).toMatchObject({ contradicted: 1 });
    expect(await memory.synthesis.contradictions(database.pool, 9)).toEqual([
      { statement: "Congress pass new law", affirmedBy: "Nobody 1901", deniedBy: "Nobody 1902" },
    ]);
  });

  it("lets the second of two that say opposite things wait, and find the first", async () => {
    await say(1, TEXT);
    await say(2, DENIAL);
    const run = (kind: keyof ReturnType<typeof handlers>, turn: number, complete = async () => {}) => {
      const handler = handlers()[kind] as (job: unknown, context: unknown) => Promise<void>;
      return handler({ payload: { turn, version: 1 } }, { complete });
    };
    await run("relational_extract", 1);
    let second: Promise<void> | undefined;
    await run("synthesize", 1, async () => {
      // Its triples come while the first is being synthesized, which has looked for others already.
      await run("relational_extract", 2);
      second = run("synthesize", 2);
      await waitingForLock();
    });
    await second;
    expect(await summary()).toMatchObject({ contradicted: 1 });
  });

  it("retires what came from the old text of a corrected turn, and derives the new one", async () => {
    await say(1, TEXT);
    await work();
    await client.enqueue("reprocess", { turn: 1, text: "Congress passed laws for farmers." });
    await work();
    expect(await summary()).toMatchObject({
      corrected: 1,
      facts: 1,
      stale: 1,
      rejected: 1,
      triples: 1,
    });
    expect(await count(`${SCHEMA}.vectors`)).toBe(3);
    expect(await count(`${SCHEMA}.synthesis`)).toBe(2);
  });

  it("does nothing about a version that was corrected meanwhile", async () => {
    await say(1, TEXT);
    await memory.turns.correct(database.pool, 1, TEXT);
    await work();
    expect(await summary()).toMatchObject({ facts: 0, triples: 0 });
  });

  it("writes nothing and enqueues nothing when the job is not its own any more", async () => {
    await say(1, TEXT);
    const jobs = await count(`${JOBS}.jobs`);
    const lost = new Error("lost");
    const job = { payload: { turn: 1, version: 1 }, source: "turn:1" };
    const context = { complete: () => Promise.reject(lost) };
    const extract = handlers().extract as (job: unknown, context: unknown) => Promise<void>;
    await expect(extract(job, context)).rejects.toBe(lost);
    expect([await count(`${SCHEMA}.facts`), await count(`${JOBS}.jobs`)]).toEqual([0, jobs]);
  });
});
