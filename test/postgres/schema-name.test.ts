import { describe, expect, it, onTestFinished } from "vitest";
import { channelOf } from "../../src/postgres/channel.ts";
import { quoteIdentifier } from "../../src/postgres/identifier.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import type { Enqueued } from "../../src/core/store-calls.ts";
import { idsOf, newJob } from "../contract/bench.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const NAMES = [
  'My "jobs"',
  "x".repeat(63),
  "jobs'); drop schema millrace cascade; --",
  "Mühle Wasser 水車 🛞",
  "back\\slash",
  "$1",
  "%I",
  "select",
];

describe("a schema may be called", () => {
  it.each(NAMES)("%s", async (schema) => {
    const { pool } = database;
    await migrate(pool, schema);
    onTestFinished(
      () => void pool.query(`drop schema ${quoteIdentifier(schema)} cascade`).catch(() => undefined),
    );
    const store = database.store({ schema });
    const heard: (string | undefined)[] = [];
    const listener = await database.client();
    listener.on("notification", ({ payload }) => heard.push(payload));
    await listener.query(`listen ${quoteIdentifier(channelOf(schema))}`);

    const written = await store.enqueue([newJob({ kind: "mill" }), newJob({ delayMs: 60_000 })]);
    await store.enqueue([newJob({ after: idsOf(written as readonly Enqueued[]), key: "stone" })]);
    await pool.query(`select ${quoteIdentifier(schema)}.enqueue('mill', '{}')`);
    const workerId = (await store.register({
      label: "w",
      queues: ["default"],
      leaseDurationMs: 60_000,
    })) as string;
    const claim = { workerId, queue: "default", kinds: ["mill"], limit: 9, startLimit: 9, started: [] };
    expect(await store.claim(claim)).toHaveLength(2);
    const { rows } = await pool.query(
      `select state, claimed_by from ${quoteIdentifier(schema)}.jobs order by id`,
    );
    expect(rows).toEqual([
      { state: "claimed", claimed_by: "w" },
      { state: "scheduled", claimed_by: null },
      { state: "waiting", claimed_by: null },
      { state: "claimed", claimed_by: "w" },
    ]);
    await listener.query("select 1");
    expect(heard).toEqual(['{"queue" : "default"}']);
  });
});

describe("channelOf", () => {
  it("is the name behind a prefix where that fits into 63 bytes", () => {
    expect(channelOf("millrace")).toBe("millrace:millrace");
    expect(channelOf('My "jobs"')).toBe('millrace:My "jobs"');
  });

  it("never exceeds 63 bytes, and stays apart for names that differ only at their end", () => {
    for (const letter of ["x", "ü", "水", "🛞"]) {
      const names = Array.from({ length: 20 }, (_, index) => letter.repeat(14) + letter.repeat(index));
      const channels = names.map(channelOf);
      expect(new Set(channels).size).toBe(names.length);
      for (const channel of channels) {
        expect(Buffer.byteLength(channel)).toBeLessThanOrEqual(63);
        expect(channel.isWellFormed()).toBe(true);
      }
    }
  });
});
