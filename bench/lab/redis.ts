import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A Redis server of the bench's own. */
export interface Redis {
  readonly port: number;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** The version of `redis-server` on the path, or `undefined` when there is none. */
export function redisVersion(): string | undefined {
  const { stdout } = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  // Not installed: there is no output at all then.
  return typeof stdout === "string" ? /v=([\d.]+)/.exec(stdout)?.[1] : undefined;
}

/** Starts one with an append-only file that is flushed each second, which BullMQ's documentation asks for. */
export async function startRedis(): Promise<Redis> {
  const dir = await mkdtemp(join(tmpdir(), "millrace-bench-redis-"));
  const port = await freePort();
  const args = ["--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes"];
  const child = spawn("redis-server", args.map(String), { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout }))
    if (line.includes("Ready to accept connections")) break;
  child.stdout.resume();
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  return {
    port,
    pid: Number(child.pid),
    stop: async () => {
      process.off("exit", kill);
      const ended = once(child, "exit");
      kill();
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
