import type pg from "pg";
import { describe, expect, it } from "vitest";
import type { Settlement } from "../../src/core/store-calls.ts";
import type { Run } from "../../src/postgres/database.ts";
import { INTO, values } from "../../src/postgres/columns.ts";
import { settling } from "../../src/postgres/settle.ts";
import { statements } from "../../src/postgres/statements.ts";
import type { Statement } from "../../src/postgres/statements/statement.ts";
import { completeIn } from "../../src/postgres/transaction.ts";
import { FAILED, idsOf, newJob, RELEASED, retried, SUCCEEDED } from "../contract/bench.ts";
import type { Bench, Written } from "../contract/bench.ts";
import { usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();
const sql = statements("millrace");

const OUTCOMES: readonly (readonly [string, Written])[] = [
  ["succeeded", SUCCEEDED],
  ["retried", retried(60_000)],
  ["failed", FAILED],
  ["released", RELEASED],
];

/** A connection that breaks once, before anything came to the server, or after that has committed. */
function breaks(when: "before" | "after"): Run {
  const { run } = database.open();
  let broken = false;
  return async <Row extends pg.QueryResultRow>(
    statement: Statement,
    given?: readonly unknown[],
  ): Promise<readonly Row[]> => {
    if (broken) return run<Row>(statement, given);
    broken = true;
    if (when === "after") await run<Row>(statement, given);
    throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  };
}

/** What a crash of Postgres leaves of claims that had not come to the disk. */
const UNDO_CLAIMS = `
with undone as (delete from millrace.claimed returning *)
insert into millrace.pending (${INTO})
select ${values("u", { attempt: "u.attempt - 1", token: "u.token - 1" })} from undone u`;

/** What it does to an unlogged table: `test/system/outage.test.ts` sees a real one do so. */
const CRASH = "truncate millrace.since_crash";

async function claimed(
  on: Bench,
): Promise<{ readonly workerId: string; readonly claims: readonly Settlement[] }> {
  await on.addAll(Array.from({ length: 5 }, () => newJob()));
  const workerId = await on.worker();
  const claims = (await on.claim(workerId)).map(({ id, token }) => ({ id, token, outcome: SUCCEEDED }));
  return { workerId, claims };
}

describe("settling, when the reply to a write was lost", () => {
  it.each(OUTCOMES)("accepts what it had written, at the next try: %s", async (_, outcome) => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const settle = settling(breaks("after"), sql);
    const settlements = claims.map((claim) => ({ ...claim, outcome }));
    await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
    expect((await settle(workerId, settlements)).accepted).toEqual(idsOf(claims));
  });

  it("still refuses what somebody else was given meanwhile", async () => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const settle = settling(breaks("after"), sql);
    const strangers = claims.map((claim) => ({ ...claim, token: claim.token - 1 }));
    await on.expireLease(workerId);
    await on.recover();
    await expect(settle(workerId, strangers)).rejects.toThrow("ECONNRESET");
    expect((await settle(workerId, strangers)).accepted).toEqual([]);
  });

  it("refuses what was recovered while the worker's row stands, for not all of it was yet", async () => {
    const on = await openBench(database);
    await on.addAll(Array.from({ length: 3 }, () => newJob()));
    const workerId = await on.worker();
    const held = await on.claim(workerId, { limit: 3, startLimit: 1 });
    await on.expireLease(workerId);
    const recovered = await on.recover(1);
    expect(recovered.jobs).toHaveLength(2);
    const settle = settling(breaks("after"), sql);
    const settlements = held
      .filter(({ id }) => recovered.jobs.some((job) => job.id === id))
      .map(({ id, token }) => ({ id, token, outcome: SUCCEEDED }));
    await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
    expect((await settle(workerId, settlements)).accepted).toEqual([]);
  });

  it("refuses a success whose claim a crash of Postgres had undone, for another worker has the job", async () => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const other = await on.worker();
    await database.pool.query("update millrace.claimed set worker_id = $1", [other]);
    const settle = settling(breaks("after"), sql);
    await expect(settle(workerId, claims)).rejects.toThrow("ECONNRESET");
    expect((await settle(workerId, claims)).accepted).toEqual([]);
  });

  it.each(OUTCOMES)("does not claim after a crash to have written it: %s", async (_, outcome) => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const settle = settling(breaks("after"), sql);
    const settlements = claims.map((claim) => ({ ...claim, outcome }));
    await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
    await database.pool.query(CRASH);
    expect((await settle(workerId, settlements)).accepted).toEqual([]);
  });

  it("takes no success of a later run for its own, where a crash undid the claim", async () => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const settle = settling(breaks("before"), sql);
    await expect(settle(workerId, claims)).rejects.toThrow("ECONNRESET");
    await database.pool.query(UNDO_CLAIMS);
    await database.pool.query(CRASH);
    const again = (await on.claim(workerId)).map(({ id, token }) => ({ id, token, outcome: SUCCEEDED }));
    expect(again).toEqual(claims);
    expect((await settle(workerId, again)).accepted).toEqual(idsOf(claims));
    expect((await settle(workerId, claims)).accepted).toEqual([]);
  });

  it("accepts a retry that it had written, also when the job has run again since and is gone", async () => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const settle = settling(breaks("after"), sql);
    const settlements = claims.map((claim) => ({ ...claim, outcome: retried(0) }));
    await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
    await on.settle(workerId, await on.claim(workerId), SUCCEEDED);
    expect((await settle(workerId, settlements)).accepted).toEqual(idsOf(claims));
  });

  it("tells of a job that was cancelled meanwhile that it was", async () => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const settle = settling(breaks("after"), sql);
    const settlements = claims.map((claim) => ({ ...claim, outcome: retried(60_000) }));
    const [id = ""] = idsOf(claims);
    await on.cancel({ ids: [id] }, "enough");
    await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
    const { accepted, cancelled } = await settle(workerId, settlements);
    expect(accepted).toEqual(idsOf(claims));
    expect(cancelled).toEqual([{ id, reason: "enough" }]);
  });
});

