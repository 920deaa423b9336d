import { ReplaySubject, defer, filter, firstValueFrom, from, map, mergeMap, repeat } from "rxjs";
import type { Observable } from "rxjs";
import type pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import type { WorkerEvent } from "../../src/core/events.ts";
import type { SnapshotHolder } from "../../src/core/store-calls.ts";
import type { Store } from "../../src/core/store.ts";
import { postgresStore } from "../../src/postgres/store.ts";
import { watchOldSnapshots } from "../../src/stages/old-snapshot.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { newRole } from "../support/roles.ts";

const database = usePostgres();

/** What is old in these tests, in milliseconds. */
const OLD_MS = 50;

/** Who holds the oldest snapshot, look by look. Those of other test files come and go. */
function looks(store: Store): Observable<SnapshotHolder | undefined> {
  return defer(() => from(store.tidy())).pipe(
    map(({ holder }) => holder),
    repeat({ delay: 5 }),
  );
}

function events(store: Store): Observable<WorkerEvent> {
  return defer(() => looks(store).pipe(mergeMap(watchOldSnapshots(OLD_MS))));
}

function first<T>(source$: Observable<T>, is: (value: T) => boolean): Promise<T> {
  return firstValueFrom(source$.pipe(filter(is)));
}

const ofProcess =
  (pid: number) =>
  (holder: SnapshotHolder | undefined): boolean =>
    holder?.pid === pid;

async function pidOf(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return Number(rows[0]?.pid);
}

/** Writes, so that a snapshot that was taken before is behind. */
async function write(): Promise<void> {
  await database.pool.query("select pg_current_xact_id()");
}

/** A session that holds a snapshot. */
async function holding(begin = "begin isolation level repeatable read"): Promise<{
  readonly pid: number;
  readonly client: pg.PoolClient;
}> {
  const client = await database.client();
  await client.query(begin);
  const pid = await pidOf(client);
  await write();
  return { pid, client };
}

/** A store of a role that may do what a worker may. */
async function storeOfRole(): Promise<Store> {
  const { run } = database.open({ connectionString: await newRole(database, ["worker"]) });
  return postgresStore({ schema: "millrace", claims: run, settles: run, leases: run });
}

describe("tidy", () => {
  it("finds who holds an old snapshot, and that it is gone", async () => {
    const { pid, client } = await holding();
    const told = new ReplaySubject<WorkerEvent>();
    const subscription = events(database.store()).subscribe(told);
    onTestFinished(() => subscription.unsubscribe());
    const degraded = await first(told, (event) => event.type === "degraded" && event.pid === pid);
    expect(degraded).toEqual({
      type: "degraded",
      cause: "old-snapshot",
      pid,
      ageMs: expect.any(Number) as unknown,
      holder: "the test",
    });
    expect(degraded).toMatchObject({ ageMs: expect.toSatisfy((ms: number) => ms >= OLD_MS) as unknown });
    await client.query("rollback");
    await first(told, ({ type }) => type === "restored");
  });

  it("finds a transaction that has written, though its session rests", async () => {
    const { pid, client } = await holding("begin");
    await client.query("select pg_current_xact_id()");
    const holder = await first(looks(database.store()), ofProcess(pid));
    expect(holder?.ageMs).toBeGreaterThan(0);
  });

  it("finds it without the right to see what others do, but not since when", async () => {
    const { pid } = await holding();
    const store = await storeOfRole();
    const holder = await first(looks(store), ofProcess(pid));
    expect(holder).toEqual({
      horizon: expect.stringMatching(/^\d+$/u) as unknown,
      pid,
      name: "the test",
      ageMs: undefined,
    });
    const degraded = await first(events(store), (event) => event.type === "degraded" && event.pid === pid);
    expect(degraded).toMatchObject({ ageMs: expect.toSatisfy((ms: number) => ms >= OLD_MS) as unknown });
  });

  it("finds nobody, and does its other work, where it may not look at all", async () => {
    await holding();
    await database.pool.query("revoke select on pg_stat_activity from public");
    onTestFinished(async () => {
      await database.pool.query("grant select on pg_stat_activity to public");
    });
    await database.pool.query(
      "insert into millrace.subscribers values (gen_random_uuid(), '[]', now() - interval '2 minutes')",
    );
    const store = await storeOfRole();
    expect(await firstValueFrom(from(store.tidy()))).toEqual({ holder: undefined });
    expect(await firstValueFrom(from(store.tidy()))).toEqual({ holder: undefined });
    await until(database.pool, "select true where not exists (select from millrace.subscribers)");
  });

  it("passes over a vacuum, which holds nobody up, and over itself", async () => {
    await database.pool.query(
      "create table heap as select n from generate_series(1, 200000) n; delete from heap where n % 2 = 0",
    );
    const client = await database.client();
    const pid = await pidOf(client);
    await client.query("set vacuum_cost_delay = '100ms'; set vacuum_cost_limit = 1");
    const vacuum = client.query("vacuum heap").catch(() => undefined);
    onTestFinished(async () => {
      await database.pool.query("select pg_cancel_backend($1)", [pid]);
      await vacuum;
      await database.pool.query("drop table heap");
    });
    await until(
      database.pool,
      `select true from pg_stat_progress_vacuum v join pg_stat_activity a on a.pid = v.pid
        where v.pid = $1 and a.backend_xmin is not null`,
      [pid],
    );
    await write();
    const held: (SnapshotHolder | undefined)[] = [];
    await first(looks(database.store()), (holder) => held.push(holder) === 5);
    expect(held.filter(ofProcess(pid))).toEqual([]);
  });

  it("finds a prepared transaction", async ({ skip }) => {
    const { rows } = await database.pool.query<{ most: string }>(
      "select current_setting('max_prepared_transactions') as most",
    );
    if (rows[0]?.most === "0") skip();
    const client = await database.client();
    await client.query("begin; select pg_current_xact_id(); prepare transaction 'the grist'");
    onTestFinished(async () => {
      await database.pool.query("rollback prepared 'the grist'");
    });
    const holder = await first(looks(database.store()), (one) => one?.pid === undefined && one !== undefined);
    expect(holder).toMatchObject({
      name: "prepared transaction the grist",
      ageMs: expect.any(Number) as unknown,
    });
  });
});
