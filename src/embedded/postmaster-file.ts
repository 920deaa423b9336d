import { readFile, readlink, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { pollUntil } from "./poll-until.ts";
import { runProgram } from "./run-program.ts";

/** What a server tells about itself in the file `postmaster.pid` of its data directory. */
export interface PostmasterFile {
  readonly pid: number;
  /** `ready` once it takes connections, `stopping` on the way down. */
  readonly status: string;
}

/** How long a server that looks well is given, since its owner may have died this very moment. */
const GRACE_MS = 1_000;

/** How long a server that is stopping is waited for: its last checkpoint may have much to write. */
const STOPPING_MS = 60_000;

/** Reads the file of a server that runs, or ran, on `clusterDir`; `undefined` when there is none. */
export async function readPostmasterFile(clusterDir: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(postmasterPath(clusterDir), "utf8").catch(() => "");
  // The lines are those of `pidfile.h`: 1 the process, 8 the status, padded with blanks.
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, status: lines[7]?.trim() ?? "" };
}

/**
 * Waits until no other server holds `clusterDir`. A server whose owner just ended is on its way
 * down, as when a development server restarts; one that stays up is an error.
 *
 * @throws Error that names the process that holds the data.
 */
export async function awaitFormerServer(clusterDir: string, dataDir: string): Promise<void> {
  const start = performance.now();
  const left = await pollUntil(async () => {
    const former = await readPostmasterFile(clusterDir);
    if (former === undefined || !(await holds(former.pid, clusterDir))) return "nobody";
    const hopeless = former.status !== "stopping" && performance.now() - start > GRACE_MS;
    return hopeless ? "somebody" : undefined;
  }, STOPPING_MS);
  if (left !== "nobody") throw await inUse(clusterDir, dataDir);
}

/** The error for data that another server is using. */
export async function inUse(clusterDir: string, dataDir: string): Promise<Error> {
  const pid = (await readPostmasterFile(clusterDir))?.pid;
  const holder = pid === undefined ? "" : ` (process ${pid})`;
  return new Error(
    `\`dataDir\` is in use by another Postgres server${holder}: ${dataDir}. ` +
      "Stop that server, or start with another `dataDir`",
  );
}

/**
 * Whether the process runs a server on `clusterDir`. A file left by a crash may name a process that
 * came later under the same number, usual when a container restarts; Postgres itself would then
 * refuse to start, so such a file is removed. Postgres notices by its shared memory if that was wrong.
 */
async function holds(pid: number, clusterDir: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (await isServer(pid, clusterDir)) return true;
  await rm(postmasterPath(clusterDir), { force: true });
  return false;
}

async function isServer(pid: number, clusterDir: string): Promise<boolean> {
  if (process.platform === "linux") {
    // A server works in its data directory, a zombie nowhere. What may not be read counts as one.
    const here = await realpath(clusterDir);
    const cwd = await readlink(`/proc/${pid}/cwd`).catch((error: NodeJS.ErrnoException) =>
      error.code === "ENOENT" ? undefined : here,
    );
    return cwd === here;
  }
  const name = await runProgram(["ps", "-o", "comm=", "-p", String(pid)]);
  return !name.ok || name.stdout.includes("postgres");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function postmasterPath(clusterDir: string): string {
  return join(clusterDir, "postmaster.pid");
}
