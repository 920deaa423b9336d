import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { startOnFreePort } from "../../src/embedded/free-port.ts";

/** A PgBouncer in transaction mode. Disposing it ends it. */
export interface Pgbouncer extends AsyncDisposable {
  /** The given address, through it. */
  readonly connectionString: string;
}

/** Where PgBouncer is, or `undefined` on a machine that has none: what needs it is not run then. */
export const pgbouncer: string | undefined = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin`
  .split(delimiter)
  .map((folder) => join(folder, "pgbouncer"))
  .find(isProgram);

/** The user that has no rights, as whom PgBouncer runs where its owner is root: it refuses that. */
const NOBODY = 65_534;

/** Starts PgBouncer in transaction mode before a server, with so many connections to it. */
export async function runPgbouncer(connectionString: string, poolSize: number): Promise<Pgbouncer> {
  const url = new URL(connectionString);
  const folder = await mkdtemp(join(tmpdir(), "millrace-pgbouncer-"));
  await chmod(folder, 0o755);
  let end = async (): Promise<void> => undefined;
  const dispose = async (): Promise<void> => {
    await end();
    await rm(folder, { recursive: true });
  };
  try {
    const port = await startOnFreePort(async (free) => {
      const file = join(folder, `${free}.ini`);
      await writeFile(
        file,
        `[databases]
* = host=${url.hostname} port=${url.port || "5432"} user=${quoted(url.username)} password=${quoted(url.password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${free}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
`,
      );
      const ended = await launch(file);
      if (ended === undefined) return false;
      end = ended;
      return true;
    });
    url.host = `127.0.0.1:${port}`;
    return { connectionString: url.href, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Runs it; answers with what ends it, or `undefined` when its port was taken. */
async function launch(file: string): Promise<(() => Promise<void>) | undefined> {
  if (pgbouncer === undefined) throw new Error("Expected a pgbouncer on the PATH");
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const child = spawn(pgbouncer, [file], { stdio: ["ignore", "ignore", "pipe"], ...user });
  const exited = once(child, "exit");
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    if (!line.includes("process up")) continue;
    child.stderr.resume();
    return async () => {
      child.kill("SIGKILL");
      await exited;
    };
  }
  await exited;
  if (said.some((line) => line.includes("in use"))) return undefined;
  throw new Error(`PgBouncer did not start: ${said.join("\n")}`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function quoted(part: string): string {
  return `'${decodeURIComponent(part).replaceAll("'", "''")}'`;
}
