/**
 * The fault board: breaks workers, connections and servers on purpose, and counts what comes of it.
 *
 * `npm run chaos -- --only T01,T02 --seed 7 --scale 0.1 --ci`; `--help` tells the options, `--list` the tests.
 */
import { document } from "./document.ts";
import { figureTexts } from "./harness/figures.ts";
import { readOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { runBoard } from "./run-board.ts";
import type { BoardLine } from "./run-board.ts";

/** How long the tests of a run with `--ci` are to take together. Told, and no reason to fail: machines differ. */
const CI_SECONDS = 360;

const { tests, seed, scale, ci, again, json, bin, doc } = optionsOrEnd();
const lines = await runBoard({
  tests,
  seed,
  scale,
  ci,
  again,
  binDir: bin,
  databaseUrl: process.env["DATABASE_URL"],
  report: (line) => print(textOf(line)),
});
const failed = lines.filter(({ pass, forgiven }) => pass === false && forgiven === undefined);
const notRun = lines.filter(({ pass }) => pass === null);
print(
  `${lines.filter(({ pass }) => pass === true).length} passed, ${failed.length} failed, ${notRun.length} not run`,
);
const took = lines.reduce((sum, { seconds }) => sum + seconds, 0);
if (ci) print(`took ${took.toFixed(0)} s of ${CI_SECONDS}`);
if (json) process.stdout.write(`${JSON.stringify(lines, undefined, 2)}\n`);
if (doc !== undefined) await document(lines, doc, `${ci ? "--ci " : ""}--seed ${seed} --scale ${scale}`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Ends the process where there is nothing to run. */
function optionsOrEnd(): Options {
  try {
    const options = readOptions(process.argv.slice(2));
    if (typeof options !== "string") return options;
    process.stdout.write(options);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  }
}

/** One line a test; what it broke follows. */
function textOf(line: BoardLine): string {
  const { id, title, pass, notRun: reason, figures, rules, control, controlRules, broken, seconds } = line;
  if (pass === null) return `${id} not run  ${title}: ${reason ?? ""}`;
  const controlled = control === undefined ? "" : ` | control: ${listOf(control, controlRules)}`;
  const head = `${id} ${pass ? "pass" : "FAIL"}  ${title}  seed ${line.seed}  ${seconds.toFixed(0)} s`;
  return [`${head}  ${listOf(figures, rules)}${controlled}`, ...broken.map((text) => `    ${text}`)].join(
    "\n",
  );
}

function listOf(...figures: Parameters<typeof figureTexts>): string {
  return figureTexts(...figures).join(" · ");
}

/** In a run with `--json`, the document alone is on stdout. */
function print(text: string): void {
  (json ? process.stderr : process.stdout).write(`${text}\n`);
}
