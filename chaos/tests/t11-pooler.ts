import pg from "pg";
import { createClient } from "../../src/index.ts";
import { pgbouncer, runPgbouncer } from "../../test/support/pgbouncer-process.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import { startDelays } from "../harness/start-delays.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";
import { jobs, mixedWork } from "../harness/work.ts";
import type { Work } from "../harness/work.ts";

const WORKERS = 3;
const POLL_MS = 500;

/** The sessions at the server that all clients share: fewer than there are clients. */
const SESSIONS = 6;

/** What is left in a session. PgBouncer itself sets the settings that are named here. */
const LEFT_SQL = `
select pg_backend_pid() as pid,
       (select count(*) from pg_prepared_statements)::int as prepared,
       (select count(*) from pg_listening_channels())::int
       + (select count(*) from pg_locks l where l.locktype = 'advisory' and l.pid = pg_backend_pid())::int
       + (select count(*) from pg_class c where c.relnamespace = pg_my_temp_schema())::int
       + (select count(*) from pg_settings s where s.source = 'session' and s.name not in
            ('DateStyle', 'TimeZone', 'application_name', 'client_encoding', 'standard_conforming_strings'))::int
         as other`;

/** What a worker without trouble logs. */
const QUIET: ReadonlySet<string> = new Set(["started", "draining", "drained", "exited"]);

/**
 * PgBouncer hands each transaction to whichever session is free: LISTEN hears nothing there, and a
 * prepared statement is another's at the next call.
 *
 * The control prepares statements, as node-postgres does with a name, through the same pooler.
 */
export const t11: ChaosTest = {
  id: "T11",
  title: "PgBouncer in transaction mode",
  ci: false,
  obstacle: () => (pgbouncer === undefined ? "there is no pgbouncer on the PATH" : undefined),
  run: async ({ random, size, database: open }) => {
    await using database = await open();
    const before = await through(database, async (connectionString) => {
      await using fleet = startFleet(database, {
        size: WORKERS,
        worker: { leaseDurationMs: 5_000, concurrency: 5, pollIntervalMs: POLL_MS },
        connectionString,
        order: { throughPooler: true },
      });
      await fleet.ready();
      await using client = createClient({ connectionString, jobs, logger: false, throughPooler: true });
      await client.migrate();
      const enqueue = async (payload: Work, key?: string): Promise<void> => {
        const id = await client.enqueue("work", payload, { maxAttempts: 100, key });
        database.ledger.enqueued(id, payload.deed);
      };
      // One by one, so that each waits for a poll; then many at once.
      for (let n = 0; n < size(50); n += 1) {
        await enqueue({ deed: "transaction" }, n % 2 === 0 ? `key ${n}` : undefined);
        await sleep(random.between(0, 200));
      }
      await database.allDone();
      const delays = await startDelays(database);
      await Promise.all(Array.from({ length: size(2_000) }, () => enqueue(mixedWork(random, 20))));
      await database.allDone();
      await fleet.stop();
      return { ...delays, ...(await leftIn(connectionString)), ...saidOf(fleet), ...fleet.figures() };
    });
    const audit = await database.audit();
    const control = await through(database, preparing);
    return {
      figures: { ...before, ...audit },
      rules: {
        ...SOUND,
        extraRuns: is(0),
        slowestStartMs: atMost(POLL_MS + 1_000),
        sessions: is(SESSIONS),
        prepared: is(0),
        otherState: is(0),
        warnings: is(WORKERS),
        otherLines: is(0),
        failures: is(0),
      },
      control,
      controlRules: { statementErrors: atLeast(1), prepared: atLeast(1) },
    };
  },
};

async function through(
  { connectionString }: ChaosDatabase,
  work: (connectionString: string) => Promise<Figures>,
): Promise<Figures> {
  await using pooler = await runPgbouncer(connectionString, SESSIONS);
  return await work(pooler.connectionString);
}

/** Opens a transaction in each session of the pooler at once, and looks what is left there. */
async function leftIn(connectionString: string): Promise<Figures> {
  const clients = Array.from({ length: SESSIONS }, () => new pg.Client({ connectionString }));
  const found: { readonly pid: number; readonly prepared: number; readonly other: number }[] = [];
  for (const client of clients) {
    await client.connect();
    await client.query("begin");
    const { rows } = await client.query<{ pid: number; prepared: number; other: number }>(LEFT_SQL);
    found.push(...rows);
  }
  for (const client of clients) {
    await client.query("rollback");
    await client.end();
  }
  return {
    sessions: new Set(found.map(({ pid }) => pid)).size,
    prepared: found.reduce((sum, one) => sum + one.prepared, 0),
    otherState: found.reduce((sum, one) => sum + one.other, 0),
  };
}

function saidOf(fleet: Fleet): Figures {
  const logged = fleet.all.flatMap((member) => member.logged.filter(({ ofJob }) => !ofJob));
  return {
    warnings: logged.filter(({ event }) => event === "listen-lost").length,
    otherLines: logged.filter(({ event }) => event !== "listen-lost" && !QUIET.has(event)).length,
    failures: fleet.events().filter(({ event }) => event.type.endsWith("-failed")).length,
  };
}

async function preparing(connectionString: string): Promise<Figures> {
  const pool = new pg.Pool({ connectionString, max: 2 * SESSIONS });
  const look = { name: "look", text: "select count(*) from millrace.jobs where id = $1", values: ["1"] };
  const calls = Array.from({ length: 100 }, () => pool.query(look).then(() => 0, codeOf));
  const codes = await Promise.all(calls);
  const { prepared = 0 } = await leftIn(connectionString);
  await pool.end();
  return { statementErrors: codes.filter((code) => code !== 0).length, prepared };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : error;
}
