import { stat } from "node:fs/promises";
import { runProgram } from "./run-program.ts";
import type { ProgramEnd, SystemUser } from "./run-program.ts";

/** Users that a server may run as where the owner is root, best first. */
const CANDIDATES: readonly string[] = ["postgres", "nobody"];

/** The ways to make the user `postgres`: shadow-utils (most Linux), then busybox (Alpine). */
const CREATORS: readonly (readonly [string, ...string[]])[] = [
  ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", "postgres"],
  ["adduser", "-S", "-D", "-H", "-s", "/bin/false", "postgres"],
];

/**
 * Finds the user to run the server as: `undefined` (the owner itself) unless the owner is root,
 * since Postgres refuses to run as root. For root it is the user that owns the data already in
 * `clusterDir`, else `postgres`, else `nobody`; where a system has neither, `postgres` is created.
 *
 * @param run Runs a program; tests pass a system of their own.
 * @throws Error when there is no such user and none could be created.
 */
export async function findServerUser(
  clusterDir: string | undefined,
  run: (argv: readonly [string, ...string[]]) => Promise<ProgramEnd> = runProgram,
): Promise<SystemUser | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const owner = clusterDir === undefined ? undefined : await stat(clusterDir).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) {
    return { name: `with the id ${owner.uid}`, uid: owner.uid, gid: owner.gid };
  }
  for (const name of CANDIDATES) {
    const user = await lookUp(name, run);
    if (user !== undefined) return user;
  }
  for (const creator of CREATORS) {
    await run(creator);
    const user = await lookUp("postgres", run);
    if (user !== undefined) return user;
  }
  throw new Error(
    "Postgres refuses to run as root, and this system has no other user to run it as: " +
      "create one named `postgres`, or start as a user that is not root",
  );
}

async function lookUp(
  name: string,
  run: (argv: readonly [string, ...string[]]) => Promise<ProgramEnd>,
): Promise<SystemUser | undefined> {
  const [uid, gid] = await Promise.all([run(["id", "-u", name]), run(["id", "-g", name])]);
  if (!uid.ok || !gid.ok) return undefined;
  return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
}
