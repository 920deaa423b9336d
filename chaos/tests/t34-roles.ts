import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import pg from "pg";
import { createClient } from "../../src/index.ts";
import type { Client } from "../../src/index.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { programOf } from "../harness/programs.ts";
import type { ChaosTest } from "../harness/test.ts";
import { until } from "../harness/wait.ts";
import { jobs } from "../harness/work.ts";

const KINDS = ["enqueue", "worker", "admin"] as const;

type Kind = (typeof KINDS)[number];

/** A role at work, and the owner who prepares things for it. */
interface Role {
  readonly client: Client<typeof jobs>;
  readonly pool: pg.Pool;
  readonly owner: Client<typeof jobs>;
}

type Deed = readonly [what: string, kinds: readonly Kind[], act: (role: Role) => Promise<unknown>];

const WORK = { deed: "return" } as const;

/** What there is to do, and who may. */
const DEEDS: readonly Deed[] = [
  ["enqueue", ["enqueue"], ({ client }) => client.enqueue("work", WORK)],
  ["enqueue later", ["enqueue"], ({ client }) => client.enqueue("work", WORK, { delayMs: 60_000 })],
  ["enqueue with a key", ["enqueue"], ({ client }) => client.enqueue("work", WORK, { key: "k" })],
  [
    "enqueue after another",
    ["enqueue"],
    async ({ client, owner }) => client.enqueue("work", WORK, { after: [await owner.enqueue("work", WORK)] }),
  ],
  ["enqueue in SQL", ["enqueue"], sql(`select millrace.enqueue('work', '{"deed":"return"}', key => 'sql')`)],
  ["work", ["worker"], work],
  ["count", ["worker", "admin"], ({ client }) => client.pendingCount()],
  ["list failed jobs", ["admin"], ({ client }) => client.listFailed()],
  ["retry", ["admin"], async (role) => role.client.retryJob(await failedJob(role))],
  [
    "delete a failed job",
    ["worker", "admin"],
    async (role) => role.client.deleteFailed(await failedJob(role)),
  ],
  ["cancel", ["admin"], async ({ client, owner }) => client.cancel(await owner.enqueue("work", WORK))],
  ["read payloads of jobs to run", ["worker", "admin"], sql("select payload from millrace.pending")],
  ["read payloads of all jobs", [], sql("select payload from millrace.jobs")],
  ["read results", [], sql("select result from millrace.completed")],
  ["truncate", [], sql("truncate millrace.pending")],
  ["forge the version", [], sql("update millrace.migrations set version = 99")],
  ["make a table", [], sql("create table millrace.mine (id int)")],
  ["make a function", [], sql("create function millrace.mine() returns int language sql return 1")],
  ["disable triggers", [], sql("alter table millrace.pending disable trigger all")],
  ["set the sequence", [], sql("select setval('millrace.job_ids', 1)")],
  ["drop a function", [], sql("drop function millrace.enqueue")],
  ["drop the schema", [], sql("drop schema millrace cascade")],
];

/** A function that stands for one of Postgres', first on the search path, and notes as whom it runs. */
const TRAPS_SQL = `
create schema trap;
create table trap.loot (who text);
grant insert on trap.loot to public;
create function trap.clock_timestamp() returns timestamptz language plpgsql as
  $$ begin insert into trap.loot values (current_user); return now(); end $$;
create function trap.nextval(text) returns bigint language plpgsql as
  $$ begin insert into trap.loot values (current_user); return -1; end $$;
create function trap.cardinality(text[]) returns int language plpgsql as
  $$ begin insert into trap.loot values (current_user); return 1; end $$;
create function trap.pg_notify(text, text) returns void language plpgsql as
  $$ begin insert into trap.loot values (current_user); end $$;
create function trap.same(bigint, bigint) returns boolean language plpgsql as
  $$ begin insert into trap.loot values (current_user); return true; end $$;
create operator trap.= (leftarg = bigint, rightarg = bigint, function = trap.same);
create temp table keys (key text, job_id bigint);
create temp table pending (id bigint, has_children boolean)`;

/** As careless as a function of its owner's rights can be. */
const CARELESS_SQL = `
create schema careless;
create function careless.enqueue() returns timestamptz language plpgsql security definer as
  $$ begin return clock_timestamp(); end $$;
grant usage on schema careless to public`;

/** The triggers of the ledger write with the rights of whoever claims. */
const LEDGER_GRANTS_SQL = `
grant usage on schema chaos to public;
grant select, insert on all tables in schema chaos to public;
grant usage on all sequences in schema chaos to public`;

/**
 * Each kind of role tries everything. Then one that may only enqueue puts its own functions, operators
 * and tables before those that the library's functions mean, which run with the rights of their owner.
 *
 * The control is the same attack on a function without a search path of its own.
 */
