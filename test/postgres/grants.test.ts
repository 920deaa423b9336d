import type pg from "pg";
import { describe, expect, it } from "vitest";
import type { Claim } from "../../src/core/store-calls.ts";
import { payload } from "../../src/index.ts";
import { arrayLiteral } from "../../src/postgres/array-literal.ts";
import { ROLE_KINDS, grantsSql } from "../../src/postgres/grants.ts";
import type { RoleKind } from "../../src/postgres/grants.ts";
import { checkSchema, migrate } from "../../src/postgres/migrate.ts";
import { statements } from "../../src/postgres/statements.ts";
import { postgresStore } from "../../src/postgres/store.ts";
import { completeIn } from "../../src/postgres/transaction.ts";
import { bench, CANCELLED, FAILED, kept, retried, SUCCEEDED } from "../contract/bench.ts";
import type { Bench } from "../contract/bench.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import { newRole } from "../support/roles.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();
const sql = statements("millrace");

/** Jobs in every state, made by the owner. */
interface World {
  readonly owner: Bench;
  readonly workerId: string;
  readonly claims: readonly Claim[];
  readonly pending: string;
  readonly failed: string;
  readonly waiting: string;
}

/** What a role tries things with. */
interface Tools extends World {
  readonly on: Bench;
  readonly pool: pg.Pool;
}

const OTHER_KEY = "the key of a failed job";

async function world(): Promise<World> {
  const owner = await openBench(database);
  await owner.addAll([{ keepResultMs: 1 }, { key: OTHER_KEY }]);
  const first = await owner.worker();
  const [keeps, fails] = await owner.claim(first);
  if (keeps === undefined || fails === undefined) throw new Error("Expected two jobs");
  const waiting = await owner.add({ after: [fails.id] });
  await owner.settleAll(first, [
    { ...keeps, outcome: kept("flour") },
    { ...fails, outcome: FAILED },
  ]);
  await owner.elapse(60_000);
  await owner.addAll([{ key: "claimed" }, { keepResultMs: 60_000 }, {}, {}, {}, {}]);
  const workerId = await owner.worker();
  const claims = await owner.claim(workerId);
  for (const claim of claims.slice(0, 3)) await owner.add({ after: [claim.id] });
  const [pending = ""] = await owner.addAll([{}, { delayMs: 1 }]);
  await owner.elapse(60_000);
  return { owner, workerId, claims, pending, failed: fails.id, waiting };
}

function claimOf(claims: readonly Claim[], index: number): Claim {
  const claim = claims[index];
  if (claim === undefined) throw new Error("Expected a claim");
  return claim;
}

const ONE_EACH = [SUCCEEDED, kept("flour"), FAILED, retried(0), retried(60_000), CANCELLED];

const SUBSCRIBER = "11111111-1111-1111-1111-111111111111";

type Call = readonly [
  what: string,
  kinds: readonly RoleKind[],
  call: (tools: Tools) => Promise<unknown>,
  answer: unknown,
];

