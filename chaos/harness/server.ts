import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import { until } from "./wait.ts";

/** A server that a test may stop, kill parts of, and start again with its data, at the same address. */
export interface ChaosServer extends AsyncDisposable {
  readonly connectionString: string;
  /** The directory of Postgres' own files. */
  readonly clusterDir: string;
  /** Shuts it down cleanly, and resolves when it is down. Its data stay. */
  readonly stop: () => Promise<void>;
  /** `pg_ctl stop -m immediate`: every process ends at once, nothing is written. Resolves when it has. */
  readonly stopImmediately: () => Promise<void>;
  /** Starts it again; resolves when it takes connections. */
  readonly start: () => Promise<void>;
}

/** Where the programs of Postgres are, and settings of the server. */
export interface ServerPlan {
  readonly binDir: string | undefined;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts a server on a free port, with durable commits. Disposing it leaves nothing. */
export async function startServer(plan: ServerPlan): Promise<ChaosServer> {
  return startServerIn(await makeDataDir(), plan);
}

/** Makes a directory that a server may have for its data. */
export async function makeDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), "millrace-chaos-"));
  // The server may run as another user.
  await chmod(dataDir, 0o777);
  return dataDir;
}

/** Starts a server over a directory, and over the data in it where there are. Disposing it removes them. */
export async function startServerIn(
  dataDir: string,
  { binDir, settings = {} }: ServerPlan,
): Promise<ChaosServer> {
  const options = {
    dataDir,
    persistent: true,
    settings: { max_connections: "200", ...settings },
    ...(binDir === undefined ? {} : { binDir }),
  };
  let server = await startEmbeddedPostgres(options);
  const { port, connectionString } = server;
  return {
    connectionString,
    clusterDir: clusterDirOf(dataDir),
    stop: () => server.stop(),
    stopImmediately: async () => {
      const pid = await postmasterOf(dataDir);
      process.kill(pid, "SIGQUIT");
      await until("the server ends", () => (isAlive(pid) ? undefined : true), { everyMs: 5 });
      // Its keeper, too; the data stays.
      await server.stop();
    },
    start: async () => {
      server = await startEmbeddedPostgres({ ...options, port });
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Where Postgres' own files are in a directory of `millrace/embedded`. */
export function clusterDirOf(dataDir: string): string {
  return join(dataDir, "pgdata");
}

async function postmasterOf(dataDir: string): Promise<number> {
  const text = await readFile(join(clusterDirOf(dataDir), "postmaster.pid"), "utf8");
  return Number(text.split("\n", 1)[0]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
