import { describe, expect, it } from "vitest";
import { channelOf, hintText } from "../../src/postgres/channel.ts";
import { arrayLiteral } from "../../src/postgres/array-literal.ts";
import { statements } from "../../src/postgres/statements.ts";
import { completeIn, enqueueIn, notifyIn } from "../../src/postgres/transaction.ts";
import type { Transaction } from "../../src/postgres/transaction.ts";
import { newJob } from "../contract/bench.ts";
import { usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();
const sql = statements("millrace");

describe("enqueueIn", () => {
  it.each([
    ["commit", 2],
    ["rollback", 0],
  ])("writes with the app's transaction: %s", async (end, count) => {
    const on = await openBench(database);
    const client = await database.client();
    await client.query("begin");
    const ids = await enqueueIn(client, sql, [newJob(), newJob()]);
    expect(ids).toHaveLength(2);
    expect(await on.pendingCount()).toBe(0);
    await client.query(end);
    expect(await on.pendingCount()).toBe(count);
  });

  it("takes any driver that answers with rows", async () => {
    await openBench(database);
    const bare: Transaction = {
      query: async (text, values) => (await database.pool.query(text, values)).rows,
    };
    expect(await enqueueIn(bare, sql, [newJob()])).toHaveLength(1);
  });

  it("passes on every text as it is", async () => {
    const on = await openBench(database);
    const kind = "a \"b\" \\ {c}, NULL 'd' $1 🛞";
    await enqueueIn(database.pool, sql, [
      newJob({ kind, payload: JSON.stringify({ [kind]: [kind, '\\"', "NULL"] }), source: kind }),
      newJob({ kind, source: "NULL" }),
      newJob({ kind, source: undefined }),
    ]);
    const jobs = await on.claim(await on.worker(), { kinds: [kind] });
    expect(jobs.map(({ source }) => source)).toEqual([kind, "NULL", undefined]);
    expect(jobs[0]?.payload).toEqual({ [kind]: [kind, '\\"', "NULL"] });
  });
});

describe("completeIn", () => {
  it("commits with what the handler did, or not at all", async () => {
    const on = await openBench(database);
    const id = await on.add();
    const workerId = await on.worker();
    const claim = await on.claimOne(workerId);
    const client = await database.client();
    for (const end of ["rollback", "commit"]) {
      await client.query("begin");
      expect(await completeIn(client, sql, { workerId, claim })).toBe(true);
      expect(await on.state(id)).toBe("claimed");
      await client.query(end);
    }
    expect(await on.state(id)).toBeUndefined();
    expect(await completeIn(database.pool, sql, { workerId, claim })).toBe(false);
  });

  it("answers false to an older token and to another worker", async () => {
    const on = await openBench(database);
    await on.add();
    const workerId = await on.worker();
    const claim = await on.claimOne(workerId);
    const stale = { id: claim.id, token: claim.token - 1 };
    expect(await completeIn(database.pool, sql, { workerId, claim: stale })).toBe(false);
    expect(await completeIn(database.pool, sql, { workerId: await on.worker(), claim })).toBe(false);
    expect(await on.state(claim.id)).toBe("claimed");
  });
});

describe("notifyIn", () => {
  it("sends one notification for each hint, equal ones once", async () => {
    const client = await database.client();
    const payloads: (string | undefined)[] = [];
    client.on("notification", ({ payload }) => payloads.push(payload));
    await client.query(`listen "${channelOf("millrace")}"`);
    const hints = [{ queue: "left" }, { queue: 'ri"ght', dueInMs: 1.5 }, { queue: "left" }];
    await notifyIn(client, sql, { schema: "millrace", hints });
    await client.query("select 1");
    expect(payloads).toEqual(['{"queue":"left"}', '{"queue":"ri\\"ght","dueInMs":2}']);
  });

  it("stays below the limit of Postgres for the longest names", () => {
    const payload = hintText({ queue: "\u0001".repeat(200), dueInMs: 1e15 });
    expect(Buffer.byteLength(payload)).toBeLessThan(8_000);
  });
});

describe("arrayLiteral", () => {
  it("keeps apart what looks alike", async () => {
    const values = ["", "NULL", "null", '"', "\\", "{}", "a,b", " ", "\n", undefined];
    const { rows } = await database.pool.query("select $1::text[] as back", [arrayLiteral(values)]);
    expect(rows).toEqual([{ back: values.map((value) => value ?? null) }]);
  });
});