/** What there is to do, who may, and what is seen of it when it is done. */
const CALLS: readonly Call[] = [
  ["enqueue jobs", ["enqueue"], async ({ on }) => (await on.addAll([{}, { delayMs: 9_999 }])).length, 2],
  [
    "enqueue a job after others, in every state",
    ["enqueue"],
    async ({ on, pending, failed, waiting, claims }) => {
      const parents = [pending, failed, waiting, claimOf(claims, 0).id];
      return (await on.addAll(parents.map((id) => ({ after: [id], afterFailure: "fail" })))).length;
    },
    4,
  ],
  [
    "enqueue a job with a key",
    ["enqueue"],
    async ({ on }) => (await on.enqueue([{ key: "new" }, { key: OTHER_KEY }])).map((one) => one.inserted),
    [true, false],
  ],
  [
    "enqueue in SQL",
    ["enqueue"],
    async ({ pool }) =>
      (await pool.query(`select millrace.enqueue('mill', '{}', key => 'sql') is not null as done`)).rows,
    [{ done: true }],
  ],
  ["check the schema", ["worker", "admin"], ({ pool }) => checkSchema(pool, "millrace"), undefined],
  ["register a worker", ["worker"], async ({ on }) => typeof (await on.worker()), "string"],
  ["renew a lease", ["worker"], ({ on, workerId }) => on.heartbeat(workerId), true],
  ["claim", ["worker"], async ({ on, workerId }) => (await on.claim(workerId)).length, 1],
  [
    "keep progress",
    ["worker"],
    ({ on, workerId, claims }) => on.progress(workerId, [{ ...claimOf(claims, 0), value: "1" }]),
    [],
  ],
  [
    "write outcomes of every sort, start children and free keys",
    ["worker"],
    async ({ on, workerId, claims }) => {
      const written = claims.map((claim, index) => ({ ...claim, outcome: ONE_EACH[index] ?? FAILED }));
      return (await on.settleAll(workerId, written)).accepted.length;
    },
    6,
  ],
  [
    "give back claims",
    ["worker"],
    async ({ on, workerId, claims }) => (await on.release(workerId, claims)).length,
    6,
  ],
  [
    "complete a job in a transaction",
    ["worker"],
    ({ pool, workerId, claims }) => completeIn(pool, sql, { workerId, claim: claimOf(claims, 0) }),
    true,
  ],
  [
    "recover the claims of a dead worker",
    ["worker"],
    async ({ on, workerId }) => {
      await on.expireLease(workerId);
      return (await on.recover()).jobs.length;
    },
    6,
  ],
  ["remove a worker", ["worker"], async ({ on }) => void (await on.unregister("0")), undefined],
  ["delete results that have expired", ["worker"], ({ on }) => on.expireResults(), 1],
  [
    "delete jobs that failed long ago, and free their keys",
    ["worker", "admin"],
    async ({ owner, on }) => {
      await owner.cancel({ ids: [await owner.add({ key: "old" })] });
      await on.expireFailed(0);
      return (await owner.enqueue([{ key: "old" }]))[0]?.inserted;
    },
    true,
  ],
  ["tidy up", ["worker", "admin"], async ({ pool }) => run(pool, "tidy"), 1],
  [
    "read completed jobs in order, without payloads and results",
    ["admin"],
    async ({ pool }) =>
      (await pool.query<{ jobs: string }>(sql.readCompleted.text, ["0", "10"])).rows[0]?.jobs,
    expect.stringMatching(/^\[\{"id" : "1"[^{}]*"position" : \d+\}\]$/u),
  ],
  ["look who wants events", ["worker", "admin"], async ({ pool }) => run(pool, "subscribers"), 0],
  [
    "make due jobs pending",
    ["worker", "admin"],
    async ({ on }) => (await on.promote()).readyQueues.length,
    1,
  ],
  ["count pending jobs", ["worker", "admin"], ({ on }) => on.pendingCount(), 1],
  ["list workers", ["worker", "admin"], async ({ on }) => (await on.listWorkers()).length, 2],
  ["list failed jobs", ["admin"], async ({ on }) => (await on.listFailed()).length, 1],
  ["retry a failed job", ["admin"], ({ on, failed }) => on.retryJob(failed), true],
  ["retry all failed jobs", ["admin"], ({ on }) => on.bulkRetry(undefined, { dryRun: false }), 1],
  ["retry those of a kind", ["admin"], ({ on }) => on.bulkRetry("mill", { dryRun: false }), 1],
  ["count failed jobs", ["admin"], ({ on }) => on.bulkRetry("mill", { dryRun: true }), 1],
  [
    "delete a failed job, start its children and free its key",
    ["worker", "admin"],
    async ({ owner, on }) => {
      const id = await owner.add({ key: "gone" });
      const child = await owner.add({ after: [id] });
      await owner.cancel({ ids: [id] });
      const deleted = await on.deleteFailed(id);
      const [again] = await owner.enqueue([{ key: "gone" }]);
      return [deleted, await owner.state(child), again?.inserted];
    },
    [true, "pending", true],
  ],
  [
    "cancel jobs in every state",
    ["admin"],
    async ({ on }) => {
      const { ended, requested } = await on.cancel({ kind: "mill" });
      return [ended.length, requested.length];
    },
    [6, 6],
  ],
  ["look at a job", ["admin"], async ({ on, pending }) => (await on.look(pending)).state, "pending"],
  ["count jobs by queue and state", ["admin"], async ({ on }) => (await on.depth()).length, 6],
  ["list claimed jobs", ["admin"], async ({ on }) => (await on.listActive()).length, 6],
  [
    "subscribe to events",
    ["admin"],
    async ({ pool }) => [
      await run(pool, "enterSubscriber", [SUBSCRIBER, "[{}]", "1000", "channel", "text"]),
      await run(pool, "renewSubscriber", [SUBSCRIBER, "1000"]),
      await run(pool, "removeSubscriber", [SUBSCRIBER, "channel", "text"]),
    ],
    [1, 1, 1],
  ],
  [
    "notify",
    ["enqueue", "worker", "admin"],
    async ({ pool }) => run(pool, "notify", ["c", arrayLiteral(["{}"])]),
    1,
  ],
];

