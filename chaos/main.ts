/**
 * The fault board: breaks workers, connections and servers on purpose, and counts what comes of it.
 *
 * `npm run chaos -- --only T01,T02 --seed 7 --scale 0.1 --ci --json --bin /usr/lib/postgresql/15/bin`
 *
 * `--again` gives a test that fails a second look, for a machine that others use may be too slow for a
 * moment: both lines are told, and the second counts.
 *
 * `--doc 18` writes the lines into `docs/reliability.md`, as those of Postgres 18.
 */
import { parseArgs } from "node:util";
import { BOARD } from "./board.ts";
import { document } from "./document.ts";
import { runBoard } from "./run-board.ts";
import type { BoardLine } from "./run-board.ts";
import type { Figures } from "./harness/figures.ts";
import type { ChaosTest } from "./harness/test.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seed: { type: "string", default: "1" },
    scale: { type: "string", default: "1" },
    ci: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    bin: { type: "string" },
    doc: { type: "string" },
  },
});

const seed = values.seed === "random" ? Math.floor(Math.random() * 2 ** 31) : wholeOf("--seed", values.seed);
const scale = Number(values.scale);
if (!(scale > 0)) fail(`Expected \`--scale\` to be a number above 0, got ${values.scale}`);

/** How long the tests of a run with `--ci` are to take together. Told, and no reason to fail: machines differ. */
const CI_SECONDS = 360;

const lines = await runBoard({
  tests: chosen(),
  seed,
  scale,
  ci: values.ci,
  again: values.again,
  binDir: values.bin,
  databaseUrl: process.env["DATABASE_URL"],
  report: (line) => print(textOf(line)),
});
const failed = lines.filter(({ pass }) => pass === false);
const notRun = lines.filter(({ pass }) => pass === null);
print(
  `${lines.length - failed.length - notRun.length} passed, ${failed.length} failed, ${notRun.length} not run`,
);
const took = lines.reduce((sum, { seconds }) => sum + seconds, 0);
if (values.ci) print(`took ${took.toFixed(0)} s of ${CI_SECONDS}`);
if (values.json) process.stdout.write(`${JSON.stringify(lines, undefined, 2)}\n`);
if (values.doc !== undefined) {
  await document(lines, values.doc, `${values.ci ? "--ci " : ""}--seed ${seed} --scale ${scale}`);
}
process.exitCode = failed.length === 0 ? 0 : 1;

function chosen(): readonly ChaosTest[] {
  const ids = values.only?.split(",").map((id) => id.trim().toUpperCase());
  const unknown = ids?.find((id) => !BOARD.some((test) => test.id === id));
  if (unknown !== undefined) fail(`There is no test ${unknown} on the board`);
  const tests = BOARD.filter(({ id, ci }) => (ids?.includes(id) ?? true) && (ci || !values.ci));
  const leftOut = ids?.filter((id) => !tests.some((test) => test.id === id)) ?? [];
  if (leftOut.length > 0) fail(`Run without \`--ci\`: ${leftOut.join(", ")} would not be run with it`);
  return tests;
}

/** One line a test; what it broke follows. */
function textOf(line: BoardLine): string {
  const { id, title, pass, notRun: reason, figures, control, broken, seconds } = line;
  if (pass === null) return `${id} not run  ${title}: ${reason ?? ""}`;
  const controlled = control === undefined ? "" : ` | control: ${figuresOf(control)}`;
  const head = `${id} ${pass ? "pass" : "FAIL"}  ${title}  seed ${line.seed}  ${seconds.toFixed(0)} s`;
  return [`${head}  ${figuresOf(figures)}${controlled}`, ...broken.map((text) => `    ${text}`)].join("\n");
}

function figuresOf(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(" · ");
}

/** In a run with `--json`, the document alone is on stdout. */
function print(text: string): void {
  (values.json ? process.stderr : process.stdout).write(`${text}\n`);
}

function wholeOf(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    fail(`Expected \`${option}\` to be a whole number, got ${text}`);
  return value;
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}
