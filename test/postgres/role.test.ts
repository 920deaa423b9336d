import { describe, expect, it } from "vitest";
import { ROLE_KINDS } from "../../src/postgres/grants.ts";
import { checkSchema, migrate } from "../../src/postgres/migrate.ts";
import { postgresStore } from "../../src/postgres/store.ts";
import { bench, FAILED, idsOf, newJob, retried, SUCCEEDED } from "../contract/bench.ts";
import type { Bench } from "../contract/bench.ts";
import { postgresSetup } from "../contract/postgres-subject.ts";
import { usePostgres } from "../support/postgres.ts";
import { newRole } from "../support/roles.ts";
import { LEFT, NOTHING } from "./store-bench.ts";

const database = usePostgres();

async function benchOf(connectionString: string, max = 2): Promise<Bench> {
  const subject = await postgresSetup(database)({});
  const { run } = database.open({ connectionString, max });
  return bench({
    ...subject,
    store: postgresStore({ schema: "millrace", claims: run, settles: run, leases: run }),
  });
}

describe("a role that may enqueue, work and operate, and owns nothing", () => {
  it("runs everything but migrations", async () => {
    const connectionString = await newRole(database);
    const on = await benchOf(connectionString);
    await checkSchema(database.open({ connectionString }).pool, "millrace");

    const [parent, , later] = await on.addAll([newJob(), newJob(), newJob({ delayMs: 60_000 })]);
    await on.addAll(
      (["wait", "run", "fail"] as const).map((afterFailure) =>
        newJob({ after: [parent ?? ""], afterFailure }),
      ),
    );
    const worker = await on.worker();
    expect(await on.heartbeat(worker)).toBe(true);
    expect(await on.promote()).toMatchObject({ readyQueues: ["default"] });
    const [first, second] = await on.claim(worker, { startLimit: 0 });
    if (first === undefined || second === undefined) throw new Error("Expected two jobs");
    await on.claim(worker, { started: [first], kinds: [] });
    await on.settle(worker, [first], FAILED);
    await on.settleAll(worker, [{ ...second, outcome: retried(0) }]);
    const again = await on.claim(worker);
    await on.release(worker, again.slice(0, 1));
    await on.expireLease(worker);
    expect((await on.recover()).jobs).toHaveLength(again.length - 1);
    expect(await on.listFailed()).toHaveLength(2);
    expect(await on.bulkRetry("mill", { dryRun: true })).toBe(2);
    expect(await on.deleteFailed(parent ?? "")).toBe(true);
    expect(await on.bulkRetry(undefined, { dryRun: false })).toBe(1);
    expect(await on.retryJob("1")).toBe(false);
    expect(await on.pendingCount()).toBe(4);
    const { pool } = database.open({ connectionString });
    await pool.query("select millrace.enqueue('mill', '{}')");
    const next = await on.worker();
    await on.settle(next, await on.claim(next), SUCCEEDED);
    await on.unregister(next);
    expect([...(await on.states()).keys()]).toEqual([later]);
  });

  it("is told by the server that it may not migrate, and changes nothing", async () => {
    const connectionString = await newRole(database);
    const { pool } = database.open({ connectionString });
    await expect(migrate(pool, "another")).rejects.toMatchObject({ code: "42501" });
  });

  it("gets an error with a code, and not a SchemaError, where a right is missing", async () => {
    const connectionString = await newRole(
      database,
      [],
      (role) => `grant usage on schema millrace to ${role}`,
    );
    const on = await benchOf(connectionString);
    await expect(on.pendingCount()).rejects.toMatchObject({ code: "42501", name: "Error" });
  });
});

describe("a role whose transactions are SERIALIZABLE by default", () => {
  it("meets no serialization failure, for every statement is READ COMMITTED", async () => {
    const connectionString = await newRole(
      database,
      ROLE_KINDS,
      (role) => `alter role ${role} set default_transaction_isolation = 'serializable'`,
    );
    const on = await benchOf(connectionString, 8);
    const ids: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      ids.push(...(await on.addAll(Array.from({ length: 50 }, () => newJob()))));
    }
    const done: string[] = [];
    const work = async (): Promise<void> => {
      const worker = await on.worker();
      for (;;) {
        const jobs = await on.claim(worker, { limit: 20 });
        if (jobs.length === 0) return;
        const { accepted } = await on.settle(worker, jobs.toReversed(), SUCCEEDED);
        expect(new Set(accepted)).toEqual(new Set(idsOf(jobs)));
        done.push(...accepted);
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    expect(new Set(done)).toEqual(new Set(ids));
    expect(done).toHaveLength(ids.length);
    const { rows } = await database.pool.query(LEFT);
    expect(rows).toEqual([NOTHING]);
  });
});