/** What nobody may do but the owner. */
const FORBIDDEN: readonly string[] = [
  "select payload from millrace.jobs",
  "select * from millrace.jobs",
  "select result from millrace.completed",
  "select payload from millrace.completed",
  "insert into millrace.keys values ('mine', 1)",
  "update millrace.completed_log set identity = gen_random_uuid()",
  "delete from millrace.completed_log",
  "truncate millrace.pending",
  "delete from millrace.migrations",
  "update millrace.migrations set version = 99",
  "create table millrace.mine (id int)",
  "create function millrace.mine() returns int language sql return 1",
  "alter table millrace.pending disable trigger all",
  "drop function millrace.enqueue",
  "create trigger mine before insert on millrace.pending for each row execute function suppress_redundant_updates_trigger()",
  "select setval('millrace.job_ids', 1)",
];

async function run(
  pool: pg.Pool,
  name: keyof typeof sql,
  values: readonly string[] = [],
): Promise<number | null> {
  return (await pool.query(sql[name].text, [...values])).rowCount;
}

/** A role of one kind at work. */
async function toolsOf(kind: RoleKind, made: World): Promise<Tools> {
  const connectionString = await newRole(database, [kind]);
  const { run: runAs, pool } = database.open({ connectionString, max: 2 });
  const store = postgresStore({ schema: "millrace", claims: runAs, settles: runAs, leases: runAs });
  return { ...made, pool, on: bench({ ...made.owner, store }) };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : error;
}

describe("grantsSql", () => {
  it.each(CALLS)("lets those who should, and nobody else: %s", async (_what, kinds, call, answer) => {
    const made = await world();
    for (const kind of ROLE_KINDS) {
      if (kinds.includes(kind)) continue;
      const tools = await toolsOf(kind, made);
      expect([kind, await call(tools).catch(codeOf)]).toEqual([kind, "42501"]);
    }
    for (const kind of kinds) expect([kind, await call(await toolsOf(kind, made))]).toEqual([kind, answer]);
  });

  it.each(FORBIDDEN)("lets nobody: %s", async (text) => {
    const made = await world();
    for (const kind of ROLE_KINDS) {
      const { pool } = await toolsOf(kind, made);
      expect([kind, await pool.query(text).catch(codeOf)]).toEqual([kind, "42501"]);
    }
  });

  it("lets nobody migrate", async () => {
    const made = await world();
    for (const kind of ROLE_KINDS) {
      const { pool } = await toolsOf(kind, made);
      await expect(migrate(pool, "another")).rejects.toMatchObject({ code: "42501" });
    }
  });

  it("hides all jobs from a role that only enqueues", async () => {
    const { pool } = await toolsOf("enqueue", await world());
    const { rows } = await database.pool.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'millrace'::regnamespace and relkind in ('r', 'v')",
    );
    expect(rows.length).toBeGreaterThan(10);
    for (const { name } of rows) {
      const code = await pool.query(`select from millrace.${name}`).catch(codeOf);
      expect([name, code]).toEqual([name, "42501"]);
    }
  });

  it("is for roles of any name, in schemas of any name", () => {
    const text = grantsSql('50% "rye"', { enqueue: 'mill%er"; drop table x; --' });
    expect(text).toContain(
      'grant insert on "50% ""rye""".pending, "50% ""rye""".scheduled to "mill%er""; drop table x; --";',
    );
    expect(text).not.toContain("worker");
  });
});

