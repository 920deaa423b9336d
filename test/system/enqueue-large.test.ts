import { describe, expect, it } from "vitest";
import { payload } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const jobs = { other: payload<unknown>() };

/** The rows of the view `jobs` in the order of ids. */
async function rows(columns: string): Promise<readonly unknown[]> {
  return (await database.pool.query(`select ${columns} from millrace.jobs j order by j.id`))
    .rows as unknown[];
}

describe("payloads that are too large for one statement", () => {
  /** Two of them are too much. */
  const large = "x".repeat(9 * 2 ** 20);

  function openLarge() {
    return openClient({ connectionString: database.connectionString, jobs, maxPayloadBytes: 2 ** 24 });
  }

  it("are written by enqueueMany in one transaction, in the order of the jobs", async () => {
    const specs = [1, 2, 3].map((n) => ({
      kind: "other" as const,
      payload: { n, large },
      key: `stone ${n % 2}`,
    }));
    const ids = await openLarge().enqueueMany(specs);
    expect(ids[2]).toBe(ids[0]);
    const text = "select id::text, payload->>'n' as n, xmin::text as tx from millrace.pending order by id";
    const { rows: found } = await database.pool.query<{ id: string; n: string; tx: string }>(text);
    expect(found.map(({ id, n }) => [id, n])).toEqual([
      [ids[0], "1"],
      [ids[1], "2"],
    ]);
    expect(new Set(found.map(({ tx }) => tx)).size).toBe(1);
  });

  it("are all left out by enqueueMany when Postgres refuses one", async () => {
    await database.pool.query(
      "alter table millrace.pending add constraint no_poison check (source <> 'poison')",
    );
    try {
      const client = openLarge();
      const enqueued = client.enqueueMany([
        { kind: "other", payload: large },
        { kind: "other", payload: large, source: "poison" },
      ]);
      await expect(enqueued).rejects.toThrow("a value was refused by no_poison (23514)");
      expect(await client.pendingCount()).toBe(0);
    } finally {
      await database.pool.query("alter table millrace.pending drop constraint no_poison");
    }
  });

  it("are written by calls of the same moment, and in a transaction of the app's", async () => {
    const client = openLarge();
    const ids = await Promise.all([1, 2, 3].map(() => client.enqueue("other", large)));
    expect(new Set(ids).size).toBe(3);
    const tx = await database.client();
    await tx.query("begin");
    const more = await client.enqueueMany(
      [1, 2].map(() => ({ kind: "other" as const, payload: large })),
      { tx },
    );
    expect(await client.pendingCount()).toBe(3);
    await tx.query("commit");
    expect(await rows("id::text as id")).toEqual([...ids, ...more].map((id) => ({ id })));
  });
});

describe("more jobs than one statement writes", () => {
  it("are written in one transaction, and answered with their ids in the order of the jobs", async () => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    const count = 12_000;
    const ids = await client.enqueueMany(
      Array.from({ length: count }, (_, n) => ({ kind: "other" as const, payload: n, delayMs: n % 2 })),
    );
    expect(ids).toHaveLength(count);
    const { rows: found } = await database.pool.query<{ id: string; n: number; tx: string }>(
      `select id::text, payload::int as n, xmin::text as tx from millrace.pending union all
       select id::text, payload::int, xmin::text from millrace.scheduled order by n`,
    );
    expect(found.map(({ id }) => id)).toEqual(ids);
    expect(new Set(found.map(({ tx }) => tx)).size).toBe(1);
    expect(BigInt(ids.at(-1) ?? 0) - BigInt(ids[0] ?? 0)).toBe(BigInt(count - 1));
  });
});
