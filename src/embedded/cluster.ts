import { randomBytes } from "node:crypto";
import { chown, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Keeper, ProgramState } from "./keeper.ts";
import { makePrivateDir } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { pathExists } from "./path-exists.ts";
import { pollUntil } from "./poll-until.ts";
import { inUse, readPostmasterFile } from "./postmaster-file.ts";
import type { SystemUser } from "./run-program.ts";

/** Longest start, in milliseconds: a second is usual, replaying the log after a crash may take long. */
const START_TIMEOUT_MS = 300_000;

/** In the data directory, so that data and password come and go together. Postgres ignores it. */
const PASSWORD_FILE = "millrace-password";

/**
 * Makes a new cluster in `clusterDir` with a random password for the superuser. It is made
 * aside and renamed, so that of two starts at once one wins whole and the other takes up its result.
 */
export async function makeCluster(
  layout: Layout,
  keeper: Keeper,
  user: SystemUser | undefined,
): Promise<void> {
  const { runDir, initDir, clusterDir } = layout;
  const password = randomBytes(24).toString("base64url");
  await makePrivateDir(initDir, user);
  await writePassword(join(runDir, "password"), password, user);
  await keeper.send("init");
  const end = await awaitState(keeper, (state) => (state.type === "ended" ? state : undefined));
  if (end.status !== 0) throw await startError("`initdb` failed", keeper);
  await writePassword(join(initDir, PASSWORD_FILE), password, user);
  await rename(initDir, clusterDir).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    if (!(await hasCluster(clusterDir))) throw new Error(`Not made by startEmbeddedPostgres: ${clusterDir}`);
    await rm(initDir, { recursive: true, force: true });
  });
}

/** Whether `clusterDir` holds a cluster that `makeCluster` made. */
export function hasCluster(clusterDir: string): Promise<boolean> {
  return pathExists(join(clusterDir, PASSWORD_FILE));
}

/** The superuser's password. */
export function readPassword(clusterDir: string): Promise<string> {
  return readFile(join(clusterDir, PASSWORD_FILE), "utf8");
}

/**
 * Runs the server on a port and resolves when it takes connections.
 *
 * @returns `false` when the port is taken.
 * @throws Error with the end of the server's log when it does not come up.
 */
export async function serve(layout: Layout, keeper: Keeper, port: number): Promise<boolean> {
  const { clusterDir, homeDir } = layout;
  await keeper.send(`serve ${port}`);
  const seen = await awaitState(keeper, async (state) => {
    if (state.type !== "running") return state.type === "ended" ? "ended" : undefined;
    // A file left by a crash names another process until the new server writes its own.
    const file = await readPostmasterFile(clusterDir);
    return file?.pid === state.pid && file.status === "ready" ? "ready" : undefined;
  });
  if (seen === "ready") return true;
  const log = await keeper.log();
  if (/could not bind .*: Address already in use/.test(log)) return false;
  if (/lock file "postmaster.pid" already exists|shared memory block .* is still in use/.test(log)) {
    throw await inUse(clusterDir, homeDir);
  }
  throw await startError("Postgres did not start", keeper);
}

async function awaitState<T>(
  keeper: Keeper,
  look: (state: ProgramState) => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const seen = await pollUntil(async () => look(await keeper.state()), START_TIMEOUT_MS);
  if (seen === undefined) throw await startError(`Postgres was not up after ${START_TIMEOUT_MS} ms`, keeper);
  return seen;
}

/** The program's last lines usually name the cause; they hold no password, since it is passed in a file. */
async function startError(what: string, keeper: Keeper): Promise<Error> {
  const log = (await keeper.log()).trim().split("\n").slice(-5).join("\n");
  return new Error(`${what}: ${log.slice(-1_000) || "it wrote no reason"}`);
}

async function writePassword(path: string, password: string, user: SystemUser | undefined): Promise<void> {
  await writeFile(path, password, { mode: 0o600 });
  if (user !== undefined) await chown(path, user.uid, user.gid);
}
