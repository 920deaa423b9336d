import { readFile, writeFile } from "node:fs/promises";
import { figureTexts } from "./harness/figures.ts";
import type { BoardLine } from "./run-board.ts";

const PAGE = new URL("../docs/reliability.md", import.meta.url);

/**
 * Writes the lines of a run into the page, in the place of this server. Lines of other tests stay where
 * they came from a run with the same options.
 *
 * @param server The main version of Postgres that it ran on, as the page names it.
 * @param how The options of the run, without which tests it was of.
 */
export async function document(lines: readonly BoardLine[], server: string, how: string): Promise<void> {
  const page = await readFile(PAGE, "utf8");
  const [begin, end] = [`<!-- board:${server} -->`, `<!-- board:end:${server} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`Expected docs/reliability.md to have a place for Postgres ${server}`);
  const rows = lines.map(
    ({ id, title, pass, notRun, figures, rules, control, controlRules, seconds }) =>
      `| ${id} | ${title} | ${result(pass)} | ${pass === null ? (notRun ?? "") : cellOf(figures, rules)} | ${
        control === undefined ? "" : cellOf(control, controlRules)
      } | ${pass === null ? "" : seconds.toFixed(0)} |`,
  );
  const command = `\`npm run chaos -- ${how}\``;
  const before = page.slice(from + begin.length, to);
  const kept = before.includes(`\n${command}\n`) ? before.split("\n").filter((line) => isRow(line)) : [];
  const others = kept.filter((row) => !lines.some(({ id }) => row.startsWith(`| ${id} |`)));
  const table = [
    command,
    "",
    "| id | what | | figures | control | s |",
    "| --- | --- | --- | --- | --- | ---: |",
    // By id, which they begin with.
    ...[...others, ...rows].toSorted(),
  ].join("\n");
  await writeFile(PAGE, `${page.slice(0, from + begin.length)}\n${table}\n${page.slice(to)}`);
}

function isRow(line: string): boolean {
  return /^\| T\d+ \|/.test(line);
}

function result(pass: boolean | null): string {
  if (pass === null) return "not run";
  return pass ? "pass" : "**fail**";
}

function cellOf(...figures: Parameters<typeof figureTexts>): string {
  return figureTexts(...figures).join("<br>");
}
