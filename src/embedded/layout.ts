import { randomBytes } from "node:crypto";
import { chown, mkdir, readdir, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expected, OptionError } from "../core/errors.ts";
import type { Config } from "./options.ts";
import { runProgram } from "./run-program.ts";
import type { SystemUser } from "./run-program.ts";

/** Where one server keeps its files. */
export interface Layout {
  /** What users know as `dataDir`. */
  readonly homeDir: string;
  /** The server's data, in `homeDir`. It appears complete or not at all. */
  readonly clusterDir: string;
  /** Where `initdb` works, in `homeDir`, until the result is renamed to `clusterDir`. */
  readonly initDir: string;
  /** Log, state and copied programs of this one run, in the temp directory. Always removed. */
  readonly runDir: string;
  /** Removed besides on stop: `homeDir` unless it is persistent. */
  readonly doomedDir: string | undefined;
}

/** Where in a `dataDir` the server's data stands. */
export function clusterDirOf(dataDir: string): string {
  return join(dataDir, "pgdata");
}

/**
 * Decides the directories, and makes `dataDir` when it is given. The rest is made when the keeper is
 * there to remove it.
 *
 * @throws OptionError when `dataDir` holds something else, or `user` cannot reach it.
 */
export async function layOut(config: Config, user: SystemUser | undefined): Promise<Layout> {
  const mark = randomBytes(9).toString("hex");
  const runDir = join(await tempDir(user), `millrace-${mark}`);
  const { dataDir, persistent } = config;
  if (dataDir !== undefined) {
    await (persistent ? openHome(dataDir, user) : claimHome(dataDir, user));
    await checkReach(dataDir, user);
  }
  const homeDir = dataDir ?? runDir;
  return {
    homeDir,
    clusterDir: clusterDirOf(homeDir),
    initDir: join(homeDir, `init-${mark}`),
    runDir,
    doomedDir: persistent ? undefined : homeDir,
  };
}

/** Makes a directory that only the server's user may enter. */
export async function makePrivateDir(path: string, user: SystemUser | undefined): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

async function openHome(dataDir: string, user: SystemUser | undefined): Promise<void> {
  const made = await mkdir(dataDir, { recursive: true });
  if (made !== undefined && user !== undefined) await chown(dataDir, user.uid, user.gid);
  const entries = await readdir(dataDir);
  if (entries.includes("PG_VERSION")) {
    throw new OptionError(
      expected("dataDir", "a directory of its own, not a Postgres data directory", dataDir),
    );
  }
}

/**
 * Takes a directory whose removal on stop can cost nobody anything: one that was absent or empty.
 * Making it is what decides between two starts at once.
 */
async function claimHome(dataDir: string, user: SystemUser | undefined): Promise<void> {
  await mkdir(dirname(dataDir), { recursive: true });
  await rmdir(dataDir).catch(() => {});
  await makePrivateDir(dataDir, user).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EEXIST") throw cause;
    const rule = "absent or empty (it is removed on stop unless `persistent` is true)";
    throw new OptionError(expected("dataDir", rule, dataDir), { cause });
  });
}

async function checkReach(dataDir: string, user: SystemUser | undefined): Promise<void> {
  if (user === undefined || (await may("-x", dataDir, user))) return;
  // Leaves no directory that this start made; one with anything in it stays.
  await rmdir(dataDir).catch(() => {});
  const rule =
    `reachable for the user ${user.name}, who runs the server because Postgres refuses to run as ` +
    "root (every directory above it must be open to that user)";
  throw new OptionError(expected("dataDir", rule, dataDir));
}

/** The first temp directory that the server's user can write to: root's own may be closed to it. */
async function tempDir(user: SystemUser | undefined): Promise<string> {
  if (user === undefined) return tmpdir();
  for (const dir of [tmpdir(), "/tmp", "/var/tmp"]) {
    if (await may("-w", dir, user)) return dir;
  }
  throw new Error(`No temp directory is open to the user ${user.name}: set TMPDIR to one that is`);
}

/** Whether `user` has a right on `path`, asked as that user, so that every directory above counts. */
async function may(right: "-w" | "-x", path: string, user: SystemUser): Promise<boolean> {
  const end = await runProgram(["/bin/sh", "-c", `test ${right} "$1"`, "sh", path], user);
  return end.ok;
}