describe("clients with no more rights than they need", () => {
  const jobs = { work: payload<unknown>() };

  it("enqueue, work and operate, each its own", async () => {
    const as = async (kind: RoleKind) =>
      openClient({ connectionString: await newRole(database, [kind]), jobs });
    const [app, mill, operator] = [await as("enqueue"), await as("worker"), await as("admin")];
    const heard = record(
      mill.worker({
        handlers: { work: ({ payload: told }) => (told === "wrong" ? Promise.reject(new Error()) : "flour") },
      }),
    );
    await heard.first("listen-restored");
    const done = await app.enqueue("work", null, { keepResultMs: 60_000, key: "one" });
    const wrong = await app.enqueue("work", "wrong", { maxAttempts: 1, after: [done] });
    expect(await operator.result(done)).toBe("flour");
    await expect(operator.result(wrong)).rejects.toMatchObject({ reason: "failed" });
    expect(await operator.listFailed()).toMatchObject([{ id: wrong }]);
    expect(heard.events.filter(({ type }) => type.endsWith("-failed"))).toEqual([]);
    await expect(app.listFailed()).rejects.toMatchObject({ code: "42501" });
    await expect(operator.enqueue("work", null)).rejects.toMatchObject({ code: "42501" });
    await expect(mill.cancel(wrong)).rejects.toMatchObject({ code: "42501" });
    const started = app.spawnWorker({ handlers: { work: () => undefined } });
    await expect(started).rejects.toMatchObject({ code: "42501" });
  });
});

describe("the functions", () => {
  /** What somebody puts first on the search path, in the hope that a function takes it for its own. */
  const TRAPS = `
    create schema trap;
    create table trap.pending (id bigint, has_children boolean);
    create table trap.keys (key text, job_id bigint);
    create function trap.trapped() returns void language plpgsql as
      $$ begin raise exception 'trapped'; end $$;
    create function trap.clock_timestamp() returns timestamptz language plpgsql as
      $$ begin perform trap.trapped(); return now(); end $$;
    create function trap.nextval(text) returns bigint language plpgsql as
      $$ begin perform trap.trapped(); return 1; end $$;
    create function trap.pg_notify(text, text) returns void language plpgsql as
      $$ begin perform trap.trapped(); end $$;
    create function trap.array_remove(text[], text) returns text[] language plpgsql as
      $$ begin perform trap.trapped(); return $1; end $$;
    create function trap.cardinality(text[]) returns int language plpgsql as
      $$ begin perform trap.trapped(); return 1; end $$;
    create function trap.less(bigint, bigint) returns boolean language plpgsql as
      $$ begin perform trap.trapped(); return true; end $$;
    create operator trap.= (leftarg = bigint, rightarg = bigint, function = trap.less)`;

  it("use nothing that stands first on the search path of their caller", async () => {
    await database.pool.query(TRAPS);
    try {
      const client = await database.client();
      await client.query("set search_path = trap, pg_catalog");
      await expect(client.query("select clock_timestamp()")).rejects.toThrow("trapped");
      const text = "select millrace.enqueue('mill', '{}', key => 'k', delay => '1 hour') as id";
      const [first] = (await client.query<{ id: string }>(text)).rows;
      await client.query("select millrace.enqueue('mill', '{}', after => array[$1::bigint])", [first?.id]);
      await client.query("select * from millrace.cancel_jobs(array[$1::bigint], 'no')", [first?.id]);
      await client.query("select millrace.settle_children(array[$1::bigint], '{}')", [first?.id]);
      await client.query("select * from millrace.recover_claims(10)");
      await client.query("select millrace.remove_worker(1)");
      await client.query("select millrace.expire_failed('-infinity', 10)");
      await client.query("select * from millrace.read_completed(0, 10)");
      const { rows } = await database.pool.query("select state from millrace.jobs order by id");
      expect(rows).toEqual([{ state: "failed" }, { state: "pending" }]);
    } finally {
      await database.pool.query("drop schema trap cascade");
    }
  });

  it("all have a search path of their own, and none that runs as its owner is for everybody", async () => {
    const { rows } = await database.pool.query<{ name: string; path: boolean; open: boolean }>(
      `select p.proname as name,
              'search_path=pg_catalog, pg_temp' = any(coalesce(p.proconfig, '{}')) as path,
              p.prosecdef and has_function_privilege('public', p.oid, 'execute') as open
         from pg_proc p where p.pronamespace = 'millrace'::regnamespace`,
    );
    expect(rows.length).toBeGreaterThan(8);
    expect(rows.filter(({ path, open }) => !path || open)).toEqual([]);
  });
});
