import { execFile } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const folder = new URL("../../examples/", import.meta.url);

/** What the others share: no example of its own. */
const SHARED = "open-server.ts";

const names = readdirSync(folder).filter((name) => name.endsWith(".ts") && name !== SHARED);

/** Examples that are tests, with the runner of Node. */
const isTest = (name: string): boolean => name.endsWith("-test.ts");

const TESTING = ["--test", "--test-reporter=tap"];

/** What a test runner says of each test, without how long it took. */
function verdicts(tap: string): string {
  return tap.replaceAll(/^(?!(not )?ok ).*\n/gmu, "");
}

const sourceOf = (name: string): string => readFileSync(new URL(name, folder), "utf8");

/** The text in the leading comment of an example. */
function promised(source: string): string {
  const comment = /^\/\*\*\n.*?\*\//s.exec(source)?.[0] ?? "";
  const [, block = ""] = /```text\n(.*?) \* ```/s.exec(comment) ?? [];
  return block.replaceAll(/^ \* ?/gm, "");
}

describe("the examples", () => {
  it("are there", () => {
    expect(names).toEqual([
      "after-other-jobs.ts",
      "batch.ts",
      "cancel.ts",
      "circuit-breaker.ts",
      "cluster-events.ts",
      "drain-on-sigterm.ts",
      "enqueue-from-stream.ts",
      "enqueue-in-transaction.ts",
      "event-loop-lag.ts",
      "for-await.ts",
      "gaps.ts",
      "limit-by-tenant.ts",
      "live-queries.ts",
      "marble-test.ts",
      "observe-events.ts",
      "own-pipeline.ts",
      "quick-start.ts",
      "record-and-replay.ts",
      "retry-within.ts",
      "retry.ts",
      "wake-ups.ts",
      "watch-a-job.ts",
      "worker-as-stream.ts",
    ]);
  });

  it("stand in the list of README.md, each once, and no others", () => {
    const listed = [...sourceOf("README.md").matchAll(/^\| \[`([\w-]+\.ts)`\]/gmu)].map(([, name]) => name);
    expect(new Set(listed)).toEqual(new Set(names));
    expect(listed).toHaveLength(names.length);
  });

  it.each(names)("%s has at most 60 lines", (name) => {
    expect(sourceOf(name).trimEnd().split("\n").length).toBeLessThanOrEqual(60);
  });

  it.each(names)(
    "%s prints what its comment says, and exits by itself",
    async (name) => {
      const program = fileURLToPath(new URL(name, folder));
      const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
      const args = ["--import", "tsx", ...(isTest(name) ? TESTING : []), program];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env, timeout: 50_000 });
      expect(isTest(name) ? verdicts(stdout) : stdout).toBe(promised(sourceOf(name)));
      expect(stderr).toBe("");
    },
    60_000,
  );
});
