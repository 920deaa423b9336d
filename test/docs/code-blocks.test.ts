import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { codeBlocks, documentNames, readDocument } from "./document.ts";
import { ENTRIES } from "./program.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What any block may take for given: the words of the pages. Its own names come first. */
const GIVEN = `
import type pg from "pg";
import type { Client, Handlers, PayloadSchema, WorkerHandle } from "millrace";
type Jobs = {
  readonly greet: PayloadSchema<{ name: string }>;
  readonly pay: PayloadSchema<{ account: number; amount: number }>;
};
declare global {
  const jobs: Jobs;
  const pool: pg.Pool;
  const tx: pg.PoolClient;
  const client: Client<Jobs>;
  const handlers: Handlers<Jobs>;
  const worker: WorkerHandle<keyof Jobs>;
}
`;

/** What a block that imports nothing may call. */
const IMPORTS = `import {
  auditTime, distinctUntilChanged, filter, firstValueFrom, from, groupBy, interval, map, mergeMap, range, retry, share, tap, timer,
} from "rxjs";
import { batchHandler, createClient, payload, PermanentError, Snooze, stopOnSignals } from "millrace";
export {};
`;

const CONFIG = {
  extends: "../../tsconfig.json",
  compilerOptions: {
    paths: Object.fromEntries(Object.entries(ENTRIES).map(([entry, source]) => [entry, [`../../${source}`]])),
  },
  include: ["*.ts"],
};

/** Type-checks programs, by file name, and answers with what the compiler says. */
async function complaints(programs: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(join(root, "temp"), { recursive: true });
  const folder = await mkdtemp(join(root, "temp", "blocks-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(CONFIG));
  await writeFile(join(folder, "given.d.ts"), GIVEN);
  await Promise.all(
    Object.entries(programs).map(([name, text]) => writeFile(join(folder, `${name}.ts`), text)),
  );
  const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
  const run = promisify(execFile)(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
    cwd: folder,
  });
  return run.then(
    () => "",
    (error: { readonly stdout: string }) => error.stdout,
  );
}

function program(block: string): string {
  return block.includes("import ") ? block : `${IMPORTS}${block}`;
}

const blocks = documentNames().flatMap((name) =>
  codeBlocks(readDocument(name), "ts").map(
    (block, index) => [`${name.replaceAll(/\W/g, "_")}_${index + 1}`, program(block)] as const,
  ),
);

describe("the TypeScript in the documents", () => {
  it("compiles", async () => {
    expect(blocks.length).toBeGreaterThan(2);
    expect(await complaints(Object.fromEntries(blocks))).toBe("");
  }, 60_000);

  it("would not compile with a kind that nobody registered", async () => {
    expect(await complaints({ wrong: program('await client.enqueue("gret", { name: "Ada" });') })).toContain(
      "TS2345",
    );
  }, 60_000);
});
