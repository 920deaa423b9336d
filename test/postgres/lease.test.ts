import { describe, expect, it } from "vitest";
import { idsOf, newJob, SUCCEEDED } from "../contract/bench.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();

const EXPIRED = "select from millrace.workers where id = $1 and lease_expires_at <= clock_timestamp()";

/** Ends a lease that stood for the claim before it, however slow the machine is. */
const EXPIRE = "update millrace.workers set lease_expires_at = clock_timestamp() where id = $1";

describe("a lease on Postgres", () => {
  it("may be shorter than a second, and stands while it is renewed", async () => {
    const on = await openBench(database);
    const worker = await on.worker({ leaseDurationMs: 250 });
    for (let beat = 0; beat < 20; beat += 1) expect(await on.heartbeat(worker, 250)).toBe(true);
    expect((await on.recover()).expiresInMs).toBeLessThanOrEqual(250);
    expect((await on.recover()).expiresInMs).toBeGreaterThan(0);
  });

  it("runs out by itself, and then claims nothing and is not revived", async () => {
    const on = await openBench(database);
    await on.add();
    const worker = await on.worker({ leaseDurationMs: 5 });
    await until(database.pool, EXPIRED, [worker]);
    expect(await on.claim(worker)).toEqual([]);
    expect(await on.heartbeat(worker)).toBe(false);
  });

  it("keeps fractions of milliseconds, so that none is 0", async () => {
    const on = await openBench(database);
    const worker = await on.worker({ leaseDurationMs: 0.5 });
    const { rows } = await database.pool.query(
      "select lease_expires_at > registered_at as later from millrace.workers where id = $1",
      [worker],
    );
    expect(rows).toEqual([{ later: true }]);
  });

  it("ends a job that kills every worker among the failed, with a reason that says so", async () => {
    const on = await openBench(database);
    const poison = await on.add({ maxAttempts: 3 });
    for (let crash = 0; crash < 3; crash += 1) {
      const worker = await on.worker();
      await on.claim(worker);
      await database.pool.query(EXPIRE, [worker]);
      expect(idsOf((await on.recover()).jobs)).toEqual([poison]);
    }
    const [failed] = await on.listFailed();
    expect(failed).toMatchObject({ id: poison, attempt: 3, crashes: 3 });
    expect(failed?.reason).toMatch(/lease of its worker ran out in attempt 3 of 3/u);
    expect(failed?.errors.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  it("lets a heartbeat pass while a claim is under way", async () => {
    const on = await openBench(database);
    const worker = await on.worker();
    const client = await database.client();
    await client.query("begin");
    await client.query("select from millrace.workers where id = $1 for key share", [worker]);
    expect(await on.heartbeat(worker)).toBe(true);
    await client.query("rollback");
  });

  it("does not remove a worker while a claim of it is under way", async () => {
    const on = await openBench(database);
    const worker = await on.worker();
    const client = await database.client();
    await client.query("begin");
    await client.query("select from millrace.workers where id = $1 for key share", [worker]);
    await client.query("update millrace.workers set lease_expires_at = clock_timestamp() where id = $1", [
      worker,
    ]);
    await client.query("commit");
    await client.query("begin");
    await client.query("select from millrace.workers where id = $1 for key share", [worker]);
    await on.recover();
    const { rows } = await client.query("select id from millrace.workers");
    expect(rows).toEqual([{ id: worker }]);
    await client.query("rollback");
    await on.recover();
    const { rows: none } = await database.pool.query("select id from millrace.workers");
    expect(none).toEqual([]);
  });

  it("has its claims recovered soon after a transaction of the app's lets go of them", async () => {
    const on = await openBench(database);
    const id = await on.add();
    const worker = await on.worker();
    await on.claim(worker);
    await on.expireLease(worker);
    const client = await database.client();
    await client.query("begin");
    await client.query("select from millrace.claimed for update");
    expect(await on.recover()).toEqual({ jobs: [], expiresInMs: 200 });
    await client.query("rollback");
    expect(idsOf((await on.recover()).jobs)).toEqual([id]);
  });

  it("is found ended by a claim that waited for it to be removed", async () => {
    const on = await openBench(database);
    await on.add();
    const worker = await on.worker();
    const client = await database.client();
    await client.query("begin");
    await client.query("delete from millrace.workers where id = $1", [worker]);
    const claiming = on.claim(worker);
    await until(
      database.pool,
      "select true from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    await client.query("commit");
    expect(await claiming).toEqual([]);
    expect(await on.pendingCount()).toBe(1);
  });

  it("is kept by unregister while a claim that it cannot see yet is under way", async () => {
    const on = await openBench(database);
    const worker = await on.worker();
    const client = await database.client();
    await client.query("begin");
    await client.query("select from millrace.workers where id = $1 for key share", [worker]);
    const leaving = on.unregister(worker);
    await until(
      database.pool,
      "select true from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    await on.add();
    await client.query(
      `with taken as (delete from millrace.pending returning *)
       insert into millrace.claimed (id, created_at, run_at, attempt, max_attempts, crashes, token, priority,
         has_children, kind, queue, payload, errors, worker_id, claimed_at, started)
       select id, created_at, run_at, 1, max_attempts, crashes, 1, priority,
         has_children, kind, queue, payload, errors, $1, clock_timestamp(), true
       from taken`,
      [worker],
    );
    await client.query("commit");
    await leaving;
    expect(await on.heartbeat(worker)).toBe(true);
  });

  it("accepts what is settled in its last moment, once", async () => {
    const on = await openBench(database);
    await on.addAll(Array.from({ length: 50 }, () => newJob()));
    const worker = await on.worker();
    const jobs = await on.claim(worker);
    await on.expireLease(worker);
    const [settled, recovered] = await Promise.all([on.settle(worker, jobs, SUCCEEDED), on.recover()]);
    const rest = await on.recover();
    const back = idsOf([...recovered.jobs, ...rest.jobs]);
    expect([...settled.accepted, ...back].toSorted()).toEqual([...idsOf(jobs)].toSorted());
  });
});