describe("settling a job that its handler completed in a transaction of its own", () => {
  async function completing(): Promise<{
    readonly on: Bench;
    readonly workerId: string;
    readonly settlement: Settlement;
    /** Ends the transaction. */
    readonly end: (how: "commit" | "rollback") => Promise<unknown>;
  }> {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const [claim] = claims;
    if (claim === undefined) throw new Error("Expected a claim");
    const tx = await database.pool.connect();
    await tx.query("begin");
    await completeIn(tx, sql, { workerId, claim });
    const end = (how: "commit" | "rollback"): Promise<unknown> => tx.query(how).finally(() => tx.release());
    return { on, workerId, settlement: { ...claim, outcome: retried(0), committed: true }, end };
  }

  it("finds out that it was committed", async () => {
    const { workerId, settlement, end } = await completing();
    await end("commit");
    const settled = await settling(database.open().run, sql)(workerId, [settlement]);
    expect(settled).toMatchObject({ accepted: [], completed: [settlement.id] });
  });

  it.each(["before", "after"] as const)(
    "finds it out when the connection broke %s the write that asks",
    async (when) => {
      const { workerId, settlement, end } = await completing();
      await end("commit");
      const settlements = [settlement];
      const settle = settling(breaks(when), sql);
      await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
      expect(await settle(workerId, settlements)).toMatchObject({
        accepted: [],
        completed: [settlement.id],
      });
    },
  );

  it("finds it out when the look at what is left failed", async () => {
    const { workerId, settlement, end } = await completing();
    await end("commit");
    const { run } = database.open();
    let looks = 0;
    const breaksLook: Run = async (statement, given) => {
      if (statement === sql.left && (looks += 1) === 1) throw new Error("read ECONNRESET");
      return run(statement, given);
    };
    const settlements = [settlement];
    const settle = settling(breaksLook, sql);
    await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
    expect(await settle(workerId, settlements)).toMatchObject({ accepted: [], completed: [settlement.id] });
    expect(looks).toBe(2);
  });

  it("writes what follows where it was rolled back, and finds that again", async () => {
    const { workerId, settlement, end } = await completing();
    await end("rollback");
    const settlements = [settlement];
    const settle = settling(breaks("after"), sql);
    await expect(settle(workerId, settlements)).rejects.toThrow("ECONNRESET");
    const settled = await settle(workerId, settlements);
    expect(settled).toMatchObject({ accepted: [settlement.id], completed: [] });
  });

  it("does not take the success of another worker for its own, which recovered what was rolled back", async () => {
    const { on, workerId, settlement, end } = await completing();
    await end("rollback");
    await on.expireLease(workerId);
    await on.recover();
    const other = await on.worker();
    await on.settle(other, await on.claim(other), SUCCEEDED);
    const settled = await settling(database.open().run, sql)(workerId, [settlement]);
    expect(settled).toMatchObject({ accepted: [], completed: [] });
  });

  it("nor that of a later run, where a crash undid the claim", async () => {
    const { on, workerId, settlement, end } = await completing();
    await end("rollback");
    await database.pool.query(UNDO_CLAIMS);
    await database.pool.query(CRASH);
    await on.settle(workerId, await on.claim(workerId), SUCCEEDED);
    const settled = await settling(database.open().run, sql)(workerId, [settlement]);
    expect(settled).toMatchObject({ accepted: [], completed: [] });
  });
});

describe("settling", () => {
  it("refuses a second call that is not such a try", async () => {
    const on = await openBench(database);
    const { workerId, claims } = await claimed(on);
    const settle = settling(database.open().run, sql);
    expect((await settle(workerId, claims)).accepted).toEqual(idsOf(claims));
    expect((await settle(workerId, claims)).accepted).toEqual([]);
  });
});
