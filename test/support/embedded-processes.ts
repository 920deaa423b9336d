import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { onTestFinished } from "vitest";
import { pathExists } from "../../src/embedded/path-exists.ts";
import { pollUntil } from "../../src/embedded/poll-until.ts";
import type { SystemUser } from "../../src/embedded/run-program.ts";
import type { OwnerOrder } from "./embedded-owner.ts";

/** Longest wait for processes and files to go, in milliseconds; a busy machine takes a second. */
const GONE_TIMEOUT_MS = 20_000;

/** A child process that owns, or will own, a server. */
export interface Owner {
  readonly child: ChildProcess;
  /** What it wrote to stdout and stderr so far. */
  readonly output: () => string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Its server, once that is up; rejects when the owner ends before. */
  readonly server: Promise<{ connectionString: string; port: number; dataDir: string }>;
}

/** Starts an owner, in a process group of its own as a terminal would. It is killed after the test. */
export function startOwner(order: OwnerOrder, user?: SystemUser): Owner {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const script = fileURLToPath(new URL("embedded-owner.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(order)], {
    cwd: root,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | NodeJS.Signals>((settle) => {
    child.once("close", (code, signal) => settle(signal ?? code ?? -1));
  });
  const server = new Promise<{ connectionString: string; port: number; dataDir: string }>((settle, fail) => {
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const line = /^\{.*\}$/m.exec(output)?.[0];
      if (line !== undefined)
        settle(JSON.parse(line) as { connectionString: string; port: number; dataDir: string });
    });
    void ended.then((code) => fail(new Error(`The owner ended (${code}): ${output}`)));
  });
  // A test that kills the owner early does not look at its server.
  server.catch(() => {});
  return { child, output: () => output, ended, server };
}

/** Resolves when no process that was started with `path` is left, and `path` neither; rejects when they stay. */
export async function gone(path: string): Promise<void> {
  const left = await pollUntil(async () => {
    const here = await pathExists(path);
    return !here && (await processesOf(path)).length === 0 ? "nothing" : undefined;
  }, GONE_TIMEOUT_MS);
  if (left === undefined) {
    throw new Error(`Left behind: ${[path, ...(await processesOf(path))].join("\n")}`);
  }
}

/** The running processes with `path` in their command line: a server and its keeper have it. */
export async function processesOf(path: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-ww", "-o", "pid=,args="]);
  // The owner has it too when it was told the path.
  return stdout.split("\n").filter((line) => line.includes(path) && !line.includes("embedded-owner.ts"));
}

/** An empty directory that the server's user can write to where the owner is root, removed after the test. */
export async function makeTempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "millrace-test-"));
  await chmod(dir, 0o777);
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs one statement in a connection of its own and returns its rows. */
export async function query(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
