import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import { until } from "./wait.ts";

/** A server that a test may stop, kill parts of, and start again with its data, at the same address. */
export interface ChaosServer extends AsyncDisposable {
  readonly connectionString: string;
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
export async function startServer({ binDir, settings = {} }: ServerPlan): Promise<ChaosServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "millrace-chaos-"));
  // The server may run as another user.
  await chmod(dataDir, 0o777);
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

async function postmasterOf(dataDir: string): Promise<number> {
  const text = await readFile(join(dataDir, "pgdata", "postmaster.pid"), "utf8");
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
