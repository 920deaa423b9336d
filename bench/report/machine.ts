import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type as osType } from "node:os";

/** The machine that this runs on. */
export function machine(): Record<string, string> {
  return {
    processor: `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${osType()} ${release().split(".").slice(0, 2).join(".")}`,
  };
}

/** The versions of what is measured. */
export function versions(node: string, postgres: string, redis: string | undefined): Record<string, string> {
  const { stdout } = spawnSync(node, ["--version"], { encoding: "utf8" });
  return {
    Node: stdout.trim().slice(1),
    Postgres: postgres,
    Redis: redis ?? "none",
    millrace: versionIn("../../package.json"),
    ...Object.fromEntries(
      ["graphile-worker", "pg-boss", "bullmq", "pg", "ioredis"].map((name) => [
        name,
        versionIn(`../node_modules/${name}/package.json`),
      ]),
    ),
  };
}

function versionIn(path: string): string {
  const { version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { version: string };
  return version;
}
