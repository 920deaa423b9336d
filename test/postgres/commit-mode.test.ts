import { describe, expect, it } from "vitest";
import type pg from "pg";
import type { NewJob } from "../../src/core/job.ts";
import { enqueueCall } from "../../src/postgres/enqueue-values.ts";
import { claimValues, settlementValues } from "../../src/postgres/settlement-values.ts";
import { statements } from "../../src/postgres/statements.ts";
import type { Statement } from "../../src/postgres/statements/statement.ts";
import { FAILED, newJob } from "../contract/bench.ts";
import { usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();
const sql = statements("millrace");

/** What `synchronous_commit` is in the transaction of a statement, and after it. */
async function modeOf({ text }: Statement, values: readonly unknown[]): Promise<readonly string[]> {
  const client = await database.client();
  await client.query("begin");
  await client.query(text, [...values]);
  const inside = await mode(client);
  await client.query("commit");
  return [inside, await mode(client)];
}

async function mode(client: pg.PoolClient): Promise<string> {
  const { rows } = await client.query<{ mode: string }>(
    "select current_setting('synchronous_commit') as mode",
  );
  return rows[0]?.mode ?? "";
}

describe("commits that do not wait for the disk", () => {
  it("are those of claims and heartbeats, and the setting ends with the transaction", async () => {
    const on = await openBench(database);
    await on.add();
    const worker = await on.worker();
    const request = [worker, "default", "{mill}", 1, 1, "{}", "{}", 1, "0", "0"];
    expect(await modeOf(sql.claim, request)).toEqual(["off", "on"]);
    expect(await modeOf(sql.heartbeat, [worker, 1_000])).toEqual(["off", "on"]);
  });

  it("are never those of enqueues, outcomes and recoveries", async () => {
    const on = await openBench(database);
    const worker = await on.worker();
    const enqueue = (job: Partial<NewJob>): Promise<readonly string[]> => {
      const { statement, values } = enqueueCall(sql, [newJob(job)]);
      return modeOf(statement, values);
    };
    expect(await enqueue({})).toEqual(["on", "on"]);
    expect(await enqueue({ after: ["1"] })).toEqual(["on", "on"]);
    expect(await enqueue({})).toEqual(["on", "on"]);
    const [one, other] = await on.claim(worker);
    if (one === undefined || other === undefined) throw new Error("Expected two jobs");
    expect(await modeOf(sql.complete, claimValues(worker, [one]))).toEqual(["on", "on"]);
    const failed = settlementValues(worker, [{ ...other, outcome: FAILED }]);
    expect(await modeOf(sql.settle, failed)).toEqual(["on", "on"]);
    expect(await modeOf(sql.promote, [worker, "{default}", "{mill}"])).toEqual(["on", "on"]);
    await on.expireLease(worker);
    expect(await modeOf(sql.recover, [10])).toEqual(["on", "on"]);
    expect((await on.states()).size).toBe(2);
  });

  it("are never those of registrations, also where commits do not wait by default", async () => {
    await openBench(database);
    const client = await database.client();
    const modes: string[] = [];
    for (const usual of ["off", "on", "remote_write"]) {
      await client.query("begin");
      await client.query(`set local synchronous_commit = '${usual}'`);
      await client.query(sql.register.text, ["miller", "{default}", 60_000]);
      modes.push(await mode(client));
      await client.query("rollback");
    }
    expect(modes).toEqual(["local", "on", "remote_write"]);
  });

  it("really come back before the disk has them", async () => {
    const on = await openBench(database);
    const worker = await on.worker();
    const behind = async (): Promise<boolean> => {
      await on.heartbeat(worker);
      const { rows } = await database.pool.query<{ behind: boolean }>(
        "select pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn() as behind",
      );
      return rows[0]?.behind === true;
    };
    let seen = 0;
    for (let beat = 0; beat < 100; beat += 1) seen += (await behind()) ? 1 : 0;
    expect(seen).toBeGreaterThan(0);
  });
});
