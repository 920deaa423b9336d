import { randomBytes } from "node:crypto";
import pg from "pg";
import { createClient } from "../../src/index.ts";
import type { Client, JobOptions } from "../../src/index.ts";
import { AUDIT_SQL } from "./ledger-sql.ts";
import { openLedger } from "./ledger.ts";
import type { Ledger } from "./ledger.ts";
import type { Figures } from "./figures.ts";
import { keepSecret, marked } from "./marked-lines.ts";
import { until } from "./wait.ts";
import { jobs } from "./work.ts";
import type { Work } from "./work.ts";

/** A migrated database with a ledger. */
export interface ChaosDatabase extends AsyncDisposable {
  readonly connectionString: string;
  /** The board's own connections, which are none of the library's. */
  readonly pool: pg.Pool;
  readonly ledger: Ledger;
  /** Enqueues so many jobs, in batches, and notes their ids. Each gets 100 attempts unless told otherwise. */
  readonly enqueue: (count: number, workOf: (n: number) => Work, options?: JobOptions) => Promise<void>;
  /** Resolves when no job is left but failed ones. The server may be away meanwhile. */
  readonly allDone: (timeoutMs?: number) => Promise<void>;
  /** Reads the ledger and computes what it comes to. */
  readonly audit: () => Promise<Figures>;
}

const BATCH = 2_000;

const UNFINISHED = "select count(*)::int as count from millrace.jobs where state <> 'failed'";

const LIBRARY_BACKENDS = `select count(*)::int as count from pg_stat_activity
  where datname = current_database() and application_name like 'millrace%'`;

/** What a database may need. */
export interface DatabaseOptions {
  /** Whether its address may lead to another server later: then the board's own connections do not stay. */
  readonly moves?: boolean;
}

/** Makes a database on a server. Disposing it drops it, whoever is connected. */
export async function openDatabase(
  serverUrl: string,
  { moves = false }: DatabaseOptions = {},
): Promise<ChaosDatabase> {
  keepSecret(serverUrl);
  const name = `millrace_chaos_${randomBytes(4).toString("hex")}`;
  await inServer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const connectionString = url.href;
  const pool = new pg.Pool({
    connectionString,
    max: 4,
    application_name: "chaos",
    maxUses: moves ? 1 : Infinity,
  });
  pool.on("error", () => undefined);
  await inClient(connectionString, (client) => client.migrate());
  const ledger = await openLedger(pool);
  const count = async (text: string): Promise<number> => {
    const { rows } = await pool.query<{ count: number }>(text);
    return rows[0]?.count ?? -1;
  };
  return {
    connectionString,
    pool,
    ledger,
    enqueue: (total, workOf, options = {}) =>
      inClient(connectionString, async (client) => {
        for (let from = 0; from < total; from += BATCH) {
          const length = Math.min(BATCH, total - from);
          const works = Array.from({ length }, (_, n) => workOf(from + n));
          const ids = await client.enqueueMany(
            works.map(
              (work) => ({ kind: "work", payload: marked(work), maxAttempts: 100, ...options }) as const,
            ),
          );
          works.forEach(({ deed }, n) => ledger.enqueued(ids[n] ?? "0", deed));
        }
      }),
    allDone: async (timeoutMs = 300_000) => {
      const done = async () => ((await count(UNFINISHED)) === 0 ? true : undefined);
      await until("all jobs are done", () => done().catch(() => undefined), { timeoutMs, everyMs: 100 });
    },
    audit: async () => {
      await ledger.read();
      // Postgres notices the end of a process in a moment.
      const gone = async () => ((await count(LIBRARY_BACKENDS)) === 0 ? true : undefined);
      await until("no backend is left", gone, { timeoutMs: 5_000 }).catch(() => undefined);
      await pool.query(
        "analyze chaos.enqueued, chaos.runs, chaos.told, chaos.answers, chaos.effects, chaos.history",
      );
      const { rows } = await pool.query<Record<string, number>>(AUDIT_SQL);
      return rows[0] ?? {};
    },
    [Symbol.asyncDispose]: async () => {
      ledger.remove();
      await pool.end();
      await inServer(serverUrl, `drop database if exists ${name} with (force)`);
    },
  };
}

/** A client of the board's jobs, for as long as `work` takes. */
export async function inClient<T>(
  connectionString: string,
  work: (client: Client<typeof jobs>) => Promise<T>,
): Promise<T> {
  await using client = createClient({ connectionString, jobs, logger: false });
  return await work(client);
}

async function inServer(serverUrl: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