export const t34: ChaosTest = {
  id: "T34",
  title: "roles that try everything, and an attack by search_path",
  ci: true,
  run: async ({ database: open }) => {
    await using database = await open();
    await database.pool.query(LEDGER_GRANTS_SQL);
    let figures: Figures = { allowed: 0, allowedFailed: 0, forbidden: 0, forbiddenDone: 0 };
    for (const kind of KINDS) {
      await using role = await newRole(database, kind);
      figures = sumOf(figures, await attempts(role, database, kind));
    }
    await using attacker = await newRole(database, "enqueue", true);
    await database.pool.query(CARELESS_SQL);
    const attack = await attackOf(attacker, [
      "select millrace.enqueue('work', '{}', key => 'trapped', delay => '1 hour')",
      "select millrace.enqueue('work', '{}', key => 'trapped')",
      "select millrace.enqueue('work', '{}', after => array[(millrace.enqueue('work', '{}'))])",
    ]);
    const control = await attackOf(attacker, ["select careless.enqueue()"]);
    return {
      figures: { ...figures, ...attack },
      rules: {
        allowedFailed: is(0),
        forbiddenDone: is(0),
        allowed: atLeast(1),
        ranAsOwner: is(0),
        calls: is(3),
      },
      control,
      controlRules: { ranAsOwner: atLeast(1) },
    };
  },
};

interface OpenRole extends AsyncDisposable {
  readonly name: string;
  readonly pool: pg.Pool;
  readonly connectionString: string;
}

/** Makes a role with the rights that the command line prints. Disposing it drops it. */
async function newRole(
  { pool: owner, connectionString }: ChaosDatabase,
  kind: Kind,
  mayMake = false,
): Promise<OpenRole> {
  const name = `chaos_${kind}_${randomBytes(4).toString("hex")}`;
  const cli = programOf("../../src/cli");
  const { stdout } = await promisify(execFile)(process.execPath, [
    cli,
    "grants",
    "--show-sql",
    `--${kind}`,
    name,
  ]);
  await owner.query(`create role ${name} login password 'grist'`);
  await owner.query(stdout);
  if (mayMake)
    await owner.query(
      `do $$ begin execute format('grant create, temp on database %I to ${name}', current_database()); end $$`,
    );
  const url = new URL(connectionString);
  url.username = name;
  url.password = "grist";
  const pool = new pg.Pool({ connectionString: url.href, max: 1 });
  return {
    name,
    pool,
    connectionString: url.href,
    [Symbol.asyncDispose]: async () => {
      await pool.end();
      await owner.query(`drop owned by ${name} cascade; drop role ${name}`);
    },
  };
}

async function attempts(
  { pool, connectionString }: OpenRole,
  database: ChaosDatabase,
  kind: Kind,
): Promise<Figures> {
  await using client = createClient({ connectionString, jobs, logger: false });
  await using owner = createClient({ connectionString: database.connectionString, jobs, logger: false });
  let [allowed, allowedFailed, forbidden, forbiddenDone] = [0, 0, 0, 0];
  for (const [what, kinds, act] of DEEDS) {
    const code = await act({ client, pool, owner }).then(() => undefined, codeOf);
    const wrong = kinds.includes(kind) ? code !== undefined : code !== "42501";
    if (wrong) process.stderr.write(`${kind}: ${what}: ${String(code)}\n`);
    if (kinds.includes(kind)) {
      allowed += 1;
      allowedFailed += Number(wrong);
    } else {
      forbidden += 1;
      forbiddenDone += Number(wrong);
    }
  }
  return { allowed, allowedFailed, forbidden, forbiddenDone };
}

/** Calls functions with the traps first on the path; counts what ran with other rights than the attacker's. */
async function attackOf({ pool, name }: OpenRole, calls: readonly string[]): Promise<Figures> {
  const client = await pool.connect();
  try {
    await client.query("drop schema if exists trap cascade; discard temp");
    await client.query(TRAPS_SQL);
    await client.query("set search_path = pg_temp, trap, pg_catalog");
    for (const call of calls) await client.query(call);
    const { rows } = await client.query<{ count: number }>(
      "select count(*)::int as count from trap.loot where who operator(pg_catalog.<>) $1",
      [name],
    );
    return { calls: calls.length, ranAsOwner: rows[0]?.count ?? -1 };
  } finally {
    client.release(true);
  }
}

function sql(text: string): Deed[2] {
  return ({ pool }) => pool.query(text);
}

/** Runs all that waits. */
async function work({ client, owner }: Role): Promise<void> {
  await owner.enqueue("work", WORK);
  const worker = await client.spawnWorker({ handlers: { work: () => undefined } });
  await until("all is done", async () => ((await owner.pendingCount()) === 0 ? true : undefined));
  await worker.shutdown();
}

async function failedJob({ owner }: Role): Promise<string> {
  const id = await owner.enqueue("work", WORK);
  await owner.cancel(id);
  return id;
}

function sumOf(one: Figures, other: Figures): Figures {
  return Object.fromEntries(Object.entries(one).map(([name, value]) => [name, value + (other[name] ?? 0)]));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : String(error);
}
