import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROJECT } from "./consumer-project.ts";

/**
 * Uses the packed package as an app does: installs it with the oldest peers that it allows, compiles a
 * project that uses every entry with the oldest and the newest TypeScript, runs its program and the
 * command line, and its marble tests with vitest, jest and node:test. `npm run build` must have run.
 * Compilers and runners are installed from the registry, or from npm's cache.
 */

/** The compilers under two names, and the test runners. */
const TOOLS = {
  typescript5: "npm:typescript@~5.9.0",
  typescript7: "npm:typescript@~7.0.2",
  vitest: "^4.1.12",
  jest: "^30.0.0",
};

const JEST = "node_modules/jest/bin/jest.js";

/** Each runner and the compiler whose output it runs. */
const RUNNERS: readonly (readonly [name: string, ...command: string[]])[] = [
  ["vitest", "node_modules/vitest/vitest.mjs", "run", "--root", "dist7"],
  ["jest", "--experimental-vm-modules", JEST, "--rootDir", "dist7", "-c", "jest.config.json"],
  ["node:test", "--test", "--test-reporter=tap", "dist7/mill.node.js"],
  ["node:test (typescript5)", "--test", "--test-reporter=tap", "dist5/mill.node.js"],
];

interface Manifest {
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface Ran {
  readonly command: string;
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const app = await mkdtemp(join(tmpdir(), "millrace-package-"));

try {
  await step("installed", install);
  for (const [compiler, config, output] of [
    ["typescript5", "tsconfig.5.json", "dist5"],
    ["typescript7", "tsconfig.json", "dist7"],
  ] as const) {
    await step(`compiled with ${compiler}, and runs`, async () => {
      await node(`node_modules/${compiler}/bin/tsc`, "-p", config);
      const said = await node(`${output}/main.js`);
      if (said !== "ran\n") throw new Error(`what ${compiler} made said ${said}`);
    });
  }
  const help = await node("node_modules/.bin/millrace", "--help");
  if (!help.startsWith("Usage: millrace")) throw new Error(`millrace --help said ${help}`);
  for (const [name, ...command] of RUNNERS) await step(`tested with ${name}`, () => testWith(command));
  await rm(join(app, "node_modules/pg"), { recursive: true });
  const script =
    'const { virtualWorker } = await import("millrace/testing"); console.log(typeof virtualWorker)';
  await step("loaded for tests without pg", () => node("--input-type=module", "-e", script));
} finally {
  await rm(app, { recursive: true, force: true });
}

/** Does one thing and tells how long that took. */
async function step(what: string, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  console.log(`The packed package is ${what}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
}

/** Packs the library and installs it into a fresh app, with the lowest versions of its peers. */
async function install(): Promise<void> {
  const packing = ["pack", "--ignore-scripts", "--silent", "--pack-destination", app];
  const packed = await run(root, "npm", packing);
  const { peerDependencies, devDependencies } = JSON.parse(
    await readFile(join(root, "package.json"), "utf8"),
  ) as Manifest;
  const lowest = (peer: string): string => (peerDependencies[peer] ?? "").replace("^", "");
  const manifest = {
    private: true,
    type: "module",
    dependencies: {
      millrace: `file:${stdoutOf(packed).trim()}`,
      pg: lowest("pg"),
      rxjs: lowest("rxjs"),
      "@types/node": devDependencies["@types/node"],
      ...TOOLS,
    },
  };
  await mkdir(join(app, "src"));
  await writeFile(join(app, "package.json"), JSON.stringify(manifest));
  for (const [name, text] of Object.entries(PROJECT)) await writeFile(join(app, name), text);
  const quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"];
  stdoutOf(await run(app, "npm", ["install", "--prefer-offline", ...quiet]));
}

/** All tests pass; and with one marble wrong one fails, by a difference that can be read. */
async function testWith(command: readonly string[]): Promise<void> {
  const said = async (env: NodeJS.ProcessEnv): Promise<string> => {
    const { stdout, stderr } = await run(app, process.execPath, command, env);
    return `${stdout}\n${stderr}`;
  };
  expectText(await said({}), /4 passed|^# pass 4$/mu);
  const failed = await said({ MILL_LATE: "1" });
  expectText(failed, /1 failed|^# fail 1$/mu);
  expectText(failed, /First difference: expected a at 11s, got a at 10s/u);
}

function expectText(output: string, text: RegExp): void {
  if (!text.test(output)) throw new Error(`Expected ${String(text)} in:\n${output}`);
}

/** Runs a script of the app and answers with what it printed. */
async function node(...command: readonly string[]): Promise<string> {
  return stdoutOf(await run(app, process.execPath, command));
}

/** What a program printed that ended well. */
function stdoutOf({ command, ok, stdout, stderr }: Ran): string {
  if (!ok) throw new Error(`${command} failed:\n${stdout}${stderr}`);
  return stdout;
}

/** Runs a program to its end. A test runner must not inherit the settings of another. */
async function run(
  cwd: string,
  file: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  const { NODE_OPTIONS: _options, NODE_ENV: _env, NODE_TEST_CONTEXT: _test, ...env } = process.env;
  const options = { cwd, env: { ...env, NO_COLOR: "1", CI: "1", ...more }, maxBuffer: 2 ** 24 };
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      resolve({ command: [file, ...args].join(" "), ok: error === null, stdout, stderr });
    });
  });
}
