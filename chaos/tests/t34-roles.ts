import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import pg from "pg";
import { createClient } from "../../src/index.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { programOf } from "../harness/programs.ts";
import { ROLE_DEEDS, ROLE_KINDS, roleJobs } from "../harness/role-deeds.ts";
import type { RoleKind } from "../harness/role-deeds.ts";
import { attackBySearchPath } from "../harness/search-path-attack.ts";
import type { ChaosTest } from "../harness/test.ts";

/** A worker whose lease ran out and one that lives, 1 and 2, which hold the jobs 1 and 2; job 3 is to run. */
const WORLD_SQL = `
set client_min_messages = warning;
truncate millrace.pending, millrace.scheduled, millrace.waiting, millrace.claimed, millrace.failed,
  millrace.completed, millrace.dependencies, millrace.keys, millrace.workers, millrace.since_crash;
insert into millrace.workers (id, label, queues, registered_at, lease_expires_at) overriding system value
  values (1, 'dead', '{default}', now() - interval '2 s', now() - interval '1 s'),
         (2, 'alive', '{default}', now(), now() + interval '1 h');
insert into millrace.claimed (id, created_at, run_at, attempt, max_attempts, crashes, token, priority, has_children,
                              kind, queue, payload, errors, worker_id, claimed_at, started)
  select n, now(), now(), 1, 3, 0, 1, 0, false, 'work', 'default', 'null', '[]', n, now(), true
    from generate_series(1, 2) n;
insert into millrace.pending (id, created_at, run_at, attempt, max_attempts, crashes, token, priority, has_children,
                              kind, queue, payload, errors)
  values (3, now(), now(), 0, 3, 0, 0, 0, false, 'work', 'default', 'null', '[]');
do $$ begin execute format('alter database %I set track_functions = %L', current_database(), 'all'); end $$`;

/** Calls that reach every function: some of these call others. */
const ATTACK: readonly string[] = [
  "select millrace.enqueue('work', '{}', key => 'trapped', delay => '1 hour')",
  "select millrace.enqueue('work', '{}', key => 'trapped')",
  "select millrace.enqueue('work', '{}', after => '{3, 2}', after_failure => 'run')",
  "select * from millrace.recover_claims(10)",
  "select * from millrace.take_over_claims(2, 'default', 0, 1, 1)",
  "select millrace.finish_jobs('{2}', '{}', '{trapped}')",
  "select * from millrace.cancel_jobs('{3}', 'no')",
  "select millrace.remove_worker(2)",
  "select millrace.expire_failed('infinity', 10)",
  "select * from millrace.read_completed(0, 10)",
];

const FUNCTIONS_SQL = `
select count(*)::int as count from pg_proc p where p.pronamespace = 'millrace'::regnamespace`;

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
 * Each kind of role tries everything. Then one that has all their rights puts its own functions, operators
 * and tables before those that the library's functions mean, and calls every one of these. Two of them run
 * with the rights of their owner.
 *
 * The control is the same attack on a function without a search path of its own.
 */
export const t34: ChaosTest = {
  id: "T34",
  title: "roles that try everything, and an attack by search_path",
  ci: true,
  run: async ({ database: open }) => {
    await using database = await open();
    const { pool } = database;
    await pool.query(LEDGER_GRANTS_SQL);
    let figures: Figures = { allowed: 0, allowedFailed: 0, forbidden: 0, forbiddenDone: 0 };
    for (const kind of ROLE_KINDS) {
      await using role = await newRole(database, [kind]);
      figures = sumOf(figures, await attempts(role, database, kind));
    }
    await pool.query(WORLD_SQL);
    await pool.query(CARELESS_SQL);
    await using attacker = await newRole(database, ROLE_KINDS, true);
    const attack = await attackBySearchPath({ ...attacker, calls: ATTACK });
    const control = await attackBySearchPath({ ...attacker, calls: ["select careless.enqueue()"] });
    const { rows } = await pool.query<{ count: number }>(FUNCTIONS_SQL);
    return {
      figures: { ...figures, ...attack },
      rules: {
        allowedFailed: is(0),
        forbiddenDone: is(0),
        allowed: atLeast(40),
        forbidden: atLeast(90),
        functions: is(rows[0]?.count ?? -1),
        trapped: is(0),
        ranAsOwner: is(0),
      },
      control: { trapped: control["trapped"] ?? 0, ranAsOwner: control["ranAsOwner"] ?? 0 },
      controlRules: { trapped: atLeast(1), ranAsOwner: atLeast(1) },
    };
  },
};

interface OpenRole extends AsyncDisposable {
  readonly name: string;
  readonly pool: pg.Pool;
  readonly connectionString: string;
}

/** Makes a role with the rights that the command line prints for these kinds. Disposing it drops it. */
async function newRole(
  { pool: owner, connectionString }: ChaosDatabase,
  kinds: readonly RoleKind[],
  mayMake = false,
): Promise<OpenRole> {
  const name = `chaos_${randomBytes(4).toString("hex")}`;
  const cli = programOf("../../src/cli");
  const { stdout } = await promisify(execFile)(process.execPath, [
    cli,
    "grants",
    "--show-sql",
    ...kinds.flatMap((kind) => [`--${kind}`, name]),
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
  kind: RoleKind,
): Promise<Figures> {
  await using client = createClient({ connectionString, jobs: roleJobs, logger: false });
  await using owner = createClient({
    connectionString: database.connectionString,
    jobs: roleJobs,
    logger: false,
  });
  let [allowed, allowedFailed, forbidden, forbiddenDone] = [0, 0, 0, 0];
  for (const [what, kinds, act] of ROLE_DEEDS) {
    const code = await act({ client, pool, owner, ownerPool: database.pool }).then(() => undefined, codeOf);
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

function sumOf(one: Figures, other: Figures): Figures {
  return Object.fromEntries(Object.entries(one).map(([name, value]) => [name, value + (other[name] ?? 0)]));
}

/** Postgres' code for an error, or for what caused it; else what it says. */
function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if ("code" in error) return error.code;
  return error.cause === undefined ? String(error) : codeOf(error.cause);
}
