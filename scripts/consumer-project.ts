/**
 * A user's own project, file by file, for `check-package.ts`. It knows millrace only as the package that
 * is installed: a program that uses every entry, handlers, and marble tests of these that three test
 * runners run.
 */
export const PROJECT: Readonly<Record<string, string>> = {
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "es2022",
      lib: ["es2023", "esnext.disposable"],
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      skipLibCheck: false,
      types: ["node"],
      rootDir: "src",
      outDir: "dist7",
    },
    include: ["src"],
  }),

  // The declarations of vitest and jest take the compiler that is written in JavaScript half a minute.
  "tsconfig.5.json": JSON.stringify({
    extends: "./tsconfig.json",
    compilerOptions: { outDir: "dist5" },
    include: ["src/main.ts", "src/mill.node.ts"],
  }),

  "jest.config.json": JSON.stringify({ testEnvironment: "node", testMatch: ["**/*.jest.js"], transform: {} }),

  "src/main.ts": `
import { createClient, payload } from "millrace";
import type { WorkerEvent, WorkerHandle } from "millrace";
import { startEmbeddedPostgres } from "millrace/embedded";
import type { EmbeddedPostgres } from "millrace/embedded";
import { pipeline } from "millrace/stages";
import { memoryStore } from "millrace/testing";
import type { MemoryJob } from "millrace/testing";
import { Observable } from "rxjs";

const jobs = { greet: payload<{ readonly name: string }>() };
await using client = createClient({ connectionString: "postgres://nobody@localhost:1/none", jobs, logger: false });
const event$: Observable<WorkerEvent<"greet">> = client.worker({
  handlers: { greet: async (job): Promise<string> => job.payload.name },
});
export const spawn = (): Promise<WorkerHandle<"greet">> => client.spawnWorker({ handlers: {} });
export const start = (): Promise<EmbeddedPostgres> => startEmbeddedPostgres();
// @ts-expect-error: a kind that is not in the map
export const unknownKind = (): Promise<string> => client.enqueue("part", { name: "" });
// @ts-expect-error: a payload of another type
export const wrongPayload = (): Promise<string> => client.enqueue("greet", { name: 1 });
const kept: readonly MemoryJob[] = memoryStore().jobs();
if (!(event$ instanceof Observable) || kept.length > 0 || typeof pipeline !== "function") {
  throw new Error("the entries do not work");
}
console.log("ran");
`,

  "src/handlers.ts": `
import { map, throwError, timer } from "rxjs";
import { PermanentError, payload, type Handlers } from "millrace";

export const jobs = { mill: payload<{ grain: string }>(), sieve: payload<{ mesh: number }>() };

export const handlers: Handlers<typeof jobs> = {
  mill: ({ payload: { grain }, attempt }) =>
    attempt < 3 ? throwError(() => new Error("no water")) : timer(2_000).pipe(map(() => grain + " flour")),
  sieve: ({ payload: { mesh } }) => {
    if (mesh === 0) throw new PermanentError("no holes");
    return timer(mesh);
  },
};
`,

  "src/tests.ts": `
import { delay, type Observable } from "rxjs";
import type { WorkerEvent } from "millrace";
import { aJob, anEvent, marbles, record, replay, virtualWorker, type Fixture } from "millrace/testing";
import { handlers, jobs } from "./handlers.js";

const backoff = { initialMs: 10_000, factor: 1 };
/** Makes one marble wrong, to see the runner fail. */
const late = process.env["MILL_LATE"] === "1" ? "11s" : "10s";

export const tests: Record<string, () => void> = {
  "retries and succeeds": () => {
    marbles(({ expectEvents }) => {
      const worker = virtualWorker({ jobs, handlers, backoff });
      worker.enqueue("mill", { grain: "rye" });
      expectEvents(worker.event$).toBe(\`(ar) \${late} (ar) 10s a 2s s 1m\`);
    });
  },
  "stops at 25 s": () => {
    marbles(({ at, expectEvents }) => {
      const worker = virtualWorker({ jobs, handlers, backoff, maxAttempts: 4, concurrency: 2 });
      at("24s", () => worker.enqueue("sieve", { mesh: 3_000 }));
      at("24s", () => worker.enqueue("sieve", { mesh: 0 }));
      worker.shutdown("25s");
      expectEvents(worker.event$).toBe("24s (aaf) 3s (sD|)");
    });
  },
  "compares streams": () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold("-a-b|", { a: aJob({ kind: "mill" }), b: aJob({ attempt: 2 }) });
      expectObservable(source$.pipe(delay(0))).toBe("-a-b|", { a: aJob({ kind: "mill" }), b: aJob({ attempt: 2 }) });
      expectSubscriptions(source$.subscriptions).toBe("^---!");
    });
  },
  "records and replays": () => {
    const fixtures: Fixture[] = [];
    marbles(({ cold }) => {
      const event$: Observable<WorkerEvent> = cold("a 10s s|", {
        a: anEvent("attempt-started"),
        s: anEvent("succeeded", { durationMs: 10_000 }),
      });
      void record(event$).forEach((fixture) => fixtures.push(fixture));
    });
    marbles(({ expectEvents }) => {
      expectEvents(replay(JSON.parse(JSON.stringify(fixtures[0])))).toBe("a 10001ms s|");
    });
  },
};

// @ts-expect-error Its payload is checked by the compiler.
() => virtualWorker({ jobs, handlers }).enqueue("sieve", { mesh: "wide" });
`,

  "src/mill.test.ts": runner('import { test } from "vitest";'),
  "src/mill.jest.ts": runner('import { test } from "@jest/globals";'),
  "src/mill.node.ts": runner('import { test } from "node:test";'),
};

function runner(imported: string): string {
  return `${imported}\nimport { tests } from "./tests.js";\n\nfor (const [name, run] of Object.entries(tests)) test(name, run);\n`;
}
